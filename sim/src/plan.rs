//! From a seed to everything that a run does: who, how long, which settings, which faults, when.

mod draws;
mod families;
mod happenings;
mod kinds;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use shardwise::InitialPosition;
use shardwise::config::Pace;

pub use self::families::Family;
pub(crate) use self::happenings::hour_off;
use crate::child;
use crate::dice::Dice;
use crate::order::Fault;
use crate::point::{Call, CrashAt};
use crate::ports::{SILENCE, SLOWEST};
use crate::refusals::{Calls, Refused};

/// What is held fixed of a plan, whatever the seed says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Families that are left out.
    pub without: BTreeSet<Family>,
    /// How long the chaos lasts.
    pub chaos: Option<Duration>,
    /// How many workers there are.
    pub workers: Option<usize>,
    /// How many shards there are at first.
    pub shards: Option<u32>,
}

/// All of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where it comes from.
    pub seed: u64,
    /// The families that take part.
    pub families: BTreeSet<Family>,
    /// Shards at first.
    pub shards: u32,
    /// Workers.
    pub workers: usize,
    /// How long faults last.
    pub chaos: Duration,
    /// How long there is none, after.
    pub quiet: Duration,
    /// Settings of the workers and the services.
    pub knobs: Knobs,
    /// How often requests go wrong.
    pub rates: Rates,
    /// How record processors are.
    pub habits: Habits,
    /// What they do beside that, if they are children.
    pub child_habits: ChildHabits,
    /// Records a second, all shards together.
    pub records_per_second: u32,
    /// What is done to the run, in order of time.
    pub happenings: Vec<(Duration, Happening)>,
    /// The places where workers are to die, in a sweep.
    pub crashes: Vec<CrashAt>,
    /// Whether workers reach the services through the SDK's own clients.
    pub over_sdk: bool,
    /// What was held fixed of it.
    pub limits: Limits,
}

/// Settings.
#[derive(Clone, Debug)]
pub struct Knobs {
    /// How long a lease lives unrenewed.
    pub failover: Duration,
    /// Between two reads of a shard, where the pace is not adaptive.
    pub idle: Duration,
    /// Whether shards are read as often as they have records.
    pub is_adaptive: bool,
    /// Bytes of records that a worker may have.
    pub byte_budget: usize,
    /// Records a read.
    pub records_max: u32,
    /// Batches that may wait.
    pub batches_max: usize,
    /// Between two audits.
    pub audit: Duration,
    /// Between two cleanups.
    pub cleanup: Duration,
    /// Between two looks at a shard's parents.
    pub parent_poll: Duration,
    /// Shards on one page of a list.
    pub page_shards: usize,
    /// How long an iterator lives.
    pub iterator_lifetime: Duration,
    /// How long a subscription lasts.
    pub subscription_lifetime: Duration,
    /// Whether a worker that starts again keeps its name.
    pub keeps_name: bool,
    /// How long the stream keeps records.
    pub retention: Duration,
    /// Where the application begins.
    pub start: InitialPosition,
    /// Which workers subscribe to their shards.
    pub fan_out: FanOut,
    /// Rows on one page of a scan, if it has pages.
    pub page_rows: Option<usize>,
    /// How long the lease table is in the making.
    pub creation: Duration,
}

/// Which workers subscribe to their shards; the others poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FanOut {
    /// None.
    Nobody,
    /// All.
    Everybody,
    /// Every second one, from the first on.
    EverySecond,
}

/// How often requests go wrong, in a million.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// The table does not get a request.
    pub table_lost: u32,
    /// The table's answer is lost.
    pub table_answer_lost: u32,
    /// Of the requests without an answer: those whose sender hears so at once.
    pub table_reset: u32,
    /// A write arrives late.
    pub table_late: u32,
    /// The table throttles.
    pub table_throttled: u32,
    /// The table answers with an error of its own.
    pub table_broken: u32,
    /// The table's answer takes half a failover time to three.
    pub table_slow: u32,
    /// A scan shows the past.
    pub stale_scan: u32,
    /// The stream throttles.
    pub stream_throttled: u32,
    /// The stream does not answer.
    pub stream_lost: u32,
    /// An iterator expires before its time.
    pub expired: u32,
    /// A subscription ends, breaks, falls silent, or is taken over; at each event.
    pub subscription: u32,
    /// An answer to a read, or an event, is wrong.
    pub malformed: u32,
    /// A shard is said not to be there.
    pub not_found: u32,
    /// A list of shards is wrong.
    pub list: u32,
    /// A list of shards ends early.
    pub short_list: u32,
    /// A worker dies at an edge of one of its calls.
    pub crash: u32,
}

/// How record processors are: rates in a million calls.
#[derive(Clone, Debug, Default)]
pub struct Habits {
    /// The usual longest time for a batch.
    pub usual: Duration,
    /// Calls that take long, and how long at most.
    pub slow: u32,
    /// The longest call.
    pub longest: Duration,
    /// Calls that fail, and want the same again.
    pub retry: u32,
    /// Calls that fail, and want a new processor.
    pub restart: u32,
    /// Calls that panic.
    pub panic: u32,
    /// Ends of shards that are not checkpointed.
    pub forget: u32,
    /// Batches behind which there is no checkpoint.
    pub lazy: u32,
    /// Checkpoints inside a batch instead of at its end.
    pub inside: u32,
    /// Checkpoints that are prepared first.
    pub prepare: u32,
    /// Checkpoints that must be refused.
    pub wrong: u32,
}

/// How children are, beside what they share with every record processor: rates in a million
/// actions.
#[derive(Clone, Debug, Default)]
pub struct ChildHabits {
    /// How many children of a worker may work on records at the same time; none is all.
    pub at_once: Option<usize>,
    /// How many shards the daemon offers each child; none is one.
    pub per_child: Option<NonZeroUsize>,
    /// Whether children take the offer.
    pub shares: bool,
    /// Starts that fail.
    pub unstartable: u32,
    /// Children that exit before their first action.
    pub exit_early: u32,
    /// Exits soon after a status.
    pub exit_between: u32,
    /// Exits behind a status without its line end.
    pub exit_behind: u32,
    /// Lines that are no message.
    pub noise: u32,
    /// Messages that are written piece by piece.
    pub pieces: u32,
    /// Statuses that come twice.
    pub twice: u32,
    /// Many checkpoints at once, of which some must be refused.
    pub storm: u32,
    /// Checkpoints during `initialize` and `leaseLost`.
    pub out_of_turn: u32,
    /// Checkpoints in one write with a status.
    pub ask_behind: u32,
    /// Checkpoints some time after a status.
    pub ask_later: u32,
    /// Whether a checkpoint at the record behind all that it was handed comes with each status.
    /// Only in scenarios.
    pub guesses: bool,
}

/// What is done to a run. `worker` is a worker's place in the plan, `down` how long it stays away,
/// `lasts` how long the state holds, and `pick` chooses among what is there then.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of all are told above")]
pub enum Happening {
    /// A worker dies; it starts again after a while.
    Kill { worker: usize, down: Duration },
    /// A worker dies, and once more while it starts.
    KillTwice { worker: usize, down: Duration },
    /// A worker stands still.
    Pause { worker: usize, lasts: Duration },
    /// A worker's machine sleeps.
    Suspend { worker: usize, lasts: Duration },
    /// Each wake-up of a worker comes up to `most` late.
    Starve { worker: usize, most: Duration, lasts: Duration },
    /// Some calls of one worker, or of all, are refused.
    Refuse { worker: Option<usize>, calls: Calls, refused: Refused, lasts: Duration },
    /// A worker is asked to stop; it starts again after a while.
    Stop { worker: usize, down: Duration },
    /// A worker loses the table, the stream, or both.
    Partition { worker: usize, table: bool, stream: bool, lasts: Duration },
    /// The answer to a worker's next take needs `back`; `left` later it has no table.
    Brownout { worker: usize, back: Duration, left: Duration, lasts: Duration },
    /// The table refuses a worker's renewals so long; as long again, answers need `back`.
    Dim { worker: usize, refuses: Duration, back: Duration },
    /// A worker's date jumps.
    Jump { worker: usize, millis: i64 },
    /// A shard is split.
    Split { pick: u32 },
    /// The lease table is away.
    TableGone { lasts: Duration },
    /// Two adjacent shards are merged.
    Merge { pick: u32 },
    /// Somebody deletes a row.
    DeleteRow { pick: u32 },
    /// Somebody adds rows that are no leases.
    ForeignRows,
    /// A row loses its hash keys, as a very old worker writes it.
    OldRow { pick: u32 },
    /// A row gets an attribute that no KCL knows.
    MarkRow { pick: u32 },
    /// Somebody raises a row's counter.
    RaiseCounter { pick: u32 },
    /// Somebody deletes a row, and makes it anew as it was, without its owner.
    RemakeRow { pick: u32 },
    /// A Java worker takes a lease, and dies.
    PeerTakes { pick: u32 },
    /// A Java worker takes a lease, has to hand it to another one, and both die.
    PeerHandsOff { pick: u32 },
    /// So many of a worker's next calls of a kind go wrong, or all of them from now on.
    Fault { worker: usize, call: Call, fault: Fault, times: Option<u32> },
    /// Records are put to one open shard. Only in scenarios.
    Put { pick: u32, records: u32 },
    /// As much as can be is put to one open shard. Only in scenarios.
    PutLoad { pick: u32, load: Load },
}

/// The largest that a producer can put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// A record of 10 MiB.
    Largest,
    /// So many small records at one moment.
    Records(u32),
    /// One record of so many small user records.
    Aggregate(u32),
    /// One record of `count` user records without data, whose one key has `key_bytes`: more than
    /// any client should take it for.
    #[expect(missing_docs, reason = "the fields are told above")]
    Bomb { key_bytes: usize, count: u32 },
}

/// When the workers come to a stream that has records already.
const BEGIN: Duration = Duration::from_secs(60);
/// Where AT_TIMESTAMP begins, by the world's time: while nobody reads yet.
pub(crate) const START_AT: Duration = Duration::from_secs(30);

/// Which part of a failover time a wake-up may be late.
const STARVED: u32 = 8;
/// How many wake-ups a call of a processor has, with a checkpoint that is answered at last.
const WAKE_UPS: u32 = 16;

impl Knobs {
    pub(crate) fn pace(&self) -> Pace {
        match self.is_adaptive {
            true => Pace::Adaptive,
            false => Pace::Fixed { idle: self.idle, at_tip: Duration::ZERO },
        }
    }

    /// The longest time between two reads that succeed.
    pub(crate) fn poll_interval(&self) -> Duration {
        if self.is_adaptive { secs(1) } else { self.idle }
    }

    /// How long after the last fault a request of before may be without its answer.
    pub(crate) fn last_answer(&self) -> Duration {
        SILENCE.max(SLOWEST * self.failover)
    }
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn new(seed: u64, limits: &Limits) -> Self {
        let mut dice = Dice::new(seed, "plan");
        let mut rare = Dice::new(seed, "rare families");
        let mut families: BTreeSet<Family> = Family::ALL.into_iter().collect();
        families.retain(|family| {
            if family.draws_alone() {
                return Dice::new(seed, &format!("has {family}")).happens(family.alone());
            }
            let left_out = if *family == Family::Reshards { 100_000 } else { 250_000 };
            match family.rarity() {
                Some(rarity) => rare.happens(rarity),
                None => !dice.happens(left_out),
            }
        });
        families.retain(|family| !limits.without.contains(family));
        let knobs = Knobs::draw(seed, &families);
        if knobs.start == InitialPosition::Latest {
            // A row that is deleted by hand is made anew at the tip: that loss is the hand's.
            families.remove(&Family::Hands);
        }
        let chaos = limits.chaos.unwrap_or(secs(3_600));
        let workers = limits.workers.unwrap_or(*dice.pick(&[2, 2, 3, 3, 3, 4, 5]));
        let rates = Rates::draw(seed, &families);
        let habits = Habits::draw(seed, &families, knobs.failover);
        let child_habits = ChildHabits::draw(seed, &families);
        let mut plan = Self {
            seed,
            shards: limits.shards.unwrap_or(*dice.pick(&[1, 2, 4, 4, 6, 8])),
            workers,
            chaos,
            quiet: secs(600) + 8 * knobs.failover + 2 * habits.longest,
            rates,
            habits,
            child_habits,
            records_per_second: *dice.pick(&[14, 15, 16, 18, 20]),
            happenings: Vec::new(),
            crashes: Vec::new(),
            over_sdk: false,
            limits: limits.clone(),
            knobs,
            families,
        };
        plan.draw_happenings();
        plan
    }

    /// The longest that a call of a processor takes, with the checkpoint that it waits for: until
    /// its lease has expired, and for one last answer. A child that never answers is waited for
    /// until it is ended.
    pub(crate) fn longest_call(&self) -> Duration {
        let failover = self.knobs.failover;
        let starved = match self.has(Family::Starvation) {
            true => WAKE_UPS * failover / STARVED,
            false => Duration::ZERO,
        };
        let longest = match self.has(Family::Children) {
            true => child::timeout(self),
            false => self.habits.longest.max(self.habits.usual),
        };
        longest + 2 * failover + starved
    }

    /// The points at which workers die in a sweep, as `--sweep` takes them.
    #[must_use]
    pub fn points(&self) -> Option<String> {
        let points: Vec<String> = self.crashes.iter().map(ToString::to_string).collect();
        (!points.is_empty()).then(|| points.join("+"))
    }

    /// Whether a family takes part.
    #[must_use]
    pub fn has(&self, family: Family) -> bool {
        self.families.contains(&family)
    }
}
