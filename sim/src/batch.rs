//! Many runs: ranges of seeds, sweeps over crash points, and the search for the smallest plan that
//! still fails.

use std::collections::BTreeSet;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use shardwise_referee::Invariant;

use crate::dice::Dice;
use crate::plan::{Family, Limits, Plan};
use crate::point::{Call, CrashAt};
use crate::run::{Outcome, run};
use crate::tally::Tally;

/// How often each point of a sweep is died at, in runs of their own.
const HITS: u32 = 3;

/// A run that broke something, or itself.
#[derive(Debug)]
pub struct Failure {
    /// What was run.
    pub plan: Plan,
    /// The invariants that it broke, by their ids; or `panic`.
    pub broken: Vec<&'static str>,
    /// What was seen, in lines.
    pub report: String,
}

/// What many runs came to.
#[derive(Debug, Default)]
pub struct Summary {
    /// Runs that ended.
    pub runs: usize,
    /// Simulated time.
    pub simulated: Duration,
    /// What happened in all of them.
    pub tally: Tally,
    /// Those that failed, by seed.
    pub failures: Vec<Failure>,
}

/// Runs one plan; a panic is a failure as well.
///
/// # Errors
///
/// What was broken.
pub fn attempt(plan: &Plan) -> Result<Outcome, Box<Failure>> {
    let mut outcome = None;
    let allocated = allocation_counter::measure(|| {
        outcome = Some(catch_unwind(AssertUnwindSafe(|| run(plan.clone(), false))));
    });
    match outcome.expect("it was set above") {
        Ok(mut outcome) if outcome.is_clean() => {
            outcome.tally.add("allocations", allocated.count_total);
            Ok(outcome)
        }
        Ok(outcome) => {
            let violations = &outcome.verdict.violations;
            let broken: BTreeSet<_> = violations.iter().map(|broken| broken.invariant).collect();
            Err(Box::new(Failure {
                plan: plan.clone(),
                broken: broken.into_iter().map(Invariant::id).collect(),
                report: outcome.verdict.to_string(),
            }))
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let text = text.unwrap_or_else(|| "of an unknown kind".to_owned());
            let report = format!("panic: {text}\n");
            Err(Box::new(Failure { plan: plan.clone(), broken: vec!["panic"], report }))
        }
    }
}

/// Runs all plans on so many threads, and tells of each as it ends.
pub fn all(plans: &[Plan], threads: usize, tell: &mut dyn FnMut(&Plan, bool)) -> Summary {
    let next = AtomicUsize::new(0);
    let mut summary = Summary::default();
    std::thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..threads.max(1) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if sender.send((plan, attempt(plan))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (plan, result) in results {
            tell(plan, result.is_ok());
            summary.runs += 1;
            summary.simulated += plan.chaos + plan.quiet;
            match result {
                Ok(outcome) => summary.tally.merge(&outcome.tally),
                Err(failure) => summary.failures.push(*failure),
            }
        }
    });
    summary.failures.sort_by_key(|failure| failure.plan.seed);
    summary
}

/// Each point and each of its first hits: where a worker dies in one run of a sweep.
#[must_use]
pub fn sweep_points() -> Vec<CrashAt> {
    let edges = Call::ALL.into_iter().flat_map(|call| call.edges().iter().map(move |e| (call, *e)));
    edges.flat_map(|(call, edge)| (1..=HITS).map(move |hit| CrashAt { call, edge, hit })).collect()
}

/// Two points of a sweep for each seed, in one run.
#[must_use]
pub fn pairs_of_points(seeds: Range<u64>) -> Vec<Vec<CrashAt>> {
    let points = sweep_points();
    let pair = |seed| {
        let mut dice = Dice::new(seed, "points");
        vec![*dice.pick(&points), *dice.pick(&points)]
    };
    seeds.map(pair).collect()
}

/// Fewer families, fewer workers, less time: what of a failing seed's plan is not needed.
///
/// Whatever still fails counts, not only what failed first: the smallest is the most telling.
#[must_use]
pub fn shrink(failed: &Plan, limits: &Limits) -> Limits {
    let plan = |limits: &Limits| match failed.over_sdk {
        true => Plan::over_sdk(failed.seed, limits),
        false => Plan::new(failed.seed, limits),
    };
    let mut smallest = limits.clone();
    let fails = |limits: &Limits| attempt(&plan(limits)).is_err();
    let left: BTreeSet<Family> = plan(limits).families;
    for family in left {
        let mut without = smallest.clone();
        without.without.insert(family);
        if fails(&without) {
            smallest = without;
        }
    }
    let first = plan(&smallest);
    for workers in 1..first.workers {
        let fewer = Limits { workers: Some(workers), ..smallest.clone() };
        if fails(&fewer) {
            smallest = fewer;
            break;
        }
    }
    let mut minutes = first.chaos.as_secs() / 60;
    while minutes > 1 {
        minutes /= 2;
        let chaos = Some(Duration::from_secs(60 * minutes));
        let shorter = Limits { chaos, ..smallest.clone() };
        if !fails(&shorter) {
            break;
        }
        smallest = shorter;
    }
    smallest
}
