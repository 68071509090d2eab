//! Programs written for `aws-kcl` and `amazon_kclpy`, on the packages themselves, and on ours under
//! the name of `aws-kcl`.

use std::time::Duration;

use shardwise_demo::application::Settings;
use shardwise_demo::endpoints::Endpoints;
use shardwise_referee::Why;

use crate::scene::{Scene, directory, installed};

/// Runs a program through a split, and stops it in order.
async fn stopped(name: &str, program: impl FnOnce(&mut Settings)) -> Scene {
    let directory = directory(name);
    let shardwise = installed("SHARDWISE_BIN");
    let (local, endpoints) = Endpoints::start(&shardwise, &directory, &[], true).await.unwrap();
    let mut settings = Scene::settings(&directory, &endpoints);
    program(&mut settings);
    let over = Duration::from_secs(4);
    let mut scene = Scene::start(vec![local], settings, &endpoints, (2, 1), (800, over)).await;

    scene.until_handed(300).await;
    let shards = scene.stream.shards().await.unwrap();
    scene.stream.split(&shards[0]).await.unwrap();
    scene.until_done().await;
    scene.stop().await;
    scene
}

/// What the referee has to say of such a run.
async fn is_clean(scene: Scene) {
    let verdict = scene.judge().await;
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!((verdict.counts.ended, verdict.counts.splits), (1, 1), "{verdict}");
    assert_eq!((verdict.counts.distinct, verdict.counts.duplicates), (800, 0), "{verdict}");
}

async fn runs_in_node(name: &str, packages: &'static str, program: &str) {
    let scene = stopped(name, |settings| {
        settings.executable = format!("node {program}");
        settings.working_directory = installed(packages);
    });
    is_clean(scene.await).await;
}

async fn runs_on_kclpy(name: &str, program: &str) {
    let kclpy = installed("SHARDWISE_KCLPY").display().to_string();
    let scene = stopped(name, |settings| {
        settings.executable = format!("python3 {program}");
        settings.working_directory = installed("SHARDWISE_PEERS");
        settings.environment.push(("PYTHONPATH".to_owned(), kclpy));
    });
    let scene = scene.await;
    let ended =
        [Why::ShardEnded, Why::ShutdownRequested, Why::LeaseLost].map(|why| scene.ended(why));
    assert_eq!(ended, [1, 3, 3], "shard ended, asked to stop, then told that the lease is gone");
    is_clean(scene).await;
}

#[tokio::test]
async fn the_unmodified_aws_kcl_runs_under_our_daemon() {
    runs_in_node("aws-kcl-v2", "SHARDWISE_PEERS", "consumer_v2.js").await;
}

#[tokio::test]
async fn the_guides_listing_runs_on_the_unmodified_aws_kcl() {
    runs_in_node("aws-kcl-v1", "SHARDWISE_PEERS", "consumer_v1.js").await;
}

#[tokio::test]
async fn a_program_that_requires_aws_kcl_runs_unchanged_on_our_package() {
    runs_in_node("alias-v2", "SHARDWISE_ALIAS", "consumer_v2.js").await;
}

#[tokio::test]
async fn the_guides_listing_runs_unchanged_on_our_package() {
    runs_in_node("alias-v1", "SHARDWISE_ALIAS", "consumer_v1.js").await;
}

#[tokio::test]
async fn a_processor_of_the_first_interface_runs_on_the_unmodified_amazon_kclpy() {
    runs_on_kclpy("kclpy-v1", "kclpy_v1.py").await;
}

#[tokio::test]
async fn a_processor_of_the_second_interface_runs_on_the_unmodified_amazon_kclpy() {
    runs_on_kclpy("kclpy-v2", "kclpy_v2.py").await;
}

#[tokio::test]
async fn a_processor_of_the_third_interface_runs_on_the_unmodified_amazon_kclpy() {
    runs_on_kclpy("kclpy-v3", "kclpy_v3.py").await;
}
