//! What the application says of records that it may have lost.

use crate::place::Place;

/// That records may have been removed by retention before they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// When it was said.
    pub t: u64,
    /// The worker that said it.
    pub worker: String,
    /// The shard.
    pub shard: String,
    /// They lie behind this place,
    pub after: Place,
    /// and before this one; none if nothing more came of the shard.
    pub before: Option<Place>,
}

impl Gap {
    /// Whether a record at `place` is among them.
    pub(crate) fn covers(&self, place: &Place) -> bool {
        self.after < *place && self.before.as_ref().is_none_or(|before| place < before)
    }
}
