//! What a child hears: every line as it comes, whatever the child is doing.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use shardwise_referee::{Handed, Place, Why};
use tokio::io::{AsyncBufReadExt, BufReader, DuplexStream};
use tokio::sync::mpsc::UnboundedSender;

use crate::journal::digest;
use crate::tenure::Tenure;

/// What a child is told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Initialize(Place),
    /// The places of a batch.
    Process(Vec<Place>),
    LeaseLost,
    ShardEnded,
    ShutdownRequested,
}

/// What a child is told of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) sequence: Option<String>,
    pub(super) sub_sequence: Option<u64>,
    pub(super) error: Option<String>,
}

/// A line, understood.
enum Heard {
    /// An action, and what is written down of its records.
    Action(Told, Vec<Handed>),
    Answer(Answered),
}

/// What a child owes the daemon, and the daemon the child.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Whether an action has come that the child has not answered.
    is_told: bool,
    /// Checkpoints that were asked for and are not answered.
    asked: usize,
}

impl Turn {
    /// The child is about to answer its action.
    pub(super) fn answers(turn: &Mutex<Self>) {
        turn.lock().unwrap_or_else(PoisonError::into_inner).is_told = false;
    }

    /// The child is about to ask for so many checkpoints.
    pub(super) fn asks(turn: &Mutex<Self>, checkpoints: usize) {
        turn.lock().unwrap_or_else(PoisonError::into_inner).asked += checkpoints;
    }

    /// Whether the child has an action to answer.
    pub(super) fn is_out(turn: &Mutex<Self>) -> bool {
        turn.lock().unwrap_or_else(PoisonError::into_inner).is_told
    }

    /// Takes in what the daemon says; what is wrong about it.
    fn on(&mut self, heard: &Heard) -> Option<String> {
        match heard {
            Heard::Action(told, _) if self.is_told => {
                Some(format!("{told:?} comes before the last action was answered"))
            }
            Heard::Action(..) => {
                self.is_told = true;
                None
            }
            Heard::Answer(answered) if self.asked == 0 => {
                Some(format!("{answered:?} answers what was not asked"))
            }
            Heard::Answer(_) => {
                self.asked -= 1;
                None
            }
        }
    }
}

/// The reader of a child's stdin.
pub(super) struct Ears {
    tenure: Tenure,
    turn: Arc<Mutex<Turn>>,
    actions: UnboundedSender<Told>,
    answers: UnboundedSender<Answered>,
}

impl Ears {
    pub(super) fn new(
        tenure: Tenure,
        turn: Arc<Mutex<Turn>>,
        actions: UnboundedSender<Told>,
        answers: UnboundedSender<Answered>,
    ) -> Self {
        Self { tenure, turn, actions, answers }
    }

    /// Hears the daemon until it closes the pipe.
    pub(super) async fn hear(self, stdin: DuplexStream) {
        let mut stdin = BufReader::new(stdin);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = stdin.read_until(b'\n', &mut line).await;
            // Of the last line a daemon that is killed may leave a part.
            if !read.is_ok_and(|bytes| bytes > 0) || line.pop() != Some(b'\n') {
                return;
            }
            if self.tenure.node.is_dead() {
                return;
            }
            match understand(&line) {
                Ok(heard) => self.take(heard),
                Err(why) => {
                    let line = String::from_utf8_lossy(&line);
                    self.tenure.mistold(&format!("{why}: {}", line.escape_debug()));
                }
            }
        }
    }

    fn take(&self, heard: Heard) {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wrong) = turn.on(&heard) {
            self.tenure.mistold(&wrong);
        }
        drop(turn);
        // A script that is over hears nothing any more.
        match heard {
            Heard::Action(told, records) => {
                self.write_down(&told, records);
                let _ = self.actions.send(told);
            }
            Heard::Answer(answered) => {
                let _ = self.answers.send(answered);
            }
        }
    }

    /// What has come is told, whenever the script gets to it.
    fn write_down(&self, told: &Told, records: Vec<Handed>) {
        match told {
            Told::Initialize(place) => self.tenure.start(place.clone(), None),
            Told::Process(_) => self.tenure.hand(records),
            Told::LeaseLost => self.tenure.end(Why::LeaseLost),
            Told::ShardEnded => self.tenure.end(Why::ShardEnded),
            Told::ShutdownRequested => self.tenure.end(Why::ShutdownRequested),
        }
    }
}

fn understand(line: &[u8]) -> Result<Heard, String> {
    let message: Value = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let told = match text(&message, "action")? {
        "initialize" => Told::Initialize(place(&message)?),
        "processRecords" => {
            let records = message["records"].as_array().ok_or("no records")?;
            let handed = records.iter().map(record).collect::<Result<Vec<_>, _>>()?;
            let places = handed.iter().map(|handed| handed.place.clone()).collect();
            return Ok(Heard::Action(Told::Process(places), handed));
        }
        "leaseLost" => Told::LeaseLost,
        "shardEnded" => Told::ShardEnded,
        "shutdownRequested" => Told::ShutdownRequested,
        "checkpoint" => {
            return Ok(Heard::Answer(Answered {
                sequence: text_or_null(&message, "sequenceNumber")?,
                sub_sequence: message["subSequenceNumber"].as_u64(),
                error: text_or_null(&message, "error")?,
            }));
        }
        other => return Err(format!("unknown action `{other}`")),
    };
    Ok(Heard::Action(told, Vec::new()))
}

fn text<'a>(message: &'a Value, name: &str) -> Result<&'a str, String> {
    message.get(name).and_then(Value::as_str).ok_or_else(|| format!("no text in `{name}`"))
}

fn text_or_null(message: &Value, name: &str) -> Result<Option<String>, String> {
    match message.get(name) {
        Some(Value::Null) => Ok(None),
        _ => text(message, name).map(|text| Some(text.to_owned())),
    }
}

fn place(message: &Value) -> Result<Place, String> {
    let sub_sequence = message["subSequenceNumber"].as_u64().ok_or("no subSequenceNumber")?;
    Place::parse(text(message, "sequenceNumber")?, sub_sequence).map_err(|error| error.to_string())
}

fn record(record: &Value) -> Result<Handed, String> {
    let data = STANDARD.decode(text(record, "data")?).map_err(|error| error.to_string())?;
    Ok(Handed { place: place(record)?, digest: digest(&data) })
}
