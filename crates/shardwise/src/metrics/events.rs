//! What happens in a worker, as numbers: one function for each event that is more than one number.

use std::time::Duration;

use shardwise_core::consumer::ConsumerState;
use shardwise_core::id::{LeaseKey, ShardId};
use shardwise_core::lease::{Change, Lease};
use shardwise_core::metrics::{Statistics, catalogue as c};
use shardwise_core::sequence::Checkpoint;
use shardwise_core::sync::Audit;
use shardwise_core::take::Plan;
use shardwise_core::time::{Time, Timestamp};

use super::{Datum, Inner, Metric, Metrics};
use crate::processor::ProcessRecords;
use crate::status::Board;

impl Metrics {
    /// A batch is about to be handed over.
    pub(crate) fn handing_over(&self, shard: &ShardId, input: &ProcessRecords<'_>) {
        let Some(inner) = &self.0 else { return };
        let arrived = input.records.first().and_then(|record| record.approximate_arrival);
        if let (1, Some(arrived)) = (input.attempt, arrived) {
            let took = since(arrived, inner.clock.date());
            inner.tell(Some(shard), &[c::DELIVERY_TIME.took(took)]);
        }
    }

    /// A batch was handed over. KCL adds a 0 to the records and to their bytes before it counts
    /// them.
    pub(crate) fn processed(
        &self,
        shard: &ShardId,
        input: &ProcessRecords<'_>,
        began: Time,
        success: bool,
    ) {
        let Some(inner) = &self.0 else { return };
        let counted = if input.attempt == 1 { input.records } else { &[] };
        let bytes = counted.iter().map(|record| c::DATA_BYTES_PROCESSED.count(record.data.len()));
        let bytes = bytes.fold(Statistics::of(0.0), |all, one| all.with(one.statistics));
        let number = c::RECORDS_PROCESSED.count(counted.len()).statistics;
        let took = inner.clock.now().since(began);
        inner.tell(
            Some(shard),
            &[
                Datum {
                    metric: &c::RECORDS_PROCESSED,
                    statistics: Statistics::of(0.0).with(number),
                },
                Datum { metric: &c::DATA_BYTES_PROCESSED, statistics: bytes },
                c::PROCESS.success.was(success),
                c::PROCESS.time.took(took),
            ],
        );
        inner.lag(shard, input.millis_behind_latest);
    }

    /// A read without records has its turn. Its processor is not called; KCL counts that too.
    pub(crate) fn processed_nothing(&self, shard: &ShardId, lag: Option<u64>) {
        let Some(inner) = &self.0 else { return };
        let data = [
            c::RECORDS_PROCESSED.of(0.0),
            c::DATA_BYTES_PROCESSED.of(0.0),
            c::PROCESS.success.was(true),
            c::PROCESS.time.took(Duration::ZERO),
        ];
        inner.tell(Some(shard), &data);
        inner.lag(shard, lag);
    }

    /// A call of a processor ends.
    pub(crate) fn timed(&self, timer: &'static Metric, key: &LeaseKey, began: Time) {
        let Some(inner) = &self.0 else { return };
        let took = timer.took(inner.clock.now().since(began));
        inner.tell(Some(&key.shard()), &[took]);
    }

    /// A shard was read after so many failures in a row, whichever way.
    pub(crate) fn read(&self, shard: &ShardId, failures: u32) {
        if failures > 0 {
            self.tell_of(Some(shard), &[c::READ_RETRIES.of(1.0)]);
        }
    }

    /// A read has failed after so many other failures in a row.
    pub(crate) fn read_failed(&self, shard: &ShardId, failures: u32) {
        self.read(shard, failures);
        self.tell_of(Some(shard), &[c::READ_FAILURES.of(1.0)]);
    }

    /// A call of the service got no answer within its time.
    pub(crate) fn timed_out(&self, shard: &ShardId, call: &'static c::Call, limit: Duration) {
        self.tell_of(Some(shard), &[call.success.was(false), call.time.took(limit)]);
    }

    /// A shard was refused for the rate of its reads.
    pub(crate) fn throttled(&self, shard: &ShardId) {
        self.tell_of(Some(shard), &[c::READ_THROTTLES.of(1.0)]);
    }

    /// So many aggregates were left out, for another shard.
    pub(crate) fn left_out(&self, shard: &ShardId, aggregates: usize) {
        self.tell_of(Some(shard), &[c::AGGREGATES_LEFT_OUT.count(aggregates)]);
    }

    /// So many aggregates could not be taken apart.
    pub(crate) fn corrupt(&self, shard: &ShardId, aggregates: usize) {
        self.tell_of(Some(shard), &[c::CORRUPT_AGGREGATES.count(aggregates)]);
    }

    /// So many records could not be decoded.
    pub(crate) fn not_decoded(&self, shard: &ShardId, records: usize) {
        self.tell_of(Some(shard), &[c::DECODE_FAILURES.count(records)]);
    }

    /// Records of a shard may have been removed before they were read.
    pub(crate) fn gap(&self, shard: &ShardId) {
        self.tell_of(Some(shard), &[c::RETENTION_GAPS.of(1.0)]);
    }

    /// A held lease's row was changed, or not.
    pub(crate) fn wrote(&self, key: &LeaseKey, change: &Change, began: Time, success: bool) {
        let Some(inner) = &self.0 else { return };
        let end = Checkpoint::ShardEnd;
        match change {
            Change::Renew => {
                inner.ended(None, &c::RENEW_LEASE, began, success);
                inner.ended(None, &c::RENEWALS, began, success);
            }
            Change::Checkpoint(place) if *place == end => {
                inner.ended(Some(&key.shard()), &c::UPDATE_LEASE_AT_END, began, success);
            }
            Change::Checkpoint(_) | Change::Prepare(_) => {
                inner.ended(Some(&key.shard()), &c::UPDATE_LEASE, began, success);
            }
            Change::Release => {}
        }
    }

    /// A lease was made for a shard that had none, or not.
    pub(crate) fn created(&self, lease: &Lease, began: Time, success: bool) {
        let by_start = match lease.checkpoint {
            Checkpoint::TrimHorizon => &c::CREATE_LEASE_TRIM_HORIZON,
            Checkpoint::Latest => &c::CREATE_LEASE_LATEST,
            Checkpoint::AtTimestamp => &c::CREATE_LEASE_AT_TIMESTAMP,
            Checkpoint::At { .. } | Checkpoint::ShardEnd => return,
        };
        self.ended(&c::CREATE_LEASE, began, success);
        self.tell(&[by_start.was(success)]);
    }

    /// The lease of a child shard was made, or not.
    pub(crate) fn created_child(&self, began: Time, success: bool) {
        self.ended(&c::CREATE_CHILD_LEASE, began, success);
        self.tell(&[c::CREATE_CHILD_LEASE_TRIM_HORIZON.was(success)]);
    }

    /// Has leases made to match shards, and tells of it.
    pub(crate) async fn synced<E>(
        &self,
        sync: impl Future<Output = Result<(), E>>,
    ) -> Result<(), E> {
        let result = self.measured(&c::SHARD_SYNC, None, sync).await;
        self.tell(&[c::SYNC_SHARDS.was(result.is_ok())]);
        result
    }

    /// A round has been planned, with so many leases in the table.
    pub(crate) fn planned(&self, plan: &Plan, leases: usize) {
        self.tell(&[
            c::EXPIRED_LEASES.count(plan.expired),
            c::LEASE_SPILLOVER.count(plan.spillover),
            c::LEASES_TO_TAKE.count(plan.take.len()),
            c::NEEDED_LEASES.count(plan.needed),
            c::NUM_WORKERS.count(plan.workers),
            c::TOTAL_LEASES.count(leases),
            c::VERY_OLD_LEASES.count(plan.very_old),
            // Takes add to these.
            c::TAKEN_LEASES.count(0),
            c::UNTAKEN_LEASES.count(0),
        ]);
    }

    /// The leader has looked for hash keys without a lease.
    pub(crate) fn audited(&self, found: &Audit) {
        let (has_hole, is_sync_due) = match found {
            Audit::Covered => (false, false),
            Audit::NoLeases => (true, true),
            Audit::Hole { repair, .. } => (true, *repair),
        };
        let has_hole = c::STREAMS_WITH_HOLES.count(usize::from(has_hole));
        self.tell(&[has_hole, c::STREAMS_TO_SYNC.count(usize::from(is_sync_due))]);
    }

    /// A lease was taken, or not.
    pub(crate) fn took(&self, began: Time, success: bool) {
        self.ended(&c::TAKE_LEASE, began, success);
        self.tell(&[c::TAKEN_LEASES.was(success), c::UNTAKEN_LEASES.was(!success)]);
    }

    /// How the worker and its shards stand.
    pub(crate) fn standing(&self, held: usize, board: &Board) {
        let Some(inner) = &self.0 else { return };
        // Losses add to the second one.
        inner.tell(None, &[c::CURRENT_LEASES.count(held), c::LOST_LEASES.count(0)]);
        let date = inner.clock.date();
        for (key, status) in board.shards() {
            if status.state == ConsumerState::WaitingOnParentShards {
                continue;
            }
            let data = [
                c::SINCE_PROCESSED.took(since(status.processed_at, date)),
                c::SINCE_READ.took(since(status.read_at, date)),
            ];
            inner.tell(Some(&key.shard()), &data);
        }
    }
}

impl Inner {
    fn lag(&self, shard: &ShardId, lag: Option<u64>) {
        if let Some(millis) = lag.map(Duration::from_millis) {
            self.tell(Some(shard), &[c::SHARD_LAG.took(millis), c::APPLICATION_LAG.took(millis)]);
        }
    }
}

fn since(from: Timestamp, now: Timestamp) -> Duration {
    let millis = now.as_millis() - from.as_millis();
    // A clock that was set back.
    Duration::from_millis(u64::try_from(millis).unwrap_or_default())
}
