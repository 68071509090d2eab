//! The fuzzer's command line: every target, two at a time, or one; or one input.
//!
//! Arguments are read by hand: what is linked in here is instrumented, and its counters are looked
//! at after each input.
#![expect(clippy::print_stdout, reason = "it talks to whoever started it")]

mod all;
mod coverage;
mod engine;
mod mutate;
mod one;
mod targets;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::targets::{TARGETS, Target};

const USAGE: &str = "\
cargo xtask fuzz [TARGET] [OPTIONS]

Replays the corpus, then runs changed inputs; every target, two at a time, or the one named.

  --seconds N    how long each target runs changed inputs (30)
  --seed N       where chance begins (the time)
  --input FILE   runs this one input, and nothing else
";

/// What was asked for.
struct Args {
    target: Option<&'static Target>,
    time: Duration,
    seed: u64,
    input: Option<PathBuf>,
    /// Where findings, and inputs that are no part of the corpus, lie.
    out: PathBuf,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--help") {
        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        print!("{USAGE}\ntargets: {}\n", names.join(", "));
        return ExitCode::SUCCESS;
    }
    let done = Args::read(&arguments).and_then(|args| match (&args.target, &args.input) {
        (Some(target), Some(file)) => one::try_file(target, file),
        (None, Some(_)) => Err("--input needs a target".to_owned()),
        (Some(target), None) => one::run(target, &args),
        (None, None) => all::run(&args),
    });
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Args {
    fn read(arguments: &[String]) -> Result<Self, String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut args = Self {
            target: None,
            time: Duration::from_secs(30),
            seed: now.as_secs(),
            input: None,
            out: PathBuf::from("target/fuzz"),
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut value = || rest.next().ok_or_else(|| format!("{argument} needs a value"));
            match argument.as_str() {
                "--seconds" => args.time = Duration::from_secs(number(value()?)?),
                "--seed" => args.seed = number(value()?)?,
                "--input" => args.input = Some(value()?.into()),
                "--out" => args.out = value()?.into(),
                name => args.target = Some(Target::named(name)?),
            }
        }
        Ok(args)
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number"))
}
