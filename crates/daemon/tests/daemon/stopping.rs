//! Signals, deadlines and exit codes.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::world::{Daemon, Event, World, processes, until_gone};

async fn running(world: &World, modes: &str, more: &str) -> Daemon {
    let daemon = world.daemon(modes, more);
    let records = world.put("a", 2).await;
    world.until_processed(&daemon, &records).await;
    daemon
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_reaches_the_children_as_messages_only() {
    let world = World::new(1).await;
    let mut daemon = running(&world, "", "").await;
    daemon.signal_group(Signal::INT);
    assert_eq!(daemon.ended().await.code(), Some(0), "{}", daemon.log());
    let journal = world.journal();
    assert!(journal.iter().any(|event| event.is("shutdownRequested")));
    assert!(journal.last().unwrap().is("end of stdin"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_stdin_stops_a_daemon_that_was_told_to_mind_it() {
    let world = World::new(1).await;
    let mut daemon = world.daemon_with("", "", &["--stop-with-stdin"]);
    let records = world.put("a", 2).await;
    world.until_processed(&daemon, &records).await;
    daemon.end_stdin();
    assert_eq!(daemon.ended().await.code(), Some(0), "{}", daemon.log());
    assert!(world.journal().iter().any(|event| event.is("shutdownRequested")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hangup_that_is_ignored_at_the_start_stops_nothing() {
    let world = World::new(1).await;
    let daemon = world.daemon_by("nohup", "");
    let records = world.put("a", 2).await;
    world.until_processed(&daemon, &records).await;
    daemon.signal(Signal::HUP);
    let more = world.put("b", 2).await;
    world.until_processed(&daemon, &more).await;
    assert!(!daemon.log().contains("SIGHUP"), "{}", daemon.log());
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_everything_at_once() {
    let world = World::new(1).await;
    let mut daemon = running(&world, "ignore-term hang:shutdownRequested", "").await;
    daemon.signal(Signal::TERM);
    world
        .until_journal(&daemon, "hanging", |journal| journal.iter().any(|event| event.is("hangs")))
        .await;
    let began = Instant::now();
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(2), "{}", daemon.log());
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    until_gone(&processes(&world.journal())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passes_is_no_success() {
    let world = World::new(1).await;
    let mut daemon = running(&world, "hang:leaseLost", "shutdownGraceMillis = 1000").await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(2), "{}", daemon.log());
    let log = daemon.log();
    let waited_for = log.lines().find(|line| line.contains("lease not released"));
    let waited_for = waited_for.unwrap_or_else(|| panic!("{log}"));
    assert!(waited_for.contains("LosingLease") && waited_for.contains("busy_millis"), "{log}");
    until_gone(&processes(&world.journal())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_stays_after_the_end_of_its_stdin_is_ended_and_is_no_success() {
    let (code, log) = stopped("stay").await;
    assert_eq!(code, Some(2), "{log}");
}

/// Stops a daemon whose child misbehaves meanwhile: its exit code, and what it logged.
async fn stopped(modes: &str) -> (Option<i32>, String) {
    let world = World::new(1).await;
    let mut daemon = running(&world, modes, "").await;
    daemon.signal(Signal::TERM);
    let code = daemon.ended().await.code();
    until_gone(&processes(&world.journal())).await;
    // The lease was given up all the same.
    assert_eq!(world.lease_rows().await[0].owner, None);
    (code, daemon.log())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_exits_while_it_is_asked_to_end_is_no_success() {
    for action in ["shutdownRequested", "leaseLost"] {
        let (code, log) = stopped(&format!("exit:{action}")).await;
        assert_eq!(code, Some(2), "{log}");
        assert!(log.contains(&format!("during `{action}`; exit status: 3")), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_exits_after_its_last_answer_has_ended_in_order() {
    let (code, log) = stopped("exit-after:leaseLost").await;
    assert_eq!(code, Some(0), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_answer_to_shutdown_requested_is_reported_only() {
    let (code, log) = stopped("wrong:shutdownRequested").await;
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("child answers `shutdownRequested` wrongly"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_in_hand_is_finished_before_the_end() {
    let world = World::new(1).await;
    let daemon = world.daemon("slow", "");
    let records = world.put("a", 2).await;
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);
    let told: Vec<_> = world.journal().iter().map(|event| event.text("event").to_owned()).collect();
    let checkpoint = told.iter().position(|event| event == "checkpoint").unwrap();
    let shutdown = told.iter().position(|event| event == "shutdownRequested").unwrap();
    assert!(checkpoint < shutdown, "{told:?}");
}

/// With five batches of 3 s one after the other the time would not do.
#[tokio::test(flavor = "multi_thread")]
async fn shards_that_wait_for_their_turn_are_told_of_the_stop_at_once() {
    let world = World::new(5).await;
    let more = "maxActiveThreads = 1\nshutdownGraceMillis = 7000";
    let mut daemon = world.daemon("always slow", more);
    let count = |journal: &[Event], what: &str| journal.iter().filter(|it| it.is(what)).count();
    let all_ready = |journal: &[Event]| count(journal, "initialize") == 5;
    world.until_journal(&daemon, "initialized", all_ready).await;
    world.put("a", 5).await;
    // The others have been in the queue for as long as the first batch took.
    let second = |journal: &[Event]| count(journal, "processRecords") == 2;
    world.until_journal(&daemon, "at the second batch", second).await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(0));
    let log = daemon.log();
    assert!(!log.contains("ERROR"), "nothing has failed:\n{log}");
    let journal = world.journal();
    assert_eq!(count(&journal, "processRecords"), 2, "nothing more was begun");
    assert_eq!(count(&journal, "shutdownRequested"), 5);
    let rows = world.lease_rows().await;
    assert!(rows.iter().all(|row| row.owner.is_none()), "{rows:?}");
    let done = rows.iter().filter(|row| row.checkpoint != "TRIM_HORIZON").count();
    assert_eq!(done, 2, "a checkpoint covers no batch that was not begun: {rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_while_starting_ends_a_daemon_that_has_done_nothing() {
    let world = World::new(0).await;
    // Nothing listens there: the start is tried again and again.
    let daemon = world.daemon(
        "",
        "dynamoDBEndpoint = http://127.0.0.1:9\nkinesisEndpoint = \
                                   http://127.0.0.1:9",
    );
    daemon.until_log("not started yet").await;
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aws_that_is_not_there_is_an_error_of_its_own() {
    let world = World::new(0).await;
    let more = "dynamoDBEndpoint = http://127.0.0.1:9\nkinesisEndpoint = http://127.0.0.1:9\n\
                maxInitializationAttempts = 2\nschedulerInitializationBackoffTimeMillis = 10";
    let mut daemon = world.daemon("", more);
    assert_eq!(daemon.ended().await.code(), Some(3), "{}", daemon.log());
}
