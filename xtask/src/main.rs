//! The project's scripts. They build and start things; what they start does the work.
#![expect(clippy::print_stdout, reason = "a script talks to whoever started it")]

mod chaos;
mod check;
mod conformance;
mod counts;
mod coverage;
mod demo;
mod endpoints;
mod fuzz;
mod json;
mod mutants;
mod npm;
mod package;
mod python;
mod record_java;
mod sim;
mod step;
mod test;
mod tidy;
mod tools;
mod tree;

use std::process::ExitCode;

use crate::tree::Tree;

const USAGE: &str = "\
cargo xtask COMMAND

  check         the read-only gate: format, lints, docs, tidy
  test [STEP]   every test, in Rust, JavaScript and Python; or one step: rust, fuzz, sim, npm,
                 python, aggregates, clients, conformance, peers, click-stream, chaos
  conformance   the conformance suite, and the page of its results
  demo [...]    the main job on the local endpoints; checks its own result (demo --help);
                 --sample click-stream: the npm package's sample that writes to S3
  chaos [...]   real daemons and children under faults, judged (chaos --help); `chaos soak`: 64
                 shards whose children are killed, beside a time in which they are not
  bench [...]   the figures: first record, throughput, latency, memory (which: `bench latency`)
  sim [...]     simulated workers under seeded faults (sim --help)
  fuzz [...]    what reads bytes from outside, under inputs by chance (fuzz --help)
  mutants [...] the code with one rule broken, in many ways: the simulation must notice each;
                 NAME..., or --three as CI does, or --list
  package [...] the npm packages with the daemon's binary, and what is in them (package --help)
  coverage      which lines tests and simulation never reach; installs cargo-tarpaulin
  tidy          what no lint knows: imports, links, licences, long files
  fix           formats, and applies what clippy suggests
  record-java   records lease rows from the real Java KCL again (JDK 17 and Maven)
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((command, rest)) = arguments.split_first() else {
        print!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match run(command, rest) {
        Ok(code) => code,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: &str, rest: &[String]) -> Result<ExitCode, String> {
    if matches!(command, "help" | "--help" | "-h") {
        print!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    let tree = Tree::find()?;
    match (command, rest) {
        ("check", []) => Ok(check::check(&tree)),
        ("fix", []) => check::fix(&tree),
        ("tidy", []) => check::tidy(&tree),
        ("test", []) => test::test(&tree, None),
        ("test", [step]) => test::test(&tree, Some(step)),
        ("conformance", []) => conformance::write(&tree),
        ("demo", rest) => demo::demo(&tree, rest),
        ("chaos", rest) => chaos::chaos(&tree, rest),
        ("package", rest) => package::package(&tree, rest),
        ("bench", rest) => demo::bench(&tree, rest),
        ("sim", rest) => sim::sim(&tree, rest),
        ("fuzz", rest) => fuzz::fuzz(&tree, rest),
        ("mutants", rest) => mutants::mutants(&tree, rest),
        ("coverage", []) => coverage::coverage(&tree),
        ("record-java", []) => record_java::record(&tree),
        _ => Err(format!("no such command: {command} {}\n\n{USAGE}", rest.join(" "))),
    }
}
