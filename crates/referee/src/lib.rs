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
mod history;
mod invariants;
mod journals;
mod place;
mod row;
mod tenure;
mod verdict;

pub use counts::Counts;
pub use error::ReadError;
pub use event::{Event, Handed, Put, Shard, Why};
pub use journals::{Journals, Paths};
pub use place::{NotAPlace, Place, SequenceNumber};
pub use row::{LeaseWrite, Row};
pub use verdict::{Invariant, Verdict, Violation};

use crate::history::History;

/// Judges one application's run on one stream.
#[must_use]
pub fn judge(journals: &Journals) -> Verdict {
    let history = History::new(journals);
    Verdict {
        counts: Counts::of(&history),
        violations: invariants::CHECKS.iter().flat_map(|check| check(&history)).collect(),
    }
}
