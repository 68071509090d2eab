//! How much memory daemons take (I33).

use std::collections::BTreeMap;
use std::fs;

use crate::processes::Processes;

/// Of a daemon that has no child; it is built for tests, and larger than one that is released.
const BASE: u64 = 64 << 20;
/// For each child: the records that wait for it, an answer of Kinesis that is read, a batch as a
/// line, and the longest line that it may print, twice.
const PER_CHILD: u64 = (8 + 2 + 4 + 2) << 20;

/// What each daemon has taken at most, in bytes, and how many children it had at most.
#[derive(Debug, Default)]
pub struct Memory {
    daemons: BTreeMap<i32, Most>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Most {
    bytes: u64,
    children: u64,
}

impl Memory {
    /// Looks at the daemons that are up.
    pub fn look(&mut self, processes: &Processes, daemons: &[i32]) {
        for pid in daemons {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let children = u64::try_from(processes.children(*pid).count()).expect("few");
            self.add(*pid, peak(&status), children);
        }
    }

    fn add(&mut self, pid: i32, bytes: u64, children: u64) {
        let most = self.daemons.entry(pid).or_default();
        most.bytes = bytes.max(most.bytes);
        most.children = children.max(most.children);
    }

    /// What the largest one took, in bytes.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.daemons.values().map(|most| most.bytes).max().unwrap_or_default()
    }

    /// Those that took more than their children need.
    #[must_use]
    pub fn excesses(&self) -> Vec<String> {
        let is_excess = |most: &Most| most.bytes > BASE + most.children * PER_CHILD;
        let excesses = self.daemons.iter().filter(|(_, most)| is_excess(most));
        excesses.map(|(pid, most)| format!("{pid}: {most:?}")).collect()
    }
}

/// The most resident memory that a process had, out of /proc/PID/status; 0 if it has ended.
fn peak(status: &str) -> u64 {
    let value = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = value.and_then(|value| value.trim().strip_suffix(" kB"));
    number.and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() * 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_read_of_what_the_kernel_says() {
        assert_eq!(
            peak("Name:\tshardwise\nVmHWM:\t   45996 kB\nVmRSS:\t 40000 kB\n"),
            45_996 * 1_024
        );
        assert_eq!(peak(""), 0);
        let mut memory = Memory::default();
        memory.look(&Processes::default(), &[i32::try_from(std::process::id()).unwrap()]);
        assert!(memory.peak() > 1 << 20);
    }

    #[test]
    fn what_children_need_is_no_excess_and_more_than_that_is() {
        let mut memory = Memory::default();
        memory.add(1, BASE + 2 * PER_CHILD, 2);
        memory.add(1, 1, 0);
        assert!(memory.excesses().is_empty());
        memory.add(2, BASE + 2 * PER_CHILD + 1, 2);
        assert_eq!(memory.excesses().len(), 1);
    }
}
