//! What a daemon takes of the machine at one moment.

use std::fmt;
use std::fs;

use super::SHARDS;
use crate::processes::Processes;

/// By how much its memory may grow: pages that the allocator keeps come and go.
const GROWTH_BYTES: u64 = 16 << 20;
/// Connections come and go with the calls that are made at once: one of each shard to each service,
/// and a few that are not a shard's.
const SOCKETS_MAX: usize = 2 * SHARDS as usize + 8;

/// Of a daemon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Descriptors that are open, connections apart.
    pub descriptors: usize,
    /// Connections.
    pub sockets: usize,
    /// Its processes, the daemon itself among them, and whatever they started.
    pub processes: usize,
    /// Resident bytes of the daemon.
    pub bytes: u64,
}

impl Usage {
    /// Of a worker's daemon, which this process has started.
    #[must_use]
    pub fn of(pid: i32, worker: &str, processes: &Processes) -> Self {
        let links = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        let names: Vec<String> = links
            .filter_map(|link| fs::read_link(link.path()).ok())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        let sockets = names.iter().filter(|name| name.starts_with("socket:")).count();
        let is_of = |parent| processes.all.iter().filter(move |process| process.parent == parent);
        let known = processes.all.iter().filter(|it| it.worker.as_deref() == Some(worker));
        // One that has ended has no environment to be known by, but still its parent.
        let ended = is_of(pid).filter(|process| process.worker.is_none());
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        Self {
            descriptors: names.len() - sockets,
            sockets,
            processes: known.count() + ended.count(),
            bytes: resident(&status),
        }
    }

    /// Whether this is no more than what was before.
    #[must_use]
    pub fn has_not_grown_from(&self, before: &Self) -> bool {
        self.descriptors <= before.descriptors
            && self.sockets <= SOCKETS_MAX.max(before.sockets)
            && self.processes <= before.processes
            && self.bytes <= before.bytes + GROWTH_BYTES
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { descriptors, sockets, processes, bytes } = self;
        let mib = bytes >> 20;
        write!(f, "{descriptors} descriptors, {sockets} sockets, {processes} processes, {mib} MiB")
    }
}

/// Out of /proc/PID/status.
fn resident(status: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = value.and_then(|value| value.trim().strip_suffix(" kB"));
    number.and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Usage = Usage { descriptors: 9, sockets: 2, processes: 3, bytes: 100 << 20 };

    #[test]
    fn one_descriptor_or_process_more_is_growth() {
        assert!(BEFORE.has_not_grown_from(&BEFORE));
        assert!(!Usage { descriptors: 10, ..BEFORE }.has_not_grown_from(&BEFORE));
        assert!(!Usage { processes: 4, ..BEFORE }.has_not_grown_from(&BEFORE));
        assert!(!Usage { sockets: SOCKETS_MAX + 1, ..BEFORE }.has_not_grown_from(&BEFORE));
        assert!(!Usage { bytes: 117 << 20, ..BEFORE }.has_not_grown_from(&BEFORE));
        assert!(
            Usage { bytes: 116 << 20, sockets: SOCKETS_MAX, ..BEFORE }.has_not_grown_from(&BEFORE)
        );
    }

    #[test]
    fn this_process_has_descriptors_and_memory() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let usage = Usage::of(pid, "nobody", &Processes::default());
        assert!(usage.descriptors > 2 && usage.bytes > 1 << 20, "{usage}");
    }
}
