//! A worker's lane: its lives, and what went wrong for it.

use shardwise_referee::WorkerEvent;
use svg::node::element::Element;

use super::picture::{Picture, clock, colours, cross, said, stop, tick, titled};
use super::spans::WorkerLane;

/// How high the bar of a life is, and each row of faults below it.
const LIFE: f64 = 14.0;
const ROW: f64 = 9.0;
/// What has a row of its own: its name, and how its marks begin.
const ROWS: [(&str, &str); 5] = [
    ("table", "table: "),
    ("stream", "stream: "),
    ("processor", "processor: "),
    ("child", "child: "),
    ("date", "node: date"),
];
const HEIGHT: f64 = LIFE + ROW * ROWS.len() as f64 + 14.0;

pub(super) fn draw(picture: &mut Picture, worker: &WorkerLane<'_>) {
    let y = picture.y();
    let (fill, _) = colours(Some(worker.slot));
    picture.label(y + 11.0, &format!("worker {}", worker.slot), "");
    for (life, name) in worker.lives.iter().zip(names(worker)) {
        let bar = picture.bar(*life, y, LIFE, fill);
        let title = format!("{name}: up from {} to {}", clock(life.from), clock(life.until));
        picture.add(titled(bar, &title));
    }
    for pause in &worker.pauses {
        let bar = picture.bar(*pause, y, LIFE, "url(#paused)");
        let title = format!("paused from {} to {}", clock(pause.from), clock(pause.until));
        picture.add(titled(bar, &title));
    }
    for (cut, what) in &worker.partitions {
        let bar = picture.bar(*cut, y + LIFE + 1.0, 3.0, "#1a1a1a");
        picture
            .add(titled(bar, &format!("{what} from {} to {}", clock(cut.from), clock(cut.until))));
    }
    for event in &worker.events {
        let (x, middle) = (picture.x(event.t()), y + LIFE / 2.0);
        let (shape, what): (Element, &str) = match event {
            WorkerEvent::Killed { .. } => (cross(x, middle).into(), "killed"),
            WorkerEvent::StopAsked { .. } => (stop(x, middle).into(), "asked to stop"),
            WorkerEvent::Started { .. }
            | WorkerEvent::Paused { .. }
            | WorkerEvent::Resumed { .. }
            | WorkerEvent::Ended { .. } => continue,
        };
        picture.add(titled(shape, &format!("{} {what} at {}", event.worker(), clock(event.t()))));
    }
    faults(picture, worker, y + LIFE + 5.0);
    picture.down(HEIGHT);
}

/// Rows of ticks, by whom the fault is.
fn faults(picture: &mut Picture, worker: &WorkerLane<'_>, y: f64) {
    for (row, (name, begins)) in ROWS.iter().enumerate() {
        let y = y + ROW * row as f64;
        picture.label(y + ROW - 2.0, name, "row");
        let marks = worker.marks.iter().filter(|mark| mark.what.starts_with(begins));
        for (x, same) in picture.merged(marks.map(|mark| (mark.t, mark.what))) {
            let fault = tick(x, y, ROW - 2.0, "#666");
            picture.add(titled(fault, &said(&same, |what| (*what).to_owned())));
        }
    }
}

fn names<'a>(worker: &'a WorkerLane<'a>) -> impl Iterator<Item = &'a str> {
    let is_start = |event: &&&WorkerEvent| matches!(event, WorkerEvent::Started { .. });
    worker.events.iter().filter(is_start).map(|event| event.worker())
}
