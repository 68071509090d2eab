//! Whether a daemon that says it ended in order did: its rows released, its children ended.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;
use shardwise_demo::error::Error;

/// How long after the signal a daemon may still not know of it, on a busy machine.
const SIGNAL_MICROS: u64 = 1_000_000;

/// The writes to the lease table.
#[derive(Debug, Default)]
pub struct LeaseWrites {
    writes: Vec<LeaseWrite>,
}

#[derive(Debug)]
struct LeaseWrite {
    t: u64,
    key: String,
    /// Who holds the lease after it, unless its shard is finished.
    owner: Option<String>,
}

impl LeaseWrites {
    /// Reads `lease.jsonl` in a directory.
    ///
    /// # Errors
    ///
    /// When it cannot be read.
    pub fn read(directory: &Path) -> Result<Self, Error> {
        let lines = lines::<Value>(&directory.join("lease.jsonl"))?;
        Ok(Self { writes: lines.iter().filter_map(LeaseWrite::of).collect() })
    }

    /// Whether a worker ever had a lease.
    #[must_use]
    pub fn has_owned(&self, worker: &str) -> bool {
        self.writes.iter().any(|write| write.owner.as_deref() == Some(worker))
    }

    /// The leases that a worker holds at a time.
    #[must_use]
    pub fn held(&self, worker: &str, t: u64) -> Vec<&str> {
        let mut owners = BTreeMap::new();
        for write in self.writes.iter().filter(|write| write.t <= t) {
            owners.insert(write.key.as_str(), write.owner.as_deref());
        }
        let held = owners.into_iter().filter(|(_, owner)| *owner == Some(worker));
        held.map(|(key, _)| key).collect()
    }
}

impl LeaseWrite {
    fn of(line: &Value) -> Option<Self> {
        let after = &line["after"];
        let is_finished = after["checkpoint"]["S"] == "SHARD_END";
        let owner = after["leaseOwner"]["S"].as_str().filter(|_| !is_finished);
        Some(Self {
            t: line["t"].as_u64()?,
            key: line["key"].as_str()?.to_owned(),
            owner: owner.map(str::to_owned),
        })
    }
}

/// The children of a worker that went on after it was asked to end, and were never told to: by the
/// names of their journals.
///
/// # Errors
///
/// When a journal cannot be read.
pub fn children_not_told(
    directory: &Path,
    worker: &str,
    asked_t: u64,
) -> Result<Vec<String>, Error> {
    let mut not_told = Vec::new();
    for entry in directory.read_dir().map_err(Error::file(directory))? {
        let path = entry.map_err(Error::file(directory))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with(&format!("hand-{worker}-")) {
            continue;
        }
        let events = lines::<Value>(&path)?;
        let last_t = events.last().and_then(|event| event["t"].as_u64()).unwrap_or_default();
        let was_told = events.iter().any(|event| event["e"] == "end");
        if last_t > asked_t + SIGNAL_MICROS && !was_told {
            not_told.push(name);
        }
    }
    Ok(not_told)
}

/// The lines of a journal; the last one may be unfinished.
pub(crate) fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Error> {
    let file = File::open(path).map_err(Error::file(path))?;
    let mut lines = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(Error::file(path))?;
        if let Ok(line) = serde_json::from_str(&line) {
            lines.push(line);
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(t: u64, key: &str, owner: &str, checkpoint: &str) -> String {
        let after = serde_json::json!({
            "leaseOwner": { "S": owner }, "checkpoint": { "S": checkpoint },
        });
        serde_json::json!({ "t": t, "key": key, "after": after }).to_string()
    }

    #[test]
    fn a_lease_is_held_until_another_write_or_its_end() {
        let directory = tempfile::tempdir().unwrap();
        let text = [
            write(1, "a", "one", "5"),
            write(2, "b", "one", "5"),
            write(3, "a", "two", "6"),
            write(4, "b", "one", "SHARD_END"),
            serde_json::json!({ "t": 5, "key": "a", "after": null }).to_string(),
        ];
        fs::write(directory.path().join("lease.jsonl"), text.join("\n")).unwrap();
        let writes = LeaseWrites::read(directory.path()).unwrap();
        assert_eq!(writes.held("one", 2), ["a", "b"]);
        assert_eq!(writes.held("one", 3), ["b"]);
        assert_eq!(writes.held("two", 3), ["a"]);
        assert!(writes.held("one", 4).is_empty() && writes.held("two", 5).is_empty());
    }

    #[test]
    fn a_child_that_went_on_must_have_been_told() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        let hand = "{\"e\":\"start\",\"t\":1}\n{\"e\":\"hand\",\"t\":5000000}\n";
        write("hand-daemon1-1-7.jsonl", hand);
        write("hand-daemon1-1-8.jsonl", &format!("{hand}{{\"e\":\"end\",\"t\":5000001}}\n"));
        write("hand-daemon1-10-7.jsonl", hand);
        let not_told = |t| children_not_told(directory.path(), "daemon1-1", t).unwrap();
        assert_eq!(not_told(3_000_000), ["hand-daemon1-1-7.jsonl"]);
        assert!(not_told(4_500_000).is_empty(), "it may not have been told yet");
    }
}
