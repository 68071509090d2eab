//! What ends the daemon before anything is started: one line that says why, and exit code 1.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::world::{Daemon, STREAM, World, binary, child};

const NEEDED: &str = "executableName = python3 none.py\nstreamName = s\napplicationName = app\n\
                      AWSCredentialsProvider = EnvironmentVariableCredentialsProvider\n\
                      regionName = us-east-1\nretrievalMode = POLLING\n";

fn run(arguments: &[&str]) -> Output {
    let mut command = binary();
    command.args(arguments).stderr(Stdio::piped()).stdout(Stdio::piped());
    command.output().unwrap()
}

fn refused(directory: &Path, properties: &str) -> String {
    let path = directory.join("daemon.properties");
    fs::write(&path, properties).unwrap();
    let output = run(&["daemon", "-p", path.to_str().unwrap()]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}

#[test]
fn a_wrong_value_names_file_line_key_and_what_is_allowed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("daemon.properties");
    for (line, why) in [
        ("failoverTimeMillis = soon", "line 7: `failoverTimeMillis` is `soon`: a whole number"),
        ("maxRecords = 20000", "line 7: `maxRecords` is `20000`: 1 to 10000"),
        ("retrievalMode = PULL", "line 7: `retrievalMode` is `PULL`: one of"),
        ("AWSCredentialsProvider = Foo", "line 7: `AWSCredentialsProvider`: credentials provider"),
        ("x = \\u12", "line 7: `\\u` must be followed"),
    ] {
        let text = refused(directory.path(), &format!("{NEEDED}{line}\n"));
        let expected = format!("shardwise: {}: {why}", file.display());
        assert!(text.starts_with(&expected), "{text}");
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

#[test]
fn a_missing_key_is_named() {
    let directory = tempfile::tempdir().unwrap();
    for key in ["executableName", "applicationName", "streamName"] {
        let lines = NEEDED.lines().filter(|line| !line.starts_with(key));
        let text = refused(directory.path(), &lines.collect::<Vec<_>>().join("\n"));
        assert!(text.contains(&format!("`{key}` is missing")), "{text}");
    }
    let text = refused(directory.path(), &NEEDED.replace("streamName", "streamname"));
    assert!(text.contains("`streamName` is missing"), "{text}");
    assert!(text.contains("`streamname` in line 2 is unknown"), "{text}");
}

#[test]
fn the_program_is_looked_for_before_anything_starts() {
    let directory = tempfile::tempdir().unwrap();
    let text = refused(directory.path(), &NEEDED.replace("python3", "no-such-program"));
    let file = directory.path().join("daemon.properties");
    let expected = format!(
        "shardwise: {}: line 1: `executableName`: `no-such-program` is not a program in PATH",
        file.display()
    );
    // Before it only how the stream would have been read.
    let said: Vec<&str> = text.lines().collect();
    assert!(said.len() == 2 && said[0].contains("polling, as configured"), "{text}");
    assert_eq!(said[1], expected);
    let text = refused(directory.path(), &NEEDED.replace("python3", "./none.py"));
    assert!(text.contains("`./none.py` does not exist"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interpreter_that_is_missing_is_named() {
    let world = World::new(1).await;
    let program = world.path().join("app");
    fs::write(&program, "#!/nowhere/interpreter\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let properties = world.properties(program.to_str().unwrap(), "");
    let daemon = Daemon::start(&properties, world.path());
    daemon.until_log("the interpreter that its first line names is missing").await;
}

#[test]
fn a_level_of_the_log_that_cannot_be_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let text = refused(directory.path(), &format!("{NEEDED}shardwise.logLevel = loud=very\n"));
    assert!(text.contains("daemon.properties: line 7: `shardwise.logLevel` is `loud"), "{text}");
}

#[test]
fn a_file_that_everybody_may_write_to_is_refused_to_root() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("app");
    fs::write(&program, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o777)).unwrap();
    let properties = NEEDED.replace("python3", program.to_str().unwrap());
    if rustix::process::geteuid().is_root() {
        let text = refused(directory.path(), &properties);
        assert!(text.contains("everybody may write to it"), "{text}");
    } else {
        let text = refused(directory.path(), &properties.replace("regionName = us-east-1", ""));
        assert!(text.contains("everybody may write to it"), "{text}");
    }
}

#[test]
fn exactly_one_properties_file_is_needed() {
    for (arguments, why) in [
        (&["daemon"][..], "a properties file is needed"),
        (&["daemon", "a", "b"], "several were given"),
        (&["daemon", "/nowhere/a"], "properties file `/nowhere/a`: No such file"),
        (&["daemon", "-p", "a", "-p", "b"], "cannot be used multiple times"),
        (&["launch"], "unrecognized subcommand"),
    ] {
        let output = run(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(why), "{text}");
    }
}

#[test]
fn an_unreadable_log_configuration_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("daemon.properties");
    fs::write(&path, NEEDED).unwrap();
    let output = run(&["daemon", path.to_str().unwrap(), "-l", "/nowhere/logback.xml"]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("--log-configuration: /nowhere/logback.xml"), "{text}");
}

#[test]
fn missing_credentials_and_a_missing_region_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let without = "SystemPropertyCredentialsProvider,ContainerCredentialsProvider";
    let text = refused(
        directory.path(),
        &NEEDED.replace("EnvironmentVariableCredentialsProvider", without),
    );
    let expected =
        "line 4: `AwsCredentialsProvider`: no AWS credentials for Kinesis: tried container";
    assert!(text.contains(expected), "{text}");
    assert!(!text.contains("WARN aws_config"), "the SDK's own words: {text}");
    let text = refused(directory.path(), &NEEDED.replace("regionName = us-east-1", ""));
    assert!(text.contains("no region: set `regionName`"), "{text}");
    let file = directory.path().join("daemon.properties").display().to_string();
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with(&format!("shardwise: {file}: ")), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_of_the_environment_is_named_too() {
    let world = World::new(0).await;
    let properties = world.properties("python3", "");
    let text = fs::read_to_string(&properties).unwrap();
    let (kept, url) = text.split_once("kinesisEndpoint = ").unwrap();
    let (url, rest) = url.split_once('\n').unwrap();
    fs::write(&properties, format!("{kept}{rest}")).unwrap();
    let output = binary()
        .args(["daemon", "-p", properties.to_str().unwrap()])
        .env("AWS_ENDPOINT_URL_KINESIS", url)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    let expected = format!("does not exist in region us-east-1, endpoint {url}");
    assert!(log.contains(&expected), "{log}");
}

#[test]
fn an_endpoint_in_clear_of_an_aws_profile_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (properties, profile) =
        (directory.path().join("daemon.properties"), directory.path().join("config"));
    fs::write(&properties, NEEDED).unwrap();
    for (text, service) in [
        ("[default]\nendpoint_url = http://192.0.2.1:4566\n", "Kinesis"),
        (
            "[default]\nservices = own\n[services own]\ndynamodb =\n  \
             endpoint_url = http://192.0.2.1:4566\n",
            "DynamoDB",
        ),
    ] {
        fs::write(&profile, text).unwrap();
        let output = binary()
            .args(["daemon", "-p", properties.to_str().unwrap()])
            .env("AWS_CONFIG_FILE", &profile)
            .stderr(Stdio::piped())
            .output()
            .unwrap();
        let log = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{log}");
        let expected = format!("the endpoint of {service} is `http://192.0.2.1:4566`");
        assert!(log.lines().last().unwrap_or_default().contains(&expected), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_stream_is_named() {
    let world = World::new(0).await;
    let mut daemon = world.daemon("", "");
    assert_eq!(daemon.ended().await.code(), Some(1), "{}", daemon.log());
    let expected =
        format!("stream `{STREAM}` does not exist in region us-east-1, endpoint http://");
    assert!(daemon.log().contains(&expected), "{}", daemon.log());
    assert!(world.journal().is_empty());
    assert!(Path::new(&child("mischief.py")).exists());
}
