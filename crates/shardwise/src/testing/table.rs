//! A lease table in memory that loses what the test tells it to lose.
//!
//! It reads the conditions and updates for itself, as text: it shares no rule with the library.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use shardwise_core::config::TableConfig;
use shardwise_core::id::LeaseKey;
use shardwise_core::lease::Lease;
use shardwise_core::row::{self, Action, Item, Row, Value, Write};

use crate::lease_table::{LeaseTable, Outcome, Scan, TableError, TableState};

/// What happens to one write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing bad.
    Answered,
    /// It is applied; the answer is lost.
    AnswerLost,
    /// It is not applied, and neither is it answered.
    RequestLost,
    /// It is not answered, and applied before the write after the next.
    Late,
    /// It is turned down for load.
    Throttled,
    /// It is turned down for what it is.
    Rejected,
    /// The answer takes longer than any limit.
    Hangs,
}

#[derive(Default)]
pub(crate) struct MemoryTable {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: BTreeMap<String, Item>,
    fates: VecDeque<Fate>,
    late: VecDeque<Write>,
    writes: Vec<Write>,
    reads_refused: bool,
}

impl MemoryTable {
    /// A table with one lease.
    pub(crate) fn of(lease: &Lease) -> Self {
        let table = Self::default();
        let Action::Put(item) = row::create(lease).action else { unreachable!("a create puts") };
        table.state.lock().unwrap().rows.insert(lease.key.to_string(), item);
        table
    }

    /// Decides over the writes to come, in order; those behind are answered.
    pub(crate) fn fate(&self, fates: impl IntoIterator<Item = Fate>) {
        self.state.lock().unwrap().fates.extend(fates);
    }

    /// Whether consistent reads get no answer from here on.
    pub(crate) fn refuse_reads(&self, refused: bool) {
        self.state.lock().unwrap().reads_refused = refused;
    }

    /// A row of another kind.
    pub(crate) fn put(&self, key: &str, item: Item) {
        self.state.lock().unwrap().rows.insert(key.to_owned(), item);
    }

    /// Every write that was sent.
    pub(crate) fn writes(&self) -> Vec<Write> {
        self.state.lock().unwrap().writes.clone()
    }

    pub(crate) fn lease(&self, key: &LeaseKey) -> Option<Lease> {
        let state = self.state.lock().unwrap();
        state.rows.get(key.as_str()).and_then(|item| match row::read(item) {
            Row::Lease(lease) => Some(lease),
            Row::Foreign { .. } | Row::Malformed { .. } => None,
        })
    }

    /// Deletes a row by hand.
    pub(crate) fn delete(&self, key: &LeaseKey) {
        self.state.lock().unwrap().rows.remove(key.as_str());
    }

    /// Applies a write of somebody else.
    pub(crate) fn apply(&self, write: &Write) -> Outcome {
        self.state.lock().unwrap().apply(write)
    }
}

impl State {
    fn apply(&mut self, write: &Write) -> Outcome {
        let item = self.rows.get(write.key.as_str());
        let holds = write.condition.split(" AND ").all(|term| holds(term.trim(), item, write));
        if !holds {
            return Outcome::Refused;
        }
        match &write.action {
            Action::Put(item) => drop(self.rows.insert(write.key.to_string(), item.clone())),
            Action::Delete => drop(self.rows.remove(write.key.as_str())),
            Action::Update(text) => {
                let item = self.rows.entry(write.key.to_string()).or_default();
                update(text, item, write);
            }
        }
        Outcome::Written
    }
}

fn holds(term: &str, item: Option<&Item>, write: &Write) -> bool {
    let attribute = |name: &str| item.and_then(|item| item.get(name));
    if let Some(name) = argument(term, "attribute_not_exists") {
        return attribute(name).is_none();
    }
    if let Some(name) = argument(term, "attribute_exists") {
        return attribute(name).is_some();
    }
    let (name, value) = term.split_once(" = ").expect("a comparison");
    attribute(name) == Some(&write.values[value])
}

fn argument<'a>(term: &'a str, function: &str) -> Option<&'a str> {
    term.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')
}

fn update(text: &str, item: &mut Item, write: &Write) {
    let mut clause = "";
    for word in text.replace(',', " , ").replace('=', " ").split(" , ") {
        let mut words: Vec<&str> = word.split_whitespace().collect();
        while let Some(at) = words.iter().position(|w| matches!(*w, "SET" | "REMOVE" | "ADD")) {
            change(clause, &words[..at], item, write);
            clause = words[at];
            words.drain(..=at);
        }
        change(clause, &words, item, write);
    }
}

fn change(clause: &str, words: &[&str], item: &mut Item, write: &Write) {
    match (clause, words) {
        (_, []) => {}
        ("SET", [name, value]) => {
            item.insert((*name).to_owned(), write.values[*value].clone());
        }
        ("REMOVE", [name]) => {
            item.remove(*name);
        }
        ("ADD", [name, value]) => {
            let number = |value: Option<&Value>| match value {
                Some(Value::N(number)) => number.parse::<u64>().unwrap(),
                _ => 0,
            };
            let sum = number(item.get(*name)) + number(write.values.get(*value));
            item.insert((*name).to_owned(), Value::N(sum.to_string()));
        }
        other => panic!("an update that is not understood: {other:?}"),
    }
}

fn lost() -> TableError {
    TableError::Unanswered("lost".into())
}

#[async_trait]
impl LeaseTable for MemoryTable {
    async fn state(&self) -> Result<TableState, TableError> {
        Ok(TableState::Ready)
    }

    async fn create(&self, _: &TableConfig) -> Result<(), TableError> {
        Ok(())
    }

    async fn recover_to_any_time(&self) -> Result<(), TableError> {
        Ok(())
    }

    async fn scan(&self) -> Result<Scan, TableError> {
        let items = self.state.lock().unwrap().rows.values().cloned().collect();
        Ok(Scan { items, read_units: 0.5 })
    }

    async fn read(&self, key: &LeaseKey) -> Result<Option<Item>, TableError> {
        let state = self.state.lock().unwrap();
        if state.reads_refused {
            return Err(lost());
        }
        Ok(state.rows.get(key.as_str()).cloned())
    }

    async fn write(&self, write: &Write) -> Result<Outcome, TableError> {
        let fate = {
            let mut state = self.state.lock().unwrap();
            state.writes.push(write.clone());
            state.fates.pop_front().unwrap_or(Fate::Answered)
        };
        let apply = || {
            let mut state = self.state.lock().unwrap();
            if let Some(late) = state.late.pop_front() {
                state.apply(&late);
            }
            state.apply(write)
        };
        match fate {
            Fate::Answered => Ok(apply()),
            Fate::AnswerLost => {
                apply();
                Err(lost())
            }
            Fate::RequestLost => Err(lost()),
            Fate::Late => {
                self.state.lock().unwrap().late.push_back(write.clone());
                Err(lost())
            }
            Fate::Throttled => Err(TableError::Throttled),
            Fate::Rejected => Err(TableError::Rejected("too large".to_owned())),
            Fate::Hangs => {
                tokio::time::sleep(Duration::from_secs(3_600)).await;
                Err(lost())
            }
        }
    }
}
