//! What daemons leave behind: processes, zombies, descriptors.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::fleet::Death;
use crate::processes::{Processes, own_session};

/// How long a process may outlive its daemon, or stay a zombie.
pub const OUTLIVE_MAX: Duration = Duration::from_secs(5);

/// How many connections a daemon may have: a few for each shard, to both services, which it keeps
/// for a while when a call is over.
const SOCKETS_MAX: usize = 64;
/// How many descriptors it may have that are of no child and no connection.
const OTHERS_MAX: usize = 16;

/// What was left behind so far.
#[derive(Debug, Default)]
pub struct Remains {
    /// Daemons whose processes are not all gone.
    watched: Vec<Death>,
    /// How many deaths are watched, or were.
    deaths: usize,
    /// The longest that anything outlived its daemon.
    pub longest: Duration,
    /// Processes that outlived their daemon by too much.
    pub outlived: Vec<String>,
    /// Since when a daemon has a child that has ended and that it has not waited for.
    zombies: BTreeMap<i32, Instant>,
    /// Those that it has not waited for too long.
    pub lasting_zombies: Vec<String>,
}

impl Remains {
    /// Looks at what is left of the daemons that have ended, and at the children of those that run.
    pub fn look(&mut self, deaths: &[Death], processes: &Processes, daemons: &[i32]) {
        for death in &deaths[self.deaths..] {
            self.watched.push(death.clone());
        }
        self.deaths = deaths.len();
        self.look_for_orphans(processes);
        self.look_for_zombies(processes, daemons);
    }

    fn look_for_orphans(&mut self, processes: &Processes) {
        let session = own_session();
        let (longest, outlived) = (&mut self.longest, &mut self.outlived);
        self.watched.retain(|death| {
            let Death { worker, pid, seen, .. } = death;
            let left: Vec<_> = processes.of_worker(worker, *pid, session).collect();
            let since = seen.elapsed();
            if left.is_empty() {
                return false;
            }
            *longest = since.max(*longest);
            let is_too_long = since > OUTLIVE_MAX;
            if is_too_long {
                // Once told, nobody waits for its end any more: the run is to come to a verdict.
                outlived.extend(left.iter().map(|it| format!("{worker}: {}", command(it.pid))));
            }
            !is_too_long
        });
    }

    fn look_for_zombies(&mut self, processes: &Processes, daemons: &[i32]) {
        let now = Instant::now();
        let ended = processes.all.iter().filter(|it| it.state == 'Z');
        let zombies: BTreeMap<i32, i32> =
            ended.filter(|it| daemons.contains(&it.parent)).map(|it| (it.pid, it.parent)).collect();
        self.zombies.retain(|pid, _| zombies.contains_key(pid));
        for (pid, parent) in zombies {
            let since = *self.zombies.entry(pid).or_insert(now);
            if now - since > OUTLIVE_MAX {
                self.lasting_zombies.push(format!("{pid} of {parent}"));
                self.zombies.insert(pid, now);
            }
        }
    }

    /// Whether something is left of a daemon that has ended.
    #[must_use]
    pub fn is_something_left(&self) -> bool {
        !self.watched.is_empty()
    }
}

/// What a process was started as.
fn command(pid: i32) -> String {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid} `{}`", String::from_utf8_lossy(&command).replace('\0', " ").trim_end())
}

/// The descriptors of a process.
///
/// Each child has three pipes and one handle; the guard one of each. Nothing else of a daemon has
/// any, but for pipes that it was born with; so what is beyond that is a leak. Connections come and
/// go with the calls that are made at once, and what is left is the same for every daemon: its log,
/// and what it waits on for events and signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptors {
    /// Ends of pipes.
    pub pipes: usize,
    /// Handles on processes.
    pub handles: usize,
    /// Connections.
    pub sockets: usize,
    /// Everything else.
    pub others: usize,
    /// Children, the guard among them.
    pub children: usize,
}

impl Descriptors {
    /// Those of a daemon that we have started.
    #[must_use]
    pub fn of(pid: i32, processes: &Processes) -> Self {
        // What we were born with is passed on to whatever we start.
        let (inherited, own) = (descriptors("self"), descriptors(&pid.to_string()));
        let own = || own.iter().filter(|name| !inherited.contains(*name));
        let pipes = own().filter(|name| name.starts_with("pipe:")).count();
        let handles = own().filter(|name| *name == "anon_inode:[pidfd]").count();
        let sockets = own().filter(|name| name.starts_with("socket:")).count();
        Self {
            pipes,
            handles,
            sockets,
            others: own().count() - pipes - handles - sockets,
            children: processes.children(pid).count(),
        }
    }

    /// Whether there are no more than the children and the shards need.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let children = self.children.saturating_sub(1);
        let is_of_children = self.pipes <= 3 * children + 1 && self.handles <= children + 1;
        is_of_children && self.sockets <= SOCKETS_MAX && self.others <= OTHERS_MAX
    }
}

/// What the descriptors of a process are of.
fn descriptors(process: &str) -> Vec<String> {
    let links = fs::read_dir(format!("/proc/{process}/fd")).into_iter().flatten().flatten();
    let names = links.filter_map(|link| fs::read_link(link.path()).ok());
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::How;
    use crate::processes::Process;

    fn world(state: char, parent: i32) -> Processes {
        let worker = Some("a".to_owned());
        let process = Process { pid: 3_000_000, parent, session: own_session(), state, worker };
        Processes::of(vec![process])
    }

    fn death(ago: Duration) -> Death {
        let seen = Instant::now().checked_sub(ago).unwrap();
        Death { worker: "a".to_owned(), pid: 7, t: 0, seen, how: How::Killed }
    }

    #[test]
    fn what_is_there_too_long_after_its_daemon_is_told_once() {
        let deaths = [death(Duration::from_secs(6))];
        let mut remains = Remains::default();
        remains.look(&deaths, &world('S', 1), &[]);
        remains.look(&deaths, &world('S', 1), &[]);
        assert_eq!(remains.outlived.len(), 1);
        assert!(!remains.is_something_left(), "nobody waits for it any more");
    }

    #[test]
    fn what_goes_in_time_is_no_fault() {
        let deaths = [death(Duration::from_secs(4))];
        let mut remains = Remains::default();
        remains.look(&deaths, &world('S', 1), &[]);
        assert!(remains.is_something_left());
        remains.look(&deaths, &world('Z', 1), &[]);
        assert!(remains.outlived.is_empty() && !remains.is_something_left());
        assert!(remains.longest >= Duration::from_secs(4));
    }

    #[test]
    fn a_zombie_lasts_only_if_its_daemon_does_not_wait_for_it() {
        let mut remains = Remains::default();
        remains.look(&[], &world('Z', 7), &[7]);
        let long_ago = Instant::now().checked_sub(Duration::from_secs(6)).unwrap();
        remains.zombies.insert(3_000_000, long_ago);
        remains.look(&[], &world('Z', 1), &[7]);
        assert!(remains.zombies.is_empty());
        remains.zombies.insert(3_000_000, long_ago);
        remains.look(&[], &world('Z', 7), &[7]);
        assert_eq!(remains.lasting_zombies.len(), 1);
    }

    #[test]
    fn one_pipe_more_than_the_children_need_is_a_leak() {
        let of = |pipes, handles, sockets, others| {
            Descriptors { pipes, handles, sockets, others, children: 3 }.is_balanced()
        };
        assert!(of(7, 3, 9, 9) && of(6, 2, 64, 16));
        assert!(!of(8, 3, 9, 9) && !of(7, 4, 9, 9) && !of(7, 3, 65, 9) && !of(7, 3, 9, 17));
    }
}
