//! A lease and its table item, and the conditional writes as text.
//!
//! The conditions and updates are `DynamoDB` expressions; whoever carries a [`Write`] out passes
//! them on unread. None of the attribute names is a reserved word of `DynamoDB`, so they stand in
//! the expressions as they are.

mod read;

use std::collections::{BTreeMap, BTreeSet};

pub use read::{Row, read};

use crate::id::{LeaseKey, ShardId, WorkerId};
use crate::lease::{Change, Lease};
use crate::sequence::Checkpoint;
use crate::shard::HashKeyRange;
use crate::time::Timestamp;

/// One item of the lease table: its attributes by name.
pub type Item = BTreeMap<String, Value>;

/// An attribute's value, of the types that a lease uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text.
    S(String),
    /// A number, as text.
    N(String),
    /// Bytes.
    B(Vec<u8>),
    /// A set of texts; never empty.
    Ss(BTreeSet<String>),
    /// A value of any other type, named as `DynamoDB` names it (`M`, `L`, `BOOL`, ...).
    Other(&'static str),
}

/// One conditional write to one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// Which row.
    pub key: LeaseKey,
    /// What to do.
    pub action: Action,
    /// The condition expression; there is always one.
    pub condition: String,
    /// What the `:placeholders` stand for. Every one of them is used.
    pub values: BTreeMap<String, Value>,
}

/// What a write does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Makes a row that is not there yet.
    Put(Item),
    /// Changes the attributes that the update expression names, and no others.
    Update(String),
    /// Deletes the row.
    Delete,
}

const LEASE_KEY: &str = "leaseKey";
const LEASE_OWNER: &str = "leaseOwner";
const LEASE_COUNTER: &str = "leaseCounter";
const OWNER_SWITCHES: &str = "ownerSwitchesSinceCheckpoint";
const CHECKPOINT: &str = "checkpoint";
const CHECKPOINT_SUB_SEQUENCE: &str = "checkpointSubSequenceNumber";
const PENDING: &str = "pendingCheckpoint";
const PENDING_SUB_SEQUENCE: &str = "pendingCheckpointSubSequenceNumber";
const PENDING_STATE: &str = "pendingCheckpointState";
const PARENTS: &str = "parentShardId";
const CHILDREN: &str = "childShardIds";
const STARTING_HASH_KEY: &str = "startingHashKey";
const ENDING_HASH_KEY: &str = "endingHashKey";
const CHECKPOINT_OWNER: &str = "checkpointOwner";
/// Ours; KCL neither reads nor changes it.
const LATEST_SINCE: &str = "shardwiseLatestSince";
const ENTITY_TYPE: &str = "entityType";
const STREAM_NAME: &str = "streamName";

/// Every attribute of a row that says something of its lease. All others are somebody else's.
pub const ATTRIBUTES: [&str; 15] = [
    LEASE_KEY,
    LEASE_OWNER,
    LEASE_COUNTER,
    OWNER_SWITCHES,
    CHECKPOINT,
    CHECKPOINT_SUB_SEQUENCE,
    PENDING,
    PENDING_SUB_SEQUENCE,
    PENDING_STATE,
    PARENTS,
    CHILDREN,
    STARTING_HASH_KEY,
    ENDING_HASH_KEY,
    CHECKPOINT_OWNER,
    LATEST_SINCE,
];

/// Makes `lease`'s row, unless there is one.
#[must_use]
pub fn create(lease: &Lease) -> Write {
    Write {
        key: lease.key.clone(),
        action: Action::Put(item(lease)),
        condition: format!("attribute_not_exists({LEASE_KEY})"),
        values: BTreeMap::new(),
    }
}

/// Makes `me` the owner of the row at `now`, unless it has changed since it was `seen`.
#[must_use]
pub fn take(seen: &Lease, me: &WorkerId, now: Timestamp) -> Write {
    let after = seen.taken_by(me, now);
    let mut update = Update::default();
    update.set(LEASE_OWNER, text(me.as_str()));
    update.set(LEASE_COUNTER, number(after.counter));
    update.remove(CHECKPOINT_OWNER);
    if after.owner_switches > seen.owner_switches {
        update.add(OWNER_SWITCHES, number(after.owner_switches - seen.owner_switches));
    }
    if after.latest_since != seen.latest_since {
        update.set_latest_since(after.latest_since);
    }
    update.on(&seen.key, AsSeen::of(seen))
}

/// Makes one change of a row that its owner knows to be `mine`, unless it is no longer so.
///
/// A checkpoint also sends the hash keys and children that are known, as KCL does: a row that lost
/// them by a careless hand gets them back.
#[must_use]
pub fn change(mine: &Lease, change: &Change) -> Write {
    let after = mine.after(change);
    let mut update = Update::default();
    update.set(LEASE_COUNTER, number(after.counter));
    match change {
        Change::Renew => {}
        Change::Checkpoint(_) | Change::Prepare(_) => set_progress(&mut update, &after),
        Change::Release => update.remove(LEASE_OWNER),
    }
    if after.latest_since != mine.latest_since {
        update.set_latest_since(after.latest_since);
    }
    update.on(&mine.key, AsSeen::of(mine))
}

/// Notes on a row, if there is one, which shards follow its shard.
#[must_use]
pub fn set_children(key: &LeaseKey, children: &BTreeSet<ShardId>) -> Write {
    let mut update = Update::default();
    match ids(children) {
        Some(ids) => update.set(CHILDREN, ids),
        None => update.remove(CHILDREN),
    }
    update.on(key, AsSeen::present())
}

/// Notes on a row, if there is one, which hash keys its shard takes.
#[must_use]
pub fn set_hash_range(key: &LeaseKey, range: HashKeyRange) -> Write {
    let mut update = Update::default();
    update.set_range(range);
    update.on(key, AsSeen::present())
}

/// Deletes the row of a finished shard, unless somebody else has it by then.
///
/// The counter is not looked at: the owner itself goes on renewing while it decides.
#[must_use]
pub fn delete(finished: &Lease) -> Write {
    let mut seen = AsSeen { condition: String::new(), values: BTreeMap::new() };
    seen.require(CHECKPOINT, ":end", text(Checkpoint::ShardEnd.as_str()));
    seen.require_worker(LEASE_OWNER, ":seenOwner", finished.owner.as_ref());
    Write {
        key: finished.key.clone(),
        action: Action::Delete,
        condition: seen.condition,
        values: seen.values,
    }
}

/// The whole item of a new row. What is empty is left out.
fn item(lease: &Lease) -> Item {
    let mut item = Item::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            item.insert(name.to_owned(), value);
        }
    };
    put(LEASE_KEY, Some(text(lease.key.as_str())));
    put(LEASE_OWNER, lease.owner.as_ref().map(|owner| text(owner.as_str())));
    put(LEASE_COUNTER, Some(number(lease.counter)));
    put(OWNER_SWITCHES, Some(number(lease.owner_switches)));
    put(CHECKPOINT, Some(text(lease.checkpoint.as_str())));
    put(CHECKPOINT_SUB_SEQUENCE, Some(number(lease.checkpoint.sub_sequence())));
    if let Some(pending) = &lease.pending {
        put(PENDING, Some(text(pending.checkpoint.as_str())));
        put(PENDING_SUB_SEQUENCE, Some(number(pending.checkpoint.sub_sequence())));
        put(PENDING_STATE, pending.state.clone().map(Value::B));
    }
    put(PARENTS, ids(&lease.parents));
    put(CHILDREN, ids(&lease.children));
    if let Some(range) = lease.hash_range {
        put(STARTING_HASH_KEY, Some(text(&range.start().to_string())));
        put(ENDING_HASH_KEY, Some(text(&range.end().to_string())));
    }
    put(LATEST_SINCE, lease.latest_since.map(date));
    put(CHECKPOINT_OWNER, lease.checkpoint_owner.as_ref().map(|owner| text(owner.as_str())));
    item
}

fn set_progress(update: &mut Update, after: &Lease) {
    update.set(CHECKPOINT, text(after.checkpoint.as_str()));
    update.set(CHECKPOINT_SUB_SEQUENCE, number(after.checkpoint.sub_sequence()));
    update.set(OWNER_SWITCHES, number(after.owner_switches));
    if let Some(pending) = &after.pending {
        update.set(PENDING, text(pending.checkpoint.as_str()));
        update.set(PENDING_SUB_SEQUENCE, number(pending.checkpoint.sub_sequence()));
    } else {
        update.remove(PENDING);
        update.remove(PENDING_SUB_SEQUENCE);
    }
    match after.pending.as_ref().and_then(|pending| pending.state.clone()) {
        Some(state) => update.set(PENDING_STATE, Value::B(state)),
        None => update.remove(PENDING_STATE),
    }
    if let Some(children) = ids(&after.children) {
        update.set(CHILDREN, children);
    }
    if let Some(range) = after.hash_range {
        update.set_range(range);
    }
}

/// An update expression in the making. Each attribute's placeholder is its name after a colon.
#[derive(Default)]
struct Update {
    set: Vec<String>,
    remove: Vec<&'static str>,
    add: Vec<String>,
    values: BTreeMap<String, Value>,
}

impl Update {
    fn set(&mut self, name: &'static str, value: Value) {
        self.set.push(format!("{name} = :{name}"));
        self.values.insert(format!(":{name}"), value);
    }

    fn set_range(&mut self, range: HashKeyRange) {
        self.set(STARTING_HASH_KEY, text(&range.start().to_string()));
        self.set(ENDING_HASH_KEY, text(&range.end().to_string()));
    }

    fn set_latest_since(&mut self, since: Option<Timestamp>) {
        match since {
            Some(since) => self.set(LATEST_SINCE, date(since)),
            None => self.remove(LATEST_SINCE),
        }
    }

    fn remove(&mut self, name: &'static str) {
        self.remove.push(name);
    }

    fn add(&mut self, name: &'static str, value: Value) {
        self.add.push(format!("{name} :{name}"));
        self.values.insert(format!(":{name}"), value);
    }

    fn on(mut self, key: &LeaseKey, seen: AsSeen) -> Write {
        let remove: Vec<String> = self.remove.iter().map(ToString::to_string).collect();
        let clauses = [("SET", self.set), ("REMOVE", remove), ("ADD", self.add)];
        let clauses: Vec<String> = clauses
            .into_iter()
            .filter(|(_, parts)| !parts.is_empty())
            .map(|(verb, parts)| format!("{verb} {}", parts.join(", ")))
            .collect();
        self.values.extend(seen.values);
        Write {
            key: key.clone(),
            action: Action::Update(clauses.join(" ")),
            condition: seen.condition,
            values: self.values,
        }
    }
}

/// A condition: that the row still is as it was seen.
struct AsSeen {
    condition: String,
    values: BTreeMap<String, Value>,
}

impl AsSeen {
    /// That there is a row.
    fn present() -> Self {
        Self { condition: format!("attribute_exists({LEASE_KEY})"), values: BTreeMap::new() }
    }

    /// That the row's counter and owners are `lease`'s.
    ///
    /// The counter alone would do, were a row never deleted and made anew: then it counts up to
    /// an old value a second time. And a hand-off of KCL 3.x begins without moving the counter.
    fn of(lease: &Lease) -> Self {
        let mut seen = Self { condition: String::new(), values: BTreeMap::new() };
        seen.require(LEASE_COUNTER, ":seenCounter", number(lease.counter));
        seen.require_worker(LEASE_OWNER, ":seenOwner", lease.owner.as_ref());
        seen.require_worker(CHECKPOINT_OWNER, ":seenHolder", lease.checkpoint_owner.as_ref());
        seen
    }

    fn require_worker(&mut self, name: &str, placeholder: &str, worker: Option<&WorkerId>) {
        match worker {
            Some(worker) => self.require(name, placeholder, text(worker.as_str())),
            None => self.and(&format!("attribute_not_exists({name})")),
        }
    }

    fn require(&mut self, name: &str, placeholder: &str, value: Value) {
        self.and(&format!("{name} = {placeholder}"));
        self.values.insert(placeholder.to_owned(), value);
    }

    fn and(&mut self, term: &str) {
        if !self.condition.is_empty() {
            self.condition.push_str(" AND ");
        }
        self.condition.push_str(term);
    }
}

fn text(text: &str) -> Value {
    Value::S(text.to_owned())
}

fn number(number: u64) -> Value {
    Value::N(number.to_string())
}

fn date(date: Timestamp) -> Value {
    Value::N(date.as_millis().to_string())
}

fn ids(ids: &BTreeSet<ShardId>) -> Option<Value> {
    let ids: BTreeSet<String> = ids.iter().map(|id| id.as_str().to_owned()).collect();
    if ids.is_empty() { None } else { Some(Value::Ss(ids)) }
}

#[cfg(test)]
mod tests;
