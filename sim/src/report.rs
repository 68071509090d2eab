//! What is told of runs.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use shardwise_sim::batch::{self, Failure, Summary};
use shardwise_sim::figures::{Figures, Repeated, needless_losses};
use shardwise_sim::plan::{Limits, Plan};
use shardwise_sim::run::{Outcome, run};
use shardwise_sim::sometimes;
use shardwise_sim::tally::Tally;

/// Faults that every gate must have met: a gate without them proves nothing about them.
const FAULTS: [&str; 85] = [
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
    "child: storm of checkpoints",
    "child: writes in pieces",
    "child: writes what is no message",
    "hand: counter raised",
    "hand: row deleted",
    "hand: row made anew",
    "hand: row with an unknown attribute",
    "hand: row without hash keys",
    "hand: rows of other kinds",
    "node: asked to stop",
    "node: clock runs fast or slow",
    "node: crash at an edge",
    "node: date jumps",
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
    "sdk: answer cut off",
    "sdk: beyond the limits of a shard",
    "sdk: iterator expired",
    "service: credentials expire",
    "service: one kind of call denied",
    "service: throttles everybody",
    "start: AT_TIMESTAMP",
    "start: LATEST",
    "stream: burst of throttling",
    "stream: cut off",
    "stream: denied",
    "stream: iterator expires",
    "stream: malformed answer",
    "stream: malformed event",
    "stream: no answer",
    "stream: not found",
    "stream: subscription cut",
    "stream: subscription ends early",
    "stream: subscription silent",
    "stream: subscription taken over",
    "stream: throttled",
    "stream: wrong list",
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
/// From when on a fleet that nothing happens to moves no lease.
const BALANCED_AFTER: Duration = Duration::from_secs(300);
/// The goals of a takeover and of a planned stop (R11, R12).
const TAKEOVER_MAX: Duration = Duration::from_secs(40);
const TAKEOVER_MEAN: Duration = Duration::from_secs(22);
const HANDOVER_MAX: Duration = Duration::from_secs(2);
/// Requests, answers and calls in one of the gate's seeds, as seen when this was written.
const EVENTS_A_RUN: u64 = 68_400;
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
    }

    /// What a run costs may not grow unseen: what happens in it is what a fleet costs in requests
    /// and calls, and allocations are most of its own work.
    pub(crate) fn require_costs(&mut self, seen: &Tally, runs: u64) {
        for (what, committed) in [("events", EVENTS_A_RUN), ("allocations", ALLOCATIONS_A_RUN)] {
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

    /// Counts whether an hour of a kind is clean.
    fn count_clean(&mut self, of: &str, outcome: &Outcome) {
        self.count(&format!("hour {} {of} is clean", outcome.plan.seed), outcome.is_clean());
        if !outcome.is_clean() {
            tell_one(outcome);
        }
    }

    /// Every kind of fault that was not left out must have happened, and every condition that only
    /// faults together bring about.
    pub(crate) fn require_every_fault(&mut self) {
        for what in FAULTS.into_iter().chain(sometimes::ALL) {
            let has_happened = self.tally.of(what) > 0;
            self.count(&format!("`{what}` never happened"), has_happened);
        }
    }

    /// Runs hours of kills and stops, and hours of lost requests, and holds what they came to
    /// against the goals R11 to R14; gives the ids of goals and invariants that were not met.
    pub(crate) fn require_figures(&mut self, seeds: u64) -> BTreeSet<&'static str> {
        let mut unmet = BTreeSet::new();
        let mut figures = Figures::default();
        for outcome in self.hours(seeds, &Plan::figures) {
            self.count_clean("of the figures", &outcome);
            unmet.extend(outcome.broken());
            figures.merge(Figures::of(&outcome.journals));
        }
        println!("\nfigures of {seeds} simulated hours");
        let takeovers = tell_times("from a kill until another hands a batch", &figures.takeovers);
        let handovers = tell_times("from a release until then", &figures.handovers);
        let killed = tell_repeated("a kill", &figures.repeated);
        let in_order = tell_repeated("a stop", &figures.repeated_in_order);
        let few_losses = [false, true].map(|in_silence| self.has_few_losses(seeds, in_silence));
        let is_prompt = takeovers.most <= TAKEOVER_MAX && takeovers.mean <= TAKEOVER_MEAN;
        let is_handed_on = handovers.most <= HANDOVER_MAX;
        let are_there = !figures.takeovers.is_empty() && !figures.handovers.is_empty();
        let only_in_hand = killed.records > 0 && killed.before_the_last_batch == 0;
        let nothing_again = in_order.records == 0;
        let goals = [
            ("R11", "takeovers within 40 s, 22 s in the mean", are_there && is_prompt),
            ("R12", "a released lease is worked on within 2 s", are_there && is_handed_on),
            ("R12", "nothing comes again after a stop in order", nothing_again),
            ("R13", "after a kill only the batch in hand comes again", only_in_hand),
            ("I15", "no lease is lost of a broken connection", few_losses[0]),
            ("I15", "in ten hours of silence one lease is lost at most", few_losses[1]),
        ];
        for (id, what, is_met) in goals {
            self.count(&format!("{what} ({id})"), is_met);
            if !is_met {
                unmet.insert(id);
            }
        }
        unmet
    }

    /// What came of an hour of each seed, in the order of the seeds.
    fn hours(&self, seeds: u64, plan: &dyn Fn(u64) -> Plan) -> Vec<Outcome> {
        let plans: Vec<Plan> = (1..=seeds).map(plan).collect();
        let mut outcomes = Vec::new();
        let work = |plan: &Plan| run(plan.clone(), false);
        batch::each(&plans, self.threads, work, &mut |_, outcome| outcomes.push(outcome));
        outcomes.sort_by_key(|outcome| outcome.plan.seed);
        outcomes
    }

    /// Runs hours in which requests to the table are lost. A broken connection may cost no lease;
    /// silence may cost one in ten hours.
    fn has_few_losses(&mut self, seeds: u64, in_silence: bool) -> bool {
        let (mut ambiguous, mut lost) = (0, 0);
        let how = if in_silence { "in silence" } else { "with a broken connection" };
        for outcome in self.hours(seeds, &|seed| Plan::lossy(seed, in_silence)) {
            self.count_clean(&format!("of requests lost {how}"), &outcome);
            ambiguous += outcome.tally.of("table: answer lost");
            ambiguous += outcome.tally.of("table: request lost");
            lost += needless_losses(&outcome.journals, BALANCED_AFTER);
        }
        println!("leases lost of {ambiguous} requests to the table lost {how}: {lost}");
        let most = if in_silence { seeds.div_ceil(10) as usize } else { 0 };
        lost <= most
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

struct Times {
    most: Duration,
    mean: Duration,
}

fn tell_times(what: &str, times: &[Duration]) -> Times {
    let most = times.iter().copied().max().unwrap_or_default();
    let mean = times.iter().sum::<Duration>() / u32::try_from(times.len().max(1)).unwrap_or(1);
    println!("{what:<44}{:>6} times, {mean:.2?} in the mean, {most:.2?} at most", times.len());
    Times { most, mean }
}

/// Tells of the records that came again, and sums them up.
fn tell_repeated(what: &str, repeated: &[Repeated]) -> Repeated {
    let mut all = Repeated::default();
    for tenure in repeated {
        all.records += tenure.records;
        all.before_the_last_batch += tenure.before_the_last_batch;
    }
    let most = repeated.iter().map(|tenure| tenure.records).max().unwrap_or_default();
    println!(
        "records again after {what}: {most} at most, {} in all of {} tenures, {} of them not in \
         the batch in hand",
        all.records,
        repeated.len(),
        all.before_the_last_batch
    );
    all
}

fn explain(failure: &Failure) {
    let name = name_of(&failure.plan);
    println!("\n{name}:\n{}", failure.report);
    if let Some(points) = failure.plan.points() {
        println!("again: cargo xtask sim --sweep {points}");
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
