//! The lock of KCL 3.x's leader: acquired, kept by heartbeats, stolen once it stands still, and
//! deleted by a leader that stops; two or three workers, lost and late writes, pauses, crashes.
//!
//! Unlike the lease, the lock rests on clocks: they must run at the same rate, whatever they show.
//! While they do, no two workers lead at once. Nothing but wasted work hangs on that: what a
//! leader writes to a lease is conditional on the owners that it saw (see `handoff`).

mod model;
mod rules;
mod state;

use self::rules::{Belief, Expiry, Release, Rules};
use crate::{checking, recovery};

/// I26, its half about safety.
const ONE_LEADER: &str = "I26 no two workers lead at once";

#[test]
fn our_rules_let_one_worker_lead_at_a_time() {
    let states = checking::explore(Rules::OURS, 53_000);
    println!("the leader lock's model has {states} states");
}

#[test]
fn our_rules_let_one_of_three_lead_at_a_time() {
    let states = checking::explore(Rules::OURS_AMONG_THREE, 1_500_000);
    println!("the leader lock's model with three workers has {states} states");
}

#[test]
fn whatever_happens_somebody_leads_again() {
    let states = recovery::always_recovers(&Rules::OURS, 53_000);
    println!("in the leader lock's model all of {states} states get well");
}

#[test]
fn a_stamp_that_each_read_begins_anew_leaves_nobody_to_lead_after_a_crash() {
    assert!(recovery::gets_stuck(&Rules { expiry: Expiry::FreshRead, ..Rules::OURS }));
}

#[track_caller]
fn lets_two_lead(mutant: Rules) {
    assert!(checking::finds(mutant, ONE_LEADER));
}

#[test]
fn a_lock_that_expires_at_first_sight_lets_two_lead() {
    lets_two_lead(Rules { expiry: Expiry::AtOnce, ..Rules::OURS });
}

#[test]
fn a_release_without_a_condition_lets_two_lead() {
    lets_two_lead(Rules { release: Release::Unconditional, ..Rules::OURS });
}

#[test]
fn a_release_by_name_lets_two_lead() {
    lets_two_lead(Rules { release: Release::OwnName, ..Rules::OURS });
}

#[test]
fn a_lead_counted_from_the_answer_lets_two_lead() {
    lets_two_lead(Rules { belief: Belief::FromAnswer, ..Rules::OURS });
}

#[test]
fn a_lead_without_an_end_lets_two_lead() {
    lets_two_lead(Rules { belief: Belief::UntilTold, ..Rules::OURS });
}

#[test]
fn a_steal_without_a_condition_lets_two_lead() {
    lets_two_lead(Rules { steal_is_conditional: false, ..Rules::OURS_AMONG_THREE });
}

#[test]
fn a_heartbeat_without_a_condition_lets_two_lead() {
    lets_two_lead(Rules { heartbeat_is_conditional: false, ..Rules::OURS });
}

#[test]
fn a_heartbeat_that_keeps_the_version_number_lets_two_lead() {
    lets_two_lead(Rules { heartbeat_has_new_version: false, ..Rules::OURS });
}

#[test]
fn believing_in_a_lock_because_it_bears_ones_name_lets_two_lead() {
    lets_two_lead(Rules { own_name_is_enough: true, ..Rules::OURS });
}
