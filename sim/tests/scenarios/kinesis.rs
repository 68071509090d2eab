//! What Kinesis does wrong, fault by fault, whether shards are polled or subscribed to.
//! `docs/correctness.md` has the table of them.

use std::collections::BTreeMap;
use std::time::Duration;

use shardwise_sim::order::Fault::{Backwards, Doubled, Empty, Ends, Expired, InUse, Lost};
use shardwise_sim::order::Fault::{NoEnd, NotFound, Old, Silent, Throttled};
use shardwise_sim::plan::{FanOut, Happening};
use shardwise_sim::point::Call;

use crate::scenario::{Ran, Scenario, secs, shard};

const SPLIT: Happening = Happening::Split { pick: 0 };
const MERGE: Happening = Happening::Merge { pick: 0 };
const BOTH: [FanOut; 2] = [FanOut::Nobody, FanOut::Everybody];

fn scenario(shards: u32, workers: usize, mode: FanOut) -> Scenario {
    Scenario::new(shards, workers).with(|plan| plan.knobs.fan_out = mode)
}

/// The call that brings records.
fn reading(mode: FanOut) -> Call {
    match mode {
        FanOut::Nobody => Call::Records,
        FanOut::Everybody | FanOut::EverySecond => Call::Event,
    }
}

/// The call that says where to read.
fn opening(mode: FanOut) -> Call {
    match mode {
        FanOut::Nobody => Call::Iterator,
        FanOut::Everybody | FanOut::EverySecond => Call::Subscribe,
    }
}

/// One tenure of the first shard that was handed each record once.
fn nothing_was_noticed(ran: &Ran) {
    assert_eq!((ran.duplicates(), ran.tenures_of(0).len()), (0, 1));
}

/// The longest time between two batches of the first shard.
fn longest_wait(ran: &Ran) -> Duration {
    let tenures = ran.tenures_of(0);
    let waits = tenures[0].hands.windows(2).map(|pair| pair[1].0 - pair[0].0);
    waits.max().expect("there were several")
}

/// Every shard from 0 on was processed once, and each of `ended` was marked as ended.
fn each_was_processed_once(ran: &Ran, ended: usize, open: usize) {
    for number in 0..ended + open {
        let tenures = ran.tenures_of(number).len();
        assert_eq!((ran.creations_of(number), tenures), (1, 1), "{}", shard(number));
    }
    assert!((0..ended).all(|number| ran.ended_at(number).is_some()));
    assert!((ended..ended + open).all(|number| ran.ended_at(number).is_none()));
}

/// K1: the token of a list's next page expired between two pages.
#[test]
fn a_list_whose_token_expires_between_two_pages_is_begun_again() {
    let ran = Scenario::new(4, 1)
        .with(|plan| (plan.knobs.page_shards, plan.knobs.audit) = (1, secs(600)))
        // The first page comes, and has its one shard twice.
        .fault(secs(0), 0, Call::ListShards, Doubled, 1)
        .fault(secs(0), 0, Call::ListShards, Expired, 1)
        .run();
    each_was_processed_once(&ran, 0, 4);
}

/// K2: calls of every kind that are made of the stream are refused for their rate.
#[test]
fn calls_that_are_throttled_cost_time_and_nothing_else() {
    for mode in BOTH {
        let ran = scenario(2, 1, mode)
            .fault(secs(0), 0, Call::StreamState, Throttled, 3)
            .fault(secs(0), 0, Call::ListShards, Throttled, 3)
            .fault(secs(0), 0, opening(mode), Throttled, 3)
            .fault(secs(20), 0, Call::ListShards, Throttled, 10)
            .at(secs(30), MERGE);
        let ran = match mode {
            // An event is not asked for.
            FanOut::Everybody | FanOut::EverySecond => ran
                .fault(secs(0), 0, Call::StreamConsumer, Throttled, 2)
                .fault(secs(0), 0, Call::RegisterConsumer, Throttled, 2)
                .fault(secs(20), 0, Call::Event, Ends, 1)
                .fault(secs(20), 0, Call::Subscribe, Throttled, 5),
            FanOut::Nobody => ran.fault(secs(20), 0, Call::Records, Throttled, 10),
        };
        let ran = ran.run();
        nothing_was_noticed(&ran);
        each_was_processed_once(&ran, 2, 1);
    }
}

/// K3: the service fails, and what it says next makes no sense.
#[test]
fn failures_and_malformed_answers_cost_time_and_nothing_else() {
    for mode in BOTH {
        let ran = scenario(1, 1, mode)
            .fault(secs(20), 0, reading(mode), Lost, 3)
            .fault(secs(20), 0, reading(mode), NoEnd, 3)
            .fault(secs(0), 0, opening(mode), Lost, 3)
            .run();
        nothing_was_noticed(&ran);
    }
}

/// K4: for minutes there is data, and every answer is empty, and says that the tip is reached, or
/// that it is a year away. Then reading is begun anew.
#[test]
fn answers_that_are_empty_for_minutes_end_nothing_and_skip_nothing() {
    const A_YEAR: u64 = 365 * 24 * 3_600_000;
    for (mode, millis_behind) in BOTH.into_iter().flat_map(|mode| [(mode, 0), (mode, A_YEAR)]) {
        let broken_off = if mode == FanOut::Nobody { Expired } else { Lost };
        let ran = scenario(1, 1, mode)
            .with(|plan| plan.chaos = secs(240))
            .fault(secs(20), 0, reading(mode), Empty(millis_behind), 250)
            .fault(secs(20), 0, reading(mode), broken_off, 1)
            .run();
        nothing_was_noticed(&ran);
        assert!(longest_wait(&ran) > secs(100), "{:?}", longest_wait(&ran));
    }
}

/// K5: a shard is said not to be there, though it is listed.
#[test]
fn a_shard_that_is_not_found_and_is_listed_goes_on_where_it_was() {
    // For seconds, and for minutes: it would be taken as gone after one.
    for (mode, times) in [(BOTH[0], 5), (BOTH[1], 5), (BOTH[0], 15), (BOTH[1], 15)] {
        let scenario = scenario(1, 1, mode);
        let ran = match mode {
            FanOut::Nobody => scenario.fault(secs(20), 0, Call::Records, NotFound, times),
            FanOut::Everybody | FanOut::EverySecond => scenario
                .fault(secs(20), 0, Call::Event, Ends, 1)
                .fault(secs(20), 0, Call::Subscribe, NotFound, times),
        };
        let ran = ran.run();
        nothing_was_noticed(&ran);
        assert!(ran.ended_at(0).is_none(), "{:?}", ran.ended_at(0));
    }
}

/// K6: lists are old, doubled, backwards, or break off behind their first page, while shards are
/// split and merged.
#[test]
fn no_list_that_is_wrong_makes_a_lease_twice_or_leaves_one_out() {
    for fault in [Old, Doubled, Backwards] {
        let ran = Scenario::new(2, 2)
            .always(secs(0), 0, Call::ListShards, fault)
            .always(secs(0), 1, Call::ListShards, fault)
            .at(secs(20), SPLIT)
            .at(secs(30), MERGE)
            .run();
        assert!((0..5).all(|number| ran.creations_of(number) == 1), "{fault:?}");
    }
    let ran = Scenario::new(4, 1)
        .with(|plan| plan.knobs.page_shards = 1)
        // A page, and no second one; three times.
        .fault(secs(0), 0, Call::ListShards, Doubled, 1)
        .fault(secs(0), 0, Call::ListShards, Lost, 1)
        .fault(secs(0), 0, Call::ListShards, Doubled, 1)
        .fault(secs(0), 0, Call::ListShards, Lost, 1)
        .fault(secs(0), 0, Call::ListShards, Doubled, 1)
        .fault(secs(0), 0, Call::ListShards, Lost, 1)
        .run();
    each_was_processed_once(&ran, 0, 4);
}

/// K7: a shard is split, its children are merged, and what came of that is split.
#[test]
fn what_a_merge_made_of_a_split_is_split_again() {
    for (mode, has_records) in BOTH.into_iter().flat_map(|mode| [(mode, true), (mode, false)]) {
        let ran = scenario(1, 1, mode)
            .with(|plan| plan.records_per_second *= u32::from(has_records))
            .at(secs(20), SPLIT)
            .at(secs(30), MERGE)
            .at(secs(40), SPLIT)
            .run();
        assert_eq!(ran.duplicates(), 0);
        each_was_processed_once(&ran, 4, 2);
    }
}

/// K7: a shard without records, and one whose records are all read, are split in one moment.
#[test]
fn a_shard_that_is_split_before_its_first_record_comes_to_its_end() {
    for mode in BOTH {
        let ran = scenario(1, 1, mode)
            .without_records()
            .at(secs(20), SPLIT)
            .at(secs(20), SPLIT)
            .at(secs(40), Happening::Put { pick: 0, records: 5 })
            .run();
        each_was_processed_once(&ran, 2, 3);
        assert_eq!(ran.outcome().verdict.counts.distinct, 5);
    }
}

/// K7: a first shard has descendants of six generations, all made before anybody reads.
#[test]
fn a_tree_six_deep_is_processed_from_its_root_on() {
    for mode in BOTH {
        let mut scenario = scenario(1, 2, mode)
            .with(|plan| plan.chaos = secs(150))
            .joins(secs(60), 0)
            .joins(secs(60), 1);
        for step in 1..=6 {
            // The youngest shard is listed last.
            scenario = scenario.at(secs(5 * step), Happening::Split { pick: step as u32 - 1 });
        }
        let ran = scenario.run();
        assert_eq!(deepest(&ran), 6);
        assert!((0..13).all(|number| !ran.tenures_of(number).is_empty()));
    }
}

/// How many generations there are behind the first.
fn deepest(ran: &Ran) -> usize {
    let shards = &ran.outcome().journals.shards;
    let mut depths = BTreeMap::new();
    for shard in shards {
        let above = shard.parents.iter().map(|parent| depths[parent] + 1).max().unwrap_or(0);
        depths.insert(&shard.shard, above);
    }
    depths.into_values().max().unwrap_or(0)
}

/// K7: a split or a merge every five seconds.
#[test]
fn a_storm_of_reshards_loses_and_repeats_nothing() {
    for (mode, workers) in BOTH.into_iter().flat_map(|mode| [(mode, 1), (mode, 3)]) {
        let mut scenario = scenario(2, workers, mode).with(|plan| plan.chaos = secs(120));
        for step in 1..=20 {
            let pick = 7 * step as u32;
            let is_merge = step % 2 == 0;
            let reshard =
                if is_merge { Happening::Merge { pick } } else { Happening::Split { pick } };
            scenario = scenario.at(secs(10 + 5 * step), reshard);
        }
        let ran = scenario.run();
        assert!((0..32).all(|number| ran.creations_of(number) == 1));
        // A lease that is stolen has its last batch come again.
        if workers == 1 {
            assert_eq!(ran.duplicates(), 0);
            assert!((0..32).all(|number| ran.tenures_of(number).len() == 1));
            let ended = (0..32).filter(|number| ran.ended_at(*number).is_some());
            assert_eq!(ended.count(), 30);
        }
    }
}

/// K8: retention takes records before anybody has read them.
#[test]
fn records_that_expire_unread_are_told_of_and_the_rest_is_delivered() {
    for mode in BOTH {
        let ran = scenario(1, 1, mode)
            .with(|plan| (plan.chaos, plan.knobs.retention) = (secs(260), secs(60)))
            .at(secs(20), Happening::Kill { worker: 0, down: secs(200) })
            .run();
        let counts = &ran.outcome().verdict.counts;
        assert!(counts.trimmed > 1_000, "{}", counts.trimmed);
        assert!(counts.distinct > 2_000, "{}", counts.distinct);
        let tenures = ran.tenures_of(0);
        let [gap] = ran.gaps() else { panic!("{:?}", ran.gaps()) };
        assert_eq!((&gap.after, gap.before.as_ref()), (tenures[1].start, tenures[1].first()));
    }
}

/// K8: a worker keeps its lease while it does not reach the stream.
#[test]
fn records_that_expire_under_a_reader_that_cannot_go_on_are_told_of() {
    for mode in BOTH {
        let cut_off =
            Happening::Partition { worker: 0, table: false, stream: true, lasts: secs(100) };
        let ran = scenario(1, 1, mode)
            .with(|plan| (plan.chaos, plan.knobs.retention) = (secs(260), secs(60)))
            .at(secs(20), cut_off)
            .run();
        assert!(ran.outcome().verdict.counts.trimmed > 100, "{mode:?}");
        assert_eq!((ran.tenures_of(0).len(), ran.gaps().len(), ran.duplicates()), (1, 1, 0));
    }
}

/// K8: a shard without records for longer than they are kept has lost none.
#[test]
fn an_idle_shard_whose_last_record_has_expired_has_no_gap() {
    for mode in BOTH {
        let broken_off = if mode == FanOut::Nobody { Expired } else { Lost };
        let ran = scenario(1, 1, mode)
            .without_records()
            .with(|plan| (plan.chaos, plan.knobs.retention) = (secs(260), secs(60)))
            .at(secs(20), Happening::Put { pick: 0, records: 5 })
            .fault(secs(150), 0, reading(mode), broken_off, 1)
            .at(secs(200), Happening::Put { pick: 0, records: 5 })
            .run();
        nothing_was_noticed(&ran);
        assert_eq!((ran.gaps(), ran.outcome().verdict.counts.distinct), (&[][..], 10), "{mode:?}");
    }
}

/// K9: all that can befall a subscription, one thing behind the other.
#[test]
fn a_subscription_that_ends_in_every_way_is_followed_by_the_next_one() {
    let ran = scenario(1, 1, FanOut::Everybody)
        .with(|plan| plan.chaos = secs(200))
        .fault(secs(20), 0, Call::Event, Ends, 1)
        .fault(secs(40), 0, Call::Event, Lost, 1)
        .fault(secs(60), 0, Call::Event, InUse, 1)
        .fault(secs(60), 0, Call::Subscribe, InUse, 3)
        .fault(secs(90), 0, Call::Event, Silent, 1)
        .fault(secs(150), 0, Call::Event, NoEnd, 1)
        .run();
    nothing_was_noticed(&ran);
}
