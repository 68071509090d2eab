//! Chaos: built here, done by the binary `shardwise-chaos`.

use std::process::{Command, ExitCode};

use crate::counts::Counts;
use crate::step::{Failure, run, succeed};
use crate::tools::{self, CC, NODE, PYTHON};
use crate::tree::Tree;

/// What it is as one test among others: always the same plan, so that one that fails speaks of the
/// change, or of the machine.
const AS_A_TEST: [&str; 4] = ["--minutes", "4", "--seed", "3"];

/// Real daemons and children under kills, pauses and failing requests, for as long as asked.
pub(crate) fn chaos(tree: &Tree, arguments: &[String]) -> Result<ExitCode, String> {
    let mut command = command(tree)?;
    let status = command.args(arguments).status();
    let status = status.map_err(|error| format!("shardwise-chaos does not start: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The same as one test.
pub(crate) fn test(tree: &Tree) -> Result<Counts, Failure> {
    run(command(tree)?.args(AS_A_TEST))
}

fn command(tree: &Tree) -> Result<Command, String> {
    tools::need(&[CC, NODE, PYTHON])?;
    // With the profile and features of the tests, so that nothing is built twice.
    succeed(&mut tree.cargo(&["build", "--workspace", "--locked"]))?;
    let mut command = tree.command(tree.built("debug", "shardwise-chaos"));
    command
        .env("SHARDWISE_BIN", tree.built("debug", "shardwise"))
        .env("SHARDWISE_DEMO_DIRECTORY", tree.target.join("chaos"));
    Ok(command)
}
