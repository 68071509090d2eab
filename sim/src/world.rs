//! What all nodes of a run share: the services, the journals, chance, and what is switched on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use shardwise_local::stream::{Shard, ShardFilter, ShardId, Streams, Timestamp};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::dice::Dice;
use crate::journal::Journal;
use crate::memory::{BEYOND, Memory};
use crate::node::{FIRST_DATE_MILLIS, Node};
use crate::order::{Fault, Orders};
use crate::plan::{Family, Plan};
use crate::point::{Call, Edge};
use crate::refusals::Refusals;
use crate::rows::Rows;
use crate::tally::{Mark, Tally, Trace};

/// The name of the one stream.
pub(crate) const STREAM: &str = "orders";
/// The usual time of one way of a request.
const WAY: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(6));

/// A run's world.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) plan: Plan,
    start: Instant,
    state: Mutex<State>,
    /// What the SDK's clients reach, if workers have them.
    #[cfg(feature = "sdk")]
    pub(crate) sdk: Option<crate::sdk::Services>,
    /// Where a node's death at an edge is told, by its slot.
    deaths: mpsc::UnboundedSender<Arc<Node>>,
}

/// What changes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) rows: Rows,
    pub(crate) streams: Streams,
    pub(crate) journal: Journal,
    pub(crate) tally: Tally,
    pub(crate) marks: Vec<Mark>,
    pub(crate) trace: Trace,
    pub(crate) is_chaos: bool,
    /// From when on there is a lease table, if somebody has made one.
    pub(crate) table_made_at: Option<Duration>,
    pub(crate) dice: AllDice,
    pub(crate) orders: Orders,
    pub(crate) refusals: Refusals,
    /// How the list of shards was before the last reshard, and when that was.
    pub(crate) before_reshard: Option<(Timestamp, Vec<Shard>)>,
    /// Every shard that ever was, as it was listed last, and when it was seen to be closed.
    pub(crate) shards: BTreeMap<ShardId, (Shard, Option<Timestamp>)>,
    /// Until when there is no lease table.
    pub(crate) table_gone_until: Duration,
    /// What workers have of records that they have not processed yet.
    pub(crate) memory: Memory,
    /// What children were told that no child may be told.
    pub(crate) mistold: Vec<String>,
    /// How often the edges were reached where a sweep's workers are to die.
    hits: BTreeMap<(Call, Edge), u32>,
}

/// Dice by purpose.
#[derive(Debug)]
pub(crate) struct AllDice {
    pub(crate) way: Dice,
    pub(crate) table: Dice,
    pub(crate) stream: Dice,
    pub(crate) crash: Dice,
    pub(crate) processor: Dice,
    pub(crate) pages: Dice,
    pub(crate) ends: Dice,
    pub(crate) short_lists: Dice,
}

impl World {
    pub(crate) fn new(
        plan: Plan,
        streams: Streams,
        keeps_lines: bool,
        deaths: mpsc::UnboundedSender<Arc<Node>>,
    ) -> Arc<Self> {
        let seed = plan.seed;
        let dice = AllDice {
            way: Dice::new(seed, "way"),
            table: Dice::new(seed, "table"),
            stream: Dice::new(seed, "stream"),
            crash: Dice::new(seed, "crash"),
            processor: Dice::new(seed, "processor"),
            pages: Dice::new(seed, "pages of a scan"),
            ends: Dice::new(seed, "ends of shards"),
            short_lists: Dice::new(seed, "short lists"),
        };
        let state = State {
            rows: Rows::default(),
            streams,
            journal: Journal::default(),
            tally: Tally::default(),
            marks: Vec::new(),
            trace: Trace::new(keeps_lines),
            is_chaos: true,
            table_made_at: None,
            dice,
            orders: Orders::default(),
            refusals: Refusals::default(),
            before_reshard: None,
            shards: BTreeMap::new(),
            table_gone_until: Duration::ZERO,
            memory: Memory::default(),
            mistold: Vec::new(),
            hits: BTreeMap::new(),
        };
        Arc::new(Self {
            #[cfg(feature = "sdk")]
            sdk: plan.over_sdk.then(crate::sdk::Services::new),
            plan,
            start: Instant::now(),
            state: Mutex::new(state),
            deaths,
        })
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn into_state(self: Arc<Self>) -> Option<State> {
        let world = Arc::into_inner(self)?;
        Some(world.state.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn start(&self) -> Instant {
        self.start
    }

    /// How long the world has been.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The same in microseconds, as journals have it.
    pub(crate) fn t(&self) -> u64 {
        micros(self.now())
    }

    /// The services' date.
    pub(crate) fn date(&self) -> Timestamp {
        date_at(self.now())
    }

    pub(crate) fn trace(&self, who: &str, what: std::fmt::Arguments<'_>) {
        let now = self.now();
        self.state().trace.note(now, who, what);
    }

    /// Whether a thing that happens so often happens now; never outside the chaos.
    pub(crate) fn happens(&self, dice: fn(&mut AllDice) -> &mut Dice, per_million: u32) -> bool {
        let mut state = self.state();
        state.is_chaos && dice(&mut state.dice).happens(per_million)
    }

    /// What was ordered to go wrong with a node's call.
    pub(crate) fn ordered(&self, node: &Node, call: Call) -> Option<Fault> {
        self.state().orders.next(node.slot, call)
    }

    /// How long one way of a request takes.
    pub(crate) fn way(&self) -> Duration {
        self.state().dice.way.between(WAY.0, WAY.1)
    }

    /// Passes an edge of a call, unless the node dies there. A dead node's future never goes on.
    pub(crate) async fn passes(&self, node: &Arc<Node>, call: Call, edge: Edge) {
        node.passes().await;
        if self.dies(node, call, edge) {
            node.passes().await;
        }
    }

    /// Whether the node dies at this edge.
    pub(crate) fn dies(&self, node: &Arc<Node>, call: Call, edge: Edge) -> bool {
        if node.is_dead() {
            return false;
        }
        let dies = {
            let mut state = self.state();
            if edge == Edge::Before {
                state.tally.count("calls");
            }
            let mut crashes =
                self.plan.crashes.iter().filter(|it| (it.call, it.edge) == (call, edge));
            let is_hit = crashes.clone().next().is_some() && {
                let hits = state.hits.entry((call, edge)).or_default();
                *hits += 1;
                let hits = *hits;
                crashes.any(|crash| crash.hit == hits)
            };
            if is_hit {
                state.tally.count(SWEPT);
            }
            let by_chance = self.plan.has(Family::Crashes)
                && state.is_chaos
                && state.dice.crash.happens(self.plan.rates.crash);
            if is_hit || by_chance {
                state.mark(self.now(), &node.name, "node: crash at an edge");
            }
            is_hit || by_chance
        };
        if dies {
            self.trace(&node.name, format_args!("dies at {call:?} {edge:?}"));
            node.die();
            // Whoever restarts it has ended with the run.
            let _ = self.deaths.send(Arc::clone(node));
        }
        dies
    }

    /// Counts who had more than it may.
    pub(crate) fn look_back(&self) {
        let beyond = self.state().memory.beyond().map(str::to_owned);
        if let Some(worker) = beyond {
            self.mark(&worker, BEYOND);
        }
    }

    /// Counts what happened to somebody, and keeps when.
    pub(crate) fn mark(&self, whom: &str, what: &'static str) {
        let now = self.now();
        self.state().mark(now, whom, what);
    }
}

/// Counts that the worker of a sweep died where it was to.
pub(crate) const SWEPT: &str = "sweep: died at the point";

/// How long a list of shards may be out of date.
const OLD_LIST_MILLIS: u64 = 30_000;

impl State {
    /// Counts what happened to somebody, and keeps when.
    pub(crate) fn mark(&mut self, now: Duration, whom: &str, what: &'static str) {
        self.tally.count(what);
        self.marks.push(Mark { t: micros(now), whom: whom.to_owned(), what });
    }

    /// Whether there is what a call is to: the table's rows, unless it is in the making.
    pub(crate) fn has_table(&self, call: Call, now: Duration) -> bool {
        let is_of_itself = matches!(call, Call::TableState | Call::TableCreate);
        is_of_itself || self.table_made_at.is_none_or(|made_at| made_at <= now)
    }

    /// Notes which shards there are: the stream itself forgets them.
    pub(crate) fn note_shards(&mut self, now: Timestamp) {
        let filter = ShardFilter::FromTrimHorizon;
        let listed = self.streams.list_shards(STREAM, filter, None, usize::MAX, now);
        for shard in listed.expect("the stream is there").shards {
            let is_closed = shard.ending_sequence_number.is_some();
            let known = self.shards.entry(shard.id).or_insert((shard, None));
            if is_closed {
                known.1.get_or_insert(now);
            }
        }
    }

    /// The list as it was before the last reshard, if that was a moment ago.
    pub(crate) fn shards_of_old(&self, now: Timestamp) -> Option<&[Shard]> {
        let (at, shards) = self.before_reshard.as_ref()?;
        (now.millis_since(*at) < OLD_LIST_MILLIS).then_some(shards)
    }
}

/// The services' date at a moment of the world.
pub(crate) fn date_at(moment: Duration) -> Timestamp {
    Timestamp::from_millis(FIRST_DATE_MILLIS as u64 + moment.as_millis() as u64)
}

/// A moment of the world as journals have it.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
