//! Subscriptions: records that were lost or repeated where one ended and the next began.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use shardwise_referee::{Event, Place};
use shardwise_sim::order::Fault;
use shardwise_sim::order::Fault::{Ends, InUse, Lost, NoEnd, NotFound};
use shardwise_sim::order::Fault::{Restart, Silent, Slow, Throttled};
use shardwise_sim::plan::{FanOut, Happening};
use shardwise_sim::point::Call;

use crate::scenario::{Ran, Scenario, secs};

fn everybody_subscribes(shards: u32, workers: usize) -> Scenario {
    Scenario::new(shards, workers).with(|plan| plan.knobs.fan_out = FanOut::Everybody)
}

/// One tenure that was handed each record once.
fn nothing_was_noticed(ran: &Ran) {
    assert_eq!(ran.duplicates(), 0);
    assert_eq!(ran.tenures_of(0).len(), 1);
}

/// KCL#596: an event that was not acknowledged yet came again with the next subscription.
#[test]
fn a_subscription_that_ends_repeats_no_record_and_leaves_none_out() {
    let ran = everybody_subscribes(1, 1).fault(secs(20), 0, Call::Event, Ends, 5).run();
    nothing_was_noticed(&ran);
}

/// A subscription lives for five minutes, whatever flows.
#[test]
fn a_subscription_is_followed_by_the_next_one_for_an_hour() {
    let ran = everybody_subscribes(1, 1)
        .with(|plan| (plan.chaos, plan.records_per_second) = (secs(3_600), 1))
        // No checkpoint that could help.
        .with(|plan| plan.habits.lazy = 1_000_000)
        .run();
    nothing_was_noticed(&ran);
}

/// KCL#562: an error before the first event was not followed by another try.
#[test]
fn a_shard_whose_first_subscriptions_fail_is_read_in_the_end() {
    let ran = everybody_subscribes(1, 1)
        .fault(secs(0), 0, Call::Subscribe, Lost, 2)
        .fault(secs(0), 0, Call::Subscribe, Throttled, 2)
        .fault(secs(0), 0, Call::Subscribe, InUse, 2)
        .fault(secs(0), 0, Call::Subscribe, NotFound, 2)
        .fault(secs(0), 0, Call::Event, Lost, 2)
        .run();
    let (first, _) = ran.tenures_of(0)[0].hands[0];
    assert!(secs(5) < first && first < secs(90), "{first:?}");
    assert_eq!(ran.duplicates(), 0);
}

/// KCL#822, KCL#840: a connection that was dead was waited on, and used again.
#[test]
fn a_subscription_that_falls_silent_is_followed_by_another_one() {
    let ran = everybody_subscribes(1, 1).fault(secs(20), 0, Call::Event, Silent, 1).run();
    nothing_was_noticed(&ran);
    let tenures = ran.tenures_of(0);
    let hands = tenures[0].hands.windows(2);
    let longest = hands.map(|pair| pair[1].0 - pair[0].0).max().unwrap();
    assert!(secs(29) < longest && longest < secs(35), "{longest:?}");
}

/// A lease moves, and the service gives its shard to whoever subscribed last.
#[test]
fn a_shard_that_somebody_else_subscribed_to_is_subscribed_to_again() {
    let ran = everybody_subscribes(1, 1)
        .fault(secs(20), 0, Call::Event, InUse, 1)
        .fault(secs(20), 0, Call::Subscribe, InUse, 5)
        .run();
    nothing_was_noticed(&ran);
}

/// KCL 2.x's rule for what an event may be: anything else is no end, and no event.
#[test]
fn an_event_with_neither_a_continuation_nor_children_is_no_end() {
    let ran = everybody_subscribes(1, 1)
        .fault(secs(20), 0, Call::Event, NoEnd, 2)
        .fault(secs(40), 0, Call::Event, NoEnd, 3)
        .at(secs(41), Happening::Split { pick: 0 })
        .run();
    assert!(ran.ended_at(0) > Some(secs(45)), "{:?}", ran.ended_at(0));
    assert_eq!(ran.duplicates(), 0);
    assert!((1..=2).all(|child| !ran.tenures_of(child)[0].hands.is_empty()));
}

/// KCL#1744, KCL#1764: who started again at a shard's end subscribed with no number, for ever.
#[test]
fn a_processor_that_is_replaced_at_the_shards_end_comes_to_it_again() {
    let ran = everybody_subscribes(1, 1)
        .at(secs(20), Happening::Split { pick: 0 })
        .fault(secs(20), 0, Call::ShardEnded, Restart, 3)
        .run();
    assert_eq!(ran.tenures_of(0).len(), 4);
    assert!(ran.ended_at(0).is_some_and(|end| end < secs(60)), "{:?}", ran.ended_at(0));
    assert!((1..=2).all(|child| ran.tenures_of(child).len() == 1));
}

/// A shard that is empty has an end all the same, and its children come.
#[test]
fn shards_without_records_end_for_subscribers_too() {
    let ran = everybody_subscribes(1, 1)
        .without_records()
        .at(secs(20), Happening::Split { pick: 0 })
        .at(secs(30), Happening::Split { pick: 0 })
        .run();
    for parent in 0..=1 {
        assert!(
            ran.ended_at(parent).is_some_and(|end| end < secs(50)),
            "{:?}",
            ran.ended_at(parent)
        );
    }
}

/// What is pushed waits for the processor, first on its way, then at the service.
#[test]
fn a_slow_processor_gives_its_subscription_up_and_misses_nothing() {
    let ran = everybody_subscribes(1, 1)
        .with(|plan| (plan.knobs.batches_max, plan.habits.longest) = (1, secs(45)))
        .fault(secs(20), 0, Call::Process, Slow(secs(45)), 2)
        .run();
    nothing_was_noticed(&ran);
}

/// A consumer that somebody deregistered is not a shard that is gone (KCL takes it for one).
#[test]
fn a_stream_consumer_that_is_not_known_any_more_is_looked_for_again() {
    let ran = everybody_subscribes(1, 1)
        .fault(secs(20), 0, Call::Event, Lost, 1)
        .fault(secs(20), 0, Call::Subscribe, NotFound, 2)
        .fault(secs(20), 0, Call::StreamConsumer, Lost, 1)
        .run();
    nothing_was_noticed(&ran);
}

/// Some subscribe and some poll, as while an application changes over: leases move between them.
#[test]
fn a_fleet_of_which_some_poll_delivers_everything() {
    let stop = |worker| Happening::Stop { worker, down: secs(2) };
    let ran = Scenario::new(4, 3)
        .with(|plan| plan.knobs.fan_out = FanOut::EverySecond)
        .at(secs(20), stop(0))
        .at(secs(30), stop(1))
        .at(secs(40), Happening::Split { pick: 0 })
        .at(secs(50), stop(2))
        .run();
    let kinds = |shard| {
        let tenures = ran.tenures_of(shard);
        let polls = |worker: &str| worker.starts_with("w1");
        let hands =
            |polled| tenures.iter().any(|it| !it.hands.is_empty() && polls(it.worker) == polled);
        hands(true) && hands(false)
    };
    assert!((0..4).any(kinds), "no shard was both polled and subscribed to");
}

/// What each shard's processors were handed, in the order of its first hand-over.
fn delivered(ran: &Ran) -> BTreeMap<String, Vec<Place>> {
    let mut delivered = BTreeMap::<String, Vec<Place>>::new();
    let mut shards = BTreeMap::new();
    for event in ran.outcome().journals.hand_overs.iter().flatten() {
        if let Event::Start { tenure, shard, .. } = event {
            shards.insert(tenure, shard);
        } else if let Event::Hand { tenure, records, .. } = event {
            let places = delivered.entry(shards[tenure].clone()).or_default();
            for record in records {
                if !places.contains(&record.place) {
                    places.push(record.place.clone());
                }
            }
        }
    }
    delivered
}

fn reshard() -> impl Strategy<Value = (Duration, Happening)> {
    (2_u64..50, any::<bool>(), 0_u32..100).prop_map(|(at, is_split, pick)| {
        let happening =
            if is_split { Happening::Split { pick } } else { Happening::Merge { pick } };
        (secs(at), happening)
    })
}

/// What goes wrong with reading, in either way, or with the processor; all of it together is over
/// before the quiet is.
fn trouble() -> impl Strategy<Value = (Duration, Call, Fault, u32)> {
    let faults = prop_oneof![
        Just((Call::Event, Ends)),
        Just((Call::Event, Lost)),
        Just((Call::Event, InUse)),
        Just((Call::Event, NoEnd)),
        Just((Call::Event, Silent)),
        Just((Call::Subscribe, Lost)),
        Just((Call::Subscribe, NotFound)),
        Just((Call::Subscribe, Throttled)),
        Just((Call::Records, Lost)),
        Just((Call::Records, Fault::Expired)),
        Just((Call::Records, NotFound)),
        Just((Call::Iterator, Throttled)),
        Just((Call::Process, Fault::Retry)),
        Just((Call::Process, Restart)),
        Just((Call::Process, Fault::Panic)),
    ];
    (0_u64..55, faults, 1_u32..3).prop_map(|(at, (call, fault), times)| {
        // Each time lasts for half a minute.
        let times = if fault == Silent { 1 } else { times };
        (secs(at), call, fault, times)
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn fan_out_delivers_what_polling_does_in_the_same_order(
        seed in 0_u64..1_000,
        shards in 1_u32..4,
        reshards in prop::collection::vec(reshard(), 0..4),
        troubles in prop::collection::vec(trouble(), 0..6),
        batches_max in prop::sample::select(vec![1_usize, 4]),
    ) {
        let ran = |fan_out| {
            let mut scenario = Scenario::new(shards, 1)
                .with(|plan| (plan.seed, plan.knobs.fan_out) = (seed, fan_out))
                .with(|plan| plan.knobs.batches_max = batches_max);
            for (at, happening) in &reshards {
                scenario = scenario.at(*at, happening.clone());
            }
            for (at, call, fault, times) in &troubles {
                let is_left_out = match fan_out {
                    FanOut::Nobody => matches!(call, Call::Event | Call::Subscribe),
                    FanOut::Everybody | FanOut::EverySecond => {
                        matches!(call, Call::Records | Call::Iterator)
                    }
                };
                if !is_left_out {
                    scenario = scenario.fault(*at, 0, *call, *fault, *times);
                }
            }
            scenario.run_with_faults_left()
        };
        let (polled, pushed) = (ran(FanOut::Nobody), ran(FanOut::Everybody));
        prop_assert_eq!(&polled.outcome().journals.puts, &pushed.outcome().journals.puts);
        prop_assert_eq!(delivered(&polled), delivered(&pushed));
    }
}
