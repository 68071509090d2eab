//! Which limits are kept, and those of a shard, kept as tokens that come back with time.

use super::Timestamp;

/// What the service allows each shard in a second.
const READS_PER_SECOND: i64 = 5;
const ITERATORS_PER_SECOND: i64 = 5;
pub(super) const READ_BYTES_PER_SECOND: i64 = 2 * 1024 * 1024;
const WRITES_PER_SECOND: i64 = 1000;
const WRITE_BYTES_PER_SECOND: i64 = 1024 * 1024;

/// Which limits of the service are kept. Default: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Five GetRecords a second and 2 MiB/s a shard; 2 MiB/s a subscription.
    pub reads: bool,
    /// 1000 records a second and 1 MiB/s a shard.
    pub writes: bool,
    /// Five GetShardIterator a second and shard, one SubscribeToShard a second, shard and
    /// consumer, and the rates and numbers of all calls that
    /// are no reads and writes. Those are counted by [`Streams::admit`](super::Streams::admit).
    pub calls: bool,
}

/// How much of its limits a shard has used.
#[derive(Debug)]
pub(super) struct Usage {
    reads: Bucket,
    iterators: Bucket,
    read_bytes: Bucket,
    writes: Bucket,
    write_bytes: Bucket,
}

impl Usage {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            reads: Bucket::new(READS_PER_SECOND, now),
            iterators: Bucket::new(ITERATORS_PER_SECOND, now),
            read_bytes: Bucket::new(READ_BYTES_PER_SECOND, now),
            writes: Bucket::new(WRITES_PER_SECOND, now),
            write_bytes: Bucket::new(WRITE_BYTES_PER_SECOND, now),
        }
    }

    /// Whether GetRecords may be answered now; if so, it is counted.
    pub(super) fn admit_read(&mut self, now: Timestamp) -> bool {
        self.read_bytes.is_above_zero(now) && self.reads.take(1, now)
    }

    /// Whether GetShardIterator may be answered now; if so, it is counted.
    pub(super) fn admit_iterator(&mut self, now: Timestamp) -> bool {
        self.iterators.take(1, now)
    }

    /// Counts an answer's bytes. One of 10 MiB keeps the shard from being read for 5 s.
    pub(super) fn count_read(&mut self, size_bytes: usize, now: Timestamp) {
        self.read_bytes.spend(tokens(size_bytes), now);
    }

    /// Whether a record may be put now; if so, it is counted.
    pub(super) fn admit_write(&mut self, size_bytes: usize, now: Timestamp) -> bool {
        if !self.write_bytes.is_above_zero(now) || !self.writes.take(1, now) {
            return false;
        }
        self.write_bytes.spend(tokens(size_bytes), now);
        true
    }
}

pub(super) fn tokens(size_bytes: usize) -> i64 {
    i64::try_from(size_bytes).unwrap_or(i64::MAX / 1000)
}

/// Tokens in thousandths: a rate per second is then a number of thousandths per millisecond.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: i64,
    level: i64,
    filled: Timestamp,
}

impl Bucket {
    pub(super) fn new(rate: i64, now: Timestamp) -> Self {
        Self { rate, level: rate * 1000, filled: now }
    }

    fn fill(&mut self, now: Timestamp) {
        let millis = i64::try_from(now.millis_since(self.filled)).unwrap_or(i64::MAX);
        self.level = self.level.saturating_add(self.rate.saturating_mul(millis));
        self.level = self.level.min(self.rate * 1000);
        self.filled = now;
    }

    /// When what was taken too much has come back.
    pub(super) fn above_zero_at(&self) -> Timestamp {
        let millis = u64::try_from((-self.level).div_euclid(self.rate) + 1).unwrap_or(0);
        self.filled + std::time::Duration::from_millis(millis)
    }

    pub(super) fn is_above_zero(&mut self, now: Timestamp) -> bool {
        self.fill(now);
        self.level > 0
    }

    pub(super) fn take(&mut self, count: i64, now: Timestamp) -> bool {
        self.fill(now);
        let enough = self.level >= count * 1000;
        if enough {
            self.level -= count * 1000;
        }
        enough
    }

    /// Takes more than there may be: the debt must come back before the level is above zero.
    pub(super) fn spend(&mut self, count: i64, now: Timestamp) {
        self.fill(now);
        self.level -= count * 1000;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixth_read_of_a_second_is_refused_and_one_comes_back_in_200_ms() {
        let start = Timestamp::from_millis(1_000_000);
        let mut usage = Usage::new(start);

        assert!((0..5).all(|_| usage.admit_read(start)));
        assert!(!usage.admit_read(start));
        assert!(!usage.admit_read(Timestamp::from_millis(1_000_199)));
        assert!(usage.admit_read(Timestamp::from_millis(1_000_200)));
    }

    #[test]
    fn after_ten_mebibytes_the_shard_cannot_be_read_for_four_more_seconds() {
        let start = Timestamp::from_millis(1_000_000);
        let mut usage = Usage::new(start);
        assert!(usage.admit_read(start));

        usage.count_read(10 * 1024 * 1024, start);

        assert!(!usage.admit_read(Timestamp::from_millis(1_004_000)));
        assert!(usage.admit_read(Timestamp::from_millis(1_004_001)));
    }

    #[test]
    fn a_thousand_records_fill_a_second_of_writing() {
        let start = Timestamp::from_millis(1_000_000);
        let mut usage = Usage::new(start);

        let admitted = (0..2000).filter(|_| usage.admit_write(10, start)).count();

        assert_eq!(admitted, 1000);
        assert!(usage.admit_write(10, Timestamp::from_millis(1_000_001)));
    }
}
