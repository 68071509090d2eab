//! Hands that are laid on rows.

use std::time::Duration;

use shardwise::row::{Item, Value};

use super::Nemesis;

/// By how much a hand raises a counter.
const RAISED_BY: u64 = 1_000;

impl Nemesis {
    pub(super) fn delete_row(&self, pick: u32) {
        self.lay_hand_on_row(pick, "hand: row deleted", |_| None);
    }

    pub(super) fn make_row_old(&self, pick: u32) {
        self.lay_hand_on_row(pick, "hand: row without hash keys", |mut item| {
            item.remove("startingHashKey");
            item.remove("endingHashKey");
            Some(item)
        });
    }

    pub(super) fn mark_row(&self, pick: u32) {
        self.lay_hand_on_row(pick, "hand: row with an unknown attribute", |mut item| {
            item.insert("team".to_owned(), Value::S("payments".to_owned()));
            Some(item)
        });
    }

    pub(super) fn raise_counter(&self, pick: u32) {
        self.lay_hand_on_row(pick, "hand: counter raised", |mut item| {
            if let Some(Value::N(counter)) = item.get_mut("leaseCounter") {
                let raised = counter.parse::<u64>().unwrap_or_default() + RAISED_BY;
                *counter = raised.to_string();
            }
            Some(item)
        });
    }

    /// The row keeps its counter: one that begins anew would let old writes pass, which is known.
    pub(super) fn remake_row(&self, pick: u32) {
        let mut seen = None;
        self.lay_hand_on_row(pick, "hand: row made anew", |item| {
            seen = Some(item);
            None
        });
        let Some(mut item) = seen else { return };
        item.remove("leaseOwner");
        item.remove("checkpointOwner");
        self.put_row(item);
    }

    fn put_row(&self, item: Item) {
        let Some(Value::S(key)) = item.get("leaseKey").cloned() else { return };
        let now = self.world.now();
        let mut state = self.world.state();
        let write = state.rows.set(&key, Some(item), now);
        state.journal.write(write);
    }

    fn lay_hand_on_row(
        &self,
        pick: u32,
        what: &'static str,
        change: impl FnOnce(Item) -> Option<Item>,
    ) {
        let now = self.world.now();
        let mut state = self.world.state();
        let keys = state.rows.keys();
        let keys: Vec<&String> = keys.iter().filter(|key| key.starts_with("shardId-")).collect();
        if keys.is_empty() {
            return;
        }
        let key = keys[pick as usize % keys.len()];
        let Some(item) = state.rows.row(key).cloned() else { return };
        let write = state.rows.set(key, change(item), now);
        state.trace.note(now, "hand", format_args!("{what}: {key}"));
        state.journal.write(write);
        state.mark(now, key, what);
    }

    /// Rows of a fleet of KCL 3.5: a worker's metrics, and an entity that nobody here knows.
    pub(super) fn add_foreign_rows(&self, now: Duration) {
        let text = |text: &str| Value::S(text.to_owned());
        let rows = [
            ("java-worker-1", "WORKER_METRICS"),
            ("Migration3.0", "MIGRATION"),
            ("some-day", "UNHEARD_OF"),
        ];
        let mut state = self.world.state();
        for (key, entity) in rows {
            let item = [("leaseKey", text(key)), ("entityType", text(entity))];
            let item: Item = item.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
            let write = state.rows.set(key, Some(item), now);
            state.journal.write(write);
        }
        state.mark(now, "", "hand: rows of other kinds");
    }
}
