//! Our writes beside KCL's: the same effect, under a condition at least as strict.

use std::collections::BTreeMap;

use shardwise_core::id::{ShardId, WorkerId};
use shardwise_core::lease::{Change, Lease, PendingCheckpoint};
use shardwise_core::row::{self, Action, Item, Row, Value, Write};
use shardwise_core::sequence::Checkpoint;
use shardwise_core::shard::HashKeyRange;

use crate::fixtures::{DRIVEN, Moment, Recording, driven, scenarios};
use crate::{NOW, json, table};

type Json = serde_json::Value;

pub(crate) fn lease(item: &Item) -> Lease {
    match row::read(item) {
        Row::Lease(lease) => lease,
        other @ (Row::Foreign { .. } | Row::Malformed { .. }) => panic!("{other:?}"),
    }
}

/// How often each kind of write was compared.
type Tally = BTreeMap<&'static str, usize>;

/// Goes through a recording, and compares each of KCL's writes with ours on the row that it met.
fn compare(recording: &Recording, tally: &mut Tally) {
    let mut rows: BTreeMap<String, Item> = BTreeMap::new();
    for moment in &recording.moments {
        match moment {
            Moment::Rows(items) => {
                rows = items.iter().map(|item| (key(item), item.clone())).collect();
            }
            Moment::Changed(items) => {
                for item in items {
                    let known = rows.entry(key(item)).or_insert_with(|| item.clone());
                    if let Row::Lease(_) = row::read(item) {
                        assert_eq!(known, item, "the test's table is wrong");
                    }
                }
            }
            Moment::Write { target, request } => {
                if let Some(kind) = compare_write(target, request, &mut rows) {
                    *tally.entry(kind).or_default() += 1;
                }
            }
        }
    }
}

fn key(item: &Item) -> String {
    match &item["leaseKey"] {
        Value::S(key) => key.clone(),
        other @ (Value::N(_) | Value::B(_) | Value::Ss(_) | Value::Other(_)) => {
            panic!("no key: {other:?}")
        }
    }
}

/// Compares one write, carries it out, and names what it was; nothing if it concerned no lease.
fn compare_write(
    target: &str,
    request: &Json,
    rows: &mut BTreeMap<String, Item>,
) -> Option<&'static str> {
    if target == "PutItem" {
        let item = json::item(&request["Item"]);
        let Row::Lease(lease) = row::read(&item) else { return None };
        compare_create(request, &lease, &item);
        rows.entry(key(&item)).or_insert(item);
        return Some("create");
    }
    let key = request["Key"]["leaseKey"]["S"].as_str()?;
    if target == "DeleteItem" {
        let before = rows.remove(key).unwrap();
        let delete = row::delete(&lease(&before));
        assert_eq!(table::ours(&delete, Some(&before)), Ok(None));
        return Some("delete");
    }
    assert_eq!(target, "UpdateItem");
    let Some(row) = rows.get(key) else {
        let hits_nothing = request.get("UpdateExpression").is_some();
        assert!(hits_nothing || !table::expects(request, None), "it revives a row");
        return None;
    };
    let Row::Lease(_) = row::read(row) else { return None };
    let before = as_expected(request, row);
    if !table::expects(request, Some(&before)) {
        return Some("refused");
    }
    let kind = compare_update(request, &before);
    rows.insert(key.to_owned(), table::update(request, &before));
    Some(kind)
}

fn compare_create(request: &Json, lease: &Lease, item: &Item) {
    let create = row::create(lease);
    // An entity type is an invention of KCL 3.5. A row without one is a lease to all versions.
    let mut expected = item.clone();
    expected.remove("entityType");
    assert_eq!(create.action, Action::Put(expected));
    for row in [None, Some(item)] {
        assert_eq!(table::holds(&create, row), table::expects(request, row));
    }
}

/// The row as KCL saw it: of many equal renewals only some were recorded.
fn as_expected(request: &Json, row: &Item) -> Item {
    let mut row = row.clone();
    for (name, expected) in request["Expected"].as_object().unwrap() {
        if let Some(value) = expected.get("Value") {
            row.insert(name.clone(), json::value(value));
        }
    }
    row
}

fn compare_update(request: &Json, before: &Item) -> &'static str {
    let (kind, Some(write)) = counterpart(request, &lease(before)) else { return "of a leader" };
    let mut after = table::ours(&write, Some(before)).expect("the row is as it was seen");
    // Java knows no date of LATEST.
    after.as_mut().map(|row| row.remove("shardwiseLatestSince"));
    let mut theirs = table::update(request, before);
    // We measure no throughput; what is there stays.
    theirs.remove("throughputKBps");
    theirs.extend(before.get_key_value("throughputKBps").map(|(k, v)| (k.clone(), v.clone())));
    assert_eq!(after, Some(theirs), "{kind}: {request}");
    for other in others(before) {
        if table::holds(&write, other.as_ref()) {
            assert!(table::expects(request, other.as_ref()), "{kind} on {other:?}");
        }
    }
    kind
}

/// The write of ours that does what `request` does to a row that is `seen`; none for what only
/// the leader of KCL 3.x and the parties of its hand-offs do.
fn counterpart(request: &Json, seen: &Lease) -> (&'static str, Option<Write>) {
    let (kind, write) = like(request, seen);
    let updates = &request["AttributeUpdates"];
    let assigns =
        updates["leaseOwner"]["Action"] == "PUT" && updates["leaseCounter"]["Action"] != "PUT";
    let hands_off = seen.checkpoint_owner.is_some() && updates["leaseCounter"]["Action"] == "ADD";
    (kind, (!assigns && !hands_off).then_some(write))
}

fn like(request: &Json, seen: &Lease) -> (&'static str, Write) {
    let updates = request["AttributeUpdates"].as_object().unwrap();
    let put = |name: &str| updates.get(name).and_then(|update| update.get("Value"));
    let text = |name: &str| put(name).map(|value| value["S"].as_str().unwrap());
    let checkpoint = |name: &str, sub_name: &str| {
        let sub_sequence = put(sub_name).unwrap()["N"].as_str().unwrap().parse().unwrap();
        text(name).map(|text| Checkpoint::parse(text, sub_sequence).unwrap())
    };
    if let Some(owner) = text("leaseOwner") {
        return ("take", row::take(seen, &WorkerId::new(owner).unwrap(), NOW));
    }
    if text("pendingCheckpoint").is_some() {
        let names = ("pendingCheckpoint", "pendingCheckpointSubSequenceNumber");
        let state = put("pendingCheckpointState").map(json::value).map(|value| match value {
            Value::B(bytes) => bytes,
            other @ (Value::S(_) | Value::N(_) | Value::Ss(_) | Value::Other(_)) => {
                panic!("no bytes: {other:?}")
            }
        });
        let checkpoint = checkpoint(names.0, names.1).unwrap();
        let pending = PendingCheckpoint { checkpoint, state };
        return ("prepare", row::change(seen, &Change::Prepare(pending)));
    }
    if text("checkpoint").is_some() {
        let place = checkpoint("checkpoint", "checkpointSubSequenceNumber").unwrap();
        return ("checkpoint", row::change(seen, &Change::Checkpoint(place)));
    }
    if let Some(children) = put("childShardIds") {
        let ids = children["SS"].as_array().unwrap().iter();
        let ids = ids.map(|id| ShardId::new(id.as_str().unwrap()).unwrap()).collect();
        return ("children", row::set_children(&seen.key, &ids));
    }
    if let (Some(start), Some(end)) = (text("startingHashKey"), text("endingHashKey")) {
        let range = HashKeyRange::parse(start, end).unwrap();
        return ("hash range", row::set_hash_range(&seen.key, range));
    }
    if updates.contains_key("leaseOwner") {
        return ("release", row::change(seen, &Change::Release));
    }
    assert!(put("leaseCounter").is_some(), "{updates:?}");
    ("renew", row::change(seen, &Change::Renew))
}

/// What else the row may be when the write arrives.
fn others(row: &Item) -> Vec<Option<Item>> {
    let with = |name: &str, value: Option<Value>| {
        let mut row = row.clone();
        match value {
            Some(value) => row.insert(name.to_owned(), value),
            None => row.remove(name),
        };
        Some(row)
    };
    let (other, zero) = (Value::S("worker-other".to_owned()), Value::N("0".to_owned()));
    vec![
        None,
        Some(row.clone()),
        with("leaseCounter", Some(zero)),
        with("leaseCounter", Some(Value::N("999".to_owned()))),
        with("leaseOwner", None),
        with("leaseOwner", Some(other.clone())),
        with("checkpointOwner", None),
        with("checkpointOwner", Some(other)),
        with("checkpoint", Some(Value::S("SHARD_END".to_owned()))),
    ]
}

#[test]
fn every_write_of_the_recorded_daemon_has_its_like() {
    let mut tally = Tally::new();
    for recording in scenarios() {
        compare(&recording, &mut tally);
    }
    let kinds: Vec<&str> = tally.keys().copied().collect();
    assert_eq!(kinds, ["checkpoint", "children", "create", "delete", "renew", "take"]);
    assert!(tally["checkpoint"] >= 50 && tally["take"] >= 20, "{tally:?}");
}

#[test]
fn every_write_of_the_driven_versions_has_its_like() {
    for version in DRIVEN {
        let mut tally = Tally::new();
        compare(&driven(version), &mut tally);
        let leader = if version.starts_with('3') { (7, 1) } else { (0, 0) };
        assert_eq!(tally.remove("of a leader").unwrap_or(0), leader.0);
        assert_eq!(tally.remove("refused").unwrap_or(0), leader.1);
        let kinds: Vec<&str> = tally.keys().copied().collect();
        let all = [
            "checkpoint",
            "children",
            "create",
            "delete",
            "hash range",
            "prepare",
            "release",
            "renew",
            "take",
        ];
        assert_eq!(kinds, all, "{version}");
    }
}
