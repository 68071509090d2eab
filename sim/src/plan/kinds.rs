//! Plans of a special kind, beside those that a seed draws.

use std::time::Duration;

use super::{Family, FanOut, Habits, Happening, Knobs, Limits, Plan, millis, secs};
use crate::dice::Dice;
use crate::order::Fault;
use crate::point::{Call, CrashAt};

impl Plan {
    /// A quarter of an hour through the SDK's clients, without the faults that only a port of the
    /// simulation can bring about.
    #[must_use]
    pub fn over_sdk(seed: u64, limits: &Limits) -> Self {
        const AT_PORTS: [Family; 9] = [
            Family::Hands,
            Family::Peers,
            Family::StaleScans,
            Family::Malformed,
            Family::Lists,
            Family::Edits,
            Family::Pages,
            Family::Creation,
            Family::ShortLists,
        ];
        let mut limits = limits.clone();
        limits.without.extend(AT_PORTS);
        // What talks with them does not know what the ports are made of.
        limits.without.insert(Family::Children);
        limits.chaos.get_or_insert(secs(900));
        Self { over_sdk: true, ..Self::new(seed, &limits) }
    }

    /// An hour in which nothing goes wrong but that workers are killed and stopped in turn, at the
    /// default settings: what users may expect. Each shard has new records all the time, and each
    /// batch is checkpointed. There are 8 shards, and 64 with every fifth seed, the most for which
    /// R12 has its two seconds: then for a quarter of an hour.
    #[must_use]
    pub fn figures(seed: u64) -> Self {
        let (shards, chaos) =
            if seed.is_multiple_of(5) { (64, secs(900)) } else { (8, secs(3_600)) };
        let limits = Limits {
            without: Family::ALL.into_iter().collect(),
            workers: Some(3),
            shards: Some(shards),
            chaos: Some(chaos),
        };
        let mut plan = Self::new(seed, &limits);
        let mut dice = Dice::new(seed, "figures");
        plan.happenings = (1..)
            .take_while(|number| 200 * secs(1) * *number < chaos - secs(100))
            .map(|number| {
                let at = 200 * secs(1) * number + dice.between(Duration::ZERO, secs(60));
                let (worker, down) = (dice.below(3), dice.between(secs(60), secs(90)));
                let is_kill = number % 2 == 0;
                let happening = match is_kill {
                    true => Happening::Kill { worker, down },
                    false => Happening::Stop { worker, down },
                };
                (at, happening)
            })
            .collect();
        plan.knobs.keeps_name = false;
        plan.knobs.is_adaptive = true;
        plan.records_per_second = 64;
        // Long enough for a kill to come in the middle of a call.
        plan.habits = Habits { usual: millis(400), ..Habits::default() };
        plan
    }

    /// An hour in which one request to the table in twenty is lost, or its answer is, in silence or
    /// with a broken connection, and nothing else goes wrong: no lease may be lost of it.
    #[must_use]
    pub fn lossy(seed: u64, in_silence: bool) -> Self {
        let mut plan = Self::new(
            seed,
            &Limits {
                without: Family::ALL.into_iter().collect(),
                workers: Some(3),
                shards: Some(8),
                ..Limits::default()
            },
        );
        plan.rates.table_reset = if in_silence { 0 } else { 1_000_000 };
        plan.rates.table_lost = 25_000;
        plan.rates.table_answer_lost = 25_000;
        plan
    }

    /// Three minutes in which every call of a worker is made, and in which one dies at each of
    /// `crashes`.
    #[must_use]
    pub fn sweep(crashes: Vec<CrashAt>) -> Self {
        let limits = Limits {
            without: Family::ALL.into_iter().collect(),
            chaos: Some(secs(180)),
            workers: Some(2),
            shards: Some(2),
        };
        let mut plan = Self::new(0, &limits);
        plan.knobs = Knobs {
            failover: secs(2),
            idle: millis(500),
            audit: secs(5),
            cleanup: secs(5),
            parent_poll: millis(500),
            fan_out: FanOut::EverySecond,
            ..plan.knobs
        };
        plan.quiet = secs(240);
        plan.habits =
            Habits { prepare: 300_000, usual: millis(20), longest: secs(20), ..Habits::default() };
        let split = |at, pick| (secs(at), Happening::Split { pick });
        let stop = |at, worker| (secs(at), Happening::Stop { worker, down: secs(3) });
        // Hash keys come back with each checkpoint: for a while there is none.
        let slow = |worker| {
            let (call, fault) = (Call::Process, Fault::Slow(secs(14)));
            (secs(7), Happening::Fault { worker, call, fault, times: Some(1) })
        };
        let old = |at, pick| (secs(at), Happening::OldRow { pick });
        plan.happenings = vec![
            slow(0),
            slow(1),
            old(8, 0),
            old(8, 1),
            old(15, 0),
            split(22, 0),
            split(30, 1),
            (secs(50), Happening::Merge { pick: 0 }),
            stop(70, 0),
            old(90, 1),
            stop(100, 1),
            split(110, 2),
            (secs(130), Happening::Merge { pick: 1 }),
            stop(150, 0),
        ];
        plan.crashes = crashes;
        plan
    }
}
