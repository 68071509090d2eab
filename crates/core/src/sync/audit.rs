//! The auditor: do the leases still cover every hash key?

use std::time::Duration;

use crate::id::LeaseKey;
use crate::lease::Lease;
use crate::shard::{HashKeyRange, first_hole};

/// When the next look is after one that saw a hole, if no audit is due sooner: a hole that is real
/// is repaired before a second audit would have seen it.
pub const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What one look at the leases came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audit {
    /// Every hash key belongs to a shard that is processed.
    Covered,
    /// Some hash keys belong to none.
    Hole {
        /// The first of them.
        range: HashKeyRange,
        /// How many looks in a row have found this hole.
        seen: u32,
        /// Whether that is often enough to repair it by a shard sync.
        repair: bool,
    },
    /// There is no lease at all: the application has to begin.
    NoLeases,
}

/// Looks for holes in the hash keys, and remembers the last one.
///
/// While a shard ends and its children begin, a reader who is a little behind sees a hole that is
/// not there. One that stays is real.
#[derive(Clone, Debug)]
pub struct Auditor {
    confidence: u32,
    last: Option<(HashKeyRange, u32)>,
    /// Whether the last audit that counted found that something is missing.
    has_found: bool,
}

impl Auditor {
    /// An auditor that believes in a hole once it has seen it `confidence` times.
    #[must_use]
    pub fn new(confidence: u32) -> Self {
        Self { confidence, last: None, has_found: false }
    }

    /// Looks once. Finished shards cover nothing; a lease of unknown hash keys does not either.
    pub fn audit(&mut self, leases: &[Lease]) -> Audit {
        let found = self.look(leases);
        self.has_found = found != Audit::Covered;
        found
    }

    /// Looks once while another one audits: a hole that it has seen as often as that one is
    /// repaired no later if that one is gone. Gives whether something was missing when it audited
    /// last.
    pub fn stand_by(&mut self, leases: &[Lease]) -> bool {
        self.look(leases);
        std::mem::take(&mut self.has_found)
    }

    /// Whether the last look saw a hole: the next one comes [`LOOK_AGAIN`] later, until it is gone.
    #[must_use]
    pub fn has_seen_hole(&self) -> bool {
        self.last.is_some()
    }

    fn look(&mut self, leases: &[Lease]) -> Audit {
        if leases.is_empty() {
            self.last = None;
            return Audit::NoLeases;
        }
        let active = leases.iter().filter(|lease| !lease.is_finished());
        let Some(range) = first_hole(active.filter_map(|lease| lease.hash_range)) else {
            self.last = None;
            return Audit::Covered;
        };
        let seen = match self.last {
            Some((last, seen)) if last == range => seen.saturating_add(1),
            Some(_) | None => 1,
        };
        self.last = Some((range, seen));
        Audit::Hole { range, seen, repair: seen >= self.confidence }
    }
}

/// The leases whose hash keys have to be asked of Kinesis before an audit means anything.
#[must_use]
pub fn without_hash_range(leases: &[Lease]) -> Vec<LeaseKey> {
    let unknown = leases.iter().filter(|lease| !lease.is_finished() && lease.hash_range.is_none());
    unknown.map(|lease| lease.key.clone()).collect()
}
