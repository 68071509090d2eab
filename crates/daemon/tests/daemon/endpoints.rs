//! `shardwise local`, and `shardwise daemon --local`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::world::{Daemon, binary, child, until};

fn serve(arguments: &[&str]) -> (Child, Value) {
    let mut command = binary();
    command.arg("local").args(["--kinesis-port", "0", "--dynamodb-port", "0"]).args(arguments);
    let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (process, serde_json::from_str(&line).unwrap())
}

async fn kinesis(url: &str) -> aws_sdk_kinesis::Client {
    let loader = aws_config::defaults(aws_config::BehaviorVersion::latest());
    let config = loader.region("us-east-1").test_credentials().endpoint_url(url).load().await;
    aws_sdk_kinesis::Client::new(&config)
}

#[tokio::test(flavor = "multi_thread")]
async fn local_endpoints_have_the_streams_asked_for_until_a_signal() {
    let (mut process, urls) = serve(&["--stream", "one:2", "--stream", "two:1"]);
    let kinesis = kinesis(urls["kinesis"].as_str().unwrap()).await;
    let listed = kinesis.list_streams().send().await.unwrap();
    assert_eq!(listed.stream_names(), ["one", "two"]);
    let shards = kinesis.list_shards().stream_name("one").send().await.unwrap();
    assert_eq!(shards.shards().len(), 2);
    kill_process(Pid::from_child(&process), Signal::TERM).unwrap();
    let status = until("ended", async || process.try_wait().unwrap().ok_or_else(String::new));
    assert_eq!(status.await.code(), Some(0));
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut command = binary();
    command.args(["local", "--dynamodb-port", "0", "--kinesis-port", &port]);
    let output = command.stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text, format!("shardwise: local endpoints: port {port} is taken\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_brings_its_own_endpoints_and_stream() {
    let directory = tempfile::tempdir().unwrap();
    let properties = directory.path().join("daemon.properties");
    let child = child("mischief.py");
    let text = format!(
        "executableName = python3 {child} {}\nstreamName = new\napplicationName = app\n\
         AWSCredentialsProvider = InstanceProfileCredentialsProvider\n",
        directory.path().display()
    );
    fs::write(&properties, text).unwrap();
    let daemon = Daemon::start_with(&properties, directory.path(), &["--local"]);
    daemon.until_log("child started").await;
    let log = daemon.log();
    let line = log.lines().find(|line| line.contains("local endpoints with a new stream")).unwrap();
    let url = line.split("kinesis=\"").nth(1).unwrap().split('"').next().unwrap();
    let kinesis = kinesis(url).await;
    let put = kinesis.put_record().stream_name("new").partition_key("k");
    tokio::time::timeout(Duration::from_secs(10), put.data(b"x".to_vec().into()).send())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(daemon.stop().await, 0);
}
