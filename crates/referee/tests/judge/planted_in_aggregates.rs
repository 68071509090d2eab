//! Several user records in one Kinesis record: faults that sequence numbers alone do not show.

use serde_json::json;
use shardwise_referee::Invariant;

use crate::planted::{FIRST, assert_blamed};
use crate::story::{Story, WORKERS};

/// Two aggregates of four user records with a plain one between them; six user records are handed
/// and checkpointed, the last of them the plain one and the first of the second aggregate.
fn half_done() -> (Story, String) {
    let mut story = Story::watched(1);
    story.put_aggregate(FIRST, 4);
    story.put(FIRST, "plain");
    story.put_aggregate(FIRST, 4);
    let tenure = story.take(WORKERS[0], FIRST);
    story.hand(&tenure, 6);
    story.checkpoint(&tenure);
    (story, tenure)
}

fn records<'a>(story: &'a mut Story, tenure: &str) -> &'a mut Vec<serde_json::Value> {
    let events = story.events.get_mut(tenure).unwrap().iter_mut();
    let mut hands = events.filter(|event| event["e"] == "hand");
    hands.next_back().unwrap()["records"].as_array_mut().unwrap()
}

/// The next worker, who goes on behind the checkpoint, inside the second aggregate.
fn taken_over() -> (Story, String) {
    let (mut story, _) = half_done();
    let next = story.take(WORKERS[1], FIRST);
    story.hand(&next, 3);
    (story, next)
}

#[test]
fn a_tenure_that_goes_on_inside_an_aggregate_is_clean() {
    assert_blamed(&taken_over().0, []);
}

#[test]
fn an_aggregate_that_begins_again_at_its_start_is_seen() {
    let (mut story, next) = taken_over();
    let first = json!({"seq": "10", "sub": 0, "digest": "digest-of-10/0"});
    records(&mut story, &next).insert(0, first);
    assert_blamed(&story, [Invariant::NothingBeforeStart, Invariant::DuplicatesBounded]);
}

#[test]
fn the_rest_of_an_aggregate_that_is_passed_over_is_a_hole_and_is_lost() {
    let (mut story, next) = taken_over();
    records(&mut story, &next).remove(0);
    assert_blamed(&story, [Invariant::NoHoleInTenure, Invariant::EverythingDelivered]);
}

#[test]
fn user_records_of_one_aggregate_that_change_places_are_out_of_order() {
    let (mut story, next) = taken_over();
    records(&mut story, &next).swap(0, 1);
    assert_blamed(&story, [Invariant::OrderInTenure]);
}

#[test]
fn a_user_record_with_the_data_of_its_neighbour_is_altered() {
    let (mut story, next) = taken_over();
    records(&mut story, &next)[0]["digest"] = json!("digest-of-10/2");
    assert_blamed(&story, [Invariant::Content]);
}

#[test]
fn a_user_record_that_was_sent_again_elsewhere_is_unknown_here() {
    let (mut story, next) = taken_over();
    records(&mut story, &next).push(json!({"seq": "11", "sub": 0, "digest": "elsewhere"}));
    assert_blamed(&story, [Invariant::Content]);
}

#[test]
fn a_checkpoint_at_an_aggregates_end_covers_all_of_it() {
    let (mut story, tenure) = half_done();
    story.ask(&tenure, &json!("10/3"));
    story.set_checkpoint(FIRST, "10/3");
    story.answer(&tenure, &json!("10/3"), None);
    story.hand(&tenure, 3);
    assert_blamed(&story, [Invariant::NoHoleUnderCheckpoint]);
}

#[test]
fn a_checkpoint_that_goes_back_inside_an_aggregate_is_seen() {
    let (mut story, tenure) = half_done();
    story.hand(&tenure, 3);
    story.checkpoint(&tenure);
    story.set_checkpoint(FIRST, "10/1");
    assert_blamed(&story, [Invariant::CheckpointNeverGoesBack]);
}

#[test]
fn a_checkpoint_that_lost_its_sub_sequence_number_was_not_made() {
    let (mut story, tenure) = half_done();
    story.hand(&tenure, 2);
    story.ask(&tenure, &json!("10/2"));
    story.renew(FIRST);
    story.answer(&tenure, &json!("10/2"), None);
    story.hand(&tenure, 1);
    assert_blamed(&story, [Invariant::TruthfulAcknowledgement]);
}
