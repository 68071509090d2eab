//! What is done, to whom and when: decided before the run, by the seed alone.

use std::fmt;
use std::time::Duration;

use shardwise_demo::rng::Rng;

use crate::mischief::Mischief;
use crate::proxy::Cut;
use crate::stretch::{Stretch, Stretches};

/// How many of each act there are in four minutes.
const PER_FOUR_MINUTES: Amounts = Amounts {
    kills: 25,
    pauses: 10,
    stops: 10,
    mischiefs: 50,
    cuts: 6,
    one_way_cuts: 6,
    shortages: 4,
    reshards: 12,
};

/// What a child is asked for just before a kill it does within this time, as long as records flow.
const BEFORE_KILL: Duration = Duration::from_millis(1_200);

/// How many of the mischiefs there are while nothing else is done.
const ALONE: usize = 10;

/// How many records are put in a minute.
const RECORDS_PER_MINUTE: usize = 75_000;

/// How many of each act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amounts {
    /// Daemons killed with SIGKILL.
    pub kills: usize,
    /// Daemons stopped with SIGSTOP for longer than a lease lasts.
    pub pauses: usize,
    /// Daemons asked to end with SIGTERM.
    pub stops: usize,
    /// Children that do wrong, or that wrong is done to.
    pub mischiefs: usize,
    /// Daemons cut off from everything.
    pub cuts: usize,
    /// Daemons cut off from one of the services.
    pub one_way_cuts: usize,
    /// Daemons out of file descriptors.
    pub shortages: usize,
    /// Splits and merges, in turn.
    pub reshards: usize,
}

impl Amounts {
    /// Those of a run of so many minutes.
    #[must_use]
    pub fn of(minutes: u32) -> Self {
        let minutes = usize::try_from(minutes).expect("few");
        let of = |four: usize| (four * minutes).div_ceil(4);
        Self {
            kills: of(PER_FOUR_MINUTES.kills),
            pauses: of(PER_FOUR_MINUTES.pauses),
            stops: of(PER_FOUR_MINUTES.stops),
            mischiefs: of(PER_FOUR_MINUTES.mischiefs),
            cuts: of(PER_FOUR_MINUTES.cuts),
            one_way_cuts: of(PER_FOUR_MINUTES.one_way_cuts),
            shortages: of(PER_FOUR_MINUTES.shortages),
            reshards: of(PER_FOUR_MINUTES.reshards),
        }
    }
}

/// How many records are put in a run of so many minutes.
#[must_use]
pub fn records(minutes: u32) -> usize {
    RECORDS_PER_MINUTE * usize::try_from(minutes).expect("few")
}

/// Something that is done to the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Let a stretch of the run begin.
    Begin(Stretch),
    /// Split a shard.
    Split,
    /// Merge two shards.
    Merge,
    /// Kill a daemon with SIGKILL.
    Kill {
        /// Which.
        daemon: usize,
        /// What comes after it.
        after: After,
    },
    /// Stop a daemon with SIGSTOP, and let it go on.
    Pause {
        /// Which.
        daemon: usize,
        /// For how long.
        lasts: Duration,
        /// Whether its children are stopped too.
        with_children: bool,
    },
    /// Ask a daemon to end, and start another.
    Stop {
        /// Which.
        daemon: usize,
        /// What comes after it.
        after: After,
    },
    /// Something wrong with a child.
    Child {
        /// What.
        mischief: Mischief,
        /// Chooses among the children that there are.
        victim: u64,
    },
    /// Let no request of a daemon through.
    Cut {
        /// Which.
        daemon: usize,
        /// To whom.
        from: CutFrom,
        /// How.
        cut: Cut,
        /// For how long.
        lasts: Duration,
    },
    /// Leave a daemon few file descriptors beyond those that it has.
    Shortage {
        /// Which.
        daemon: usize,
        /// How many.
        spare: u64,
        /// For how long.
        lasts: Duration,
    },
}

/// From what a daemon is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutFrom {
    /// From both services.
    All,
    /// From the records alone.
    Kinesis,
    /// From the leases alone.
    DynamoDb,
}

/// What follows after a daemon's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// How long its place stays empty.
    pub down: Duration,
    /// When the next one is killed in its turn, since its start: while it starts.
    pub again: Option<Duration>,
    /// Whether the next one's log is on a full disk.
    pub is_disk_full: bool,
}

/// An act and its moment, since data flowed in every shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When.
    pub at: Duration,
    /// What.
    pub act: Act,
}

/// The acts of a run, in order.
#[must_use]
pub fn plan(seed: u64, minutes: u32, daemons: usize, failover: Duration) -> Vec<Moment> {
    let flow = Duration::from_secs(60) * minutes;
    let stretches = Stretches::of(flow);
    let amounts = Amounts::of(minutes);
    let (alone, others) = mischiefs(amounts.mischiefs);
    let mut draws = Draws { rng: Rng::new(seed), daemons, failover };
    let mut moments = draws.children_alone(&alone, &stretches);
    let mut rest = Vec::new();
    for act in draws.acts(&amounts, &others) {
        rest.push(Moment { at: draws.moment(stretches.all, flow), act });
    }
    draws.kill_after_leave_behind(&mut rest);
    moments.extend(rest);
    for (at, stretch) in [
        (Duration::ZERO, Stretch::Calm),
        (stretches.children, Stretch::Children),
        (stretches.all, Stretch::All),
    ] {
        moments.push(Moment { at, act: Act::Begin(stretch) });
    }
    // What begins comes before what is in it.
    moments.sort_by_key(|moment| (moment.at, !matches!(moment.act, Act::Begin(_))));
    moments
}

/// Mischief for when nothing else is done, and for later. All kinds in turn, so that a short run
/// has them all; those that it takes a timeout to notice are first among those that are alone.
fn mischiefs(amount: usize) -> (Vec<Mischief>, Vec<Mischief>) {
    let (mut alone, mut others) = (Vec::new(), Vec::new());
    for mischief in Mischief::ALL.into_iter().cycle().take(amount) {
        let needs_kill = mischief == Mischief::LeaveBehind;
        if needs_kill || alone.len() == ALONE { &mut others } else { &mut alone }.push(mischief);
    }
    let is_noticed_late = |it: &Mischief| matches!(it, Mischief::Hang | Mischief::Stopped);
    alone.sort_by_key(|mischief| !is_noticed_late(mischief));
    (alone, others)
}

struct Draws {
    rng: Rng,
    daemons: usize,
    failover: Duration,
}

impl Draws {
    /// Mischief at an even pace, more or less.
    fn children_alone(&mut self, mischiefs: &[Mischief], stretches: &Stretches) -> Vec<Moment> {
        let count = u32::try_from(mischiefs.len()).expect("few");
        let pace = (stretches.behind - stretches.children) / count;
        let moment = |(number, mischief): (u32, &Mischief)| {
            let thousandths = u32::try_from(self.rng.below(500)).expect("at most a thousand");
            let at = stretches.children + pace * number + pace * thousandths / 1000;
            let act = Act::Child { mischief: *mischief, victim: self.rng.next_u64() };
            Moment { at, act }
        };
        (0..).zip(mischiefs).map(moment).collect()
    }

    fn acts(&mut self, amounts: &Amounts, mischiefs: &[Mischief]) -> Vec<Act> {
        let mut acts = Vec::new();
        let mut kills = 0;
        while kills < amounts.kills {
            let is_last = kills + 1 == amounts.kills;
            let again = (self.one_in(4) && !is_last).then(|| self.millis(50, 900));
            kills += 1 + usize::from(again.is_some());
            acts.push(Act::Kill { daemon: self.daemon(), after: self.after(again) });
        }
        for _ in 0..amounts.pauses {
            let lasts = self.failovers(15, 60);
            let with_children = self.one_in(2);
            acts.push(Act::Pause { daemon: self.daemon(), lasts, with_children });
        }
        for number in 0..amounts.stops {
            // One at least, whatever is drawn.
            let is_disk_full = number == 0 || self.one_in(6);
            let after = After { is_disk_full, ..self.after(None) };
            acts.push(Act::Stop { daemon: self.daemon(), after });
        }
        for &mischief in mischiefs {
            acts.push(Act::Child { mischief, victim: self.rng.next_u64() });
        }
        for _ in 0..amounts.cuts {
            acts.push(self.cut(CutFrom::All));
        }
        for number in 0..amounts.one_way_cuts {
            acts.push(self.cut([CutFrom::DynamoDb, CutFrom::Kinesis][number % 2]));
        }
        for _ in 0..amounts.shortages {
            let (spare, lasts) = (self.rng.below(6), self.millis(3_000, 8_000));
            acts.push(Act::Shortage { daemon: self.daemon(), spare, lasts });
        }
        for number in 0..amounts.reshards {
            acts.push([Act::Split, Act::Merge][number % 2]);
        }
        acts
    }

    /// A process that was left behind shows what the guard is for only if its daemon is killed
    /// before the child ends: each is moved to just before a kill, which will look for it.
    fn kill_after_leave_behind(&mut self, moments: &mut [Moment]) {
        let is_kill = |moment: &&Moment| matches!(moment.act, Act::Kill { .. });
        let kills: Vec<Duration> = moments.iter().filter(is_kill).map(|moment| moment.at).collect();
        for moment in moments {
            if matches!(moment.act, Act::Child { mischief: Mischief::LeaveBehind, .. }) {
                moment.at = kills[self.rng.index(kills.len())].saturating_sub(BEFORE_KILL);
            }
        }
    }

    fn cut(&mut self, from: CutFrom) -> Act {
        let cut = if self.one_in(2) { Cut::Silent } else { Cut::Refused };
        Act::Cut { daemon: self.daemon(), from, cut, lasts: self.failovers(5, 50) }
    }

    fn after(&mut self, again: Option<Duration>) -> After {
        After { down: self.millis(0, 2_000), again, is_disk_full: self.one_in(6) }
    }

    /// Somewhere between two moments, but not at their very ends.
    fn moment(&mut self, from: Duration, to: Duration) -> Duration {
        let thousandths = u32::try_from(20 + self.rng.below(950)).expect("at most a thousand");
        let from = from + BEFORE_KILL;
        from + (to - from) * thousandths / 1000
    }

    fn daemon(&mut self) -> usize {
        self.rng.index(self.daemons)
    }

    fn one_in(&mut self, many: u64) -> bool {
        self.rng.below(many) == 0
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.rng.below(to - from))
    }

    /// Between so many tenths of the failover time.
    fn failovers(&mut self, from: u64, to: u64) -> Duration {
        let tenths = u32::try_from(from + self.rng.below(to - from)).expect("some tens");
        self.failover * tenths / 10
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Begin(stretch) => stretch.fmt(f),
            Self::Split => f.write_str("split"),
            Self::Merge => f.write_str("merge"),
            Self::Kill { daemon, after } => write!(f, "kill {}{after}", daemon + 1),
            Self::Pause { daemon, lasts, with_children } => {
                let children = if *with_children { " with its children" } else { "" };
                write!(f, "pause {}{children} for {} ms", daemon + 1, lasts.as_millis())
            }
            Self::Stop { daemon, after } => write!(f, "stop {}{after}", daemon + 1),
            Self::Child { mischief, .. } => write!(f, "child {}", mischief.name()),
            Self::Cut { daemon, from, cut, lasts } => {
                let (daemon, lasts) = (daemon + 1, lasts.as_millis());
                write!(f, "cut {daemon} from {from:?} ({cut:?}) for {lasts} ms")
            }
            Self::Shortage { daemon, spare, lasts } => {
                let (daemon, lasts) = (daemon + 1, lasts.as_millis());
                write!(f, "leave {daemon} {spare} descriptors for {lasts} ms")
            }
        }
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, ", down {} ms", self.down.as_millis())?;
        if let Some(again) = self.again {
            write!(f, ", again after {} ms", again.as_millis())?;
        }
        if self.is_disk_full {
            f.write_str(", then disk full")?;
        }
        Ok(())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7.1} s  {}", self.at.as_secs_f64(), self.act)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAILOVER: Duration = Duration::from_secs(2);
    const FLOW: Duration = Duration::from_secs(60);

    #[test]
    fn the_same_seed_makes_the_same_plan() {
        assert_eq!(plan(7, 4, 3, FAILOVER), plan(7, 4, 3, FAILOVER));
        assert_ne!(plan(7, 4, 3, FAILOVER), plan(8, 4, 3, FAILOVER));
    }

    #[test]
    fn four_minutes_have_what_the_goal_asks_for_whatever_the_seed() {
        for seed in 0..200 {
            let plan = plan(seed, 4, 3, FAILOVER);
            let count = |is: fn(&Act) -> bool| plan.iter().filter(|it| is(&it.act)).count();
            let again = |act: &Act| matches!(act, Act::Kill { after, .. } if after.again.is_some());
            assert_eq!(count(|act| matches!(act, Act::Kill { .. })) + count(again), 25);
            assert_eq!(count(|act| matches!(act, Act::Pause { .. })), 10);
            assert_eq!(count(|act| matches!(act, Act::Stop { .. })), 10);
            assert_eq!(count(|act| matches!(act, Act::Child { .. })), 50);
            assert_eq!(count(|act| matches!(act, Act::Split | Act::Merge)), 12);
            assert!(plan.is_sorted_by_key(|moment| moment.at));
            assert!(plan.iter().all(|moment| moment.at < Duration::from_secs(240)));
        }
        assert_eq!(records(4), 300_000);
    }

    #[test]
    fn at_first_nothing_is_done_and_then_only_children_do_wrong() {
        for (seed, minutes) in (0..50).flat_map(|seed| [(seed, 1), (seed, 2), (seed, 4)]) {
            let plan = plan(seed, minutes, 3, FAILOVER);
            let begins = |act: &Act| matches!(act, Act::Begin(_));
            let stretches: Vec<&[Moment]> = plan.split(|moment| begins(&moment.act)).collect();
            let [&[], &[], alone, all] = stretches[..] else { panic!("{stretches:?}") };
            let kind = |moment: &Moment| {
                let Act::Child { mischief, .. } = moment.act else { panic!("{moment}") };
                mischief
            };
            let kinds: Vec<Mischief> = alone.iter().map(kind).collect();
            assert_eq!(kinds.len(), ALONE);
            assert!(
                kinds[..2].contains(&Mischief::Hang) && kinds[..2].contains(&Mischief::Stopped)
            );
            for kind in Mischief::ALL {
                assert_eq!(kinds.contains(&kind), kind != Mischief::LeaveBehind, "{kind:?}");
            }
            let of_all = |moment: &Moment| moment.at == Stretches::of(FLOW * minutes).all;
            assert!(plan.iter().any(|moment| of_all(moment) && begins(&moment.act)));
            assert!(!all.iter().any(of_all));
        }
    }

    #[test]
    fn half_of_the_time_at_least_is_for_everything() {
        for minutes in [1, 2, 4, 600] {
            let stretches = Stretches::of(FLOW * minutes);
            assert!(stretches.all <= FLOW * minutes / 2, "{stretches:?}");
            assert!(stretches.children < stretches.behind && stretches.behind < stretches.all);
        }
    }

    #[test]
    fn each_process_is_left_behind_just_before_a_kill() {
        let plan = plan(5, 4, 3, FAILOVER);
        let is_left = |act: &Act| matches!(act, Act::Child { mischief: Mischief::LeaveBehind, .. });
        let left: Vec<&Moment> = plan.iter().filter(|moment| is_left(&moment.act)).collect();
        assert!(left.len() >= 5);
        for moment in left {
            let is_next = |other: &Moment| other.at == moment.at + BEFORE_KILL;
            let is_kill = |act: &Act| matches!(act, Act::Kill { .. });
            assert!(plan.iter().any(|other| is_next(other) && is_kill(&other.act)), "{moment}");
        }
    }

    #[test]
    fn a_pause_lasts_longer_than_a_lease() {
        for moment in plan(3, 40, 3, FAILOVER) {
            if let Act::Pause { lasts, .. } = moment.act {
                assert!((FAILOVER * 3 / 2..FAILOVER * 6).contains(&lasts), "{lasts:?}");
            }
        }
    }

    #[test]
    fn a_minute_has_every_kind_of_mischief() {
        let plan = plan(1, 1, 3, FAILOVER);
        for kind in Mischief::ALL {
            let is_it = |act: &Act| matches!(act, Act::Child { mischief, .. } if *mischief == kind);
            assert!(plan.iter().any(|moment| is_it(&moment.act)), "{kind:?}");
        }
    }
}
