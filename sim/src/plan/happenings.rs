//! What a seed has happen, and when.

use std::time::Duration;

use super::{BEGIN, Family, Happening, Plan, STARVED, millis, secs};
use crate::dice::Dice;
use crate::refusals::{Calls, Refused};

/// By how many milliseconds a date is off: an hour at most.
pub(crate) fn hour_off(dice: &mut Dice) -> i64 {
    dice.below(7_200_000) as i64 - 3_600_000
}

fn draw_hand(dice: &mut Dice, with_old_rows: bool) -> Happening {
    let pick = dice.below(1 << 20) as u32;
    match dice.below(4) {
        0 => Happening::DeleteRow { pick },
        1 => Happening::ForeignRows,
        2 if with_old_rows => Happening::OldRow { pick },
        _ => Happening::MarkRow { pick },
    }
}

fn draw_edit(dice: &mut Dice) -> Happening {
    let pick = dice.below(1 << 20) as u32;
    match dice.happens(500_000) {
        true => Happening::RaiseCounter { pick },
        false => Happening::RemakeRow { pick },
    }
}

fn draw_peer(dice: &mut Dice) -> Happening {
    let pick = dice.below(1 << 20) as u32;
    match dice.happens(500_000) {
        true => Happening::PeerTakes { pick },
        false => Happening::PeerHandsOff { pick },
    }
}

/// Everything is throttled, or one service, or one kind of call.
fn draw_burst(dice: &mut Dice) -> Happening {
    let calls = match dice.below(4) {
        0 => Calls::Table,
        1 => Calls::Stream,
        _ => *dice.pick(&Calls::ONE),
    };
    let lasts = dice.between(secs(5), secs(60));
    Happening::Refuse { worker: None, calls, refused: Refused::Throttled, lasts }
}

/// One worker's credentials expire, or everybody's forbid one kind of call.
fn draw_denial(dice: &mut Dice, workers: usize) -> Happening {
    let worker = Some(dice.below(workers));
    let lasts = dice.between(secs(20), secs(300));
    let (worker, calls) = match dice.below(3) {
        0 => (worker, Calls::All),
        1 => (worker, *dice.pick(&Calls::ONE)),
        _ => (None, *dice.pick(&Calls::ONE)),
    };
    Happening::Refuse { worker, calls, refused: Refused::Denied, lasts }
}

impl Plan {
    pub(super) fn draw_happenings(&mut self) {
        let f = self.knobs.failover;
        let workers = self.workers;
        let mut all: Vec<(Duration, Happening)> = Vec::new();
        let mut draw =
            |family: Family, an_hour: usize, make: &mut dyn FnMut(&mut Dice) -> Happening| {
                all.extend(self.draw_of(family, an_hour, make));
            };
        draw(Family::Kills, 12, &mut |dice| {
            let (worker, down) = (dice.below(workers), dice.between(millis(100), 4 * f));
            if dice.happens(200_000) {
                Happening::KillTwice { worker, down }
            } else {
                Happening::Kill { worker, down }
            }
        });
        draw(Family::Pauses, 8, &mut |dice| {
            let lasts = dice.between(f + f / 2, 6 * f);
            Happening::Pause { worker: dice.below(workers), lasts }
        });
        draw(Family::Stops, 6, &mut |dice| {
            let down = dice.between(millis(100), 3 * f);
            Happening::Stop { worker: dice.below(workers), down }
        });
        draw(Family::Partitions, 6, &mut |dice| {
            let which = dice.below(3);
            let (table, stream) = (which != 1, which != 0);
            let lasts = dice.between(f, 10 * f);
            Happening::Partition { worker: dice.below(workers), table, stream, lasts }
        });
        draw(Family::Clocks, 4, &mut |dice| {
            let millis = hour_off(dice);
            Happening::Jump { worker: dice.below(workers), millis }
        });
        draw(Family::Reshards, 12, &mut |dice| {
            let pick = dice.below(1 << 20) as u32;
            if dice.happens(500_000) {
                Happening::Split { pick }
            } else {
                Happening::Merge { pick }
            }
        });
        draw(Family::TableGone, 2, &mut |dice| Happening::TableGone {
            lasts: dice.between(f / 2, 6 * f),
        });
        // Without its hash keys a shard keeps what its producer sends again elsewhere (ADR 12).
        let with_old_rows = !self.has(Family::Aggregates);
        draw(Family::Hands, 6, &mut |dice| draw_hand(dice, with_old_rows));
        draw(Family::Starvation, 6, &mut |dice| {
            let (most, lasts) = (dice.between(f / 100, f / STARVED), dice.between(f, 10 * f));
            Happening::Starve { worker: dice.below(workers), most, lasts }
        });
        draw(Family::Suspends, 6, &mut |dice| {
            let lasts = dice.between(f / 2, 6 * f);
            Happening::Suspend { worker: dice.below(workers), lasts }
        });
        draw(Family::Bursts, 6, &mut draw_burst);
        draw(Family::Denials, 4, &mut |dice| draw_denial(dice, workers));
        draw(Family::Edits, 6, &mut draw_edit);
        draw(Family::Peers, 6, &mut draw_peer);
        let latest = self.latest();
        all.extend(self.draw_storm(latest));
        all.extend(self.draw_brownouts(latest));
        all.extend(self.late_workers());
        all.sort_by_key(|(at, _)| *at);
        self.happenings = all;
    }

    /// When the last thing may happen.
    fn latest(&self) -> Duration {
        self.chaos.saturating_sub(secs(1))
    }

    /// What a family does, so often an hour about, if it takes part.
    fn draw_of(
        &self,
        family: Family,
        an_hour: usize,
        make: &mut dyn FnMut(&mut Dice) -> Happening,
    ) -> Vec<(Duration, Happening)> {
        if !self.has(family) {
            return Vec::new();
        }
        let mut dice = Dice::new(self.seed, &family.to_string());
        let hours = self.chaos.as_secs_f64() / 3_600.0;
        let mean = (an_hour as f64 * hours).ceil() as usize;
        let count = mean / 2 + dice.below(mean + 1);
        let one = |_| (dice.between(secs(2), self.latest()), make(&mut dice));
        (0..count).map(one).collect()
    }

    /// Where the application begins somewhere else, the stream is older than its workers.
    fn late_workers(&self) -> impl Iterator<Item = (Duration, Happening)> + use<> {
        let late = if self.has(Family::Starts) { self.workers } else { 0 };
        (0..late).map(|worker| (Duration::ZERO, Happening::Kill { worker, down: BEGIN }))
    }

    /// The answers are nearly as slow as a worker waits for, a third of the failover time: so slow
    /// that it matters whether a lease counts from the answer or from the request. What is left
    /// behind a take is enough to start a record processor, and less than the time to the next
    /// renewal; renewals are refused until one sent in time is answered too late.
    fn draw_brownouts(&self, latest: Duration) -> Vec<(Duration, Happening)> {
        let mut dice = Dice::new(self.seed, "brownouts");
        let f = self.knobs.failover;
        let an_hour = if self.has(Family::Brownouts) { 12.0 } else { 0.0 };
        let count = (an_hour * self.chaos.as_secs_f64() / 3_600.0).ceil() as usize;
        (0..count)
            .flat_map(|_| {
                let at = dice.between(secs(2), latest);
                let worker = dice.below(self.workers);
                let back = dice.between(f / 6, f / 3 - millis(20));
                let (left, lasts) = (dice.between(millis(10), f / 6), dice.between(f, 4 * f));
                let brownout = Happening::Brownout { worker, back, left, lasts };
                let refuses = dice.between(f / 2, 9 * f / 10);
                let dim = Happening::Dim { worker: dice.below(self.workers), refuses, back };
                [(at, brownout), (dice.between(secs(2), latest), dim)]
            })
            .collect()
    }

    /// Now and then eight splits and merges, one every five seconds.
    fn draw_storm(&self, latest: Duration) -> Vec<(Duration, Happening)> {
        let mut dice = Dice::new(self.seed, "storm");
        if !self.has(Family::Reshards) || !dice.happens(300_000) {
            return Vec::new();
        }
        let start = dice.between(secs(10), latest);
        (0..8)
            .map(|step| {
                let pick = dice.below(1 << 20) as u32;
                let at = (start + secs(5) * step).min(latest);
                let split = dice.happens(500_000);
                (at, if split { Happening::Split { pick } } else { Happening::Merge { pick } })
            })
            .collect()
    }
}
