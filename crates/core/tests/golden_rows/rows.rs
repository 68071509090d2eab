//! Every recorded row is read; rows of other kinds and broken ones fail nothing.

use std::collections::BTreeSet;

use serde_json::json;
use shardwise_core::lease::Lease;
use shardwise_core::row::{self, Item, Row};
use shardwise_core::sequence::Checkpoint;

use crate::effects::lease;
use crate::fixtures::{DRIVEN, Moment, Recording, driven, scenarios};
use crate::json;

fn rows(recording: &Recording) -> impl Iterator<Item = &Item> {
    recording.moments.iter().flat_map(|moment| match moment {
        Moment::Rows(items) | Moment::Changed(items) => items.as_slice(),
        Moment::Write { .. } => &[],
    })
}

#[test]
fn every_row_of_the_recorded_daemon_is_a_lease() {
    let mut count = 0;
    for recording in scenarios() {
        for item in rows(&recording) {
            let lease = lease(item);
            assert!(lease.hash_range.is_some() && lease.checkpoint_owner.is_none());
            count += 1;
        }
    }
    assert_eq!(count, 88);
}

#[test]
fn a_checkpoint_inside_an_aggregated_record_keeps_its_sub_sequence_number() {
    let recordings = scenarios();
    let inside = recordings.iter().find(|recording| recording.name.starts_with("07b")).unwrap();
    let mut subs: Vec<u64> = rows(inside).map(|row| lease(row).checkpoint.sub_sequence()).collect();
    subs.dedup();
    assert_eq!(subs, [2, 99, 0]);
}

#[test]
fn a_finished_row_knows_its_children_and_they_know_their_parents() {
    let recordings = scenarios();
    let reshard = recordings.iter().find(|recording| recording.name == "03-split-and-merge");
    let leases: Vec<_> = rows(reshard.unwrap()).map(lease).collect();
    let finished: Vec<_> = leases.iter().filter(|lease| lease.is_finished()).collect();
    assert!(!finished.is_empty());
    for parent in finished {
        assert!(!parent.children.is_empty());
        for child in leases.iter().filter(|lease| parent.children.contains(&lease.key.shard())) {
            assert!(child.parents.contains(&parent.key.shard()));
        }
    }
    assert!(leases.iter().any(|lease| lease.parents.len() == 2));
    assert!(leases.iter().any(|lease| lease.checkpoint == Checkpoint::TrimHorizon));
}

#[test]
fn what_the_driven_versions_keep_in_the_lease_table_is_told_apart() {
    for version in DRIVEN {
        let (mut leases, mut foreign, mut malformed) = (0, Vec::new(), Vec::new());
        for item in rows(&driven(version)) {
            match row::read(item) {
                Row::Lease(_) => leases += 1,
                Row::Foreign { key } => foreign.push(key),
                Row::Malformed { key, why } => malformed.push((key, why)),
            }
        }
        let several = "it belongs to an application with several streams";
        let key = "111122223333:orders:1700000000:shardId-000000000000";
        assert_eq!(malformed, [(key.to_owned(), several.to_owned())]);
        if version.starts_with('3') {
            let (migration, tables) = ("Migration3.0", "TableMigration3.5");
            let others = [migration, migration, tables, "orders", "Leader", "worker-a"];
            assert_eq!(foreign, others);
            assert_eq!(leases, 37);
        } else {
            assert!(foreign.is_empty());
            assert_eq!(leases, 24);
        }
    }
}

#[test]
fn every_prepared_checkpoint_and_hand_off_of_the_driven_versions_is_read() {
    for version in DRIVEN {
        let recording = driven(version);
        let leases: Vec<Lease> = rows(&recording)
            .filter_map(|item| match row::read(item) {
                Row::Lease(lease) => Some(lease),
                Row::Foreign { .. } | Row::Malformed { .. } => None,
            })
            .collect();
        let states: BTreeSet<Option<Vec<u8>>> =
            leases.iter().filter_map(|lease| Some(lease.pending.clone()?.state)).collect();
        assert_eq!(states, [None, Some(vec![0, 1, 255]), Some(vec![7])].into());
        let handed = leases.iter().filter(|lease| lease.checkpoint_owner.is_some()).count();
        assert_eq!(handed, if version.starts_with('3') { 7 } else { 0 });
        assert!(leases.iter().any(|lease| lease.checkpoint.sub_sequence() == 3));
        assert!(leases.iter().any(|lease| lease.owner_switches == 1));
    }
}

/// Rows of KCL 3.0 to 3.4 have no entity type; they were meant for tables of their own.
#[test]
fn a_row_without_an_entity_type_and_without_a_counter_is_no_lease() {
    for row in [
        json!({"leaseKey": {"S": "Migration3.0"}, "cv": {"S": "CLIENT_VERSION_2X"}}),
        json!({"leaseKey": {"S": "Leader"}, "ownerName": {"S": "worker-1"}}),
        json!({"leaseKey": {"S": "worker-1"}, "lut": {"N": "1700000000"}, "sts": {"M": {}}}),
    ] {
        let key = row["leaseKey"]["S"].as_str().unwrap().to_owned();
        assert_eq!(row::read(&json::item(&row)), Row::Foreign { key });
    }
}

#[test]
fn attributes_that_we_do_not_know_are_passed_over() {
    let recordings = scenarios();
    for item in recordings.iter().flat_map(rows) {
        let mut more = item.clone();
        for (name, value) in [
            ("throughputKBps", json!({"N": "1.0E-6"})),
            ("entityType", json!({"S": "LEASE"})),
            ("somethingNew", json!({"L": [{"NULL": true}]})),
        ] {
            more.insert(name.to_owned(), json::value(&value));
        }
        assert_eq!(row::read(&more), row::read(item));
    }
}

#[test]
fn a_recorded_row_with_any_attribute_broken_fails_nothing_else() {
    let recordings = scenarios();
    for item in recordings.iter().flat_map(rows) {
        for name in item.keys().filter(|name| *name != "leaseKey") {
            let mut broken = item.clone();
            broken.insert(name.clone(), json::value(&json!({"BOOL": true})));
            let Row::Malformed { key, why } = row::read(&broken) else {
                panic!("`{name}` is not looked at");
            };
            assert_eq!(key, lease(item).key.as_str());
            assert!(why.contains(name.as_str()), "{why}");
        }
    }
}
