//! One worker of the world: its clock, its gate, and whether it lives.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use shardwise::{Board, Budget, Clock, Gap, LeaseKey, ShardId, Time, Timestamp};
use shardwise_referee::{KeptBy, Reason};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::dice::Dice;
use crate::memory::Given;
use crate::sometimes::Doubts;

/// The date at which every world begins, in milliseconds since 1970.
pub(crate) const FIRST_DATE_MILLIS: i64 = 1_700_000_000_000;

/// Whether a node may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    /// It stands still, as after SIGSTOP.
    Closed,
    /// It never goes on: its tasks are dropped at their next turn.
    Dead,
}

/// One life of a worker, from its start to its death or end.
#[derive(Debug)]
pub(crate) struct Node {
    /// Which worker of the plan.
    pub(crate) slot: usize,
    /// The name under which it takes leases.
    pub(crate) name: String,
    gate: Mutex<Gate>,
    opened: Notify,
    /// When the world began.
    start: Instant,
    /// By how many millionths its clock is fast.
    fast_ppm: i32,
    /// By how much its date is off.
    date_off_millis: Mutex<i64>,
    cut: Mutex<Cut>,
    /// What its worker says of itself.
    board: OnceLock<Board>,
    /// The bytes that its worker may have.
    budget: OnceLock<Budget>,
    /// The bytes of records that its worker has.
    pub(crate) given: Given,
    doubts: Mutex<Doubts>,
    starved: Mutex<Option<Starved>>,
    sleep: Mutex<Sleep>,
}

/// Its wake-ups come late until then.
#[derive(Debug)]
struct Starved {
    most: Duration,
    until: Duration,
    dice: Dice,
}

/// How its machine has slept, by the world's time.
#[derive(Clone, Copy, Debug, Default)]
struct Sleep {
    since: Option<Duration>,
    /// In earlier sleeps.
    total: Duration,
}

/// Until when a node is cut off.
#[derive(Clone, Copy, Debug, Default)]
struct Cut {
    table: Duration,
    stream: Duration,
    /// From when on the table is.
    table_from: Duration,
    /// What begins with the next take.
    brownout: Option<Brownout>,
    dim: Option<Dim>,
}

/// The table refuses an owner's writes nearly as long as leases last, and then answers slowly.
#[derive(Clone, Copy, Debug)]
struct Dim {
    refuses_until: Duration,
    slow_until: Duration,
    back: Duration,
}

/// What becomes of an owner's write while the table is dim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dimmed {
    Refused,
    /// Its answer is so long under way.
    Slow(Duration),
}

/// The table answers a take slowly, and then nothing at all.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Brownout {
    /// How long the take's answer is under way.
    pub(crate) back: Duration,
    /// How long the table is still there, then.
    pub(crate) left: Duration,
    /// How long it is not.
    pub(crate) lasts: Duration,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Node {
    pub(crate) fn new(slot: usize, name: String, start: Instant, fast_ppm: i32) -> Arc<Self> {
        Arc::new(Self {
            slot,
            name,
            gate: Mutex::new(Gate::Open),
            opened: Notify::new(),
            start,
            fast_ppm,
            date_off_millis: Mutex::new(0),
            cut: Mutex::default(),
            board: OnceLock::new(),
            budget: OnceLock::new(),
            given: Given::default(),
            doubts: Mutex::default(),
            starved: Mutex::default(),
            sleep: Mutex::default(),
        })
    }

    /// Returns once the node may go on; never, once it is dead.
    pub(crate) async fn passes(&self) {
        if let Some(late) = self.is_late_by() {
            tokio::time::sleep(late).await;
        }
        loop {
            let opened = self.opened.notified();
            if *lock(&self.gate) == Gate::Open {
                return;
            }
            opened.await;
        }
    }

    pub(crate) fn pause(&self) {
        let mut gate = lock(&self.gate);
        if *gate == Gate::Open {
            *gate = Gate::Closed;
        }
    }

    /// As a pause, and its timers stand still as well.
    pub(crate) fn suspend(&self) {
        self.pause();
        lock(&self.sleep).since = Some(self.start.elapsed());
    }

    pub(crate) fn resume(&self) {
        {
            let mut sleep = lock(&self.sleep);
            *sleep = Sleep { since: None, total: self.slept(*sleep) };
        }
        let mut gate = lock(&self.gate);
        if *gate == Gate::Closed {
            *gate = Gate::Open;
            self.opened.notify_waiters();
        }
    }

    /// How long its machine has slept in all.
    fn slept(&self, sleep: Sleep) -> Duration {
        let now = self.start.elapsed();
        sleep.total + sleep.since.map_or(Duration::ZERO, |since| now.saturating_sub(since))
    }

    /// Has each wake-up come up to `most` late, so long.
    pub(crate) fn starve(&self, most: Duration, lasts: Duration, dice: Dice) {
        *lock(&self.starved) = Some(Starved { most, until: self.start.elapsed() + lasts, dice });
    }

    fn is_late_by(&self) -> Option<Duration> {
        let mut starved = lock(&self.starved);
        let Starved { most, until, dice } = starved.as_mut()?;
        (self.start.elapsed() < *until).then(|| dice.between(Duration::ZERO, *most))
    }

    pub(crate) fn feed(&self) {
        *lock(&self.starved) = None;
    }

    pub(crate) fn die(&self) {
        *lock(&self.gate) = Gate::Dead;
    }

    pub(crate) fn is_dead(&self) -> bool {
        *lock(&self.gate) == Gate::Dead
    }

    pub(crate) fn is_paused(&self) -> bool {
        *lock(&self.gate) == Gate::Closed
    }

    pub(crate) fn jump(&self, millis: i64) {
        *lock(&self.date_off_millis) += millis;
    }

    pub(crate) fn set_date_right(&self) {
        *lock(&self.date_off_millis) = 0;
    }

    /// Cuts it off until then, seen from the world's start.
    pub(crate) fn cut(&self, table: bool, stream: bool, until: Duration) {
        let mut cut = lock(&self.cut);
        if table {
            (cut.table_from, cut.table) = (Duration::ZERO, until);
        }
        if stream {
            cut.stream = until;
        }
    }

    /// Has the next take begin a brownout.
    pub(crate) fn dim_at_take(&self, brownout: Brownout) {
        lock(&self.cut).brownout = Some(brownout);
    }

    /// Begins the brownout that waits for a take, if one does; says how slow its answer is.
    pub(crate) fn begin_brownout(&self) -> Option<Duration> {
        let mut cut = lock(&self.cut);
        let Brownout { back, left, lasts } = cut.brownout.take()?;
        cut.table_from = self.start.elapsed() + back + left;
        cut.table = cut.table_from + lasts;
        Some(back)
    }

    /// Has the table refuse an owner's writes so long, and be slow with answers as long again.
    pub(crate) fn dim(&self, refuses: Duration, back: Duration) {
        let refuses_until = self.start.elapsed() + refuses;
        let slow_until = refuses_until + refuses;
        lock(&self.cut).dim = Some(Dim { refuses_until, slow_until, back });
    }

    pub(crate) fn dimmed(&self) -> Option<Dimmed> {
        let now = self.start.elapsed();
        let Dim { refuses_until, slow_until, back } = lock(&self.cut).dim?;
        if now < refuses_until {
            return Some(Dimmed::Refused);
        }
        (now < slow_until).then_some(Dimmed::Slow(back))
    }

    pub(crate) fn reconnect(&self) {
        *lock(&self.cut) = Cut::default();
    }

    pub(crate) fn has_table(&self) -> bool {
        let (cut, now) = (lock(&self.cut), self.start.elapsed());
        now < cut.table_from || cut.table <= now
    }

    pub(crate) fn has_stream(&self) -> bool {
        lock(&self.cut).stream <= self.start.elapsed()
    }

    pub(crate) fn show(&self, board: Board, budget: Budget) {
        self.board.get_or_init(|| board);
        self.budget.get_or_init(|| budget);
    }

    /// The checkpoints that were made and of which it was not told.
    pub(crate) fn doubts(&self) -> MutexGuard<'_, Doubts> {
        lock(&self.doubts)
    }

    /// How many shards its worker has.
    pub(crate) fn shards(&self) -> usize {
        self.board.get().map_or(0, |board| board.shards().len())
    }

    /// How much its worker has of its byte budget, as it counts itself.
    pub(crate) fn used_bytes(&self) -> usize {
        self.budget.get().map_or(0, Budget::used)
    }

    /// Where its worker says last that records of a shard may be lost to retention.
    pub(crate) fn last_gap(&self, shard: &ShardId) -> Option<Gap> {
        let status = self.board.get()?.shards().remove(&LeaseKey::of(shard))?;
        status.last_retention_gap
    }

    /// Whether its worker says that a shard's processor is busy with one call.
    pub(crate) fn says_busy(&self, shard: &ShardId) -> bool {
        let status = self.board.get().and_then(|board| board.shards().remove(&LeaseKey::of(shard)));
        status.is_some_and(|status| status.busy_since.is_some())
    }

    /// What its worker says of the shards that it may hand nothing of.
    pub(crate) fn reasons(&self, t: u64) -> Vec<Reason> {
        let shards = self.board.get().map(Board::shards).unwrap_or_default();
        let reasons = shards.into_iter().filter_map(|(key, status)| {
            let failures = status.failing.map(|failing| KeptBy::Failures(failing.times));
            let kept_by =
                status.busy_since.map(|since| KeptBy::Call(since.as_millis())).or(failures)?;
            let (worker, shard) = (self.name.clone(), key.shard().to_string());
            Some(Reason { t, worker, shard, kept_by })
        });
        reasons.collect()
    }

    /// The node's own time at a moment of the world.
    fn own(&self, world: Duration) -> Duration {
        let micros = world.as_micros() as i128;
        Duration::from_micros((micros + micros * i128::from(self.fast_ppm) / 1_000_000) as u64)
    }

    /// The world's time at a moment of the node's own.
    fn world(&self, own: Duration) -> Duration {
        let micros = own.as_micros() as i128;
        let world = micros * 1_000_000 / (1_000_000 + i128::from(self.fast_ppm));
        Duration::from_micros(u64::try_from(world).unwrap_or(u64::MAX) + 1)
    }
}

/// The clock that a node's worker has.
#[derive(Debug)]
pub(crate) struct NodeClock(pub(crate) Arc<Node>);

#[async_trait]
impl Clock for NodeClock {
    fn now(&self) -> Time {
        Time::from_start(self.0.own(self.0.start.elapsed()))
    }

    fn date(&self) -> Timestamp {
        let millis = self.0.start.elapsed().as_millis() as i64;
        Timestamp::from_millis(FIRST_DATE_MILLIS + millis + *lock(&self.0.date_off_millis))
    }

    /// As the system's clock does it: a timer runs for as long as there is to go, and stands still
    /// while the machine sleeps, though [`now`](Self::now) goes on.
    async fn sleep_until(&self, at: Time) {
        let slept = || self.0.slept(*lock(&self.0.sleep));
        let (world, before) = (self.0.world(at.since_start()), slept());
        let mut stood_still = Duration::ZERO;
        loop {
            // A deadline beyond any run is one that never comes.
            match self.0.start.checked_add(world.saturating_add(stood_still)) {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
            self.0.passes().await;
            let by_now = slept() - before;
            if by_now == stood_still {
                return;
            }
            stood_still = by_now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_sleep_ends_once_the_nodes_own_clock_is_there() {
        for fast_ppm in [-500, 0, 500] {
            let clock = NodeClock(Node::new(0, "a".to_owned(), Instant::now(), fast_ppm));
            let at = clock.now() + Duration::from_secs(3_000);
            clock.sleep_until(at).await;
            assert!(clock.now() >= at, "{fast_ppm}");
            assert!(clock.now().since(at) <= Duration::from_millis(2), "{fast_ppm}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_timer_stands_still_while_the_machine_sleeps_and_the_clock_does_not() {
        let clock = Arc::new(NodeClock(Node::new(0, "a".to_owned(), Instant::now(), 0)));
        let [to_go, before, asleep] = [10, 4, 60].map(Duration::from_secs);
        let (began, sleeper) = (clock.now(), Arc::clone(&clock));
        let sleep = tokio::spawn(async move { sleeper.sleep_until(began + to_go).await });
        tokio::time::sleep(before).await;
        clock.0.suspend();
        tokio::time::sleep(asleep).await;
        clock.0.resume();
        assert!(clock.now().since(began) >= before + asleep);
        tokio::time::sleep(to_go - before - Duration::from_millis(10)).await;
        assert!(!sleep.is_finished(), "six of its seconds were left");
        tokio::time::sleep(Duration::from_millis(20)).await;
        sleep.await.unwrap();
        clock.sleep_until(clock.now() + before).await;
        assert!(clock.now().since(began) < to_go + asleep + before + Duration::from_secs(1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_starved_nodes_wake_ups_are_late_and_a_fed_ones_are_not() {
        let clock = NodeClock(Node::new(0, "a".to_owned(), Instant::now(), 0));
        let most = Duration::from_secs(3);
        clock.0.starve(most, Duration::from_secs(60), Dice::new(1, "starvation"));
        let mut late = Vec::new();
        for _ in 0..10 {
            let at = clock.now() + Duration::from_secs(1);
            clock.sleep_until(at).await;
            late.push(clock.now().since(at));
        }
        assert!(late.iter().any(|late| *late > most / 3), "{late:?}");
        assert!(late.iter().all(|late| *late <= most + Duration::from_millis(2)), "{late:?}");
        clock.0.feed();
        let at = clock.now() + Duration::from_secs(1);
        clock.sleep_until(at).await;
        assert!(clock.now().since(at) <= Duration::from_millis(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_brownout_begins_with_a_take_and_cuts_the_table_off_behind_its_answer() {
        let node = Node::new(0, "a".to_owned(), Instant::now(), 0);
        let [back, left, lasts] = [3, 1, 10].map(Duration::from_secs);
        assert_eq!(node.begin_brownout(), None);
        node.dim_at_take(Brownout { back, left, lasts });
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(node.begin_brownout(), Some(back));
        assert_eq!(node.begin_brownout(), None, "one take has it");
        for (until_next, has_table) in [(back, true), (left, true), (lasts, false)] {
            assert_eq!(node.has_table(), has_table);
            tokio::time::sleep(until_next).await;
        }
        assert!(node.has_table());
    }

    #[tokio::test(start_paused = true)]
    async fn a_dim_table_refuses_then_is_slow_then_well_again() {
        let node = Node::new(0, "a".to_owned(), Instant::now(), 0);
        let [refuses, back] = [8, 3].map(Duration::from_secs);
        assert_eq!(node.dimmed(), None);
        node.dim(refuses, back);
        for dimmed in [Some(Dimmed::Refused), Some(Dimmed::Slow(back)), None] {
            assert_eq!(node.dimmed(), dimmed);
            tokio::time::sleep(refuses).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_node_wakes_late_and_a_dead_one_never() {
        let clock = Arc::new(NodeClock(Node::new(0, "a".to_owned(), Instant::now(), 0)));
        clock.0.pause();
        let sleeper = Arc::clone(&clock);
        let sleep = tokio::spawn(async move { sleeper.sleep_until(Time::default()).await });
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(!sleep.is_finished());
        clock.0.resume();
        sleep.await.unwrap();
        clock.0.die();
        clock.0.resume();
        let ever =
            tokio::time::timeout(Duration::from_secs(60), clock.sleep_until(Time::default()));
        assert!(ever.await.is_err());
    }
}
