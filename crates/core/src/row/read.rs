//! An item of the lease table, read without ever failing the scan that found it.

use std::collections::BTreeSet;

use super::{
    CHECKPOINT, CHECKPOINT_OWNER, CHECKPOINT_SUB_SEQUENCE, CHILDREN, ENDING_HASH_KEY, ENTITY_TYPE,
    Item, LATEST_SINCE, LEASE_COUNTER, LEASE_KEY, LEASE_OWNER, OWNER_SWITCHES, PARENTS, PENDING,
    PENDING_STATE, PENDING_SUB_SEQUENCE, STARTING_HASH_KEY, STREAM_NAME, Value,
};
use crate::id::{LeaseKey, ShardId, WorkerId};
use crate::lease::{Lease, PendingCheckpoint};
use crate::sequence::Checkpoint;
use crate::shard::HashKeyRange;
use crate::time::Timestamp;

/// What an item of the lease table is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "nearly every row is a lease")]
pub enum Row {
    /// A lease.
    Lease(Lease),
    /// Something else that KCL 3.x keeps in the same table: worker metrics, the leader's lock, ...
    Foreign {
        /// Its key.
        key: String,
    },
    /// A lease that cannot be worked with.
    Malformed {
        /// Its key.
        key: String,
        /// What is wrong with it.
        why: String,
    },
}

/// Reads one item. Attributes that are not a lease's own are passed over.
#[must_use]
pub fn read(item: &Item) -> Row {
    let key = match item.get(LEASE_KEY) {
        Some(Value::S(key)) => key.clone(),
        Some(_) | None => String::new(),
    };
    if is_foreign(item) {
        return Row::Foreign { key };
    }
    match lease(item) {
        Ok(lease) => Row::Lease(lease),
        Err(why) => Row::Malformed { key, why },
    }
}

/// Leases made before KCL 3.5 have no entity type; what has no counter never was a lease.
fn is_foreign(item: &Item) -> bool {
    match item.get(ENTITY_TYPE) {
        Some(kind) => *kind != Value::S("LEASE".to_owned()),
        None => !item.contains_key(LEASE_COUNTER),
    }
}

fn lease(item: &Item) -> Result<Lease, String> {
    if item.contains_key(STREAM_NAME) {
        return Err("it belongs to an application with several streams".to_owned());
    }
    let key = text(item, LEASE_KEY)?.ok_or_else(|| missing(LEASE_KEY))?;
    let pending = checkpoint(item, PENDING, PENDING_SUB_SEQUENCE)?;
    let state = bytes(item, PENDING_STATE)?;
    Ok(Lease {
        key: LeaseKey::new(key).map_err(|_| empty(LEASE_KEY))?,
        owner: worker(item, LEASE_OWNER)?,
        counter: number(item, LEASE_COUNTER)?.ok_or_else(|| missing(LEASE_COUNTER))?,
        owner_switches: number(item, OWNER_SWITCHES)?.unwrap_or(0),
        checkpoint: checkpoint(item, CHECKPOINT, CHECKPOINT_SUB_SEQUENCE)?
            .ok_or_else(|| missing(CHECKPOINT))?,
        pending: pending.map(|checkpoint| PendingCheckpoint { checkpoint, state }),
        parents: shards(item, PARENTS)?,
        children: shards(item, CHILDREN)?,
        hash_range: hash_range(item)?,
        latest_since: date(item, LATEST_SINCE),
        checkpoint_owner: worker(item, CHECKPOINT_OWNER)?,
    })
}

fn checkpoint(item: &Item, name: &str, sub_name: &str) -> Result<Option<Checkpoint>, String> {
    let sub_sequence = number(item, sub_name)?.unwrap_or(0);
    match text(item, name)? {
        None => Ok(None),
        Some(text) => Checkpoint::parse(text, sub_sequence)
            .map(Some)
            .map_err(|error| format!("`{name}`: {error}")),
    }
}

/// A range that makes no sense counts as not known: it is then asked of Kinesis and written anew.
fn hash_range(item: &Item) -> Result<Option<HashKeyRange>, String> {
    let (start, end) = (text(item, STARTING_HASH_KEY)?, text(item, ENDING_HASH_KEY)?);
    Ok(start.zip(end).and_then(|(start, end)| HashKeyRange::parse(start, end).ok()))
}

/// A date that makes no sense counts as not known.
fn date(item: &Item, name: &str) -> Option<Timestamp> {
    let millis = number(item, name).ok().flatten()?;
    i64::try_from(millis).ok().map(Timestamp::from_millis)
}

fn worker(item: &Item, name: &str) -> Result<Option<WorkerId>, String> {
    text(item, name)?.map(|id| WorkerId::new(id).map_err(|_| empty(name))).transpose()
}

fn shards(item: &Item, name: &str) -> Result<BTreeSet<ShardId>, String> {
    match item.get(name) {
        Some(Value::Ss(ids)) => {
            ids.iter().map(|id| ShardId::new(id).map_err(|_| empty(name))).collect()
        }
        None => Ok(BTreeSet::new()),
        Some(other) => Err(wrong_type(name, "SS", other)),
    }
}

fn text<'a>(item: &'a Item, name: &str) -> Result<Option<&'a str>, String> {
    match item.get(name) {
        Some(Value::S(text)) => Ok(Some(text)),
        None => Ok(None),
        Some(other) => Err(wrong_type(name, "S", other)),
    }
}

/// A count. The highest is Java's, so that one more is still one of ours.
fn number(item: &Item, name: &str) -> Result<Option<u64>, String> {
    const MAX: u64 = i64::MAX.unsigned_abs();
    match item.get(name) {
        Some(Value::N(text)) => match text.parse() {
            Ok(number @ ..=MAX) => Ok(Some(number)),
            Ok(_) | Err(_) => {
                let text: String = text.chars().take(40).collect();
                Err(format!("`{name}` is `{text}`, not a counting number"))
            }
        },
        None => Ok(None),
        Some(other) => Err(wrong_type(name, "N", other)),
    }
}

fn bytes(item: &Item, name: &str) -> Result<Option<Vec<u8>>, String> {
    match item.get(name) {
        Some(Value::B(bytes)) => Ok(Some(bytes.clone())),
        None => Ok(None),
        Some(other) => Err(wrong_type(name, "B", other)),
    }
}

fn missing(name: &str) -> String {
    format!("`{name}` is missing")
}

fn empty(name: &str) -> String {
    format!("`{name}` is empty")
}

fn wrong_type(name: &str, wanted: &str, found: &Value) -> String {
    let found = match found {
        Value::S(_) => "S",
        Value::N(_) => "N",
        Value::B(_) => "B",
        Value::Ss(_) => "SS",
        Value::Other(kind) => kind,
    };
    format!("`{name}` is of type {found}, not {wanted}")
}
