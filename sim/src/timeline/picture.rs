//! Shapes on a sheet that is as wide as the run is long.

use svg::node::element::{
    Circle, Definitions, Element, Group, Line, Path, Pattern, Rectangle, Style, Text, Title,
};
use svg::{Document, Node};

use super::spans::Span;

/// Colours that the colour-blind can tell apart (Okabe and Ito), each with that of text on it;
/// vermilion is kept for what is broken.
const WORKERS: [(&str, &str); 6] = [
    ("#0072b2", "#fff"),
    ("#e69f00", INK),
    ("#009e73", "#fff"),
    ("#cc79a7", INK),
    ("#56b4e9", INK),
    ("#f0e442", INK),
];
pub(super) const BROKEN: &str = "#d55e00";
const INK: &str = "#1a1a1a";

/// Room for names, left of everything.
const LEFT: f64 = 130.0;
const RIGHT: f64 = 30.0;
const HEAD: f64 = 118.0;
/// How far apart marks are.
const MARK: f64 = 3.0;
const PIXELS_PER_SECOND: f64 = 0.7;
const WIDTHS: (f64, f64) = (1_000.0, 6_000.0);
const STYLE: &str = "text{font:11px system-ui,sans-serif}\
    .title{font-size:16px;font-weight:600}.section{font-size:12px;font-weight:600}\
    .soft{fill:#666}.row{fill:#666;font-size:8px}.in{font-size:9px}\
    .broken{fill:#d55e00;font-weight:700}\
    .grid{stroke:#ddd;stroke-width:1}";

/// The sheet, drawn from top to bottom.
pub(super) struct Picture {
    end: u64,
    width: f64,
    /// How far down it is drawn.
    y: f64,
    title: String,
    /// What lies behind the marks.
    back: Group,
    front: Group,
}

/// A worker's colour, and that of text on it.
pub(super) fn colours(slot: Option<usize>) -> (&'static str, &'static str) {
    slot.map_or(("#888", "#fff"), |slot| WORKERS[slot % WORKERS.len()])
}

/// Minutes and seconds, as they stand on the axis.
pub(super) fn clock(t: u64) -> String {
    let seconds = t / 1_000_000;
    format!("{}:{:02}.{:03}", seconds / 60, seconds % 60, t / 1_000 % 1_000)
}

/// XML has no control characters, and journals may.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// What marks at the same place say; of many the first ones.
pub(super) fn said<T>(same: &[(u64, T)], say: impl Fn(&T) -> String) -> String {
    const SAID: usize = 4;
    let lines = same.iter().take(SAID).map(|(t, mark)| format!("{} {}", clock(*t), say(mark)));
    let mut lines: Vec<String> = lines.collect();
    if same.len() > SAID {
        lines.push(format!("and {} more", same.len() - SAID));
    }
    lines.join("\n")
}

/// Text at a place; whatever it is, it leaves the picture whole.
pub(super) fn words(text: &str, x: f64, y: f64) -> Text {
    Text::new(printable(text)).set("x", x).set("y", y)
}

pub(super) fn titled(shape: impl Into<Element>, title: &str) -> Element {
    let mut shape = shape.into();
    shape.append(Title::new(printable(title)));
    shape
}

impl Picture {
    pub(super) fn new(end: u64, title: &str) -> Self {
        let seconds = end as f64 / 1e6;
        let width = (seconds * PIXELS_PER_SECOND).clamp(WIDTHS.0, WIDTHS.1);
        let (back, front) = (Group::new(), Group::new());
        Self { end: end.max(1), width, y: HEAD, title: title.to_owned(), back, front }
    }

    pub(super) fn y(&self) -> f64 {
        self.y
    }

    /// Goes further down.
    pub(super) fn down(&mut self, pixels: f64) {
        self.y += pixels;
    }

    /// Where a moment is.
    pub(super) fn x(&self, t: u64) -> f64 {
        let x = LEFT + self.width * t.min(self.end) as f64 / self.end as f64;
        (x * 10.0).round() / 10.0
    }

    pub(super) fn behind(&mut self, shape: impl Into<Box<dyn Node>>) {
        self.back.append(shape);
    }

    pub(super) fn add(&mut self, shape: impl Into<Box<dyn Node>>) {
        self.front.append(shape);
    }

    /// A bar at `y`; at least a pixel wide.
    pub(super) fn bar(&self, span: Span, y: f64, height: f64, fill: &str) -> Rectangle {
        let (x, end) = (self.x(span.from), self.x(span.until));
        let width = ((end - x).max(1.0) * 10.0).round() / 10.0;
        let bar = Rectangle::new().set("x", x).set("y", y).set("width", width);
        bar.set("height", height).set("fill", fill)
    }

    /// A lane's name.
    pub(super) fn label(&mut self, y: f64, text: &str, class: &str) {
        let label = words(text, LEFT - 10.0, y).set("text-anchor", "end");
        self.add(label.set("class", class));
    }

    pub(super) fn section(&mut self, name: &str) {
        self.y += 26.0;
        self.add(words(name, 14.0, self.y - 8.0).set("class", "section"));
    }

    /// Shades a time from top to bottom.
    pub(super) fn shade(&mut self, from: u64, until: u64, why: &str) {
        let bar = self.bar(Span { from, until }, HEAD, 0.0, "#f1f6f1").set("height", "100%");
        self.behind(titled(bar, why));
        self.add(words("quiet", self.x(from) + 6.0, HEAD + 14.0).set("class", "soft"));
    }

    /// Marks that could not be told apart are one.
    pub(super) fn merged<T>(
        &self,
        marks: impl IntoIterator<Item = (u64, T)>,
    ) -> Vec<(f64, Vec<(u64, T)>)> {
        let mut merged: Vec<(f64, Vec<(u64, T)>)> = Vec::new();
        for (t, mark) in marks {
            let x = (self.x(t) / MARK).round() * MARK;
            match merged.last_mut() {
                Some((last, same)) if *last == x => same.push((t, mark)),
                _ => merged.push((x, vec![(t, mark)])),
            }
        }
        merged
    }

    pub(super) fn finish(mut self) -> String {
        self.y += 10.0;
        let (width, height) = (LEFT + self.width + RIGHT, self.y + 34.0);
        let mut document = Document::new()
            .set("viewBox", (0, 0, width, height))
            .set("width", width)
            .set("height", height)
            .set("role", "img");
        document.append(Title::new(printable(&self.title)));
        document.append(Style::new(STYLE));
        document.append(hatching());
        let sheet = Rectangle::new().set("width", width).set("height", height).set("fill", "#fff");
        document.append(sheet);
        // What was shaded ends with the lanes.
        let clip = Element::new("svg");
        let mut clip = with(clip, &[("width", width), ("height", self.y)]);
        let grid = self.grid();
        clip.append(self.back);
        document.append(clip);
        document.append(grid);
        document.append(self.front);
        document.append(words(&self.title, 14.0, 30.0).set("class", "title"));
        document.append(legend());
        document.to_string() + "\n"
    }

    /// Lines through all lanes at round times, named above and below.
    fn grid(&self) -> Group {
        const STEPS: [u64; 9] = [1, 2, 5, 10, 30, 60, 120, 300, 600];
        let hours = (1..).map(|hours| 3_600 * hours);
        let seconds = self.end as f64 / 1e6;
        let is_wide = |step: &u64| self.width * *step as f64 / seconds >= 70.0;
        let step = STEPS.into_iter().chain(hours).find(is_wide).unwrap_or(u64::MAX);
        let step = step.saturating_mul(1_000_000);
        let mut grid = Group::new();
        for t in (0..=self.end).step_by(step as usize) {
            let x = self.x(t);
            grid.append(line((x, HEAD), (x, self.y)).set("class", "grid"));
            for y in [HEAD - 6.0, self.y + 16.0] {
                let name = words(&clock(t).replace(".000", ""), x, y);
                grid.append(name.set("text-anchor", "middle").set("class", "soft"));
            }
        }
        grid
    }
}

fn with(mut element: Element, attributes: &[(&str, f64)]) -> Element {
    for (name, value) in attributes {
        element.assign(*name, *value);
    }
    element
}

pub(super) fn line(from: (f64, f64), to: (f64, f64)) -> Line {
    Line::new().set("x1", from.0).set("y1", from.1).set("x2", to.0).set("y2", to.1)
}

/// Stands still: stripes over the worker's colour.
fn hatching() -> Definitions {
    let stripes = Path::new().set("d", "M0 6L6 0M-1 1L1 -1M5 7L7 5").set("stroke", "#fff");
    let pattern = Pattern::new().set("id", "paused").set("width", 6).set("height", 6);
    let pattern = pattern.set("patternUnits", "userSpaceOnUse");
    Definitions::new().add(pattern.add(stripes.set("stroke-width", 2)))
}

/// Killed: a cross.
pub(super) fn cross(x: f64, y: f64) -> Path {
    let d = format!("M{} {}l8 8m0 -8l-8 8", x - 4.0, y - 4.0);
    Path::new().set("d", d).set("stroke", INK).set("stroke-width", 2).set("fill", "none")
}

/// A place where somebody laid hand on the table: a triangle.
pub(super) fn triangle(x: f64, y: f64) -> Path {
    let d = format!("M{} {}h8l-4 -8z", x - 4.0, y + 4.0);
    Path::new().set("d", d).set("fill", "#fff").set("stroke", INK).set("stroke-width", 1.5)
}

/// Asked to stop: a triangle that points down.
pub(super) fn stop(x: f64, y: f64) -> Path {
    Path::new().set("d", format!("M{} {}h8l-4 7z", x - 4.0, y - 4.0)).set("fill", INK)
}

/// The end of a shard: a diamond.
pub(super) fn diamond(x: f64, y: f64) -> Path {
    let d = format!("M{x} {}l5 5l-5 5l-5 -5z", y - 5.0);
    Path::new().set("d", d).set("fill", INK)
}

/// Something broken.
pub(super) fn alarm(x: f64, y: f64) -> Circle {
    let dot = Circle::new().set("cx", x).set("cy", y).set("r", 5.5);
    dot.set("fill", BROKEN).set("stroke", "#fff").set("stroke-width", 1.5)
}

/// A short line upright.
pub(super) fn tick(x: f64, y: f64, height: f64, colour: &str) -> Line {
    line((x, y), (x, y + height)).set("stroke", colour).set("stroke-width", 1)
}

/// What each shape means.
fn legend() -> Group {
    let mut legend = Group::new().set("class", "legend");
    let mut at = (14.0, 58.0);
    let mut entry = |shape: &dyn Fn(f64, f64) -> Element, text: &str| {
        if at.0 > 900.0 {
            at = (14.0, at.1 + 22.0);
        }
        legend.append(shape(at.0 + 8.0, at.1));
        legend.append(words(text, at.0 + 22.0, at.1 + 4.0));
        at.0 += 44.0 + text.len() as f64 * 6.6;
    };
    let swatch = |height: f64, fill: &'static str, opacity: f64| {
        move |x: f64, y: f64| -> Element {
            let bar = Rectangle::new().set("x", x - 7.0).set("y", y - height / 2.0);
            let bar = bar.set("width", 14).set("height", height).set("fill", fill);
            bar.set("fill-opacity", opacity).into()
        }
    };
    let striped = |x: f64, y: f64| -> Element {
        let bar = swatch(12.0, WORKERS[0].0, 1.0)(x, y);
        let over = swatch(12.0, "url(#paused)", 1.0)(x, y);
        Group::new().add(bar).add(over).into()
    };
    entry(&swatch(12.0, WORKERS[0].0, 1.0), "worker alive; tenure, in its worker's colour");
    entry(&striped, "paused");
    entry(&swatch(3.0, WORKERS[0].0, 0.55), "has the lease");
    entry(&swatch(12.0, "#e4e4e4", 1.0), "shard open");
    entry(&|x, y| tick(x, y - 6.0, 12.0, INK).into(), "checkpoint");
    entry(&|x, y| diamond(x, y).into(), "SHARD_END");
    entry(&|x, y| tick(x, y - 6.0, 12.0, BROKEN).into(), "checkpoint refused");
    entry(&|x, y| cross(x, y).into(), "killed");
    entry(&|x, y| stop(x, y).into(), "asked to stop");
    entry(&|x, y| triangle(x, y).into(), "row changed by hand");
    entry(&swatch(3.0, INK, 1.0), "cut off");
    entry(&|x, y| tick(x, y - 4.0, 8.0, "#666").into(), "fault of a request or a processor");
    entry(&|x, y| alarm(x, y).into(), "invariant broken");
    legend
}
