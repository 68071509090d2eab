//! A lease table in memory that loses what the test tells it to lose.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use shardwise_core::config::TableConfig;
use shardwise_core::id::LeaseKey;
use shardwise_core::lease::Lease;
use shardwise_core::row::{self, Action, Item, Row, Write};
use shardwise_table_model::Table;

use crate::lease_table::{LeaseTable, Outcome, Reads, Scan, TableError, TableState};

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
    /// There is no table.
    Missing,
    /// It is applied; the answer takes so long.
    Slow(Duration),
    /// The answer takes longer than any limit.
    Hangs,
}

#[derive(Default)]
pub(crate) struct MemoryTable {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    rows: Table,
    fates: VecDeque<Fate>,
    late: VecDeque<Write>,
    writes: Vec<Write>,
    reads_refused: bool,
    scans_refused: bool,
    was_empty: bool,
    hidden: BTreeSet<String>,
    /// What is said of the table first; the last of them for ever.
    states: VecDeque<TableState>,
    keeps_history: bool,
}

impl MemoryTable {
    /// A table with one lease.
    pub(crate) fn of(lease: &Lease) -> Self {
        let table = Self::default();
        let Action::Put(item) = row::create(lease).action else { unreachable!("a create puts") };
        table.state.lock().unwrap().rows.set(lease.key.as_str(), Some(item));
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

    /// Whether scans get no answer from here on.
    pub(crate) fn refuse_scans(&self, refused: bool) {
        self.state.lock().unwrap().scans_refused = refused;
    }

    /// Whether scans that need not be consistent show the table as it was at first.
    pub(crate) fn show_it_empty(&self, was_empty: bool) {
        self.state.lock().unwrap().was_empty = was_empty;
    }

    /// Scans that need not be consistent do not show this lease yet.
    pub(crate) fn hide(&self, key: &LeaseKey) {
        self.state.lock().unwrap().hidden.insert(key.as_str().to_owned());
    }

    /// What is said of the table the next times that somebody asks, the last of them for ever.
    pub(crate) fn say(&self, states: impl IntoIterator<Item = TableState>) {
        self.state.lock().unwrap().states.extend(states);
    }

    /// Whether it was told to be recoverable to any time.
    pub(crate) fn keeps_history(&self) -> bool {
        self.state.lock().unwrap().keeps_history
    }

    /// A row of another kind.
    pub(crate) fn put(&self, key: &str, item: Item) {
        self.state.lock().unwrap().rows.set(key, Some(item));
    }

    /// Every write that was sent.
    pub(crate) fn writes(&self) -> Vec<Write> {
        self.state.lock().unwrap().writes.clone()
    }

    pub(crate) fn lease(&self, key: &LeaseKey) -> Option<Lease> {
        let state = self.state.lock().unwrap();
        state.rows.row(key.as_str()).and_then(|item| match row::read(item) {
            Row::Lease(lease) => Some(lease),
            Row::Foreign { .. } | Row::Malformed { .. } => None,
        })
    }

    /// Deletes a row by hand.
    pub(crate) fn delete(&self, key: &LeaseKey) {
        self.state.lock().unwrap().rows.set(key.as_str(), None);
    }

    /// Applies a write of somebody else.
    pub(crate) fn apply(&self, write: &Write) -> Outcome {
        self.state.lock().unwrap().apply(write)
    }
}

impl State {
    fn apply(&mut self, write: &Write) -> Outcome {
        if self.rows.apply(write) { Outcome::Written } else { Outcome::Refused }
    }
}

fn lost() -> TableError {
    TableError::Unanswered("lost".into())
}

#[async_trait]
impl LeaseTable for MemoryTable {
    async fn state(&self) -> Result<TableState, TableError> {
        let mut state = self.state.lock().unwrap();
        let said = state.states.front().copied().unwrap_or(TableState::Ready);
        if state.states.len() > 1 {
            state.states.pop_front();
        }
        Ok(said)
    }

    async fn create(&self, _: &TableConfig) -> Result<(), TableError> {
        Ok(())
    }

    async fn recover_to_any_time(&self) -> Result<(), TableError> {
        self.state.lock().unwrap().keeps_history = true;
        Ok(())
    }

    async fn scan(&self, reads: Reads) -> Result<Scan, TableError> {
        let state = self.state.lock().unwrap();
        if state.scans_refused {
            return Err(lost());
        }
        let is_old = state.was_empty && reads == Reads::Eventual;
        let is_shown = |(key, _): &(&String, &Item)| {
            reads == Reads::Consistent || !state.hidden.contains(*key)
        };
        let rows = (!is_old).then(|| state.rows.rows().iter().filter(is_shown));
        let rows = rows.into_iter().flatten().map(|(_, row)| row.clone());
        Ok(Scan { items: rows.collect(), read_units: 0.5 })
    }

    async fn read(&self, key: &LeaseKey) -> Result<Option<Item>, TableError> {
        let state = self.state.lock().unwrap();
        if state.reads_refused {
            return Err(lost());
        }
        Ok(state.rows.row(key.as_str()).cloned())
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
            Fate::Missing => Err(TableError::Missing),
            Fate::Rejected => Err(TableError::Rejected("too large".to_owned())),
            Fate::Slow(time) => {
                let outcome = apply();
                tokio::time::sleep(time).await;
                Ok(outcome)
            }
            Fate::Hangs => {
                tokio::time::sleep(Duration::from_secs(3_600)).await;
                Err(lost())
            }
        }
    }
}
