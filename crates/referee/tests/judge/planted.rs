//! One fault each in a run that is clean otherwise: the invariant meant says so, and no other.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shardwise_referee::{Invariant, Journals, judge};

use crate::clean::eventful;
use crate::story::{Story, WORKERS};

pub(crate) const FIRST: &str = "shardId-000000000000";

pub(crate) fn blamed(story: &Story) -> BTreeSet<Invariant> {
    judge(&story.journals()).violations.into_iter().map(|broken| broken.invariant).collect()
}

/// Asserts that `invariants`, and only they, are reported as broken.
pub(crate) fn assert_blamed<const N: usize>(story: &Story, invariants: [Invariant; N]) {
    let verdict = judge(&story.journals());
    assert_eq!(blamed(story), BTreeSet::from(invariants), "{verdict}");
}

/// One shard with ten records, taken by the first worker, five handed and checkpointed.
fn half_done() -> (Story, String) {
    half_done_of(Story::new(1))
}

/// The same, with all evidence.
pub(crate) fn half_done_watched() -> (Story, String) {
    half_done_of(Story::watched(1))
}

fn half_done_of(mut story: Story) -> (Story, String) {
    story.put_many(FIRST, 10);
    let tenure = story.take(WORKERS[0], FIRST);
    story.hand(&tenure, 5);
    story.checkpoint(&tenure);
    (story, tenure)
}

pub(crate) fn sequence(story: &Story, nth: usize) -> String {
    story.shards[FIRST].records[nth].0.clone()
}

/// The lines of a tenure's hand-overs.
fn hands<'a>(story: &'a mut Story, tenure: &str) -> Vec<&'a mut Value> {
    let events = story.events.get_mut(tenure).unwrap();
    events.iter_mut().filter(|event| event["e"] == "hand").collect()
}

#[test]
fn half_a_run_that_is_finished_is_clean() {
    let (mut story, tenure) = half_done();
    story.hand(&tenure, 5);
    assert_blamed(&story, []);
}

#[test]
fn a_record_that_is_never_handed_is_lost() {
    let (mut story, tenure) = half_done();
    story.hand(&tenure, 4);
    assert_blamed(&story, [Invariant::EverythingDelivered]);
}

#[test]
fn a_shard_that_nobody_takes_is_lost() {
    let mut story = eventful();
    let shard = "shardId-000000000002".to_owned();
    story.put(&shard, "late");
    assert_blamed(&story, [Invariant::EverythingDelivered]);
}

#[test]
fn two_records_that_change_places_are_out_of_order() {
    let (mut story, tenure) = half_done();
    story.hand(&tenure, 5);
    hands(&mut story, &tenure)[1]["records"].as_array_mut().unwrap().swap(1, 2);
    assert_blamed(&story, [Invariant::OrderInTenure]);
}

#[test]
fn two_records_of_one_key_that_change_places_break_the_order_of_that_key_too() {
    let mut story = Story::new(1);
    story.put(FIRST, "a");
    story.put(FIRST, "b");
    story.put(FIRST, "a");
    let tenure = story.take(WORKERS[0], FIRST);
    story.hand(&tenure, 3);
    hands(&mut story, &tenure)[0]["records"].as_array_mut().unwrap().swap(0, 2);
    assert_blamed(&story, [Invariant::OrderInTenure, Invariant::OrderOfKeys]);
}

#[test]
fn a_batch_that_is_repeated_with_a_change_is_out_of_order() {
    let (mut story, tenure) = half_done();
    story.hand(&tenure, 5);
    story.repeat_last_batch(&tenure);
    hands(&mut story, &tenure)[2]["records"].as_array_mut().unwrap().pop();
    assert_blamed(&story, [Invariant::OrderInTenure, Invariant::DuplicatesBounded]);
}

#[test]
fn a_record_left_out_is_a_hole_in_its_tenure_even_if_it_comes_in_the_next() {
    let (mut story, tenure) = half_done();
    story.hand(&tenure, 5);
    hands(&mut story, &tenure)[1]["records"].as_array_mut().unwrap().remove(2);
    let next = story.take(WORKERS[1], FIRST);
    story.hand(&next, 5);
    let blamed = blamed(&story);
    assert!(blamed.contains(&Invariant::NoHoleInTenure), "{blamed:?}");
    assert!(!blamed.contains(&Invariant::EverythingDelivered), "{blamed:?}");
}

#[test]
fn a_checkpoint_that_goes_back_is_seen() {
    let (mut story, tenure) = half_done();
    let third = sequence(&story, 2);
    story.set_checkpoint(FIRST, &third);
    story.hand(&tenure, 5);
    assert_blamed(&story, [Invariant::CheckpointNeverGoesBack]);
}

#[test]
fn a_checkpoint_told_as_made_without_a_write_is_false() {
    let (mut story, tenure) = half_done();
    story.hand(&tenure, 5);
    story.ask(&tenure, &Value::Null);
    story.answer(&tenure, &Value::Null, None);
    assert_blamed(&story, [Invariant::TruthfulAcknowledgement]);
}

#[test]
fn a_checkpoint_that_another_worker_wrote_acknowledges_nothing() {
    let (mut story, tenure) = half_done();
    story.hand(&tenure, 2);
    let place = json!(sequence(&story, 6));
    story.ask(&tenure, &place);
    let next = story.take(WORKERS[1], FIRST);
    story.hand(&next, 2);
    story.checkpoint(&next);
    story.answer(&tenure, &place, None);
    story.hand(&next, 5);
    assert_blamed(&story, [Invariant::TruthfulAcknowledgement]);
}

#[test]
fn a_checkpoint_where_the_tenure_started_needs_no_write() {
    let (mut story, _) = half_done();
    let next = story.take(WORKERS[1], FIRST);
    story.ask(&next, &Value::Null);
    story.answer(&next, &Value::Null, None);
    story.hand(&next, 5);
    assert_blamed(&story, []);
}

/// A shard that was split, with its children leased; the tenure has handed all of it.
fn split() -> (Story, String, String) {
    split_of(half_done())
}

/// The same, with all evidence.
pub(crate) fn split_watched() -> (Story, String, String) {
    split_of(half_done_watched())
}

fn split_of((mut story, tenure): (Story, String)) -> (Story, String, String) {
    story.hand(&tenure, 5);
    let [child, _] = story.split(FIRST);
    story.put(&child, "of-the-child");
    (story, tenure, child)
}

fn hand_child(story: &mut Story, child: &str) {
    story.create_lease(child);
    let tenure = story.take(WORKERS[1], child);
    story.hand(&tenure, 1);
}

#[test]
fn a_child_that_starts_after_its_parent_is_clean() {
    let (mut story, tenure, child) = split();
    story.end(&tenure);
    hand_child(&mut story, &child);
    assert_blamed(&story, []);
}

#[test]
fn a_child_that_starts_before_its_parent_ended_is_early() {
    let (mut story, tenure, child) = split();
    hand_child(&mut story, &child);
    story.end(&tenure);
    assert_blamed(&story, [Invariant::ParentsFirst]);
}

#[test]
fn a_child_that_starts_though_its_parent_never_ends_is_early() {
    let (mut story, _, child) = split();
    hand_child(&mut story, &child);
    assert_blamed(&story, [Invariant::ParentsFirst]);
}

#[test]
fn a_child_waits_for_no_parent_whose_row_and_records_are_gone() {
    let (mut story, _, child) = split();
    story.delete(None, FIRST);
    hand_child(&mut story, &child);
    assert_blamed(&story, [Invariant::ParentsFirst]);
    let mut journals = story.journals();
    journals.retention = Some(1);
    assert!(!blames_parents_first(&journals));
}

#[test]
fn a_child_waits_for_no_parent_from_before_the_applications_date() {
    let (mut story, _, child) = split();
    hand_child(&mut story, &child);
    let mut journals = story.journals();
    assert!(blames_parents_first(&journals));
    let of_parent = journals.puts.iter().filter(|put| put.shard == FIRST);
    journals.owed_from = of_parent.map(|put| put.t + 1).max();
    assert!(!blames_parents_first(&journals));
}

fn blames_parents_first(journals: &Journals) -> bool {
    let violations = judge(journals).violations;
    violations.iter().any(|violation| violation.invariant == Invariant::ParentsFirst)
}

#[test]
fn records_of_one_key_in_calls_that_take_no_time_keep_their_order() {
    let mut story = Story::new(1);
    story.put(FIRST, "other");
    story.put(FIRST, "same");
    story.put(FIRST, "same");
    story.create_lease(FIRST);
    let tenure = story.take(WORKERS[0], FIRST);
    story.hand(&tenure, 2);
    story.hand(&tenure, 1);
    let events = story.events.get_mut(&tenure).unwrap();
    let first_t = events.iter().find(|event| event["e"] == "hand").unwrap()["t"].clone();
    for event in events.iter_mut().filter(|event| event["e"] == "hand") {
        event["t"] = first_t.clone();
    }
    assert_blamed(&story, []);
}

#[test]
fn a_key_that_comes_from_the_child_before_the_parent_is_out_of_order() {
    let (mut story, tenure) = half_done();
    story.put(FIRST, "both");
    let [child, _] = story.split(FIRST);
    story.put(&child, "both");
    hand_child(&mut story, &child);
    story.end(&tenure);
    assert_blamed(&story, [Invariant::ParentsFirst, Invariant::OrderOfKeys]);
}

#[test]
fn a_key_out_of_order_across_two_generations_is_seen() {
    let (mut story, tenure) = half_done();
    story.put(FIRST, "both");
    let [child, _] = story.split(FIRST);
    let [grandchild, _] = story.split(&child);
    story.put(&grandchild, "both");
    hand_child(&mut story, &grandchild);
    story.end(&tenure);
    assert!(blamed(&story).contains(&Invariant::OrderOfKeys));
}

#[test]
fn an_end_before_the_last_record_was_handed_is_not_earned() {
    let (mut story, tenure, _) = split();
    let late = story.put(FIRST, "too-late");
    let records = &mut story.shards.get_mut(FIRST).unwrap().records;
    let last = records.pop().unwrap();
    assert_eq!(last.0, late);
    story.end(&tenure);
    let records = &mut story.shards.get_mut(FIRST).unwrap().records;
    records.push(last);
    story.hand(&tenure, 1);
    let blamed = blamed(&story);
    assert!(blamed.contains(&Invariant::ShardEndEarned), "{blamed:?}");
    assert!(!blamed.contains(&Invariant::NoHoleUnderCheckpoint), "{blamed:?}");
}

#[test]
fn an_end_that_no_processor_asked_for_is_not_earned() {
    let (mut story, tenure, child) = split();
    story.end(&tenure);
    story.events.get_mut(&tenure).unwrap().retain(|event| event["e"] != "end");
    let events = story.events.get_mut(&tenure).unwrap();
    events.retain(|event| !event["seq"].is_null() || event["e"] == "hand" || event["e"] == "start");
    hand_child(&mut story, &child);
    assert_blamed(&story, [Invariant::ShardEndEarned]);
}

#[test]
fn an_end_of_a_shard_without_children_is_not_earned() {
    let (mut story, tenure) = half_done();
    story.end(&tenure);
    assert_blamed(&story, [Invariant::ShardEndEarned]);
}

#[test]
fn an_end_before_the_childrens_leases_is_seen() {
    let (mut story, tenure, child) = split();
    let children = std::mem::take(&mut story.shards.get_mut(FIRST).unwrap().children);
    story.end(&tenure);
    for child in &children {
        story.create_lease(child);
    }
    hand_child(&mut story, &child);
    assert_blamed(&story, [Invariant::ChildrenLeased]);
}

#[test]
fn a_checkpoint_over_records_that_are_handed_later_leaves_a_hole() {
    let (mut story, tenure) = half_done();
    let eighth = sequence(&story, 7);
    story.set_checkpoint(FIRST, &eighth);
    story.hand(&tenure, 5);
    assert_blamed(&story, [Invariant::NoHoleUnderCheckpoint]);
}

#[test]
fn two_processors_of_one_worker_on_one_lease_hand_too_many_duplicates() {
    let (mut story, tenure) = half_done();
    let second = story.start(WORKERS[0], FIRST);
    for processor in [&tenure, &second, &tenure, &second] {
        story.hand(processor, 2);
    }
    story.hand(&second, 1);
    assert_blamed(&story, [Invariant::DuplicatesBounded]);
}

#[test]
fn a_tenure_that_starts_behind_the_checkpoint_is_seen() {
    let (mut story, _) = half_done();
    story.renew(FIRST);
    let third = sequence(&story, 2);
    let next = story.take(WORKERS[1], FIRST);
    story.events.remove(&next);
    let next = story.start_at(WORKERS[1], FIRST, &third);
    story.hand(&next, 7);
    assert_blamed(&story, [Invariant::NoHoleInTenure]);
}

#[test]
fn a_processor_restarted_at_an_older_checkpoint_is_seen() {
    let (mut story, tenure) = half_done();
    story.hand(&tenure, 1);
    let next = story.start_at(WORKERS[0], FIRST, "TRIM_HORIZON");
    story.hand(&next, 10);
    assert_blamed(&story, [Invariant::NoHoleInTenure]);
}

#[test]
fn a_worker_that_never_took_the_lease_may_not_start() {
    let (mut story, tenure) = half_done();
    story.hand(&tenure, 5);
    let place = sequence(&story, 4);
    let other = story.start_at(WORKERS[1], FIRST, &place);
    story.hand(&other, 5);
    assert_blamed(&story, [Invariant::NoHoleInTenure]);
}

#[test]
fn a_record_at_the_start_of_a_tenure_may_not_be_handed() {
    let (mut story, _) = half_done();
    let next = story.take(WORKERS[1], FIRST);
    story.tenures.get_mut(&next).unwrap().handed -= 1;
    story.hand(&next, 6);
    assert_blamed(&story, [Invariant::NothingBeforeStart, Invariant::DuplicatesBounded]);
}

#[test]
fn a_record_that_changed_on_its_way_is_altered() {
    let (mut story, tenure) = half_done();
    story.hand(&tenure, 5);
    hands(&mut story, &tenure)[1]["records"][3]["digest"] = json!("another");
    assert_blamed(&story, [Invariant::Content]);
}

#[test]
fn a_record_that_nobody_put_is_unknown_unless_the_producer_had_errors() {
    let (mut story, tenure) = half_done();
    story.hand(&tenure, 5);
    let ghost = story.puts.pop().unwrap();
    assert_blamed(&story, [Invariant::Content]);
    let mut journals = story.journals();
    journals.producer_had_errors = true;
    let verdict = judge(&journals);
    assert!(verdict.is_clean(), "{verdict}");
    assert!(ghost["seq"].is_string());
}

#[test]
fn journals_that_contradict_themselves_are_no_evidence() {
    let (mut story, tenure) = half_done();
    story.hand(&tenure, 5);
    let mut lost_write = story.clone();
    lost_write.writes.remove(1);
    lost_write.renew(FIRST);
    assert!(blamed(&lost_write).contains(&Invariant::Journals));
    let mut no_start = story.clone();
    no_start.events.get_mut(&tenure).unwrap().remove(0);
    assert!(blamed(&no_start).contains(&Invariant::Journals));
    let mut unlisted = story.clone();
    unlisted.shards.clear();
    assert_eq!(blamed(&unlisted), BTreeSet::from([Invariant::Journals]));
    story.puts.push(story.puts[0].clone());
    assert!(blamed(&story).contains(&Invariant::Journals));
}
