//! From a shard's begin to its end: ends that were lost, believed too early, or never came.

use shardwise_referee::{Place, Why};
use shardwise_sim::order::Fault::{Late, Retry, Slow};
use shardwise_sim::plan::Happening;
use shardwise_sim::point::{Call, CrashAt};

use crate::scenario::{Scenario, secs, shard};

const SPLIT: Happening = Happening::Split { pick: 0 };

fn put(records: u32) -> Happening {
    Happening::Put { pick: 0, records }
}

/// KCL 1.14.1: a late write set the checkpoint back, and the children never started.
#[test]
fn a_checkpoint_after_the_end_of_a_shard_never_rewinds_it() {
    let ran = Scenario::new(1, 1)
        .without_records()
        .with(|plan| plan.knobs.cleanup = secs(3_600))
        .at(secs(20), put(5))
        .fault(secs(20), 0, Call::Checkpoint, Late(secs(20)), 1)
        .at(secs(23), SPLIT)
        .run();
    assert!(ran.ended_at(0).is_some_and(|end| end < secs(40)), "{:?}", ran.ended_at(0));
    assert!(ran.row_at(0, secs(299)).is_some_and(|row| row.checkpoint == Place::ShardEnd));
    assert!((1..=2).all(|child| ran.tenures_of(child).len() == 1));
}

/// KCL 3.5.1, and a risk of it: an error in the last batch of a closed shard did not keep its end
/// from being written.
#[test]
fn a_shard_does_not_end_before_its_last_batch_succeeds() {
    let ran = Scenario::new(1, 1)
        .without_records()
        .at(secs(20), put(5))
        .at(secs(20), SPLIT)
        .fault(secs(20), 0, Call::Process, Retry, 4)
        .run();
    let tenures = ran.tenures_of(0);
    let succeeded = tenures[0].returns.iter().find(|(at, is_well)| *at > secs(20) && *is_well);
    let (succeeded, _) = succeeded.expect("the batch succeeds in the end");
    let told = tenures[0].ends.iter().find(|(_, why)| *why == Why::ShardEnded);
    assert!(told.is_some_and(|(at, _)| at > succeeded), "{tenures:?}");
    assert!(ran.ended_at(0).is_some_and(|end| end > *succeeded));
}

/// KCL#837, KCL#1319: an empty shard ended while its processor was being initialized, and the
/// state machine passed the end by.
#[test]
fn a_shard_that_ends_while_its_processor_is_initialized_ends() {
    let ran = Scenario::new(1, 1)
        .without_records()
        .fault(secs(0), 0, Call::Initialize, Slow(secs(15)), 1)
        .at(secs(5), SPLIT)
        .at(secs(40), put(5))
        .run();
    let tenures = ran.tenures_of(0);
    assert_eq!((tenures.len(), tenures[0].hands.len()), (1, 0));
    assert!(ran.ended_at(0).is_some_and(|end| end < secs(20)), "{:?}", ran.ended_at(0));
}

/// zio-kinesis#902: a shard without records could not be checkpointed, and its child did not wait.
#[test]
fn shards_without_records_end_and_their_children_follow() {
    let ran = Scenario::new(1, 2)
        .without_records()
        .at(secs(10), SPLIT)
        .at(secs(20), Happening::Merge { pick: 0 })
        .at(secs(30), put(5))
        .run();
    for parent in 0..3 {
        assert!(ran.ended_at(parent).is_some(), "{}", shard(parent));
    }
    let merged = &ran.tenures_of(3)[0];
    assert!((0..3).all(|parent| ran.ended_at(parent) <= Some(merged.started)));
    assert_eq!(ran.duplicates(), 0);
}

/// KCL#548: a finished lease was given a consumer again and again. go-kcl-v2#12: a start hung on
/// finished shards.
#[test]
fn a_worker_that_starts_among_finished_leases_goes_on_with_the_others() {
    let ran = Scenario::new(2, 1)
        .with(|plan| plan.knobs.cleanup = secs(3_600))
        .at(secs(10), SPLIT)
        .at(secs(15), SPLIT)
        .at(secs(40), Happening::Kill { worker: 0, down: secs(5) })
        .run();
    let again: Vec<_> = ran.tenures().into_iter().filter(|t| t.worker == "w0.2").collect();
    assert!((0..2).all(|done| again.iter().all(|tenure| tenure.shard != shard(done))));
    assert!((2..6).all(|child| again.iter().any(|tenure| tenure.shard == shard(child))));
    assert!(ran.row_at(0, secs(299)).is_some_and(|row| row.checkpoint == Place::ShardEnd));
}

/// FLINK-8484: a shard that had been closed meanwhile was no longer known, and read from its begin.
#[test]
fn a_shard_that_was_closed_while_nobody_read_it_goes_on_at_its_checkpoint() {
    let ran = Scenario::new(1, 1)
        .at(secs(20), Happening::Kill { worker: 0, down: secs(20) })
        .at(secs(25), SPLIT)
        .run();
    let tenures = ran.tenures_of(0);
    let [first, second] = &tenures[..] else { panic!("{tenures:?}") };
    assert!(matches!(second.start, Place::At(..)), "{second:?}");
    let last = first.hands.last().expect("it was handed records");
    assert!(ran.duplicates() <= last.1.len());
}

/// FLINK-37627: a restart in the middle of a split lost the children.
#[test]
fn a_worker_that_dies_in_the_middle_of_a_split_loses_no_child() {
    let calls = [
        // The first lease that is made is the parent's.
        (Call::Create, [2, 3].as_slice()),
        (Call::Children, &[1]),
        (Call::ShardEnded, &[1]),
        (Call::End, &[1]),
    ];
    for (call, hits) in calls {
        for (edge, hit) in call.edges().iter().flat_map(|edge| hits.iter().map(move |h| (edge, h)))
        {
            let crash = CrashAt { call, edge: *edge, hit: *hit };
            let ran = Scenario::new(1, 1)
                .at(secs(20), SPLIT)
                .with(|plan| (plan.quiet, plan.crashes) = (secs(180), vec![crash]))
                .run();
            assert_eq!(ran.outcome().tally.of("node: crash at an edge"), 1, "{crash}");
            for child in 1..=2 {
                assert_eq!(ran.creations_of(child), 1, "{crash}");
                assert!(!ran.tenures_of(child)[0].hands.is_empty(), "{crash}");
            }
        }
    }
}

/// beam#20563: a reader with an old checkpoint was stuck, since the shards after its own had
/// expired as well.
#[test]
fn a_checkpoint_whose_shard_and_child_have_expired_leads_to_what_is_left() {
    let ran = Scenario::new(1, 1)
        .with(|plan| (plan.chaos, plan.knobs.retention) = (secs(230), secs(150)))
        .at(secs(20), Happening::Kill { worker: 0, down: secs(200) })
        .at(secs(30), SPLIT)
        .at(secs(40), SPLIT)
        .run();
    assert!(ran.tenures_of(1).is_empty() && ran.outcome().verdict.counts.trimmed > 0);
    assert!((2..5).all(|left| !ran.tenures_of(left)[0].hands.is_empty()));
}

/// KCL#1464: the leases of new children waited long for a worker.
#[test]
fn children_start_within_seconds_of_their_parents_end() {
    let ran = Scenario::new(2, 2)
        .with(|plan| plan.knobs.parent_poll = secs(30))
        // Their children's leases are taken meanwhile, and wait.
        .always(secs(30), 0, Call::ShardEnded, Slow(secs(4)))
        .always(secs(30), 1, Call::ShardEnded, Slow(secs(4)))
        .at(secs(30), SPLIT)
        .at(secs(50), Happening::Merge { pick: 0 })
        .run();
    for (parents, child) in [(0..=0, 2), (0..=0, 3), (2..=3, 4)] {
        let ended = parents.filter_map(|parent| ran.ended_at(parent)).max().expect("it ended");
        let took = ran.tenures_of(child)[0].started.saturating_sub(ended);
        assert!(took < secs(3), "{}: {took:?}", shard(child));
    }
}

/// KCL#29: a processor that had never been initialized was shut down, and took the worker along.
#[test]
fn a_stop_while_children_wait_for_their_parent_is_in_order() {
    let ran = Scenario::new(1, 2)
        .joins(secs(10), 1)
        .at(secs(20), SPLIT)
        .fault(secs(20), 0, Call::ShardEnded, Slow(secs(20)), 1)
        .at(secs(30), Happening::Stop { worker: 1, down: secs(60) })
        .run();
    let waiting = |child| ran.row_at(child, secs(30)).and_then(|row| row.holder.clone());
    assert!((1..=2).any(|child| waiting(child).as_deref() == Some("w1.2")));
    let (asked, ended, in_order) = ran.stop_of("w1.2");
    assert!(in_order && ended < asked + secs(2), "{asked:?} {ended:?}");
    assert!(ran.tenures().iter().all(|tenure| tenure.worker != "w1.2"));
}

/// A risk in KCL: a stop is not looked at while a processor fails to start again and again.
#[test]
fn a_processor_that_cannot_be_initialized_does_not_hold_a_stop_up() {
    let ran = Scenario::new(2, 1)
        .always(secs(0), 0, Call::Initialize, Retry)
        .with(|plan| plan.records_per_second = 0)
        .at(secs(30), Happening::Stop { worker: 0, down: secs(600) })
        .run();
    assert!(ran.tenures().len() > 4);
    let (asked, ended, in_order) = ran.stop_of("w0");
    assert!(in_order && ended < asked + secs(2), "{asked:?} {ended:?}");
}

/// KCL#1302, KCL#1308: a stop was reported as done while processors were still at work.
#[test]
fn a_stop_is_over_only_when_every_processor_has_returned() {
    let ran = Scenario::new(2, 1)
        .fault(secs(20), 0, Call::Process, Slow(secs(10)), 1)
        .at(secs(22), Happening::Stop { worker: 0, down: secs(5) })
        .run();
    let (asked, ended, in_order) = ran.stop_of("w0");
    assert!(in_order && ended > asked + secs(7), "{asked:?} {ended:?}");
    for tenure in ran.tenures().iter().filter(|tenure| tenure.worker == "w0") {
        let (last, why) = tenure.ends.last().expect("it was told");
        assert!(*last < ended && *why == Why::LeaseLost, "{tenure:?}");
    }
    assert_eq!(ran.duplicates(), 0);
}
