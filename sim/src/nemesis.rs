//! Carries a plan out: starts, stops, kills and pauses workers, reshards, and lays hands on rows.

mod hands;
mod reasons;

use std::sync::Arc;
use std::time::Duration;

use shardwise::config::{Retrieval, StreamConsumer};
use shardwise::{Budget, Config, Stopped, Stopper, StreamName, Worker, WorkerError, WorkerId};
use shardwise_local::stream::{Shard, ShardFilter};
use shardwise_multilang::ChildProcessor;
use shardwise_referee::WorkerEvent;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinError, JoinSet};

use crate::child;
use crate::dice::Dice;
use crate::listener::Listener;
use crate::node::{Brownout, Node};
use crate::plan::{Family, FanOut, Happening, hour_off};
use crate::ports;
use crate::processor::Processor;
use crate::producer::{put_load, put_to_shard};
use crate::refusals::{Calls, Refused};
use crate::world::{STREAM, World};

/// How long a worker that could not start waits before it is started again.
const START_AGAIN: Duration = Duration::from_secs(1);
/// How far a clock may be off, in millionths; quartz is better.
const PPM_MAX: usize = 200;

/// One worker of the plan, through all its lives.
struct Slot {
    node: Arc<Node>,
    stopper: Stopper,
    run: AbortHandle,
    lives: u32,
    is_up: bool,
    /// How long it stays down after it ends.
    down: Duration,
    /// When it is to start again.
    starts_at: Option<Duration>,
    /// Dies once more, so long after its next start.
    dies_again_after: Option<Duration>,
    dies_at: Option<Duration>,
    resumes_at: Option<Duration>,
}

/// Which slot's worker ended, in which of its lives, and how.
type Run = (usize, u32, Result<Stopped, WorkerError>);

/// What runs a plan.
pub(crate) struct Nemesis {
    world: Arc<World>,
    slots: Vec<Slot>,
    runs: JoinSet<Run>,
    deaths: mpsc::UnboundedReceiver<Arc<Node>>,
    dice: Dice,
    births: Dice,
    /// The next of the plan's happenings.
    next: usize,
    /// When the workers' boards are looked at next.
    looks_at: Duration,
}

impl Nemesis {
    pub(crate) fn new(world: Arc<World>, deaths: mpsc::UnboundedReceiver<Arc<Node>>) -> Self {
        let mut nemesis = Self {
            dice: Dice::new(world.plan.seed, "nemesis"),
            births: Dice::new(world.plan.seed, "births"),
            world,
            slots: Vec::new(),
            runs: JoinSet::new(),
            deaths,
            next: 0,
            looks_at: Duration::ZERO,
        };
        for slot in 0..nemesis.world.plan.workers {
            let first = nemesis.start_life(slot, 1);
            nemesis.slots.push(first);
        }
        nemesis
    }

    fn start_life(&mut self, slot: usize, life: u32) -> Slot {
        let plan = &self.world.plan;
        let name = if plan.knobs.keeps_name || life == 1 {
            format!("w{slot}")
        } else {
            format!("w{slot}.{life}")
        };
        let fast_ppm = if plan.has(Family::Clocks) {
            self.dice.below(2 * PPM_MAX + 1) as i32 - PPM_MAX as i32
        } else {
            0
        };
        let node = Node::new(slot, name, self.world.start(), fast_ppm);
        if fast_ppm != 0 {
            self.world.mark(&node.name, "node: clock runs fast or slow");
        }
        self.draw_date(&node);
        let config = self.config(slot, &node.name);
        let ports = ports::of(&self.world, &node, &config);
        let seed = self.dice.below(usize::MAX) as u64;
        let worker = Worker::new(config, ports, seed);
        let budget = Budget::new(self.world.plan.knobs.byte_budget);
        let worker = worker.expect("a plan's settings are allowed").with_budget(budget.clone());
        let worker = worker.with_metrics(Arc::new(Listener::new(&self.world, &node)));
        let stopper = worker.stopper();
        node.show(worker.board(), budget);
        let (world, living) = (Arc::clone(&self.world), Arc::clone(&node));
        let children = self.world.plan.has(Family::Children);
        let children = children.then(|| child::shared(&world, &node, stopper.clone()));
        let run = worker.run(move |shard| match &children {
            Some(children) => Box::new(ChildProcessor::new(shard, children)),
            None => Box::new(Processor::new(&world, &living, shard)),
        });
        let run = self.runs.spawn(async move { (slot, life, run.await) });
        let (t, worker) = (self.world.t(), node.name.clone());
        self.world.trace(&node.name, format_args!("starts"));
        self.world.state().journal.worker(WorkerEvent::Started { t, worker });
        Slot {
            node,
            stopper,
            run,
            lives: life,
            is_up: true,
            down: START_AGAIN,
            starts_at: None,
            dies_again_after: None,
            dies_at: None,
            resumes_at: None,
        }
    }

    /// Every second machine that comes up while faults last has a wrong date, if some have.
    fn draw_date(&mut self, node: &Node) {
        let is_chaos = self.world.state().is_chaos;
        if is_chaos && self.world.plan.has(Family::Births) && self.births.happens(500_000) {
            node.jump(hour_off(&mut self.births));
            self.world.mark(&node.name, "node: date wrong from its birth");
        }
    }

    fn config(&self, slot: usize, name: &str) -> Config {
        let knobs = &self.world.plan.knobs;
        let fans_out = match knobs.fan_out {
            FanOut::Nobody => false,
            FanOut::Everybody => true,
            FanOut::EverySecond => slot.is_multiple_of(2),
        };
        let stream = StreamName::new(STREAM).expect("it is not empty");
        let mut config = Config::new("app", stream, WorkerId::new(name).expect("not empty"));
        config.initial_position = knobs.start;
        config.lease.failover_time = knobs.failover;
        config.lease.cleanup_interval = knobs.cleanup;
        config.sync.audit_interval = knobs.audit;
        if fans_out {
            config.retrieval = Retrieval::FanOut(StreamConsumer::Named("app".to_owned()));
        }
        config.polling.pace = knobs.pace();
        config.byte_budget = knobs.byte_budget;
        config.polling.max_records = knobs.records_max;
        config.polling.max_pending_batches = knobs.batches_max;
        config.processor.parent_poll_interval = knobs.parent_poll;
        config.coordinator.start_attempts = 1_000;
        config
    }

    /// Lets everything happen until `until`; with `chaos` what is planned, else only what is due
    /// of it.
    pub(crate) async fn rule(&mut self, until: Duration, chaos: bool) {
        loop {
            let now = self.world.now();
            self.do_what_is_due(now, chaos);
            if !chaos {
                self.look_at_boards(now);
            }
            if now >= until {
                return;
            }
            let due = self.next_due(chaos).unwrap_or(until).min(until);
            let wake = tokio::time::sleep_until(self.world.start() + due);
            tokio::select! {
                biased;
                Some(node) = self.deaths.recv() => self.died_at_an_edge(&node),
                Some(run) = self.runs.join_next() => self.ended(run),
                () = wake => {}
            }
        }
    }

    fn next_due(&self, chaos: bool) -> Option<Duration> {
        let happening = self.world.plan.happenings.get(self.next).filter(|_| chaos);
        let slots = self.slots.iter();
        let dues = slots.flat_map(|slot| [slot.starts_at, slot.dies_at, slot.resumes_at]);
        let look = Some(self.looks_at).filter(|_| !chaos);
        dues.flatten().chain(happening.map(|(at, _)| *at)).chain(look).min()
    }

    fn do_what_is_due(&mut self, now: Duration, chaos: bool) {
        for slot in 0..self.slots.len() {
            let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
            if is_due(self.slots[slot].resumes_at) {
                self.slots[slot].resumes_at = None;
                self.resume(slot);
            }
            if is_due(self.slots[slot].dies_at) {
                self.slots[slot].dies_at = None;
                if self.kill(slot, Duration::from_secs(1)) {
                    self.world.mark(&self.slots[slot].node.name, "node: killed twice in a row");
                }
            }
            if is_due(self.slots[slot].starts_at) {
                let (life, again) =
                    (self.slots[slot].lives + 1, self.slots[slot].dies_again_after.take());
                let mut next = self.start_life(slot, life);
                next.dies_at = again.filter(|_| chaos).map(|after| now + after);
                self.slots[slot] = next;
            }
        }
        while let Some((at, happening)) = self.world.plan.happenings.get(self.next)
            && chaos
            && *at <= now
        {
            self.next += 1;
            let happening = happening.clone();
            self.happen(&happening, now);
        }
    }

    fn happen(&mut self, happening: &Happening, now: Duration) {
        self.world.trace("plan", format_args!("{happening:?}"));
        match happening {
            Happening::Kill { worker, down } => {
                if self.kill(*worker, *down) {
                    self.world.mark(&self.slots[*worker].node.name, "node: killed");
                }
            }
            Happening::KillTwice { worker, down } => {
                if self.kill(*worker, *down) {
                    self.world.mark(&self.slots[*worker].node.name, "node: killed");
                    let soon = self.dice.between(Duration::ZERO, Duration::from_millis(300));
                    self.slots[*worker].dies_again_after = Some(soon);
                }
            }
            Happening::Pause { worker, lasts } => self.pause(*worker, now + *lasts, false),
            Happening::Suspend { worker, lasts } => self.pause(*worker, now + *lasts, true),
            Happening::Starve { worker, most, lasts } => self.starve(*worker, *most, *lasts),
            Happening::Refuse { worker, calls, refused, lasts } => {
                self.refuse(*worker, *calls, *refused, now + *lasts);
            }
            Happening::Stop { worker, down } => self.stop(*worker, *down),
            Happening::Partition { worker, table, stream, lasts } => {
                self.slots[*worker].node.cut(*table, *stream, now + *lasts);
                let what = match (table, stream) {
                    (true, true) => "node: loses table and stream",
                    (true, false) => "node: loses the table",
                    _ => "node: loses the stream",
                };
                self.mark(*worker, what);
            }
            Happening::Brownout { worker, back, left, lasts } => {
                let brownout = Brownout { back: *back, left: *left, lasts: *lasts };
                self.slots[*worker].node.dim_at_take(brownout);
            }
            Happening::Dim { worker, refuses, back } => {
                self.slots[*worker].node.dim(*refuses, *back);
            }
            Happening::Jump { worker, millis } => {
                self.slots[*worker].node.jump(*millis);
                self.mark(*worker, "node: date jumps");
            }
            Happening::TableGone { lasts } => {
                self.world.state().table_gone_until = now + *lasts;
                self.world.mark("all", "table: gone");
            }
            Happening::Split { pick } => self.split(*pick),
            Happening::Merge { pick } => self.merge(*pick),
            Happening::DeleteRow { pick } => self.delete_row(*pick),
            Happening::OldRow { pick } => self.make_row_old(*pick),
            Happening::MarkRow { pick } => self.mark_row(*pick),
            Happening::RaiseCounter { pick } => self.raise_counter(*pick),
            Happening::RemakeRow { pick } => self.remake_row(*pick),
            Happening::PeerTakes { pick } => self.take_as_java(*pick),
            Happening::PeerHandsOff { pick } => self.leave_in_hand_off(*pick),
            Happening::ForeignRows => self.add_foreign_rows(now),
            Happening::Fault { worker, call, fault, times } => {
                self.world.state().orders.add(*worker, *call, *fault, *times);
            }
            Happening::Put { pick, records } => {
                put_to_shard(&self.world, &self.open_shard(*pick), *records);
            }
            Happening::PutLoad { pick, load } => {
                put_load(&self.world, &self.open_shard(*pick), *load);
            }
        }
    }

    /// Kills a worker that is up; says whether it was.
    fn kill(&mut self, slot: usize, down: Duration) -> bool {
        if !self.slots[slot].is_up {
            return false;
        }
        let starts_at = self.world.now() + down;
        let slot = &mut self.slots[slot];
        slot.node.die();
        slot.run.abort();
        slot.is_up = false;
        slot.starts_at = Some(starts_at);
        (slot.dies_at, slot.resumes_at) = (None, None);
        let (t, worker) = (self.world.t(), slot.node.name.clone());
        self.world.trace(&slot.node.name, format_args!("killed"));
        self.world.state().journal.worker(WorkerEvent::Killed { t, worker });
        true
    }

    fn died_at_an_edge(&mut self, node: &Arc<Node>) {
        if Arc::ptr_eq(node, &self.slots[node.slot].node) {
            let down = self.dice.between(Duration::from_millis(100), Duration::from_secs(20));
            self.kill(node.slot, down);
        }
    }

    /// Has a worker stand still; if its machine sleeps, so do its timers.
    fn pause(&mut self, slot: usize, until: Duration, sleeps: bool) {
        let slot = &mut self.slots[slot];
        if !slot.is_up || slot.node.is_paused() {
            return;
        }
        if sleeps {
            slot.node.suspend()
        } else {
            slot.node.pause()
        }
        slot.resumes_at = Some(until);
        let (t, worker) = (self.world.t(), slot.node.name.clone());
        self.world.mark(&worker, if sleeps { "node: suspended" } else { "node: paused" });
        self.world.state().journal.worker(WorkerEvent::Paused { t, worker });
    }

    fn resume(&mut self, slot: usize) {
        let slot = &mut self.slots[slot];
        slot.node.resume();
        let (t, worker) = (self.world.t(), slot.node.name.clone());
        self.world.trace(&slot.node.name, format_args!("resumes"));
        self.world.state().journal.worker(WorkerEvent::Resumed { t, worker });
    }

    fn starve(&mut self, slot: usize, most: Duration, lasts: Duration) {
        let dice = Dice::new(self.dice.below(usize::MAX) as u64, "starvation");
        self.slots[slot].node.starve(most, lasts, dice);
        self.mark(slot, "node: starved");
    }

    /// Counts what was done to a worker, if that was there.
    fn mark(&self, slot: usize, what: &'static str) {
        let slot = &self.slots[slot];
        if slot.is_up {
            self.world.mark(&slot.node.name, what);
        }
    }

    fn refuse(&self, slot: Option<usize>, calls: Calls, refused: Refused, until: Duration) {
        let what = match (refused, calls) {
            (Refused::Throttled, _) => "service: throttles everybody",
            (Refused::Denied, Calls::All) => "service: credentials expire",
            (Refused::Denied, _) => "service: one kind of call denied",
        };
        let whom = slot.map_or("all", |slot| &self.slots[slot].node.name);
        self.world.mark(whom, what);
        self.world.state().refusals.add(slot, calls, refused, until);
    }

    /// Asks a worker to stop; once it has ended it stays down so long.
    fn stop(&mut self, slot: usize, down: Duration) {
        let slot = &mut self.slots[slot];
        if !slot.is_up {
            return;
        }
        slot.stopper.stop();
        slot.down = down;
        let (t, worker) = (self.world.t(), slot.node.name.clone());
        self.world.mark(&worker, "node: asked to stop");
        self.world.trace(&slot.node.name, format_args!("asked to stop"));
        self.world.state().journal.worker(WorkerEvent::StopAsked { t, worker });
    }

    fn ended(&mut self, run: Result<Run, JoinError>) {
        let (slot, life, result) = match run {
            Ok(run) => run,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // Killed: see `kill`.
            Err(_) => return,
        };
        let now = self.world.now();
        let slot = &mut self.slots[slot];
        if slot.lives != life || !slot.is_up {
            return;
        }
        slot.is_up = false;
        slot.starts_at = Some(now + slot.down);
        (slot.dies_at, slot.resumes_at) = (None, None);
        let in_order = result.as_ref().is_ok_and(|stopped| stopped.in_order);
        let (t, worker) = (self.world.t(), slot.node.name.clone());
        self.world.trace(&slot.node.name, format_args!("ended: {result:?}"));
        self.world.state().journal.worker(WorkerEvent::Ended { t, worker, in_order });
    }

    /// Ends all that goes wrong: clocks are right, nobody is cut off, everybody is up.
    pub(crate) fn heal(&mut self) {
        {
            let mut state = self.world.state();
            state.is_chaos = false;
            state.table_gone_until = Duration::ZERO;
            state.refusals.end();
        }
        self.world.trace("plan", format_args!("heal"));
        let now = self.world.now();
        for slot in 0..self.slots.len() {
            self.slots[slot].dies_at = None;
            self.slots[slot].dies_again_after = None;
            if self.slots[slot].resumes_at.take().is_some() {
                self.resume(slot);
            }
            self.slots[slot].node.reconnect();
            self.slots[slot].node.feed();
            self.slots[slot].node.set_date_right();
            if let Some(at) = &mut self.slots[slot].starts_at {
                *at = (*at).min(now);
            }
        }
    }

    /// Stops everybody in order, and waits for their ends until `until`.
    pub(crate) async fn stop_all(&mut self, until: Duration) {
        for slot in 0..self.slots.len() {
            self.stop(slot, START_AGAIN);
        }
        while self.slots.iter().any(|slot| slot.is_up) && self.world.now() < until {
            tokio::select! {
                biased;
                Some(node) = self.deaths.recv() => self.died_at_an_edge(&node),
                Some(run) = self.runs.join_next() => self.ended(run),
                () = tokio::time::sleep_until(self.world.start() + until) => {}
            }
        }
        self.runs.abort_all();
        while self.runs.join_next().await.is_some() {}
    }

    fn shards(&self, filter: ShardFilter) -> Vec<Shard> {
        let date = self.world.date();
        let mut state = self.world.state();
        let listed = state.streams.list_shards(STREAM, filter, None, usize::MAX, date);
        listed.map(|page| page.shards).unwrap_or_default()
    }

    fn open_shard(&self, pick: u32) -> Shard {
        let mut open = self.shards(ShardFilter::AtLatest);
        open.swap_remove(pick as usize % open.len())
    }

    fn split(&mut self, pick: u32) {
        let shard = self.open_shard(pick);
        let range = shard.hash_key_range;
        let middle = range.start + (range.end - range.start) / 2 + 1;
        let before = self.shards(ShardFilter::FromTrimHorizon);
        let date = self.world.date();
        let mut state = self.world.state();
        if state.streams.split_shard(STREAM, shard.id, middle, date).is_ok() {
            state.before_reshard = Some((date, before));
            state.mark(self.world.now(), &shard.id.to_string(), "reshard: split");
            state.note_shards(date);
        }
    }

    fn merge(&mut self, pick: u32) {
        let mut open = self.shards(ShardFilter::AtLatest);
        if open.len() < 2 {
            return;
        }
        open.sort_by_key(|shard| shard.hash_key_range.start);
        let left = pick as usize % (open.len() - 1);
        let before = self.shards(ShardFilter::FromTrimHorizon);
        let date = self.world.date();
        let mut state = self.world.state();
        let (left, right) = (open[left].id, open[left + 1].id);
        if state.streams.merge_shards(STREAM, left, right, date).is_ok() {
            state.before_reshard = Some((date, before));
            state.mark(self.world.now(), &format!("{left} {right}"), "reshard: merge");
            state.note_shards(date);
        }
    }
}
