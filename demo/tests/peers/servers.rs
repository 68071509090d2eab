//! Other people's Kinesis and DynamoDB.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use shardwise_demo::endpoints::Endpoints;
use shardwise_demo::program::Program;
use shardwise_demo::stream::neighbours;
use shardwise_referee::{Invariant, Verdict};

use crate::cutter::Cutter;
use crate::scene::{Scene, directory, installed};

const LISTENS_WITHIN: Duration = Duration::from_secs(20);

/// A port that was free a moment ago: these servers cannot say which one they took.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn serve(name: &str, command: &mut Command, port: u16, directory: &Path) -> Program {
    let log = directory.join(format!("{name}.log"));
    let mut program = Program::start(name, command, &log).unwrap();
    let deadline = Instant::now() + LISTENS_WITHIN;
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        program.check().unwrap();
        assert!(Instant::now() < deadline, "{name} does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    program
}

fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(installed("SHARDWISE_PEERS").join("node_modules").join(script));
    command
}

async fn kinesis_local(directory: &Path) -> (Program, String) {
    let (plain, tls) = (free_port(), free_port());
    let mut command = node("kinesis-local/main.js");
    command
        // It looks for its certificate beside itself only if it is started there.
        .current_dir(installed("SHARDWISE_PEERS").join("node_modules/kinesis-local"))
        .env("KINESIS_MOCK_PLAIN_PORT", plain.to_string())
        .env("KINESIS_MOCK_TLS_PORT", tls.to_string())
        .env("LOG_LEVEL", "ERROR");
    for step in ["CREATE_STREAM", "SPLIT_SHARD", "MERGE_SHARDS", "UPDATE_SHARD_COUNT"] {
        command.env(format!("{step}_DURATION"), "5ms");
    }
    let program = serve("kinesis-local", &mut command, plain, directory).await;
    (program, format!("http://127.0.0.1:{plain}"))
}

async fn dynalite(directory: &Path) -> (Program, String) {
    let port = free_port();
    let mut command = node("dynalite/cli.js");
    command.args(["--port", &port.to_string(), "--createTableMs", "5"]);
    let program = serve("dynalite", &mut command, port, directory).await;
    (program, format!("http://127.0.0.1:{port}"))
}

#[tokio::test]
async fn a_stream_of_kinesis_local_is_processed_through_a_split_a_merge_and_a_new_count() {
    let directory = directory("kinesis-local");
    let (server, kinesis) = kinesis_local(&directory).await;
    let shardwise = installed("SHARDWISE_BIN");
    let (local, ours) = Endpoints::start(&shardwise, &directory, &[], true).await.unwrap();
    let endpoints = Endpoints { kinesis, dynamodb: ours.dynamodb };
    let settings = Scene::settings(&directory, &endpoints);
    let over = Duration::from_secs(12);
    let servers = vec![server, local];
    let mut scene = Scene::start(servers, settings, &endpoints, (3, 2), (3_000, over)).await;

    scene.until_handed(500).await;
    let shards = scene.stream.shards().await.unwrap();
    scene.stream.split(&shards[0]).await.unwrap();
    scene.until_handed(1_200).await;
    let shards = scene.stream.shards().await.unwrap();
    let (lower, upper) = neighbours(&shards).unwrap();
    scene.stream.merge(lower, upper).await.unwrap();
    scene.until_handed(2_000).await;
    scene.stream.update_shard_count(2).await.unwrap();
    scene.until_done().await;

    let verdict = scene.judge().await;
    assert!(verdict.is_clean(), "{verdict}");
    assert!(verdict.counts.splits >= 1 && verdict.counts.merges >= 1, "{verdict}");
    assert_eq!(verdict.counts.distinct, 3_000);
}

/// Its subscriptions to a closed shard never end: open shards only.
#[tokio::test]
async fn a_stream_of_kinesis_local_is_pushed_to_daemons_that_are_cut_off_and_killed() {
    let directory = directory("kinesis-local-fan-out");
    let (server, kinesis) = kinesis_local(&directory).await;
    let shardwise = installed("SHARDWISE_BIN");
    let (local, ours) = Endpoints::start(&shardwise, &directory, &[], true).await.unwrap();
    let endpoints = Endpoints { kinesis, dynamodb: ours.dynamodb };
    let cutter = Cutter::start(&endpoints.kinesis).await;
    let behind_it = Endpoints { kinesis: cutter.url.clone(), ..endpoints.clone() };
    let settings = Scene::settings(&directory, &behind_it).with("retrievalMode", "FANOUT");
    let over = Duration::from_secs(12);
    let servers = vec![server, local];
    let mut scene = Scene::start(servers, settings, &endpoints, (3, 2), (2_000, over)).await;

    // Each shard has one, and comes back.
    for (rows, connections) in [(300, 3), (500, 1), (700, 1), (900, 1)] {
        scene.until_handed(rows).await;
        cutter.cut(connections).await;
    }
    scene.kill_and_start(1);
    scene.until_done().await;

    let verdict = scene.judge().await;
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!(verdict.counts.distinct, 2_000);
}

#[tokio::test]
async fn a_stream_of_kinesis_local_is_processed_with_leases_in_dynalite() {
    let directory = directory("kinesis-local-dynalite");
    let (server, kinesis) = kinesis_local(&directory).await;
    let (dynalite, dynamodb) = dynalite(&directory).await;
    let endpoints = Endpoints { kinesis, dynamodb };
    let settings = Scene::settings(&directory, &endpoints);
    let over = Duration::from_secs(8);
    let servers = vec![server, dynalite];
    let mut scene = Scene::start(servers, settings, &endpoints, (2, 2), (2_000, over)).await;

    scene.until_handed(300).await;
    let shards = scene.stream.shards().await.unwrap();
    scene.stream.split(&shards[0]).await.unwrap();
    scene.until_handed(800).await;
    scene.kill_and_start(1);
    scene.until_done().await;

    judged_without_table(&scene.judge().await, 2_000);
}

#[tokio::test]
async fn a_stream_of_kinesalite_is_processed_with_leases_in_dynalite() {
    let directory = directory("kinesalite");
    let kinesis = free_port();
    let mut command = node("kinesalite/cli.js");
    command.args(["--port", &kinesis.to_string(), "--createStreamMs", "5"]);
    let kinesalite = serve("kinesalite", &mut command, kinesis, &directory).await;
    let (dynalite, dynamodb) = dynalite(&directory).await;
    let endpoints = Endpoints { kinesis: format!("http://127.0.0.1:{kinesis}"), dynamodb };
    let settings = Scene::settings(&directory, &endpoints);
    let servers = vec![kinesalite, dynalite];
    let over = Duration::from_secs(4);
    let mut scene = Scene::start(servers, settings, &endpoints, (3, 2), (2_000, over)).await;

    scene.until_handed(500).await;
    scene.kill_and_start(0);
    scene.until_done().await;

    judged_without_table(&scene.judge().await, 2_000);
}

/// Judges a scene with dynalite: nobody writes down what its table was told, so what is judged by
/// that is left out.
fn judged_without_table(verdict: &Verdict, records: usize) {
    let judged = [
        Invariant::OrderInTenure,
        Invariant::NothingBeforeStart,
        Invariant::EverythingDelivered,
        Invariant::DuplicatesBounded,
        Invariant::OrderOfKeys,
        Invariant::Content,
    ];
    let broken = verdict.violations.iter().find(|broken| judged.contains(&broken.invariant));
    assert!(broken.is_none(), "{verdict}");
    assert_eq!(verdict.counts.distinct, records);
}
