//! The protocol of one lease, explored exhaustively: two workers, lost requests, lost answers,
//! writes that the table applies late or never, crashes and restarts under the same name.
//!
//! Its rules: the conditions of a write, what proves one whose answer did not come, where a tenure
//! starts. There is no clock: a worker may take a lease at any moment, so nothing here rests on two
//! clocks agreeing.

mod agreement;
mod leap;
mod model;
mod properties;
mod rules;
mod state;
mod table;
mod worker;

use self::rules::{Confirm, Restart, Rules, Start, TakeCounter};
use self::state::Invariant;
use crate::checking;

fn breaks(rules: Rules, invariant: Invariant) -> bool {
    checking::finds(rules, invariant.name())
}

#[test]
fn our_rules_keep_every_invariant() {
    let states = checking::explore(Rules::OURS, 2_400_000);
    println!("the lease model has {states} states");
}

#[test]
#[ignore = "takes minutes and gigabytes: for the night"]
fn our_rules_keep_every_invariant_in_longer_lives() {
    let states = checking::explore(Rules { counter_max: 5, ..Rules::OURS }, 11_500_000);
    println!("the lease model has {states} states");
}

#[test]
fn the_owner_in_the_condition_fences_other_workers_even_on_a_recreated_row() {
    assert!(!breaks(Rules::OURS_ON_A_RECREATED_ROW, Invariant::OnlyTheOwnerWrites));
}

/// What our rules do not cover while new rows begin at counter 0, as Java's do: a request that is
/// on its way while the row is deleted, created anew and taken again by the same worker.
#[test]
fn a_write_from_before_the_recreation_can_reach_a_later_tenure_of_the_same_worker() {
    assert!(breaks(Rules::OURS_ON_A_RECREATED_ROW, Invariant::OnlyTheCurrentTenureWrites));
}

/// The remedy that the table allows whoever made the row: Java only looks whether a counter grew.
#[test]
fn a_take_that_leaps_ahead_keeps_every_invariant_on_a_recreated_row() {
    let rules = Rules { take_counter: TakeCounter::Apart, ..Rules::OURS_ON_A_RECREATED_ROW };
    let states = checking::explore(rules, 150_000);
    println!("the lease model with takes that leap has {states} states");
}

#[test]
fn a_recreated_row_whose_counter_begins_elsewhere_keeps_every_invariant() {
    let rules = Rules { recreated_counter: 100, ..Rules::OURS_ON_A_RECREATED_ROW };
    let states = checking::explore(rules, 1_200_000);
    println!("the lease model with a recreated row has {states} states");
}

#[test]
fn a_checkpoint_without_a_condition_goes_back() {
    let rules = Rules { checkpoint_is_conditional: false, ..Rules::OURS };
    assert!(breaks(rules, Invariant::CheckpointNeverGoesBack));
    assert!(breaks(rules, Invariant::OnlyTheOwnerWrites));
}

#[test]
fn a_renewal_without_a_condition_reaches_another_workers_row() {
    let rules = Rules { renewal_is_conditional: false, ..Rules::OURS };
    assert!(breaks(rules, Invariant::OnlyTheOwnerWrites));
}

#[test]
fn the_counter_alone_does_not_fence_a_recreated_row() {
    let rules = Rules { condition_names_owner: false, ..Rules::OURS_ON_A_RECREATED_ROW };
    assert!(breaks(rules, Invariant::OnlyTheOwnerWrites));
}

#[test]
fn confirming_by_owner_and_counter_acknowledges_what_was_not_written() {
    let rules = Rules { confirm: Confirm::OwnerAndCounter, ..Rules::OURS };
    assert!(breaks(rules, Invariant::TruthfulAcknowledgement));
}

#[test]
fn confirming_without_the_sub_sequence_number_acknowledges_what_was_not_written() {
    let rules = Rules { confirm: Confirm::WithoutSubSequence, ..Rules::OURS };
    assert!(breaks(rules, Invariant::TruthfulAcknowledgement));
}

#[test]
fn taking_ambiguity_for_success_acknowledges_what_was_not_written() {
    let rules = Rules { ambiguity_is_success: true, ..Rules::OURS };
    assert!(breaks(rules, Invariant::TruthfulAcknowledgement));
}

#[test]
fn starting_at_the_tip_leaves_a_hole_under_a_checkpoint() {
    let rules = Rules { start: Start::Tip, ..Rules::OURS };
    assert!(breaks(rules, Invariant::StartIsTheRowsCheckpoint));
    assert!(breaks(rules, Invariant::NoHoleUnderCheckpoint));
}

#[test]
fn starting_where_the_scan_saw_the_checkpoint_misses_a_recreated_row() {
    let rules = Rules { start: Start::Scanned, counter_max: 3, ..Rules::OURS_ON_A_RECREATED_ROW };
    assert!(breaks(rules, Invariant::StartIsTheRowsCheckpoint));
}

#[test]
fn restarting_a_processor_from_memory_starts_behind_the_row() {
    let rules = Rules { restart: Restart::Remembered, ..Rules::OURS };
    assert!(breaks(rules, Invariant::StartIsTheRowsCheckpoint));
}
