//! What a seed draws for settings, rates and habits.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::time::Duration;

use shardwise::{InitialPosition, Timestamp};
use shardwise_core::budget;

use super::{ChildHabits, Family, FanOut, Habits, Knobs, Rates, START_AT, millis, secs};
use crate::dice::Dice;
use crate::node::FIRST_DATE_MILLIS;

impl Knobs {
    pub(super) fn draw(seed: u64, families: &BTreeSet<Family>) -> Self {
        let unusual = families.contains(&Family::Knobs);
        let short_iterators = families.contains(&Family::Expiry);
        let mut whole_run = Dice::new(seed, "whole run");
        let retention = *whole_run.pick(&[secs(60), secs(300), secs(900)]);
        let date = Timestamp::from_millis(FIRST_DATE_MILLIS + START_AT.as_millis() as i64);
        let start = *whole_run.pick(&[InitialPosition::Latest, InitialPosition::AtTimestamp(date)]);
        let mut dice = Dice::new(seed, "knobs");
        let mut rare = |usual: Duration, others: &[Duration]| {
            if unusual && dice.happens(300_000) { *dice.pick(others) } else { usual }
        };
        let failover = rare(secs(10), &[secs(1), secs(2), secs(5), secs(20), secs(30)]);
        let idle = rare(millis(1_500), &[millis(200), millis(500), secs(3)]);
        let audit = rare(secs(120), &[secs(5), secs(20)]);
        let cleanup = rare(secs(300), &[secs(5), secs(60)]);
        let parent_poll = rare(secs(10), &[millis(500), secs(2), secs(30)]);
        let mut count = |usual: usize, others: &[usize]| {
            if unusual && dice.happens(300_000) { *dice.pick(others) } else { usual }
        };
        let records_max = count(10_000, &[25, 100, 1_000]) as u32;
        let batches_max = count(4, &[1, 2, 10]);
        let page_shards = count(1_000, &[1, 2, 3]);
        // Or a busy shard would never be read to its end.
        let idle = if records_max <= 100 { millis(200) } else { idle };
        let iterator_lifetime = lifetime(short_iterators, &mut dice);
        let subscription_lifetime = lifetime(unusual, &mut Dice::new(seed, "subscriptions"));
        let mut buffers = Dice::new(seed, "buffers");
        let is_small = unusual && buffers.happens(300_000);
        let mut table = Dice::new(seed, "lease table");
        let page_rows = *table.pick(&[2, 5, 20]);
        let creation = table.between(secs(2), secs(60));
        Self {
            failover,
            idle,
            // A shard that is handed little at once has to be read often, or it never comes to its
            // end.
            is_adaptive: is_small || unusual && buffers.happens(200_000),
            byte_budget: match is_small {
                true => *buffers.pick(&[24 << 10, 64 << 10]),
                false => budget::DEFAULT,
            },
            records_max,
            batches_max,
            audit,
            cleanup,
            parent_poll,
            page_shards,
            iterator_lifetime,
            subscription_lifetime,
            keeps_name: dice.happens(200_000),
            retention: match families.contains(&Family::Retention) {
                true => retention,
                false => secs(24 * 3_600),
            },
            start: match families.contains(&Family::Starts) {
                true => start,
                false => InitialPosition::TrimHorizon,
            },
            fan_out: match families.contains(&Family::FanOut) {
                true => *whole_run.pick(&[FanOut::Everybody, FanOut::EverySecond]),
                false => FanOut::Nobody,
            },
            page_rows: families.contains(&Family::Pages).then_some(page_rows),
            creation: match families.contains(&Family::Creation) {
                true => creation,
                false => Duration::ZERO,
            },
        }
    }
}

/// How long the service keeps something that it has given: five minutes, if nothing is short.
fn lifetime(may_be_short: bool, dice: &mut Dice) -> Duration {
    if may_be_short && dice.happens(300_000) {
        *dice.pick(&[secs(2), secs(10), secs(60)])
    } else {
        secs(300)
    }
}

impl Rates {
    pub(super) fn draw(seed: u64, families: &BTreeSet<Family>) -> Self {
        let mut dice = Dice::new(seed, "rates");
        let mut rate = |family: Family, rates: &[u32]| {
            let rate = *dice.pick(rates);
            if families.contains(&family) { rate } else { 0 }
        };
        Self {
            table_lost: rate(Family::TableLoss, &[2_000, 10_000, 50_000]),
            table_reset: 500_000,
            table_answer_lost: rate(Family::TableLoss, &[2_000, 10_000, 50_000]),
            table_late: rate(Family::TableLate, &[2_000, 10_000, 30_000]),
            table_throttled: rate(Family::TableErrors, &[2_000, 10_000, 50_000]),
            table_broken: rate(Family::TableErrors, &[2_000, 10_000]),
            table_slow: rate(Family::TableSlow, &[1_000, 3_000, 10_000]),
            stale_scan: rate(Family::StaleScans, &[10_000, 100_000, 500_000]),
            stream_throttled: rate(Family::StreamErrors, &[5_000, 20_000, 100_000]),
            stream_lost: rate(Family::StreamErrors, &[5_000, 20_000]),
            expired: rate(Family::Expiry, &[2_000, 10_000]),
            malformed: rate(Family::Malformed, &[2_000, 10_000]),
            not_found: rate(Family::Malformed, &[200, 1_000]),
            list: rate(Family::Lists, &[20_000, 200_000]),
            crash: rate(Family::Crashes, &[50, 150, 300]),
            subscription: rate(Family::StreamErrors, &[1_000, 5_000, 20_000]),
            short_list: rate(Family::ShortLists, &[50_000, 300_000]),
        }
    }
}

impl Habits {
    pub(super) fn draw(seed: u64, families: &BTreeSet<Family>, failover: Duration) -> Self {
        let faulty = families.contains(&Family::Processors);
        let hangs = families.contains(&Family::Hangs);
        let mut dice = Dice::new(seed, "habits");
        let mut rate = |rates: &[u32]| {
            let rate = *dice.pick(rates);
            if faulty { rate } else { 0 }
        };
        let habits = Self {
            slow: rate(&[0, 1_000, 5_000]),
            retry: rate(&[0, 5_000, 50_000]),
            restart: rate(&[0, 2_000, 20_000]),
            panic: rate(&[0, 1_000, 5_000]),
            forget: rate(&[0, 100_000, 500_000]),
            ..Self::default()
        };
        let mut rate = |rates: &[u32]| *dice.pick(rates);
        Self {
            lazy: rate(&[0, 0, 300_000, 900_000]),
            inside: rate(&[0, 0, 200_000]),
            prepare: rate(&[0, 0, 200_000]),
            wrong: rate(&[0, 0, 20_000]),
            usual: *dice.pick(&[millis(5), millis(50), millis(400)]),
            longest: match hangs {
                true => secs(180),
                false => (2 * failover).max(secs(20)).min(secs(60)),
            },
            slow: if hangs { habits.slow.max(1_000) } else { habits.slow },
            ..habits
        }
    }
}

impl ChildHabits {
    pub(super) fn draw(seed: u64, families: &BTreeSet<Family>) -> Self {
        if !families.contains(&Family::Children) {
            return Self::default();
        }
        let faulty = families.contains(&Family::Processors);
        let mut dice = Dice::new(seed, "children");
        let mut rate = |rates: &[u32]| {
            let rate = *dice.pick(rates);
            if faulty { rate } else { 0 }
        };
        let habits = Self {
            unstartable: rate(&[0, 20_000]),
            exit_early: rate(&[0, 20_000]),
            exit_between: rate(&[0, 1_000, 5_000]),
            exit_behind: rate(&[0, 1_000, 5_000]),
            ..Self::default()
        };
        let mut rate = |rates: &[u32]| *dice.pick(rates);
        let mut sharing = Dice::new(seed, "sharing");
        let per_child = NonZeroUsize::new(*sharing.pick(&[2, 3, 100]));
        let is_offered = families.contains(&Family::Sharing);
        Self {
            per_child: per_child.filter(|_| is_offered),
            shares: is_offered && !sharing.happens(200_000),
            noise: rate(&[0, 1_000, 20_000]),
            pieces: rate(&[0, 10_000, 100_000]),
            twice: rate(&[0, 1_000, 20_000]),
            storm: rate(&[0, 0, 1_000, 20_000]),
            out_of_turn: rate(&[0, 200_000]),
            ask_behind: rate(&[0, 0, 1_000, 50_000]),
            ask_later: rate(&[0, 0, 1_000, 50_000]),
            at_once: *dice.pick(&[None, None, None, Some(2)]),
            ..habits
        }
    }
}
