//! Numbers on their way to a service that takes them in batches.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Datum, Key, Selection, Source, Statistics, Unit};
use crate::time::Time;

/// How long numbers are collected, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long they are collected before they are sent. Default: 10 s, as KCL.
    /// Property: `metricsBufferTimeMillis`.
    pub time: Duration,
    /// How many may wait: names with their dimensions, however many numbers each has. More are
    /// dropped. Default: 10,000, as KCL. Property: `metricsMaxQueueSize`.
    pub keys: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { time: Duration::from_secs(10), keys: 10_000 }
    }
}

/// Collects numbers until they are due to be sent; those under the same key merge.
#[derive(Debug)]
pub struct Buffer {
    selection: Selection,
    limits: Limits,
    waiting: BTreeMap<Key, (Unit, Statistics)>,
    /// When they were last taken, or the first came.
    since: Option<Time>,
    dropped: u64,
}

/// What is to be sent.
#[derive(Debug, Default, PartialEq)]
pub struct Sending {
    /// The numbers.
    pub entries: Vec<Entry>,
    /// How many found no room since the last time.
    pub dropped: u64,
}

/// The numbers under one key.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// Their unit.
    pub unit: Unit,
    /// The numbers.
    pub statistics: Statistics,
}

impl Buffer {
    /// An empty one.
    #[must_use]
    pub fn new(selection: Selection, limits: Limits) -> Self {
        Self { selection, limits, waiting: BTreeMap::new(), since: None, dropped: 0 }
    }

    /// Takes numbers in; those that are selected and find no room are counted.
    pub fn record(&mut self, source: Source<'_>, data: &[Datum], now: Time) {
        for Datum { metric, statistics } in data {
            let Some(key) = self.selection.key(metric, source) else { continue };
            self.since.get_or_insert(now);
            if let Some((_, merged)) = self.waiting.get_mut(&key) {
                *merged = merged.with(*statistics);
            } else if self.waiting.len() < self.limits.keys {
                self.waiting.insert(key, (metric.unit, *statistics));
            } else {
                self.dropped = self.dropped.saturating_add(1);
            }
        }
    }

    /// When they are to be sent: a while after the last time, or at once when half of the room is
    /// taken. Nothing waits for ever, and nothing is sent twice that could have merged.
    #[must_use]
    pub fn due(&self) -> Option<Time> {
        let since = self.since.filter(|_| !self.waiting.is_empty())?;
        let is_half_full = self.waiting.len() >= self.limits.keys.div_ceil(2);
        Some(if is_half_full { since } else { since + self.limits.time })
    }

    /// Takes everything out, to be sent `now`.
    pub fn take(&mut self, now: Time) -> Sending {
        self.since = Some(now);
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let entry = |(key, (unit, statistics))| Entry { key, unit, statistics };
        Sending {
            entries: waiting.map(entry).collect(),
            dropped: std::mem::take(&mut self.dropped),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::catalogue::{CURRENT_LEASES, GET_RECORDS, PROCESS};
    use crate::metrics::tests::{shard, worker};
    use crate::metrics::{Level, Metric};

    fn at(seconds: u64) -> Time {
        Time::from_start(Duration::from_secs(seconds))
    }

    fn buffer(keys: usize) -> Buffer {
        Buffer::new(Selection::default(), Limits { keys, ..Limits::default() })
    }

    fn record(buffer: &mut Buffer, metric: &'static Metric, of: u32, number: f64, now: Time) {
        let (worker, shard) = (worker(), shard(of));
        let source = Source { worker: &worker, shard: Some(&shard), stream: None };
        buffer.record(source, &[metric.of(number)], now);
    }

    #[test]
    fn numbers_under_the_same_key_are_one_entry() {
        let mut buffer = buffer(10);
        for (of, number) in [(0, 1.0), (1, 1.0), (0, 0.0)] {
            record(&mut buffer, &PROCESS.success, of, number, at(0));
        }
        let sending = buffer.take(at(10));
        let counts: Vec<_> = sending.entries.iter().map(|entry| entry.statistics.count).collect();
        assert_eq!(counts, [2, 1]);
        assert_eq!(
            sending.entries[0].statistics,
            Statistics { sum: 1.0, min: 0.0, max: 1.0, count: 2 }
        );
    }

    #[test]
    fn they_are_due_a_while_after_the_first_and_then_after_each_sending() {
        let mut buffer = buffer(10);
        assert_eq!(buffer.due(), None);
        record(&mut buffer, &PROCESS.success, 0, 1.0, at(5));
        assert_eq!(buffer.due(), Some(at(15)));
        drop(buffer.take(at(16)));
        assert_eq!(buffer.due(), None);
        record(&mut buffer, &PROCESS.success, 0, 1.0, at(20));
        assert_eq!(buffer.due(), Some(at(26)));
    }

    #[test]
    fn half_the_room_makes_them_due_at_once() {
        let mut buffer = buffer(4);
        record(&mut buffer, &PROCESS.success, 0, 1.0, at(5));
        record(&mut buffer, &PROCESS.success, 0, 1.0, at(6));
        assert_eq!(buffer.due(), Some(at(15)));
        record(&mut buffer, &PROCESS.success, 1, 1.0, at(7));
        assert!(buffer.due() <= Some(at(7)));
    }

    #[test]
    fn without_room_old_keys_merge_and_new_ones_are_counted() {
        let mut buffer = buffer(1);
        for of in [0, 1, 0, 1] {
            record(&mut buffer, &PROCESS.success, of, 1.0, at(0));
        }
        let sending = buffer.take(at(0));
        assert_eq!((sending.entries[0].statistics.count, sending.dropped), (2, 2));
        assert_eq!(buffer.take(at(0)), Sending::default());
    }

    #[test]
    fn what_is_not_selected_takes_no_room() {
        let selection = Selection { level: Level::Summary, ..Selection::default() };
        let mut buffer = Buffer::new(selection, Limits { keys: 1, ..Limits::default() });
        record(&mut buffer, &GET_RECORDS.success, 0, 1.0, at(0));
        assert_eq!(buffer.due(), None);
        record(&mut buffer, &CURRENT_LEASES, 0, 1.0, at(0));
        assert_eq!((buffer.take(at(0)).entries.len(), buffer.dropped), (1, 0));
    }

    proptest! {
        #[test]
        fn nothing_is_lost_but_what_is_counted_as_dropped(
            steps in prop::collection::vec((0..6_u32, prop::bool::weighted(0.1)), 0..60),
            keys in 1..5_usize,
        ) {
            let mut buffer = buffer(keys);
            let (mut sent, mut dropped) = (0, 0);
            let mut gather = |sending: Sending| {
                assert!(sending.entries.len() <= keys);
                sent += sending.entries.iter().map(|entry| entry.statistics.count).sum::<u64>();
                dropped += sending.dropped;
            };
            for (of, is_taken) in &steps {
                record(&mut buffer, &PROCESS.success, *of, 1.0, at(0));
                if *is_taken {
                    gather(buffer.take(at(0)));
                }
            }
            gather(buffer.take(at(0)));
            prop_assert_eq!(sent + dropped, steps.len() as u64);
        }
    }
}
