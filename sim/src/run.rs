//! One run: chaos, healing, quiet, the end; then the referee's verdict.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use shardwise::InitialPosition;
use shardwise_local::stream::{Capacity, Limits, Settings, Streams};
use shardwise_referee::{Event, Journals, Place, Terms, Verdict, judge};
use tokio::sync::mpsc;

use crate::nemesis::Nemesis;
use crate::plan::Plan;
use crate::processor::UNREPORTED;
use crate::producer::produce;
use crate::tally::{Mark, Tally};
use crate::world::{STREAM, World, micros};

/// How long before the quiet's end the last record is put.
const LAST_PUT: Duration = Duration::from_secs(120);
/// How long everybody may take to stop.
const STOPPING: Duration = Duration::from_secs(60);

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// What was planned.
    pub plan: Plan,
    /// What the referee says.
    pub verdict: Verdict,
    /// What it was told.
    pub journals: Journals,
    /// Faults that were ordered and did not happen.
    pub orders_left: u64,
    /// What happened, in numbers.
    pub tally: Tally,
    /// When it happened, and to whom.
    pub marks: Vec<Mark>,
    /// The most bytes that a worker ever had of records that it had not processed yet, as its
    /// byte budget counts them.
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
        self.verdict.is_clean() && self.tally.of(UNREPORTED) == 0
    }
}

/// Runs a plan from its beginning to its end.
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
    let world = runtime.block_on(live(plan, keeps_lines));
    // Requests that are still under way hold the world.
    drop(runtime);
    finish(world)
}

async fn live(plan: Plan, keeps_lines: bool) -> Arc<World> {
    let (chaos, quiet) = (plan.chaos, plan.quiet);
    let settings = Settings {
        iterator_lifetime: plan.knobs.iterator_lifetime,
        // Over the SDK the service's own refusals are to be met as well.
        limits: Limits { reads: plan.over_sdk, ..Limits::default() },
        retention: plan.knobs.retention,
        ..Settings::default()
    };
    let (deaths, dead) = mpsc::unbounded_channel();
    let shards = plan.shards;
    let world = World::new(plan, Streams::new(settings), keeps_lines, deaths);
    let date = world.date();
    let made = world.state().streams.create_stream(STREAM, Capacity::Provisioned(shards), date);
    made.expect("an account without streams has room for one");
    world.state().note_shards(date);
    let end = chaos + quiet;
    let producer = tokio::spawn(produce(Arc::clone(&world), end.saturating_sub(LAST_PUT)));
    let mut nemesis = Nemesis::new(Arc::clone(&world), dead);
    nemesis.rule(chaos, true).await;
    nemesis.heal();
    nemesis.rule(end, false).await;
    nemesis.stop_all(end + STOPPING).await;
    producer.abort();
    drop(nemesis);
    world
}

fn finish(world: Arc<World>) -> Outcome {
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
    let verdict = judge(&journals);
    let trace_hash = state.trace.hash();
    let lines = state.trace.into_lines();
    let (tally, marks, bytes_most) = (state.tally, state.marks, state.bytes_most);
    Outcome { plan, verdict, journals, orders_left, tally, marks, bytes_most, trace_hash, lines }
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
        // A checkpoint waits until its lease has expired, and for one last answer.
        call_max: micros(plan.habits.longest.max(plan.habits.usual) + 2 * knobs.failover),
        clock_drift: micros(knobs.failover) / 1_000 + 2_000,
        quiet_from: micros(plan.chaos + knobs.last_answer()),
        quiet_until: micros(plan.chaos + plan.quiet),
        retries: true,
    }
}
