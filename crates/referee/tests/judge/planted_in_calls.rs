//! One fault each in what record processors are told, and when.

use serde_json::json;
use shardwise_referee::{Invariant, Place};

use crate::planted::{FIRST, assert_blamed, half_done_watched, sequence};
use crate::story::{FAILOVER, SECOND, Story, WORKERS};

#[test]
fn a_checkpoint_sent_before_its_last_record_was_handed_leaves_a_hole() {
    let (mut story, tenure) = half_done_watched();
    let sent_t = story.now;
    story.tick();
    story.hand(&tenure, 5);
    story.checkpoint(&tenure);
    assert_blamed(&story, []);
    story.writes.last_mut().unwrap()["sentT"] = json!(sent_t);
    assert_blamed(&story, [Invariant::NoHoleUnderCheckpoint]);
}

#[test]
fn a_checkpoint_over_a_batch_that_failed_must_have_been_asked_for() {
    let (mut story, tenure) = half_done_watched();
    story.hand(&tenure, 5);
    story.fail_last_call(&tenure);
    let mut asked = story.clone();
    let last = sequence(&story, 9);
    story.set_checkpoint(FIRST, &last);
    assert_blamed(&story, [Invariant::NoHoleUnderCheckpoint]);
    asked.checkpoint(&tenure);
    assert_blamed(&asked, []);
}

/// Asks for a checkpoint without a place behind a batch that failed; all handed is written.
fn checkpoint_over_a_failure(mut story: Story, tenure: &str) -> Story {
    story.fail_last_call(tenure);
    story.ask(tenure, &json!(null));
    let last = sequence(&story, 9);
    story.set_checkpoint(FIRST, &last);
    story.answer(tenure, &json!(null), None);
    story
}

#[test]
fn a_checkpoint_without_a_place_does_not_cover_a_batch_that_failed() {
    let (mut story, tenure) = half_done_watched();
    story.hand(&tenure, 5);
    let story = checkpoint_over_a_failure(story, &tenure);
    assert_blamed(&story, [Invariant::NoHoleUnderCheckpoint]);
}

#[test]
fn where_batches_that_failed_are_passed_over_a_checkpoint_covers_them() {
    let (mut story, tenure) = half_done_watched();
    story.hand(&tenure, 2);
    story.fail_last_call(&tenure);
    story.hand(&tenure, 3);
    assert_blamed(&checkpoint_over_a_failure(story.clone(), &tenure), []);
    story.terms["retries"] = json!(true);
    assert_blamed(&story, [Invariant::NoHoleInTenure]);
}

#[test]
fn a_batch_that_is_still_out_is_not_processed() {
    let (mut story, tenure) = half_done_watched();
    story.hand(&tenure, 5);
    story.events.get_mut(&tenure).unwrap().pop();
    let last = sequence(&story, 9);
    story.set_checkpoint(FIRST, &last);
    assert_blamed(&story, [Invariant::NoHoleUnderCheckpoint]);
}

#[test]
fn without_a_place_a_batch_that_failed_is_not_meant() {
    let (mut story, tenure) = half_done_watched();
    story.hand(&tenure, 5);
    story.fail_last_call(&tenure);
    story.ask(&tenure, &json!(null));
    story.answer(&tenure, &json!(null), None);
    assert_blamed(&story, []);
    story.done(&tenure, None);
    story.repeat_last_batch(&tenure);
    story.ask(&tenure, &json!(null));
    story.answer(&tenure, &json!(null), None);
    assert_blamed(&story, [Invariant::TruthfulAcknowledgement]);
}

#[test]
fn a_batch_that_comes_again_though_it_had_not_failed_is_out_of_order() {
    let (mut story, tenure) = half_done_watched();
    story.hand(&tenure, 5);
    story.repeat_last_batch(&tenure);
    assert_blamed(&story, []);
    for event in story.events.get_mut(&tenure).unwrap() {
        event.as_object_mut().unwrap().remove("error");
    }
    assert_blamed(&story, [Invariant::OrderInTenure]);
}

#[test]
fn a_prepared_checkpoint_told_as_stored_without_a_write_is_false() {
    let (mut story, tenure) = half_done_watched();
    story.hand(&tenure, 5);
    let mut stored = story.clone();
    stored.prepare(&tenure);
    assert_blamed(&stored, []);
    let last = sequence(&story, 9);
    let t = story.tick();
    let events = story.events.get_mut(&tenure).unwrap();
    events.push(json!({"e": "prepared", "t": t, "tenure": tenure, "seq": last}));
    assert_blamed(&story, [Invariant::TruthfulAcknowledgement]);
}

#[test]
fn a_prepared_checkpoint_where_the_last_one_lies_needs_no_write() {
    let (mut story, tenure) = half_done_watched();
    let t = story.tick();
    let events = story.events.get_mut(&tenure).unwrap();
    events.push(json!({"e": "prepare", "t": t, "tenure": tenure}));
    events.push(json!({"e": "prepared", "t": t, "tenure": tenure}));
    story.hand(&tenure, 5);
    assert_blamed(&story, []);
}

#[test]
fn a_processor_that_was_refused_for_good_is_handed_nothing_more() {
    for (error, blamed) in [("ShutdownException", true), ("ThrottlingException", false)] {
        let (mut story, tenure) = half_done_watched();
        story.hand(&tenure, 2);
        let seventh = json!(sequence(&story, 6));
        story.ask(&tenure, &seventh);
        story.answer(&tenure, &seventh, Some(error));
        story.hand(&tenure, 3);
        if blamed {
            assert_blamed(&story, [Invariant::NothingAfterFinalRefusal]);
        } else {
            assert_blamed(&story, []);
        }
    }
}

#[test]
fn a_hand_over_after_the_failover_time_without_a_renewal_is_late() {
    let (mut story, tenure) = half_done_watched();
    let mut renewed = story.clone();
    renewed.wait(FAILOVER + SECOND);
    renewed.hand(&tenure, 5);
    assert_blamed(&renewed, []);
    story.now += FAILOVER + SECOND;
    story.hand(&tenure, 5);
    assert_blamed(&story, [Invariant::NoHandAfterDeadline]);
}

#[test]
fn the_deadline_runs_from_when_a_renewal_was_sent_not_applied() {
    let (mut story, tenure) = half_done_watched();
    let sent_t = story.now;
    story.now += FAILOVER / 2;
    story.renew(FIRST);
    story.writes.last_mut().unwrap()["sentT"] = json!(sent_t);
    story.now += FAILOVER / 2 + SECOND;
    story.hand(&tenure, 5);
    assert_blamed(&story, [Invariant::NoHandAfterDeadline]);
}

/// A hand-over that is out for so long, while another worker takes the lease.
fn overlap(micros: u64) -> (Story, String) {
    let (mut story, tenure) = half_done_watched();
    story.hand(&tenure, 5);
    story.events.get_mut(&tenure).unwrap().pop();
    let next = story.take(WORKERS[1], FIRST);
    story.hand(&next, 5);
    story.now += micros;
    story.done(&tenure, None);
    (story, tenure)
}

#[test]
fn a_call_that_outlasts_the_lease_ends_within_the_longest_time_of_a_call() {
    assert_blamed(&overlap(SECOND).0, []);
    assert_blamed(&overlap(3 * SECOND).0, [Invariant::OverlapBounded]);
}

#[test]
fn a_call_of_a_worker_that_was_paused_may_last_for_longer() {
    let (mut story, tenure) = overlap(3 * SECOND);
    let done_t = story.events[&tenure].last().unwrap()["t"].as_u64().unwrap();
    for (event, t) in [("paused", done_t - 2 * SECOND), ("resumed", done_t)] {
        story.worker(WORKERS[0], event);
        story.worker_events.last_mut().unwrap()["t"] = json!(t);
    }
    assert_blamed(&story, []);
}

#[test]
fn records_handed_after_the_last_checkpoint_of_an_orderly_end_come_again() {
    let (mut story, tenure) = half_done_watched();
    let mut orderly = story.clone();
    orderly.stop(WORKERS[0], std::slice::from_ref(&tenure));
    let next = orderly.take(WORKERS[1], FIRST);
    orderly.hand(&next, 5);
    assert_blamed(&orderly, []);

    story.worker(WORKERS[0], "stopAsked");
    story.tell_end(&tenure, "shutdownRequested");
    story.checkpoint(&tenure);
    story.hand(&tenure, 2);
    story.release(FIRST);
    story.worker(WORKERS[0], "ended");
    let next = story.take(WORKERS[1], FIRST);
    story.hand(&next, 5);
    assert_blamed(&story, [Invariant::OrderlyEndNoDuplicates]);
}

#[test]
fn what_a_hand_deleted_before_an_orderly_end_may_come_again() {
    let (mut story, tenure) = half_done_watched();
    story.hand(&tenure, 5);
    story.checkpoint(&tenure);
    story.worker(WORKERS[0], "stopAsked");
    story.delete(None, FIRST);
    story.tell_end(&tenure, "shutdownRequested");
    // What it asks for was made already: nothing is written.
    let last = json!(sequence(&story, 9));
    story.ask(&tenure, &last);
    story.answer(&tenure, &last, None);
    story.worker(WORKERS[0], "ended");
    story.create_lease(FIRST);
    let next = story.take(WORKERS[1], FIRST);
    story.hand(&next, 10);
    assert_blamed(&story, []);
}

/// Ten records, of which the eighth is never handed.
pub(crate) fn with_a_hole() -> (Story, String) {
    let (mut story, tenure) = half_done_watched();
    story.hand(&tenure, 5);
    let events = story.events.get_mut(&tenure).unwrap();
    let hand = events.iter_mut().rfind(|event| event["e"] == "hand").unwrap();
    hand["records"].as_array_mut().unwrap().remove(2);
    story.checkpoint(&tenure);
    let eighth = sequence(&story, 7);
    (story, eighth)
}

#[test]
fn records_that_retention_removed_are_excused_and_counted() {
    let (mut story, eighth) = with_a_hole();
    let broken = [
        Invariant::NoHoleUnderCheckpoint,
        Invariant::NoHoleInTenure,
        Invariant::EverythingDelivered,
    ];
    assert_blamed(&story, broken);
    story.trimmed.push((FIRST.to_owned(), eighth));
    assert_blamed(&story, []);
    assert_eq!(shardwise_referee::judge(&story.journals()).counts.trimmed, 1);
}

#[test]
fn the_end_of_a_shard_is_earned_without_the_records_that_retention_removed() {
    let (mut story, eighth) = with_a_hole();
    let tenure = story.tenures.keys().next().unwrap().clone();
    story.split(FIRST);
    story.end(&tenure);
    story.trimmed.push((FIRST.to_owned(), eighth));
    assert_blamed(&story, []);
}

fn blamed(journals: &shardwise_referee::Journals) -> Vec<Invariant> {
    let verdict = shardwise_referee::judge(journals);
    verdict.violations.into_iter().map(|violation| violation.invariant).collect()
}

#[test]
fn a_tenure_may_leave_out_what_was_gone_when_it_came_there_though_others_had_read_it() {
    let (story, _) = with_a_hole();
    let mut journals = story.journals();
    journals.retention = Some(0);
    assert!(!blamed(&journals).contains(&Invariant::NoHoleInTenure));
    journals.retention = Some(1_000_000_000);
    assert!(blamed(&journals).contains(&Invariant::NoHoleInTenure));
}

#[test]
fn what_was_put_before_the_applications_date_is_not_owed() {
    let (story, _) = with_a_hole();
    let mut journals = story.journals();
    let last_t = journals.puts.iter().map(|put| put.t).max();
    journals.owed_from = last_t.map(|t| t + 1);
    assert_eq!(blamed(&journals), []);
    journals.owed_from = Some(1);
    assert!(blamed(&journals).contains(&Invariant::EverythingDelivered));
}

#[test]
fn at_latest_what_was_put_up_to_the_rows_date_is_not_owed_and_what_was_put_behind_it_is() {
    const FIRST_DATE: u64 = 1_700_000_000_000;
    let mut story = Story::new(0);
    let shard = story.add_shard(&[]);
    story.write(&shard, "PutItem", |row| "LATEST".clone_into(&mut row.checkpoint));
    story.now = SECOND;
    story.put(&shard, "passed over");
    let tenure = story.take(WORKERS[0], &shard);
    story.now = 2 * SECOND;
    story.put_many(&shard, 2);
    story.tenures.get_mut(&tenure).unwrap().handed = 1;
    story.hand(&tenure, 2);
    story.checkpoint(&tenure);
    let mut journals = story.journals();
    (journals.owed_from, journals.first_date) = (Some(1), Some(FIRST_DATE));
    for (since, is_lost) in [(None, true), (Some(500), true), (Some(1_500), false)] {
        for write in &mut journals.lease_writes {
            let rows = [&mut write.before, &mut write.after].into_iter().flatten();
            for row in rows.filter(|row| row.checkpoint == Place::Latest) {
                row.latest_since = since.map(|since| FIRST_DATE + since);
            }
        }
        let blamed = blamed(&journals);
        assert_eq!(blamed.contains(&Invariant::EverythingDelivered), is_lost, "{since:?}");
        assert_eq!(blamed.is_empty(), !is_lost, "{since:?} {blamed:?}");
    }
}
