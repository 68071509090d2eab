//! The lease table as a service: its rows, how they were a while ago, and every applied write.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use shardwise_core::row::{self, Item, Value, Write};
use shardwise_referee::{LeaseWrite, Place, Row};
use shardwise_table_model::Table;

/// How far back a scan may look.
const PAST: Duration = Duration::from_secs(30);
/// Who wrote, and when it was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender<'a> {
    /// Nobody of ours, if none.
    pub(crate) by: Option<&'a str>,
    pub(crate) sent_t: u64,
}

/// The table.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    table: Table,
    /// How rows were before the latest writes, the oldest first.
    past: VecDeque<(Duration, String, Option<Item>)>,
}

impl Rows {
    pub(crate) fn row(&self, key: &str) -> Option<&Item> {
        self.table.row(key)
    }

    pub(crate) fn keys(&self) -> Vec<String> {
        self.table.rows().keys().cloned().collect()
    }

    /// Every row as it was at `then`.
    pub(crate) fn at(&self, then: Duration) -> Vec<&Item> {
        let rows = self.table.rows().iter();
        let mut rows: BTreeMap<&str, &Item> = rows.map(|(key, row)| (key.as_str(), row)).collect();
        for (_, key, before) in self.past.iter().rev().take_while(|(at, ..)| *at > then) {
            match before {
                Some(before) => rows.insert(key, before),
                None => rows.remove(key.as_str()),
            };
        }
        rows.into_values().collect()
    }

    /// Every row.
    pub(crate) fn all(&self) -> Vec<&Item> {
        self.table.rows().values().collect()
    }

    /// Makes a conditional write; what was changed, if its condition held.
    pub(crate) fn apply(
        &mut self,
        write: &Write,
        sender: Sender<'_>,
        now: Duration,
    ) -> Option<LeaseWrite> {
        let key = write.key.as_str();
        let before = self.table.row(key).cloned();
        self.table.apply(write).then(|| self.note(key, before, sender, now))
    }

    /// Changes a row by hand.
    pub(crate) fn set(&mut self, key: &str, item: Option<Item>, now: Duration) -> LeaseWrite {
        self.replace(key, item, Sender { by: None, sent_t: crate::world::micros(now) }, now)
    }

    /// Puts another item in a row's place, whatever stands there.
    pub(crate) fn replace(
        &mut self,
        key: &str,
        item: Option<Item>,
        sender: Sender<'_>,
        now: Duration,
    ) -> LeaseWrite {
        let before = self.table.row(key).cloned();
        self.table.set(key, item);
        self.note(key, before, sender, now)
    }

    fn note(
        &mut self,
        key: &str,
        before: Option<Item>,
        sender: Sender<'_>,
        now: Duration,
    ) -> LeaseWrite {
        let after = self.table.row(key);
        let (is_before, is_after) = (before.as_ref().map(judged), after.map(judged));
        let is_foreign = [&before, &after.cloned()]
            .into_iter()
            .flatten()
            .all(|item| !item.contains_key("checkpoint"));
        let text = |item: &Item| format!("{item:?}");
        let write = LeaseWrite {
            t: crate::world::micros(now),
            key: key.to_owned(),
            before: is_before.flatten(),
            after: is_after.flatten(),
            by: sender.by.map(str::to_owned),
            sent_t: Some(sender.sent_t),
            foreign: is_foreign.then(|| (before.as_ref().map(text), after.map(text))),
        };
        self.past.push_back((now, key.to_owned(), before));
        while self.past.front().is_some_and(|(at, ..)| *at + PAST < now) {
            self.past.pop_front();
        }
        write
    }
}

/// A row as the referee sees it; nothing if it is no lease.
fn judged(item: &Item) -> Option<Row> {
    let text = |name: &str| match item.get(name) {
        Some(Value::S(text)) => Some(text.clone()),
        _ => None,
    };
    let number = |name: &str| match item.get(name) {
        Some(Value::N(text)) => text.parse::<u64>().ok(),
        _ => None,
    };
    let place = |name: &str, sub: &str| {
        text(name).and_then(|text| Place::parse(&text, number(sub).unwrap_or(0)).ok())
    };
    let owner = text("leaseOwner");
    let children = match item.get("childShardIds") {
        Some(Value::Ss(ids)) => ids.iter().cloned().collect(),
        _ => Vec::new(),
    };
    let others = item.iter().filter(|(name, _)| !row::ATTRIBUTES.contains(&name.as_str()));
    Some(Row {
        holder: text("checkpointOwner").or_else(|| owner.clone()),
        owner,
        counter: number("leaseCounter")?,
        checkpoint: place("checkpoint", "checkpointSubSequenceNumber")?,
        pending: place("pendingCheckpoint", "pendingCheckpointSubSequenceNumber"),
        pending_state: match item.get("pendingCheckpointState") {
            Some(Value::B(bytes)) => Some(bytes.clone()),
            _ => None,
        },
        children,
        latest_since: number("shardwiseLatestSince"),
        others: others.map(|(name, value)| (name.clone(), format!("{value:?}"))).collect(),
    })
}
