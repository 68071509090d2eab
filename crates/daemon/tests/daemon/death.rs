//! A daemon that is killed: nothing of it is left within five seconds.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use shardwise_core::rng::Rng;

use crate::asked::free_port;
use crate::world::{Event, World, processes, runs, until, until_gone};

/// Deaths that `SHARDWISE_DEATHS` asks for, else so many.
const DEATHS: u32 = 4;
/// A daemon dies within so many milliseconds of its start: before, while and after children begin.
const DIES_WITHIN_MILLIS: u64 = 2_500;
/// Inherited by the daemon's guard, children and grandchildren alike.
const MARK: &str = "SHARDWISE_DEATH_MARK";

/// The processes that a process has started itself, by their first argument.
fn started_by(parent: Pid, mode: &str) -> Vec<i32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let is_child = after_name.split(' ').nth(1) == Some(&parent.as_raw_nonzero().to_string());
        let command = fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
        if is_child && command.split('\0').nth(1) == Some(mode) && runs(id) {
            found.push(id);
        }
    }
    found
}

async fn killed(modes: &str) {
    let world = World::new(2).await;
    let mut daemon = world.daemon(modes, "");
    let records = world.put("a", 4).await;
    let journal = world.until_processed(&daemon, &records).await;
    let mut left: BTreeSet<_> = processes(&journal);
    left.extend(started_by(daemon.id(), "guard"));
    assert!(left.iter().all(|id| runs(*id)), "{left:?}");
    daemon.signal(Signal::KILL);
    daemon.ended().await;
    let began = Instant::now();
    until_gone(&left).await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn children_of_a_killed_daemon_end() {
    killed("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn children_and_grandchildren_of_a_killed_daemon_end_even_if_they_ignore_sigterm() {
    killed("always ignore-term grandchild stay").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_that_is_killed_is_replaced() {
    let world = World::new(1).await;
    let mut daemon = world.daemon("always ignore-term stay", "");
    let records = world.put("a", 1).await;
    let journal = world.until_processed(&daemon, &records).await;
    let first = until("guarded", async || {
        started_by(daemon.id(), "guard").pop().ok_or_else(|| daemon.log())
    })
    .await;
    kill_process(Pid::from_raw(first).unwrap(), Signal::KILL).unwrap();
    until("a new guard", async || match started_by(daemon.id(), "guard").pop() {
        Some(guard) if guard != first => Ok(()),
        _ => Err(daemon.log()),
    })
    .await;
    let zombie = fs::read_to_string(format!("/proc/{first}/stat"));
    assert!(zombie.is_err(), "{zombie:?}");
    // A child from before the first guard's end: the second one was told of it.
    daemon.signal(Signal::KILL);
    daemon.ended().await;
    until_gone(&processes(&journal)).await;
}

/// As the first process of a container, to which the kernel gives whatever its parent has left.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_process_reaps_what_is_left_to_it_and_ends_as_the_daemon_does() {
    let world = World::new(1).await;
    let mut first = world.first_process("escape");
    let begun = |journal: &[Event]| journal.iter().any(|event| event.is("grandchild"));
    let journal = world.until_journal(&first, "a grandchild", begun).await;
    let pid_of = |event: &str, field: &str| {
        let event = journal.iter().find(|it| it.is(event)).unwrap();
        Pid::from_raw(event.number(field)).unwrap()
    };
    let (child, orphan) = (pid_of("initialize", "pid"), pid_of("grandchild", "grandchild"));
    kill_process(child, Signal::KILL).unwrap();
    kill_process(orphan, Signal::KILL).unwrap();
    until("reaped", async || {
        let stat = format!("/proc/{}/stat", orphan.as_raw_nonzero());
        match fs::read_to_string(stat) {
            Ok(stat) => Err(stat),
            Err(_) => Ok(()),
        }
    })
    .await;
    let records = world.put("a", 5).await;
    world.until_processed(&first, &records).await;
    first.signal(Signal::TERM);
    assert_eq!(first.ended().await.code(), Some(0), "{}", first.log());
    assert_eq!(world.lease_rows().await[0].owner, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_zombie_is_left_while_children_come_and_go() {
    let world = World::new(1).await;
    let daemon = world.daemon("always exit:processRecords", "");
    world.put("a", 1).await;
    let journal = world
        .until_journal(&daemon, "three children", |journal| {
            journal.iter().filter(|event| event.is("exits")).count() >= 3
        })
        .await;
    let exited = journal.iter().filter(|event| event.is("exits"));
    let exited: Vec<_> = exited.map(|event| event.number("pid")).collect();
    until("reaped", async || {
        let left: Vec<_> =
            exited.iter().filter(|id| fs::metadata(format!("/proc/{id}")).is_ok()).collect();
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}\n{}", daemon.log())) }
    })
    .await;
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zombie_that_a_child_has_made_is_not_waited_for() {
    for (mode, keepers) in [("zombie", 0), ("zombie-of-another", 1)] {
        let world = World::new(1).await;
        let daemon = world.daemon(&format!("{mode} exit:processRecords"), "");
        let records = world.put("a", 2).await;
        // The next child begins only once the first one's group is dealt with.
        let journal = world.until_processed(&daemon, &records).await;
        assert_eq!(journal.iter().filter(|event| event.is("zombie")).count(), 1, "{mode}");
        let kept = journal.iter().filter(|event| event.is("keeper"));
        let kept: Vec<_> = kept.map(|event| event.number("grandchild")).collect();
        assert_eq!(kept.len(), keepers, "{mode}");
        // One that the system's init has inherited may be gone before it is looked for.
        if keepers > 0 {
            daemon.until_log("child has left processes behind: they are ended").await;
        }
        assert_eq!(daemon.stop().await, 0, "{mode}");
        for keeper in kept {
            // It has left the group, so it is not ours any more.
            kill_process(Pid::from_raw(keeper).unwrap(), Signal::KILL).unwrap();
        }
    }
}

/// Every process with this mark that runs, by its id and command.
fn marked(mark: &str) -> Vec<(i32, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let environment = fs::read(format!("/proc/{id}/environ")).unwrap_or_default();
        let wanted = format!("{MARK}={mark}");
        if environment.split(|byte| *byte == 0).any(|it| it == wanted.as_bytes()) && runs(id) {
            let command = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            found.push((id, String::from_utf8_lossy(&command).replace('\0', " ")));
        }
    }
    found
}

/// Whether anybody on this machine listens on a port. A connection of somebody may have it too.
fn is_listened_on(port: u16) -> bool {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    // Local address and state; 0A is LISTEN.
    rows.filter(|row| row.len() > 3 && row[3] == "0A")
        .any(|row| row[1].ends_with(&format!(":{port:04X}")))
}

/// `SHARDWISE_DEATHS=1000` makes it a night's work; `SHARDWISE_DEATHS_SEED` repeats the moments.
#[tokio::test(flavor = "multi_thread")]
async fn of_a_daemon_that_is_killed_at_any_moment_nothing_is_left() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let deaths = number("SHARDWISE_DEATHS").unwrap_or(DEATHS.into());
    let seed = number("SHARDWISE_DEATHS_SEED").unwrap_or(1);
    let mut dice = Rng::new(seed);
    let world = World::new(2).await;
    // By its own name it has its leases at once, whenever it died.
    let with_port = |port: u16| format!("workerId = w\nshardwise.httpPort = {port}");
    let (mut slowest, mut with_grandchildren) = (Duration::ZERO, 0);
    for death in 0..deaths {
        let moment = dice.below(usize::try_from(DIES_WITHIN_MILLIS).unwrap());
        let moment = Duration::from_millis(u64::try_from(moment).unwrap());
        let port = free_port();
        let mark = format!("{}-{death}", world.path().display());
        let modes = "always ignore-term grandchild stay";
        let mut daemon = world.daemon_in(modes, &with_port(port), &[(MARK, &mark)]);
        // The moment is what the seed says, not when something is done.
        tokio::time::sleep(moment).await;
        let alive = marked(&mark);
        with_grandchildren +=
            u32::from(alive.iter().any(|(_, command)| command.starts_with("sleep ")));
        daemon.signal(Signal::KILL);
        daemon.ended().await;
        let began = Instant::now();
        until(&format!("gone after death {death} of seed {seed}"), async || {
            let left = marked(&mark);
            if left.is_empty() { Ok(()) } else { Err(format!("{left:?}\nof {alive:?}")) }
        })
        .await;
        slowest = slowest.max(began.elapsed());
        assert!(slowest < Duration::from_secs(5), "death {death} of seed {seed}: {slowest:?}");
        assert!(!is_listened_on(port), "death {death} of seed {seed}: port {port}");
    }
    println!("{deaths} deaths, {with_grandchildren} with grandchildren, slowest {slowest:?}");
    assert!(deaths < 4 || with_grandchildren > 0, "no death came late enough");
    // Nothing that is left hinders the next one.
    let daemon = world.daemon("", &with_port(free_port()));
    let records = world.put("a", 4).await;
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);
}
