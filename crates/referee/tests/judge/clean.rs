//! Runs that keep the rules are never blamed.

use shardwise_referee::{Verdict, judge};

use crate::story::{QUIET, Story, WORKERS};

/// Splits, merges, kills, restarts, a paused worker, repeated batches and renewals in one run.
pub(crate) fn eventful() -> Story {
    tell_events(Story::new(2))
}

fn tell_events(mut story: Story) -> Story {
    let (left, right) = ("shardId-000000000000", "shardId-000000000001");
    for nth in 0..10 {
        story.put(left, &format!("left-{}", nth % 3));
        story.put(right, &format!("right-{}", nth % 3));
    }
    let killed = story.take(WORKERS[0], left);
    story.hand(&killed, 3);
    story.checkpoint(&killed);
    story.hand(&killed, 3);
    // The worker dies here; the next one begins after the checkpoint.
    story.worker(WORKERS[0], "killed");
    let paused = story.take(WORKERS[1], left);
    story.hand(&paused, 2);
    story.repeat_last_batch(&paused);
    story.renew(left);
    story.checkpoint(&paused);
    // The worker is paused, loses the lease, and wakes up with a batch in hand.
    story.worker(WORKERS[1], "paused");
    let rest = story.take(WORKERS[2], left);
    story.worker(WORKERS[1], "resumed");
    story.hand(&paused, 2);
    story.checkpoint(&paused);
    story.tell_end(&paused, "leaseLost");
    story.hand(&rest, 2);
    story.checkpoint(&rest);
    // A child of the daemon dies and is started again in the same tenure of the lease.
    let rest = story.start(WORKERS[2], left);
    story.split(left);
    story.end(&rest);

    story.worker(WORKERS[0], "started");
    let steady = story.take(WORKERS[0], right);
    story.hand(&steady, 100);
    let merged = story.merge("shardId-000000000003", right);
    story.end(&steady);
    for shard in ["shardId-000000000002", "shardId-000000000003"] {
        story.put(shard, "left-0");
        let tenure = story.take(WORKERS[1], shard);
        story.hand(&tenure, 1);
        if shard.ends_with('3') {
            story.end(&tenure);
        }
    }
    story.put(&merged, "right-1");
    let last = story.take(WORKERS[2], &merged);
    story.hand(&last, 1);
    story.checkpoint(&last);
    story
}

fn assert_clean(story: &Story) -> Verdict {
    let verdict = judge(&story.journals());
    assert!(verdict.is_clean(), "{verdict}");
    verdict
}

#[test]
fn a_run_with_splits_merges_kills_and_duplicates_is_clean() {
    let verdict = assert_clean(&eventful());
    let counts = verdict.counts;
    assert_eq!((counts.put, counts.distinct), (23, 23));
    assert_eq!((counts.shards, counts.splits, counts.merges, counts.ended), (5, 1, 1, 3));
    assert_eq!(counts.tenures, 8);
    assert_eq!(counts.repeated_batches, 1);
    // 3 that the killed worker had in hand, 2 of the repeated batch, 2 of the paused worker.
    assert_eq!(counts.duplicates, 7);
    assert_eq!(counts.handed, counts.distinct + counts.duplicates);
    assert_eq!(counts.duplicates_after_checkpoint, 7);
}

/// The rest of a run without faults: leases are spread evenly, and all that is left is handed.
pub(crate) fn rest(story: &mut Story) {
    for (shard, worker) in story.balance() {
        if !story.shards[&shard].has_ended {
            let tenure = story.start(worker, &shard);
            story.hand(&tenure, usize::MAX / 2);
        }
    }
    story.begin_quiet();
    story.wait(QUIET);
    story.end_quiet();
}

#[test]
fn the_same_run_is_clean_with_all_evidence_and_every_invariant_is_judged() {
    let mut story = tell_events(Story::watched(2));
    rest(&mut story);
    let verdict = assert_clean(&story);
    assert_eq!(verdict.not_judged, []);
    // Of one lease the worker had died, and of one it was paused; both had just been renewed.
    assert_eq!((verdict.counts.takes, verdict.counts.lost_leases), (7, 2));
    assert_eq!(verdict.counts.steals, 2);
}

#[test]
fn without_their_evidence_invariants_are_not_judged_and_the_verdict_says_so() {
    let verdict = assert_clean(&eventful());
    let not_judged: Vec<&str> = verdict.not_judged.iter().map(|invariant| invariant.id()).collect();
    let expected = "I10 I11 I16 I17 I20 I21 I22 I23 I24 I27 I28 I34 I35";
    assert_eq!(not_judged.join(" "), expected);
    let is_told = |line: &str| line.starts_with("I21 ") && line.ends_with("not judged");
    assert!(verdict.to_string().lines().any(is_told), "{verdict}");
}

#[test]
fn a_verdict_can_be_read() {
    let text = judge(&eventful().journals()).to_string();
    assert!(text.contains("records put"), "{text}");
    assert!(text.lines().any(|line| line.starts_with("I12 ") && line.ends_with("kept")), "{text}");
    assert!(text.trim_end().ends_with("verdict: clean"), "{text}");
}
