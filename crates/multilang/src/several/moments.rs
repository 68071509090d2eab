//! What a child knew when it wrote: of each shard, how many actions had begun by then.

use std::collections::{BTreeMap, VecDeque};

use shardwise::ShardId;

/// How many actions of each shard had begun, at the moments at which something was read.
#[derive(Default)]
pub(super) struct Moments {
    /// The number of the first one that is kept.
    first: u64,
    kept: VecDeque<BTreeMap<ShardId, u64>>,
}

impl Moments {
    /// Notes a moment; gives its number, which is that of the one before if nothing has changed.
    pub(super) fn note(&mut self, now: BTreeMap<ShardId, u64>) -> u64 {
        if self.kept.back() != Some(&now) {
            self.kept.push_back(now);
        }
        self.first + self.kept.len() as u64 - 1
    }

    /// How many actions of a shard had begun then; none that it did not have.
    pub(super) fn of(&self, moment: u64, shard: &ShardId) -> u64 {
        let at = usize::try_from(moment.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.kept.get(at).and_then(|begun| begun.get(shard)).copied().unwrap_or_default()
    }

    pub(super) fn forget_before(&mut self, moment: u64) {
        while self.first < moment && self.kept.len() > 1 {
            self.kept.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(number: u32) -> ShardId {
        ShardId::new(format!("shardId-{number}")).unwrap()
    }

    #[test]
    fn a_moment_tells_how_many_actions_had_begun_then() {
        let mut moments = Moments::default();
        let at = |begun: u64| BTreeMap::from([(shard(0), begun)]);
        let [early, same, late] = [at(3), at(3), at(4)].map(|now| moments.note(now));
        assert_eq!((early, same), (0, 0), "nothing has changed");
        assert_eq!([early, late].map(|moment| moments.of(moment, &shard(0))), [3, 4]);
        assert_eq!(moments.of(late, &shard(1)), 0);
        moments.forget_before(late);
        assert_eq!((moments.of(late, &shard(0)), moments.kept.len()), (4, 1));
    }
}
