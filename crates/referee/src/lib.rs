//! Judges a run of an application by what others saw of it: what was put, what each record
//! processor was handed, and every write to the lease table.
//!
//! The referee shares no code with the program that it judges. It reads [`Journals`], which the
//! producer, the processors and the local lease table wrote, and [`judge`]s them: a [`Verdict`]
//! lists every broken invariant, and counts what happened. Each invariant is a file of its own in
//! `invariants`, which says how it is judged and what journals cannot see.

mod counts;
mod error;
mod event;
mod fleet;
mod gap;
mod history;
mod invariant;
mod invariants;
mod item;
mod journals;
mod lease;
mod place;
mod put;
mod reason;
mod row;
mod shard;
mod tenure;
mod terms;
mod verdict;
mod worker;

pub use counts::Counts;
pub use error::ReadError;
pub use event::{Event, Handed, Why};
pub use gap::Gap;
pub use invariant::Invariant;
pub use journals::{Journals, Paths};
pub use place::{NotAPlace, Place, SequenceNumber};
pub use put::{Put, Shard};
pub use reason::{KeptBy, Reason};
pub use row::{LeaseWrite, Row};
pub use terms::Terms;
pub use verdict::{Verdict, Violation};
pub use worker::WorkerEvent;

use crate::history::History;

/// Judges one application's run on one stream.
#[must_use]
pub fn judge(journals: &Journals) -> Verdict {
    let history = History::new(journals);
    let mut verdict =
        Verdict { counts: Counts::of(&history), violations: Vec::new(), not_judged: Vec::new() };
    for (invariant, evidence, check) in invariants::CHECKS {
        if history.has(evidence) {
            verdict.violations.extend(check(&history));
        } else {
            verdict.not_judged.push(invariant);
        }
    }
    verdict
}
