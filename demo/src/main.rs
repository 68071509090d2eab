//! The binary `shardwise-demo`: started by `cargo xtask demo` and `cargo xtask bench`.
#![expect(clippy::print_stdout, reason = "the tables are for whoever started it")]

use std::process::ExitCode;

use clap::Parser;
use shardwise_demo::args::{Arguments, Mode, Sample};
use shardwise_demo::{bench, child, click_stream, run};

#[tokio::main]
async fn main() -> ExitCode {
    let end = match Arguments::parse().mode {
        Mode::Run(arguments) => {
            let seed = arguments.seed.unwrap_or_else(random_seed);
            let outcome = match arguments.sample {
                None => run::run(&arguments, seed).await,
                Some(Sample::ClickStream) => click_stream::run(&arguments, seed).await,
            };
            outcome.map(|outcome| {
                println!("{}", outcome.report);
                for note in &outcome.notes {
                    println!("{note}");
                }
                let faults: Vec<&str> = outcome.report.faults().collect();
                if !faults.is_empty() {
                    println!("seed {seed}: not so: {}", faults.join("; "));
                }
                faults.is_empty()
            })
        }
        Mode::Bench(arguments) => bench::bench(&arguments).await.map(|report| {
            println!("{report}");
            true
        }),
        Mode::Child(arguments) => child::answer(&arguments).map(|()| true),
    };
    match end {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn random_seed() -> u64 {
    // Short enough to be typed again.
    u64::from(getrandom::u32().unwrap_or_else(|_| std::process::id()) % 1_000_000)
}
