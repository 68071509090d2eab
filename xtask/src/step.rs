//! Steps: each says what it does, what came of it, and how to do it alone.

use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};
use std::time::Instant;

use crate::counts::Counts;

/// What came of the steps so far.
#[derive(Default)]
pub(crate) struct Steps {
    counts: Counts,
    failed: Vec<String>,
}

impl Steps {
    /// Does one step; `again` is the command that does it alone.
    ///
    /// A step that fails without having counted a failure counts as one.
    pub(crate) fn step(
        &mut self,
        name: &str,
        again: &str,
        work: impl FnOnce() -> Result<Counts, Failure>,
    ) {
        println!("\n== {name}");
        let start = Instant::now();
        let (mut counts, fault) = match work() {
            Ok(counts) => {
                let fault = (counts.failed > 0).then(|| format!("{} failed", counts.failed));
                (counts, fault)
            }
            Err(failure) => (failure.counts, Some(failure.text)),
        };
        let seconds = start.elapsed().as_secs_f32();
        match fault {
            None => println!("== {name}: done in {seconds:.0} s"),
            Some(text) => {
                counts.failed = counts.failed.max(1);
                println!("== {name}: FAILED after {seconds:.0} s: {text}\n   again: {again}");
                self.failed.push(format!("{name} (again: {again})"));
            }
        }
        self.counts += counts;
    }

    /// Says how it went; the last line is `N passed, N failed`.
    pub(crate) fn finish(self) -> ExitCode {
        println!();
        for step in &self.failed {
            println!("failed: {step}");
        }
        println!("{}", self.counts);
        if self.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Why a step failed, and what it had counted by then.
pub(crate) struct Failure {
    counts: Counts,
    text: String,
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self { counts: Counts::default(), text }
    }
}

/// What two halves of a step come to.
pub(crate) fn both(
    first: Result<Counts, Failure>,
    second: Result<Counts, Failure>,
) -> Result<Counts, Failure> {
    let (mut counts, mut texts) = (Counts::default(), Vec::new());
    for half in [first, second] {
        match half {
            Ok(half) => counts += half,
            Err(failure) => {
                counts += failure.counts;
                texts.push(failure.text);
            }
        }
    }
    if texts.is_empty() { Ok(counts) } else { Err(Failure { counts, text: texts.join("; ") }) }
}

/// Runs a command whose success is one thing passed.
pub(crate) fn run(command: &mut Command) -> Result<Counts, Failure> {
    succeed(command)?;
    Ok(Counts { passed: 1, failed: 0 })
}

/// Runs a command that has to succeed.
pub(crate) fn succeed(command: &mut Command) -> Result<(), String> {
    announce(command);
    let status = command.stdin(Stdio::null()).status();
    let status = status.map_err(|error| format!("{} does not start: {error}", name(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{} ended with {status}", name(command))) }
}

/// Runs a command that runs tests, and counts them by what it prints.
pub(crate) fn run_tests(command: &mut Command) -> Result<Counts, Failure> {
    announce(command);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut child = child.map_err(|error| format!("{} does not start: {error}", name(command)))?;
    let mut counts = Counts::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).split(b'\n') {
            let line = line.map_err(|error| format!("output of {}: {error}", name(command)))?;
            let line = String::from_utf8_lossy(&line);
            println!("{line}");
            counts += Counts::in_line(&line);
        }
    }
    let status = child.wait().map_err(|error| format!("waiting for a command: {error}"))?;
    if !status.success() {
        return Err(Failure { counts, text: format!("{} ended with {status}", name(command)) });
    }
    if counts == Counts::default() {
        return Err(Failure { counts, text: format!("{} ran no test", name(command)) });
    }
    Ok(counts)
}

fn announce(command: &Command) {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    println!("$ {} {}", name(command), arguments.join(" "));
}

fn name(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
