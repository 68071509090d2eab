//! Whether retention may have removed records before they were read.
//!
//! Sequence numbers do not follow each other, so how many records are gone cannot be known. That
//! some may be can: asked to begin at a record, the stream begins with that very record while it
//! keeps it. What is behind it is younger, and then kept as well.

use std::time::Duration;

use crate::sequence::{Checkpoint, SequenceNumber};
use crate::time::Time;

/// The least time for which a stream keeps records.
pub const LEAST: Duration = Duration::from_secs(24 * 3_600);

/// Between these places records may have been removed before they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Up to here the shard was read.
    pub after: Checkpoint,
    /// Where reading went on; none if nothing more came of the shard.
    pub before: Option<SequenceNumber>,
}

/// What the first record to come says of the one that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing: none was asked for.
    Next,
    /// It is that one, or one before it.
    Kept {
        /// Whether that one was read before, and to its end.
        again: bool,
    },
    /// That one is gone.
    Gone(Gap),
}

/// How one reader of a shard stands to the oldest record that the stream keeps.
#[derive(Clone, Debug)]
pub struct Watch {
    retention: Duration,
    /// Up to here the shard was read; at first the place at which reading begins.
    read: Checkpoint,
    /// Whether the record there was read to its end.
    is_whole: bool,
    /// Whether the stream is asked for that record, and none has come yet.
    is_asked: bool,
    /// Whether the last answer brought nothing but that record, once more.
    is_alone: bool,
    /// Until then nothing behind a record that was asked for and came can be gone.
    kept_until: Time,
    /// How far behind the tip the last answer was, and when.
    behind: Duration,
    answered: Time,
}

impl Watch {
    /// Of a reader that begins at `checkpoint` of a stream that keeps records for so long.
    #[must_use]
    pub fn new(retention: Duration, checkpoint: Checkpoint, now: Time) -> Self {
        Self {
            retention,
            is_asked: matches!(checkpoint, Checkpoint::At { .. }),
            read: checkpoint,
            is_whole: false,
            is_alone: false,
            kept_until: now,
            behind: Duration::ZERO,
            answered: now,
        }
    }

    /// Whether retention may reach the next record before the next answer. An eighth of the
    /// retention is left for an answer that is late, or wrong about how far behind it is. Behind an
    /// answer that brought nothing new reading goes on first, or it would stand still for as long
    /// as the stream keeps what is older than it must.
    #[must_use]
    pub fn is_near(&self, now: Time) -> bool {
        let is_at_record = matches!(self.read, Checkpoint::At { .. });
        is_at_record
            && !self.is_asked
            && !self.is_alone
            && now >= self.kept_until
            && self.age(now) >= self.retention - self.retention / 8
    }

    /// How old the record that was read last is.
    fn age(&self, now: Time) -> Duration {
        self.behind.saturating_add(now.since(self.answered))
    }

    /// The record to begin at where reading is begun anew, if it has to be asked for.
    pub fn ask(&mut self, now: Time) -> Option<SequenceNumber> {
        self.is_asked |= self.is_near(now);
        match &self.read {
            Checkpoint::At { sequence, .. } if self.is_asked => Some(sequence.clone()),
            Checkpoint::At { .. }
            | Checkpoint::AtTimestamp
            | Checkpoint::TrimHorizon
            | Checkpoint::Latest
            | Checkpoint::ShardEnd => None,
        }
    }

    /// The first record of an answer has come. What is behind one that is still kept is younger:
    /// half of the time that is left to it is believed, where its age is known.
    pub fn came(&mut self, first: &SequenceNumber, now: Time) -> Seen {
        match &self.read {
            Checkpoint::At { sequence, .. } if self.is_asked => {
                self.is_asked = false;
                if *first > *sequence {
                    return Seen::Gone(self.gap(Some(first.clone())));
                }
                if self.is_whole {
                    self.kept_until = now + self.retention.saturating_sub(self.age(now)) / 2;
                }
                Seen::Kept { again: self.is_whole }
            }
            Checkpoint::At { .. }
            | Checkpoint::AtTimestamp
            | Checkpoint::TrimHorizon
            | Checkpoint::Latest
            | Checkpoint::ShardEnd => Seen::Next,
        }
    }

    /// Without a record, reading is to go on behind `number`.
    pub fn passed(&mut self, number: &SequenceNumber) -> Option<Gap> {
        let is_beyond = match &self.read {
            Checkpoint::At { sequence, .. } => self.is_asked && number > sequence,
            Checkpoint::AtTimestamp
            | Checkpoint::TrimHorizon
            | Checkpoint::Latest
            | Checkpoint::ShardEnd => false,
        };
        is_beyond.then(|| {
            self.is_asked = false;
            self.gap(Some(number.clone()))
        })
    }

    /// A record was read to its end.
    pub fn read(&mut self, last: SequenceNumber) {
        self.read = Checkpoint::At { sequence: last, sub_sequence: 0 };
        self.is_whole = true;
    }

    /// An answer was so far behind the tip; `is_alone` if it brought nothing but a record that was
    /// read before.
    pub fn answered(&mut self, behind: Option<Duration>, is_alone: bool, now: Time) {
        self.is_alone = is_alone;
        if let Some(behind) = behind {
            (self.behind, self.answered) = (behind, now);
        }
    }

    /// The shard is at its end.
    pub fn ended(&mut self) -> Option<Gap> {
        std::mem::take(&mut self.is_asked).then(|| self.gap(None))
    }

    /// The stream does not keep the shard any more.
    pub fn gone(&mut self) -> Gap {
        self.is_asked = false;
        self.gap(None)
    }

    fn gap(&self, before: Option<SequenceNumber>) -> Gap {
        Gap { after: self.read.clone(), before }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = LEAST;

    fn number(number: u64) -> SequenceNumber {
        SequenceNumber::parse(&number.to_string()).unwrap()
    }

    fn place(number: u64) -> Checkpoint {
        Checkpoint::parse(&number.to_string(), 0).unwrap()
    }

    fn at(hours: u64) -> Time {
        Time::from_start(Duration::from_secs(hours * 3_600))
    }

    fn begun_at(checkpoint: Checkpoint) -> Watch {
        Watch::new(DAY, checkpoint, at(0))
    }

    fn gap(after: u64, before: Option<u64>) -> Gap {
        Gap { after: place(after), before: before.map(number) }
    }

    #[test]
    fn a_checkpoint_whose_record_is_gone_has_a_gap_behind_it_and_one_that_is_kept_has_none() {
        for (first, seen) in [(7, Seen::Kept { again: false }), (9, Seen::Gone(gap(7, Some(9))))] {
            let mut watch = begun_at(place(7));
            assert_eq!(watch.ask(at(0)), Some(number(7)));
            assert_eq!(watch.came(&number(first), at(0)), seen);
            watch.read(number(9));
            assert_eq!(watch.came(&number(12), at(0)), Seen::Next, "{first}");
            assert_eq!(watch.ended(), None, "{first}");
        }
    }

    #[test]
    fn the_first_record_decides_however_long_it_takes() {
        let mut watch = begun_at(place(7));
        for hours in 1..50 {
            watch.answered(Some(Duration::ZERO), false, at(hours));
            assert_eq!(watch.ask(at(hours)), Some(number(7)));
        }
        assert_eq!(watch.came(&number(9), at(0)), Seen::Gone(gap(7, Some(9))));
    }

    #[test]
    fn a_place_that_is_beyond_the_record_asked_for_shows_that_it_is_gone() {
        let mut watch = begun_at(place(7));
        assert_eq!(watch.passed(&number(7)), None);
        assert_eq!(watch.passed(&number(8)), Some(gap(7, Some(8))));
        assert_eq!((watch.passed(&number(9)), watch.ended()), (None, None));
    }

    #[test]
    fn a_shard_that_ends_without_the_record_asked_for_has_a_gap_at_its_end() {
        assert_eq!(begun_at(place(7)).ended(), Some(gap(7, None)));
        assert_eq!(begun_at(Checkpoint::TrimHorizon).ended(), None);
        let gone = begun_at(Checkpoint::TrimHorizon).gone();
        assert_eq!(gone, Gap { after: Checkpoint::TrimHorizon, before: None });
    }

    #[test]
    fn nothing_is_asked_for_where_there_is_no_record_to_ask_for() {
        for sentinel in [Checkpoint::TrimHorizon, Checkpoint::Latest, Checkpoint::AtTimestamp] {
            let mut watch = begun_at(sentinel);
            assert_eq!((watch.is_near(at(99)), watch.ask(at(99))), (false, None));
            assert_eq!(watch.came(&number(9), at(0)), Seen::Next);
        }
    }

    /// A shard that is idle for days is at its tip all the while.
    #[test]
    fn what_was_read_is_asked_for_again_only_when_retention_may_have_come_so_far() {
        let mut watch = begun_at(Checkpoint::TrimHorizon);
        watch.read(number(9));
        watch.answered(Some(DAY / 2), false, at(0));
        assert!(!watch.is_near(at(8)) && watch.is_near(at(9)));
        watch.answered(Some(Duration::ZERO), false, at(9));
        assert!(!watch.is_near(at(29)) && watch.is_near(at(30)));
        assert_eq!(watch.ask(at(29)), None);
        assert_eq!(watch.ask(at(30)), Some(number(9)));
        assert_eq!(watch.came(&number(12), at(0)), Seen::Gone(gap(9, Some(12))));
    }

    /// With room for one record an answer has the one that was asked for, and no other.
    #[test]
    fn what_is_behind_a_record_that_came_again_is_believed_for_half_of_the_time_left() {
        let mut watch = begun_at(Checkpoint::TrimHorizon);
        watch.read(number(9));
        watch.answered(Some(DAY * 22 / 24), false, at(0));
        assert_eq!(watch.ask(at(0)), Some(number(9)));
        assert!(!watch.is_near(at(0)), "it is on its way");
        assert_eq!(watch.came(&number(9), at(0)), Seen::Kept { again: true });
        assert_eq!((watch.is_near(at(0)), watch.ask(at(0))), (false, None));
        watch.read(number(10));
        watch.answered(Some(DAY * 22 / 24), false, at(0));
        assert_eq!(watch.ask(at(0)), None, "the next one is read without another look");
        assert_eq!(watch.ask(at(1)), Some(number(10)));
        assert_eq!(watch.came(&number(12), at(4)), Seen::Gone(gap(10, Some(12))));
    }

    /// The stream keeps what is older than it must, and answers bring one record each.
    #[test]
    fn where_no_time_is_left_each_read_looks_and_reading_goes_on_between() {
        let mut watch = begun_at(Checkpoint::TrimHorizon);
        for last in 9..12 {
            watch.read(number(last));
            watch.answered(Some(DAY), false, at(0));
            assert_eq!(watch.ask(at(0)), Some(number(last)));
            assert_eq!(watch.came(&number(last), at(0)), Seen::Kept { again: true });
            watch.answered(Some(DAY), true, at(0));
            assert_eq!(watch.ask(at(0)), None, "or that record would come for ever");
            watch.answered(Some(DAY), false, at(0));
            assert!(watch.is_near(at(0)), "nothing came");
        }
    }
}
