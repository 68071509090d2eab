//! The fleet with scripts in the places of daemons.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use shardwise_demo::endpoints::Endpoints;
use tempfile::TempDir;

use super::*;
use crate::processes::own_session;

const DEADLINE: Duration = Duration::from_secs(20);
const NEVER: After = After { down: Duration::from_secs(3_600), again: None, is_disk_full: false };
const AT_ONCE: After = After { down: Duration::ZERO, again: None, is_disk_full: false };

/// A fleet of one whose daemon is this script.
fn fleet(directory: &TempDir, script: &str) -> Fleet {
    let program = directory.path().join("daemon");
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let nowhere = || "http://127.0.0.1:1".to_owned();
    let endpoints = Endpoints { kinesis: nowhere(), dynamodb: nowhere() };
    let mut settings = Settings::journaling(&program, directory.path(), &endpoints, "s");
    settings.working_directory = directory.path().to_owned();
    let weather = || watch::channel(Weather::Calm).0;
    Fleet::new(directory.path(), vec![Place::new(settings, [weather(), weather()])])
}

/// Goes on until something is so.
fn until(fleet: &mut Fleet, is_so: impl Fn(&Fleet) -> bool) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        fleet.tick().unwrap();
        if is_so(fleet) {
            return;
        }
        assert!(Instant::now() < deadline, "not in time");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn state(pid: i32) -> Option<char> {
    let mut processes = Processes::default();
    processes.look();
    let process = processes.all.iter().find(|process| process.pid == pid);
    process.filter(|process| process.session == own_session()).map(|process| process.state)
}

#[test]
fn each_start_has_a_worker_id_of_its_own_and_an_exit_by_itself_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut fleet = fleet(&directory, "exit 3");
    until(&mut fleet, |fleet| fleet.deaths.len() == 2);
    let workers: Vec<_> = fleet.deaths.iter().map(|death| death.worker.as_str()).collect();
    assert_eq!(workers, ["daemon1-1", "daemon1-2"]);
    for death in &fleet.deaths {
        let How::ByItself(status) = death.how else { panic!("{death:?}") };
        assert_eq!(status.code(), Some(3));
    }
}

#[test]
fn a_kill_that_is_to_come_again_hits_the_next_one_while_it_starts() {
    let directory = tempfile::tempdir().unwrap();
    let mut fleet = fleet(&directory, "exec sleep 100");
    until(&mut fleet, |fleet| fleet.up().count() == 1);
    fleet.kill(0, After { again: Some(Duration::ZERO), ..AT_ONCE });
    assert!(fleet.is_kill_to_come());
    until(&mut fleet, |fleet| fleet.deaths.len() == 2);
    assert!(!fleet.is_kill_to_come());
    assert!(fleet.deaths.iter().all(|death| death.how == How::Killed));
    until(&mut fleet, |fleet| fleet.up().next().is_some_and(|(it, _)| it == "daemon1-3"));
    assert_eq!(fleet.deaths.len(), 2, "the third one is let be");
}

#[test]
fn nothing_else_is_done_to_a_daemon_that_is_about_to_be_killed() {
    let directory = tempfile::tempdir().unwrap();
    let mut fleet = fleet(&directory, "exec sleep 100");
    until(&mut fleet, |fleet| fleet.one_up(0) == Some(0));
    fleet.kill(0, After { again: Some(Duration::from_secs(3_600)), ..AT_ONCE });
    until(&mut fleet, |fleet| fleet.up().count() == 1);
    assert_eq!((fleet.one_up(0), fleet.is_kill_to_come()), (None, true));
}

#[test]
fn a_kill_is_not_lost_with_a_daemon_that_ends_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut fleet = fleet(&directory, "[ -e once ] && exit 3; : > once; exec sleep 100");
    until(&mut fleet, |_| directory.path().join("once").exists());
    fleet.kill(0, After { again: Some(Duration::from_secs(3_600)), ..AT_ONCE });
    until(&mut fleet, |fleet| fleet.deaths.len() == 2);
    assert!(matches!(fleet.deaths[1].how, How::ByItself(_)) && fleet.is_kill_to_come());
}

#[test]
fn a_paused_daemon_stands_still_until_its_time_is_over() {
    let directory = tempfile::tempdir().unwrap();
    let mut fleet = fleet(&directory, "exec sleep 100");
    until(&mut fleet, |fleet| fleet.up().count() == 1);
    let pid = fleet.up().next().unwrap().1;
    fleet.pause(0, Duration::from_secs(3_600), false, &Processes::default());
    until(&mut fleet, |_| state(pid) == Some('T'));
    assert_eq!((fleet.up().count(), fleet.one_up(0)), (0, None));
    fleet.calm();
    until(&mut fleet, |fleet| fleet.up().count() == 1 && state(pid) != Some('T'));
    assert!(fleet.deaths.is_empty());
}

#[test]
fn one_that_is_asked_to_end_is_told_with_its_status() {
    let directory = tempfile::tempdir().unwrap();
    let mut fleet = fleet(&directory, "trap 'exit 2' TERM\necho up\nwhile :; do sleep 0.01; done");
    let log = directory.path().join("daemon1-1.log");
    until(&mut fleet, |_| fs::read_to_string(&log).is_ok_and(|text| text == "up\n"));
    fleet.stop(0, NEVER);
    assert!(!fleet.is_empty());
    until(&mut fleet, Fleet::is_empty);
    let How::Asked { status: Some(status), .. } = fleet.deaths[0].how else {
        panic!("{:?}", fleet.deaths)
    };
    assert_eq!(status.code(), Some(2));
}

#[test]
fn a_shortage_of_descriptors_is_over_when_all_is_calm() {
    let directory = tempfile::tempdir().unwrap();
    let mut fleet = fleet(&directory, "exec sleep 100");
    until(&mut fleet, |fleet| fleet.up().count() == 1);
    let pid = fleet.up().next().unwrap().1;
    let limits = || fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let before = limits();
    let limited = fleet.leave_descriptors(0, 1, Duration::from_secs(3_600));
    assert_eq!(limited, Some(pid));
    assert_ne!(limits(), before);
    fleet.calm();
    until(&mut fleet, |_| limits() == before);
    fleet.kill(0, NEVER);
    assert_eq!(fleet.leave_descriptors(0, 1, Duration::ZERO), None);
}
