use std::fmt::Write as _;

use super::*;
use crate::lease::PendingCheckpoint;
use crate::sequence::SequenceNumber;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_123);

fn worker(name: &str) -> WorkerId {
    WorkerId::new(name).unwrap()
}

fn place(digits: &str, sub_sequence: u64) -> Checkpoint {
    Checkpoint::At { sequence: SequenceNumber::parse(digits).unwrap(), sub_sequence }
}

/// A lease that `worker-a` holds.
fn mine() -> Lease {
    Lease {
        owner: Some(worker("worker-a")),
        counter: 7,
        owner_switches: 2,
        ..Lease::new(LeaseKey::new("shardId-000000000003").unwrap(), place("17", 4))
    }
}

fn render(write: &Write) -> String {
    let mut text = format!("{}\n", write.key);
    match &write.action {
        Action::Put(item) => {
            text.push_str("PUT\n");
            for (name, value) in item {
                writeln!(text, "  {name} = {value:?}").unwrap();
            }
        }
        Action::Update(update) => {
            let lines = update.replace(", ", "\n    ").replace(" REMOVE ", "\nREMOVE ");
            writeln!(text, "{}", lines.replace(" ADD ", "\nADD ")).unwrap();
        }
        Action::Delete => text.push_str("DELETE\n"),
    }
    writeln!(text, "IF {}", write.condition.replace(" AND ", "\n  AND ")).unwrap();
    for (placeholder, value) in &write.values {
        writeln!(text, "  {placeholder} = {value:?}").unwrap();
    }
    text
}

#[test]
fn a_new_row_is_made_only_where_there_is_none_and_says_nothing_empty() {
    let mut lease = Lease::new(LeaseKey::new("shardId-000000000003").unwrap(), Checkpoint::Latest);
    lease.parents = BTreeSet::from([ShardId::new("shardId-000000000001").unwrap()]);
    lease.hash_range = HashKeyRange::new(0, 9);
    insta::assert_snapshot!(render(&create(&lease)), @r#"
    shardId-000000000003
    PUT
      checkpoint = S("LATEST")
      checkpointSubSequenceNumber = N("0")
      endingHashKey = S("9")
      leaseCounter = N("0")
      leaseKey = S("shardId-000000000003")
      ownerSwitchesSinceCheckpoint = N("0")
      parentShardId = Ss({"shardId-000000000001"})
      startingHashKey = S("0")
    IF attribute_not_exists(leaseKey)
    "#);
}

#[test]
fn latest_has_a_date_from_the_first_write_to_the_first_checkpoint() {
    let key = LeaseKey::new("shardId-000000000003").unwrap();
    let mut lease = Lease::new(key, Checkpoint::Latest);
    let item = |write: Write| match write.action {
        Action::Put(item) => item,
        Action::Update(_) | Action::Delete => panic!("a row is put"),
    };
    let since = Value::N("1700000000123".to_owned());
    assert_eq!(item(create(&lease)).get(LATEST_SINCE), None);
    assert_eq!(item(create(&lease.clone().dated(NOW))).get(LATEST_SINCE), Some(&since));

    // KCL made the row: who takes it knows at least since when he has it.
    lease = lease.taken_by(&worker("worker-a"), NOW);
    assert_eq!(lease.latest_since, Some(NOW));
    let later = Timestamp::from_millis(NOW.as_millis() + 1);
    assert_eq!(lease.taken_by(&worker("worker-b"), later).latest_since, Some(NOW));
    assert_eq!(lease.after(&Change::Renew).latest_since, Some(NOW));
    assert_eq!(lease.after(&Change::Checkpoint(Checkpoint::Latest)).latest_since, Some(NOW));
    let write = change(&lease, &Change::Checkpoint(place("17", 4)));
    let Action::Update(update) = write.action else { panic!("a row is updated") };
    assert!(update.contains("REMOVE") && update.contains(LATEST_SINCE));
    assert_eq!(lease.after(&Change::Checkpoint(place("17", 4))).latest_since, None);
}

#[test]
fn a_date_that_makes_no_sense_is_not_known() {
    let mut item = item(&Lease { checkpoint: Checkpoint::Latest, ..mine() }.dated(NOW));
    let read = |item: &Item| match read(item) {
        Row::Lease(lease) => lease.latest_since,
        Row::Foreign { .. } | Row::Malformed { .. } => panic!("it is a lease"),
    };
    assert_eq!(read(&item), Some(NOW));
    for value in [Value::S("1700000000123".to_owned()), Value::N("-1".to_owned())] {
        item.insert(LATEST_SINCE.to_owned(), value);
        assert_eq!(read(&item), None);
    }
}

#[test]
fn a_take_expects_counter_and_owner_as_they_were_seen() {
    insta::assert_snapshot!(render(&take(&mine(), &worker("worker-b"), NOW)), @r#"
    shardId-000000000003
    SET leaseOwner = :leaseOwner
        leaseCounter = :leaseCounter
    REMOVE checkpointOwner
    ADD ownerSwitchesSinceCheckpoint :ownerSwitchesSinceCheckpoint
    IF leaseCounter = :seenCounter
      AND leaseOwner = :seenOwner
      AND attribute_not_exists(checkpointOwner)
      :leaseCounter = N("8")
      :leaseOwner = S("worker-b")
      :ownerSwitchesSinceCheckpoint = N("1")
      :seenCounter = N("7")
      :seenOwner = S("worker-a")
    "#);
}

#[test]
fn a_take_of_a_free_lease_expects_that_nobody_was_faster() {
    let free = Lease { owner: None, ..mine() };
    insta::assert_snapshot!(render(&take(&free, &worker("worker-b"), NOW)), @r#"
    shardId-000000000003
    SET leaseOwner = :leaseOwner
        leaseCounter = :leaseCounter
    REMOVE checkpointOwner
    IF leaseCounter = :seenCounter
      AND attribute_not_exists(leaseOwner)
      AND attribute_not_exists(checkpointOwner)
      :leaseCounter = N("8")
      :leaseOwner = S("worker-b")
      :seenCounter = N("7")
    "#);
}

#[test]
fn a_take_back_changes_no_hands() {
    let write = take(&mine(), &worker("worker-a"), NOW);
    assert_eq!(
        write.action,
        Action::Update(
            "SET leaseOwner = :leaseOwner, leaseCounter = :leaseCounter REMOVE checkpointOwner"
                .to_owned()
        )
    );
}

#[test]
fn a_take_in_the_middle_of_a_handoff_names_both_owners_and_counts_as_kcl_does() {
    let handed = Lease { checkpoint_owner: Some(worker("worker-c")), ..mine() };
    let write = take(&handed, &worker("worker-c"), NOW);
    let condition =
        "leaseCounter = :seenCounter AND leaseOwner = :seenOwner AND checkpointOwner = :seenHolder";
    assert_eq!(write.condition, condition);
    let counts = |write: &Write| write.values.contains_key(":ownerSwitchesSinceCheckpoint");
    assert!(counts(&write));
    assert!(!counts(&take(&handed, &worker("worker-a"), NOW)));
    let stuck = Lease { checkpoint_owner: Some(worker("worker-a")), ..mine() };
    assert!(counts(&take(&stuck, &worker("worker-a"), NOW)));
}

#[test]
fn a_renewal_moves_the_counter_and_nothing_else() {
    insta::assert_snapshot!(render(&change(&mine(), &Change::Renew)), @r#"
    shardId-000000000003
    SET leaseCounter = :leaseCounter
    IF leaseCounter = :seenCounter
      AND leaseOwner = :seenOwner
      AND attribute_not_exists(checkpointOwner)
      :leaseCounter = N("8")
      :seenCounter = N("7")
      :seenOwner = S("worker-a")
    "#);
}

#[test]
fn a_checkpoint_ends_what_was_prepared_and_starts_the_count_of_owners_anew() {
    let write = change(&mine(), &Change::Checkpoint(place("23", 0)));
    insta::assert_snapshot!(render(&write), @r#"
    shardId-000000000003
    SET leaseCounter = :leaseCounter
        checkpoint = :checkpoint
        checkpointSubSequenceNumber = :checkpointSubSequenceNumber
        ownerSwitchesSinceCheckpoint = :ownerSwitchesSinceCheckpoint
    REMOVE pendingCheckpoint
        pendingCheckpointSubSequenceNumber
        pendingCheckpointState
    IF leaseCounter = :seenCounter
      AND leaseOwner = :seenOwner
      AND attribute_not_exists(checkpointOwner)
      :checkpoint = S("23")
      :checkpointSubSequenceNumber = N("0")
      :leaseCounter = N("8")
      :ownerSwitchesSinceCheckpoint = N("0")
      :seenCounter = N("7")
      :seenOwner = S("worker-a")
    "#);
}

#[test]
fn a_checkpoint_sends_children_and_hash_keys_where_they_are_known() {
    let mut lease = mine();
    lease.children = BTreeSet::from([ShardId::new("shardId-000000000005").unwrap()]);
    lease.hash_range = HashKeyRange::new(0, 9);
    let write = change(&lease, &Change::Checkpoint(Checkpoint::ShardEnd));
    insta::assert_snapshot!(render(&write), @r#"
    shardId-000000000003
    SET leaseCounter = :leaseCounter
        checkpoint = :checkpoint
        checkpointSubSequenceNumber = :checkpointSubSequenceNumber
        ownerSwitchesSinceCheckpoint = :ownerSwitchesSinceCheckpoint
        childShardIds = :childShardIds
        startingHashKey = :startingHashKey
        endingHashKey = :endingHashKey
    REMOVE pendingCheckpoint
        pendingCheckpointSubSequenceNumber
        pendingCheckpointState
    IF leaseCounter = :seenCounter
      AND leaseOwner = :seenOwner
      AND attribute_not_exists(checkpointOwner)
      :checkpoint = S("SHARD_END")
      :checkpointSubSequenceNumber = N("0")
      :childShardIds = Ss({"shardId-000000000005"})
      :endingHashKey = S("9")
      :leaseCounter = N("8")
      :ownerSwitchesSinceCheckpoint = N("0")
      :seenCounter = N("7")
      :seenOwner = S("worker-a")
      :startingHashKey = S("0")
    "#);
}

#[test]
fn a_prepared_checkpoint_leaves_the_checkpoint_where_it_is() {
    let pending = PendingCheckpoint { checkpoint: place("23", 1), state: Some(vec![0, 255]) };
    insta::assert_snapshot!(render(&change(&mine(), &Change::Prepare(pending))), @r#"
    shardId-000000000003
    SET leaseCounter = :leaseCounter
        checkpoint = :checkpoint
        checkpointSubSequenceNumber = :checkpointSubSequenceNumber
        ownerSwitchesSinceCheckpoint = :ownerSwitchesSinceCheckpoint
        pendingCheckpoint = :pendingCheckpoint
        pendingCheckpointSubSequenceNumber = :pendingCheckpointSubSequenceNumber
        pendingCheckpointState = :pendingCheckpointState
    IF leaseCounter = :seenCounter
      AND leaseOwner = :seenOwner
      AND attribute_not_exists(checkpointOwner)
      :checkpoint = S("17")
      :checkpointSubSequenceNumber = N("4")
      :leaseCounter = N("8")
      :ownerSwitchesSinceCheckpoint = N("2")
      :pendingCheckpoint = S("23")
      :pendingCheckpointState = B([0, 255])
      :pendingCheckpointSubSequenceNumber = N("1")
      :seenCounter = N("7")
      :seenOwner = S("worker-a")
    "#);
}

#[test]
fn a_release_leaves_a_row_without_an_owner() {
    insta::assert_snapshot!(render(&change(&mine(), &Change::Release)), @r#"
    shardId-000000000003
    SET leaseCounter = :leaseCounter
    REMOVE leaseOwner
    IF leaseCounter = :seenCounter
      AND leaseOwner = :seenOwner
      AND attribute_not_exists(checkpointOwner)
      :leaseCounter = N("8")
      :seenCounter = N("7")
      :seenOwner = S("worker-a")
    "#);
}

#[test]
fn children_are_noted_only_on_a_row_that_is_there() {
    let children = BTreeSet::from(["5", "4"].map(|id| ShardId::new(id).unwrap()));
    insta::assert_snapshot!(render(&set_children(&mine().key, &children)), @r#"
    shardId-000000000003
    SET childShardIds = :childShardIds
    IF attribute_exists(leaseKey)
      :childShardIds = Ss({"4", "5"})
    "#);
}

#[test]
fn no_children_are_noted_as_nothing_not_as_an_empty_set() {
    let write = set_children(&mine().key, &BTreeSet::new());
    assert_eq!(write.action, Action::Update("REMOVE childShardIds".to_owned()));
    assert!(write.values.is_empty());
}

#[test]
fn hash_keys_are_noted_only_on_a_row_that_is_there() {
    insta::assert_snapshot!(render(&set_hash_range(&mine().key, HashKeyRange::ALL)), @r#"
    shardId-000000000003
    SET startingHashKey = :startingHashKey
        endingHashKey = :endingHashKey
    IF attribute_exists(leaseKey)
      :endingHashKey = S("340282366920938463463374607431768211455")
      :startingHashKey = S("0")
    "#);
}

#[test]
fn a_row_is_deleted_only_while_it_is_finished_and_nobody_elses() {
    let finished = Lease { checkpoint: Checkpoint::ShardEnd, ..mine() };
    insta::assert_snapshot!(render(&delete(&finished)), @r#"
    shardId-000000000003
    DELETE
    IF checkpoint = :end
      AND leaseOwner = :seenOwner
      :end = S("SHARD_END")
      :seenOwner = S("worker-a")
    "#);
}

#[test]
fn what_is_written_reads_back() {
    let pending = PendingCheckpoint { checkpoint: place("23", 1), state: Some(vec![0, 255]) };
    let lease = Lease {
        pending: Some(pending),
        parents: BTreeSet::from([ShardId::new("shardId-000000000001").unwrap()]),
        children: BTreeSet::from([ShardId::new("shardId-000000000005").unwrap()]),
        hash_range: Some(HashKeyRange::ALL),
        checkpoint_owner: Some(worker("worker-c")),
        ..mine()
    };
    assert_eq!(read(&item(&lease)), Row::Lease(lease));
}

fn altered(name: &str, value: Option<Value>) -> Item {
    let mut item = item(&mine());
    match value {
        Some(value) => item.insert(name.to_owned(), value),
        None => item.remove(name),
    };
    item
}

fn why(item: &Item) -> String {
    match read(item) {
        Row::Malformed { key, why } => {
            assert_eq!(key, "shardId-000000000003");
            why
        }
        Row::Lease(_) | Row::Foreign { .. } => panic!("it was accepted"),
    }
}

#[test]
fn a_malformed_row_says_what_is_wrong_with_it() {
    let with = |name, value| why(&altered(name, Some(value)));
    assert_eq!(with(LEASE_COUNTER, text("7")), "`leaseCounter` is of type S, not N");
    let negative = Value::N("-1".to_owned());
    assert_eq!(with(LEASE_COUNTER, negative), "`leaseCounter` is `-1`, not a counting number");
    assert_eq!(with(LEASE_OWNER, text("")), "`leaseOwner` is empty");
    assert_eq!(with(PARENTS, Value::Other("L")), "`parentShardId` is of type L, not SS");
    assert_eq!(with(PENDING_STATE, text("x")), "`pendingCheckpointState` is of type S, not B");
    assert_eq!(why(&altered(CHECKPOINT, None)), "`checkpoint` is missing");
    assert!(with(CHECKPOINT, text("soon")).starts_with("`checkpoint`: `soon` is not a sequence"));
    let stream = text("1:orders:2");
    assert_eq!(with(STREAM_NAME, stream), "it belongs to an application with several streams");
}

#[test]
fn a_count_that_java_could_not_hold_is_malformed_and_its_text_is_cut() {
    let with = |text: &str| why(&altered(LEASE_COUNTER, Some(Value::N(text.to_owned()))));
    // One more than this would be beyond u64: a take must never come to it.
    let most = u64::MAX.to_string();
    assert_eq!(with(&most), format!("`leaseCounter` is `{most}`, not a counting number"));
    assert!(with("9223372036854775808").ends_with("not a counting number"));
    assert!(with(&"9".repeat(1 << 20)).len() < 200);
    let most = altered(LEASE_COUNTER, Some(Value::N(i64::MAX.to_string())));
    let Row::Lease(lease) = read(&most) else { panic!("it is refused") };
    assert_eq!(lease.taken_by(&worker("worker-b"), NOW).counter, 1 << 63);
}

#[test]
fn a_row_without_a_readable_key_is_malformed() {
    let mut item = item(&mine());
    item.insert(LEASE_KEY.to_owned(), Value::N("1".to_owned()));
    let why = "`leaseKey` is of type N, not S".to_owned();
    assert_eq!(read(&item), Row::Malformed { key: String::new(), why });
}

#[test]
fn what_is_informational_may_be_missing() {
    let mut item = altered(OWNER_SWITCHES, None);
    item.remove(CHECKPOINT_SUB_SEQUENCE);
    let lease = Lease { owner_switches: 0, checkpoint: place("17", 0), ..mine() };
    assert_eq!(read(&item), Row::Lease(lease));
}

#[test]
fn hash_keys_that_make_no_range_are_not_known() {
    let mut item = altered(STARTING_HASH_KEY, Some(text("9")));
    assert_eq!(read(&item), Row::Lease(mine()));
    item.insert(ENDING_HASH_KEY.to_owned(), text("8"));
    assert_eq!(read(&item), Row::Lease(mine()));
}

#[test]
fn a_sentinel_has_no_sub_sequence_number_whatever_the_row_says() {
    let mut item = altered(CHECKPOINT, Some(text("SHARD_END")));
    item.insert(CHECKPOINT_SUB_SEQUENCE.to_owned(), number(3));
    assert_eq!(read(&item), Row::Lease(Lease { checkpoint: Checkpoint::ShardEnd, ..mine() }));
}

#[test]
fn what_is_no_lease_is_foreign() {
    let metrics = altered(ENTITY_TYPE, Some(text("WORKER_METRIC_STATS")));
    let unknown = altered(ENTITY_TYPE, Some(text("SOMETHING_NEW")));
    let without_counter = altered(LEASE_COUNTER, None);
    for item in [metrics, unknown, without_counter] {
        assert_eq!(read(&item), Row::Foreign { key: "shardId-000000000003".to_owned() });
    }
    let named = altered(ENTITY_TYPE, Some(text("LEASE")));
    assert_eq!(read(&named), Row::Lease(mine()));
}
