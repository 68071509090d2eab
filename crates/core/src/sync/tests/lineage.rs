use std::collections::BTreeSet;

use super::forest::{Stream, shard_id};
use crate::id::ShardId;
use crate::lease::Lease;
use crate::sequence::{Checkpoint, SequenceNumber};
use crate::sync::{
    Parent, Parents, child_leases, lease_of, may_delete, parents_ended, still_wanted,
};

fn number() -> Checkpoint {
    Checkpoint::at(SequenceNumber::parse("17").unwrap())
}

/// Shards 0 and 1, merged to 2.
fn merged() -> Stream {
    let mut stream = Stream::new(2);
    stream.merge(0, 1);
    stream
}

fn child(checkpoint: Checkpoint) -> Lease {
    lease_of(&merged().shard(2), checkpoint)
}

fn parent(number: usize, checkpoint: Checkpoint) -> (ShardId, Parent) {
    (shard_id(number), Parent::Lease(lease_of(&merged().shard(number), checkpoint)))
}

fn absent(number: usize, is_due: bool) -> (ShardId, Parent) {
    (shard_id(number), Parent::Absent { is_due })
}

#[test]
fn of_a_first_sync_that_broke_off_what_is_done_by_now_is_not_made() {
    let planned: Vec<Lease> =
        [0, 1].map(|number| lease_of(&merged().shard(number), Checkpoint::Latest)).into();
    let wanted = |leases: &[Lease]| still_wanted(&planned, &merged().shards, leases);
    assert_eq!(wanted(&[]), planned);
    assert_eq!(wanted(&[child(Checkpoint::TrimHorizon)]), planned);
    // The merged shard has begun: both have ended, and their rows may be deleted.
    assert_eq!(wanted(&[child(number())]), []);

    let trimmed = [merged().shard(1), merged().shard(2)];
    assert_eq!(still_wanted(&planned, &trimmed, &[]), planned[1..]);
}

#[test]
fn children_begin_at_their_oldest_record_and_know_their_parents() {
    let stream = merged();
    let children = stream.children(&shard_id(0));
    assert_eq!(child_leases(&children), [child(Checkpoint::TrimHorizon)]);
}

#[test]
fn both_parents_of_a_merged_shard_must_end() {
    let child = child(Checkpoint::TrimHorizon);
    let ended = |left, right| parents_ended(&child, &[parent(0, left), parent(1, right)]);
    assert_eq!(ended(Checkpoint::ShardEnd, Checkpoint::ShardEnd), Parents::Ended);
    assert_eq!(ended(Checkpoint::ShardEnd, number()), Parents::Running);
    assert_eq!(ended(Checkpoint::TrimHorizon, Checkpoint::ShardEnd), Parents::Running);
}

#[test]
fn a_parent_nobody_looked_at_is_not_taken_for_ended() {
    let child = child(Checkpoint::TrimHorizon);
    assert_eq!(parents_ended(&child, &[parent(0, Checkpoint::ShardEnd)]), Parents::Running);
}

#[test]
fn a_trimmed_parent_is_not_waited_for() {
    let child = child(Checkpoint::TrimHorizon);
    assert_eq!(parents_ended(&child, &[absent(0, false), absent(1, false)]), Parents::Ended);
}

#[test]
fn a_listed_parent_whose_lease_was_lost_has_to_be_processed_first() {
    let parents = [absent(0, true), parent(1, number())];
    let missing = Parents::Missing(vec![shard_id(0)]);
    assert_eq!(parents_ended(&child(Checkpoint::TrimHorizon), &parents), missing);
}

#[test]
fn before_the_shard_with_which_the_application_began_nothing_is_missing() {
    for checkpoint in [Checkpoint::Latest, Checkpoint::AtTimestamp] {
        let child = child(checkpoint);
        assert_eq!(parents_ended(&child, &[absent(0, true), absent(1, true)]), Parents::Ended);
        let parents = [absent(0, true), parent(1, number())];
        assert_eq!(parents_ended(&child, &parents), Parents::Running);
    }
}

#[test]
fn a_shard_that_was_begun_goes_on_whatever_became_of_its_parents() {
    for checkpoint in [number(), Checkpoint::ShardEnd] {
        let child = child(checkpoint);
        let parents = [absent(0, true), parent(1, Checkpoint::TrimHorizon)];
        assert_eq!(parents_ended(&child, &parents), Parents::Ended);
    }
}

/// Shard 0, split to 1 and 2, and what `may_delete` says of its lease.
fn deletable(
    own: Checkpoint,
    children: [Option<Checkpoint>; 2],
    parent_rows_left: bool,
    listed: bool,
) -> bool {
    let mut stream = Stream::new(1);
    stream.split(0);
    let mut lease = lease_of(&stream.shard(0), own);
    lease.children = BTreeSet::from([shard_id(1), shard_id(2)]);
    let child = |number: usize| {
        let lease = children[number - 1].clone().map(|at| lease_of(&stream.shard(number), at));
        (shard_id(number), lease)
    };
    may_delete(&lease, &[child(1), child(2)], parent_rows_left, listed)
}

#[test]
fn a_finished_lease_goes_once_every_child_has_begun() {
    let begun = [Some(number()), Some(Checkpoint::ShardEnd)];
    assert!(deletable(Checkpoint::ShardEnd, begun.clone(), false, true));
    assert!(!deletable(Checkpoint::ShardEnd, begun, true, true));
    for waiting in [
        None,
        Some(Checkpoint::TrimHorizon),
        Some(Checkpoint::AtTimestamp),
        Some(Checkpoint::Latest),
    ] {
        let children = [Some(number()), waiting];
        assert!(!deletable(Checkpoint::ShardEnd, children, false, true));
    }
}

#[test]
fn a_lease_that_is_not_finished_never_goes() {
    let begun = [Some(number()), Some(number())];
    for listed in [true, false] {
        assert!(!deletable(number(), begun.clone(), false, listed));
        assert!(!deletable(Checkpoint::TrimHorizon, begun.clone(), false, listed));
    }
}

#[test]
fn a_finished_lease_of_a_trimmed_shard_goes_in_any_case() {
    assert!(deletable(Checkpoint::ShardEnd, [None, None], true, false));
}

#[test]
fn without_its_children_or_with_some_of_them_a_finished_lease_stays() {
    let mut lease = lease_of(&Stream::new(1).shard(0), Checkpoint::ShardEnd);
    assert!(!may_delete(&lease, &[], false, true));
    lease.children = BTreeSet::from([shard_id(1), shard_id(2)]);
    let begun = Lease { checkpoint: number(), ..lease.clone() };
    assert!(!may_delete(&lease, &[(shard_id(1), Some(begun))], false, true));
}
