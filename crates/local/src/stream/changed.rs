//! Which shards changed since somebody last asked.

use super::{ShardId, Streams};

/// Shards that changed, of whatever stream: records came, the shard was closed, or one of its
/// subscriptions was ended from outside.
///
/// A shard may be in here without having changed, never the other way round: so this is of one
/// size, however many shards there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangedShards(u64);

impl ChangedShards {
    /// Shards are told apart by this many places.
    pub const PLACES: usize = u64::BITS as usize;

    /// The place of a shard.
    #[must_use]
    pub fn place(shard: ShardId) -> usize {
        shard.0 as usize % Self::PLACES
    }

    /// The places at which something changed.
    pub fn places(self) -> impl Iterator<Item = usize> {
        (0..Self::PLACES).filter(move |place| self.0 & (1 << place) != 0)
    }

    /// Whether nothing changed.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn extend_to_all(&mut self) {
        self.0 = u64::MAX;
    }
}

impl Extend<ShardId> for ChangedShards {
    fn extend<I: IntoIterator<Item = ShardId>>(&mut self, shards: I) {
        for shard in shards {
            self.0 |= 1 << Self::place(shard);
        }
    }
}

impl Streams {
    /// What changed since this was last asked, for whoever waits with subscriptions: those of
    /// other shards have nothing to say that they had not before.
    pub fn take_changed(&mut self) -> ChangedShards {
        std::mem::take(&mut self.changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_changed_is_found_at_its_place() {
        let mut changed = ChangedShards::default();
        assert!(changed.is_empty());

        changed.extend([ShardId(3), ShardId(64), ShardId(67)]);

        assert_eq!(changed.places().collect::<Vec<_>>(), [0, 3]);
        assert_eq!(ChangedShards::place(ShardId(67)), 3);
    }
}
