//! Reading: records that were lost, skipped or repeated.

use std::collections::BTreeSet;

use shardwise_sim::order::Fault::{Expired, Lost, NoEnd, NotFound};
use shardwise_sim::order::Fault::{Panic, Restart, Retry, Slow, Throttled};
use shardwise_sim::plan::{Happening, Plan};
use shardwise_sim::point::Call;

use crate::scenario::{Scenario, millis, secs};

/// Many small answers, so that several wait while a call is out.
fn small_answers(plan: &mut Plan) {
    plan.knobs.records_max = 5;
    plan.knobs.idle = millis(200);
}

/// KCL#492: the reader was ahead of what had been accepted when it was started anew.
#[test]
fn a_new_processor_begins_at_the_checkpoint_however_far_reading_had_got() {
    let ran = Scenario::new(1, 1)
        .with(small_answers)
        .fault(secs(20), 0, Call::Process, Slow(secs(10)), 1)
        .fault(secs(20), 0, Call::Process, Restart, 1)
        .run();
    let tenures = ran.tenures_of(0);
    let [first, second] = &tenures[..] else { panic!("{tenures:?}") };
    let [.., (_, accepted), (_, failed)] = &first.hands[..] else { panic!("{first:?}") };
    assert_eq!(accepted.last(), Some(&second.start));
    assert_eq!(second.hands[0].1.first(), failed.first());
}

/// KCL#603: what waited behind a delivery that failed was taken off the queue.
#[test]
fn a_batch_that_fails_comes_again_before_what_was_read_behind_it() {
    let ran = Scenario::new(1, 1)
        .with(small_answers)
        .fault(secs(20), 0, Call::Process, Slow(secs(10)), 1)
        .fault(secs(20), 0, Call::Process, Retry, 3)
        .run();
    let tenures = ran.tenures_of(0);
    let [only] = &tenures[..] else { panic!("{tenures:?}") };
    let failed = only.returns.iter().filter(|(_, is_well)| !is_well).count();
    assert_eq!((failed, ran.outcome().verdict.counts.repeated_batches), (3, 3));
    let distinct: BTreeSet<_> = only.hands.iter().flat_map(|(_, places)| places).collect();
    assert_eq!(distinct.len(), ran.outcome().journals.puts.len());
}

/// KCL#606: a delivery in flight reached the subscription before the restart.
#[test]
fn nothing_is_handed_to_a_processor_that_was_replaced() {
    let ran = Scenario::new(1, 1)
        .with(small_answers)
        .fault(secs(20), 0, Call::Process, Restart, 1)
        .fault(secs(30), 0, Call::Process, Panic, 1)
        .run();
    let tenures = ran.tenures_of(0);
    assert_eq!(tenures.len(), 3);
    for pair in tenures.windows(2) {
        let (last, _) = pair[0].hands.last().expect("it failed at a batch");
        assert!(*last < pair[1].started, "{pair:?}");
    }
}

/// KCL 1.8.5: the iterator moved on though the answer was never used.
#[test]
fn a_read_without_an_answer_is_made_again_from_the_same_place() {
    let ran = Scenario::new(1, 1).fault(secs(20), 0, Call::Records, Lost, 5).run();
    assert_eq!(ran.duplicates(), 0);
    assert_eq!(ran.tenures_of(0).len(), 1);
}

/// KCL#371, KCL#1014: the new iterator stood AT the last record instead of AFTER it.
#[test]
fn an_expired_iterator_repeats_no_record_and_leaves_none_out() {
    let ran = Scenario::new(1, 1).fault(secs(20), 0, Call::Records, Expired, 3).run();
    assert_eq!(ran.duplicates(), 0);
}

/// telegraf#19508: an expired iterator was made anew where reading had once begun.
#[test]
fn an_iterator_that_expires_after_an_hour_is_made_anew_where_reading_was() {
    let ran = Scenario::new(1, 1)
        .with(|plan| (plan.chaos, plan.records_per_second) = (secs(3_700), 1))
        // No checkpoint that could help.
        .with(|plan| plan.habits.lazy = 1_000_000)
        .fault(secs(3_600), 0, Call::Records, Expired, 1)
        .run();
    assert_eq!(ran.duplicates(), 0);
    assert_eq!(ran.tenures_of(0).len(), 1);
}

/// KCL#562: a first subscription that failed was not made again.
#[test]
fn a_shard_whose_first_reads_fail_is_read_in_the_end() {
    let ran = Scenario::new(1, 1)
        .fault(secs(0), 0, Call::Iterator, Lost, 3)
        .fault(secs(0), 0, Call::Iterator, Throttled, 3)
        .fault(secs(0), 0, Call::Iterator, NotFound, 2)
        .run();
    let (first, _) = ran.tenures_of(0)[0].hands[0];
    assert!(secs(5) < first && first < secs(60), "{first:?}");
    assert_eq!(ran.duplicates(), 0);
}

/// KCL#829: the reader died of an iterator that had expired during a long call.
#[test]
fn a_processor_that_outlives_its_iterator_goes_on_with_the_next_record() {
    let call = secs(600);
    let ran = Scenario::new(1, 1)
        .with(|plan| (plan.chaos, plan.habits.longest) = (secs(700), call))
        .with(|plan| (plan.knobs.iterator_lifetime, plan.knobs.records_max) = (secs(300), 100))
        .fault(secs(20), 0, Call::Process, Slow(call), 1)
        .run();
    assert_eq!(ran.duplicates(), 0);
    assert_eq!(ran.tenures_of(0).len(), 1);
}

/// KCL#624: an answer without an iterator was taken for the end, or stopped the shard for good.
#[test]
fn an_answer_with_neither_an_iterator_nor_children_is_no_end() {
    let ran = Scenario::new(1, 1)
        .fault(secs(20), 0, Call::Records, NoEnd, 4)
        .at(secs(40), Happening::Split { pick: 0 })
        .fault(secs(40), 0, Call::Records, NoEnd, 4)
        .run();
    assert!(ran.ended_at(0) > Some(secs(41)), "{:?}", ran.ended_at(0));
    assert_eq!(ran.duplicates(), 0);
    assert!((1..=2).all(|child| !ran.tenures_of(child)[0].hands.is_empty()));
}

/// risingwave#19675: a call never returned, since the SDK sets no time limit by itself.
#[cfg(feature = "sdk")]
#[test]
fn calls_that_are_never_answered_end_over_the_sdk_too() {
    let ran = Scenario::new(1, 1)
        .with(|plan| {
            (plan.over_sdk, plan.chaos) = (true, secs(600));
            (plan.rates.stream_lost, plan.rates.table_lost) = (100_000, 50_000);
            plan.rates.table_reset = 0;
        })
        .run();
    let tally = &ran.outcome().tally;
    assert!(tally.of("stream: no answer") > 5 && tally.of("table: request lost") > 2);
    assert_eq!(ran.outcome().verdict.counts.distinct, ran.outcome().journals.puts.len());
}

/// With an adaptive pace records come sooner, and yet no shard is read more than five times in any
/// second: the endpoint counts, as the service does. (The gate requires that it also refuses: two
/// workers that read a shard at once do exceed the limit.)
#[cfg(feature = "sdk")]
#[test]
fn an_adaptive_pace_stays_within_the_limit_that_the_endpoint_counts() {
    let ran = Scenario::new(2, 1)
        .with(|plan| (plan.over_sdk, plan.knobs.is_adaptive) = (true, true))
        .with(|plan| plan.records_per_second = 100)
        .run();
    assert_eq!(ran.outcome().tally.of("sdk: beyond the limits of a shard"), 0);
}
