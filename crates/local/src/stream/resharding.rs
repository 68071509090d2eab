//! SplitShard, MergeShards and UpdateShardCount: open shards close, and children take over.

use std::collections::BTreeSet;

use super::shard::{HashKeyRange, ShardLog};
use super::{Phase, ServiceError, ShardId, Stream, StreamMode, Streams, Timestamp};

/// A resharding that has been accepted.
#[derive(Clone, Copy, Debug)]
pub(super) enum Change {
    Split { shard: ShardId, at: u128 },
    Merge { lower: ShardId, upper: ShardId },
    Scale { target: u32 },
}

/// What UpdateShardCount answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardCounts {
    /// How many shards were open before.
    pub current: usize,
    /// How many will be.
    pub target: u32,
}

impl Streams {
    /// Splits an open shard in two; `at` is where the upper child's range begins.
    pub fn split_shard(
        &mut self,
        stream: &str,
        shard: ShardId,
        at: u128,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let now = self.advance(now);
        let name = stream;
        let stream = self.reshardable(name)?;
        let HashKeyRange { start, end } = stream.open_range(shard)?;
        // Each child is left with at least two hash keys.
        if at <= start.saturating_add(1) || at >= end {
            return Err(ServiceError::InvalidArgument(format!(
                "NewStartingHashKey {at} used in SplitShard() on shard {shard} in stream {} under \
                 account {} is not both greater than one plus the shard's StartingHashKey {start} \
                 and less than the shard's EndingHashKey {end}.",
                stream.name, stream.account
            )));
        }
        self.check_shard_limit(1)?;
        self.begin(name, Change::Split { shard, at }, now)
    }

    /// Merges two open shards whose ranges touch.
    pub fn merge_shards(
        &mut self,
        stream: &str,
        shard: ShardId,
        adjacent: ShardId,
        now: Timestamp,
    ) -> Result<(), ServiceError> {
        let now = self.advance(now);
        let name = stream;
        let stream = self.reshardable(name)?;
        let (range, other) = (stream.open_range(shard)?, stream.open_range(adjacent)?);
        let change = if range.end.checked_add(1) == Some(other.start) {
            Change::Merge { lower: shard, upper: adjacent }
        } else if other.end.checked_add(1) == Some(range.start) {
            Change::Merge { lower: adjacent, upper: shard }
        } else {
            return Err(ServiceError::InvalidArgument(format!(
                "Shards {shard} and {adjacent} in stream {} under account {} are not an adjacent \
                 pair of shards eligible for merging",
                stream.name, stream.account
            )));
        };
        self.begin(name, change, now)
    }

    /// Reshards until `target` open shards have equal ranges.
    ///
    /// Like the service this splits and merges two shards at a time, so shards in between can
    /// open and close in the same moment.
    pub fn update_shard_count(
        &mut self,
        stream: &str,
        target: u32,
        now: Timestamp,
    ) -> Result<ShardCounts, ServiceError> {
        let now = self.advance(now);
        let name = stream;
        let stream = self.reshardable(name)?;
        let current = stream.open.len();
        if target == 0 {
            let rule = "Member must have value greater than or equal to 1";
            return Err(ServiceError::constraint(target, "targetShardCount", rule));
        }
        let wanted = target as usize;
        if wanted > current * 2 || wanted * 2 < current {
            return Err(ServiceError::LimitExceeded(format!(
                "TargetShardCount {target} for stream {} under account {} must be between half \
                 and double the current open shard count {current}.",
                stream.name, stream.account
            )));
        }
        self.check_shard_limit(wanted.saturating_sub(current))?;
        self.admit_scaling(name, now)?;
        self.begin(name, Change::Scale { target }, now)?;
        Ok(ShardCounts { current, target })
    }

    fn reshardable(&mut self, stream: &str) -> Result<&mut Stream, ServiceError> {
        let stream = self.stream(stream)?;
        stream.require_active()?;
        match stream.mode {
            StreamMode::Provisioned => Ok(stream),
            StreamMode::OnDemand => Err(ServiceError::Validation(format!(
                "Operation not permitted as stream {} is in On-Demand mode.",
                stream.name
            ))),
        }
    }

    fn begin(&mut self, stream: &str, change: Change, now: Timestamp) -> Result<(), ServiceError> {
        let until = now + self.settings.updating;
        let stream = self.stream(stream)?;
        stream.phase = Phase::Updating { until, change };
        self.advance(now);
        Ok(())
    }
}

impl Stream {
    /// The range of a shard that can be resharded.
    fn open_range(&self, shard: ShardId) -> Result<HashKeyRange, ServiceError> {
        let log = self
            .shards
            .get(&shard)
            .ok_or_else(|| ServiceError::shard_not_found(shard, &self.name, &self.account))?;
        if log.closed.is_some() {
            return Err(ServiceError::InvalidArgument(format!(
                "Shard {shard} in stream {} under account {} has already been merged or split, \
                 and thus is not eligible for merging or splitting.",
                self.name, self.account
            )));
        }
        Ok(log.shard.hash_key_range)
    }

    pub(super) fn carry_out(&mut self, change: Change, now: Timestamp) {
        match change {
            Change::Split { shard, at } => self.split(shard, at, now),
            Change::Merge { lower, upper } => {
                self.merge(lower, upper, now);
            }
            Change::Scale { target } => self.scale(target, now),
        }
        // The closed shards expire one day.
        self.next_expiry = self.next_expiry.min(now + self.retention);
    }

    pub(super) fn open_shard(
        &mut self,
        range: HashKeyRange,
        parents: &[ShardId],
        after: Option<u64>,
        now: Timestamp,
    ) -> ShardId {
        let id = ShardId(self.next_shard);
        self.next_shard += 1;
        self.open.insert(range.start, id);
        self.shards.insert(id, ShardLog::new(id, range, parents, after, now));
        id
    }

    fn log(&mut self, shard: ShardId) -> &mut ShardLog {
        self.shards.get_mut(&shard).expect("an open shard does not expire")
    }

    fn split(&mut self, shard: ShardId, at: u128, now: Timestamp) {
        let log = self.log(shard);
        let (after, range) = (Some(log.created_second()), log.shard.hash_key_range);
        let lower = HashKeyRange { end: at - 1, ..range };
        let upper = HashKeyRange { start: at, ..range };
        let lower = self.open_shard(lower, &[shard], after, now);
        let upper = self.open_shard(upper, &[shard], after, now);
        self.log(shard).close(vec![lower, upper], now);
    }

    fn merge(&mut self, lower: ShardId, upper: ShardId, now: Timestamp) -> ShardId {
        let (low, high) =
            (self.log(lower).shard.hash_key_range, self.log(upper).shard.hash_key_range);
        let after = self.log(lower).created_second().max(self.log(upper).created_second());
        self.open.remove(&high.start);
        let range = HashKeyRange { start: low.start, end: high.end };
        let child = self.open_shard(range, &[lower, upper], Some(after), now);
        self.log(lower).close(vec![child], now);
        self.log(upper).close(vec![child], now);
        child
    }

    /// Cuts at every new boundary first, then joins what is left between two of them.
    fn scale(&mut self, target: u32, now: Timestamp) {
        let ranges: Vec<_> = (0..target).map(|index| HashKeyRange::part(index, target)).collect();
        let starts: BTreeSet<u128> = ranges.iter().map(|range| range.start).collect();
        for start in starts {
            let (&from, &shard) =
                self.open.range(..=start).next_back().expect("open shards cover every hash key");
            if from < start {
                self.split(shard, start, now);
            }
        }
        for range in ranges {
            let parts: Vec<_> =
                self.open.range(range.start..=range.end).map(|(_, shard)| *shard).collect();
            parts.into_iter().reduce(|lower, upper| self.merge(lower, upper, now));
        }
    }
}
