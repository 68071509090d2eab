//! Many runs: ranges of seeds, sweeps over crash points, and the search for the smallest plan that
//! still fails.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::dice::Dice;
use crate::plan::{Limits, Plan};
use crate::point::{Call, CrashAt};
use crate::run::{Outcome, PANIC, run};
use crate::tally::Tally;
use crate::world::SWEPT;

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
    /// Crash points at which nobody died, or not at all of several: they were not reached.
    pub missed: Vec<String>,
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
            let (broken, report) = (outcome.broken(), outcome.report());
            Err(Box::new(Failure { plan: plan.clone(), broken, report }))
        }
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            let text = text.unwrap_or_else(|| "of an unknown kind".to_owned());
            let report = format!("panic: {text}\n");
            Err(Box::new(Failure { plan: plan.clone(), broken: vec![PANIC], report }))
        }
    }
}

/// Runs all plans on so many threads, and tells of each as it ends.
pub fn all(plans: &[Plan], threads: usize, tell: &mut dyn FnMut(&Plan, bool)) -> Summary {
    let mut summary = Summary::default();
    each(plans, threads, attempt, &mut |plan, result| {
        tell(plan, result.is_ok());
        summary.runs += 1;
        summary.simulated += plan.chaos + plan.quiet;
        match result {
            Ok(outcome) => {
                summary.tally.merge(&outcome.tally);
                let has_missed = outcome.tally.of(SWEPT) < plan.crashes.len() as u64;
                summary.missed.extend(plan.points().filter(|_| has_missed));
            }
            Err(failure) => summary.failures.push(*failure),
        }
    });
    summary.failures.sort_by_key(|failure| failure.plan.seed);
    summary
}

/// Does something with each plan on so many threads; takes what comes of it as it comes.
pub fn each<T: Send>(
    plans: &[Plan],
    threads: usize,
    work: impl Fn(&Plan) -> T + Sync,
    take: &mut dyn FnMut(&Plan, T),
) {
    let (next, work) = (AtomicUsize::new(0), &work);
    std::thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..threads.max(1) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if sender.send((plan, work(plan))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (plan, result) in results {
            take(plan, result);
        }
    });
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

/// Fewer families, workers and shards, less time: what of a failing seed's plan is not needed.
///
/// Whatever still fails counts, not only what failed first: the smallest is the most telling.
#[must_use]
pub fn shrink(failed: &Plan) -> Limits {
    shrink_while(failed, |plan| attempt(plan).is_err())
}

/// The first of a failing run's several crash points that fails alone.
#[must_use]
pub fn one_point(failed: &Plan) -> Option<CrashAt> {
    let alone = |point: &CrashAt| attempt(&Plan::sweep(vec![*point])).is_err();
    let points = failed.crashes.iter().copied();
    points.filter(|_| failed.crashes.len() > 1).find(alone)
}

fn shrink_while(failed: &Plan, fails: impl Fn(&Plan) -> bool) -> Limits {
    let plan = |limits: &Limits| match failed.over_sdk {
        true => Plan::over_sdk(failed.seed, limits),
        false => Plan::new(failed.seed, limits),
    };
    let mut smallest = failed.limits.clone();
    let fails = |limits: &Limits| fails(&plan(limits));
    for family in &failed.families {
        let mut without = smallest.clone();
        without.without.insert(*family);
        if fails(&without) {
            smallest = without;
        }
    }
    let first = plan(&smallest);
    let fewer = (1..first.workers).map(|n| Limits { workers: Some(n), ..smallest.clone() });
    smallest = fewer.into_iter().find(fails).unwrap_or(smallest);
    let fewer = (1..first.shards).map(|n| Limits { shards: Some(n), ..smallest.clone() });
    smallest = fewer.into_iter().find(fails).unwrap_or(smallest);
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::plan::{Family, Happening};

    #[test]
    fn of_a_failing_plan_all_is_left_out_that_the_failure_does_not_need() {
        let limits = Limits {
            workers: Some(5),
            shards: Some(8),
            without: BTreeSet::from([Family::Pauses]),
            ..Limits::default()
        };
        let failed = Plan::new(1, &limits);
        let needed = *failed.families.first().unwrap();
        let smallest = shrink_while(&failed, |plan| {
            plan.has(needed) && plan.workers >= 2 && plan.shards >= 3 && plan.chaos.as_secs() > 600
        });
        assert_eq!((smallest.workers, smallest.shards), (Some(2), Some(3)));
        assert_eq!(smallest.chaos, Some(Duration::from_secs(900)));
        let left = Plan::new(1, &smallest).families;
        assert_eq!(left, BTreeSet::from([needed]));
        assert!(smallest.without.contains(&Family::Pauses));
    }

    #[test]
    fn a_run_that_panics_is_a_failure_and_the_others_go_on() {
        let limits = Limits {
            without: Family::ALL.into_iter().collect(),
            chaos: Some(Duration::from_secs(60)),
            workers: Some(1),
            shards: Some(1),
        };
        let mut plans: Vec<Plan> = (1..=3).map(|seed| Plan::new(seed, &limits)).collect();
        let down = Duration::from_secs(1);
        plans[1].happenings = vec![(down, Happening::Kill { worker: 9, down })];
        let summary = all(&plans, 1, &mut |_, _| {});
        assert_eq!(summary.runs, 3);
        let [failure] = &summary.failures[..] else { panic!("{:?}", summary.failures) };
        assert_eq!((failure.plan.seed, &failure.broken[..]), (2, &[PANIC][..]));
        assert!(failure.report.contains("out of bounds"), "{}", failure.report);
    }
}
