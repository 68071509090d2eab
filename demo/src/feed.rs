//! The records: flights out of a public data set, and what their totals are.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::error::Error;

/// A record to put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its bytes.
    pub data: Vec<u8>,
    /// Its partition key.
    pub key: String,
}

/// What all flights from one airport add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Total {
    /// How many.
    pub flights: u64,
    /// Minutes of delay; early ones count less than nothing.
    pub delay: i64,
    /// Miles.
    pub distance: i64,
}

/// Totals by airport.
pub type Totals = BTreeMap<String, Total>;

#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Flight { origin: String },
    Totals { totals: Totals },
}

/// Reads the first `rows` flights and the totals computed from the file's columns.
///
/// # Errors
///
/// When the script does not run, or does not print what it should.
pub fn read(directory: &Path, rows: usize) -> Result<(Vec<Row>, Totals), Error> {
    let name = "flights.mjs";
    let mut child = Command::new("node")
        .arg(directory.join(name))
        .arg(rows.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|source| Error::Start { program: format!("node {name}"), source })?;
    let stdout = child.stdout.take().expect("stdout was asked for");
    let read = read_lines(BufReader::new(stdout), name);
    let status = child.wait().map_err(Error::file(directory.join(name)))?;
    if !status.success() {
        return Err(Error::Ended { program: name.to_owned(), status, log: "stderr".into() });
    }
    read
}

fn read_lines(lines: impl BufRead, name: &str) -> Result<(Vec<Row>, Totals), Error> {
    let mut rows = Vec::new();
    for line in lines.lines() {
        let line = line.map_err(Error::file(name))?;
        match serde_json::from_str(&line) {
            Ok(Line::Flight { origin }) => rows.push(Row { data: line.into_bytes(), key: origin }),
            Ok(Line::Totals { totals }) => return Ok((rows, totals)),
            Err(_) => return Err(Error::Said { program: name.to_owned(), line }),
        }
    }
    Err(Error::Said { program: name.to_owned(), line: "no totals".to_owned() })
}

/// Flights that nobody flew, for small runs that need no data set.
#[must_use]
pub fn made_up(rows: usize) -> (Vec<Row>, Totals) {
    let mut totals = Totals::new();
    let mut made = Vec::with_capacity(rows);
    for row in 0..rows {
        let origin = format!("A{:02}", row * 7 % 40);
        let delay = i64::try_from(row % 50).expect("below 50") - 10;
        let distance = i64::try_from(100 + row % 900).expect("below 1000");
        let total = totals.entry(origin.clone()).or_default();
        *total = total.with(delay, distance);
        let data = format!(
            "{{\"row\":{row},\"delay\":{delay},\"distance\":{distance},\"origin\":\"{origin}\"}}"
        );
        made.push(Row { data: data.into_bytes(), key: origin });
    }
    (made, totals)
}

impl Total {
    /// One flight more.
    #[must_use]
    pub fn with(self, delay: i64, distance: i64) -> Self {
        Self {
            flights: self.flights + 1,
            delay: self.delay + delay,
            distance: self.distance + distance,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_their_bytes_and_totals_end_the_feed() {
        let text = "{\"row\":0,\"origin\":\"LAS\"}\n\
                    {\"totals\":{\"LAS\":{\"flights\":1,\"delay\":-3,\"distance\":5}}}\n";
        let (rows, totals) = read_lines(text.as_bytes(), "test").unwrap();
        assert_eq!(rows[0].key, "LAS");
        assert_eq!(rows[0].data, b"{\"row\":0,\"origin\":\"LAS\"}");
        assert_eq!(totals["LAS"], Total { flights: 1, delay: -3, distance: 5 });
    }

    #[test]
    fn a_feed_without_totals_is_an_error() {
        assert!(read_lines(&b"{\"row\":0,\"origin\":\"LAS\"}\n"[..], "test").is_err());
        assert!(read_lines(&b"nonsense\n"[..], "test").is_err());
    }
}
