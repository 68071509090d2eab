//! The protocol of one lease, explored exhaustively: two workers, lost requests, lost answers,
//! writes that the table applies late or never, crashes and restarts under the same name.
//!
//! The model shares no code with the crate: it states the rules that the code must follow (the
//! conditions of a write, what proves one whose answer did not come, where a tenure starts), and
//! shows that they suffice and that each is needed. There is no clock: a worker may take a lease
//! at any moment, so nothing here rests on two clocks agreeing.

mod model;
mod properties;
mod rules;
mod state;
mod table;
mod worker;

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};

use crate::properties::{SITUATIONS, Situation};
use crate::rules::{Confirm, Restart, Rules, Start};
use crate::state::Invariant;

/// Explores until `invariant` is seen broken, and says whether it was.
fn breaks(rules: Rules, invariant: Invariant) -> bool {
    let found = HasDiscoveries::AllOf(BTreeSet::from([invariant.name()]));
    let checker = rules.checker().threads(1).finish_when(found).spawn_bfs().join();
    checker.discovery(invariant.name()).is_some()
}

/// Explores everything; the invariants must hold everywhere, and the situations must be met.
fn explore(rules: Rules, situations: &[Situation]) -> usize {
    let nothing_ends_it = HasDiscoveries::AllOf(BTreeSet::from(["no property has this name"]));
    let checker = rules.checker().threads(1).finish_when(nothing_ends_it).spawn_bfs().join();
    let discoveries = checker.discoveries();
    for (name, _) in situations {
        assert!(discoveries.contains_key(name), "never met: {name}");
    }
    for invariant in Invariant::ALL {
        if let Some(path) = discoveries.get(invariant.name()) {
            panic!("{}: broken by {:?}", invariant.name(), path.clone().into_actions());
        }
    }
    checker.unique_state_count()
}

#[test]
fn our_rules_keep_every_invariant() {
    let states = explore(Rules::OURS, &SITUATIONS);
    println!("the lease model has {states} states");
}

#[test]
#[ignore = "takes minutes and gigabytes: for the night"]
fn our_rules_keep_every_invariant_in_longer_lives() {
    let states = explore(Rules { counter_max: 5, ..Rules::OURS }, &SITUATIONS);
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

#[test]
fn a_recreated_row_whose_counter_begins_elsewhere_keeps_every_invariant() {
    let rules = Rules { recreated_counter: 100, ..Rules::OURS_ON_A_RECREATED_ROW };
    let states = explore(rules, &[]);
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
