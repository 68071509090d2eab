//! A child of the soak: the protocol and the demo's journal, in as little as 64 of them may cost.
//!
//! On some shards it becomes the consumer in Node. Which shard it has it learns from the first
//! message, and that is all that is in the pipe by then.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};
use shardwise_demo::clock::now_micros;
use shardwise_demo::error::Error;
use shardwise_demo::producer::digest;

use crate::hands::journal_name;

/// Of so many shards one has a child in Node.
const NODE_EVERY: u64 = 8;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    action: String,
    #[serde(default)]
    shard_id: String,
    #[serde(default)]
    sequence_number: Value,
    #[serde(default)]
    sub_sequence_number: Value,
    #[serde(default)]
    error: Value,
    #[serde(default)]
    records: Vec<Record>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    data: String,
    sequence_number: String,
    sub_sequence_number: u64,
}

#[derive(Deserialize)]
struct Flight {
    row: usize,
    origin: String,
    delay: i64,
    distance: i64,
}

struct Journal {
    path: String,
    file: File,
    tenure: String,
}

/// Answers every message of the daemon until there are no more.
///
/// # Errors
///
/// When a pipe or the journal breaks, or a message is none.
pub fn answer() -> Result<(), Error> {
    let first = first_line()?;
    let message = read(&first)?;
    if is_for_node(&message.shard_id) {
        // The consumer finds the line before what is still to come.
        let program = "node";
        let mut command = Command::new(program);
        command.args(["-r", "./first_line.js", "chaotic_consumer.js"]).env("FIRST_LINE", first);
        return Err(Error::Start { program: program.to_owned(), source: command.exec() });
    }
    let mut journal = Journal::new()?;
    journal.start(&message)?;
    say(&json!({ "action": "status", "responseFor": message.action }))?;
    let mut lines = BufReader::new(io::stdin()).lines();
    while let Some(message) = next(&mut lines)? {
        let wants_checkpoint = match message.action.as_str() {
            "processRecords" => {
                journal.hand(&message.records)?;
                !message.records.is_empty()
            }
            action => {
                journal.write("end", json!({ "why": action }))?;
                action != "leaseLost"
            }
        };
        if wants_checkpoint {
            let place = json!({ "seq": null, "sub": null });
            journal.write("ask", place)?;
            say(&json!({ "action": "checkpoint", "sequenceNumber": null }))?;
            let Some(answer) = next(&mut lines)? else { return Ok(()) };
            journal.write("answer", json!({ "seq": null, "sub": null, "error": answer.error }))?;
        }
        say(&json!({ "action": "status", "responseFor": message.action }))?;
    }
    Ok(())
}

fn is_for_node(shard: &str) -> bool {
    let number = shard.rsplit('-').next().and_then(|number| number.parse::<u64>().ok());
    number.is_some_and(|number| number % NODE_EVERY == 0)
}

/// Read so that nothing behind it is taken out of the pipe.
fn first_line() -> Result<String, Error> {
    let mut line = Vec::new();
    let mut byte = [0];
    let mut stdin = File::open("/dev/stdin").map_err(Error::file("standard input"))?;
    while stdin.read(&mut byte).map_err(Error::file("standard input"))? == 1 && byte != *b"\n" {
        line.extend(byte);
    }
    Ok(String::from_utf8_lossy(&line).into_owned())
}

fn next(lines: &mut impl Iterator<Item = io::Result<String>>) -> Result<Option<Message>, Error> {
    let Some(line) = lines.next() else { return Ok(None) };
    read(&line.map_err(Error::file("standard input"))?).map(Some)
}

fn read(line: &str) -> Result<Message, Error> {
    let said = |_| Error::Said { program: "the daemon".to_owned(), line: line.to_owned() };
    serde_json::from_str(line).map_err(said)
}

fn say(message: &Value) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    writeln!(out, "{message}").and_then(|()| out.flush()).map_err(Error::file("standard output"))
}

impl Journal {
    fn new() -> Result<Self, Error> {
        let variable = |name: &'static str| {
            let value = std::env::var(name);
            value.map_err(|_| Error::Environment { name, command: "chaos soak" })
        };
        let (directory, worker) = (variable("JOURNAL_DIRECTORY")?, variable("JOURNAL_WORKER")?);
        let pid = i32::try_from(std::process::id()).expect("process ids are small");
        let path = format!("{directory}/{}", journal_name(&worker, pid));
        let file = OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(Error::file(&path))?;
        Ok(Self { path, file, tenure: format!("{worker}/{pid}/{}", now_micros()) })
    }

    fn start(&mut self, message: &Message) -> Result<(), Error> {
        let worker = self.tenure.split('/').next().unwrap_or_default().to_owned();
        let fields = json!({
            "worker": worker,
            "shard": message.shard_id,
            "seq": message.sequence_number,
            "sub": message.sub_sequence_number,
        });
        self.write("start", fields)
    }

    fn hand(&mut self, records: &[Record]) -> Result<(), Error> {
        let handed: Result<Vec<Value>, Error> = records.iter().map(handed).collect();
        self.write("hand", json!({ "records": handed? }))
    }

    /// Each event is in the file before anything is answered.
    fn write(&mut self, event: &str, mut fields: Value) -> Result<(), Error> {
        fields["e"] = event.into();
        fields["t"] = now_micros().into();
        fields["tenure"] = self.tenure.clone().into();
        self.file.write_all(format!("{fields}\n").as_bytes()).map_err(Error::file(&self.path))
    }
}

fn handed(record: &Record) -> Result<Value, Error> {
    let none = || Error::Said { program: "the daemon".to_owned(), line: record.data.clone() };
    let data = STANDARD.decode(&record.data).map_err(|_| none())?;
    let flight: Flight = serde_json::from_slice(&data).map_err(|_| none())?;
    Ok(json!({
        "seq": record.sequence_number,
        "sub": record.sub_sequence_number,
        "digest": digest(&data),
        "flight": [flight.row, flight.origin, flight.delay, flight.distance],
    }))
}
