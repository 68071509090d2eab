//! Rows of the lease table, with attributes of any type: a lease that was read is written as it
//! is, and each write of it, carried out by a table that reads conditions for itself, leaves the
//! row that was meant and everything unknown as it was.

use shardwise_core::id::{LeaseKey, WorkerId};
use shardwise_core::lease::{Change, Lease, PendingCheckpoint};
use shardwise_core::row::{self, Action, Item, Row, Value, Write};
use shardwise_core::sequence::Checkpoint;
use shardwise_core::time::Timestamp;
use shardwise_table_model::Table;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "lease_row",
    words: &[
        "\nleaseKey S shardId-000000000000\n",
        "\nleaseOwner S w\n",
        "\nleaseCounter N ",
        "\nownerSwitchesSinceCheckpoint N ",
        "\ncheckpoint S TRIM_HORIZON\n",
        "\ncheckpoint S SHARD_END\n",
        "\ncheckpointSubSequenceNumber N ",
        "\npendingCheckpoint S ",
        "\npendingCheckpointSubSequenceNumber N ",
        "\npendingCheckpointState B ",
        "\nparentShardId SS a,b\n",
        "\nchildShardIds SS ",
        "\nstartingHashKey S 0\n",
        "\nendingHashKey S 340282366920938463463374607431768211455\n",
        "\ncheckpointOwner S ",
        "\nentityType S LEASE\n",
        "\nentityType S WORKER_METRICS\n",
        "\nstreamName S ",
        "\nthroughputKBps N 0.5\n",
        " M ",
        " BOOL ",
        " NULL ",
    ],
    bytes_max: 1_024,
    check,
};

/// When leases are taken.
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_123);

/// The highest number of Java's.
const LAST: u64 = i64::MAX.unsigned_abs();

fn check(input: &[u8]) {
    let item = item(&String::from_utf8_lossy(input));
    let is_lease = match item.get("entityType") {
        Some(kind) => *kind == Value::S("LEASE".to_owned()),
        None => item.contains_key("leaseCounter"),
    };
    match row::read(&item) {
        Row::Foreign { key } => {
            assert!(!is_lease);
            assert!(is_key(&item, &key));
        }
        Row::Malformed { key, why } => {
            assert!(is_lease);
            assert!(is_key(&item, &key));
            assert!(!why.is_empty() && why.len() < 500, "{} bytes of reasons", why.len());
        }
        Row::Lease(lease) => {
            assert!(is_lease);
            check_created(&lease);
            // DynamoDB keeps numbers in one spelling; the model compares text. And no count goes on
            // behind the last one.
            if item.values().all(is_canonical) && lease.counter.max(lease.owner_switches) < LAST {
                check_writes(&item, &lease);
            }
        }
    }
}

/// Each line is an attribute's name, its type, and its value.
fn item(text: &str) -> Item {
    let attribute = |line: &str| {
        let (name, rest) = line.split_once(' ')?;
        let (kind, value) = rest.split_once(' ').unwrap_or((rest, ""));
        let value = match kind {
            "S" => Value::S(value.to_owned()),
            "N" => Value::N(value.to_owned()),
            "B" => Value::B(value.as_bytes().to_vec()),
            "SS" => Value::Ss(value.split(',').map(ToOwned::to_owned).collect()),
            "M" => Value::Other("M"),
            "L" => Value::Other("L"),
            "BOOL" => Value::Other("BOOL"),
            "NULL" => Value::Other("NULL"),
            "NS" => Value::Other("NS"),
            "BS" => Value::Other("BS"),
            _ => return None,
        };
        Some((name.to_owned(), value))
    };
    text.lines().filter_map(attribute).collect()
}

fn is_key(item: &Item, key: &str) -> bool {
    match item.get("leaseKey") {
        Some(Value::S(text)) => text == key,
        Some(_) | None => key.is_empty(),
    }
}

fn is_canonical(value: &Value) -> bool {
    match value {
        Value::N(text) => text.parse::<u64>().is_ok_and(|number| number.to_string() == *text),
        Value::S(_) | Value::B(_) | Value::Ss(_) | Value::Other(_) => true,
    }
}

fn check_created(lease: &Lease) {
    let mut table = Table::default();
    apply(&mut table, &row::create(lease));
    assert_eq!(lease_of(&table, &lease.key), *lease);
}

fn check_writes(item: &Item, lease: &Lease) {
    let me = WorkerId::new("me").expect("it is not empty");
    let place = Checkpoint::parse("42", 7).expect("a number");
    let prepared = PendingCheckpoint { checkpoint: place.clone(), state: Some(vec![1, 2]) };
    let mut table = Table::default();
    table.set(lease.key.as_str(), Some(item.clone()));
    let untouched = table.clone();
    let mut row_after = |write: &Write, after: &Lease| -> Item {
        table.clone_from(&untouched);
        apply(&mut table, write);
        assert_eq!(lease_of(&table, &lease.key), *after);
        let row = table.row(lease.key.as_str()).expect("the row is there");
        let others = |item: &Item| -> Item {
            let is_ours = |name: &str| row::ATTRIBUTES.contains(&name);
            item.clone().into_iter().filter(|(name, _)| !is_ours(name)).collect()
        };
        assert_eq!(others(row), others(item));
        let row = row.clone();
        // A second one finds another counter.
        assert!(!table.apply(write));
        row
    };
    row_after(&row::take(lease, &me, NOW), &lease.taken_by(&me, NOW));
    for change in [
        Change::Renew,
        Change::Checkpoint(place),
        Change::Checkpoint(Checkpoint::ShardEnd),
        Change::Prepare(prepared),
        Change::Release,
    ] {
        let after = lease.after(&change);
        let row = row_after(&row::change(lease, &change), &after);
        let is_progress = matches!(change, Change::Checkpoint(_) | Change::Prepare(_));
        let Action::Put(anew) = row::create(&after).action else { panic!("a row is put") };
        // Nothing is left of what was prepared before.
        let pending = row::ATTRIBUTES.into_iter().filter(|name| name.starts_with("pending"));
        for name in pending.filter(|_| is_progress) {
            assert_eq!(row.get(name), anew.get(name), "{name}");
        }
    }
    if lease.is_finished() {
        table.clone_from(&untouched);
        apply(&mut table, &row::delete(lease));
        assert!(table.rows().is_empty());
    }
}

fn apply(table: &mut Table, write: &Write) {
    let text = match &write.action {
        Action::Update(update) => format!("{update} {}", write.condition),
        Action::Put(_) | Action::Delete => write.condition.clone(),
    };
    let used = text.split([' ', ',', '(', ')']).filter(|word| word.starts_with(':'));
    let mut used: Vec<&str> = used.collect();
    used.sort_unstable();
    assert_eq!(used, write.values.keys().collect::<Vec<_>>(), "{text}");
    assert!(table.apply(write), "{text}");
}

fn lease_of(table: &Table, key: &LeaseKey) -> Lease {
    match row::read(table.row(key.as_str()).expect("the row is there")) {
        Row::Lease(lease) => lease,
        other @ (Row::Foreign { .. } | Row::Malformed { .. }) => panic!("{other:?}"),
    }
}
