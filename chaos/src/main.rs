//! The binary `shardwise-chaos`: started by `cargo xtask chaos`.
#![expect(clippy::print_stdout, reason = "plan and verdict are for whoever started it")]

use std::process::ExitCode;

use clap::Parser;
use shardwise_chaos::args::Arguments;
use shardwise_chaos::{plan, run};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let minutes = arguments.minutes;
    let seed = arguments.seed.unwrap_or_else(random_seed);
    println!("seed {seed}: {} records in {minutes} min, and:", plan::records(minutes));
    for moment in plan::plan(seed, minutes, run::DAEMONS, run::FAILOVER) {
        println!("{moment}");
    }
    let is_good = match run::run(&arguments, seed).await {
        Ok(outcome) => {
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
        Err(error) => {
            println!("failed: {error}");
            false
        }
    };
    println!("again: cargo xtask chaos --seed {seed} --minutes {minutes}");
    if is_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn random_seed() -> u64 {
    // Short enough to be typed again.
    u64::from(getrandom::u32().unwrap_or_else(|_| std::process::id()) % 1_000_000)
}
