//! Every process of the machine, as far as it matters whose it is.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};
use shardwise_demo::stage::MARK;

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Who has to wait for it.
    pub parent: i32,
    /// Its session, which only a process that leaves its terminal changes.
    pub session: i32,
    /// The kernel's letter: T for one that is stopped, Z for one that has ended.
    pub state: char,
    /// The worker of this run that it belongs to, by its environment.
    pub worker: Option<String>,
}

/// All of them at one moment.
#[derive(Debug, Default)]
pub struct Processes {
    /// Those that there are.
    pub all: Vec<Process>,
    /// What is known of a process does not change: its environment is read once.
    workers: HashMap<(i32, u64), Option<String>>,
    /// What the environment of this run's processes holds.
    mark: Vec<u8>,
}

impl Processes {
    /// None yet; those of the run in this directory will be known by their workers.
    #[must_use]
    pub fn of_run(directory: &Path) -> Self {
        let mark = format!("{MARK}={}", directory.display()).into_bytes();
        Self { mark, ..Self::default() }
    }

    /// These, for tests.
    #[cfg(test)]
    pub(crate) fn of(all: Vec<Process>) -> Self {
        Self { all, ..Self::default() }
    }

    /// Looks again.
    pub fn look(&mut self) {
        let Ok(entries) = fs::read_dir("/proc") else { return };
        let known = std::mem::take(&mut self.workers);
        self.all.clear();
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            // A process that is gone by now has no such file.
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let Some((mut process, started)) = parse(pid, &stat) else { continue };
            let worker = match known.get(&(pid, started)) {
                Some(Some(worker)) => Some(worker.clone()),
                Some(None) | None => worker(pid, &self.mark),
            };
            self.workers.insert((pid, started), worker.clone());
            process.worker = worker;
            self.all.push(process);
        }
    }

    /// Those of a worker that have not ended, the daemon itself left out, and those that left its
    /// session.
    pub fn of_worker<'a>(
        &'a self,
        worker: &'a str,
        daemon: i32,
        session: i32,
    ) -> impl Iterator<Item = &'a Process> {
        self.all.iter().filter(move |process| {
            process.worker.as_deref() == Some(worker)
                && process.pid != daemon
                && process.session == session
                && !matches!(process.state, 'Z' | 'X')
        })
    }

    /// The children of a process.
    pub fn children(&self, parent: i32) -> impl Iterator<Item = &Process> {
        self.all.iter().filter(move |process| process.parent == parent)
    }
}

/// The session of this process, which everything that it starts is in: 0 if its leader is outside
/// of a container.
#[must_use]
pub fn own_session() -> i32 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    parse(0, &stat).map_or(0, |(process, _)| process.session)
}

/// Sends a signal; a process that is gone gets none.
pub fn signal(pid: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(pid) {
        kill_process(pid, signal).ok();
    }
}

/// A process out of /proc/PID/stat, and when it began.
fn parse(pid: i32, stat: &str) -> Option<(Process, u64)> {
    // The name may hold blanks and brackets; the fields follow its last bracket.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<i32>().ok();
    let process = Process {
        pid,
        parent: number(1)?,
        session: number(3)?,
        state: fields.first()?.chars().next()?,
        worker: None,
    };
    Some((process, fields.get(19)?.parse().ok()?))
}

fn worker(pid: i32, mark: &[u8]) -> Option<String> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let mut variables = environment.split(|&byte| byte == 0);
    if !variables.clone().any(|variable| variable == mark) {
        return None;
    }
    variables.find_map(|variable| {
        let worker = variable.strip_prefix(b"JOURNAL_WORKER=")?;
        Some(String::from_utf8_lossy(worker).into_owned())
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_move_the_fields() {
        let stat = "7 (a) b) (c) T 3 4 5 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 99 0 0";
        let process = Process { pid: 7, parent: 3, session: 5, state: 'T', worker: None };
        assert_eq!(parse(7, stat), Some((process, 99)));
        assert_eq!(parse(7, ""), None);
    }

    #[test]
    fn a_process_is_found_by_its_worker_until_it_has_ended() {
        let mut command = Command::new("sleep");
        command.arg("100").env("JOURNAL_WORKER", "a").env(MARK, "/run of a test");
        let mut child = command.spawn().unwrap();
        let (pid, own) =
            [child.id(), std::process::id()].map(|pid| i32::try_from(pid).unwrap()).into();
        let mut processes = Processes::of_run(Path::new("/run of a test"));
        let count = |processes: &Processes| processes.of_worker("a", 0, own_session()).count();
        processes.look();
        // The environment is the parent's until the program has started.
        while count(&processes) == 0 {
            processes.look();
        }
        assert!(processes.children(own).any(|child| child.pid == pid));
        let mut others = Processes::of_run(Path::new("/another run"));
        others.look();
        assert_eq!(count(&others), 0);
        signal(pid, Signal::KILL);
        child.wait().unwrap();
        processes.look();
        assert_eq!(count(&processes), 0);
    }
}
