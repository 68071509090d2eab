//! The user records of a shard: what its Kinesis records hold, behind the checkpoint.

use std::sync::Arc;

use shardwise_core::aggregate::{self, Aggregate, Corrupt, Reading};
use shardwise_core::id::ShardId;
use shardwise_core::sequence::Checkpoint;
use shardwise_core::shard::HashKeyRange;
use tracing::{debug, info, warn};

use super::Said;
use crate::kinesis::Record;

/// Takes aggregates of the Kinesis Producer Library apart, and leaves out what is processed.
#[derive(Debug)]
pub(crate) struct UserRecords {
    shard: ShardId,
    /// The hash keys of the shard.
    range: HashKeyRange,
    /// Records up to here are processed.
    checkpoint: Checkpoint,
    /// Whether the record there was handed over by this processor, and not by an earlier one.
    is_handed: bool,
    said: Arc<Said>,
    unread: Unread,
}

/// Aggregates that were not taken apart, since they were last counted.
#[derive(Debug, Default)]
pub(super) struct Unread {
    /// Left out, for another shard.
    pub(super) left_out: usize,
    /// Delivered as they were.
    pub(super) corrupt: usize,
}

impl UserRecords {
    /// Of a shard whose hash keys, where they are known, are in `range`.
    pub(crate) fn new(
        shard: ShardId,
        range: Option<HashKeyRange>,
        checkpoint: Checkpoint,
        said: Arc<Said>,
    ) -> Self {
        let range = range.unwrap_or(HashKeyRange::ALL);
        Self { shard, range, checkpoint, is_handed: false, said, unread: Unread::default() }
    }

    /// The same where what is at the checkpoint was handed over already.
    pub(crate) fn behind_what_was_handed(self) -> Self {
        Self { is_handed: true, ..self }
    }

    /// Records up to here are not delivered.
    pub(super) fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// What was said of the shard.
    pub(super) fn said(&self) -> &Said {
        &self.said
    }

    /// How many aggregates were not taken apart since this was last asked.
    pub(super) fn take_unread(&mut self) -> Unread {
        std::mem::take(&mut self.unread)
    }

    /// Adds what of `record` is to be delivered.
    pub(super) fn add(&mut self, record: Record, to: &mut Vec<Record>) {
        if self.is_done(&record) {
            return;
        }
        match aggregate::read(&record.data, self.range) {
            Reading::Plain if record.place() > self.checkpoint => to.push(record),
            Reading::Plain => {}
            Reading::Aggregate(aggregate) => self.take_apart(&record, &aggregate, to),
            Reading::Corrupt(why) => self.add_as_it_is(record, why, to),
            Reading::Elsewhere => self.leave_out(&record),
        }
    }

    /// Adds a record that cannot be taken apart. A checkpoint inside it, that of another worker,
    /// leaves some of it: it is delivered, once, and stands at that checkpoint, behind which it
    /// could never have one of its own.
    fn add_as_it_is(&mut self, mut record: Record, why: Corrupt, to: &mut Vec<Record>) {
        if let Checkpoint::At { sequence, sub_sequence } = &self.checkpoint
            && *sequence == record.sequence_number
        {
            if *sub_sequence == 0 || self.is_handed {
                return;
            }
            record.sub_sequence_number = *sub_sequence;
        }
        self.note_corrupt(&record, why);
        to.push(record);
    }

    /// Whether nothing of a record is left to be delivered.
    fn is_done(&self, record: &Record) -> bool {
        match &self.checkpoint {
            Checkpoint::At { sequence, .. } => record.sequence_number < *sequence,
            Checkpoint::AtTimestamp
            | Checkpoint::TrimHorizon
            | Checkpoint::Latest
            | Checkpoint::ShardEnd => false,
        }
    }

    fn take_apart(&self, record: &Record, aggregate: &Aggregate<'_>, to: &mut Vec<Record>) {
        for user in aggregate.behind(&self.checkpoint, &record.sequence_number) {
            to.push(Record {
                data: record.data.slice_ref(user.data),
                partition_key: Some(Arc::clone(&user.partition_key)),
                explicit_hash_key: user.explicit_hash_key.clone(),
                sub_sequence_number: user.sub_sequence,
                ..record.clone()
            });
        }
    }

    fn leave_out(&mut self, record: &Record) {
        self.unread.left_out += 1;
        let (shard, sequence) = (&self.shard, &record.sequence_number);
        debug!(%shard, %sequence, "aggregate of another shard left out");
        if self.said.left_out.is_first() {
            info!(%shard, %sequence, "an aggregate has user records of another shard, as after a \
                reshard: such are left out, as their producer sends them again; said once a shard");
        }
    }

    fn note_corrupt(&mut self, record: &Record, why: Corrupt) {
        self.unread.corrupt += 1;
        let (shard, sequence) = (&self.shard, &record.sequence_number);
        debug!(%shard, %sequence, %why, "corrupt aggregate delivered as it is");
        if self.said.corrupt.is_first() {
            warn!(%shard, %sequence, %why, "record looks like an aggregate and is delivered as it \
                is; said once a shard, and counted (`CorruptAggregates`)");
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use shardwise_core::checkpoint::{Decision, LastRecord, Progress};
    use shardwise_core::sequence::SequenceNumber;

    use super::*;
    use crate::testing::{corrupt_aggregate, shard_id, two_user_records};

    fn record(number: u64, data: impl Into<Bytes>) -> Record {
        Record {
            data: data.into(),
            partition_key: Some("a".into()),
            explicit_hash_key: None,
            sequence_number: SequenceNumber::parse(&number.to_string()).unwrap(),
            sub_sequence_number: 0,
            approximate_arrival: None,
        }
    }

    fn at(number: u64, sub_sequence: u64) -> Checkpoint {
        Checkpoint::parse(&number.to_string(), sub_sequence).unwrap()
    }

    fn delivered(
        range: Option<HashKeyRange>,
        from: Checkpoint,
        records: Vec<Record>,
    ) -> Vec<Record> {
        let mut user_records = UserRecords::new(shard_id(0), range, from, Arc::default());
        let mut delivered = Vec::new();
        records.into_iter().for_each(|record| user_records.add(record, &mut delivered));
        delivered
    }

    /// What is delivered, by sequence and sub-sequence number, partition key and data.
    fn told(range: Option<HashKeyRange>, from: Checkpoint, records: Vec<Record>) -> Vec<String> {
        let delivered = delivered(range, from, records);
        let told = |record: Record| {
            let (key, data) = (record.partition_key.unwrap(), record.data.escape_ascii());
            format!("{} {} {key} {data}", record.sequence_number, record.sub_sequence_number)
        };
        delivered.into_iter().map(told).collect()
    }

    fn answer() -> Vec<Record> {
        vec![record(7, "plain"), record(8, two_user_records()), record(9, "last")]
    }

    #[test]
    fn user_records_stand_where_their_aggregate_was() {
        let all = ["7 0 a plain", "8 0 pk-1 hello", "8 1 pk-2 world!", "9 0 a last"];
        assert_eq!(told(None, Checkpoint::TrimHorizon, answer()), all);
        assert_eq!(told(None, at(6, 3), answer()), all);
    }

    #[test]
    fn what_is_processed_is_left_out_also_inside_an_aggregate() {
        assert_eq!(told(None, at(8, 0), answer()), ["8 1 pk-2 world!", "9 0 a last"]);
        assert_eq!(told(None, at(8, 1), answer()), ["9 0 a last"]);
        assert_eq!(told(None, at(9, 0), answer()), [""; 0]);
    }

    #[test]
    fn an_aggregate_for_another_shard_is_left_out() {
        let lower = HashKeyRange::new(0, u128::MAX / 2);
        let delivered = told(lower, Checkpoint::TrimHorizon, answer());
        assert_eq!(delivered, ["7 0 a plain", "9 0 a last"]);
    }

    #[test]
    fn aggregates_that_are_left_out_are_counted_unless_they_are_done() {
        let lower = HashKeyRange::new(0, u128::MAX / 2);
        let mut user_records = UserRecords::new(shard_id(0), lower, at(8, 0), Arc::default());
        let aggregates = (7..10).map(|number| record(number, two_user_records()));
        aggregates.for_each(|aggregate| user_records.add(aggregate, &mut Vec::new()));
        assert_eq!(user_records.take_unread().left_out, 2);
        assert_eq!(user_records.take_unread().left_out, 0);
    }

    /// KCL may have made the checkpoint: it takes some aggregates apart that are corrupt for us.
    #[test]
    fn a_corrupt_aggregate_is_delivered_as_it_is_and_a_checkpoint_inside_leaves_it() {
        for (from, place) in [(Checkpoint::TrimHorizon, 0), (at(8, 1), 1)] {
            let mut as_it_is = record(8, corrupt_aggregate());
            let delivered = delivered(None, from, vec![as_it_is.clone()]);
            as_it_is.sub_sequence_number = place;
            assert_eq!(delivered, [as_it_is]);
        }
        assert_eq!(told(None, at(8, 0), vec![record(8, corrupt_aggregate())]), [""; 0]);
    }

    #[test]
    fn a_corrupt_aggregate_that_was_handed_over_does_not_come_to_the_same_processor_again() {
        let user_records = UserRecords::new(shard_id(0), None, at(8, 1), Arc::default());
        let mut again = Vec::new();
        user_records.behind_what_was_handed().add(record(8, corrupt_aggregate()), &mut again);
        assert_eq!(again, []);
    }

    #[test]
    fn a_checkpoint_at_each_record_is_allowed_also_behind_one_inside_a_corrupt_aggregate() {
        let records = vec![record(8, corrupt_aggregate()), record(9, "last")];
        let places = delivered(None, at(8, 1), records).into_iter().map(|it| it.place());
        let places: Vec<_> = places.collect();
        let mut progress = Progress::new(at(8, 1));
        progress.deliver(places.last().unwrap().clone());
        let decided = places
            .iter()
            .map(|place| progress.decide(Some(place.clone()), LastRecord::IsARecord).unwrap());
        let decided: Vec<_> = decided.collect();
        assert_eq!(decided, [Decision::AlreadyThere, Decision::Write(at(9, 0))]);
    }
}
