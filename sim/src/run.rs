//! One run: chaos, healing, quiet, the end; then the referee's verdict.

use std::sync::Arc;
use std::time::Duration;

use shardwise_local::stream::{Capacity, Limits, Settings, ShardFilter, Streams};
use shardwise_referee::{Journals, Terms, Verdict, judge};
use tokio::sync::mpsc;

use crate::nemesis::Nemesis;
use crate::plan::Plan;
use crate::producer::produce;
use crate::tally::{Mark, Tally};
use crate::world::{STREAM, World, date_at, micros};

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
    /// The hash of everything that happened, in order.
    pub trace_hash: u64,
    /// Everything that happened, if it was asked for.
    pub lines: Vec<String>,
}

impl Outcome {
    /// Whether nothing was broken.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.verdict.is_clean()
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
        ..Settings::default()
    };
    let (deaths, dead) = mpsc::unbounded_channel();
    let shards = plan.shards;
    let world = World::new(plan, Streams::new(settings), keeps_lines, deaths);
    let date = world.date();
    let made = world.state().streams.create_stream(STREAM, Capacity::Provisioned(shards), date);
    made.expect("an account without streams has room for one");
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
    let date = date_at(world.plan.chaos + world.plan.quiet + STOPPING);
    let plan = world.plan.clone();
    let mut state = world.into_state().expect("nothing of a run outlives its runtime");
    let listed =
        state.streams.list_shards(STREAM, ShardFilter::FromTrimHorizon, None, usize::MAX, date);
    let shards = listed.expect("the stream is there").shards;
    state.tally.add("records", state.journal.puts() as u64);
    let orders_left = state.orders.left();
    let journals = state.journal.close(&shards, terms(&plan));
    let verdict = judge(&journals);
    let trace_hash = state.trace.hash();
    let lines = state.trace.into_lines();
    let (tally, marks) = (state.tally, state.marks);
    Outcome { plan, verdict, journals, orders_left, tally, marks, trace_hash, lines }
}

fn terms(plan: &Plan) -> Terms {
    let knobs = &plan.knobs;
    let take_interval = 2 * (knobs.failover + Duration::from_millis(25));
    Terms {
        failover: micros(knobs.failover),
        take_interval: micros(take_interval),
        light_interval_max: micros(take_interval.min(Duration::from_secs(20))),
        poll_interval: micros(knobs.idle),
        audit_interval: micros(knobs.audit),
        call_max: micros(plan.habits.longest.max(plan.habits.usual)),
        clock_drift: micros(knobs.failover) / 1_000 + 2_000,
        quiet_from: micros(plan.chaos + knobs.last_answer()),
        quiet_until: micros(plan.chaos + plan.quiet),
        retries: true,
    }
}
