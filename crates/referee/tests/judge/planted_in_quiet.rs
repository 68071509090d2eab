//! One fault each in the phase without faults of the world.

use serde_json::json;
use shardwise_referee::{Invariant, Journals, KeptBy, judge};

use crate::planted::{FIRST, assert_blamed, blamed};
use crate::story::{FAILOVER, QUIET, SECOND, Story, TAKE_INTERVAL, WORKERS};

/// Three shards with five records each, one for each worker, all handed; the quiet phase begins.
fn at_rest() -> (Story, String) {
    let mut story = Story::watched(3);
    let mut tenures = Vec::new();
    for (worker, shard) in WORKERS.into_iter().zip(story.shards.clone().into_keys()) {
        story.put_many(&shard, 5);
        let tenure = story.take(worker, &shard);
        story.hand(&tenure, 5);
        story.checkpoint(&tenure);
        tenures.push(tenure);
    }
    story.begin_quiet();
    story.wait(2 * FAILOVER);
    (story, tenures.swap_remove(0))
}

#[test]
fn a_lease_of_a_worker_that_was_killed_is_taken_in_time() {
    for (after, broken) in [(20 * SECOND, false), (45 * SECOND, true)] {
        let (mut story, _) = at_rest();
        story.worker(WORKERS[0], "killed");
        story.wait(after);
        story.take(WORKERS[1], FIRST);
        story.end_quiet();
        assert_eq!(blamed(&story).len(), usize::from(broken));
        if broken {
            assert_blamed(&story, [Invariant::TakeoverInTime]);
        }
    }
}

#[test]
fn a_takeover_takes_its_time_from_the_death_of_the_holder() {
    let (mut story, _) = at_rest();
    story.now += 2 * SECOND;
    story.worker(WORKERS[0], "killed");
    story.wait(39 * SECOND);
    story.take(WORKERS[1], FIRST);
    story.end_quiet();
    assert_blamed(&story, []);
}

#[test]
fn a_lease_that_nobody_has_when_the_phase_begins_is_taken_in_time() {
    let mut story = Story::watched(1);
    story.begin_quiet();
    story.wait(45 * SECOND);
    story.end_quiet();
    assert_blamed(&story, [Invariant::TakeoverInTime]);
}

#[test]
fn a_lease_is_not_missed_while_no_worker_lives() {
    let (mut story, _) = at_rest();
    for worker in WORKERS {
        story.worker(worker, "killed");
    }
    story.wait(45 * SECOND);
    story.end_quiet();
    assert_blamed(&story, []);
}

#[test]
fn leases_that_stay_unevenly_spread_are_seen() {
    let mut story = Story::watched(3);
    for (worker, shard) in [0, 0, 1].into_iter().zip(story.shards.clone().into_keys()) {
        story.take(WORKERS[worker], &shard);
    }
    let mut short = story.clone();
    let mut told = Vec::new();
    for (story, micros) in [(&mut story, QUIET), (&mut short, 5 * TAKE_INTERVAL)] {
        story.begin_quiet();
        story.wait(micros);
        story.end_quiet();
        told.push(judge(&story.journals()).counts.spreads_judged);
    }
    assert_blamed(&story, [Invariant::Balanced]);
    assert_blamed(&short, []);
    assert_eq!(told, [1, 0], "whether it was judged is told");
}

#[test]
fn a_lease_that_does_not_come_to_rest_is_seen() {
    for (moves, broken) in [(2, false), (3, true)] {
        let mut story = Story::watched(1);
        story.take(WORKERS[0], FIRST);
        story.begin_quiet();
        story.wait(2 * TAKE_INTERVAL);
        for nth in 0..moves {
            story.take(WORKERS[(nth + 1) % 3], FIRST);
            story.wait(2 * TAKE_INTERVAL);
        }
        story.wait(3 * TAKE_INTERVAL);
        story.end_quiet();
        assert_eq!(blamed(&story).contains(&Invariant::Balanced), broken);
        assert_eq!(blamed(&story).len(), usize::from(broken));
    }
}

#[test]
fn a_shard_whose_lease_is_gone_for_good_is_not_covered() {
    let (mut story, _) = at_rest();
    story.delete(None, FIRST);
    let mut repaired = story.clone();
    story.wait(QUIET);
    story.end_quiet();
    assert_blamed(&story, [Invariant::Coverage]);

    let mut late = repaired.clone();
    // With an audit every 120 s and a run of the taker every 20 s it may take 220 s.
    for (story, after) in [(&mut repaired, 215 * SECOND), (&mut late, 225 * SECOND)] {
        story.wait(after);
        story.create_lease(FIRST);
        let tenure = story.take(WORKERS[0], FIRST);
        story.hand(&tenure, 5);
        story.checkpoint(&tenure);
        story.wait(QUIET / 2);
        story.end_quiet();
    }
    assert_blamed(&repaired, []);
    assert_blamed(&late, [Invariant::Coverage]);
}

#[test]
fn a_child_without_a_lease_waits_for_its_parent_and_then_is_not_covered() {
    let (mut story, tenure) = at_rest();
    story.split(FIRST);
    story.wait(QUIET);
    let mut unfinished = story.clone();
    unfinished.end_quiet();
    assert_blamed(&unfinished, []);
    let children = std::mem::take(&mut story.shards.get_mut(FIRST).unwrap().children);
    story.end(&tenure);
    story.wait(QUIET);
    story.end_quiet();
    assert_eq!(children.len(), 2);
    // No child had a lease when its parent ended: that is the cause.
    assert_blamed(&story, [Invariant::ChildrenLeased, Invariant::Coverage]);
}

#[test]
fn a_shard_that_was_marked_as_ended_needs_no_lease_whatever_is_missing() {
    let (mut story, tenure) = at_rest();
    let [child, _] = story.split(FIRST);
    story.end(&tenure);
    story.put(FIRST, "missed");
    story.put(&child, "of-the-child");
    for (shard, worker) in [(child, WORKERS[0]), ("shardId-000000000004".to_owned(), WORKERS[1])] {
        let tenure = story.take(worker, &shard);
        story.hand(&tenure, 1);
        story.checkpoint(&tenure);
    }
    story.delete(None, FIRST);
    story.wait(QUIET);
    story.end_quiet();
    assert_blamed(&story, [Invariant::ShardEndEarned, Invariant::EverythingDelivered]);
}

/// A record is put, and handed only after so long.
fn put_and_hand(after: u64) -> Story {
    let (mut story, tenure) = at_rest();
    story.put(FIRST, "late");
    story.wait(after);
    story.hand(&tenure, 1);
    story.end_quiet();
    story
}

#[test]
fn a_record_that_waits_at_a_held_lease_is_handed_in_time() {
    assert_blamed(&put_and_hand(50 * SECOND), []);
    assert_blamed(&put_and_hand(65 * SECOND), [Invariant::HeldLeaseAlive]);
}

#[test]
fn a_worker_that_lets_retention_take_what_waits_is_seen() {
    for (apart, broken) in [(20 * SECOND, true), (40 * SECOND, false)] {
        let (mut story, _) = at_rest();
        for _ in 0..5 {
            let place = story.put(FIRST, "lost");
            story.trimmed.push((FIRST.to_owned(), place));
            story.wait(apart);
        }
        story.end_quiet();
        let journals = Journals { retention: Some(30 * SECOND), ..story.journals() };
        let blamed: Vec<_> = judge(&journals).violations.iter().map(|it| it.invariant).collect();
        assert_eq!(blamed, Vec::from_iter(broken.then_some(Invariant::HeldLeaseAlive)));
    }
}

#[test]
fn a_worker_that_was_silent_is_seen_though_the_next_one_hands_at_once() {
    for (after, broken) in [(50 * SECOND, false), (65 * SECOND, true)] {
        let (mut story, _) = at_rest();
        story.put(FIRST, "late");
        story.wait(after);
        let next = story.take(WORKERS[1], FIRST);
        story.hand(&next, 1);
        story.end_quiet();
        let blamed = blamed(&story);
        assert_eq!(blamed.contains(&Invariant::HeldLeaseAlive), broken, "{blamed:?}");
    }
}

/// Two records come; one is handed, something happens to that call, and the other one waits, while
/// the worker says something of it.
fn wait_after_a_call(
    spoil: impl FnOnce(&mut Story, &str),
    says: Option<fn(u32) -> KeptBy>,
) -> Story {
    let (mut story, tenure) = at_rest();
    story.terms["callMax"] = json!(70 * SECOND);
    story.put_many(FIRST, 2);
    story.hand(&tenure, 1);
    spoil(&mut story, &tenure);
    story.says = says;
    story.wait(65 * SECOND);
    story.says = None;
    story
}

/// The call is out for ever.
fn no_return(story: &mut Story, tenure: &str) {
    story.events.get_mut(tenure).unwrap().pop();
}

const A_CALL: Option<fn(u32) -> KeptBy> = Some(|_| KeptBy::Call(0));

#[test]
fn a_record_waits_for_a_reason_that_the_worker_names_and_for_no_other() {
    let finish = |mut story: Story| {
        let tenure = story.tenures.keys().next().unwrap().clone();
        story.hand(&tenure, 1);
        story.end_quiet();
        story
    };
    let fail = |story: &mut Story, tenure: &str| story.fail_last_call(tenure);
    let fails_on_and_on = wait_after_a_call(fail, Some(KeptBy::Failures));
    assert_blamed(&finish(fails_on_and_on), []);
    assert_blamed(&finish(wait_after_a_call(no_return, A_CALL)), []);
    let failed_once = wait_after_a_call(fail, Some(|_| KeptBy::Failures(1)));
    let silent = [
        wait_after_a_call(|_, _| {}, None),
        wait_after_a_call(fail, None),
        wait_after_a_call(no_return, None),
        failed_once,
    ];
    for story in silent {
        assert_blamed(&finish(story), [Invariant::HeldLeaseAlive]);
    }
}

#[test]
fn a_call_is_a_reason_to_wait_for_as_long_as_calls_may_take() {
    const CALL_AFTER_CALL: Option<fn(u32) -> KeptBy> =
        Some(|said| KeptBy::Call(i64::from(said / 20)));
    let wait = |says, call_max: u64| {
        let mut story = wait_after_a_call(no_return, says);
        story.says = says;
        story.wait(65 * SECOND);
        story.terms["callMax"] = json!(call_max);
        let tenure = story.tenures.keys().next().unwrap().clone();
        story.hand(&tenure, 1);
        story.end_quiet();
        story
    };
    assert_blamed(&wait(A_CALL, 140 * SECOND), []);
    assert_blamed(&wait(A_CALL, 60 * SECOND), [Invariant::HeldLeaseAlive]);
    assert_blamed(&wait(CALL_AFTER_CALL, 60 * SECOND), []);
}

#[test]
fn a_processor_that_died_over_a_call_gives_the_next_one_its_time() {
    let mut story = wait_after_a_call(no_return, A_CALL);
    let next = story.start(WORKERS[0], FIRST);
    let mut late = story.clone();
    for (story, after) in [(&mut story, SECOND), (&mut late, 65 * SECOND)] {
        story.wait(after);
        story.hand(&next, 2);
        story.end_quiet();
    }
    assert_blamed(&story, []);
    assert_blamed(&late, [Invariant::HeldLeaseAlive]);
}

#[test]
fn a_processor_that_takes_its_time_to_start_is_a_reason_to_wait() {
    let (mut story, _) = at_rest();
    story.terms["callMax"] = json!(70 * SECOND);
    story.put(FIRST, "late");
    let next = story.start(WORKERS[0], FIRST);
    let mut silent = story.clone();
    story.says = A_CALL;
    story.wait(65 * SECOND);
    story.done(&next, None);
    silent.done(&next, None);
    silent.wait(65 * SECOND);
    for story in [&mut story, &mut silent] {
        story.hand(&next, 1);
        story.end_quiet();
    }
    assert_blamed(&story, []);
    assert_blamed(&silent, [Invariant::HeldLeaseAlive]);
}

#[test]
fn a_call_that_went_with_its_worker_is_no_reason_to_wait() {
    let mut story = wait_after_a_call(no_return, A_CALL);
    story.worker(WORKERS[0], "killed");
    story.wait(FAILOVER + SECOND);
    story.write(FIRST, "UpdateItem", |row| row.owner = Some(WORKERS[1].to_owned()));
    let mut prompt = story.clone();
    for (story, after) in [(&mut prompt, SECOND), (&mut story, 65 * SECOND)] {
        story.wait(after);
        let next = story.start(WORKERS[1], FIRST);
        story.hand(&next, 2);
        story.end_quiet();
    }
    assert_blamed(&prompt, []);
    assert_blamed(&story, [Invariant::HeldLeaseAlive]);
}

#[test]
fn a_worker_that_was_started_again_under_its_name_has_no_call_out() {
    let mut story = wait_after_a_call(no_return, A_CALL);
    story.worker(WORKERS[0], "killed");
    story.now += SECOND;
    story.worker(WORKERS[0], "started");
    let mut prompt = story.clone();
    for (story, after) in [(&mut prompt, 50 * SECOND), (&mut story, 65 * SECOND)] {
        story.wait(after);
        let next = story.start(WORKERS[0], FIRST);
        story.hand(&next, 2);
        story.end_quiet();
    }
    assert_blamed(&prompt, []);
    assert_blamed(&story, [Invariant::HeldLeaseAlive]);
}

#[test]
fn records_of_a_child_wait_for_its_parent() {
    let (mut story, tenure) = at_rest();
    let [child, other] = story.split(FIRST);
    story.put(&child, "of-the-child");
    story.create_lease(&child);
    story.create_lease(&other);
    for (shard, worker) in [(&child, WORKERS[1]), (&other, WORKERS[2])] {
        story.write(shard, "UpdateItem", |row| row.owner = Some(worker.to_owned()));
    }
    story.wait(100 * SECOND);
    story.end(&tenure);
    let mut prompt = story.clone();
    for (story, after) in [(&mut prompt, SECOND), (&mut story, 65 * SECOND)] {
        story.wait(after);
        let tenure = story.start(WORKERS[1], &child);
        story.hand(&tenure, 1);
        story.end_quiet();
    }
    assert_blamed(&prompt, []);
    assert_blamed(&story, [Invariant::HeldLeaseAlive]);
}

#[test]
fn a_worker_that_lives_but_renews_no_more_is_seen() {
    let (mut story, _) = at_rest();
    story.stuck = Some(WORKERS[0]);
    story.wait(FAILOVER - SECOND);
    let mut recovered = story.clone();
    recovered.renew(FIRST);
    story.wait(2 * SECOND);
    for story in [&mut story, &mut recovered] {
        story.take(WORKERS[1], FIRST);
        story.end_quiet();
    }
    assert_blamed(&story, [Invariant::ThrottlingEndsNothing]);
    assert_blamed(&recovered, []);
}

#[test]
fn a_worker_that_ends_unasked_is_seen_unless_it_never_had_a_lease() {
    for asked in [true, false] {
        let (mut story, tenure) = at_rest();
        story.stop(WORKERS[0], &[tenure]);
        if !asked {
            story.worker_events.retain(|event| event["e"] != "stopAsked");
        }
        for event in ["started", "ended", "started"] {
            story.worker(WORKERS[0], event);
        }
        story.take(WORKERS[0], FIRST);
        story.end_quiet();
        let broken = (!asked).then_some(Invariant::ThrottlingEndsNothing);
        assert_eq!(blamed(&story), broken.into_iter().collect());
        let seen = judge(&story.journals()).violations.len();
        assert_eq!(seen, usize::from(!asked), "a start that fails is no end");
    }
}
