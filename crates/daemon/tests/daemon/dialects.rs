//! Children that speak as the client libraries of other languages do.

use crate::protocol::told;
use crate::world::{Daemon, World, child, data, processes};

/// Through the end of a shard and the stop of the daemon, with one child for each shard.
async fn is_served(language: &str) {
    let world = World::new(1).await;
    let executable =
        format!("python3 {} {} {language}", child("dialect.py"), world.path().display());
    let daemon = Daemon::start(&world.properties(&executable, ""), world.path());
    let mut records = world.put("a", 10).await;
    world.until_processed(&daemon, &records).await;
    world.split().await;
    records.extend(world.put("b", 10).await);
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);

    let journal = world.journal();
    assert_eq!(data(&journal).len(), records.len(), "each once");
    assert_eq!(processes(&journal).len(), 3, "no child was started twice: {journal:?}");
    let refused = journal.iter().find(|event| !event.value("answer").is_null());
    assert!(refused.is_none(), "{refused:?}");
    let parent = "shardEnded checkpoint end of stdin";
    let open = "shutdownRequested checkpoint leaseLost end of stdin";
    for (shard, ends) in [("0", parent), ("1", open), ("2", open)] {
        let told = told(&journal, &format!("shardId-00000000000{shard}")).join(" ");
        let told = told.replace("processRecords checkpoint ", "");
        assert_eq!(told, format!("initialize {ends}"), "shard {shard}");
    }
    let checkpoints: Vec<_> =
        world.lease_rows().await.into_iter().map(|row| row.checkpoint).collect();
    assert_eq!(checkpoints[0], "SHARD_END");
    assert!(checkpoints[1..].iter().all(|place| place.starts_with("49")), "{checkpoints:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_speaks_as_the_ruby_client_does_is_served() {
    is_served("ruby").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_speaks_as_the_dotnet_client_does_is_served() {
    is_served("dotnet").await;
}

/// A checkpoint that fails is the program's affair: it tries again within its batch.
async fn is_refused_and_tries_again(language: &str) {
    let world = World::new(1).await;
    let arguments = format!("{} {language} refused", world.path().display());
    let executable = format!("python3 {} {arguments}", child("dialect.py"));
    let daemon = Daemon::start(&world.properties(&executable, "maxRecords = 2"), world.path());
    let records = world.put("a", 6).await;
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);

    let journal = world.journal();
    assert_eq!(data(&journal).len(), records.len(), "each once");
    assert_eq!(processes(&journal).len(), 1, "no child was started again: {journal:?}");
    let count = |event: &str| journal.iter().filter(|it| it.is(event)).count();
    let batches = count("processRecords");
    let answers: Vec<_> =
        journal.iter().filter(|it| it.is("checkpoint")).map(|it| it.text("answer")).collect();
    let [batch_answers @ .., ""] = &answers[..] else { panic!("{answers:?}") };
    assert_eq!(batch_answers, ["IllegalArgumentException", ""].repeat(batches), "{journal:?}");
    let told = told(&journal, "shardId-000000000000").join(" ");
    let told = told.replace("processRecords checkpoint ", "");
    let ends = "shutdownRequested checkpoint leaseLost end of stdin";
    assert_eq!(told, format!("initialize {ends}"), "one status for each action");
    assert!(world.lease_rows().await[0].checkpoint.starts_with("49"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_speaks_as_the_ruby_client_does_may_try_a_checkpoint_again() {
    is_refused_and_tries_again("ruby").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_speaks_as_the_dotnet_client_does_may_try_a_checkpoint_again() {
    is_refused_and_tries_again("dotnet").await;
}
