//! Every error of the library, one of each: what it names, and how it reads.
//!
//! What an error is made of is in its type: names of streams, tables, leases, shards, settings and
//! services, and what AWS said. None has a place for a record or for credentials. A variant that
//! is added does not compile until it has a row here.

use std::collections::BTreeSet;
use std::error::Error;

use shardwise_core::checkpoint::OutOfRange;
use shardwise_core::sequence::Checkpoint;

use super::*;
use crate::parents::UnknownParents;
use crate::processor::CheckpointError;
use crate::tenure::WriteError;
use crate::{LeaseKey, ShardId};

const LEASE: &str = "shardId-000000000007";

fn lease() -> LeaseKey {
    LeaseKey::new(LEASE).unwrap()
}

fn stream() -> StreamName {
    StreamName::new("orders").unwrap()
}

/// Each error, what it must name, and the number of its variant, of so many.
type Row = (Box<dyn Error>, &'static [&'static str], usize);

fn rows<E: Error + 'static>(
    variants: usize,
    number: impl Fn(&E) -> usize,
    errors: impl IntoIterator<Item = (E, &'static [&'static str])>,
) -> Vec<Row> {
    let row = |(error, names): (E, _)| {
        let number = number(&error);
        (Box::new(error) as Box<dyn Error>, names, number)
    };
    let rows: Vec<Row> = errors.into_iter().map(row).collect();
    let here: BTreeSet<_> = rows.iter().map(|(_, _, number)| *number).collect();
    assert_eq!(here, (0..variants).collect(), "each variant has a row");
    rows
}

fn of_workers() -> Vec<Row> {
    let (table, place) = (|| "leases".to_owned(), || Some("region eu-west-1".to_owned()));
    let number = |error: &WorkerError| match error {
        WorkerError::Setting(_) => 0,
        WorkerError::StreamMissing { .. } => 1,
        WorkerError::StreamDeleting { .. } => 2,
        WorkerError::TableMissing { .. } => 3,
        WorkerError::TableNotReady { .. } => 4,
        WorkerError::NotOurs { .. } => 5,
        WorkerError::Kinesis { .. } => 6,
        WorkerError::Table { .. } => 7,
        WorkerError::Sync { .. } => 8,
    };
    let (child, parent) = (ShardId::new(LEASE).unwrap(), ShardId::new("shardId-1").unwrap());
    let setting = InvalidSetting { setting: "maxRecords", found: "0".to_owned(), allowed: "1" };
    let (key, why) = ("a-row".to_owned(), "no counter".to_owned());
    rows(
        9,
        number,
        [
            (WorkerError::Setting(setting), &["maxRecords", "0", "1"][..]),
            (
                WorkerError::StreamMissing { stream: stream(), place: place() },
                &["orders", "eu-west-1", "streamName"],
            ),
            (WorkerError::StreamDeleting { stream: stream() }, &["orders"]),
            (
                WorkerError::TableMissing { table: table() },
                &["leases", "shardwise.leaseTable.create"],
            ),
            (WorkerError::TableNotReady { table: table() }, &["leases"]),
            (WorkerError::NotOurs { table: table(), key, why }, &["leases", "a-row", "no counter"]),
            (
                WorkerError::Kinesis {
                    stream: stream(),
                    place: place(),
                    source: KinesisError::Throttled,
                },
                &["Kinesis", "orders", "eu-west-1", "throttled"],
            ),
            (
                WorkerError::Table { table: table(), place: place(), source: TableError::Missing },
                &["DynamoDB", "leases", "eu-west-1", "missing"],
            ),
            (
                WorkerError::Sync {
                    stream: stream(),
                    source: SyncError::Inconsistent { child, parent },
                },
                &["orders", LEASE, "shardId-1"],
            ),
        ],
    )
}

fn of_checkpoints() -> Vec<Row> {
    let place = Checkpoint::TrimHorizon;
    let (last, largest) = (place.clone(), Checkpoint::ShardEnd);
    let source = OutOfRange { asked: place, last, largest };
    let number = |error: &CheckpointError| match error {
        CheckpointError::LeaseLost { .. } => 0,
        CheckpointError::OutOfRange { .. } => 1,
        CheckpointError::Table { .. } => 2,
    };
    let mut all = rows(
        3,
        number,
        [
            (CheckpointError::LeaseLost { lease: lease() }, &[LEASE][..]),
            (
                CheckpointError::OutOfRange { lease: lease(), source },
                &[LEASE, "TRIM_HORIZON", "SHARD_END"],
            ),
            (
                CheckpointError::Table { lease: lease(), source: TableError::Throttled },
                &[LEASE, "throttled"],
            ),
        ],
    );
    let number = |error: &WriteError| match error {
        WriteError::Lost => 0,
        WriteError::Behind(_) => 1,
        WriteError::Table(_) => 2,
    };
    all.extend(rows(
        3,
        number,
        [
            // The lease is beside them wherever they are told.
            (WriteError::Lost, &["lease"][..]),
            (WriteError::Behind(Checkpoint::TrimHorizon), &["TRIM_HORIZON"]),
            (WriteError::Table(TableError::Missing), &["lease table"]),
        ],
    ));
    let number = |error: &UnknownParents| match error {
        UnknownParents::Table(_) => 0,
        UnknownParents::Shards(_) => 1,
        UnknownParents::RowGone(_) => 2,
        UnknownParents::Unreadable(_) => 3,
    };
    all.extend(rows(
        4,
        number,
        [
            (UnknownParents::Table(TableError::Throttled), &["lease table", "throttled"][..]),
            (UnknownParents::Shards(KinesisError::Expired), &["shards", "expired"]),
            (UnknownParents::RowGone(lease()), &[LEASE]),
            (UnknownParents::Unreadable(lease()), &[LEASE]),
        ],
    ));
    all
}

/// They say what a service said; what it was asked about is beside them wherever they are told.
fn of_services() -> Vec<Row> {
    let (said, broken) = (|| "as said".to_owned(), || "broken pipe".into());
    let number = |error: &TableError| match error {
        TableError::Missing => 0,
        TableError::Throttled => 1,
        TableError::Refused(_) => 2,
        TableError::Rejected(_) => 3,
        TableError::Unanswered(_) => 4,
    };
    let mut all = rows(
        5,
        number,
        [
            (TableError::Missing, &["lease table"][..]),
            (TableError::Throttled, &["throttled"]),
            (TableError::Refused(said()), &["as said"]),
            (TableError::Rejected(said()), &["as said"]),
            (TableError::Unanswered(broken()), &["broken pipe"]),
        ],
    );
    let number = |error: &KinesisError| match error {
        KinesisError::NotFound(_) => 0,
        KinesisError::Expired => 1,
        KinesisError::Throttled => 2,
        KinesisError::Invalid(_) => 3,
        KinesisError::Refused(_) => 4,
        KinesisError::InUse(_) => 5,
        KinesisError::Unanswered(_) => 6,
    };
    all.extend(rows(
        7,
        number,
        [
            (KinesisError::NotFound(said()), &["as said"][..]),
            (KinesisError::Expired, &["expired"]),
            (KinesisError::Throttled, &["throttled"]),
            (KinesisError::Invalid(said()), &["as said"]),
            (KinesisError::Refused(said()), &["as said"]),
            (KinesisError::InUse(said()), &["as said"]),
            (KinesisError::Unanswered(broken()), &["broken pipe"]),
        ],
    ));
    all
}

#[test]
fn every_error_names_what_it_is_about_in_one_line() {
    for (error, names, _) in of_workers().into_iter().chain(of_checkpoints()).chain(of_services()) {
        let (told, shown) = (with_causes(&*error), format!("{error:?}"));
        for name in names {
            assert!(told.contains(name), "`{name}` in {told}");
        }
        assert!(!told.ends_with('.') && !told.contains('\n'), "{told}");
        assert!(!shown.is_empty() && error.to_string().len() < 250, "{shown}");
    }
}

#[test]
fn an_error_is_told_with_all_its_causes_in_one_line() {
    let cause = std::io::Error::other("refused by\n  the host");
    let source = TableError::Unanswered(Box::new(cause));
    let place = Some("region eu-west-1".to_owned());
    let error = WorkerError::Table { table: "leases".to_owned(), place, source };
    let text =
        "DynamoDB in region eu-west-1, lease table `leases`: no usable answer: refused by the host";
    assert_eq!(with_causes(&error), text);
}
