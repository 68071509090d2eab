//! What is told of runs.

mod figures;

use std::time::{Duration, Instant};

use shardwise_sim::batch::{self, Failure, Summary};
use shardwise_sim::plan::{Limits, Plan};
use shardwise_sim::run::Outcome;
use shardwise_sim::sometimes;
use shardwise_sim::tally::Tally;

pub(crate) use self::figures::Hours;

/// Faults that every gate must have met: a gate without them proves nothing about them.
const FAULTS: [&str; 93] = [
    "child: answers for another action",
    "child: answers twice",
    "child: asks for a checkpoint between two actions",
    "child: asks for a checkpoint out of turn",
    "child: asks for checkpoints behind its status",
    "child: cannot be started",
    "child: exits before it is told anything",
    "child: exits behind a line without its end",
    "child: exits between two actions",
    "child: exits in an action",
    "child: exits in the middle of a line",
    "child: never answers",
    "child: serves another shard as well",
    "child: storm of checkpoints",
    "child: writes in pieces",
    "child: writes what is no message",
    "hand: counter raised",
    "hand: lease left in a hand-off",
    "hand: lease taken by a Java worker",
    "hand: row deleted",
    "hand: row made anew at counter 0",
    "hand: row made anew",
    "hand: row with an unknown attribute",
    "hand: row without hash keys",
    "hand: rows of other kinds",
    "node: asked to stop",
    "node: clock runs fast or slow",
    "node: crash at an edge",
    "node: date jumps",
    "node: date wrong from its birth",
    "node: killed twice in a row",
    "node: killed",
    "node: loses table and stream",
    "node: loses the stream",
    "node: loses the table",
    "node: paused",
    "node: starved",
    "node: suspended",
    "processor: checkpoint out of range",
    "processor: fails, wants a new processor",
    "processor: fails, wants the same again",
    "processor: forgets the shard's end",
    "processor: hangs, and is reported",
    "processor: panics",
    "processor: prepared checkpoint",
    "processor: slow call",
    "processor: starts inside an aggregate",
    "producer: aggregate for a shard that was split",
    "producer: aggregate",
    "reshard: merge",
    "reshard: split",
    "retention: gap told",
    "retention: records lost unread",
    "service: credentials expire",
    "service: one kind of call denied",
    "service: throttles everybody",
    "start: AT_TIMESTAMP",
    "start: LATEST",
    "stream: answer empty",
    "stream: answer with two ends",
    "stream: answer without an end",
    "stream: burst of throttling",
    "stream: cut off",
    "stream: denied",
    "stream: event with two ends",
    "stream: event without an end",
    "stream: iterator expires",
    "stream: list backwards",
    "stream: list doubled",
    "stream: list ends early",
    "stream: list from before a reshard",
    "stream: no answer",
    "stream: not found",
    "stream: subscription cut",
    "stream: subscription ends early",
    "stream: subscription silent",
    "stream: subscription taken over",
    "stream: throttled",
    "table: answer lost",
    "table: brownout at a take",
    "table: brownout of renewals",
    "table: burst of throttling",
    "table: cut off",
    "table: denied",
    "table: error of the service",
    "table: gone",
    "table: in the making",
    "table: pages from two moments",
    "table: request lost",
    "table: slow answer",
    "table: stale scan",
    "table: throttled",
    "table: write arrives late",
];
/// What must happen over the SDK, whose clients answer it in their own way.
const FAULTS_OVER_SDK: [&str; 19] = [
    "reshard: merge",
    "reshard: split",
    "sdk: answer cut off",
    "sdk: beyond the limits of a shard",
    "sdk: iterator expired",
    "stream: cut off",
    "stream: no answer",
    "stream: subscription cut",
    "stream: subscription ends early",
    "stream: subscription silent",
    "stream: subscription taken over",
    "stream: throttled",
    "table: answer lost",
    "table: cut off",
    "table: error of the service",
    "table: request lost",
    "table: slow answer",
    "table: throttled",
    "table: write arrives late",
];
/// What is traced of one of the gate's seeds, all but reads that go well, as seen when this was
/// written.
const EVENTS_A_RUN: u64 = 68_400;
/// What a worker asks of the services and of its processors in one of them, reads included.
const CALLS_A_RUN: u64 = 77_500;
/// Allocations in one of them, the simulated world's and the referee's included.
const ALLOCATIONS_A_RUN: u64 = 8_540_000;
/// What goes by the names of faults and is none: it happens all the time.
const NO_FAULTS: [&str; 4] = [
    "node: clock runs fast or slow",
    "table: in the making",
    "table: pages from two moments",
    "table: stale scan",
];
/// What the gate's seeds must meet: what it is, by the beginnings of its names, and how much of it.
const MIXTURE: [(&str, &[&str], u64); 4] = [
    ("requests that go wrong", &["table: ", "stream: ", "service: "], 1_000),
    ("faults of workers", &["node: "], 15),
    ("reshards", &["reshard: "], 6),
    ("records", &["records"], 50_000),
];
/// How many points of a sweep must have been died at: some hits never come in three minutes.
const POINTS_MIN: u64 = 210;

/// Tells everything about one run.
pub(crate) fn tell_one(outcome: &Outcome) {
    println!("{:#?}", outcome.plan);
    for line in &outcome.lines {
        println!("{line}");
    }
    println!("{}", outcome.report());
    tell_counts(&outcome.tally);
    println!("trace {:016x}", outcome.trace_hash);
}

fn tell_counts(tally: &Tally) {
    for (what, how_many) in tally.beginning("") {
        println!("{what:<44}{how_many:>10}");
    }
}

/// What groups of runs came to, told as they end.
pub(crate) struct Verdicts {
    threads: usize,
    passed: usize,
    failed: usize,
    runs: usize,
    simulated: Duration,
    tally: Tally,
}

impl Verdicts {
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            threads,
            passed: 0,
            failed: 0,
            runs: 0,
            simulated: Duration::ZERO,
            tally: Tally::default(),
        }
    }

    /// Runs a group of plans; returns what happened in them.
    pub(crate) fn add(&mut self, name: &str, plans: &[Plan]) -> Tally {
        let start = Instant::now();
        let summary = batch::all(plans, self.threads, &mut |plan, is_clean| {
            if !is_clean {
                println!("FAILED: {}", name_of(plan));
            }
        });
        self.tell(name, &summary, start.elapsed());
        for failure in &summary.failures {
            explain(failure);
        }
        let swept = summary.tally.of("sweep: died at the point");
        if plans.iter().any(|plan| !plan.crashes.is_empty()) {
            let points: usize = plans.iter().map(|plan| plan.crashes.len()).sum();
            println!("{swept} of {points} points were reached");
            if points == plans.len() && !summary.missed.is_empty() {
                println!("not reached: {}", summary.missed.join(", "));
            }
            let points_min = POINTS_MIN.min(plans.len() as u64);
            self.count("a sweep reaches its points", swept >= points_min);
        }
        self.passed += summary.runs - summary.failures.len();
        self.failed += summary.failures.len();
        self.runs += summary.runs;
        self.simulated += summary.simulated;
        self.tally.merge(&summary.tally);
        summary.tally
    }

    /// Tells what all groups together came to.
    pub(crate) fn tell_all(&self) {
        println!("\nall of them");
        tell_counts(&self.tally);
        let hours = self.simulated.as_secs_f64() / 3_600.0;
        println!("{} runs, {hours:.1} simulated hours; {} failed", self.runs, self.failed);
    }

    /// A run meets so much of each kind in the mean, at least (R1): each one leaves some kinds out.
    pub(crate) fn require_mixture(&mut self, seen: &Tally, runs: u64) {
        for (what, beginnings, least) in MIXTURE {
            let all = beginnings.iter().flat_map(|beginning| seen.beginning(beginning));
            let counts = all.filter(|(name, _)| !NO_FAULTS.contains(name)).map(|(_, count)| count);
            let mean = counts.sum::<u64>() / runs.max(1);
            println!("{mean} {what} a run; at least {least}");
            self.count(&format!("{least} {what} a run"), mean >= least);
        }
        let judged = seen.of(sometimes::RESTED);
        println!("the spread of leases was judged in {judged} of {runs} runs; at least in half");
        self.count("the spread of leases judged in half of the runs", judged * 2 >= runs);
    }

    /// What a run costs may not grow unseen: what happens in it is what a fleet costs in requests
    /// and calls, and allocations are most of its own work.
    pub(crate) fn require_costs(&mut self, seen: &Tally, runs: u64) {
        let costs =
            [("events", EVENTS_A_RUN), ("calls", CALLS_A_RUN), ("allocations", ALLOCATIONS_A_RUN)];
        for (what, committed) in costs {
            let seen = seen.of(what) / runs.max(1);
            println!("{seen} {what} a run; committed: {committed}");
            let is_as_before = seen * 10 <= committed * 11;
            self.count(&format!("no more {what} a run than committed, and a tenth"), is_as_before);
        }
    }

    /// Counts one more thing that must be so.
    pub(crate) fn count(&mut self, what: &str, is_so: bool) {
        if is_so {
            self.passed += 1;
        } else {
            self.failed += 1;
            println!("FAILED: {what}");
        }
    }

    /// Every kind of fault that was not left out must have happened in seeds, and every condition
    /// that only faults together bring about.
    pub(crate) fn require_every_fault(&mut self, seeds: &Tally) {
        for what in FAULTS.into_iter().chain(sometimes::ALL) {
            self.count(&format!("`{what}` never happened"), seeds.of(what) > 0);
        }
    }

    /// So must what the SDK's own clients and the connections below them bring about.
    pub(crate) fn require_every_fault_over_sdk(&mut self, over_sdk: &Tally) {
        for what in FAULTS_OVER_SDK {
            self.count(&format!("`{what}` never happened over the SDK"), over_sdk.of(what) > 0);
        }
    }

    fn tell(&self, name: &str, summary: &Summary, took: Duration) {
        println!("\n{name}");
        tell_counts(&summary.tally);
        let hours = summary.simulated.as_secs_f64() / 3_600.0;
        let core_seconds = took.as_secs_f64() * self.threads as f64;
        println!(
            "{} runs, {hours:.1} simulated hours in {:.0} s: {:.2} a core-second; {} failed",
            summary.runs,
            took.as_secs_f64(),
            hours / core_seconds,
            summary.failures.len()
        );
    }

    /// The closing line; whether all is well.
    pub(crate) fn close(self) -> bool {
        println!("\n{} passed, {} failed", self.passed, self.failed);
        self.failed == 0
    }
}

/// What a run is called.
pub(crate) fn name_of(plan: &Plan) -> String {
    match plan.points() {
        Some(points) => format!("crash at {points}"),
        None if plan.over_sdk => format!("seed {} over the SDK", plan.seed),
        None => format!("seed {}", plan.seed),
    }
}

fn explain(failure: &Failure) {
    let name = name_of(&failure.plan);
    println!("\n{name}:\n{}", failure.report);
    if let Some(points) = failure.plan.points() {
        println!("again: cargo xtask sim --sweep {points} --log");
        if let Some(point) = batch::one_point(&failure.plan) {
            println!("smallest: cargo xtask sim --sweep {point} --log");
        }
        return;
    }
    println!("again: {} --log", command_of(&failure.plan, &failure.plan.limits));
    println!("smallest: {} --log", command_of(&failure.plan, &batch::shrink(&failure.plan)));
}

/// The command line that runs a seed's plan.
fn command_of(plan: &Plan, limits: &Limits) -> String {
    let minutes = limits.chaos.map(|chaos| chaos.as_secs() / 60);
    let without: Vec<String> = limits.without.iter().map(ToString::to_string).collect();
    let options = [
        ("--minutes", minutes.map(|minutes| minutes.to_string())),
        ("--workers", limits.workers.map(|workers| workers.to_string())),
        ("--shards", limits.shards.map(|shards| shards.to_string())),
        ("--without", Some(without.join(",")).filter(|without| !without.is_empty())),
    ];
    let sdk = if plan.over_sdk { " --sdk" } else { "" };
    let given = options.into_iter().filter_map(|(name, value)| Some(format!(" {name} {}", value?)));
    let given: String = given.collect();
    format!("cargo xtask sim --seed {}{sdk}{given}", plan.seed)
}
