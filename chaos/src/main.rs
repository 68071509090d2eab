//! The binary `shardwise-chaos`: started by `cargo xtask chaos`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "plan and verdict are for whoever started it, faults of a child for its daemon"
)]

use std::process::ExitCode;

use clap::Parser;
use shardwise_chaos::args::{Arguments, CommandLine, Other, SoakArguments};
use shardwise_chaos::run::Outcome;
use shardwise_chaos::{plan, run, soak};
use shardwise_demo::error::Error;

fn main() -> ExitCode {
    let CommandLine { other, chaos } = CommandLine::parse();
    let is_good = match other {
        // One of many: it needs no runtime.
        Some(Other::SoakChild) => soak::child::answer().map(|()| true),
        Some(Other::Soak(arguments)) => in_runtime(soaked(&arguments)),
        None => in_runtime(in_chaos(&chaos)),
    };
    match is_good {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn in_runtime(work: impl Future<Output = bool>) -> Result<bool, Error> {
    let runtime = tokio::runtime::Runtime::new().map_err(Error::file("a runtime"))?;
    Ok(runtime.block_on(work))
}

async fn in_chaos(arguments: &Arguments) -> bool {
    let minutes = arguments.minutes;
    let seed = arguments.seed.unwrap_or_else(random_seed);
    println!("seed {seed}: {} records in {minutes} min, and:", plan::records(minutes));
    for moment in plan::plan(seed, minutes, run::DAEMONS, run::FAILOVER) {
        println!("{moment}");
    }
    let is_good = tell(run::run(arguments, seed).await);
    println!("again: cargo xtask chaos --seed {seed} --minutes {minutes}");
    is_good
}

async fn soaked(arguments: &SoakArguments) -> bool {
    let minutes = arguments.minutes;
    let seed = arguments.seed.unwrap_or_else(random_seed);
    println!("seed {seed}: {minutes} min without kills, then {minutes} min with one every second");
    let is_good = tell(soak::run(arguments, seed).await);
    println!("again: cargo xtask chaos soak --seed {seed} --minutes {minutes}");
    is_good
}

fn tell(end: Result<Outcome, Error>) -> bool {
    let outcome = match end {
        Ok(outcome) => outcome,
        Err(error) => {
            println!("failed: {error}");
            return false;
        }
    };
    println!("{}", outcome.report);
    for note in &outcome.notes {
        println!("{note}");
    }
    let faults: Vec<&str> = outcome.report.faults().collect();
    if !faults.is_empty() {
        println!("not so: {}", faults.join("; "));
    }
    faults.is_empty()
}

fn random_seed() -> u64 {
    // Short enough to be typed again.
    u64::from(getrandom::u32().unwrap_or_else(|_| std::process::id()) % 1_000_000)
}
