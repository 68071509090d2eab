//! Whether the model follows the rules of the crate: the one place where the two meet.
//!
//! Every write of a worker is tried on every row, whether the model leads there or not. The table
//! reads the crate's conditions and updates as DynamoDB would.

use std::collections::BTreeMap;

use shardwise_core::id::{self, LeaseKey};
use shardwise_core::lease::{self, Lease};
use shardwise_core::row;
use shardwise_core::sequence::Checkpoint;
use shardwise_core::time::Timestamp;
use shardwise_table_model::Table;

use super::rules::{Confirm, Rules};
use super::table::{Change, Place, Row, TenureId, WorkerId, Write};
use super::worker::{Flight, Outcome, Read, Stage};

const ME: WorkerId = WorkerId(0);
const KEY: &str = "shardId-000000000000";

fn worker(id: WorkerId) -> id::WorkerId {
    id::WorkerId::new(format!("worker-{}", id.0)).expect("it is well formed")
}

/// Places 1 and 2 are the user records of one aggregate.
fn checkpoint(place: Place) -> Checkpoint {
    match place {
        Place::HORIZON => Checkpoint::TrimHorizon,
        Place(place) => Checkpoint::parse("5", u64::from(place) - 1).expect("it is well formed"),
    }
}

/// A row as the crate knows it.
fn lease(row: Row) -> Lease {
    let key = LeaseKey::new(KEY).expect("it is well formed");
    let lease = Lease::new(key, checkpoint(row.checkpoint));
    Lease { owner: row.owner.map(worker), counter: u64::from(row.counter), ..lease }
}

/// A write as the crate sends it, and the row that it expects to make.
fn sent(write: Write) -> (row::Write, Lease) {
    let (before, me, now) = (lease(write.before), worker(write.from), Timestamp::from_millis(0));
    let change = match write.change {
        Change::Take(_) => return (row::take(&before, &me, now), before.taken_by(&me, now)),
        Change::Renew => lease::Change::Renew,
        Change::Checkpoint(place) => lease::Change::Checkpoint(checkpoint(place)),
        Change::Release => lease::Change::Release,
    };
    (row::change(&before, &change), before.after(&change))
}

fn every_row() -> Vec<Row> {
    let owners = [None, Some(ME), Some(WorkerId(1))];
    let counters = owners.into_iter().flat_map(|owner| (0..4).map(move |counter| (owner, counter)));
    counters
        .flat_map(|(owner, counter)| {
            (0..=Place::LAST.0).map(move |at| Row { owner, counter, checkpoint: Place(at) })
        })
        .collect()
}

/// What one worker may send: anyone may take any row, the rest is for who holds it.
fn every_write() -> Vec<Write> {
    let mut writes = Vec::new();
    for before in every_row() {
        let mut changes = vec![Change::Take(before.counter + 1)];
        if before.owner == Some(ME) {
            changes.extend([Change::Renew, Change::Release]);
            changes.extend(
                (before.checkpoint.0 + 1..=Place::LAST.0).map(Place).map(Change::Checkpoint),
            );
        }
        let write = |change| Write { from: ME, tenure: None, before, change };
        writes.extend(changes.into_iter().map(write));
    }
    writes
}

/// How often each answer was given, or where model and crate differ.
type Answers = Result<BTreeMap<&'static str, u32>, String>;

fn compare(rules: &Rules) -> Answers {
    let mut answers = BTreeMap::new();
    for write in every_write() {
        let (text, expected) = sent(write);
        for row in every_row() {
            let mut same = |answer: &'static str, agree: bool| {
                *answers.entry(answer).or_insert(0) += 1;
                if agree { Ok(()) } else { Err(format!("{answer}: {write:?} on {row:?}")) }
            };
            let mut table = Table::default();
            assert!(table.apply(&row::create(&lease(row))));
            let is_applied = table.apply(&text);
            let is_allowed = write.is_allowed_on(row, rules);
            same(if is_allowed { "applied" } else { "refused" }, is_allowed == is_applied)?;
            if is_applied {
                let Some(row::Row::Lease(after)) = table.row(KEY).map(row::read) else {
                    return Err(format!("{write:?} on {row:?} leaves no lease"));
                };
                let made = lease(write.applied_to(row));
                let after = Lease { owner_switches: 0, ..after };
                same("what it makes of the row", after == made)?;
            }
            let flight = Flight { write, stage: Stage::Ambiguous };
            let tenure = TenureId { generation: 0, counter: 0 };
            let read = Read { row, tenure: Some(tenure) };
            let is_proven = matches!(flight.outcome(read, rules), Outcome::Written(..));
            let answer = if is_proven { "proven" } else { "not proven" };
            same(answer, is_proven == expected.is_proven_by(&lease(row)))?;
        }
    }
    Ok(answers)
}

#[test]
fn the_models_rules_of_a_write_are_those_of_the_crate() {
    let answers = compare(&Rules::OURS).unwrap();
    assert_eq!(answers.len(), 5, "every answer is given: {answers:?}");
    println!("model and crate agree: {answers:?}");
}

#[test]
fn the_crate_writes_by_none_of_the_changed_rules() {
    let mutants = [
        Rules { checkpoint_is_conditional: false, ..Rules::OURS },
        Rules { renewal_is_conditional: false, ..Rules::OURS },
        Rules { condition_names_owner: false, ..Rules::OURS },
        Rules { confirm: Confirm::WithoutSubSequence, ..Rules::OURS },
        Rules { confirm: Confirm::OwnerAndCounter, ..Rules::OURS },
    ];
    for mutant in mutants {
        assert!(compare(&mutant).is_err(), "{mutant:#?}");
    }
}
