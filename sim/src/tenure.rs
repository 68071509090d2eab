//! One tenure of a shard, as whoever processes it spends it: what it is told is written down, and
//! its habits decide how its calls end.

use std::sync::Arc;
use std::time::Duration;

use shardwise::ShardId;
use shardwise_referee::{Event, Handed, Place, Why};

use crate::node::Node;
use crate::order::Fault;
use crate::plan::Habits;
use crate::point::{Call, Edge};
use crate::world::World;

/// From when on a call that has not returned is to be reported.
const BUSY_AFTER: Duration = Duration::from_secs(60);
/// Counts that one was not.
pub(crate) const UNREPORTED: &str = "processor: hangs, and is not reported";

/// One tenure.
#[derive(Clone)]
pub(crate) struct Tenure {
    pub(crate) world: Arc<World>,
    pub(crate) node: Arc<Node>,
    pub(crate) shard: ShardId,
    name: String,
}

/// How a call is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Well,
    Retry,
    Restart,
    Panic,
}

/// Where a checkpoint behind a batch is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// There is none.
    Nothing,
    /// At one record of the batch.
    Inside(usize),
    /// At everything that was handed.
    All,
}

impl End {
    /// What a scenario asks for.
    fn ordered(fault: Fault) -> Self {
        match fault {
            Fault::Slow(_) => Self::Well,
            Fault::Retry => Self::Retry,
            Fault::Restart => Self::Restart,
            Fault::Panic => Self::Panic,
            Fault::Lost
            | Fault::AnswerLost
            | Fault::Late(_)
            | Fault::Throttled
            | Fault::Expired
            | Fault::NotFound
            | Fault::NoEnd
            | Fault::Empty(_)
            | Fault::Doubled
            | Fault::Backwards
            | Fault::Ends
            | Fault::Silent
            | Fault::InUse
            | Fault::Old
            | Fault::Short => panic!("{fault:?} is no fault of a processor"),
        }
    }
}

impl Tenure {
    pub(crate) fn new(world: &Arc<World>, node: &Arc<Node>, shard: &ShardId) -> Self {
        let name = world.state().journal.new_tenure(&node.name);
        Self { world: Arc::clone(world), node: Arc::clone(node), shard: shard.clone(), name }
    }

    pub(crate) fn habits(&self) -> &Habits {
        &self.world.plan.habits
    }

    pub(crate) fn happens(&self, per_million: u32) -> bool {
        self.world.happens(|dice| &mut dice.processor, per_million)
    }

    /// As [`happens`](Self::happens), in quiet times too: a way of working, no fault.
    pub(crate) fn chooses(&self, per_million: u32) -> bool {
        self.world.state().dice.processor.happens(per_million)
    }

    pub(crate) fn below(&self, n: usize) -> usize {
        self.world.state().dice.processor.below(n)
    }

    pub(crate) fn between(&self, low: Duration, high: Duration) -> Duration {
        self.world.state().dice.processor.between(low, high)
    }

    pub(crate) fn mark(&self, what: &'static str) {
        self.world.mark(&self.node.name, what);
    }

    pub(crate) async fn passes(&self, call: Call, edge: Edge) {
        self.world.passes(&self.node, call, edge).await;
    }

    /// Spends the time of a call; says how it is to end.
    pub(crate) async fn work(&self, call: Call) -> End {
        let habits = self.habits();
        let ordered = self.world.ordered(&self.node, call);
        let is_slow = self.happens(habits.slow);
        if is_slow {
            self.mark("processor: slow call");
        }
        let most = if is_slow { habits.longest } else { habits.usual };
        let time = match ordered {
            Some(Fault::Slow(time)) => time,
            Some(_) | None => self.between(Duration::ZERO, most),
        };
        self.hang(time).await;
        self.node.passes().await;
        if let Some(fault) = ordered {
            End::ordered(fault)
        } else if self.happens(habits.retry) {
            End::Retry
        } else if self.happens(habits.restart) {
            End::Restart
        } else if self.happens(habits.panic) {
            End::Panic
        } else {
            End::Well
        }
    }

    /// Does not return for so long; from a minute on the worker must say so.
    async fn hang(&self, time: Duration) {
        let before = time.min(BUSY_AFTER);
        tokio::time::sleep(before).await;
        if time > BUSY_AFTER && !self.node.is_dead() {
            self.mark(match self.node.says_busy(&self.shard) {
                true => "processor: hangs, and is reported",
                false => UNREPORTED,
            });
        }
        tokio::time::sleep(time - before).await;
    }

    /// Where the checkpoint behind a batch of so many records is to be.
    pub(crate) fn wish(&self, records: usize) -> Wish {
        if self.chooses(self.habits().lazy) {
            Wish::Nothing
        } else if records > 1 && self.chooses(self.habits().inside) {
            Wish::Inside(self.below(records))
        } else {
            Wish::All
        }
    }

    /// Whether the shard's end is to go without its checkpoint.
    pub(crate) fn forgets(&self) -> bool {
        let forgets = self.happens(self.habits().forget);
        if forgets {
            self.mark("processor: forgets the shard's end");
        }
        forgets
    }

    pub(crate) fn start(&self, place: Place, pending: Option<Place>) {
        self.note(Event::Start {
            t: self.world.t(),
            tenure: self.name.clone(),
            worker: Some(self.node.name.clone()),
            shard: self.shard.to_string(),
            place,
            pending,
        });
    }

    pub(crate) fn hand(&self, records: Vec<Handed>) {
        let budget = self.world.plan.knobs.byte_budget;
        self.world.state().memory.hand(&self.node, budget, records.len());
        self.note(Event::Hand { t: self.world.t(), tenure: self.name.clone(), records });
    }

    pub(crate) fn ask(&self, place: Option<Place>) {
        self.note(Event::Ask { t: self.world.t(), tenure: self.name.clone(), place });
    }

    pub(crate) fn answer(&self, place: Option<Place>, error: Option<String>) {
        self.note(Event::Answer { t: self.world.t(), tenure: self.name.clone(), place, error });
    }

    pub(crate) fn prepare(&self, place: Option<Place>) {
        self.note(Event::Prepare { t: self.world.t(), tenure: self.name.clone(), place });
    }

    pub(crate) fn prepared(&self, place: Option<Place>, error: Option<String>) {
        self.note(Event::Prepared { t: self.world.t(), tenure: self.name.clone(), place, error });
    }

    pub(crate) fn end(&self, why: Why) {
        self.note(Event::End { t: self.world.t(), tenure: self.name.clone(), why });
    }

    pub(crate) fn done(&self, error: Option<String>) {
        self.note(Event::Done { t: self.world.t(), tenure: self.name.clone(), error });
    }

    /// Writes down that the daemon said what it must not say.
    pub(crate) fn mistold(&self, what: &str) {
        self.world.trace(&self.node.name, format_args!("{} mistold: {what}", self.name));
        self.world.state().mistold.push(format!("{}: {what}", self.name));
    }

    fn note(&self, event: Event) {
        let now = self.world.now();
        let mut state = self.world.state();
        match &event {
            Event::Hand { records, .. } => {
                let (first, last) = (records.first(), records.last());
                let place = |handed: Option<&Handed>| handed.map(|h| h.place.to_string());
                state.trace.note(
                    now,
                    &self.node.name,
                    format_args!(
                        "{} hand {} {:?}..{:?}",
                        self.name,
                        records.len(),
                        place(first),
                        place(last)
                    ),
                );
            }
            Event::Start { .. }
            | Event::Ask { .. }
            | Event::Answer { .. }
            | Event::Prepare { .. }
            | Event::Prepared { .. }
            | Event::End { .. }
            | Event::Done { .. } => {
                state.trace.note(now, &self.node.name, format_args!("{event:?}"));
            }
        }
        state.journal.event(event);
    }
}
