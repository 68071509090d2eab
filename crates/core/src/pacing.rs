//! When a shard is asked for records next, and for how many.
//!
//! The service answers five reads and delivers 2 MB a second and shard, and has all applications
//! that poll the shard share that.

use std::time::Duration;

use crate::budget;
use crate::config::Pace;
use crate::time::Time;

/// The shortest time between two reads: the service allows five a second.
pub const SHORTEST: Duration = Duration::from_millis(200);
/// How long a shard is read fast after it had records, or more to come.
const FLOWS: Duration = Duration::from_secs(5);
/// Between two reads of a shard that is idle, or that others read as well.
const SLOW: Duration = Duration::from_secs(1);
/// How long the pace is slow after the service has throttled a read.
const CONTESTED: Duration = Duration::from_secs(60);
/// Bytes a second that the service delivers of one shard.
const READ_RATE: u32 = 2_000_000;
/// The largest answer of the service.
pub const LARGEST_ANSWER: usize = 10 << 20;
/// What a record at the tip is taken for before one was seen: no more than a second's can be there.
const UNKNOWN_RECORD: usize = 64 << 10;

/// Two token buckets, one for calls and one for bytes, each with room for one answer.
#[derive(Clone, Debug)]
pub struct Pacer {
    pace: Pace,
    /// From when on the next read may be sent.
    next: Time,
    sent: Time,
    /// Until when records are taken to flow.
    flows_until: Time,
    contested_until: Time,
}

impl Pacer {
    /// Of a shard that was not read yet.
    #[must_use]
    pub fn new(pace: Pace, now: Time) -> Self {
        Self { pace, next: now, sent: now, flows_until: now, contested_until: now }
    }

    /// From when on the next read may be sent.
    #[must_use]
    pub fn next(&self) -> Time {
        self.next
    }

    /// A read is sent. It counts from here on: whoever sent it may be gone before it is answered.
    pub fn sends(&mut self, now: Time) {
        self.sent = now;
        let at_least = match self.pace {
            Pace::Fixed { idle, .. } => idle.max(SHORTEST),
            Pace::Adaptive => SHORTEST,
        };
        self.next = now + at_least;
    }

    /// It was answered with `bytes` of records, none if there were none, so far behind the tip.
    pub fn answered(&mut self, bytes: usize, behind: Option<Duration>, now: Time) {
        // An answer may be empty where more is to come: each looks at a part of the shard.
        if bytes > 0 || behind.is_some_and(|behind| !behind.is_zero()) {
            self.flows_until = now + FLOWS;
        }
        let next = match self.pace {
            Pace::Fixed { idle, at_tip } => {
                let is_at_tip = behind.is_some_and(|behind| behind < at_tip);
                now + if is_at_tip { idle.max(at_tip) } else { idle }
            }
            Pace::Adaptive => {
                let is_fast = now >= self.contested_until && now < self.flows_until;
                self.sent + if is_fast { SHORTEST } else { SLOW }
            }
        };
        self.next = next.max(now + time_to_deliver(bytes));
    }

    /// It was throttled: somebody else reads the shard as well.
    pub fn throttled(&mut self, now: Time) {
        self.contested_until = now + CONTESTED;
    }

    /// It failed, and the next one waits.
    pub fn fails(&mut self, wait: Duration, now: Time) {
        self.next = (self.sent + SHORTEST).max(now + wait);
    }

    /// How long to wait after a first failure.
    #[must_use]
    pub fn patience(&self) -> Duration {
        match self.pace {
            Pace::Fixed { idle, .. } => idle,
            Pace::Adaptive => SLOW,
        }
    }
}

/// How long the service takes for `bytes` of one shard at its rate.
fn time_to_deliver(bytes: usize) -> Duration {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    Duration::from_secs(1) * (bytes / READ_RATE)
        + Duration::from_secs(1) * (bytes % READ_RATE) / READ_RATE
}

/// What the next answer of a shard is taken for, by the last one.
#[derive(Clone, Copy, Debug)]
pub struct Estimate {
    /// How many records an answer may have.
    most: u32,
    /// Bytes of the last one, where it came to the tip.
    last: Option<usize>,
    record: Option<usize>,
}

impl Estimate {
    /// Of a shard that was not read yet, and is asked for so many records at most.
    #[must_use]
    pub fn new(most: u32) -> Self {
        Self { most, last: None, record: None }
    }

    /// So many records came, and need so many bytes here; more wait behind them, or not.
    pub fn note(&mut self, records: usize, bytes: usize, is_behind: bool) {
        self.last = (!is_behind).then_some(bytes);
        if records > 0 {
            self.record = Some(bytes.div_ceil(records).max(1));
        }
    }

    /// Whether nothing at all is known of the next answer.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.record.is_none() && self.last.is_none()
    }

    /// How many bytes to reserve for the next answer: as many as it can have where many records may
    /// wait, else twice the last one and a batch.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let most = usize::try_from(self.most).unwrap_or(usize::MAX);
        let largest = self.record.map_or(LARGEST_ANSWER, |record| record.saturating_mul(most));
        let at_tip = self.last.map(|last| last.saturating_mul(2).saturating_add(budget::BATCH));
        at_tip.unwrap_or(LARGEST_ANSWER).min(largest).min(LARGEST_ANSWER)
    }

    /// How many records to ask for where so many bytes are reserved.
    #[must_use]
    pub fn limit(&self, reserved: usize) -> u32 {
        if reserved >= LARGEST_ANSWER {
            return self.most;
        }
        let unknown = if self.is_unknown() { budget::BATCH } else { UNKNOWN_RECORD };
        let records = reserved / self.record.unwrap_or(unknown);
        u32::try_from(records).unwrap_or(self.most).clamp(1, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXED: Pace = Pace::Fixed { idle: Duration::from_millis(1_500), at_tip: Duration::ZERO };

    fn at(millis: u64) -> Time {
        Time::from_start(Duration::from_millis(millis))
    }

    /// When reads are sent, in milliseconds, whose answers take 10 ms: with these bytes.
    fn sent(pacer: &mut Pacer, answers: &[usize]) -> Vec<u128> {
        let mut all = Vec::new();
        for bytes in answers {
            let now = pacer.next();
            all.push(now.since_start().as_millis());
            pacer.sends(now);
            pacer.answered(*bytes, Some(Duration::ZERO), now + Duration::from_millis(10));
        }
        all
    }

    #[test]
    fn a_shard_with_records_is_read_five_times_a_second_and_an_idle_one_once() {
        let mut pacer = Pacer::new(Pace::Adaptive, at(0));
        assert_eq!(sent(&mut pacer, &[100; 6]), [0, 200, 400, 600, 800, 1_000]);
        let idle = sent(&mut pacer, &[0; 30]);
        assert_eq!(idle[..3], [1_200, 1_400, 1_600]);
        assert_eq!(idle[28] - idle[27], 1_000);
        // Five seconds behind the last record.
        assert_eq!(idle.iter().filter(|sent| **sent < 6_010).count(), 25);
        assert_eq!(sent(&mut pacer, &[100, 100])[1], idle[29] + 1_200);
    }

    #[test]
    fn a_shard_that_answers_nothing_and_is_behind_is_read_five_times_a_second() {
        for (behind, expected) in [(None, 1_000), (Some(0), 1_000), (Some(1), 200)] {
            let mut pacer = Pacer::new(Pace::Adaptive, at(0));
            pacer.sends(at(60_000));
            pacer.answered(0, behind.map(Duration::from_millis), at(60_010));
            assert_eq!(pacer.next(), at(60_000 + expected), "{behind:?}");
        }
    }

    #[test]
    fn a_throttled_shard_is_read_once_a_second_for_a_minute() {
        let mut pacer = Pacer::new(Pace::Adaptive, at(0));
        pacer.sends(at(0));
        pacer.throttled(at(10));
        pacer.fails(Duration::from_secs(1), at(10));
        let contested = sent(&mut pacer, &[100; 62]);
        assert_eq!(contested[..2], [1_010, 2_010]);
        assert_eq!(contested[58], 59_010);
        assert_eq!(contested[61] - contested[60], 200);
    }

    #[test]
    fn reading_keeps_to_the_rate_of_a_shard() {
        let mut pacer = Pacer::new(Pace::Adaptive, at(0));
        assert_eq!(sent(&mut pacer, &[1_000_000, 10_000_000, 0]), [0, 510, 5_520]);
    }

    #[test]
    fn a_fixed_pace_counts_from_the_answer_and_is_slower_at_the_tip_if_wanted() {
        assert_eq!(sent(&mut Pacer::new(FIXED, at(0)), &[0, 9, 0]), [0, 1_510, 3_020]);
        let at_tip = Duration::from_secs(4);
        let pace = Pace::Fixed { idle: Duration::from_secs(1), at_tip };
        let mut pacer = Pacer::new(pace, at(0));
        assert_eq!(sent(&mut pacer, &[0, 0]), [0, 4_010]);
        pacer.answered(0, Some(at_tip), at(9_000));
        assert_eq!(pacer.next(), at(10_000));
    }

    #[test]
    fn a_read_counts_from_its_sending_though_nobody_waits_for_its_answer() {
        for (pace, expected) in [(Pace::Adaptive, 1_200), (FIXED, 2_500)] {
            let mut pacer = Pacer::new(pace, at(0));
            pacer.sends(at(1_000));
            assert_eq!(pacer.next(), at(expected), "{pace:?}");
        }
    }

    #[test]
    fn a_failure_waits_and_never_makes_more_than_five_reads_a_second() {
        let mut pacer = Pacer::new(Pace::Adaptive, at(0));
        pacer.sends(at(0));
        pacer.fails(Duration::ZERO, at(10));
        assert_eq!(pacer.next(), at(200));
        pacer.fails(Duration::from_secs(2), at(10));
        assert_eq!(pacer.next(), at(2_010));
    }

    #[test]
    fn the_next_answer_is_taken_for_the_largest_while_records_wait() {
        let mut estimate = Estimate::new(10_000);
        assert_eq!((estimate.bytes(), estimate.limit(LARGEST_ANSWER)), (10 << 20, 10_000));
        assert_eq!((estimate.is_unknown(), estimate.limit(4 << 20)), (true, 4));
        estimate.note(0, 0, false);
        assert_eq!((estimate.is_unknown(), estimate.limit(1 << 20)), (false, 16));
        estimate.note(100, 100_000, false);
        assert_eq!(estimate.bytes(), 200_000 + budget::BATCH);
        assert_eq!((estimate.limit(1 << 20), estimate.limit(10)), (1_048, 1));
        estimate.note(100, 200_000, true);
        assert_eq!(estimate.bytes(), LARGEST_ANSWER);
        estimate.note(0, 0, false);
        assert_eq!((estimate.bytes(), estimate.limit(1 << 20)), (budget::BATCH, 524));
    }

    #[test]
    fn no_more_is_reserved_than_the_records_asked_for_can_have() {
        let mut estimate = Estimate::new(5);
        estimate.note(5, 5_000, true);
        assert_eq!((estimate.bytes(), estimate.limit(1 << 20)), (5_000, 5));
    }
}
