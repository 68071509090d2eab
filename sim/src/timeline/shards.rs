//! The shards' lanes: who had each, how far it came, and from which it stems.

use std::collections::BTreeMap;

use shardwise_referee::{Place, Why};
use svg::node::element::Path;

use super::picture::{
    BROKEN, Picture, alarm, clock, colours, diamond, line, said, tick, titled, triangle, words,
};
use super::spans::{Run, ShardLane, Span, Tenure, moment, slot_of};

const LANE: f64 = 26.0;
/// Where in a lane the tenures lie, and the strip of the lease below them.
const BAR: (f64, f64) = (3.0, 12.0);
const STRIP: (f64, f64) = (16.0, 3.0);

/// Where each shard's lane is.
pub(super) struct Lanes<'a> {
    tops: BTreeMap<&'a str, f64>,
}

impl<'a> Lanes<'a> {
    pub(super) fn below(picture: &Picture, run: &Run<'a>) -> Self {
        let top = |lane: usize| picture.y() + LANE * lane as f64;
        let lanes = run.shards.iter().enumerate();
        Self { tops: lanes.map(|(lane, shard)| (shard.id, top(lane))).collect() }
    }

    pub(super) fn draw(&self, picture: &mut Picture, run: &Run<'_>) {
        for shard in &run.shards {
            let y = self.tops[shard.id];
            let class = if shard.violations.is_empty() { "" } else { "broken" };
            picture.label(y + 13.0, short(shard.id), class);
            let open = picture.bar(shard.open, y + BAR.0 - 1.0, BAR.1 + 2.0, "#e4e4e4");
            let (from, until) = (clock(shard.open.from), clock(shard.open.until));
            picture.behind(titled(open, &format!("{}: open from {from} to {until}", shard.id)));
            for parent in shard.parents {
                self.stem(picture, shard, parent);
            }
            for (span, holder) in &shard.holds {
                let (fill, _) = colours(slot_of(holder));
                let strip = picture.bar(*span, y + STRIP.0, STRIP.1, fill);
                let (from, until) = (clock(span.from), clock(span.until));
                let title = format!("{holder} has the lease from {from} to {until}");
                picture.add(titled(strip.set("fill-opacity", 0.55), &title));
            }
            shard.tenures.iter().for_each(|tenure| draw_tenure(picture, shard, tenure, y));
            draw_marks(picture, shard, y);
        }
        picture.down(LANE * run.shards.len() as f64);
        if !run.others.is_empty() {
            picture.section("broken elsewhere");
            for broken in &run.others {
                let text = format!("{} {}: {}", broken.invariant, broken.shard, broken.text);
                picture.down(14.0);
                let text = words(&text, 30.0, picture.y() - 4.0);
                picture.add(text.set("class", "broken"));
            }
        }
    }

    /// A curve from a parent's end to its child's beginning.
    fn stem(&self, picture: &mut Picture, shard: &ShardLane<'_>, parent: &str) {
        let Some(top) = self.tops.get(parent) else { return };
        let (x, from, to) = (picture.x(shard.open.from), top + 10.0, self.tops[shard.id] + 10.0);
        let d = format!("M{x} {from}C{0} {from} {0} {to} {x} {to}", x - 14.0);
        let curve = Path::new().set("d", d).set("fill", "none").set("stroke", "#999");
        picture.behind(titled(curve, &format!("{parent} became {}", shard.id)));
    }
}

/// The number of a shard is enough on a lane.
fn short(id: &str) -> &str {
    let digits = id.trim_start_matches("shardId-").trim_start_matches('0');
    if digits.is_empty() { "shard 0" } else { digits }
}

fn draw_tenure(picture: &mut Picture, shard: &ShardLane<'_>, tenure: &Tenure<'_>, y: f64) {
    let Span { from, until } = tenure.span;
    let end = match tenure.end {
        Some(Why::LeaseLost) => "the lease was lost",
        Some(Why::ShardEnded) => "the shard ended",
        Some(Why::ShutdownRequested) => "the worker stopped",
        None => "never told that it ends",
    };
    let title = format!(
        "{} on {}\nfrom {} to {}\nstarts behind {}, {} records\n{end}",
        tenure.worker,
        shard.id,
        clock(from),
        clock(until),
        tenure.start,
        tenure.records
    );
    let (fill, ink) = colours(slot_of(tenure.worker));
    let bar = picture.bar(tenure.span, y + BAR.0, BAR.1, fill);
    let bar = bar.set("rx", 2).set("fill-opacity", 0.85).set("class", "tenure");
    // One at another's time is seen through it.
    picture.add(titled(bar.set("stroke", "#fff").set("stroke-width", 0.6), &title));
    if picture.x(until) - picture.x(from) > 12.0 * tenure.worker.len() as f64 {
        let name = words(tenure.worker, picture.x(from) + 4.0, y + 12.5).set("class", "in");
        picture.add(name.set("fill", ink).set("pointer-events", "none"));
    }
}

fn draw_marks(picture: &mut Picture, shard: &ShardLane<'_>, y: f64) {
    let (ends, moves): (Vec<_>, Vec<_>) =
        shard.checkpoints.iter().partition(|(_, place)| **place == Place::ShardEnd);
    for (x, same) in picture.merged(moves.into_iter().copied()) {
        let mark = tick(x, y + STRIP.0 - 2.0, STRIP.1 + 4.0, "#1a1a1a").set("class", "checkpoint");
        picture.add(titled(mark, &said(&same, |place| format!("checkpoint at {place}"))));
    }
    for (x, same) in picture.merged(shard.refusals.iter().copied()) {
        let mark = tick(x, y + BAR.0, BAR.1, BROKEN).set("class", "refused");
        picture.add(titled(mark, &said(&same, |error| format!("refused: {error}"))));
    }
    for (t, _) in ends {
        let mark = diamond(picture.x(*t), y + 9.0).set("class", "end");
        picture.add(titled(mark, &format!("{} SHARD_END of {}", clock(*t), shard.id)));
    }
    for mark in &shard.hands {
        let hand = triangle(picture.x(mark.t), y + 9.0);
        picture.add(titled(hand, &format!("{} {}", clock(mark.t), mark.what)));
    }
    for broken in &shard.violations {
        let title =
            format!("{} {}\n{}", broken.invariant, broken.invariant.statement(), broken.text);
        let t = moment(broken).unwrap_or(shard.open.from);
        let x = picture.x(t);
        let through = line((x, y - 2.0), (x, y + LANE - 2.0)).set("stroke", BROKEN);
        picture.add(through.set("stroke-width", 2));
        picture.add(titled(alarm(x, y + 9.0).set("class", "violation"), &title));
    }
}
