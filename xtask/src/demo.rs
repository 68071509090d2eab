//! The demo and the figures: built here, done by the binary `shardwise-demo`.

use std::process::{Command, ExitCode};

use crate::npm;
use crate::step::succeed;
use crate::tools::{self, CC, NODE, NPM};
use crate::tree::Tree;

/// Two daemons with Node children on the local endpoints, a split, a merge and kills.
pub(crate) fn demo(tree: &Tree, arguments: &[String]) -> Result<ExitCode, String> {
    tools::need(&[CC, NODE, NPM])?;
    // With the profile and features of the tests, so that nothing is built twice.
    succeed(&mut tree.cargo(&["build", "--workspace", "--locked"]))?;
    start(tree, "debug", "run", arguments)
}

/// The same children under load, as a release.
pub(crate) fn bench(tree: &Tree, arguments: &[String]) -> Result<ExitCode, String> {
    tools::need(&[CC, NODE, NPM])?;
    let packages = ["-p", "shardwise-daemon", "-p", "shardwise-demo"];
    succeed(tree.cargo(&["build", "--release", "--locked"]).args(packages))?;
    start(tree, "release", "bench", arguments)
}

fn start(tree: &Tree, profile: &str, mode: &str, rest: &[String]) -> Result<ExitCode, String> {
    let feed = npm::install(tree, &["demo/feed"], "feed")?;
    let demo = tree.built(profile, "shardwise-demo");
    let status = Command::new(&demo)
        .arg(mode)
        .args(rest)
        .current_dir(&tree.root)
        .env("SHARDWISE_BIN", tree.built(profile, "shardwise"))
        .env("SHARDWISE_FEED", feed)
        .env("SHARDWISE_DEMO_DIRECTORY", tree.target.join("demo"))
        .status()
        .map_err(|error| format!("{} does not start: {error}", demo.display()))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
