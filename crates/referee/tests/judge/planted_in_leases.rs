//! One fault each in who writes what to a lease's row.

use serde_json::{Value, json};
use shardwise_referee::Invariant;

use crate::planted::{FIRST, assert_blamed, half_done_watched, sequence, split_watched};
use crate::story::{FAILOVER, QUIET, SECOND, Story, TAKE_INTERVAL, WORKERS};

/// As [`half_done_watched`], with the rest handed.
fn done() -> (Story, String) {
    let (mut story, tenure) = half_done_watched();
    story.hand(&tenure, 5);
    (story, tenure)
}

fn last_write(story: &mut Story) -> &mut Value {
    story.writes.last_mut().unwrap()
}

#[test]
fn a_renewal_by_another_worker_than_the_holder_is_seen() {
    let (mut story, _) = done();
    story.renew(FIRST);
    last_write(&mut story)["by"] = json!(WORKERS[1]);
    assert_blamed(&story, [Invariant::OwnerWrites]);
}

#[test]
fn a_release_by_another_worker_than_the_holder_is_seen() {
    let (mut story, _) = done();
    story.release(FIRST);
    last_write(&mut story)["by"] = json!(WORKERS[1]);
    assert_blamed(&story, [Invariant::OwnerWrites]);
}

#[test]
fn a_renewal_that_was_based_on_another_counter_is_seen() {
    let (mut story, _) = done();
    story.write(FIRST, "UpdateItem", |row| row.counter += 1);
    assert_blamed(&story, [Invariant::OwnerWrites]);
}

#[test]
fn child_shards_may_be_noted_by_anyone() {
    let (mut story, _) = done();
    story.write(FIRST, "UpdateItem", |row| row.counter -= 1);
    let write = last_write(&mut story);
    write["after"]["childShardIds"] = json!({"SS": ["shardId-1"]});
    write["by"] = json!(WORKERS[2]);
    assert_blamed(&story, []);
}

#[test]
fn a_write_sent_before_the_lease_changed_hands_is_not_applied_after_it_came_back() {
    let (mut story, _) = done();
    let sent_t = story.now;
    story.tick();
    story.take(WORKERS[1], FIRST);
    story.take(WORKERS[0], FIRST);
    story.renew(FIRST);
    assert_blamed(&story, []);
    last_write(&mut story)["sentT"] = json!(sent_t);
    assert_blamed(&story, [Invariant::NoWriteOfEarlierTenure]);
}

#[test]
fn a_write_sent_before_the_row_was_made_anew_is_not_applied_to_it() {
    let (mut story, _) = done();
    let sent_t = story.now;
    story.tick();
    story.delete(None, FIRST);
    story.write(FIRST, "PutItem", |row| row.owner = Some(WORKERS[0].to_owned()));
    story.renew(FIRST);
    assert_blamed(&story, []);
    last_write(&mut story)["sentT"] = json!(sent_t);
    assert_blamed(&story, [Invariant::NoWriteOfEarlierTenure]);
}

#[test]
fn a_prepared_checkpoint_is_kept_and_given_to_the_next_tenure() {
    let (mut story, tenure) = done();
    story.prepare(&tenure);
    story.renew(FIRST);
    let next = story.take(WORKERS[1], FIRST);
    assert!(story.events[&next][0]["pending"].is_string());
    story.hand(&next, 5);
    story.checkpoint(&next);
    story.take(WORKERS[2], FIRST);
    assert_blamed(&story, []);
}

#[test]
fn a_prepared_checkpoint_that_moves_the_one_made_is_seen() {
    let (mut story, _) = done();
    let last = sequence(&story, 9);
    story.write(FIRST, "UpdateItem", |row| {
        row.pending = Some(last.clone());
        row.checkpoint.clone_from(&last);
    });
    assert_blamed(&story, [Invariant::PendingKept]);
}

#[test]
fn a_take_a_release_and_a_renewal_leave_the_prepared_checkpoint_alone() {
    for act in ["take", "release", "renew"] {
        let (mut story, tenure) = done();
        story.prepare(&tenure);
        story.write(FIRST, "UpdateItem", |row| {
            row.pending = None;
            match act {
                "take" => row.owner = Some(WORKERS[1].to_owned()),
                "release" => row.owner = None,
                _ => {}
            }
        });
        assert_blamed(&story, [Invariant::PendingKept]);
    }
}

#[test]
fn a_checkpoint_made_once_more_ends_a_prepared_one() {
    let (mut story, tenure) = done();
    story.prepare(&tenure);
    let made = json!(sequence(&story, 4));
    let mut dropped = story.clone();
    story.ask(&tenure, &made);
    for story in [&mut story, &mut dropped] {
        story.write(FIRST, "UpdateItem", |row| row.pending = None);
    }
    story.answer(&tenure, &made, None);
    assert_blamed(&story, []);
    assert_blamed(&dropped, [Invariant::PendingKept]);
}

#[test]
fn the_end_of_a_shard_made_once_more_ends_a_prepared_one() {
    let (mut story, tenure, child) = split_watched();
    story.end(&tenure);
    let next = story.take(WORKERS[1], &child);
    story.hand(&next, 1);
    story.tell_end(&tenure, "shardEnded");
    story.write(FIRST, "UpdateItem", |row| row.pending = Some("SHARD_END".to_owned()));
    let mut dropped = story.clone();
    story.ask(&tenure, &Value::Null);
    for story in [&mut story, &mut dropped] {
        story.write(FIRST, "UpdateItem", |row| row.pending = None);
    }
    story.answer(&tenure, &Value::Null, None);
    assert_blamed(&story, []);
    assert_blamed(&dropped, [Invariant::PendingKept]);
}

#[test]
fn a_state_that_changed_with_a_take_is_not_kept() {
    let (mut story, tenure) = done();
    story.prepare(&tenure);
    story.take(WORKERS[1], FIRST);
    last_write(&mut story)["after"]["pendingCheckpointState"] = json!({"B": "AQM="});
    assert_blamed(&story, [Invariant::PendingKept]);
}

#[test]
fn a_tenure_that_is_not_given_the_prepared_checkpoint_is_seen() {
    let (mut story, tenure) = done();
    story.prepare(&tenure);
    let next = story.take(WORKERS[1], FIRST);
    story.events.get_mut(&next).unwrap()[0]["pending"] = Value::Null;
    assert_blamed(&story, [Invariant::PendingKept]);
}

/// Three shards, one for each worker.
fn spread() -> Story {
    let mut story = Story::watched(3);
    for (worker, shard) in WORKERS.into_iter().zip(story.shards.clone().into_keys()) {
        story.take(worker, &shard);
    }
    story
}

const SECOND_SHARD: &str = "shardId-000000000001";

#[test]
fn two_live_leases_stolen_in_one_moment_are_one_too_many() {
    let mut story = spread();
    story.take(WORKERS[2], FIRST);
    let sent_t = last_write(&mut story)["sentT"].clone();
    story.take(WORKERS[2], SECOND_SHARD);
    assert_blamed(&story, []);
    last_write(&mut story)["sentT"] = sent_t;
    assert_blamed(&story, [Invariant::OneLiveSteal]);
}

#[test]
fn leases_that_somebody_else_takes_are_no_steals() {
    let mut story = spread();
    story.take(WORKERS[2], FIRST);
    let sent_t = last_write(&mut story)["sentT"].clone();
    last_write(&mut story)["by"] = Value::Null;
    story.take(WORKERS[2], SECOND_SHARD);
    last_write(&mut story)["sentT"] = sent_t;
    assert_blamed(&story, []);
}

#[test]
fn in_the_quiet_phase_two_steals_of_one_worker_are_a_run_apart() {
    for (apart, broken) in [(TAKE_INTERVAL, false), (TAKE_INTERVAL / 2, true)] {
        let mut story = spread();
        story.begin_quiet();
        story.wait(TAKE_INTERVAL + SECOND);
        story.take(WORKERS[2], FIRST);
        story.wait(apart);
        story.take(WORKERS[2], SECOND_SHARD);
        story.end_quiet();
        let blamed = crate::planted::blamed(&story);
        assert_eq!(blamed.contains(&Invariant::OneLiveSteal), broken);
        assert!(blamed.len() <= 1, "{blamed:?}");
    }
}

#[test]
fn expired_leases_may_be_taken_all_at_once() {
    let mut story = spread();
    story.worker(WORKERS[0], "killed");
    story.worker(WORKERS[1], "killed");
    story.wait(FAILOVER + SECOND);
    story.take(WORKERS[2], FIRST);
    let sent_t = last_write(&mut story)["sentT"].clone();
    story.take(WORKERS[2], SECOND_SHARD);
    last_write(&mut story)["sentT"] = sent_t;
    assert_blamed(&story, []);
}

#[test]
fn a_take_sent_before_the_counter_changed_is_not_applied() {
    let (mut story, _) = done();
    let sent_t = story.now;
    story.tick();
    story.renew(FIRST);
    story.take(WORKERS[1], FIRST);
    last_write(&mut story)["sentT"] = json!(sent_t);
    assert_blamed(&story, [Invariant::OneLiveSteal]);
}

#[test]
fn a_take_may_be_under_way_while_an_operator_writes_without_the_counter() {
    let (mut story, _) = done();
    let sent_t = story.now;
    story.tick();
    let third = sequence(&story, 2);
    story.write_from_outside(FIRST, |row| row.checkpoint.clone_from(&third));
    let next = story.take(WORKERS[1], FIRST);
    last_write(&mut story)["sentT"] = json!(sent_t);
    story.hand(&next, 7);
    assert_blamed(&story, []);
}

/// A shard that was split and has ended; its children have leases, and one has begun.
fn ended() -> (Story, [String; 2]) {
    let (mut story, tenure, child) = split_watched();
    story.end(&tenure);
    let other = story.shards.keys().next_back().unwrap().clone();
    let tenure = story.take(WORKERS[1], &child);
    story.hand(&tenure, 1);
    story.checkpoint(&tenure);
    (story, [child, other])
}

fn begin(story: &mut Story, child: &str) {
    story.put(child, "of-the-other-child");
    let tenure = story.take(WORKERS[1], child);
    story.hand(&tenure, 1);
    story.checkpoint(&tenure);
}

#[test]
fn the_lease_of_a_finished_shard_may_go_when_its_children_have_begun() {
    let (mut story, [_, other]) = ended();
    begin(&mut story, &other);
    story.delete(Some(WORKERS[0]), FIRST);
    assert_blamed(&story, []);
}

#[test]
fn a_lease_that_is_deleted_before_a_child_has_begun_is_seen() {
    let (mut story, [_, other]) = ended();
    story.delete(Some(WORKERS[0]), FIRST);
    begin(&mut story, &other);
    assert_blamed(&story, [Invariant::DeletedOnlyWhenDone]);
}

#[test]
fn the_lease_of_a_finished_shard_that_the_stream_forgot_may_go_at_once() {
    let (mut story, [_, other]) = ended();
    story.delete(Some(WORKERS[0]), FIRST);
    begin(&mut story, &other);
    let mut journals = story.journals();
    journals.delisted = vec![(FIRST.to_owned(), 0)];
    assert!(shardwise_referee::judge(&journals).is_clean());
    journals.delisted = vec![(FIRST.to_owned(), u64::MAX)];
    assert!(!shardwise_referee::judge(&journals).is_clean());
}

#[test]
fn a_lease_that_is_deleted_before_its_shard_has_ended_is_seen_unless_an_operator_did_it() {
    let (mut story, _) = done();
    story.delete(None, FIRST);
    assert_blamed(&story, []);
    let (mut story, _) = done();
    story.delete(Some(WORKERS[0]), FIRST);
    assert_blamed(&story, [Invariant::DeletedOnlyWhenDone]);
}

#[test]
fn a_finished_shard_that_was_cleaned_up_is_never_leased_again() {
    let (mut story, [_, other]) = ended();
    begin(&mut story, &other);
    story.delete(Some(WORKERS[0]), FIRST);
    story.create_lease(FIRST);
    assert_blamed(&story, [Invariant::DeletedOnlyWhenDone]);
}

#[test]
fn a_finished_shard_is_leased_again_only_once_somebody_deleted_what_told_of_its_end() {
    let (mut story, [_, other]) = ended();
    begin(&mut story, &other);
    story.delete(Some(WORKERS[0]), FIRST);
    story.delete(None, &other);
    story.create_lease(FIRST);
    assert_blamed(&story, []);
}

#[test]
fn a_worker_that_stops_in_order_leaves_no_lease() {
    let (mut story, tenure) = done();
    story.stop(WORKERS[0], &[tenure]);
    assert_blamed(&story, []);
}

#[test]
fn a_lease_left_behind_by_an_orderly_exit_is_seen() {
    let (mut story, _) = done();
    story.worker(WORKERS[0], "stopAsked");
    story.worker(WORKERS[0], "ended");
    assert_blamed(&story, [Invariant::OrderlyExit]);
    story.worker_events.last_mut().unwrap()["inOrder"] = json!(false);
    assert_blamed(&story, []);
}

#[test]
fn a_worker_that_stops_out_of_order_though_nothing_is_wrong_is_seen() {
    let (mut story, tenure) = done();
    story.begin_quiet();
    story.end_quiet();
    story.stop(WORKERS[0], &[tenure]);
    assert_blamed(&story, []);
    story.worker_events.last_mut().unwrap()["inOrder"] = json!(false);
    assert_blamed(&story, [Invariant::OrderlyExit]);
}

#[test]
fn a_worker_that_never_ends_after_it_was_asked_to_stop_is_seen() {
    let (mut story, tenure) = done();
    story.begin_quiet();
    story.end_quiet();
    story.stop(WORKERS[0], &[tenure]);
    let end = story.worker_events.pop().unwrap();
    assert!(end.to_string().contains("ended"), "{end}");
    assert_blamed(&story, [Invariant::OrderlyExit]);
    story.worker(WORKERS[0], "killed");
    assert_blamed(&story, []);
}

#[test]
fn a_take_that_came_after_its_worker_stopped_waiting_for_it_is_not_left_behind() {
    let (mut story, _) = done();
    let sent_t = story.now;
    story.now += FAILOVER / 2;
    story.write(FIRST, "UpdateItem", |row| row.owner = Some(WORKERS[1].to_owned()));
    last_write(&mut story)["sentT"] = json!(sent_t);
    story.now += FAILOVER / 2;
    story.worker(WORKERS[1], "stopAsked");
    story.worker(WORKERS[1], "ended");
    assert_blamed(&story, []);
    story.renew(FIRST);
    story.worker(WORKERS[1], "ended");
    assert_blamed(&story, [Invariant::OrderlyExit]);
}

#[test]
fn a_take_that_a_stop_cut_off_is_not_left_behind_unless_a_tenure_began() {
    for (waits, broken) in [(SECOND, false), (FAILOVER / 2, true)] {
        let (mut story, _) = done();
        // That it once had the lease does not make it hold it now.
        story.take(WORKERS[1], FIRST);
        story.renew(FIRST);
        story.take(WORKERS[0], FIRST);
        story.write(FIRST, "UpdateItem", |row| row.owner = Some(WORKERS[1].to_owned()));
        let mut begun = story.clone();
        begun.start(WORKERS[1], FIRST);
        story.now += waits;
        for story in [&mut story, &mut begun] {
            story.worker(WORKERS[1], "stopAsked");
            story.worker(WORKERS[1], "ended");
        }
        assert_eq!(crate::planted::blamed(&story).contains(&Invariant::OrderlyExit), broken);
        assert_blamed(&begun, [Invariant::OrderlyExit]);
    }
}

#[test]
fn a_lease_of_an_earlier_life_is_not_left_behind() {
    let (mut story, _) = done();
    story.worker(WORKERS[0], "killed");
    story.worker(WORKERS[0], "started");
    story.worker(WORKERS[0], "stopAsked");
    story.worker(WORKERS[0], "ended");
    assert_blamed(&story, []);
}

#[test]
fn an_attribute_that_kcl_does_not_know_may_be_changed_by_an_operator_only() {
    let (mut story, _) = done();
    story.write_from_outside(FIRST, |row| row.note = Some("kept".to_owned()));
    story.renew(FIRST);
    story.take(WORKERS[1], FIRST);
    assert_blamed(&story, []);
    story.write(FIRST, "PutItem", |row| row.note = None);
    assert_blamed(&story, [Invariant::UnknownKept]);
}

#[test]
fn a_row_that_is_no_lease_may_be_changed_by_anyone_but_a_worker() {
    let (mut story, _) = done();
    let row = |version: u64| json!({"leaseKey": {"S": "Leader"}, "v": {"N": version.to_string()}});
    story.writes.push(json!({
        "t": story.now, "op": "UpdateItem", "key": "Leader", "before": row(1), "after": row(2),
    }));
    assert_blamed(&story, []);
    last_write(&mut story)["by"] = json!(WORKERS[0]);
    assert_blamed(&story, [Invariant::UnknownKept]);
    let write = last_write(&mut story);
    write["after"] = write["before"].clone();
    assert_blamed(&story, []);
}

#[test]
fn an_operator_who_sets_a_checkpoint_back_is_no_fault() {
    let (mut story, _) = done();
    let third = sequence(&story, 2);
    story.write_from_outside(FIRST, |row| row.checkpoint.clone_from(&third));
    let next = story.take(WORKERS[1], FIRST);
    story.hand(&next, 7);
    assert_blamed(&story, []);
}

#[test]
fn an_operator_who_sets_a_checkpoint_ahead_leaves_no_hole_under_it() {
    let (mut story, tenure) = half_done_watched();
    let eighth = sequence(&story, 7);
    story.write_from_outside(FIRST, |row| row.checkpoint.clone_from(&eighth));
    story.hand(&tenure, 5);
    assert_blamed(&story, []);
}

#[test]
fn where_the_senders_of_writes_are_not_known_a_reset_is_a_fault() {
    let (mut story, _) = done();
    let third = sequence(&story, 2);
    story.write_from_outside(FIRST, |row| row.checkpoint.clone_from(&third));
    for write in &mut story.writes {
        write.as_object_mut().unwrap().remove("by");
    }
    assert_blamed(&story, [Invariant::CheckpointNeverGoesBack]);
}

#[test]
fn a_quiet_phase_of_a_fleet_at_rest_is_clean() {
    let mut story = spread();
    story.begin_quiet();
    story.wait(QUIET);
    story.end_quiet();
    assert_blamed(&story, []);
}
