//! The simulation's command line.
#![expect(clippy::print_stdout, reason = "it talks to whoever started it")]

mod args;
mod corpus;
mod report;

use std::fs;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use clap::Parser;
use shardwise_sim::batch;
use shardwise_sim::plan::{Limits, Plan};
use shardwise_sim::run::run;
use shardwise_sim::tally::Tally;
use shardwise_sim::timeline;

use crate::args::Args;
use crate::report::{Hours, Verdicts, tell_one};

/// How many runs of the gate are over the SDK.
const SDK_SEEDS: u64 = 40;

/// How many seeds the gate has at the least, how many more it takes up at once, and for how long.
const GATE_LEAST: u64 = 100;
const GATE_MORE: u64 = 20;
const GATE_TIME: Duration = Duration::from_secs(150);

/// How long a night's runs over the SDK have faults.
const HOUR: Duration = Duration::from_secs(3_600);

/// How many hours the figures are of.
const FIGURES_SEEDS: u64 = 10;

fn main() -> ExitCode {
    let args = Args::parse();
    match start(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: &Args) -> Result<bool, String> {
    let limits = args.limits()?;
    if let Some(plan) = args.only(&limits)? {
        let outcome = run(plan, args.log);
        tell_one(&outcome);
        if let Some(file) = &args.timeline {
            timeline::story(&outcome).iter().for_each(|line| println!("{line}"));
            fs::write(file, timeline::draw(&outcome))
                .map_err(|error| format!("{}: {error}", file.display()))?;
            println!("\nthe picture of it: {}", file.display());
        }
        return Ok(outcome.is_clean());
    }
    if args.hashes {
        let mut has_panicked = false;
        for seed in args.range() {
            let outcome = run(args.plan(seed, &limits), false);
            println!("{seed} {:016x}", outcome.trace_hash);
            has_panicked |= !outcome.panics.is_empty();
        }
        return Ok(!has_panicked);
    }
    if args.twice {
        let is_same = twice(args, args.seeds.min(20))?;
        if args.first && !is_same {
            println!("twice: I36");
        }
        return Ok(is_same);
    }
    if args.figures {
        let mut verdicts = Verdicts::new(args.threads);
        let hours = Hours { seeds: args.range(), threads: args.threads, are_logged: args.log };
        let unmet = verdicts.require_figures(&hours);
        let is_well = verdicts.close();
        if args.first && !is_well {
            println!("figures: {}", Vec::from_iter(unmet).join(", "));
        }
        return Ok(is_well);
    }
    if args.first {
        let is_sweep = args.sweep.is_some();
        let plans = if is_sweep { args.swept()? } else { args.plans(args.range(), &limits) };
        return Ok(first(&plans, args.threads));
    }
    let mut verdicts = Verdicts::new(args.threads);
    if args.gate {
        verdicts.add("seeds that failed once", &corpus::plans()?);
        verdicts.add("crash points", &args.swept()?);
    } else if args.sweep.is_some() {
        verdicts.add("crash points", &args.swept()?);
        return Ok(verdicts.close());
    } else if args.corpus {
        verdicts.add("seeds that failed once", &corpus::plans()?);
        return Ok(verdicts.close());
    }
    match args.night {
        Some(minutes) => night(args, minutes, &mut verdicts, &limits)?,
        None if args.gate => gate(args, &mut verdicts, &limits)?,
        None => drop(verdicts.add("seeds", &args.plans(args.range(), &limits))),
    }
    Ok(verdicts.close())
}

/// Everything that is asked of seeds each time.
fn gate(args: &Args, verdicts: &mut Verdicts, limits: &Limits) -> Result<(), String> {
    let seen = seeds_in_time(args, verdicts, limits);
    verdicts.require_every_fault(&seen);
    let plans: Vec<Plan> = (1..=SDK_SEEDS).map(|seed| Plan::over_sdk(seed, limits)).collect();
    let over_sdk = verdicts.add("seeds over the SDK", &plans);
    verdicts.require_every_fault_over_sdk(&over_sdk);
    verdicts.tell_all();
    let seeds = 1..1 + FIGURES_SEEDS;
    verdicts.require_figures(&Hours { seeds, threads: args.threads, are_logged: false });
    verdicts.count("a seed is a run", twice(args, args.seeds.min(20))?);
    Ok(())
}

/// Runs seeds, at least [`GATE_LEAST`], and no more of them once the time for it is up; what
/// happened in them.
fn seeds_in_time(args: &Args, verdicts: &mut Verdicts, limits: &Limits) -> Tally {
    let start = Instant::now();
    let end = args.range().end;
    let (mut seen, mut from) = (Tally::default(), args.from);
    while from < end && (from < args.from + GATE_LEAST || start.elapsed() < GATE_TIME) {
        let next = end.min(from + if from == args.from { GATE_LEAST } else { GATE_MORE });
        let name = format!("seeds {from} to {}", next - 1);
        seen.merge(&verdicts.add(&name, &args.plans(from..next, limits)));
        from = next;
    }
    println!("{} of {} seeds in the time", from - args.from, args.seeds);
    verdicts.require_mixture(&seen, from - args.from);
    verdicts.require_costs(&seen, from - args.from);
    seen
}

/// Runs plans up to the first that fails, and names what it broke; whether none does.
fn first(plans: &[Plan], threads: usize) -> bool {
    plans.chunks(threads.max(1)).all(|plans| {
        let failures = batch::all(plans, threads, &mut |_, _| {}).failures;
        if let Some(failure) = failures.first() {
            println!("{}: {}", report::name_of(&failure.plan), failure.broken.join(", "));
        }
        failures.is_empty()
    })
}

/// Runs seed after seed until the time is up, and beside them pairs of crash points, and hours over
/// the SDK where this build has it. What a gate's seeds must meet, a night's must too.
fn night(
    args: &Args,
    minutes: u64,
    verdicts: &mut Verdicts,
    limits: &Limits,
) -> Result<(), String> {
    let start = Instant::now();
    let (mut seen, mut from) = (Tally::default(), args.from);
    let hour = Limits { chaos: limits.chaos.or(Some(HOUR)), ..limits.clone() };
    while start.elapsed().as_secs() < 60 * minutes {
        let seeds = from..from + args.seeds;
        let some = |part: u64| from..from + args.seeds.div_ceil(part);
        let last = seeds.end - 1;
        seen.merge(&verdicts.add(&format!("seeds {from} to {last}"), &args.plans(seeds, limits)));
        let pairs: Vec<Plan> =
            batch::pairs_of_points(some(2)).into_iter().map(Plan::sweep).collect();
        verdicts.add("pairs of crash points", &pairs);
        if cfg!(feature = "sdk") {
            let plans: Vec<Plan> = some(20).map(|seed| Plan::over_sdk(seed, &hour)).collect();
            verdicts.add("seeds over the SDK", &plans);
        }
        from += args.seeds;
    }
    verdicts.tell_all();
    if from - args.from >= GATE_LEAST && limits.without.is_empty() {
        verdicts.require_mixture(&seen, from - args.from);
        verdicts.require_every_fault(&seen);
    }
    verdicts.count("a seed is a run", twice(args, minutes)?);
    Ok(())
}

/// Runs the same few seeds in two processes; whether everything happened in the same order.
fn twice(args: &Args, seeds: u64) -> Result<bool, String> {
    let (seeds, options) = (seeds.to_string(), args.of_plan());
    let program = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let hashes = || {
        let mut command = Command::new(&program);
        command.args(["--hashes", "--from", &args.from.to_string(), "--seeds", &seeds]);
        command.args(&options).stdout(Stdio::piped());
        command.spawn().map_err(|error| format!("{}: {error}", program.display()))
    };
    let (first, second) = (hashes()?, hashes()?);
    let printed = |child: Child| child.wait_with_output().map_err(|error| error.to_string());
    let (first, second) = (printed(first)?, printed(second)?);
    let is_same = first.status.success() && first.stdout == second.stdout;
    let [first, second] =
        [first, second].map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    let other = first.lines().zip(second.lines()).find(|(one, other)| one != other);
    let word = match other.and_then(|(line, _)| line.split_once(' ')) {
        None if is_same => "the same, event for event".to_owned(),
        None => "NOT the same: one ended before its time".to_owned(),
        Some((seed, _)) => format!("NOT the same: seed {seed}"),
    };
    println!("{seeds} seeds in two processes: {word} {}", options.join(" "));
    Ok(is_same)
}
