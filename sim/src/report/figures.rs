//! Hours of kills and stops, and hours of lost requests, held against the goals R11 to R14.

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

use shardwise_sim::batch;
use shardwise_sim::figures::{Figures, Repeated, needless_losses};
use shardwise_sim::plan::Plan;
use shardwise_sim::run::{Outcome, run};

use super::{Verdicts, tell_one};

/// From when on a fleet that nothing happens to moves no lease.
const BALANCED_AFTER: Duration = Duration::from_secs(300);
/// So many requests to the table must be lost in each hour for their losses to say anything.
const LOST_MIN: u64 = 300;
/// The goals of a takeover and of a planned stop (R11, R12).
const TAKEOVER_MAX: Duration = Duration::from_secs(40);
const TAKEOVER_MEAN: Duration = Duration::from_secs(22);
const HANDOVER_MAX: Duration = Duration::from_secs(2);

/// Which hours.
#[derive(Debug)]
pub(crate) struct Hours {
    pub(crate) seeds: Range<u64>,
    pub(crate) threads: usize,
    /// Whether everything that happens in them is told.
    pub(crate) are_logged: bool,
}

/// A goal, and the seed of the hour that was the furthest from it.
struct Goal {
    id: &'static str,
    what: &'static str,
    is_met: bool,
    worst: Option<u64>,
}

impl Hours {
    /// What came of an hour of each seed, in the order of the seeds.
    fn run(&self, plan: &dyn Fn(u64) -> Plan) -> Vec<Outcome> {
        let plans: Vec<Plan> = self.seeds.clone().map(plan).collect();
        let mut outcomes = Vec::new();
        let work = |plan: &Plan| run(plan.clone(), self.are_logged);
        batch::each(&plans, self.threads, work, &mut |_, outcome| outcomes.push(outcome));
        outcomes.sort_by_key(|outcome| outcome.plan.seed);
        outcomes
    }

    fn count(&self) -> u64 {
        self.seeds.end - self.seeds.start
    }
}

impl Verdicts {
    /// Runs the hours, and holds what they came to against the goals; gives the ids of goals and
    /// invariants that were not met.
    pub(crate) fn require_figures(&mut self, hours: &Hours) -> BTreeSet<&'static str> {
        let mut unmet = BTreeSet::new();
        let mut figures = Vec::new();
        for outcome in hours.run(&Plan::figures) {
            self.count_clean("of the figures", &outcome, hours);
            unmet.extend(outcome.broken());
            figures.push((outcome.plan.seed, Figures::of(&outcome.journals)));
        }
        println!("\nfigures of {} simulated hours", hours.count());
        let mut goals = Vec::from(goals_of(&figures));
        let broken = "no lease is lost of a broken connection";
        goals.push(self.few_losses(hours, false, broken));
        let silent = "in ten hours of silence one lease is lost at most";
        goals.push(self.few_losses(hours, true, silent));
        for goal in goals {
            self.count(&format!("{} ({})", goal.what, goal.id), goal.is_met);
            if !goal.is_met {
                unmet.insert(goal.id);
                goal.worst.into_iter().for_each(tell_again);
            }
        }
        unmet
    }

    /// Counts whether an hour of a kind is clean.
    fn count_clean(&mut self, of: &str, outcome: &Outcome, hours: &Hours) {
        let seed = outcome.plan.seed;
        self.count(&format!("hour {seed} {of} is clean"), outcome.is_clean());
        if !outcome.is_clean() || hours.are_logged {
            println!("\nhour {seed} {of}");
            tell_one(outcome);
        }
        if !outcome.is_clean() {
            tell_again(seed);
        }
    }

    /// Runs hours in which requests to the table are lost. A broken connection may cost no lease;
    /// silence may cost one in ten hours.
    fn few_losses(&mut self, hours: &Hours, in_silence: bool, what: &'static str) -> Goal {
        let (mut ambiguous, mut losses) = (0, Vec::new());
        let how = if in_silence { "in silence" } else { "with a broken connection" };
        for outcome in hours.run(&|seed| Plan::lossy(seed, in_silence)) {
            self.count_clean(&format!("of requests lost {how}"), &outcome, hours);
            ambiguous += outcome.tally.of("table: answer lost");
            ambiguous += outcome.tally.of("table: request lost");
            let lost = needless_losses(&outcome.journals, BALANCED_AFTER);
            losses.push((outcome.plan.seed, lost));
        }
        let lost: usize = losses.iter().map(|(_, lost)| lost).sum();
        println!("leases lost of {ambiguous} requests to the table lost {how}: {lost}");
        let are_enough = ambiguous >= LOST_MIN * hours.count();
        let most = if in_silence { hours.count().div_ceil(10) as usize } else { 0 };
        let worst = worst(&losses, |lost| *lost);
        Goal { id: "I15", what, is_met: are_enough && lost <= most, worst }
    }
}

/// Tells what hours of kills and stops came to.
fn goals_of(hours: &[(u64, Figures)]) -> [Goal; 4] {
    let mut figures = Figures::default();
    hours.iter().for_each(|(_, of_an_hour)| figures.merge(of_an_hour.clone()));
    let takeovers = tell_times("from a kill until another hands a batch", &figures.takeovers);
    let handovers = tell_times("from a release until then", &figures.handovers);
    let killed = tell_repeated("a kill", &figures.repeated);
    let in_order = tell_repeated("a stop", &figures.repeated_in_order);
    let is_prompt = takeovers.most <= TAKEOVER_MAX && takeovers.mean <= TAKEOVER_MEAN;
    let are_there = !figures.takeovers.is_empty() && !figures.handovers.is_empty();
    let again = |repeated: &[Repeated]| repeated.iter().map(|it| it.records).sum::<u64>();
    let not_in_hand = |repeated: &[Repeated]| {
        repeated.iter().map(|tenure| tenure.before_the_last_batch).sum::<u64>()
    };
    [
        Goal {
            id: "R11",
            what: "takeovers within 40 s, 22 s in the mean",
            is_met: are_there && is_prompt,
            worst: worst(hours, |it| it.takeovers.iter().max().copied()),
        },
        Goal {
            id: "R12",
            what: "a released lease is worked on within 2 s",
            is_met: are_there && handovers.most <= HANDOVER_MAX,
            worst: worst(hours, |it| it.handovers.iter().max().copied()),
        },
        Goal {
            id: "R12",
            what: "nothing comes again after a stop in order",
            is_met: in_order.records == 0,
            worst: worst(hours, |it| again(&it.repeated_in_order)),
        },
        Goal {
            id: "R13",
            what: "after a kill only the batch in hand comes again",
            is_met: killed.records > 0 && killed.before_the_last_batch == 0,
            worst: worst(hours, |it| not_in_hand(&it.repeated)),
        },
    ]
}

/// The seed of the hour with the most of something.
fn worst<T, M: Ord>(hours: &[(u64, T)], measure: impl Fn(&T) -> M) -> Option<u64> {
    hours.iter().max_by_key(|(_, hour)| measure(hour)).map(|(seed, _)| *seed)
}

fn tell_again(seed: u64) {
    println!("again: cargo xtask sim --figures --seed {seed} --log");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_that_is_not_met_names_the_hour_that_was_the_furthest_from_it() {
        let taken_over_in = |seconds: &[u64]| Figures {
            takeovers: seconds.iter().map(|seconds| Duration::from_secs(*seconds)).collect(),
            handovers: vec![Duration::from_secs(1)],
            ..Figures::default()
        };
        let hours = [(4, taken_over_in(&[20, 30])), (5, taken_over_in(&[1, 41]))];
        let [takeovers, ..] = goals_of(&hours);
        assert_eq!((takeovers.id, takeovers.is_met, takeovers.worst), ("R11", false, Some(5)));
        assert!(!goals_of(&hours[..1])[0].is_met, "the mean is beyond the goal");
    }
}
