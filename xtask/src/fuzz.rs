//! The fuzzer, in a build of its own that counts which code runs.

use std::process::ExitCode;

use crate::counts::Counts;
use crate::step::{Failure, run_tests, succeed};
use crate::tree::{self, Tree};

/// Has LLVM count each edge of the code in a byte (SanitizerCoverage).
const INSTRUMENTED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=3 \
                            -Cllvm-args=-sanitizer-coverage-inline-8bit-counters";

/// Runs the fuzzer with these arguments.
pub(crate) fn fuzz(tree: &Tree, arguments: &[String]) -> Result<ExitCode, String> {
    let mut fuzzer = fuzzer(tree)?;
    let status = fuzzer.args(arguments).status();
    let status = status.map_err(|error| format!("shardwise-fuzz does not start: {error}"))?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What CI asks: the corpus, and 30 s for each target.
pub(crate) fn gate(tree: &Tree) -> Result<Counts, Failure> {
    run_tests(&mut fuzzer(tree)?)
}

fn fuzzer(tree: &Tree) -> Result<std::process::Command, String> {
    let host = tree::host()?;
    let out = tree.target.join("fuzz");
    // With a target of its own the flags are not for build scripts, which could not be linked.
    let mut build = tree.cargo(&["build", "--locked", "--package", "shardwise-fuzz"]);
    build.args(["--target", &host, "--target-dir"]).arg(&out).env("RUSTFLAGS", INSTRUMENTED);
    succeed(&mut build)?;
    let mut fuzzer = tree.command(out.join(host).join("debug/shardwise-fuzz"));
    fuzzer.arg("--out").arg(out);
    Ok(fuzzer)
}
