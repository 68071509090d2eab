//! The built daemon beside recordings of Java's: children say what they said to Java's daemon, and
//! every line that they are told has to be the recorded one, byte for byte.
//!
//! Only sequence numbers and arrival times are others, and the child puts the recorded ones in
//! their places (`children/replay.py`). Where we differ on purpose, the case says so and why.
//! Both daemons are there, 2.5.8 and 3.5.1, each with its own records and batches.
//!
//! Not here: `01b-posix-locale`, since we write UTF-8 whatever the locale (ADR 23); `04` of 2.5.8,
//! whose order is a race between two daemons; `04b`, since leases are not handed over gracefully
//! yet; `06f`, in which no child is started (`stopping.rs`).

#[path = "transcripts/faults.rs"]
mod faults;
#[path = "transcripts/replay.rs"]
mod replay;

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use replay::{BOTH, Java, Replay, SHARDS};
use rustix::process::Signal;

use crate::world::until;

/// What our daemon says when it is stopped, and Java's by default does not: its deadline for that
/// is 0 where ours is 25 s, and so that the leases are free at once (ADR 5).
const STOPPED: [&str; 2] = [r#"{"action":"shutdownRequested"}"#, r#"{"action":"leaseLost"}"#];

#[tokio::test(flavor = "multi_thread")]
async fn a_new_application_is_told_what_java_tells() {
    for java in BOTH {
        let replay = Replay::new(java, "01-new-application", 2).await;
        for shard in 0..2 {
            replay.put(shard, 0, 0).await;
        }
        let daemon = replay.daemon("");
        for (shard, batch) in [(0, 1), (1, 1), (1, 2)] {
            replay.until_batch(&daemon, shard, 0, batch).await;
            replay.put(shard, 0, batch).await;
        }
        replay.until_all(&daemon, 0, 0).await;
        replay.until_all(&daemon, 1, 0).await;
        assert_eq!(daemon.stop().await, 0);
        replay.is_as_recorded(0, 0, &STOPPED);
        replay.is_as_recorded(1, 0, &STOPPED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_with_numbers_are_answered_as_java_answers_and_hold_for_the_next_daemon() {
    for java in BOTH {
        let replay = Replay::new(java, "02-checkpoint-with-number", 1).await;
        replay.put(0, 0, 0).await;
        let first = replay.daemon("");
        for batch in 1..3 {
            replay.until_batch(&first, 0, 0, batch).await;
            replay.put(0, 0, batch).await;
        }
        replay.until_all(&first, 0, 0).await;
        assert_eq!(first.stop().await, 0);
        replay.is_as_recorded(0, 0, &STOPPED);

        // No renewal comes between: the checkpoint is the first to find the lease another's.
        let second = replay.daemon("failoverTimeMillis = 60000");
        replay.put(0, 1, 0).await;
        replay.until_batch(&second, 0, 1, 1).await;
        replay.world.take_lease_away(SHARDS[0]).await;
        replay.put(0, 1, 1).await;
        replay.until_all(&second, 0, 1).await;
        assert_eq!(second.stop().await, 0);
        replay.is_as_recorded(0, 1, &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_and_a_merge_are_told_as_java_tells_them() {
    for java in BOTH {
        let replay = Replay::new(java, "03-split-and-merge", 2).await;
        replay.put(0, 0, 0).await;
        replay.put(1, 0, 0).await;
        let daemon = replay.daemon("");
        replay.until_batch(&daemon, 0, 0, 1).await;
        replay.until_batch(&daemon, 1, 0, 1).await;
        replay.world.split_in_the_middle(SHARDS[0]).await;
        for shard in 1..4 {
            replay.put(shard, 0, usize::from(shard == 1)).await;
        }
        replay.until_batch(&daemon, 1, 0, 2).await;
        replay.until_batch(&daemon, 2, 0, 1).await;
        replay.until_batch(&daemon, 3, 0, 1).await;
        replay.world.merge(SHARDS[3], SHARDS[1]).await;
        replay.put(2, 0, 1).await;
        replay.put(4, 0, 0).await;
        for (shard, batches) in [(2, 2), (4, 1)] {
            replay.until_batch(&daemon, shard, 0, batches).await;
            replay.put(shard, 0, batches).await;
            replay.until_all(&daemon, shard, 0).await;
        }
        assert_eq!(daemon.stop().await, 0);
        for shard in [0, 1, 3] {
            replay.is_as_recorded(shard, 0, &[]);
        }
        replay.is_as_recorded(2, 0, &STOPPED);
        replay.is_as_recorded(4, 0, &STOPPED);
    }
}

/// The exchange is Java's. What becomes of it is not: the shard whose child repeats a number that
/// was checkpointed before ends here too, so its children start (ADR 8).
#[tokio::test(flavor = "multi_thread")]
async fn a_shard_ends_by_each_of_three_checkpoints_and_all_are_answered_as_java_answers() {
    for java in BOTH {
        let replay = Replay::new(java, "03b-shard-end-variants", 3).await;
        for shard in 0..3 {
            replay.put(shard, 0, 0).await;
        }
        let daemon = replay.daemon("");
        for shard in 0..3 {
            replay.until_batch(&daemon, shard, 0, 1).await;
        }
        for shard in &SHARDS[..3] {
            replay.world.split_in_the_middle(shard).await;
        }
        for shard in 0..3 {
            replay.until_all(&daemon, shard, 0).await;
        }
        until("six children started", async || {
            let rows = replay.world.lease_rows().await;
            let ended = rows.iter().filter(|row| row.checkpoint == "SHARD_END").count();
            let told = |shard| fs::exists(replay.world.path().join(format!("told-{shard}-0")));
            let started =
                (3..9).filter(|it| told(format!("shardId-00000000000{it}")).unwrap()).count();
            if (ended, started) == (3, 6) { Ok(()) } else { Err(format!("{rows:?} {started}")) }
        })
        .await;
        assert_eq!(daemon.stop().await, 0);
        for shard in 0..3 {
            replay.is_as_recorded(shard, 0, &[]);
        }
    }
}

/// Java's leases are taken once the leader's lock has run out, minutes after the kill; ours once
/// their own time has.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_daemon_has_not_saved_is_told_by_another_as_java_tells_it() {
    let replay = Replay::new(Java::V3_5_1, "04-two-daemons-takeover", 1).await;
    replay.put(0, 0, 0).await;
    let mut first = replay.daemon("");
    replay.until_batch(&first, 0, 0, 1).await;
    replay.put(0, 0, 1).await;
    replay.until_all(&first, 0, 0).await;
    let second = replay.daemon("");
    first.signal(Signal::KILL);
    first.ended().await;
    replay.until_batch(&second, 0, 1, 1).await;
    replay.put(0, 1, 1).await;
    replay.until_all(&second, 0, 1).await;
    assert_eq!(second.stop().await, 0);
    replay.is_as_recorded(0, 0, &[]);
    replay.is_as_recorded(0, 1, &STOPPED);
}

async fn stops_as(java: Java, name: &str, code: i32) {
    let replay = Replay::new(java, name, 2).await;
    for shard in 0..2 {
        replay.put(shard, 0, 0).await;
    }
    let daemon = replay.daemon("shutdownGraceMillis = 30000");
    for shard in 0..2 {
        for batch in 1..replay.batches(shard) {
            replay.until_batch(&daemon, shard, 0, batch).await;
            replay.put(shard, 0, batch).await;
        }
        replay.until_batch(&daemon, shard, 0, replay.batches(shard)).await;
    }
    assert_eq!(daemon.stop().await, code, "{name}");
    for shard in 0..2 {
        replay.is_as_recorded(shard, 0, &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_with_a_grace_is_told_as_java_tells_it() {
    stops_as(Java::V2_5_8, "05-sigterm-grace-5000", 0).await;
    stops_as(Java::V2_5_8, "05c-sigterm-default-failover", 0).await;
    stops_as(Java::V3_5_1, "05-sigterm-grace-30000", 0).await;
    for java in BOTH {
        stops_as(java, "05b-sigterm-unsaved-work", 0).await;
    }
}

/// Java's daemon does not regard the second signal; ours ends at once, since whoever sends it has
/// waited enough (ADR 23).
#[tokio::test(flavor = "multi_thread")]
async fn a_second_sigterm_finds_the_child_told_what_java_told_it_and_ends_all() {
    let replay = Replay::new(Java::V3_5_1, "05f-second-sigterm", 1).await;
    replay.put(0, 0, 0).await;
    let mut daemon = replay.daemon("shutdownGraceMillis = 30000");
    replay.until_batch(&daemon, 0, 0, 1).await;
    daemon.signal(Signal::TERM);
    let mut recorded = replay.recorded(0, 0);
    let asked = recorded.iter().position(|line| line == STOPPED[0]).unwrap();
    recorded.truncate(asked + 1);
    replay.until_lines(&daemon, 0, 0, recorded.len()).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(2), "{}", daemon.log());
    assert_eq!(replay.told(0, 0), recorded);
}

/// Both daemons go on to the lease's end. Java's ends with 143 all the same; ours says by its code
/// whether every child has ended in order (ADR 23).
#[tokio::test(flavor = "multi_thread")]
async fn children_that_fail_at_a_stop_are_told_what_java_tells_them() {
    stops_as(Java::V3_5_1, "05d-sigterm-wrong-status", 0).await;
    stops_as(Java::V3_5_1, "05e-sigterm-child-exits", 2).await;
}

/// What Java's daemon ends of with status 1 is a new child of the shard here (ADR 4); what the
/// child was told before is the same.
#[tokio::test(flavor = "multi_thread")]
async fn children_that_fail_were_told_what_java_told_them() {
    for (name, shards, told) in [
        ("06a-child-exits", 2, "child closed its stdout during `processRecords`"),
        ("06d-status-for-another-action", 1, "child answered for `initialize`"),
        ("06e-child-hangs-timeoutInSeconds", 2, "child has not answered for 3 s"),
    ] {
        for java in BOTH {
            let replay = Replay::new(java, name, i32::try_from(shards).unwrap()).await;
            let failing: Vec<usize> =
                (0..shards).filter(|shard| replay.batches(*shard) > 0).collect();
            for shard in &failing {
                replay.put(*shard, 0, 0).await;
            }
            let daemon = replay.daemon("timeoutInSeconds = 3");
            for shard in &failing {
                replay.until_lines(&daemon, *shard, 1, 1).await;
            }
            daemon.until_log(told).await;
            assert_eq!(daemon.stop().await, 0, "{name}");
            for shard in 0..shards {
                let then: &[&str] = if failing.contains(&shard) { &[] } else { &STOPPED };
                replay.is_as_recorded(shard, 0, then);
            }
        }
    }
}

/// As above: Java's daemon ends with status 1, ours starts a new child (ADR 4).
#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_exits_before_it_answers_initialize_was_told_what_java_told_it() {
    let replay = Replay::new(Java::V3_5_1, "06g-child-exits-in-initialize", 1).await;
    let daemon = replay.daemon("");
    replay.until_lines(&daemon, 0, 1, 1).await;
    daemon.until_log("child closed its stdout during `initialize`").await;
    assert_eq!(daemon.stop().await, 0);
    replay.is_as_recorded(0, 0, &[]);
}

/// Here the new child is told of the shard's end again, and the shards after it start (ADR 8).
#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_exits_at_the_shards_end_was_told_what_java_told_it() {
    let replay = Replay::new(Java::V3_5_1, "06h-child-exits-in-shardEnded", 1).await;
    replay.put(0, 0, 0).await;
    let daemon = replay.daemon("");
    replay.until_batch(&daemon, 0, 0, 1).await;
    replay.world.split_in_the_middle(SHARDS[0]).await;
    for shard in 1..3 {
        replay.until_lines(&daemon, shard, 0, 1).await;
    }
    daemon.until_log("child closed its stdout during `shardEnded`").await;
    assert_eq!(daemon.stop().await, 0);
    replay.is_as_recorded(0, 0, &[]);
    assert!(replay.told(0, 1).contains(&r#"{"action":"shardEnded"}"#.to_owned()));
}

/// The line `null`, which ends Java's daemon, is passed over (ADR 23).
#[tokio::test(flavor = "multi_thread")]
async fn garbage_leads_to_the_same_answers_as_in_java() {
    for java in BOTH {
        let replay = Replay::new(java, "06b-garbage-on-stdout", 1).await;
        replay.put(0, 0, 0).await;
        let daemon = replay.daemon("");
        replay.until_batch(&daemon, 0, 0, 1).await;
        replay.put(0, 0, 1).await;
        replay.until_all(&daemon, 0, 0).await;
        assert_eq!(daemon.stop().await, 0);
        replay.is_as_recorded(0, 0, &STOPPED);
    }
}

/// Java's daemon tells the second child only after its own restart; ours starts it by itself
/// (ADR 8).
#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_checkpoint_at_the_shards_end_is_mended_by_what_java_tells_after_a_restart() {
    for java in BOTH {
        let replay = Replay::new(java, "06c-forgotten-shard-end-checkpoint", 1).await;
        replay.put(0, 0, 0).await;
        let daemon = replay.daemon("");
        replay.until_batch(&daemon, 0, 0, 1).await;
        replay.world.split_in_the_middle(SHARDS[0]).await;
        replay.put(2, 0, 0).await;
        replay.until_all(&daemon, 0, 1).await;
        replay.until_all(&daemon, 1, 0).await;
        replay.until_all(&daemon, 2, 0).await;
        assert_eq!(daemon.stop().await, 0);
        replay.is_as_recorded(0, 0, &[]);
        replay.is_as_recorded(0, 1, &[]);
        replay.is_as_recorded(1, 0, &STOPPED);
        replay.is_as_recorded(2, 0, &STOPPED);
    }
}

/// What is damaged comes as it is, in Java too, as far as these recordings go (ADR 12).
#[tokio::test(flavor = "multi_thread")]
async fn aggregates_come_apart_as_in_java_and_checkpoints_inside_them_hold() {
    for (name, children) in [("07-kpl-aggregated", 1), ("07b-kpl-resume-inside", 3)] {
        for java in BOTH {
            let replay = Replay::new(java, name, 1).await;
            replay.put_file(name).await;
            for child in 0..children {
                let daemon = replay.daemon("");
                replay.until_all(&daemon, 0, child).await;
                assert_eq!(daemon.stop().await, 0, "{name}");
                replay.is_as_recorded(0, child, &STOPPED);
            }
        }
    }
}

/// The shards of 2.5.8 met at the key where a split in the middle has ours meet; those of 3.5.1
/// were made by that split.
#[tokio::test(flavor = "multi_thread")]
async fn aggregates_with_a_record_outside_the_shard_are_dropped_as_in_java() {
    let name = "07c-kpl-outside-hash-range";
    for (java, shards, shift) in [(Java::V2_5_8, [0, 1], 1), (Java::V3_5_1, [1, 2], 0)] {
        let mut replay = Replay::new(java, name, 1).await;
        replay.world.split_in_the_middle(SHARDS[0]).await;
        replay.shift = shift;
        replay.put_file(name).await;
        let daemon = replay.daemon("");
        for shard in shards {
            replay.until_all(&daemon, shard, 0).await;
        }
        assert_eq!(daemon.stop().await, 0);
        for shard in shards {
            replay.is_as_recorded(shard, 0, &STOPPED);
        }
        if java == Java::V3_5_1 {
            replay.is_as_recorded(0, 0, &[]);
        }
    }
}

/// Reads from a position: the children of a split begin with their first record whatever it is.
async fn begins_as(name: &str, position: &str) {
    let replay = Replay::new(Java::V3_5_1, name, 1).await;
    replay.world.put("before", 1).await;
    let second = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let put_in = second();
    until(
        "a later second",
        async || if second() > put_in + 1 { Ok(()) } else { Err(String::new()) },
    )
    .await;
    let daemon = replay.daemon(&position.replace("NOW", &second().to_string()));
    replay.until_lines(&daemon, 0, 0, 1).await;
    replay.put(0, 0, 0).await;
    replay.until_batch(&daemon, 0, 0, 1).await;
    replay.world.split_in_the_middle(SHARDS[0]).await;
    for shard in 1..3 {
        replay.put(shard, 0, 0).await;
        replay.until_all(&daemon, shard, 0).await;
    }
    replay.until_all(&daemon, 0, 0).await;
    assert_eq!(daemon.stop().await, 0);
    replay.is_as_recorded(0, 0, &[]);
    for shard in 1..3 {
        replay.is_as_recorded(shard, 0, &STOPPED);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_positions_than_the_oldest_record_are_told_as_java_tells_them() {
    begins_as("08-latest", "initialPositionInStream = LATEST").await;
    begins_as("08a-at-timestamp", "initialPositionInStreamExtended = NOW").await;
}

/// How many there are depends on the time.
#[tokio::test(flavor = "multi_thread")]
async fn batches_without_records_are_told_as_java_tells_them() {
    let replay = Replay::new(Java::V3_5_1, "08b-empty-batches", 1).await;
    replay.put(0, 0, 0).await;
    let daemon = replay.daemon("callProcessRecordsEvenForEmptyRecordList = true");
    replay.until_all(&daemon, 0, 0).await;
    assert_eq!(daemon.stop().await, 0);
    let (mut told, recorded) = (replay.told(0, 0), replay.recorded(0, 0));
    let mut more = told.split_off(recorded.len());
    assert_eq!(told, recorded);
    more.retain(|line| {
        line != r#"{"action":"processRecords","records":[],"millisBehindLatest":0}"#
    });
    assert_eq!(more, STOPPED);
}

#[tokio::test(flavor = "multi_thread")]
async fn pushed_records_and_a_split_are_told_as_java_tells_them() {
    let replay = Replay::new(Java::V3_5_1, "08c-fan-out", 1).await;
    replay.put(0, 0, 0).await;
    let daemon = replay.daemon("retrievalMode = FANOUT");
    replay.until_batch(&daemon, 0, 0, 1).await;
    replay.put(0, 0, 1).await;
    replay.until_batch(&daemon, 0, 0, 2).await;
    replay.world.split_in_the_middle(SHARDS[0]).await;
    for shard in 1..3 {
        replay.put(shard, 0, 0).await;
        replay.until_all(&daemon, shard, 0).await;
    }
    assert_eq!(daemon.stop().await, 0);
    replay.is_as_recorded(0, 0, &[]);
    for shard in 1..3 {
        replay.is_as_recorded(shard, 0, &STOPPED);
    }
}
