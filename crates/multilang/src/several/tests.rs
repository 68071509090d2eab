//! Children that serve several shards, or do not want to.

use std::time::Duration;

use shardwise_core::multilang::Action;

use super::*;
use crate::child::Child;
use crate::output::LOGGED_PER_SECOND;
use crate::scripted::{Script, scripted, shard};
use crate::talk::TIMEOUT;

fn begin(dies: Option<oneshot::Receiver<()>>) -> (Several, Connection, Script) {
    let (launched, script) = scripted(dies);
    let (several, first) = Several::start(&shard(0), launched, LOGGED_PER_SECOND);
    (several, first, script)
}

fn status(of: u32, action: &str) -> String {
    format!(r#"{{"action":"status","responseFor":"{action}","shardId":"shardId-{of}"}}"#)
}

async fn agreed(several: &Several) -> Agreed {
    several.agreed().until(|agreed| agreed != Agreed::Pending).await
}

#[tokio::test]
async fn each_shard_hears_its_own_messages_and_is_named_in_what_it_writes() {
    let (several, mut first, mut child) = begin(None);
    assert!(several.join(&shard(1)).is_none(), "it has not agreed yet");
    child.says(&status(0, "initialize")).await;
    assert_eq!(agreed(&several).await, Agreed::Yes);
    let mut second = several.join(&shard(1)).unwrap();
    assert!(several.join(&shard(1)).is_none(), "it is there already");
    second.begun.store(7, Ordering::Release);
    child.says("a print").await;
    child.says(&status(9, "initialize")).await;
    child.says(r#"{"action":"checkpoint"}"#).await;
    child.says(&status(1, "initialize")).await;
    let line = Line::Status { response_for: Some("initialize".to_owned()) };
    assert_eq!(first.messages.recv().await, Some(Heard { line: line.clone(), begun: 0 }));
    assert_eq!(second.messages.recv().await, Some(Heard { line, begun: 7 }));
    assert!(first.messages.try_recv().is_err());
    let mut writing = second.input.write(b"{\"action\":\"leaseLost\"}\n".to_vec(), TIMEOUT);
    assert_eq!(child.hears().await, "{\"action\":\"leaseLost\",\"shardId\":\"shardId-1\"}\n");
    writing.done().await.unwrap();
}

#[tokio::test]
async fn a_child_that_names_no_shard_serves_the_first_one_as_ever() {
    let (several, mut first, mut child) = begin(None);
    child.says(r#"{"action":"status","responseFor":"initialize"}"#).await;
    assert_eq!(agreed(&several).await, Agreed::No);
    assert!(several.join(&shard(1)).is_none());
    assert!(first.messages.recv().await.is_some());
    child.says(r#"{"action":"checkpoint"}"#).await;
    let heard = first.messages.recv().await.unwrap();
    assert!(matches!(heard.line, Line::Checkpoint(_)), "{heard:?}");
    let mut writing = first.input.write(b"{\"action\":\"leaseLost\"}\n".to_vec(), TIMEOUT);
    assert_eq!(child.hears().await, "{\"action\":\"leaseLost\"}\n", "nothing is added");
    writing.done().await.unwrap();
}

#[tokio::test]
async fn the_last_shard_that_leaves_has_the_child_end_in_order() {
    let (several, first, mut child) = begin(None);
    child.says(&status(0, "initialize")).await;
    agreed(&several).await;
    let second = several.join(&shard(1)).unwrap();
    let leave = async |connection: Connection| {
        drop(connection.input);
        connection.running.end(Patience::Told, Box::pin(pending())).await
    };
    assert_eq!(leave(first).await.status, None, "it lives on");
    assert!(child.ended.try_recv().is_err());
    assert_eq!(leave(second).await.status.as_deref(), Some("ended"));
    assert_eq!(child.ended.recv().await, Some(Patience::Told));
    assert_eq!(child.hears().await, "", "its stdin is closed");
    assert!(several.join(&shard(2)).is_none());
}

#[tokio::test]
async fn a_shard_that_gives_the_child_up_ends_it_for_all() {
    let (several, first, mut child) = begin(None);
    child.says(&status(0, "initialize")).await;
    agreed(&several).await;
    let mut second = several.join(&shard(1)).unwrap();
    let ended = first.running.end(Patience::None, Box::pin(pending())).await;
    assert_eq!(ended.status.as_deref(), Some("ended"));
    assert_eq!(second.messages.recv().await, None);
    second.running.wait().await;
    let ended = second.running.end(Patience::Ending, Box::pin(pending())).await;
    assert_eq!(ended.status.as_deref(), Some("ended"), "the same end is told to each");
}

#[tokio::test]
async fn a_child_that_dies_is_gone_for_all_and_a_shard_that_is_dropped_for_itself() {
    let (dies, death) = oneshot::channel();
    let (several, mut first, mut child) = begin(Some(death));
    child.says(&status(0, "initialize")).await;
    agreed(&several).await;
    drop(several.join(&shard(1)).unwrap());
    first.messages.recv().await.unwrap();
    tokio::task::yield_now().await;
    assert!(child.ended.try_recv().is_err(), "the first one still has it");
    dies.send(()).unwrap();
    first.running.wait().await;
    assert_eq!(first.messages.recv().await, None);
    assert_eq!(agreed(&several).await, Agreed::Gone);
}

#[tokio::test(start_paused = true)]
async fn what_a_neighbour_has_not_read_yet_takes_no_time_of_ones_own() {
    let (several, first, mut script) = begin(None);
    script.says(&status(0, "initialize")).await;
    agreed(&several).await;
    let second = Child::of(&shard(1), several.join(&shard(1)).unwrap());
    let first = Child::of(&shard(0), first);
    let act = |child: Child, bytes: usize, seconds: u64| {
        let line = [b"{\"a\":\"".to_vec(), vec![b'x'; bytes], b"\"}\n".to_vec()].concat();
        let limit = Some(Duration::from_secs(seconds));
        tokio::spawn(async move { child.act(Action::ProcessRecords, line, None, limit).await })
    };
    let patient = act(first, 1 << 20, 60);
    tokio::task::yield_now().await;
    let waits = act(second, 1, 5);
    tokio::time::sleep(Duration::from_secs(15)).await;
    for number in [0, 1] {
        let heard = script.hears().await;
        assert!(heard.contains(&format!("shardId-{number}")), "{}", heard.len());
        script.says(&status(number, "processRecords")).await;
    }
    waits.await.unwrap().unwrap();
    patient.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn nobody_joins_a_child_that_is_ending() {
    let (dies, death) = oneshot::channel();
    let (several, _first, mut child) = begin(Some(death));
    child.says(&status(0, "initialize")).await;
    agreed(&several).await;
    dies.send(()).unwrap();
    tokio::task::yield_now().await;
    // What it has left in its pipe is still being read.
    assert_eq!(agreed(&several).await, Agreed::Yes);
    assert!(several.join(&shard(1)).is_none());
}
