//! What the first start of an application makes, and where it begins.

use std::fs;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::types::{BillingMode, PointInTimeRecoveryStatus};

use crate::world::{APPLICATION, STREAM, World, binary, data, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_date_as_the_position_hands_over_what_arrived_then_or_later() {
    let world = World::new(1).await;
    world.put("before", 3).await;
    let arrived = world.kinesis.get_shard_iterator().stream_name(STREAM);
    let arrived =
        arrived.shard_id("shardId-000000000000").shard_iterator_type("TRIM_HORIZON".into());
    let iterator = arrived.send().await.unwrap().shard_iterator;
    let read = world.kinesis.get_records().set_shard_iterator(iterator).send().await.unwrap();
    let last = read.records().last().unwrap().approximate_arrival_timestamp().unwrap().secs();
    // The position is in whole seconds.
    until("a later second", async || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        if i64::try_from(now).unwrap() > last { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    let after = world.put("after", 3).await;
    let more = format!("initialPositionInStreamExtended = {}", last + 1);
    let daemon = world.daemon("", &more);
    let journal = world.until_processed(&daemon, &after).await;
    assert!(data(&journal).iter().all(|data| after.contains(data)), "{:?}", data(&journal));
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lease_table_is_made_as_the_settings_say() {
    let world = World::new(1).await;
    let daemon = world.daemon(
        "",
        "shardwise.leaseTable.billing = provisioned\nshardwise.leaseTable.readCapacity = 5\n\
         initialLeaseTableWriteCapacity = 6\nshardwise.leaseTable.tags = team=billing, env=test\n\
         leaseTablePitrEnabled = true\n\
         leaseTableDeletionProtectionEnabled = true",
    );
    let records = world.put("a", 1).await;
    world.until_processed(&daemon, &records).await;
    assert_eq!(daemon.stop().await, 0);

    let described = world.dynamodb.describe_table().table_name(APPLICATION).send().await.unwrap();
    let table = described.table.unwrap();
    let capacity = table.provisioned_throughput().unwrap();
    assert_eq!(
        (capacity.read_capacity_units(), capacity.write_capacity_units()),
        (Some(5), Some(6))
    );
    assert_eq!(table.deletion_protection_enabled(), Some(true));
    let billing = table.billing_mode_summary().and_then(|summary| summary.billing_mode());
    assert_ne!(billing, Some(&BillingMode::PayPerRequest));
    let tags = world.dynamodb.list_tags_of_resource().resource_arn(table.table_arn().unwrap());
    let tags = tags.send().await.unwrap();
    let mut tags: Vec<_> = tags.tags().iter().map(|tag| (tag.key(), tag.value())).collect();
    tags.sort_unstable();
    assert_eq!(tags, [("env", "test"), ("team", "billing")]);
    let backups = world.dynamodb.describe_continuous_backups().table_name(APPLICATION);
    let backups = backups.send().await.unwrap().continuous_backups_description.unwrap();
    let recovery = backups.point_in_time_recovery_description().unwrap();
    let enabled = PointInTimeRecoveryStatus::Enabled;
    assert_eq!(recovery.point_in_time_recovery_status(), Some(&enabled));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_table_that_may_not_be_made_is_named() {
    let world = World::new(1).await;
    let mut daemon = world.daemon("", "shardwise.leaseTable.create = never");
    assert_eq!(daemon.ended().await.code(), Some(1), "{}", daemon.log());
    let expected = format!("lease table `{APPLICATION}` does not exist");
    assert!(daemon.log().contains(&expected), "{}", daemon.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_was_made_anew_is_told_from_the_old_one() {
    for mode in ["retrievalMode = POLLING", "retrievalMode = FANOUT"] {
        is_told_from_the_old_one(mode).await;
    }
}

async fn is_told_from_the_old_one(mode: &str) {
    let world = World::new(1).await;
    let old = world.put("old", 2).await;
    let daemon = world.daemon("", mode);
    world.until_processed(&daemon, &old).await;
    assert_eq!(daemon.stop().await, 0);
    world.make_stream_anew().await;
    let new = world.put("new", 2).await;

    let daemon = world.daemon("", mode);
    daemon.until_log("the stream was deleted and made anew").await;
    assert_eq!(daemon.stop().await, 0);
    assert!(data(&world.journal()).iter().all(|data| old.contains(data)));

    world.delete_row("shardId-000000000000").await;
    let daemon = world.daemon("", mode);
    world.until_processed(&daemon, &new).await;
    assert_eq!(daemon.stop().await, 0);
}

/// Its iterator is of a stream that is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_made_anew_under_a_daemon_is_told_from_the_old_one() {
    for mode in ["retrievalMode = POLLING", "retrievalMode = FANOUT"] {
        let world = World::new(1).await;
        let old = world.put("old", 2).await;
        let daemon = world.daemon("", mode);
        world.until_processed(&daemon, &old).await;
        world.make_stream_anew().await;
        world.put("new", 2).await;
        daemon.until_log("the stream was deleted and made anew").await;
        assert_eq!(daemon.stop().await, 0);
        assert!(data(&world.journal()).iter().all(|data| old.contains(data)));
    }
}

#[test]
fn a_properties_file_is_checked_before_anything_runs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("app.properties");
    let check = |more: &str, arguments: &[&str]| {
        let text = format!(
            "executableName = node app.js\napplicationName = billing\nstreamName = orders\n\
             AwsCredentialsProvider = DefaultCredentialsProvider\n{more}"
        );
        fs::write(&path, text).unwrap();
        let mut command = binary();
        command.args(["config", "check"]).args(arguments).arg(&path).stdout(Stdio::piped());
        let output = command.env("AWS_REGION", "eu-west-1").output().unwrap();
        let told = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), told.concat())
    };
    let (code, told) = check("regionNam = x\n", &[]);
    assert_eq!(code, Some(0), "{told}");
    for text in [
        "environment variable AWS_REGION",
        "app.properties:5: `regionNam`: unknown key, passed over; is `regionName` meant?",
        "arn:aws:dynamodb:eu-west-1:*:table/billing",
        "data \"aws_iam_policy_document\"",
    ] {
        assert!(told.contains(text), "not {text}:\n{told}");
    }
    let (code, told) = check("regionNam = x\n", &["--strict"]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("1 warning, and --strict"), "{told}");
    assert_eq!(check("", &["--strict"]).0, Some(0), "a note is no warning");
    let (code, told) = check("failoverTimeMillis = soon\n", &[]);
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("line 5: `failoverTimeMillis` is `soon`"), "{told}");
}
