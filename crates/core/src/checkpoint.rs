//! Which checkpoints a record processor may make, and what each one writes.

mod again;

pub use self::again::Again;
use crate::sequence::Checkpoint;

/// How far one tenure of a shard has come.
///
/// KCL's rules: a checkpoint lies between the last one and the last record delivered, both
/// included; without a place it means everything delivered; at the shard's end the last record
/// delivered stands for the end itself. A batch whose processing failed is delivered, but without
/// a place it is not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    last: Checkpoint,
    largest: Checkpoint,
    /// Up to where processing has succeeded.
    settled: Checkpoint,
    /// Whether the batch delivered last has failed, and is to be delivered again.
    failed: bool,
    last_record: Option<Checkpoint>,
}

/// What a checkpoint at the shard's last record means once every record was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastRecord {
    /// The end of the shard.
    IsTheEnd,
    /// That record: who asks may not have been told of the end.
    IsARecord,
}

/// What an allowed checkpoint comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is where the last one was: nothing to write.
    AlreadyThere,
    /// Write this one.
    Write(Checkpoint),
}

/// The checkpoint is behind the last one, or ahead of what was delivered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{asked}` is not between the last checkpoint `{last}` and the last record `{largest}`")]
pub struct OutOfRange {
    /// What was asked for.
    pub asked: Checkpoint,
    /// The last checkpoint.
    pub last: Checkpoint,
    /// The last record delivered, or `SHARD_END`.
    pub largest: Checkpoint,
}

impl Progress {
    /// The progress of a tenure that starts at `stored`, the checkpoint in the lease's row.
    #[must_use]
    pub fn new(stored: Checkpoint) -> Self {
        Self {
            last: stored.clone(),
            settled: stored.clone(),
            largest: stored,
            failed: false,
            last_record: None,
        }
    }

    /// The last checkpoint.
    #[must_use]
    pub fn last(&self) -> &Checkpoint {
        &self.last
    }

    /// The last record delivered, or `SHARD_END`.
    #[must_use]
    pub fn delivered(&self) -> &Checkpoint {
        &self.largest
    }

    /// Notes that records up to `place` are about to be delivered.
    pub fn deliver(&mut self, place: Checkpoint) {
        self.largest = place.max(self.largest.clone());
        self.failed = false;
    }

    /// Notes that processing what was delivered has succeeded, or is given up.
    pub fn settle(&mut self) {
        self.settled = self.largest.clone();
    }

    /// Notes that processing the batch delivered last has failed.
    pub fn fail(&mut self) {
        self.failed = true;
    }

    /// Notes that every record of the shard was delivered: from here on `SHARD_END` is allowed.
    pub fn reach_end(&mut self) {
        self.failed = false;
        if self.last_record.is_none() {
            self.last_record = Some(std::mem::replace(&mut self.largest, Checkpoint::ShardEnd));
        }
    }

    /// What a checkpoint at `asked` comes to; without a place it means everything delivered.
    ///
    /// At the shard's end the last record's number means the end, even if that record was
    /// checkpointed before. Java ignores the second form, and the shard then never ends. Whoever
    /// may not know of the end yet means the record.
    pub fn decide(
        &self,
        asked: Option<Checkpoint>,
        last_record: LastRecord,
    ) -> Result<Decision, OutOfRange> {
        let largest = match (last_record, &self.last_record) {
            (LastRecord::IsARecord, Some(record)) => record,
            (LastRecord::IsARecord, None) | (LastRecord::IsTheEnd, _) => &self.largest,
        };
        let asked = asked.unwrap_or_else(|| match self.failed {
            true => self.settled.clone().max(self.last.clone()),
            false => largest.clone(),
        });
        if self.last.is_shard_end() && self.last_record.as_ref() == Some(&asked) {
            return Ok(Decision::AlreadyThere);
        }
        if asked < self.last || asked > *largest {
            let (last, largest) = (self.last.clone(), largest.clone());
            return Err(OutOfRange { asked, last, largest });
        }
        let place = match last_record {
            LastRecord::IsTheEnd if self.last_record.as_ref() == Some(&asked) => {
                Checkpoint::ShardEnd
            }
            LastRecord::IsTheEnd | LastRecord::IsARecord => asked,
        };
        Ok(if place == self.last { Decision::AlreadyThere } else { Decision::Write(place) })
    }

    /// Notes that a checkpoint at `place` was written.
    pub fn written(&mut self, place: Checkpoint) {
        self.last = place;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::LastRecord::{IsARecord, IsTheEnd};
    use super::*;
    use crate::sequence::SequenceNumber;

    fn at(sequence: u64, sub_sequence: u64) -> Checkpoint {
        let sequence = SequenceNumber::parse(&sequence.to_string()).unwrap();
        Checkpoint::At { sequence, sub_sequence }
    }

    fn delivered(stored: Checkpoint, up_to: u64) -> Progress {
        let mut progress = Progress::new(stored);
        progress.deliver(at(up_to, 0));
        progress
    }

    #[test]
    fn without_a_place_everything_delivered_is_meant() {
        let progress = delivered(Checkpoint::TrimHorizon, 5);
        assert_eq!(progress.decide(None, IsTheEnd), Ok(Decision::Write(at(5, 0))));
    }

    #[test]
    fn before_the_first_record_there_is_nothing_to_write() {
        let progress = Progress::new(Checkpoint::Latest);
        assert_eq!(progress.decide(None, IsTheEnd), Ok(Decision::AlreadyThere));
    }

    #[test]
    fn without_a_place_a_batch_that_failed_is_not_meant() {
        let mut progress = delivered(Checkpoint::TrimHorizon, 5);
        progress.settle();
        progress.deliver(at(9, 0));
        progress.fail();
        assert_eq!(progress.decide(None, IsTheEnd), Ok(Decision::Write(at(5, 0))));
        assert_eq!(progress.decide(Some(at(7, 0)), IsTheEnd), Ok(Decision::Write(at(7, 0))));
        progress.deliver(at(9, 0));
        assert_eq!(progress.decide(None, IsTheEnd), Ok(Decision::Write(at(9, 0))));
    }

    #[test]
    fn a_place_that_was_not_delivered_is_refused() {
        let progress = delivered(Checkpoint::TrimHorizon, 5);
        assert!(progress.decide(Some(at(6, 0)), IsTheEnd).is_err());
        assert!(progress.decide(Some(at(5, 1)), IsTheEnd).is_err());
        assert!(progress.decide(Some(Checkpoint::ShardEnd), IsTheEnd).is_err());
    }

    #[test]
    fn a_checkpoint_never_goes_back() {
        let progress = delivered(at(3, 2), 5);
        assert!(progress.decide(Some(at(3, 1)), IsTheEnd).is_err());
        assert!(progress.decide(Some(Checkpoint::TrimHorizon), IsTheEnd).is_err());
        assert_eq!(progress.decide(Some(at(3, 2)), IsTheEnd), Ok(Decision::AlreadyThere));
        assert_eq!(progress.decide(Some(at(3, 3)), IsTheEnd), Ok(Decision::Write(at(3, 3))));
    }

    #[test]
    fn at_the_end_the_last_record_stands_for_the_end_even_when_checkpointed_before() {
        let mut progress = delivered(Checkpoint::TrimHorizon, 5);
        progress.written(at(5, 0));
        progress.reach_end();
        for asked in [None, Some(Checkpoint::ShardEnd), Some(at(5, 0))] {
            assert_eq!(progress.decide(asked, IsTheEnd), Ok(Decision::Write(Checkpoint::ShardEnd)));
        }
        progress.written(Checkpoint::ShardEnd);
        for asked in [None, Some(Checkpoint::ShardEnd), Some(at(5, 0))] {
            assert_eq!(progress.decide(asked, IsTheEnd), Ok(Decision::AlreadyThere));
        }
        assert!(progress.decide(Some(at(4, 0)), IsTheEnd).is_err());
    }

    #[test]
    fn who_may_not_know_of_the_end_means_the_last_record() {
        let mut progress = delivered(Checkpoint::TrimHorizon, 5);
        progress.reach_end();
        let record = Decision::Write(at(5, 0));
        let decided = |progress: &Progress| {
            [None, Some(at(5, 0))].map(|asked| progress.decide(asked, IsARecord).unwrap())
        };
        assert_eq!(decided(&progress), [record.clone(), record]);
        assert!(progress.decide(Some(Checkpoint::ShardEnd), IsARecord).is_err());
        progress.written(at(5, 0));
        assert_eq!(decided(&progress), [Decision::AlreadyThere, Decision::AlreadyThere]);
        progress.written(Checkpoint::ShardEnd);
        assert_eq!(decided(&progress), [Decision::AlreadyThere, Decision::AlreadyThere]);
    }

    #[test]
    fn being_told_of_the_end_twice_changes_nothing() {
        let mut progress = delivered(Checkpoint::TrimHorizon, 5);
        progress.reach_end();
        let once = progress.clone();
        progress.reach_end();
        assert_eq!(progress, once);
    }

    proptest! {
        #[test]
        fn what_is_written_never_falls_and_was_always_delivered(
            steps in proptest::collection::vec((0_u64..50, proptest::option::of(0_u64..60)), 1..40),
        ) {
            let mut progress = Progress::new(Checkpoint::TrimHorizon);
            let mut largest = Checkpoint::TrimHorizon;
            for (deliver, ask) in steps {
                progress.deliver(at(deliver, 0));
                largest = largest.max(at(deliver, 0));
                let before = progress.last().clone();
                let asked = ask.map(|ask| at(ask, 0));
                if let Ok(Decision::Write(place)) = progress.decide(asked, IsTheEnd) {
                    prop_assert!(place > before && place <= largest);
                    progress.written(place);
                }
            }
        }
    }
}
