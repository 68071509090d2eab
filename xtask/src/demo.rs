//! The demo and the figures: built here, done by the binary `shardwise-demo`.

use std::process::{Command, ExitCode};

use crate::conformance;
use crate::counts::Counts;
use crate::npm;
use crate::step::{self, Failure, succeed};
use crate::tools::{self, CC, NODE, NPM, PYTHON};
use crate::tree::Tree;

const CLICK_STREAM: &str = "click-stream";

/// Two daemons with Node children on the local endpoints, a split, a merge and kills; the children
/// are the journaling ones, or those of a sample.
pub(crate) fn demo(tree: &Tree, arguments: &[String]) -> Result<ExitCode, String> {
    // Which sample it is, the demo itself looks at closely.
    let is_click_stream = arguments.iter().any(|argument| argument.ends_with(CLICK_STREAM));
    tools::need(if is_click_stream { &[CC, NODE, NPM, PYTHON] } else { &[CC, NODE, NPM] })?;
    build(tree)?;
    if is_click_stream {
        return run(click_stream(tree)?.arg("run").args(arguments));
    }
    run(with_feed(tree, "debug")?.arg("run").args(arguments))
}

/// A short run of the click-stream sample, always of the same plan, in which each daemon is killed.
pub(crate) fn test_click_stream(tree: &Tree) -> Result<Counts, Failure> {
    build(tree)?;
    let plan = ["--records", "1000", "--kills", "2", "--seed", "2"];
    step::run(click_stream(tree)?.args(["run", "--sample", CLICK_STREAM]).args(plan))
}

/// The same children under load, as a release.
pub(crate) fn bench(tree: &Tree, arguments: &[String]) -> Result<ExitCode, String> {
    tools::need(&[CC, NODE, NPM])?;
    let packages = ["-p", "shardwise-daemon", "-p", "shardwise-demo"];
    succeed(tree.cargo(&["build", "--release", "--locked"]).args(packages))?;
    run(with_feed(tree, "release")?.arg("bench").args(arguments))
}

/// With the profile and features of the tests, so that nothing is built twice.
fn build(tree: &Tree) -> Result<(), String> {
    succeed(&mut tree.cargo(&["build", "--workspace", "--locked"]))
}

/// The demo with what the click-stream sample needs: the SDK's packages, and moto for S3.
fn click_stream(tree: &Tree) -> Result<Command, String> {
    let packages = npm::install(tree, &["node/samples/click_stream_sample"], CLICK_STREAM)?;
    let python = conformance::python(tree)?;
    let mut command = binary(tree, "debug");
    command.env("SHARDWISE_SAMPLE_PACKAGES", packages).env("SHARDWISE_PYTHON", python);
    Ok(command)
}

fn with_feed(tree: &Tree, profile: &str) -> Result<Command, String> {
    let feed = npm::install(tree, &["demo/feed"], "feed")?;
    let mut command = binary(tree, profile);
    command.env("SHARDWISE_FEED", feed);
    Ok(command)
}

fn binary(tree: &Tree, profile: &str) -> Command {
    let mut command = tree.command(tree.built(profile, "shardwise-demo"));
    command
        .env("SHARDWISE_BIN", tree.built(profile, "shardwise"))
        .env("SHARDWISE_DEMO_DIRECTORY", tree.target.join("demo"));
    command
}

fn run(command: &mut Command) -> Result<ExitCode, String> {
    let status = command.status();
    let status = status.map_err(|error| format!("the demo does not start: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
