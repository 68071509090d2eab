//! When records were handed to children, by their journals.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use shardwise_demo::error::Error;

use crate::released::lines;

/// What one child was handed, which has one shard as long as it lives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hands {
    /// The name of its journal.
    pub journal: String,
    /// Whose child it is.
    pub worker: String,
    /// Its shard; none before it has started.
    pub shard: String,
    /// When it was handed records, in microseconds of CLOCK_MONOTONIC.
    pub times: Vec<u64>,
}

#[derive(Deserialize)]
struct Line {
    e: String,
    t: u64,
    #[serde(default)]
    worker: String,
    #[serde(default)]
    shard: String,
    #[serde(default)]
    records: Vec<IgnoredAny>,
}

/// The name of a child's journal.
#[must_use]
pub fn journal_name(worker: &str, pid: i32) -> String {
    format!("hand-{worker}-{pid}.jsonl")
}

/// The shard of the child with this journal, once it has started: the first that it writes down.
#[must_use]
pub fn shard_of(journal: &Path) -> Option<String> {
    let mut line = String::new();
    BufReader::new(File::open(journal).ok()?).read_line(&mut line).ok()?;
    let line: Line = serde_json::from_str(&line).ok()?;
    (line.e == "start").then_some(line.shard)
}

impl Hands {
    /// Those of every child that has a journal in a directory.
    ///
    /// # Errors
    ///
    /// When a journal cannot be read.
    pub fn of_all(directory: &Path) -> Result<Vec<Self>, Error> {
        let mut all = Vec::new();
        for entry in directory.read_dir().map_err(Error::file(directory))? {
            let name = entry.map_err(Error::file(directory))?.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("hand-") {
                all.push(Self::of(directory, &name)?);
            }
        }
        Ok(all)
    }

    fn of(directory: &Path, journal: &str) -> Result<Self, Error> {
        let mut hands = Self { journal: journal.to_owned(), ..Self::default() };
        for line in lines::<Line>(&directory.join(journal))? {
            match line.e.as_str() {
                "start" => (hands.worker, hands.shard) = (line.worker, line.shard),
                "hand" if !line.records.is_empty() => hands.times.push(line.t),
                _ => {}
            }
        }
        Ok(hands)
    }
}

/// When records of each shard were handed over, to whichever child, in order.
#[must_use]
pub fn by_shard(all: &[Hands]) -> BTreeMap<&str, Vec<u64>> {
    let mut shards: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for hands in all {
        shards.entry(&hands.shard).or_default().extend(&hands.times);
    }
    shards.values_mut().for_each(|times| times.sort_unstable());
    shards
}

/// The largest pause between two hand-overs of one shard, in microseconds, and whose it is.
#[must_use]
pub fn largest_gap(all: &[Hands]) -> Option<(u64, &str)> {
    let gap = |times: &[u64]| times.windows(2).map(|pair| pair[1] - pair[0]).max();
    let gaps = by_shard(all).into_iter().map(|(shard, times)| (gap(&times).unwrap_or(0), shard));
    gaps.max()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const HAND: &str = r#"{"e":"hand","t":5,"records":[{"seq":"1"}]}"#;
    const EMPTY: &str = r#"{"e":"hand","t":6,"records":[]}"#;

    #[test]
    fn a_journal_says_whose_child_it_is_and_when_it_was_handed_records() {
        let directory = tempfile::tempdir().unwrap();
        let start = r#"{"e":"start","t":1,"worker":"a-1","shard":"x"}"#;
        let text = format!("{start}\n{HAND}\n{EMPTY}\n{{\"e\":\"ha");
        fs::write(directory.path().join(journal_name("a-1", 7)), text).unwrap();
        fs::write(directory.path().join("lease.jsonl"), HAND).unwrap();
        let wanted = Hands {
            journal: "hand-a-1-7.jsonl".to_owned(),
            worker: "a-1".to_owned(),
            shard: "x".to_owned(),
            times: vec![5],
        };
        assert_eq!(Hands::of_all(directory.path()).unwrap(), [wanted]);
        let shard = |name: &str| shard_of(&directory.path().join(name));
        assert_eq!(shard("hand-a-1-7.jsonl").as_deref(), Some("x"));
        assert_eq!(shard("lease.jsonl").or(shard("none")), None);
    }

    #[test]
    fn the_largest_gap_is_within_a_shard() {
        let child = |shard: &str, times: &[u64]| Hands {
            shard: shard.to_owned(),
            times: times.to_owned(),
            ..Hands::default()
        };
        let all = [child("x", &[35]), child("x", &[10]), child("y", &[900])];
        assert_eq!(largest_gap(&all), Some((25, "x")));
        assert_eq!(largest_gap(&[]), None);
    }
}
