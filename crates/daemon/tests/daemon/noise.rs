//! Children that write what is not the protocol: it is logged within limits, and harms nobody.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::fs::OFlags;

use crate::world::{Event, World, data, processes, until_gone};

async fn goes_on(modes: &str) -> String {
    goes_on_with(modes, "").await
}

async fn goes_on_with(modes: &str, more: &str) -> String {
    let world = World::new(1).await;
    let daemon = world.daemon(modes, more);
    let records = world.put("a", 5).await;
    world.until_processed(&daemon, &records).await;
    let mut daemon = daemon;
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(0), "{}", daemon.log());
    let journal = world.journal();
    assert_eq!(data(&journal).len(), 5, "each once");
    assert_eq!(journal.iter().filter(|event| event.is("initialize")).count(), 1);
    daemon.log()
}

#[tokio::test(flavor = "multi_thread")]
async fn prints_are_logged_with_the_shard_and_counted_beyond_a_hundred_a_second() {
    let log = goes_on("flood-stdout flood-stderr").await;
    assert!(log.contains("lines left out"), "no count");
    for pipe in ["stdout", "stderr"] {
        let lines = log.lines().filter(|line| line.contains(&format!(" {pipe}=\"xxx"))).count();
        assert!((100..5_000).contains(&lines), "{pipe}: {lines}");
    }
    let logged = log.lines().find(|line| line.contains("stdout=\"xxx")).unwrap();
    assert!(logged.contains("shard=shardId-000000000000"), "{logged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_a_child_writes_is_logged_where_the_file_says_so() {
    let all = "shardwise.childLogLinesPerSecond = 0";
    let log = goes_on_with("flood-stdout", all).await;
    assert_eq!(log.lines().filter(|line| line.contains(" stdout=\"xxx")).count(), 20_000);
    assert!(!log.contains("lines left out"));
}

#[tokio::test(flavor = "multi_thread")]
async fn warnings_about_a_child_are_counted_beyond_a_hundred_a_second_and_short() {
    let world = World::new(1).await;
    let daemon = world.daemon("long-numbers unasked-after:processRecords", "");
    let records = world.put("a", 3).await;
    world.until_processed(&daemon, &records).await;
    let done = |event: &Event| event.is("answered what was not asked");
    let journal =
        world.until_journal(&daemon, "answered", |journal| journal.iter().any(done)).await;
    let refused =
        journal.iter().filter(|event| event.text("answer") == "IllegalArgumentException").count();
    assert_eq!(refused, 2, "numbers that are too long");
    let more = world.put("b", 3).await;
    world.until_processed(&daemon, &more).await;
    let log = daemon.log();
    assert_eq!(daemon.stop().await, 0);
    let warnings = log.lines().filter(|line| line.contains("what was not asked")).count();
    assert!((50..1_000).contains(&warnings), "{warnings}");
    assert!(log.lines().all(|line| line.len() < 2_000), "a line is too long");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_on_a_full_disk_stops_nothing() {
    let world = World::new(1).await;
    let mut daemon = world.daemon_logging_to(Path::new("/dev/full"), "stderr exit:processRecords");
    let records = world.put("a", 5).await;
    world.until_processed(&daemon, &records).await;
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(0));
}

/// As under a container's log driver that waits, or at a terminal after Ctrl-S.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_stops_nothing() {
    let world = World::new(1).await;
    let log = world.path().join("log");
    assert!(Command::new("mkfifo").arg(&log).status().unwrap().success());
    let nonblocking = OFlags::NONBLOCK.bits().try_into().unwrap();
    let full = File::options().read(true).write(true).custom_flags(nonblocking).open(&log);
    let mut full = full.unwrap();
    while full.write(&[b'x'; 4096]).is_ok() {}
    let mut daemon = world.daemon_logging_to(&log, "flood-stderr");
    let records = world.put("a", 5).await;
    world.until_processed(&daemon, &records).await;
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_passed_over() {
    let log = goes_on("garbage bad-utf8 deep").await;
    for why in ["no JSON object", "null", "unknown field", "unknown action", "value of the wrong"] {
        assert!(log.contains(why), "{why}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_looks_like_a_message_and_is_none_is_a_warning_that_says_why() {
    let log = goes_on("stray").await;
    for why in [
        r#"unknown action in action "Status", which is spelled `status`; the action"#,
        r#"unknown field "took" in action "status"; the action that it answers is still open"#,
        r#"a message that children do not send in action "shutdown""#,
        r#"unknown action in action "user \u{1b}[31m logged in""#,
    ] {
        let told = log.lines().find(|line| line.contains(why));
        assert!(told.is_some_and(|line| line.contains("WARN")), "{why}: {log}");
    }
}

/// As .NET's client writes a message behind what the program has printed without an end.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_behind_a_print_is_a_warning_that_an_answer_is_still_waited_for() {
    let world = World::new(1).await;
    let daemon = world.daemon("glued:processRecords", "timeoutInSeconds = 1");
    world.put("a", 1).await;
    let why = r#"text before the message in action "status"; the action that it answers is still"#;
    daemon.until_log(why).await;
    let log = daemon.log();
    let told = log.lines().find(|line| line.contains(why)).unwrap();
    assert!(told.contains("WARN") && told.contains("hello"), "{told}");
    // Another child has taken its place.
    let more = world.put("b", 1).await;
    world.until_processed(&daemon, &more).await;
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stdout_that_never_ends_costs_no_memory_and_no_other_shard() {
    for (mode, told) in [
        ("endless-line", "child writes a line that is too long"),
        ("endless-lines", "child writes too much: lines left out"),
    ] {
        let world = World::new(2).await;
        let modes = format!("only:shardId-000000000000 always {mode}:processRecords");
        let mut daemon = world.daemon(&modes, "shutdownGraceMillis = 2000");
        let healthy = |put: BTreeSet<String>| put.into_iter().skip(1).collect();
        let first = healthy(world.put("a", 2).await);
        world.until_processed(&daemon, &first).await;
        // Without a time limit nobody ends the child: it is told of while it writes.
        daemon.until_log(told).await;
        let second = healthy(world.put("b", 2).await);
        world.until_processed(&daemon, &second).await;
        let peak = daemon.peak_bytes() >> 20;
        assert!(peak < 128, "{mode}: {peak} MiB");
        daemon.signal(rustix::process::Signal::TERM);
        assert_eq!(daemon.ended().await.code(), Some(2), "{}", daemon.log());
        until_gone(&processes(&world.journal())).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_may_come_byte_by_byte() {
    goes_on("always drip:initialize drip:processRecords").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_cannot_forge_a_line_of_the_log() {
    let log = goes_on("stderr garbage").await;
    assert!(log.contains("stderr=\"plain words\""), "{log}");
    assert!(!log.contains('\u{1b}'), "an escape sequence in {log}");
    assert!(!log.lines().any(|line| line.starts_with("INFO forged")), "{log}");
    let offered =
        r#" WARN child shard=shardId-000000000000 log="by the\nchannel" fields="order=42""#;
    assert!(log.contains(offered), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_a_gigabyte_costs_no_memory() {
    let world = World::new(1).await;
    let daemon = world.daemon("long-line", "");
    let records = world.put("a", 5).await;
    let journal = world.until_processed(&daemon, &records).await;
    assert!(journal.iter().any(|event| event.is("wrote a long line")));
    let peak = daemon.peak_bytes() >> 20;
    assert!(peak < 128, "{peak} MiB");
    daemon.until_log("too long").await;
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grandchild_that_holds_the_pipes_open_delays_nothing() {
    for mode in ["grandchild", "escape"] {
        let world = World::new(1).await;
        let daemon = world.daemon(mode, "");
        let records = world.put("a", 2).await;
        let journal = world.until_processed(&daemon, &records).await;
        let grandchild = journal.iter().find(|event| event.is("grandchild")).unwrap();
        let grandchild = grandchild.number("grandchild");
        let began = Instant::now();
        assert_eq!(daemon.stop().await, 0);
        assert!(began.elapsed() < Duration::from_secs(15), "{mode}: {:?}", began.elapsed());
        // One that has left the group is not ours any more.
        assert_eq!(crate::world::runs(grandchild), mode == "escape");
        if let Some(left) = rustix::process::Pid::from_raw(grandchild) {
            let _ = rustix::process::kill_process(left, rustix::process::Signal::KILL);
        }
    }
}
