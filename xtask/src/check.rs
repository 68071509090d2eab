//! The read-only gate, and the one that fixes.

use std::process::ExitCode;

use crate::counts::Counts;
use crate::step::{Failure, Steps, run, succeed};
use crate::tidy;
use crate::tree::Tree;

/// The peers' tests stand apart from "all targets": cargo leaves out what `cargo test` does.
const CLIPPY: [&str; 8] =
    ["clippy", "--workspace", "--all-targets", "--test", "peers", "--locked", "--", "-Dwarnings"];

/// Format, lints, docs, tidy. Changes no file.
pub(crate) fn check(tree: &Tree) -> ExitCode {
    let mut steps = Steps::default();
    steps.step("format", "cargo fmt --check (cargo xtask fix repairs)", || {
        run(&mut tree.cargo(&["fmt", "--all", "--check"]))
    });
    steps.step("tidy", "cargo xtask tidy", || tidy_step(tree));
    steps.step("lints", &format!("cargo {}", CLIPPY.join(" ")), || run(&mut tree.cargo(&CLIPPY)));
    steps.step("docs", "RUSTDOCFLAGS=-Dwarnings cargo doc --no-deps --workspace", || {
        let mut doc = tree.cargo(&["doc", "--no-deps", "--workspace", "--locked"]);
        run(doc.env("RUSTDOCFLAGS", "-Dwarnings"))
    });
    steps.finish()
}

/// Formats, and applies what clippy suggests.
pub(crate) fn fix(tree: &Tree) -> Result<ExitCode, String> {
    let clippy =
        ["clippy", "--workspace", "--all-targets", "--fix", "--allow-dirty", "--allow-staged"];
    succeed(&mut tree.cargo(&clippy))?;
    succeed(&mut tree.cargo(&["fmt", "--all"]))?;
    Ok(ExitCode::SUCCESS)
}

/// Tidy alone.
pub(crate) fn tidy(tree: &Tree) -> Result<ExitCode, String> {
    let mut steps = Steps::default();
    steps.step("tidy", "cargo xtask tidy", || tidy_step(tree));
    Ok(steps.finish())
}

fn tidy_step(tree: &Tree) -> Result<Counts, Failure> {
    let report = tidy::tidy(tree)?;
    for note in &report.notes {
        println!("note: {note}");
    }
    if report.findings.is_empty() {
        return Ok(Counts { passed: 1, failed: 0 });
    }
    for finding in &report.findings {
        println!("{finding}");
    }
    Err(format!("{} findings", report.findings.len()).into())
}
