//! How often in a row a shard has failed without getting any further.

use shardwise_core::sequence::Checkpoint;

/// Failures count until the shard gets to where they were. A processor that starts well, or
/// processes once more what came before, has not got on by that.
#[derive(Clone, Debug, Default)]
pub(super) struct Failures {
    in_a_row: u32,
    /// The furthest place that something failed at.
    at: Option<Checkpoint>,
}

impl Failures {
    pub(super) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// One more, with everything up to `place` handed over.
    pub(super) fn add(&mut self, place: Option<Checkpoint>) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        self.at = place.max(self.at.take());
    }

    /// What was handed over up to `place` is done; whether no failure is left.
    pub(super) fn got_to(&mut self, place: Option<&Checkpoint>) -> bool {
        if self.at.as_ref() <= place {
            self.forget();
        }
        self.in_a_row == 0
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}
