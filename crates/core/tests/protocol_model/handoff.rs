//! The hand-off of KCL 3.x (`checkpointOwner`): a leader names a new owner, the old one goes on
//! until its processor is done, and then lets the new one begin. Two workers, any number of
//! leaders, time-outs on both sides, lost and late writes, crashes, a worker that never comes back.
//!
//! A leader remembers nothing here, and its writes may be late: so whatever is shown does not
//! depend on there being one leader. There is no clock either: a leader may find a lease expired
//! that is not, and either side's time may be up at any moment.

mod model;
mod properties;
mod row;
mod rules;
mod state;

use self::rules::{Conditions, Rules, Transfer, TransferCondition};
use self::state::Invariant;
use crate::{checking, recovery};

/// The situation that all went well.
const IN_ORDER: &str = "a lease is handed off in order";

fn breaks(mutant: Rules, invariant: Invariant) -> bool {
    checking::finds(mutant, invariant.name())
}

#[test]
fn our_rules_keep_every_invariant() {
    let states = checking::explore(Rules::OURS, 2_400_000);
    println!("the hand-off's model has {states} states");
}

#[test]
fn javas_conditions_keep_every_invariant() {
    let states = checking::explore(Rules { faults: 1, ..Rules::JAVAS }, 150_000);
    println!("the hand-off's model by Java's conditions has {states} states");
}

#[test]
#[ignore = "takes minutes and gigabytes: for the night"]
fn our_rules_keep_every_invariant_whatever_three_things_go_wrong() {
    let states = checking::explore(Rules { faults: 3, ..Rules::OURS }, 28_000_000);
    println!("the hand-off's model with three faults has {states} states");
}

#[test]
fn every_hand_off_comes_to_an_end() {
    let states = recovery::always_recovers(&Rules::OURS_IN_A_SMALL_WORLD, 150_000);
    println!("in the hand-off's model all of {states} states get well");
}

#[test]
fn without_a_deadline_a_request_that_the_holder_has_lost_is_never_met() {
    let mutant = Rules { deadline: false, ..Rules::OURS_IN_A_SMALL_WORLD };
    assert!(recovery::gets_stuck(&mutant));
}

#[test]
fn not_assigning_to_the_holder_leaves_a_lone_worker_that_starts_again_stuck() {
    let mutant = Rules { assigns_to_the_holder: false, ..Rules::OURS_IN_A_SMALL_WORLD };
    assert!(recovery::gets_stuck(&mutant));
}

#[test]
fn a_renewal_as_before_3x_never_learns_of_a_hand_off() {
    assert!(checking::finds(Rules::OURS, IN_ORDER));
    assert!(checking::finds(Rules::JAVAS, IN_ORDER));
    let mutant = Rules { conditions: Conditions::CounterAlone, faults: 1, ..Rules::OURS };
    assert!(!checking::finds(mutant, IN_ORDER));
}

#[test]
fn beginning_while_another_still_holds_the_lease_lets_two_write() {
    let mutant = Rules { waits_for_the_holder: false, ..Rules::OURS };
    assert!(breaks(mutant, Invariant::OnlyTheHolderWrites));
}

#[test]
fn beginning_by_a_read_that_lags_behind_starts_in_the_wrong_place() {
    let mutant = Rules { begins_by_consistent_read: false, ..Rules::OURS };
    assert!(breaks(mutant, Invariant::StartIsTheRowsCheckpoint));
}

#[test]
fn an_assignment_that_does_not_count_lets_an_earlier_tenure_write() {
    let mutant = Rules { assignment_counts: false, ..Rules::OURS };
    assert!(breaks(mutant, Invariant::OnlyTheCurrentTenureWrites));
    let mutant = Rules { assignment_counts: false, ..Rules::JAVAS };
    assert!(breaks(mutant, Invariant::OnlyTheHolderWrites));
}

#[test]
fn a_transfer_without_a_condition_is_made_by_one_who_holds_nothing() {
    let transfer_condition = TransferCondition::Unconditional;
    let mutant = Rules { transfer_condition, ..Rules::OURS };
    assert!(breaks(mutant, Invariant::OnlyTheHolderWrites));
}

/// Java's condition. One that is late ends a later hand-off between the same two before its time:
/// nothing is lost, but the processor's last checkpoint is refused.
#[test]
fn a_transfer_that_names_the_owners_alone_may_come_from_an_earlier_tenure() {
    let mutant = Rules { transfer_condition: TransferCondition::Owners, ..Rules::OURS };
    assert!(breaks(mutant, Invariant::OnlyTheCurrentTenureWrites));
}

#[test]
fn handing_on_after_the_processor_is_done_hands_records_twice() {
    let mutant = Rules { stops_before_transfer: false, ..Rules::OURS };
    assert!(breaks(mutant, Invariant::NothingTwice));
}

#[test]
fn a_transfer_without_asking_the_processor_hands_records_twice() {
    let mutant = Rules { transfer: Transfer::Unasked, ..Rules::OURS };
    assert!(breaks(mutant, Invariant::NothingTwice));
}

/// The owners in our conditions fence what Java leaves to its leaders.
#[test]
fn a_second_hand_off_before_the_first_has_ended_fools_a_condition_on_the_counter_alone() {
    let mutant = Rules { initiation_is_conditional: false, ..Rules::JAVAS };
    assert!(breaks(mutant, Invariant::OnlyTheHolderWrites));
    let fenced = Rules { initiation_is_conditional: false, faults: 1, ..Rules::OURS };
    assert!(!breaks(fenced, Invariant::OnlyTheHolderWrites));
}
