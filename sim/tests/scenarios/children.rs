//! Children that fail, and children that ask for checkpoints when nobody expects it.

use shardwise_referee::Why;
use shardwise_sim::order::Fault::{Panic, Restart, Retry, Slow};
use shardwise_sim::plan::{ChildHabits, Family, Happening};
use shardwise_sim::point::Call;

use crate::scenario::{Scenario, millis, secs};

/// One shard, whose processor is a child with these habits.
fn one_child(habits: ChildHabits) -> Scenario {
    Scenario::new(1, 1).with(|plan| {
        plan.families.insert(Family::Children);
        plan.child_habits = habits;
    })
}

/// While the first of them was written, the next batch counted as delivered, and the second one
/// covered it before the child had it.
#[test]
fn checkpoints_behind_a_status_never_cover_the_next_batch() {
    let habits = ChildHabits { ask_behind: 1_000_000, ..ChildHabits::default() };
    let ran = one_child(habits).always(secs(5), 0, Call::Checkpoint, Slow(millis(900))).run();
    let asked = ran.outcome().tally.of("child: asks for checkpoints behind its status");
    assert!(asked > 100, "{asked}");
}

/// While the first of them was written, the next batch counted as delivered, and the child knew a
/// number of it.
#[test]
fn a_checkpoint_behind_a_status_never_reaches_into_the_next_batch() {
    let habits = ChildHabits { ask_behind: 1_000_000, guesses: true, ..ChildHabits::default() };
    let ran = one_child(habits)
        .with(|plan| plan.habits.lazy = 1_000_000)
        .always(secs(5), 0, Call::Checkpoint, Slow(millis(900)))
        .run();
    assert!(ran.outcome().verdict.counts.distinct > 500);
}

/// While the first of them was written the shard came to its end, where the last record's number
/// stands for the end: the second one wrote SHARD_END, and the child was told of the end after it.
#[test]
fn a_checkpoint_that_crosses_with_the_shards_end_means_its_record() {
    let habits = ChildHabits { ask_behind: 1_000_000, ..ChildHabits::default() };
    let slow = one_child(habits)
        // All checkpoints are those that are asked for behind a status.
        .with(|plan| plan.habits.lazy = 1_000_000)
        .always(secs(5), 0, Call::Checkpoint, Slow(millis(900)));
    let ran = slow.at(secs(50), Happening::Split { pick: 0 }).run();
    let tenures = ran.tenures_of(0);
    let ends = tenures.iter().flat_map(|tenure| &tenure.ends);
    let told = ends.filter(|(_, why)| *why == Why::ShardEnded).map(|(at, _)| *at).min();
    assert!(told.is_some() && told <= ran.ended_at(0), "{told:?}, {:?}", ran.ended_at(0));
}

/// The lease was looked at before the batch waited for the checkpoints in front of it, and not
/// again when its turn came.
#[test]
fn a_batch_that_waits_behind_checkpoints_is_not_sent_after_the_lease_is_lost() {
    let habits = ChildHabits { ask_behind: 1_000_000, ..ChildHabits::default() };
    let cut = Happening::Partition { worker: 0, table: true, stream: false, lasts: secs(30) };
    let ran = one_child(habits).at(secs(20), cut).run();
    assert!(ran.tenures_of(0).iter().any(|tenure| tenure.refusals > 0));
}

#[test]
fn behind_each_failure_a_new_child_starts_at_the_checkpoint() {
    let put = |at| (secs(at), Happening::Put { pick: 0, records: 5 });
    let mut scenario = one_child(ChildHabits::default()).without_records();
    for (at, fault) in [(20, Retry), (60, Restart), (100, Panic)] {
        let (put_at, put) = put(at);
        scenario = scenario.fault(secs(at), 0, Call::Process, fault, 1).at(put_at, put);
    }
    let ran = scenario.with(|plan| plan.chaos = secs(160)).run();
    let tenures = ran.tenures_of(0);
    assert_eq!(tenures.len(), 4, "{tenures:?}");
    for (before, after) in tenures.iter().zip(&tenures[1..]) {
        let failed = before.hands.last().map(|(_, records)| records);
        assert_eq!(failed, after.hands.first().map(|(_, records)| records), "{after:?}");
    }
    assert_eq!(ran.duplicates(), 15);
    // However a child ends, so does its call.
    let failed = tenures[..3].iter().filter_map(|tenure| tenure.returns.last());
    assert!(failed.map(|(_, is_well)| *is_well).eq([false; 3]), "{tenures:?}");
}
