//! Hands that are laid on rows.

use std::time::Duration;

use shardwise::row::{Item, Value};

use super::Nemesis;

/// By how much a hand raises a counter.
const RAISED_BY: u64 = 1_000;
/// More writes than one worker makes to a row while a write is on its way.
const BEGINS_ANEW_FROM: u64 = 500;
/// Of a fleet of KCL 3.x.
const JAVA_WORKERS: [&str; 2] = ["java-worker-1", "java-worker-2"];

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
            add(&mut item, "leaseCounter", RAISED_BY);
            Some(item)
        });
    }

    /// At counter 0, as Java makes rows, if it had come so far that no old write still on its way
    /// can meet its own counter again: that would pass, which is known.
    pub(super) fn remake_row(&self, pick: u32) {
        let mut seen = None;
        self.lay_hand_on_row(pick, "hand: row made anew", |item| {
            seen = Some(item);
            None
        });
        let Some(mut item) = seen else { return };
        item.remove("leaseOwner");
        item.remove("checkpointOwner");
        let begins_anew = number(&item, "leaseCounter") >= BEGINS_ANEW_FROM;
        if begins_anew {
            item.insert("leaseCounter".to_owned(), Value::N("0".to_owned()));
        }
        self.put_row(item, begins_anew.then_some("hand: row made anew at counter 0"));
    }

    pub(super) fn take_as_java(&self, pick: u32) {
        self.lay_hand_on_row(pick, "hand: lease taken by a Java worker", |mut item| {
            own_as_java(&mut item, JAVA_WORKERS[0]);
            Some(item)
        });
    }

    /// The new owner waits for the old one, which is to remove its name and never does.
    pub(super) fn leave_in_hand_off(&self, pick: u32) {
        self.lay_hand_on_row(pick, "hand: lease left in a hand-off", |mut item| {
            own_as_java(&mut item, JAVA_WORKERS[1]);
            item.insert("checkpointOwner".to_owned(), Value::S(JAVA_WORKERS[0].to_owned()));
            Some(item)
        });
    }

    fn put_row(&self, item: Item, what: Option<&'static str>) {
        let Some(Value::S(key)) = item.get("leaseKey").cloned() else { return };
        let now = self.world.now();
        let mut state = self.world.state();
        let write = state.rows.set(&key, Some(item), now);
        state.journal.write(write);
        if let Some(what) = what {
            state.mark(now, &key, what);
        }
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
            (JAVA_WORKERS[0], "WORKER_METRICS"),
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

/// The row as KCL 3.5 leaves it once `worker` has taken and renewed it.
fn own_as_java(item: &mut Item, worker: &str) {
    add(item, "leaseCounter", 2);
    add(item, "ownerSwitchesSinceCheckpoint", 1);
    item.remove("checkpointOwner");
    let text = |text: &str| Value::S(text.to_owned());
    let written = [
        ("leaseOwner", text(worker)),
        ("entityType", text("LEASE")),
        ("throughputKBps", Value::N("1.0E-6".to_owned())),
    ];
    item.extend(written.map(|(name, value)| (name.to_owned(), value)));
}

fn add(item: &mut Item, name: &str, more: u64) {
    let sum = number(item, name) + more;
    item.insert(name.to_owned(), Value::N(sum.to_string()));
}

fn number(item: &Item, name: &str) -> u64 {
    match item.get(name) {
        Some(Value::N(number)) => number.parse().unwrap_or_default(),
        _ => 0,
    }
}
