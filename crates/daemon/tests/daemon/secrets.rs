//! Canaries: no secret, and nothing of a record, is in anything that the daemon writes or answers.

use std::fs;
use std::path::Path;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use rustix::process::Signal;
use tokio::sync::mpsc;

use crate::asked::{free_port, page};
use crate::world::{APPLICATION, Event, STREAM, World, until};

/// What must be nowhere: secrets of every source, and what records and rows are made of; the
/// payload as children get it too.
const CANARIES: [&str; 8] = [
    "AKIDCANARY",
    "SECRETCANARY",
    "TOKENCANARY",
    "BEARERCANARY",
    "PAYLOADCANARY",
    "UEFZTE9BRENBTkFSW",
    "KEYCANARY",
    "STATECANARY",
];
/// What is signed, and by whom.
const SIGNED: [&str; 3] = ["Signature=", "Authorization", "authorization"];
/// More than anybody should ask for: there is nothing in it all the same.
const BELOW: &str = "shardwise=trace,hyper=trace,aws_smithy_runtime=trace,aws_sigv4=trace,\
                     aws_config=trace,aws_credential_types=trace";

fn is_clean(what: &str, text: &str) {
    for canary in CANARIES.iter().chain(&SIGNED) {
        assert!(!text.contains(canary), "{canary} in {what}:\n{text}");
    }
}

/// Where the credentials come from, and the variables that say so.
struct Source {
    provider: &'static str,
    variables: Vec<(&'static str, String)>,
}

const KEYS: &str = "{\"Version\":1,\"AccessKeyId\":\"AKIDCANARY\",\
                    \"SecretAccessKey\":\"SECRETCANARY\",\"SessionToken\":\"TOKENCANARY\"}";

/// Files of a profile with keys, and of one whose keys a program prints.
fn profiles(directory: &Path) -> [Source; 2] {
    let write = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let keys = write(
        "credentials",
        "[default]\naws_access_key_id = AKIDCANARY\naws_secret_access_key = SECRETCANARY\n\
         aws_session_token = TOKENCANARY\n",
    );
    let program = write("print.sh", &format!("echo '{KEYS}'\n"));
    let config = write("config", &format!("[default]\ncredential_process = sh {program}\n"));
    let provider = "ProfileCredentialsProvider";
    [
        Source { provider, variables: vec![("AWS_SHARED_CREDENTIALS_FILE", keys)] },
        Source { provider, variables: vec![("AWS_CONFIG_FILE", config)] },
    ]
}

/// What stands for a container's endpoint; who asks it is told of.
async fn container() -> (Source, mpsc::UnboundedReceiver<String>) {
    let (asked, by) = mpsc::unbounded_channel();
    let answer = move |headers: HeaderMap| async move {
        let token = headers.get("authorization").and_then(|token| token.to_str().ok());
        asked.send(token.unwrap_or_default().to_owned()).unwrap();
        "{\"AccessKeyId\":\"AKIDCANARY\",\"SecretAccessKey\":\"SECRETCANARY\",\
         \"Token\":\"TOKENCANARY\",\"Expiration\":\"2199-01-01T00:00:00Z\"}"
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/keys", listener.local_addr().unwrap());
    let serves = axum::serve(listener, Router::new().route("/keys", get(answer)));
    tokio::spawn(async move { serves.await.unwrap() });
    let token = "BEARERCANARY".to_owned();
    let variables =
        [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", token)];
    (Source { provider: "ContainerCredentialsProvider", variables: variables.into() }, by)
}

/// A record whose data and partition key are canaries.
async fn put(world: &World) {
    let request = world.kinesis.put_record().stream_name(STREAM).partition_key("KEYCANARY");
    request.data(b"PAYLOADCANARY".to_vec().into()).send().await.unwrap();
}

/// A checkpoint that another worker has prepared, with a state of the application's own.
async fn prepare(world: &World) {
    let update = world.dynamodb.update_item().table_name(APPLICATION);
    let key = AttributeValue::S("shardId-000000000000".to_owned());
    let state = AttributeValue::B(Blob::new(b"STATECANARY".to_vec()));
    let update = update
        .key("leaseKey", key)
        .update_expression(
            "SET pendingCheckpoint = checkpoint, \
             pendingCheckpointSubSequenceNumber = checkpointSubSequenceNumber, \
             pendingCheckpointState = :state",
        )
        .expression_attribute_values(":state", state);
    update.send().await.unwrap();
}

/// Runs a daemon through failures of its child to its own abort, and looks at all that it told.
async fn tells_nothing(source: &Source, level: &str, world: &World) {
    let port = free_port();
    let more = format!(
        "AwsCredentialsProvider = {}\nshardwise.httpPort = {port}\nshardwise.logLevel = debug",
        source.provider
    );
    let mut variables = vec![("RUST_LOG", level), ("RUST_BACKTRACE", "full")];
    variables.extend(source.variables.iter().map(|(name, value)| (*name, &**value)));
    let first = world.daemon_in("storm exit:processRecords", &more, &variables);
    put(world).await;
    let made = |journal: &[Event]| journal.iter().filter(|it| it.is("checkpoint")).count() > 9;
    world.until_journal(&first, "checkpoints", made).await;
    assert_eq!(first.stop().await, 0);
    let log = fs::read_to_string(world.path().join("daemon.log")).unwrap();
    assert!(log.contains("DEBUG") && log.contains("processor starts"), "{log}");
    is_clean("the log", &log);

    prepare(world).await;
    let mut second = world.daemon_in("always exit:processRecords", &more, &variables);
    put(world).await;
    let status = until("a failure", async || {
        let (_, body) = page(port, "/status.json", "").await.ok_or(second.log())?;
        if body.contains("closed its stdout") { Ok(body) } else { Err(body) }
    })
    .await;
    assert!(status.contains("shardId-000000000000"), "{status}");
    is_clean("/status.json", &status);
    let (_, metrics) = page(port, "/metrics", "").await.unwrap();
    assert!(metrics.contains("shardId-000000000000"), "{metrics}");
    is_clean("/metrics", &metrics);
    second.signal(Signal::ABORT);
    assert_eq!(second.ended().await.code(), None);
    is_clean("the log of one that was aborted", &second.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_nothing_of_a_record_is_in_logs_pages_or_at_an_abort() {
    for level in ["debug", BELOW] {
        let directory = tempfile::tempdir().unwrap();
        let token = ("AWS_SESSION_TOKEN", "TOKENCANARY".to_owned());
        let environment =
            Source { provider: "EnvironmentVariableCredentialsProvider", variables: vec![token] };
        let (container, mut asked) = container().await;
        for source in profiles(directory.path()).iter().chain([&environment, &container]) {
            let world = World::new(1).await;
            tells_nothing(source, level, &world).await;
        }
        assert_eq!(asked.recv().await.as_deref(), Some("BEARERCANARY"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_asked_of_the_log_it_has_no_secret_and_nothing_of_a_record() {
    for (file, environment) in
        [("trace", None), (BELOW, None), ("info", Some("debug")), ("info", Some(BELOW))]
    {
        let world = World::new(1).await;
        let more = format!("shardwise.logLevel = {file}");
        let variables: Vec<_> =
            environment.map(|filter| ("RUST_LOG", filter)).into_iter().collect();
        let mut daemon = world.daemon_in("storm", &more, &variables);
        let records = world.put("PAYLOADCANARY", 3).await;
        world.until_processed(&daemon, &records).await;
        daemon.signal(Signal::TERM);
        assert_eq!(daemon.ended().await.code(), Some(0));
        let log = daemon.log();
        assert!(log.contains("TRACE") || log.contains("DEBUG"), "{log}");
        is_clean("the log", &log);
        let asks_for_more = environment.unwrap_or(file) == BELOW;
        assert_eq!(log.contains("of crates that are not our own"), asks_for_more, "{log}");
    }
}
