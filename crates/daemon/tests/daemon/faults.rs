//! Children that fail: their own shard starts again at its checkpoint, other shards go on.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use crate::world::{Daemon, Event, STREAM, World, data, until};

/// Runs children with a fault, and sees every record processed in spite of it.
async fn survives(modes: &str, more: &str, expected_in_log: &str) {
    let world = World::new(1).await;
    let daemon = world.daemon(modes, more);
    let records = world.put("a", 5).await;
    world.until_processed(&daemon, &records).await;
    let children =
        |journal: &[Event]| journal.iter().filter(|event| event.is("initialize")).count();
    world.until_journal(&daemon, "a second child", |journal| children(journal) == 2).await;
    daemon.until_log(expected_in_log).await;
    let more = world.put("b", 5).await;
    world.until_processed(&daemon, &more).await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(children(&world.journal()), 2, "the second one is well");
    assert_eq!(world.lease_rows().await[0].owner, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_exits_at_the_start_is_replaced() {
    survives(
        "exit:initialize",
        "",
        "child closed its stdout during `initialize`; exit status: 3: its stderr ended with \
         \\\"last words before initialize",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_exits_in_a_batch_is_replaced_and_the_batch_comes_again() {
    survives("exit:processRecords", "", "during `processRecords`; exit status: 3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_is_killed_is_replaced() {
    survives("kill:processRecords", "", "during `processRecords`; signal: 9 (SIGKILL)").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_exits_within_a_line_is_replaced() {
    survives("half:processRecords", "", "during `processRecords`; exit status: 0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_never_answers_is_replaced_after_its_time() {
    survives("hang:processRecords", "timeoutInSeconds = 1", "has not answered for 1 s").await;
    survives("hang:initialize", "timeoutInSeconds = 1", "has not answered for 1 s").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_answers_too_late_is_replaced() {
    let more = "shardwise.processRecordsTimeoutSeconds = 1";
    survives("late:processRecords", more, "has not answered for 1 s").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_answers_for_another_action_is_replaced() {
    survives("wrong:processRecords", "", "answered for `somethingElse`").await;
    survives("wrong:initialize", "", "answered for `somethingElse`").await;
    survives("bare:processRecords", "", "answered without `responseFor`").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_closes_its_stdout_is_replaced() {
    survives("close-stdout:processRecords", "", "closed its stdout").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_closes_its_stdin_and_hangs_is_replaced_after_its_time() {
    survives("close-stdin:processRecords", "timeoutInSeconds = 1", "has not answered").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_closes_its_stdin_after_its_answer_is_replaced_with_the_next_batch() {
    let world = World::new(1).await;
    let daemon = world.daemon("close-stdin-after:processRecords", "");
    let first = world.put("a", 1).await;
    world.until_processed(&daemon, &first).await;
    let closed = |journal: &[Event]| journal.iter().any(|event| event.is("closes stdin"));
    world.until_journal(&daemon, "closed", closed).await;
    let second = world.put("b", 1).await;
    world.until_processed(&daemon, &second).await;
    daemon.until_log("child cannot be written to: ").await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(data(&world.journal()).len(), 2, "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_closes_its_stdin_and_asks_for_a_checkpoint_is_replaced() {
    survives("close-stdin-ask:processRecords", "", "child cannot be written to: ").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_answers_again_after_its_last_message_is_heard_to_its_end() {
    let world = World::new(1).await;
    let daemon = world.daemon("last-words", "");
    let records = world.put("a", 2).await;
    world.until_processed(&daemon, &records).await;
    daemon.signal(Signal::TERM);
    let mut daemon = daemon;
    assert_eq!(daemon.ended().await.code(), Some(0), "{}", daemon.log());
    let journal = world.journal();
    let answered = journal.iter().find(|event| event.is("answered again")).unwrap();
    assert_eq!(answered.value("closed"), false, "its stdout is read until it ends");
    assert!(journal.last().unwrap().is("exits in order"), "{journal:?}");
    let log = daemon.log();
    assert!(log.contains("stdout=\"goodbye\""), "{log}");
    assert!(log.contains("after its last message"), "{log}");
    assert!(log.contains("child ended shard=shardId-000000000000 status=\"exit status: 0\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_writes_without_end_has_no_more_time_than_one_that_is_silent() {
    for mode in ["endless-line", "endless-lines"] {
        let modes = format!("{mode}:processRecords");
        survives(&modes, "timeoutInSeconds = 1", "has not answered for 1 s").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_the_protocol_before_1_7_2_is_told_of_and_its_child_replaced() {
    let told = "which is `sequenceNumber`; the child waits for an answer that will not come";
    survives("old-checkpoint:processRecords", "timeoutInSeconds = 1", told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_ignores_sigterm_is_replaced_all_the_same() {
    let modes = "ignore-term hang:processRecords";
    survives(modes, "timeoutInSeconds = 1", "SIGKILL").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_reads_nothing_is_replaced_after_its_time() {
    let world = World::new(1).await;
    let daemon = world.daemon("deaf-after:initialize", "timeoutInSeconds = 1");
    // More than a pipe holds: the write itself cannot end.
    let data = vec![b'x'; 200 << 10];
    for number in 0..3 {
        let put = world.kinesis.put_record().stream_name(STREAM);
        let put = put.partition_key(number.to_string()).data(data.clone().into());
        put.send().await.unwrap();
    }
    world
        .until_journal(&daemon, "processed by another child", |journal| {
            journal.iter().filter(|event| event.is("record")).count() == 3
        })
        .await;
    daemon.until_log("has not answered for 1 s").await;
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_exits_between_two_messages_is_reaped_and_replaced_at_once() {
    let world = World::new(1).await;
    let daemon = world.daemon("exit-after:processRecords", "");
    let records = world.put("a", 2).await;
    let journal = world
        .until_journal(&daemon, "an exit", |journal| {
            journal.iter().any(|event| event.is("exits after its answer"))
        })
        .await;
    let exited = journal.last().unwrap().number("pid");
    until("reaped", async || {
        if fs::metadata(format!("/proc/{exited}")).is_err() { Ok(()) } else { Err("no".into()) }
    })
    .await;
    daemon.until_log("child closed its stdout between two messages; exit status: 4").await;
    // No record comes meanwhile.
    let started =
        |journal: &[Event]| journal.iter().filter(|event| event.is("initialize")).count() == 2;
    world.until_journal(&daemon, "a second child", started).await;
    let more = world.put("b", 2).await;
    world.until_processed(&daemon, &more).await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(data(&world.journal()).len(), records.len() + more.len(), "each once");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_exit_configured_a_child_that_exits_between_two_messages_ends_the_daemon() {
    let world = World::new(1).await;
    let mut daemon = world.daemon("exit-after:processRecords", "shardwise.onChildFailure = exit");
    world.put("a", 2).await;
    assert_eq!(daemon.ended().await.code(), Some(1), "{}", daemon.log());
    let log = daemon.log();
    assert_eq!(log.matches("between two messages; exit status: 4").count(), 1, "{log}");
    assert!(log.lines().last().unwrap().contains("daemon ends: a child has failed"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_ends_while_another_process_holds_its_pipes_is_replaced() {
    survives("exit-held:processRecords", "", "during `processRecords`; exit status: 3").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_answer_answers_nothing_even_if_the_next_batch_waits() {
    let world = World::new(1).await;
    let records = world.put("a", 9).await;
    let daemon = world.daemon("always twice:processRecords", "maxRecords = 1");
    world.until_processed(&daemon, &records).await;
    daemon.until_log("child answers a second time").await;
    assert_eq!(daemon.stop().await, 0);
    let journal = world.journal();
    assert_eq!(data(&journal).len(), 9, "each once");
    assert_eq!(journal.iter().filter(|event| event.is("initialize")).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_whose_children_always_fail_does_not_stop_the_others() {
    let world = World::new(2).await;
    let modes = "only:shardId-000000000000 always exit:processRecords";
    let daemon = world.daemon(modes, "");
    let failing = |event: &Event| event.is("exits");
    for round in 0..5 {
        let put = world.put(&format!("r{round}"), 2).await;
        // The second half of the hash range is the second shard's.
        let healthy = put.into_iter().skip(1).collect();
        world.until_processed(&daemon, &healthy).await;
    }
    let journal = world
        .until_journal(&daemon, "failed thrice", |journal| {
            journal.iter().filter(|event| failing(event)).count() >= 3
        })
        .await;
    let healthy = journal.iter().filter(|event| event.text("shard") == "shardId-000000000001");
    assert_eq!(healthy.filter(|event| event.is("initialize")).count(), 1);
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_exit_configured_one_failed_child_ends_the_daemon_in_order() {
    let world = World::new(2).await;
    let modes = "only:shardId-000000000000 exit:processRecords";
    let mut daemon = world.daemon(modes, "shardwise.onChildFailure = exit");
    world
        .until_journal(&daemon, "initialized", |journal| {
            journal.iter().filter(|event| event.is("initialize")).count() == 2
        })
        .await;
    world.put("a", 2).await;
    assert_eq!(daemon.ended().await.code(), Some(1), "{}", daemon.log());
    let journal = world.journal();
    let other = journal.iter().filter(|event| event.text("shard") == "shardId-000000000001");
    assert!(other.clone().any(|event| event.is("leaseLost")));
    assert!(world.lease_rows().await.iter().all(|row| row.owner.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_after_a_failed_child_does_not_cut_the_end_short() {
    let world = World::new(2).await;
    let modes = "exit:processRecords late:shutdownRequested";
    let mut daemon = world.daemon(modes, "shardwise.onChildFailure = exit");
    world
        .until_journal(&daemon, "initialized", |journal| {
            journal.iter().filter(|event| event.is("initialize")).count() == 2
        })
        .await;
    // For the first shard only; the second one's child is slow to end.
    world.put("a", 1).await;
    world
        .until_journal(&daemon, "asked to end", |journal| {
            journal.iter().any(|event| event.is("shutdownRequested"))
        })
        .await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(1), "{}", daemon.log());
    assert!(world.journal().iter().any(|event| event.is("leaseLost")));
    assert!(world.lease_rows().await.iter().all(|row| row.owner.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_exits_at_the_shards_end_is_replaced_and_the_shard_ends() {
    let world = World::new(1).await;
    let daemon = world.daemon("only:shardId-000000000000 exit:shardEnded", "");
    let records = world.put("a", 4).await;
    world.until_processed(&daemon, &records).await;
    world.split().await;
    let more = world.put("b", 4).await;
    let journal = world.until_processed(&daemon, &more).await;
    assert_eq!(journal.iter().filter(|event| event.is("shardEnded")).count(), 2);
    daemon.until_log("during `shardEnded`; exit status: 3").await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(world.lease_rows().await[0].checkpoint, "SHARD_END");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forgotten_checkpoint_at_the_shards_end_is_explained_and_mended_by_the_next_child() {
    let world = World::new(1).await;
    let daemon = world.daemon("forget", "");
    let records = world.put("a", 4).await;
    world.until_processed(&daemon, &records).await;
    world.split().await;
    let more = world.put("b", 4).await;
    let journal = world.until_processed(&daemon, &more).await;
    let ends = journal.iter().filter(|event| event.is("shardEnded")).count();
    assert_eq!(ends, 2, "forgotten once, and told again");
    daemon.until_log("without a checkpoint at the shard's end").await;
    assert_eq!(daemon.stop().await, 0);
    let rows = world.lease_rows().await;
    assert_eq!(rows.first().map(|row| row.checkpoint.as_str()), Some("SHARD_END"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_is_away_for_a_while_is_started_when_it_is_back() {
    let world = World::new(1).await;
    let (program, away) = (world.path().join("program"), world.path().join("away"));
    let script = format!("#!/bin/sh\nexec {}\n", world.executable("exit:processRecords"));
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let properties = world.properties(&program.display().to_string(), "");
    let daemon = Daemon::start(&properties, world.path());
    let children =
        |journal: &[Event]| journal.iter().filter(|event| event.is("initialize")).count();
    world.until_journal(&daemon, "a child", |journal| children(journal) == 1).await;
    fs::rename(&program, &away).unwrap();
    let records = world.put("a", 5).await;
    daemon.until_log("cannot run `").await;
    fs::rename(&away, &program).unwrap();
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);
    assert_eq!(children(&world.journal()), 2);
}
