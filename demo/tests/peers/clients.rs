//! Programs written for `aws-kcl`, on the package itself and on ours under its name.

use std::time::Duration;

use shardwise_demo::endpoints::Endpoints;

use crate::scene::{Scene, directory, installed};

/// Runs a program through a split and a graceful end, and has it judged.
async fn runs(name: &str, packages: &'static str, program: &str) {
    let directory = directory(name);
    let shardwise = installed("SHARDWISE_BIN");
    let (local, endpoints) = Endpoints::start(&shardwise, &directory, &[], true).await.unwrap();
    let mut settings = Scene::settings(&directory, &endpoints);
    settings.executable = format!("node {program}");
    settings.working_directory = installed(packages);
    let over = Duration::from_secs(4);
    let mut scene = Scene::start(vec![local], settings, &endpoints, (2, 1), (800, over)).await;

    scene.until_handed(300).await;
    let shards = scene.stream.shards().await.unwrap();
    scene.stream.split(&shards[0]).await.unwrap();
    scene.until_done().await;

    let verdict = scene.judge().await;
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!((verdict.counts.ended, verdict.counts.splits), (1, 1), "{verdict}");
    assert_eq!((verdict.counts.distinct, verdict.counts.duplicates), (800, 0), "{verdict}");
}

#[tokio::test]
async fn the_unmodified_aws_kcl_runs_under_our_daemon() {
    runs("aws-kcl-v2", "SHARDWISE_PEERS", "consumer_v2.js").await;
}

#[tokio::test]
async fn the_guides_listing_runs_on_the_unmodified_aws_kcl() {
    runs("aws-kcl-v1", "SHARDWISE_PEERS", "consumer_v1.js").await;
}

#[tokio::test]
async fn a_program_that_requires_aws_kcl_runs_unchanged_on_our_package() {
    runs("alias-v2", "SHARDWISE_ALIAS", "consumer_v2.js").await;
}

#[tokio::test]
async fn the_guides_listing_runs_unchanged_on_our_package() {
    runs("alias-v1", "SHARDWISE_ALIAS", "consumer_v1.js").await;
}
