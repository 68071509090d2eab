//! One run: chaos, healing, quiet, the end; then the referee's verdict.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use shardwise::InitialPosition;
use shardwise_local::stream::{self, Capacity, Settings, Streams};
use shardwise_referee::{Counts, Event, Invariant, Journals, Place, Terms, Verdict, judge};
use tokio::sync::mpsc;

use crate::memory::BEYOND;
use crate::nemesis::Nemesis;
use crate::node::Node;
use crate::panics::noting;
use crate::plan::Plan;
use crate::producer::produce;
use crate::sometimes;
use crate::tally::{Mark, Tally};
use crate::tenure::UNREPORTED;
use crate::world::{STREAM, World, micros};

/// How long before the quiet's end the last record is put.
const LAST_PUT: Duration = Duration::from_secs(120);
/// How long everybody may take to stop.
const STOPPING: Duration = Duration::from_secs(60);

/// What a run breaks that panics, beside the invariants' ids.
pub const PANIC: &str = "panic";
/// What one breaks whose journals are no evidence for some invariant.
const UNJUDGED: &str = "unjudged";

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// What was planned.
    pub plan: Plan,
    /// What panicked, though nobody planned it: the library, or the simulation itself.
    pub panics: Vec<String>,
    /// What the referee says; nothing of a run that a panic ended.
    pub verdict: Verdict,
    /// What it was told.
    pub journals: Journals,
    /// What children were told that no child may be told (I29), one line each.
    pub mistold: Vec<String>,
    /// Faults that were ordered and did not happen.
    pub orders_left: u64,
    /// What happened, in numbers.
    pub tally: Tally,
    /// When it happened, and to whom.
    pub marks: Vec<Mark>,
    /// The most bytes that a worker ever had of records that it had not processed yet: by what it
    /// was given, or as its byte budget counts them.
    pub bytes_most: usize,
    /// The hash of everything that happened, in order.
    pub trace_hash: u64,
    /// Everything that happened, if it was asked for.
    pub lines: Vec<String>,
}

impl Outcome {
    /// Whether nothing was broken.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.broken().is_empty()
    }

    /// The ids of the invariants that were broken, and first [`PANIC`] if something panicked: what
    /// journals show, and what only the world sees. Journals that show nothing of an invariant are
    /// broken themselves.
    #[must_use]
    pub fn broken(&self) -> Vec<&'static str> {
        let seen = [("I24", UNREPORTED), ("I33", BEYOND)];
        let seen = seen.into_iter().filter(|(_, what)| self.tally.of(what) > 0).map(|(id, _)| id);
        let mistold = (!self.mistold.is_empty()).then_some("I29");
        let violations = self.verdict.violations.iter().map(|broken| broken.invariant.id());
        let is_over = self.panics.is_empty();
        let unjudged = (is_over && !self.verdict.not_judged.is_empty()).then_some(UNJUDGED);
        let broken: BTreeSet<_> = seen.chain(mistold).chain(violations).chain(unjudged).collect();
        self.panics.first().map(|_| PANIC).into_iter().chain(broken).collect()
    }

    /// What was seen, in lines.
    #[must_use]
    pub fn report(&self) -> String {
        let panics = self.panics.iter().map(|panic| format!("panic: {panic}\n"));
        let mistold = self.mistold.iter().map(|line| format!("I29 {line}\n"));
        let first = |what| self.marks.iter().find(|mark| mark.what == what);
        let seen = [UNREPORTED, BEYOND].into_iter().filter_map(first);
        let seen = seen.map(|mark| format!("{} {}, first at t={}\n", mark.whom, mark.what, mark.t));
        panics.chain([self.verdict.to_string()]).chain(mistold).chain(seen).collect()
    }
}

/// Runs a plan from its beginning to its end, or until something panics.
///
/// # Panics
///
/// When the runtime cannot be made, or the plan is over the SDK and this build has none.
#[must_use]
pub fn run(plan: Plan, keeps_lines: bool) -> Outcome {
    assert!(cfg!(feature = "sdk") || !plan.over_sdk, "this build is without the SDK");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing that could be missing");
    let (deaths, dead) = mpsc::unbounded_channel();
    let world = runtime.block_on(async { begin(plan, keeps_lines, deaths) });
    let mut panics = Vec::new();
    let lived = noting(&mut panics, || runtime.block_on(live(Arc::clone(&world), dead)));
    // Requests that are still under way hold the world.
    drop(runtime);
    finish(world, lived.is_some(), panics)
}

fn begin(plan: Plan, keeps_lines: bool, deaths: mpsc::UnboundedSender<Arc<Node>>) -> Arc<World> {
    let settings = Settings {
        iterator_lifetime: plan.knobs.iterator_lifetime,
        subscription_lifetime: plan.knobs.subscription_lifetime,
        // Over the SDK the service's own refusals are to be met as well.
        limits: stream::Limits { reads: plan.over_sdk, ..stream::Limits::default() },
        retention: plan.knobs.retention,
        ..Settings::default()
    };
    let shards = plan.shards;
    let world = World::new(plan, Streams::new(settings), keeps_lines, deaths);
    let date = world.date();
    let made = world.state().streams.create_stream(STREAM, Capacity::Provisioned(shards), date);
    made.expect("an account without streams has room for one");
    world.state().note_shards(date);
    world
}

async fn live(world: Arc<World>, dead: mpsc::UnboundedReceiver<Arc<Node>>) {
    let (chaos, end) = (world.plan.chaos, world.plan.chaos + world.plan.quiet);
    let producer = tokio::spawn(produce(Arc::clone(&world), end.saturating_sub(LAST_PUT)));
    let mut nemesis = Nemesis::new(Arc::clone(&world), dead);
    nemesis.rule(chaos, true).await;
    nemesis.heal();
    nemesis.rule(end, false).await;
    nemesis.stop_all(end + STOPPING).await;
    producer.abort();
    world.look_back();
}

fn finish(world: Arc<World>, is_over: bool, mut panics: Vec<String>) -> Outcome {
    let plan = world.plan.clone();
    let mut state = world.into_state().expect("nothing of a run outlives its runtime");
    state.tally.add("records", state.journal.puts() as u64);
    state.tally.add("events", state.trace.events());
    let orders_left = state.orders.left();
    let shards: Vec<_> = state.shards.into_values().collect();
    let journals = state.journal.close(&shards, &plan, terms(&plan));
    let lost = journals.trimmed.len() as u64;
    state.tally.add("retention: records lost unread", lost);
    let begun = match plan.knobs.start {
        InitialPosition::TrimHorizon => "start: TRIM_HORIZON",
        InitialPosition::Latest => "start: LATEST",
        InitialPosition::AtTimestamp(_) => "start: AT_TIMESTAMP",
    };
    state.tally.count(begun);
    state.tally.add("processor: starts inside an aggregate", starts_inside(&journals));
    let judged = is_over.then(|| noting(&mut panics, || judge(&journals))).flatten();
    let verdict = judged.unwrap_or_else(nothing_judged);
    sometimes::count(&journals, &verdict.counts, &mut state.tally);
    let trace_hash = state.trace.hash();
    let lines = state.trace.into_lines();
    let (tally, marks, bytes_most) = (state.tally, state.marks, state.memory.most);
    Outcome {
        plan,
        panics,
        verdict,
        journals,
        mistold: state.mistold,
        orders_left,
        tally,
        marks,
        bytes_most,
        trace_hash,
        lines,
    }
}

fn nothing_judged() -> Verdict {
    let counts = Counts::default();
    Verdict { counts, violations: Vec::new(), not_judged: Invariant::ALL.to_vec() }
}

/// How many processors began behind a user record of an aggregate that has more of them.
fn starts_inside(journals: &Journals) -> u64 {
    let places: HashSet<&Place> = journals.puts.iter().map(|put| &put.place).collect();
    let is_inside = |event: &&Event| match event {
        Event::Start { place: Place::At(number, sub_sequence), .. } => {
            places.contains(&Place::At(*number, sub_sequence + 1))
        }
        Event::Start { .. }
        | Event::Hand { .. }
        | Event::Ask { .. }
        | Event::Answer { .. }
        | Event::Prepare { .. }
        | Event::Prepared { .. }
        | Event::End { .. }
        | Event::Done { .. } => false,
    };
    journals.hand_overs.iter().flatten().filter(is_inside).count() as u64
}

fn terms(plan: &Plan) -> Terms {
    let knobs = &plan.knobs;
    let take_interval = 2 * (knobs.failover + Duration::from_millis(25));
    Terms {
        failover: micros(knobs.failover),
        take_interval: micros(take_interval),
        light_interval_max: micros(take_interval.min(Duration::from_secs(20))),
        poll_interval: micros(knobs.poll_interval()),
        audit_interval: micros(knobs.audit),
        call_max: micros(plan.longest_call()),
        clock_drift: micros(knobs.failover) / 1_000 + 2_000,
        quiet_from: micros(plan.chaos + knobs.last_answer()),
        quiet_until: micros(plan.chaos + plan.quiet),
        retries: true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Fault;
    use crate::plan::{self, Family, Happening};
    use crate::point::Call;

    /// Two minutes in which nothing goes wrong but this.
    fn run_with(happening: Happening) -> Outcome {
        let limits = plan::Limits {
            without: Family::ALL.into_iter().collect(),
            chaos: Some(Duration::from_secs(120)),
            workers: Some(1),
            shards: Some(1),
        };
        let mut plan = Plan::new(1, &limits);
        plan.happenings = vec![(Duration::from_secs(60), happening)];
        run(plan, true)
    }

    #[test]
    fn a_panic_of_the_simulation_ends_the_run_and_leaves_its_log() {
        let down = Duration::from_secs(1);
        let outcome = run_with(Happening::Kill { worker: 9, down });
        assert!(!outcome.is_clean() && outcome.verdict.is_clean());
        assert!(outcome.panics[0].contains("out of bounds"), "{:?}", outcome.panics);
        let last = outcome.lines.last().unwrap();
        assert!(last.contains("Kill { worker: 9"), "{last}");
    }

    #[test]
    fn a_panic_that_the_library_goes_on_from_is_a_failure_too() {
        // It panics inside the processor, which is replaced.
        let (call, fault, times) = (Call::Process, Fault::Throttled, Some(1));
        let outcome = run_with(Happening::Fault { worker: 0, call, fault, times });
        assert!(!outcome.is_clean() && outcome.verdict.is_clean());
        assert_eq!(outcome.panics.len(), 1, "{:?}", outcome.panics);
    }

    #[test]
    fn a_run_in_which_a_worker_had_more_than_it_may_is_not_clean() {
        let mut outcome = run_with(Happening::ForeignRows);
        assert!(outcome.is_clean(), "{}", outcome.report());
        outcome.tally.count(BEYOND);
        assert_eq!(outcome.broken(), ["I33"]);
    }
}
