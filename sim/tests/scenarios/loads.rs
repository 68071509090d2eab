//! The largest that the stream can bring, and what a worker has of it at one time.

use shardwise_referee::Place;
use shardwise_sim::order::Fault::Slow;
use shardwise_sim::plan::{FanOut, Happening, Load};
use shardwise_sim::point::Call;

use crate::scenario::{Ran, Scenario, secs};

const MIB: usize = 1 << 20;

/// One shard with these loads, while its processor is slow, read in one way or the other.
fn ran(mode: FanOut, byte_budget: usize, loads: &[Load]) -> Ran {
    let mut scenario = Scenario::new(1, 1)
        .without_records()
        .with(|plan| (plan.knobs.fan_out, plan.knobs.byte_budget) = (mode, byte_budget))
        .fault(secs(20), 0, Call::Process, Slow(secs(10)), 1);
    for load in loads {
        scenario = scenario.at(secs(20), Happening::PutLoad { pick: 0, load: *load });
    }
    let ran = scenario.run();
    assert_eq!((ran.duplicates(), ran.tenures_of(0).len()), (0, 1));
    assert_eq!(ran.outcome().verdict.counts.distinct, ran.outcome().journals.puts.len());
    ran
}

fn batches(ran: &Ran) -> Vec<usize> {
    let tenures = ran.tenures_of(0);
    tenures[0].hands.iter().map(|(_, places)| places.len()).collect()
}

/// K11: each record is more than a shard may always have, and twelve of them wait.
#[test]
fn records_of_ten_mebibytes_come_one_at_a_time_within_the_byte_budget() {
    for mode in [FanOut::Nobody, FanOut::Everybody] {
        let ran = ran(mode, 32 * MIB, &[Load::Largest; 12]);
        assert_eq!(batches(&ran), [1; 12]);
        let most = ran.outcome().bytes_most;
        assert!((10 * MIB..=32 * MIB).contains(&most), "{most}");
    }
}

/// K11: as many records as an answer holds.
#[test]
fn ten_thousand_records_that_come_at_once_are_handed_over_in_order() {
    for (mode, largest) in [(FanOut::Nobody, 10_000), (FanOut::Everybody, 2_000)] {
        let ran = ran(mode, 32 * MIB, &[Load::Records(20_000)]);
        assert_eq!(batches(&ran).iter().max(), Some(&largest), "{:?}", batches(&ran));
        assert!(ran.outcome().bytes_most <= 32 * MIB, "{}", ran.outcome().bytes_most);
    }
}

/// K11: Kinesis records of 1.3 MB become 100,000 user records each; two of them are a batch, and
/// the rest of their answer waits until it is processed.
#[test]
fn aggregates_of_a_hundred_thousand_user_records_come_within_the_byte_budget() {
    for mode in [FanOut::Nobody, FanOut::Everybody] {
        let ran = ran(mode, 32 * MIB, &[Load::Aggregate(100_000); 6]);
        assert_eq!(batches(&ran).iter().sum::<usize>(), 600_000);
        assert!(ran.outcome().bytes_most <= 32 * MIB, "{}", ran.outcome().bytes_most);
    }
}

/// K11: a key of 500 KB that 100,000 user records share, and one that a client would take, so often
/// that its copies are more than anybody wants: neither is taken apart.
#[test]
fn an_aggregate_bomb_is_delivered_as_it_is() {
    let bombs = [
        Load::Bomb { key_bytes: 500_000, count: 100_000 },
        Load::Bomb { key_bytes: 256, count: 110_000 },
    ];
    for mode in [FanOut::Nobody, FanOut::Everybody] {
        let ran = ran(mode, 32 * MIB, &bombs);
        assert_eq!(batches(&ran).iter().sum::<usize>(), 2);
        let is_whole = |place: &&Place| matches!(place, Place::At(_, 0));
        assert!(ran.tenures_of(0)[0].hands.iter().flat_map(|hand| &hand.1).all(is_whole));
        // What was reserved for the answer, and no more.
        assert!(ran.outcome().bytes_most <= 8 * MIB, "{}", ran.outcome().bytes_most);
    }
}
