//! Wrong done to children, and by them.
//!
//! What a child does itself it is asked for by a file that it looks for at each batch: see
//! `chaos/consumer`. A child may end before it looks; then another one is asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use shardwise_demo::clock::now_micros;
use shardwise_demo::error::Error;

use crate::hands::{journal_name, shard_of};
use crate::processes::{Process, Processes, signal};

/// How long a child may take to do what it was asked for, before another is asked.
const PATIENCE: Duration = Duration::from_secs(5);

/// Something wrong with a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mischief {
    /// Somebody kills it with SIGKILL.
    Killed,
    /// Somebody stops it with SIGSTOP, for good.
    Stopped,
    /// It exits with 1.
    Exit,
    /// It prints what is no message.
    Garbage,
    /// It prints four megabytes.
    FloodStdout,
    /// It logs four megabytes.
    FloodStderr,
    /// It never answers.
    Hang,
    /// It leaves a process in its group that holds its pipes and ignores SIGTERM.
    LeaveBehind,
    /// It starts a process that leaves its session.
    Escape,
}

impl Mischief {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Killed,
        Self::Exit,
        Self::Stopped,
        Self::Garbage,
        Self::Hang,
        Self::FloodStdout,
        Self::LeaveBehind,
        Self::FloodStderr,
        Self::Escape,
    ];

    /// Its name, which a child knows it by.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Killed => "killed",
            Self::Stopped => "stopped",
            Self::Exit => "exit",
            Self::Garbage => "garbage",
            Self::FloodStdout => "flood-stdout",
            Self::FloodStderr => "flood-stderr",
            Self::Hang => "hang",
            Self::LeaveBehind => "leave-behind",
            Self::Escape => "escape",
        }
    }
}

/// What was asked for, and what came of it.
#[derive(Debug)]
pub struct Mischiefs {
    directory: PathBuf,
    /// Asked for, and not yet done.
    open: Vec<Open>,
    /// To be asked of a child, the first time or again.
    wanted: Vec<Wanted>,
    /// Shards whose children are left alone.
    spared: BTreeSet<String>,
    /// How often each was done.
    pub done: BTreeMap<Mischief, usize>,
    /// To whom.
    pub victims: Vec<Victim>,
}

/// A child that did wrong, or that wrong was done to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Victim {
    /// The name of its journal.
    pub journal: String,
    /// When that was seen, in microseconds of CLOCK_MONOTONIC.
    pub t: u64,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    mischief: Mischief,
    victim: u64,
}

#[derive(Debug)]
struct Open {
    wanted: Wanted,
    pid: i32,
    journal: String,
    since: Instant,
}

impl Mischiefs {
    /// None yet, in the directory of the children's journals.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            open: Vec::new(),
            wanted: Vec::new(),
            spared: BTreeSet::new(),
            done: BTreeMap::new(),
            victims: Vec::new(),
        }
    }

    /// Leaves the children of these shards alone from now on, and no others; while there are some,
    /// nothing is asked of a child that already hangs either.
    pub fn spare(&mut self, shards: BTreeSet<String>) {
        self.spared = shards;
    }

    /// How many were done.
    #[must_use]
    pub fn count(&self) -> usize {
        self.done.values().sum()
    }

    /// Whether something was asked for that has not been done.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.open.is_empty() || !self.wanted.is_empty()
    }

    /// Whether this was asked for and has not been done.
    #[must_use]
    pub fn is_wanted(&self, mischief: Mischief) -> bool {
        let open = self.open.iter().map(|open| &open.wanted);
        open.chain(&self.wanted).any(|wanted| wanted.mischief == mischief)
    }

    /// Does it to one of the children, or asks one for it, as soon as there is one.
    pub fn ask(&mut self, mischief: Mischief, victim: u64) {
        self.wanted.push(Wanted { mischief, victim });
    }

    /// Lets those go on that were stopped for good: one that is handed nothing more would stay as
    /// it is until its daemon ends.
    pub fn calm(&self, processes: &Processes) {
        for process in processes.all.iter().filter(|process| process.worker.is_some()) {
            if process.state == 'T' {
                signal(process.pid, Signal::CONT);
            }
        }
    }

    /// Kills a child of a daemon that is short of descriptors, since the one in its place needs
    /// some; says whether there was one.
    #[must_use]
    pub fn kill_one_of(&self, daemon: i32, processes: &Processes) -> bool {
        let mut children = processes.children(daemon);
        let child = children.find(|child| self.journal(child).is_some());
        child.map(|child| signal(child.pid, Signal::KILL)).is_some()
    }

    /// Whether a child is still there that does not answer any more.
    #[must_use]
    pub fn is_hanging(&self, processes: &Processes) -> bool {
        processes.all.iter().any(|process| self.has_done(process.pid, Mischief::Hang))
    }

    /// Sees what was done, and asks others for what was not. `daemons` are the pids of those whose
    /// children may be victims.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn poll(&mut self, processes: &Processes, daemons: &[i32]) -> Result<(), Error> {
        let mut open = Vec::new();
        for asked in std::mem::take(&mut self.open) {
            let mischief = asked.wanted.mischief;
            if self.has_done(asked.pid, mischief) {
                self.see(mischief, asked.journal);
                continue;
            }
            let is_alive = processes.all.iter().any(|process| process.pid == asked.pid);
            if is_alive && asked.since.elapsed() < PATIENCE {
                open.push(asked);
                continue;
            }
            // Who takes the file away has it: a child that was about to look has not done it.
            let file = mode_file(&self.directory, asked.pid);
            if fs::remove_file(&file).is_ok() {
                self.wanted.push(asked.wanted);
            } else {
                open.push(asked);
            }
        }
        self.open = open;
        for wanted in std::mem::take(&mut self.wanted) {
            self.try_ask(wanted, processes, daemons)?;
        }
        Ok(())
    }

    fn try_ask(
        &mut self,
        wanted: Wanted,
        processes: &Processes,
        daemons: &[i32],
    ) -> Result<(), Error> {
        let is_free = |process: &&Process| {
            daemons.contains(&process.parent)
                && process.state != 'T'
                && self
                    .journal(process)
                    .is_some_and(|journal| self.may_be_victim(process, &journal))
                && self.open.iter().all(|open| open.pid != process.pid)
        };
        let children: Vec<&Process> = processes.all.iter().filter(is_free).collect();
        if children.is_empty() {
            self.wanted.push(wanted);
            return Ok(());
        }
        let Wanted { mischief, victim } = wanted;
        let index = victim % u64::try_from(children.len()).expect("few");
        let child = children[usize::try_from(index).expect("few")];
        let pid = child.pid;
        let journal = self.journal(child).expect("a free child has one");
        match mischief {
            Mischief::Killed => signal(pid, Signal::KILL),
            Mischief::Stopped => signal(pid, Signal::STOP),
            Mischief::Exit
            | Mischief::Garbage
            | Mischief::FloodStdout
            | Mischief::FloodStderr
            | Mischief::Hang
            | Mischief::LeaveBehind
            | Mischief::Escape => {
                self.write_mode(pid, mischief)?;
                self.open.push(Open { wanted, pid, journal, since: Instant::now() });
                return Ok(());
            }
        }
        self.see(mischief, journal);
        Ok(())
    }

    fn see(&mut self, mischief: Mischief, journal: String) {
        *self.done.entry(mischief).or_default() += 1;
        self.victims.push(Victim { journal, t: now_micros() });
    }

    /// Whether a child has told that it did it.
    fn has_done(&self, pid: i32, mischief: Mischief) -> bool {
        self.directory.join(format!("did-{pid}-{}", mischief.name())).exists()
    }

    /// The name of its journal, if it has come so far that it keeps one.
    fn journal(&self, process: &Process) -> Option<String> {
        let name = journal_name(process.worker.as_deref()?, process.pid);
        self.directory.join(&name).exists().then_some(name)
    }

    /// Whether its shard is not spared; as long as some are, its shard has to be known.
    fn may_be_victim(&self, process: &Process, journal: &str) -> bool {
        if self.spared.is_empty() {
            return true;
        }
        let shard = shard_of(&self.directory.join(journal));
        shard.is_some_and(|shard| !self.spared.contains(&shard))
            && !self.has_done(process.pid, Mischief::Hang)
    }

    /// The file is there with all its bytes, or not at all.
    fn write_mode(&self, pid: i32, mischief: Mischief) -> Result<(), Error> {
        let half = self.directory.join(format!("half-mode-{pid}"));
        fs::write(&half, mischief.name()).map_err(Error::file(&half))?;
        let file = mode_file(&self.directory, pid);
        fs::rename(&half, &file).map_err(Error::file(&file))
    }
}

fn mode_file(directory: &Path, pid: i32) -> PathBuf {
    directory.join(format!("mode-{pid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn child(pid: i32) -> Process {
        Process {
            pid,
            parent: 1_000_000,
            session: 1,
            state: 'S',
            worker: Some("daemon1-1".to_owned()),
        }
    }

    fn world(directory: &Path, pids: &[i32]) -> Processes {
        for pid in pids {
            fs::write(directory.join(format!("hand-daemon1-1-{pid}.jsonl")), "").unwrap();
        }
        Processes::of(pids.iter().map(|pid| child(*pid)).collect())
    }

    #[test]
    fn what_a_child_has_not_done_before_its_end_is_asked_of_another() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let mut mischiefs = Mischiefs::new(directory);
        mischiefs.ask(Mischief::Hang, 0);
        mischiefs.poll(&world(directory, &[2_000_001]), &[1_000_000]).unwrap();
        assert_eq!(fs::read(mode_file(directory, 2_000_001)).unwrap(), b"hang");

        let others = world(directory, &[2_000_002]);
        mischiefs.poll(&others, &[1_000_000]).unwrap();
        assert!(!mode_file(directory, 2_000_001).exists());
        assert_eq!(mischiefs.count(), 0);
        assert!(mischiefs.is_wanted(Mischief::Hang));

        let did = directory.join("did-2000002-hang");
        fs::rename(mode_file(directory, 2_000_002), did).unwrap();
        mischiefs.poll(&others, &[1_000_000]).unwrap();
        assert_eq!((mischiefs.count(), mischiefs.is_open()), (1, false));
        assert_eq!(mischiefs.victims[0].journal, "hand-daemon1-1-2000002.jsonl");
        assert!(!mischiefs.is_wanted(Mischief::Hang));
    }

    #[test]
    fn a_child_hangs_until_it_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let mischiefs = Mischiefs::new(directory.path());
        let processes = world(directory.path(), &[2_000_001]);
        assert!(!mischiefs.is_hanging(&processes));
        fs::write(directory.path().join("did-2000001-hang"), "").unwrap();
        assert!(mischiefs.is_hanging(&processes));
        assert!(!mischiefs.is_hanging(&world(directory.path(), &[])));
    }

    #[test]
    fn children_of_others_and_those_that_are_stopped_are_no_victims() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let mut mischiefs = Mischiefs::new(directory);
        mischiefs.ask(Mischief::Exit, 0);
        let mut processes = world(directory, &[2_000_001]);
        mischiefs.poll(&processes, &[5]).unwrap();
        processes.all[0].state = 'T';
        mischiefs.poll(&processes, &[1_000_000]).unwrap();
        assert!(!mode_file(directory, 2_000_001).exists());
        assert!(mischiefs.is_open());
    }

    #[test]
    fn children_of_spared_shards_and_of_unknown_ones_are_no_victims() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let processes = world(directory, &[2_000_001, 2_000_002]);
        let start = |pid: i32, shard: &str| {
            let text = format!("{{\"e\":\"start\",\"t\":1,\"shard\":\"{shard}\"}}\n");
            fs::write(directory.join(journal_name("daemon1-1", pid)), text).unwrap();
        };
        let mut mischiefs = Mischiefs::new(directory);
        mischiefs.spare(BTreeSet::from(["x".to_owned()]));
        mischiefs.ask(Mischief::Exit, 0);
        start(2_000_001, "x");
        mischiefs.poll(&processes, &[1_000_000]).unwrap();
        assert!(!mode_file(directory, 2_000_001).exists());
        start(2_000_002, "y");
        fs::write(directory.join("did-2000002-hang"), "").unwrap();
        mischiefs.poll(&processes, &[1_000_000]).unwrap();
        assert!(!mode_file(directory, 2_000_002).exists());
        fs::remove_file(directory.join("did-2000002-hang")).unwrap();
        mischiefs.poll(&processes, &[1_000_000]).unwrap();
        assert!(mode_file(directory, 2_000_002).exists());
    }
}
