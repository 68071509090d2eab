//! How long calls take where the service is emulated, and not only its answers.

use std::sync::Mutex;
use std::time::Duration;

/// How long one call takes.
#[derive(Clone, Copy, Debug)]
struct Latency {
    /// The operations, as in `X-Amz-Target` without its prefix.
    operations: &'static [&'static str],
    /// What most calls take, give or take a quarter.
    typical: Duration,
    /// What the slowest of a thousand take.
    slowest: Duration,
    /// Where the figures are from.
    #[cfg_attr(not(test), expect(dead_code, reason = "for whoever reads or changes the table"))]
    source: &'static str,
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Neither service publishes latencies, DynamoDB but for the words "single-digit milliseconds".
/// The rest are assumptions: a client in the same region, and a write in Kinesis that waits for
/// copies in three zones. Whoever has measured better changes them here.
const LATENCIES: [Latency; 9] = [
    Latency {
        operations: &["GetRecords"],
        typical: ms(15),
        slowest: ms(120),
        source: "assumed; a reader polling at 200 ms is told to expect about 200 ms in all",
    },
    Latency {
        operations: &["PutRecord", "PutRecords"],
        typical: ms(12),
        slowest: ms(150),
        source: "assumed: synchronous copies in three zones",
    },
    Latency {
        operations: &["GetShardIterator"],
        typical: ms(8),
        slowest: ms(60),
        source: "assumed: no record is read",
    },
    Latency {
        operations: &["SubscribeToShard"],
        typical: ms(25),
        slowest: ms(200),
        source: "assumed: until the answer begins; what is put then comes without a delay",
    },
    Latency {
        operations: &[
            "ListShards",
            "DescribeStream",
            "DescribeStreamSummary",
            "DescribeStreamConsumer",
            "ListStreamConsumers",
        ],
        typical: ms(20),
        slowest: ms(200),
        source: "assumed: a call of the control plane that changes nothing",
    },
    Latency {
        operations: &["GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query"],
        typical: ms(5),
        slowest: ms(50),
        source: "DynamoDB's guide: single-digit milliseconds",
    },
    Latency {
        operations: &["Scan", "BatchGetItem", "BatchWriteItem"],
        typical: ms(9),
        slowest: ms(80),
        source: "assumed: several items, so the upper end of single-digit milliseconds",
    },
    Latency {
        operations: &["TransactGetItems", "TransactWriteItems"],
        typical: ms(15),
        slowest: ms(100),
        source: "assumed: two phases",
    },
    OTHERS,
];

/// What is not named above: calls of the control plane.
const OTHERS: Latency = Latency {
    operations: &[],
    typical: ms(40),
    slowest: ms(400),
    source: "assumed: a call of the control plane that changes something",
};

/// How long a new stream is CREATING, and a deleted one DELETING: some seconds. Assumed.
pub(crate) const STREAM_CREATION: Duration = Duration::from_secs(3);
/// How long a stream consumer is CREATING, and one deregistered DELETING: some seconds. Assumed.
pub(crate) const CONSUMER_REGISTRATION: Duration = Duration::from_secs(3);
/// How long a resharding takes. Assumed; the service says "a few minutes" of large streams.
pub(crate) const RESHARDING: Duration = Duration::from_secs(5);
/// How long a new table is CREATING. Assumed.
pub(crate) const TABLE_CREATION: Duration = Duration::from_secs(3);

/// Of a thousand calls, this many are not slower than a quarter above the typical time.
const TYPICAL_PER_MILLE: u64 = 950;

impl Latency {
    fn of(operation: &str) -> Self {
        let named = |row: &&Self| row.operations.contains(&operation);
        LATENCIES.iter().find(named).copied().unwrap_or(OTHERS)
    }

    /// Three quarters to five quarters of the typical time, or from there to the slowest.
    fn drawn(self, draw: u64) -> Duration {
        let (per_mille, part) = (draw % 1000, (draw / 1000 % 1001) as u32);
        let (from, to) = if per_mille < TYPICAL_PER_MILLE {
            (self.typical * 3 / 4, self.typical * 5 / 4)
        } else {
            (self.typical * 5 / 4, self.slowest)
        };
        from + (to - from) * part / 1000
    }
}

/// Latencies one after the other. The same seed gives the same ones to the same calls.
#[derive(Debug)]
pub(crate) struct Latencies {
    state: Mutex<u64>,
}

impl Latencies {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed) }
    }

    /// How long the next call takes, by its `X-Amz-Target`.
    pub(crate) fn next(&self, target: &str) -> Duration {
        let operation = target.rsplit_once('.').map_or(target, |(_, operation)| operation);
        let mut state = self.state.lock().expect("no call panics while it holds the lock");
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        Latency::of(operation).drawn(mixed(*state))
    }
}

/// The output of SplitMix64 for a state.
fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(seed: u64, target: &str) -> Vec<Duration> {
        let latencies = Latencies::new(seed);
        (0..2000).map(|_| latencies.next(target)).collect()
    }

    #[test]
    fn a_seed_gives_the_same_latencies_again_and_another_does_not() {
        let target = "Kinesis_20131202.GetRecords";

        assert_eq!(drawn(1, target), drawn(1, target));
        assert_ne!(drawn(1, target), drawn(2, target));
    }

    #[test]
    fn most_calls_are_typical_and_none_is_slower_than_the_slowest() {
        let mut times = drawn(7, "DynamoDB_20120810.UpdateItem");
        times.sort_unstable();

        assert!(times[0] >= ms(5) * 3 / 4);
        assert!((ms(4)..ms(6)).contains(&times[1000]), "{:?}", times[1000]);
        assert!(times[1850] <= ms(5) * 5 / 4);
        assert!((ms(10)..=ms(50)).contains(&times[1999]), "{:?}", times[1999]);
    }

    #[test]
    fn an_operation_that_is_not_named_takes_as_long_as_one_that_changes_something() {
        assert_eq!(Latency::of("SplitShard").typical, OTHERS.typical);
        assert_eq!(drawn(1, "no target at all"), drawn(1, "Kinesis_20131202.SplitShard"));
    }

    #[test]
    fn no_operation_is_named_twice_and_every_figure_has_a_source() {
        let mut named: Vec<_> = LATENCIES.iter().flat_map(|row| row.operations).collect();
        let count = named.len();
        named.sort_unstable();
        named.dedup();

        assert_eq!(named.len(), count);
        assert!(LATENCIES.iter().all(|row| !row.source.is_empty()));
    }
}
