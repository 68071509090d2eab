//! What children are told, and what becomes of what they say.

use crate::world::{APPLICATION, Daemon, Event, World, child, data, who_has_open};

/// A child's events, in order, without those that say nothing new.
pub(crate) fn told(journal: &[Event], shard: &str) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for event in journal.iter().filter(|event| event.text("shard") == shard) {
        let name = event.text("event");
        if !event.is("record") && told.last().is_none_or(|last| last != name) {
            told.push(name.to_owned());
        }
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn children_are_told_everything_in_order_until_the_leases_are_released() {
    let world = World::new(2).await;
    let daemon = world.daemon("", "");
    let records = world.put("a", 10).await;
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);
    let journal = world.journal();
    assert_eq!(data(&journal).len(), records.len(), "each once");
    for shard in ["shardId-000000000000", "shardId-000000000001"] {
        let told = told(&journal, shard).join(" ").replace("processRecords checkpoint ", "");
        let ends = "shutdownRequested checkpoint leaseLost end of stdin";
        assert_eq!(told, format!("initialize {ends}"));
    }
    let rows = world.lease_rows().await;
    assert_eq!(rows.len(), 2);
    for row in rows {
        assert_eq!(row.owner, None, "{}", row.key);
        assert!(row.checkpoint.starts_with("49"), "{row:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_without_records_has_children_that_wait() {
    let world = World::new(1).await;
    let daemon = world.daemon("", "");
    world
        .until_journal(&daemon, "initialized", |journal| {
            journal.iter().any(|event| event.is("initialize"))
        })
        .await;
    assert_eq!(daemon.stop().await, 0);
    assert!(!world.journal().iter().any(|event| event.is("processRecords")));
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_answered_with_javas_names() {
    let world = World::new(1).await;
    let daemon = world.daemon("early storm", "");
    let records = world.put("a", 3).await;
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);
    let journal = world.journal();
    let mut answers = journal
        .iter()
        .filter(|event| event.is("checkpoint"))
        .map(|event| event.value("answer").as_str().unwrap_or("none").to_owned());
    assert_eq!(answers.next().as_deref(), Some("InvalidStateException"));
    let storm: Vec<_> = answers.by_ref().take(9).collect();
    let no = "IllegalArgumentException";
    // Before the first checkpoint any number up to the last record will do, as in Java.
    assert_eq!(storm, ["none", no, no, no, no, "none", "none", no, no]);
    assert!(answers.all(|answer| answer == "none"));
}

/// Gives the daemon's log, once it has these words.
async fn is_served(program: &str, logged: &str) -> String {
    let world = World::new(1).await;
    let executable = format!("node {} {}", child(program), world.path().display());
    let daemon = Daemon::start(&world.properties(&executable, ""), world.path());
    let records = world.put("a", 20).await;
    world.until_processed(&daemon, &records).await;
    daemon.until_log(logged).await;
    let log = daemon.log();
    assert_eq!(daemon.stop().await, 0);
    let journal = world.journal();
    assert_eq!(data(&journal).len(), records.len(), "each once");
    let told = told(&journal, "shardId-000000000000");
    let end = told.iter().skip_while(|event| *event != "shutdownRequested");
    let end: Vec<_> = end.filter(|event| *event != "checkpoint").collect();
    assert_eq!(end, ["shutdownRequested", "leaseLost", "end of stdin"], "{told:?}");
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_in_node_is_served_too() {
    is_served("echo.js", "child started").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_uses_the_npm_package_is_served_and_logs_through_the_daemon() {
    let log = is_served("kcl_app.js", "by the channel").await;
    let logged = log.lines().find(|line| line.contains("by the channel")).unwrap_or_default();
    assert!(logged.contains(" WARN child shard=shardId-000000000000"), "{logged}");
    assert!(logged.contains("log=\"by the channel\" fields=\"records="), "{logged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_gets_three_descriptors_and_the_environment_that_is_chosen() {
    let world = World::new(1).await;
    let lock = world.path().join("lock");
    let daemon = world.daemon_holding(&lock, "", "shardwise.childEnvironment = minimal");
    let journal = world
        .until_journal(&daemon, "initialized", |journal| {
            journal.iter().any(|event| event.is("initialize"))
        })
        .await;
    assert_eq!(who_has_open(&lock), [daemon.id().as_raw_nonzero().get()], "nor has the guard it");
    assert_eq!(daemon.stop().await, 0);
    let texts = |field| {
        let values = journal[0].value(field).as_array().unwrap();
        values.iter().map(|value| value.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let environment = texts("environment");
    assert!(environment.contains(&"PATH".to_owned()), "{environment:?}");
    assert!(!environment.iter().any(|name| name.starts_with("AWS_")), "{environment:?}");
    // The last one is the list itself, while it is read.
    assert_eq!(texts("files"), ["0", "1", "2", "3"]);
}

/// Each shard has eight batches, and has read the next one long before its turn comes.
#[tokio::test(flavor = "multi_thread")]
async fn with_one_call_at_a_time_shards_take_turns_whatever_is_left_of_each() {
    let world = World::new(2).await;
    let records = world.put("a", 16).await;
    let daemon = world.daemon("always unhurried", "maxActiveThreads = 1\nmaxRecords = 1");
    let all = |journal: &[Event]| journal.iter().filter(|event| event.is("checkpoint")).count();
    let journal =
        world.until_journal(&daemon, "all checkpointed", |journal| all(journal) == 16).await;
    assert_eq!(data(&journal).len(), records.len());
    let is_turn = |event: &&Event| event.is("processRecords") || event.is("checkpoint");
    let order: Vec<_> = journal.iter().filter(is_turn).collect();
    for turn in order.chunks(2) {
        assert!(turn[0].is("processRecords") && turn[1].is("checkpoint"), "one at a time");
        assert_eq!(turn[0].text("shard"), turn[1].text("shard"));
    }
    let shards: Vec<_> = order.chunks(2).map(|turn| turn[0].text("shard")).collect();
    // One may be alone before the other has begun, and once the other has nothing left.
    let alone = shards.iter().take_while(|shard| **shard == shards[0]).count();
    let both = &shards[alone - 1..shards.len() - alone + 1];
    assert!(alone <= 3 && both.windows(2).all(|pair| pair[0] != pair[1]), "{shards:?}");
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_others_in_the_lease_table_are_left_alone() {
    use aws_sdk_dynamodb::types::AttributeValue;

    let world = World::new(1).await;
    let first = world.daemon("", "");
    let records = world.put("a", 2).await;
    world.until_processed(&first, &records).await;
    assert_eq!(first.stop().await, 0);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    world.put_row(&[("leaseKey", text("Migration3.0")), ("cv", text("CLIENT_VERSION_2X"))]).await;
    world.put_row(&[("leaseKey", text("a-worker")), ("entityType", text("WORKER"))]).await;

    let second = world.daemon("", "");
    let more = world.put("b", 2).await;
    world.until_processed(&second, &more).await;
    assert_eq!(second.stop().await, 0);
    let scan = world.dynamodb.scan().table_name(APPLICATION).send().await.unwrap();
    let foreign: Vec<_> =
        scan.items().iter().filter(|item| !item.contains_key("leaseCounter")).collect();
    assert_eq!(foreign.len(), 2);
    assert!(foreign.iter().all(|item| item.len() == 2), "{foreign:?}");
}
