//! From shards to leases: shards that nobody found, or that were processed twice.

use shardwise::{InitialPosition, Timestamp};
use shardwise_sim::dice::MILLION;
use shardwise_sim::order::Fault::{Doubled, Lost, Short, Slow};
use shardwise_sim::plan::Happening;
use shardwise_sim::point::Call;

use crate::scenario::{Scenario, secs, shard};

const SPLIT: Happening = Happening::Split { pick: 0 };

/// KCL#339, KCL#662, KCL 1.13.3: new shards waited for a list that was lost.
#[test]
fn children_get_their_leases_though_no_list_of_shards_is_answered() {
    let ran = Scenario::new(2, 1)
        .always(secs(10), 0, Call::ListShards, Lost)
        .at(secs(20), SPLIT)
        .at(secs(30), Happening::Merge { pick: 0 })
        .run();
    for new in 2..=4 {
        assert!(!ran.tenures_of(new).is_empty(), "{}", shard(new));
    }
}

/// KCL#788: a first list in pages failed. KCL#811: a list had shards twice.
#[test]
fn a_first_list_in_pages_and_with_doubles_leases_each_shard_once() {
    let ran = Scenario::new(4, 1)
        // So that no audit makes up for it in time.
        .with(|plan| (plan.knobs.page_shards, plan.knobs.audit) = (1, secs(600)))
        .fault(secs(0), 0, Call::ListShards, Doubled, 4)
        .run();
    for first in 0..4 {
        assert_eq!((ran.creations_of(first), ran.tenures_of(first).len()), (1, 1));
    }
}

/// KCL#150, KCL#511, KCL#572: the next sync leased a finished shard whose row was gone, and it was
/// replayed.
#[test]
fn a_sync_for_another_shard_does_not_lease_one_that_is_done_and_cleaned_up() {
    let ran = Scenario::new(2, 1)
        .at(secs(10), SPLIT)
        // Of the rows that are left the first is the second shard's.
        .at(secs(40), Happening::DeleteRow { pick: 0 })
        .run();
    assert!(ran.row_at(0, secs(40)).is_none(), "it was cleaned up");
    assert_eq!((ran.creations_of(0), ran.tenures_of(0).len()), (1, 1));
    assert_eq!((ran.creations_of(1), ran.tenures_of(1).len()), (2, 2));
}

/// KCL#1731: every worker of a new application made the first leases.
#[test]
fn workers_that_start_together_make_each_first_lease_once() {
    let ran = Scenario::new(8, 5).run();
    for first in 0..8 {
        assert_eq!(ran.creations_of(first), 1, "{}", shard(first));
    }
}

/// A risk in KCL: a child whose parent has no row is begun at once.
#[test]
fn a_child_whose_parents_row_was_deleted_waits_until_the_parent_is_done() {
    let ran = Scenario::new(1, 1)
        .at(secs(20), SPLIT)
        .fault(secs(20), 0, Call::ShardEnded, Slow(secs(10)), 1)
        .at(secs(24), Happening::DeleteRow { pick: 0 })
        .run();
    assert_eq!(ran.creations_of(0), 2);
    let ended = ran.ended_at(0).expect("the parent was done once more");
    for child in 1..=2 {
        assert!(ended < ran.tenures_of(child)[0].started, "{}", shard(child));
    }
}

/// KCL#150, KCL#572: the ancestors of a shard whose row was gone were made and processed anew, as
/// far back as the stream keeps them.
#[test]
fn a_row_deleted_by_hand_has_no_shard_before_it_processed_again() {
    let ran = Scenario::new(1, 1)
        .at(secs(10), SPLIT)
        .at(secs(20), SPLIT)
        // Now there are 2, 3 and 4; of 0 and 1, the parent of 3 and 4, no row is left.
        .at(secs(50), Happening::DeleteRow { pick: 1 })
        .run();
    assert_eq!((ran.creations_of(0), ran.creations_of(1)), (1, 1));
    assert_eq!((ran.creations_of(3), ran.tenures_of(3).len()), (2, 2));
    assert!(ran.row_at(1, secs(49)).is_none(), "it was cleaned up");
}

/// A lease that was made anew was read from the oldest record on, though the application begins at
/// a date.
#[test]
fn a_lease_that_is_made_anew_has_no_records_from_before_the_applications_date() {
    // Half a minute after the world began.
    let date = InitialPosition::AtTimestamp(Timestamp::from_millis(1_700_000_030_000));
    let ran = Scenario::new(1, 1)
        .with(|plan| (plan.knobs.start, plan.chaos) = (date, secs(120)))
        .joins(secs(60), 0)
        .at(secs(80), SPLIT)
        .fault(secs(80), 0, Call::ShardEnded, Slow(secs(10)), 1)
        .at(secs(84), Happening::DeleteRow { pick: 0 })
        .run();
    assert_eq!((ran.creations_of(0), ran.tenures_of(0).len()), (2, 2));
    let puts = &ran.outcome().journals.puts;
    let first = puts.iter().find(|put| put.t >= 30_000_000).expect("records flow").place.clone();
    let tenures = ran.tenures_of(0);
    assert!(tenures.iter().all(|tenure| *tenure.hands[0].1[0] == first), "{tenures:?}");
}

/// A risk in KCL: a merged shard of whose parents one has no row goes from worker to worker.
#[test]
fn a_merged_shard_waits_for_the_parent_whose_row_was_deleted_and_stays_where_it_is() {
    let ran = Scenario::new(2, 2)
        .at(secs(20), Happening::Merge { pick: 0 })
        .fault(secs(20), 0, Call::ShardEnded, Slow(secs(10)), 1)
        .fault(secs(20), 1, Call::ShardEnded, Slow(secs(10)), 1)
        .at(secs(24), Happening::DeleteRow { pick: 0 })
        .run();
    assert_eq!(ran.creations_of(0), 2);
    let merged = ran.tenures_of(2);
    assert_eq!(merged.len(), 1);
    assert!((0..2).all(|parent| ran.ended_at(parent) < Some(merged[0].started)));
}

/// K6: a list that ends early was taken for all there is: a shard behind its end for one that the
/// stream has forgotten, and its row deleted while its children had not begun.
#[test]
fn a_list_that_ends_early_has_no_finished_lease_deleted_before_the_children_begin() {
    let ran = Scenario::new(2, 1)
        // No child has a checkpoint, so none has begun.
        .with(|plan| plan.habits.lazy = MILLION)
        .at(secs(10), Happening::Split { pick: 1 })
        .always(secs(11), 0, Call::ListShards, Short)
        .run();
    assert!(ran.ended_at(1) < Some(secs(20)));
    assert!(ran.row_at(1, secs(290)).is_some());
    assert_eq!((ran.creations_of(1), ran.tenures_of(1).len()), (1, 1));
}

/// K6: with a list that ends early a merged shard began before the parent whose row was deleted.
#[test]
fn a_list_that_ends_early_has_no_merged_shard_begin_before_its_parents_end() {
    let ran = Scenario::new(3, 1)
        .with(|plan| plan.knobs.audit = secs(600))
        .at(secs(20), Happening::Merge { pick: 1 })
        .fault(secs(20), 0, Call::ShardEnded, Slow(secs(10)), 2)
        .fault(secs(20), 0, Call::ListShards, Short, 5)
        .at(secs(24), Happening::DeleteRow { pick: 2 })
        .run();
    assert_eq!((ran.creations_of(1), ran.creations_of(2)), (1, 2));
    let merged = ran.tenures_of(3);
    assert_eq!(merged.len(), 1);
    assert!((1..3).all(|parent| ran.ended_at(parent) < Some(merged[0].started)));
}

/// KCL#461: a row deleted by hand just behind an audit was missing for three more of them.
#[test]
fn a_lease_that_was_deleted_behind_an_audit_is_made_again_within_five_minutes() {
    let deleted = secs(61);
    let ran = Scenario::new(2, 2)
        .with(|plan| (plan.knobs.audit, plan.chaos, plan.quiet) = (secs(120), secs(70), secs(600)))
        .at(deleted, Happening::DeleteRow { pick: 1 })
        .run();
    let writes = ran.writes_to(1);
    let made = writes.iter().rfind(|write| write.before.is_none()).expect("it was made");
    let after = std::time::Duration::from_micros(made.t) - deleted;
    assert!((secs(120)..secs(300)).contains(&after), "{after:?}");
}
