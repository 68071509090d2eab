//! A child that does as little as a child can: it notes when records came, and rests.

use std::fs::OpenOptions;
use std::io::{self, BufRead, Write};
use std::time::Duration;

use serde::Deserialize;

use crate::args::ChildArguments;
use crate::clock::now_micros;
use crate::error::Error;

#[derive(Deserialize)]
struct Message {
    action: String,
    #[serde(default)]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "partitionKey")]
    partition_key: String,
}

/// Answers every message of the daemon until there are no more.
///
/// # Errors
///
/// When a pipe or the journal breaks, or a message is none.
pub fn answer(arguments: &ChildArguments) -> Result<(), Error> {
    let mut journal = match &arguments.journal {
        Some(path) => {
            let file = OpenOptions::new().create(true).append(true).open(path);
            Some((path, file.map_err(Error::file(path))?))
        }
        None => None,
    };
    for line in io::stdin().lock().lines() {
        let line = line.map_err(Error::file("standard input"))?;
        let t = now_micros();
        let message: Message = serde_json::from_str(&line)
            .map_err(|_| Error::Said { program: "the daemon".to_owned(), line })?;
        if let Some((path, file)) = &mut journal {
            let lines: String = message
                .records
                .iter()
                .map(|record| format!("{t} {}\n", record.partition_key))
                .collect();
            file.write_all(lines.as_bytes()).map_err(Error::file(&**path))?;
        }
        if message.action == "processRecords" {
            std::thread::sleep(Duration::from_millis(arguments.rest));
        }
        let status = serde_json::json!({ "action": "status", "responseFor": message.action });
        let mut out = io::stdout().lock();
        writeln!(out, "{status}")
            .and_then(|()| out.flush())
            .map_err(Error::file("standard output"))?;
    }
    Ok(())
}
