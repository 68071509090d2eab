//! The simulation.

use std::process::ExitCode;

use crate::counts::Counts;
use crate::step::{Failure, run_tests, succeed};
use crate::tree::Tree;

/// Runs the simulation with these arguments; in a night the protocol model's larger sizes as well.
pub(crate) fn sim(tree: &Tree, arguments: &[String]) -> Result<ExitCode, String> {
    build(tree)?;
    if arguments.iter().any(|argument| argument.starts_with("--night")) {
        succeed(&mut tree.cargo(&MODEL_AT_NIGHT))?;
    }
    let status = tree.command(tree.built("debug", "shardwise-sim")).args(arguments).status();
    let status = status.map_err(|error| format!("shardwise-sim does not start: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What CI asks of the simulation.
pub(crate) fn gate(tree: &Tree) -> Result<Counts, Failure> {
    build(tree)?;
    run_tests(tree.command(tree.built("debug", "shardwise-sim")).args(GATE))
}

const GATE: [&str; 5] = ["--gate", "--from", "100", "--seeds", "500"];

/// The sizes of the protocol model that take too long for each run.
const MODEL_AT_NIGHT: [&str; 8] = [
    "test",
    "--workspace",
    "--locked",
    "--test",
    "protocol_model",
    "--",
    "--ignored",
    "--nocapture",
];

fn build(tree: &Tree) -> Result<(), String> {
    succeed(&mut tree.cargo(&["build", "--workspace", "--locked", "--bin", "shardwise-sim"]))
}
