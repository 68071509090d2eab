//! The end of shards: splits and merges, from the end that a read reports over the children's
//! leases and names, the processor's end and `SHARD_END` to the cleanup of the row. Two workers
//! that take from each other, crashes at every step, lost and late writes, an auditor, rows deleted
//! by hand, shards trimmed before they are processed.
//!
//! What fences the writes to one row is shown by `lease` and assumed here: a write carries the
//! owner and the counter, and renewals are left out. As many things go wrong, in every order, as
//! the rules say. There is one bound on time, `zombies_outlive_children`: see its test.

mod agreement;
mod audit;
mod lineage;
mod model;
mod properties;
mod rules;
mod state;

use self::rules::{AbsentParent, Audit, Children, Cleanup, Rules};
use self::state::Invariant;
use crate::{checking, recovery};

fn breaks(mutant: Rules, invariant: Invariant) -> bool {
    checking::finds(mutant, invariant.name())
}

#[test]
fn a_split_keeps_every_invariant() {
    let states = checking::explore(Rules::OURS, 1_300_000);
    println!("the model of a split has {states} states");
}

#[test]
fn a_merge_keeps_every_invariant() {
    let states = checking::explore(Rules::OURS_FOR_A_MERGE, 240_000);
    println!("the model of a merge has {states} states");
}

#[test]
fn a_split_and_a_merge_of_its_children_keep_every_invariant() {
    let states = checking::explore(Rules::OURS_FOR_A_DIAMOND, 1_800_000);
    println!("the model of a split and a merge of its children has {states} states");
}

#[test]
#[ignore = "takes minutes and gigabytes: for the night"]
fn a_merge_keeps_every_invariant_whatever_two_things_go_wrong() {
    let states = checking::explore(Rules { faults: 2, ..Rules::OURS_FOR_A_MERGE }, 10_900_000);
    println!("the model of a merge with two faults has {states} states");
}

#[test]
fn every_split_comes_to_an_end() {
    let states = recovery::always_recovers(&Rules { faults: 1, ..Rules::OURS }, 37_000);
    println!("in the model of a split all of {states} states get well");
}

#[test]
fn every_merge_comes_to_an_end() {
    let states = recovery::always_recovers(&Rules::OURS_FOR_A_MERGE, 240_000);
    println!("in the model of a merge all of {states} states get well");
}

#[test]
#[ignore = "takes minutes and gigabytes: for the night"]
fn every_split_and_merge_comes_to_an_end_whatever_goes_wrong() {
    let states = recovery::always_recovers(&Rules::OURS_FOR_A_DIAMOND, 1_800_000);
    println!("in the model of a split and a merge all of {states} states get well");
}

#[test]
fn nobody_waits_for_ever_if_nothing_goes_wrong() {
    let states =
        recovery::always_recovers(&Rules { faults: 0, ..Rules::OURS_FOR_A_DIAMOND }, 9_400);
    println!("in the model of a split and a merge all of {states} states get well without faults");
}

#[test]
fn making_children_after_the_end_leaves_a_moment_without_their_leases() {
    let mutant = Rules { children: Children::AfterTheEnd, ..Rules::OURS };
    assert!(breaks(mutant, Invariant::ChildrenAreLeased));
    let abandoned = Rules { audit: Audit::Never, by_hand: false, faults: 1, ..mutant };
    assert!(recovery::gets_stuck(&abandoned));
}

#[test]
fn without_waiting_for_parents_a_child_comes_before_its_parent() {
    let mutant = Rules { waits_for_parents: false, ..Rules::OURS_FOR_A_MERGE };
    assert!(breaks(mutant, Invariant::ParentsFirst));
}

/// Java's rule.
#[test]
fn taking_a_parent_without_a_row_as_ended_lets_its_child_come_first() {
    let mutant = Rules { absent_parent: AbsentParent::HasEnded, ..Rules::OURS_FOR_A_MERGE };
    assert!(breaks(mutant, Invariant::ParentsFirst));
}

#[test]
fn deleting_a_row_before_its_children_have_begun_has_the_shard_processed_again() {
    let mutant = Rules { cleanup: Cleanup::AllMade, ..Rules::OURS };
    assert!(breaks(mutant, Invariant::OnlyFinishedIsDeleted));
    assert!(breaks(mutant, Invariant::NeverLeasedAgain));
}

#[test]
fn deleting_a_row_before_those_of_its_parents_leaves_them_for_ever() {
    let ours = Rules { faults: 0, ..Rules::OURS_FOR_A_DIAMOND };
    assert!(recovery::gets_stuck(&Rules { cleanup: Cleanup::AllBegun, ..ours }));
}

/// Java's rule: an empty set of children satisfies "every child has begun".
#[test]
fn a_row_that_names_no_children_is_not_one_without_children() {
    let java = Rules { cleanup: Cleanup::NamedBegun, by_hand: false, ..Rules::OURS };
    assert!(!breaks(java, Invariant::OnlyFinishedIsDeleted), "the order of the end saves it");
    let unnamed = Rules { names_children: false, ..java };
    assert!(breaks(unnamed, Invariant::OnlyFinishedIsDeleted));
    // A `SHARD_END` from before the row was made anew does not.
    let by_hand = Rules { by_hand: true, ..java };
    assert!(breaks(by_hand, Invariant::OnlyFinishedIsDeleted));
}

/// Java's delete. It takes two rows deleted by hand: while that of a child that has begun is there,
/// its parent's is not made anew.
#[test]
fn a_delete_without_a_condition_reaches_a_row_that_was_made_anew() {
    let ours = Rules { faults: 2, trims: false, ..Rules::OURS_FOR_A_MERGE };
    let mutant = Rules { delete_is_conditional: false, ..ours };
    assert!(breaks(mutant, Invariant::OnlyFinishedIsDeleted));
}

#[test]
fn an_auditor_that_leaves_children_to_their_parents_leaves_a_hole_for_ever() {
    let audit = Audit::LeavesChildrenToParents;
    assert!(recovery::gets_stuck(&Rules { audit, faults: 1, ..Rules::OURS }));
}

#[test]
fn without_an_auditor_a_row_deleted_by_hand_stays_away() {
    assert!(recovery::gets_stuck(&Rules { audit: Audit::Never, faults: 1, ..Rules::OURS }));
}

#[test]
fn believing_one_answer_that_there_is_no_such_shard_ends_it_unearned() {
    let mutant = Rules { not_found_is_the_end: true, ..Rules::OURS };
    assert!(breaks(mutant, Invariant::EndIsEarned));
}

#[test]
fn writing_the_end_without_the_processor_ends_a_shard_unearned() {
    let mutant = Rules { end_needs_the_processor: false, ..Rules::OURS };
    assert!(breaks(mutant, Invariant::EndIsEarned));
}

/// What our rules do not cover: a worker that was paused between looking whether it still holds a
/// lease and making a child's row, or that request itself, for as long as it took to process that
/// child and the first of its own children. The child is then processed once more.
#[test]
fn a_pause_as_long_as_the_life_of_a_child_has_it_leased_again() {
    let late = Rules { zombies_outlive_children: true, faults: 1, ..Rules::OURS_FOR_A_DIAMOND };
    assert!(breaks(late, Invariant::NeverLeasedAgain));
    // A remedy that holds, since a row is deleted only once those of its parents are.
    let fenced =
        Rules { children_need_the_parents_row: true, by_hand: false, trims: false, ..late };
    assert!(!breaks(fenced, Invariant::NeverLeasedAgain));
}
