//! Any write of ours on any row.

use std::collections::BTreeSet;

use proptest::prelude::*;
use shardwise_core::id::{LeaseKey, ShardId, WorkerId};
use shardwise_core::lease::{Change, Lease, PendingCheckpoint};
use shardwise_core::row::{self, Action, Item, Value};
use shardwise_core::sequence::Checkpoint;
use shardwise_core::shard::HashKeyRange;
use shardwise_core::time::Timestamp;

use crate::{NOW, table};

fn leases() -> impl Strategy<Value = Lease> {
    let worker = proptest::sample::select(vec!["a", "b", "c"]);
    let worker = worker.prop_map(|id| WorkerId::new(id).unwrap()).boxed();
    let shards = || {
        let id = "[0-9]{1,3}".prop_map(|id| ShardId::new(id).unwrap());
        proptest::collection::btree_set(id, 0..3)
    };
    let range = any::<(u128, u128)>().prop_map(|(a, b)| HashKeyRange::new(a.min(b), a.max(b)));
    let owners = (proptest::option::of(worker.clone()), proptest::option::of(worker));
    let since = proptest::option::of((0_i64..9).prop_map(Timestamp::from_millis));
    let owners = (owners, since);
    (owners, 0_u64..1_000, 0_u64..9, places(), pendings(), shards(), shards(), range).prop_map(
        |(
            (owners, since),
            counter,
            owner_switches,
            checkpoint,
            pending,
            parents,
            children,
            range,
        )| Lease {
            owner: owners.0,
            checkpoint_owner: owners.1,
            counter,
            owner_switches,
            pending,
            parents,
            children,
            hash_range: range,
            latest_since: since.filter(|_| checkpoint == Checkpoint::Latest),
            ..Lease::new(LeaseKey::new("shardId-000000000007").unwrap(), checkpoint)
        },
    )
}

fn places() -> impl Strategy<Value = Checkpoint> {
    let number = ("[1-9][0-9]{0,55}", 0_u64..5);
    prop_oneof![
        Just(Checkpoint::TrimHorizon),
        Just(Checkpoint::Latest),
        Just(Checkpoint::AtTimestamp),
        Just(Checkpoint::ShardEnd),
        number.prop_map(|(text, sub_sequence)| Checkpoint::parse(&text, sub_sequence).unwrap()),
    ]
}

fn pendings() -> impl Strategy<Value = Option<PendingCheckpoint>> {
    let state = proptest::option::of(proptest::collection::vec(any::<u8>(), 1..4));
    proptest::option::of((places(), state)).prop_map(|pending| {
        pending.map(|(checkpoint, state)| PendingCheckpoint { checkpoint, state })
    })
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        Just(Change::Renew),
        Just(Change::Release),
        places().prop_map(Change::Checkpoint),
        pendings().prop_map(|pending| pending.map_or(Change::Renew, Change::Prepare)),
    ]
}

/// The row of `lease`, with an attribute that we do not know.
fn row_of(lease: &Lease) -> Item {
    let Action::Put(mut item) = row::create(lease).action else { panic!("a row is put") };
    item.insert("somethingNew".to_owned(), Value::Other("M"));
    item
}

fn assert_nothing_empty(item: &Item) {
    for (name, value) in item {
        let empty = match value {
            Value::S(text) | Value::N(text) => text.is_empty(),
            Value::B(bytes) => bytes.is_empty(),
            Value::Ss(members) => members.is_empty() || members.contains(""),
            Value::Other(_) => false,
        };
        assert!(!empty, "{name} is empty");
    }
}

proptest! {
    #[test]
    fn a_write_makes_of_the_row_what_the_lease_says_and_leaves_the_rest(
        before in leases(),
        change in changes(),
        me in "[abc]",
        children in proptest::collection::btree_set("[0-9]{1,3}", 0..3),
    ) {
        let row = row_of(&before);
        let me = WorkerId::new(me).unwrap();
        let children: BTreeSet<ShardId> =
            children.iter().map(|id| ShardId::new(id).unwrap()).collect();
        let with_children = Lease { children: children.clone(), ..before.clone() };
        let with_range = Lease { hash_range: Some(HashKeyRange::ALL), ..before.clone() };
        for (write, after) in [
            (row::change(&before, &change), before.after(&change)),
            (row::take(&before, &me, NOW), before.taken_by(&me, NOW)),
            (row::set_children(&before.key, &children), with_children),
            (row::set_hash_range(&before.key, HashKeyRange::ALL), with_range),
        ] {
            let written = table::ours(&write, Some(&row)).expect("nothing has changed").unwrap();
            prop_assert_eq!(&written, &row_of(&after));
            assert_nothing_empty(&written);
        }
    }

    #[test]
    fn no_write_is_made_on_a_row_that_is_gone_or_changed_hands(
        before in leases(),
        change in changes(),
        me in "[abc]",
    ) {
        let row = row_of(&before);
        let me = WorkerId::new(me).unwrap();
        let delete = row::delete(&before);
        prop_assert_eq!(table::ours(&delete, None), Err(table::Refused));
        let mut stolen = row.clone();
        stolen.insert("leaseOwner".to_owned(), Value::S("other".to_owned()));
        prop_assert_eq!(table::ours(&delete, Some(&stolen)), Err(table::Refused));
        for write in &[row::change(&before, &change), row::take(&before, &me, NOW)] {
            prop_assert_eq!(table::ours(write, None), Err(table::Refused));
            for (name, value) in [
                ("leaseCounter", Value::N((before.counter + 1).to_string())),
                ("leaseOwner", Value::S("other".to_owned())),
                ("checkpointOwner", Value::S("other".to_owned())),
            ] {
                let mut changed = row.clone();
                changed.insert(name.to_owned(), value);
                prop_assert_eq!(table::ours(write, Some(&changed)), Err(table::Refused));
            }
        }
        let create = row::create(&before);
        prop_assert_eq!(table::ours(&create, Some(&row)), Err(table::Refused));
        prop_assert_eq!(
            table::ours(&row::delete(&before), Some(&row)).is_ok(),
            before.is_finished()
        );
    }
}
