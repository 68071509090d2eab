//! A run as a picture and as a story: shards and workers as lanes, tenures as bars, checkpoints and
//! faults as marks.
//!
//! Both follow from what the run wrote down, and from nothing else.

mod picture;
mod shards;
mod spans;
mod story;
mod workers;

pub use story::story;

use crate::run::Outcome;
use picture::Picture;
use spans::Run;

/// The run as SVG.
#[must_use]
pub fn draw(outcome: &Outcome) -> String {
    let run = Run::of(outcome);
    let mut picture = Picture::new(run.end, &title(outcome));
    picture.shade(run.quiet_from, run.end, "quiet: no faults from here on");
    picture.section("workers");
    for worker in &run.workers {
        workers::draw(&mut picture, worker);
    }
    picture.section("shards");
    let lanes = shards::Lanes::below(&picture, &run);
    lanes.draw(&mut picture, &run);
    picture.finish()
}

fn title(outcome: &Outcome) -> String {
    let plan = &outcome.plan;
    let verdict = match outcome.verdict.violations.len() {
        0 => "nothing broken".to_owned(),
        1 => "1 violation".to_owned(),
        broken => format!("{broken} violations"),
    };
    let minutes = (plan.chaos + plan.quiet).as_secs() / 60;
    let (workers, records) = (plan.workers, outcome.journals.puts.len());
    let shards = outcome.journals.shards.len();
    format!(
        "Seed {}: {workers} workers, {shards} shards, {records} records, {minutes} min, {verdict}",
        plan.seed
    )
}

#[cfg(test)]
mod tests;
