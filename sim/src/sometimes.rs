//! Conditions that a batch of runs must have met, or what it says is worth little (I37): where no
//! two tenures ever overlapped, no write was fenced.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use shardwise_core::row::{Item, Value};
use shardwise_referee::{Counts, Event, Journals, LeaseWrite, Place, Row, WorkerEvent};

use crate::point::Call;
use crate::tally::Tally;

const OVERLAP: &str = "sometimes: two tenures overlapped";
const RENEWED: &str = "sometimes: renewal in doubt applied";
const TAKEN: &str = "sometimes: take in doubt applied";
const FENCED: &str = "sometimes: late write fenced";
const MERGED: &str = "sometimes: merge waited for one parent";
const STOLEN: &str = "sometimes: live lease stolen";
const PROVED: &str = "sometimes: checkpoint proved by a read";
const PENDING: &str = "sometimes: prepared checkpoint passed on";
const ZOMBIE: &str = "sometimes: woke up, a lease was taken";
const REPAIRED: &str = "sometimes: hole repaired by the audit";
/// The quiet time after the last change of leases or workers was long enough for I22. No condition
/// that faults bring about: it is asked of every other run.
pub const RESTED: &str = "quiet: spread of leases judged";

/// All of them, as the tally names them.
pub const ALL: [&str; 10] =
    [OVERLAP, RENEWED, TAKEN, FENCED, MERGED, STOLEN, PROVED, PENDING, ZOMBIE, REPAIRED];

/// Checkpoints of one life of a worker that were made, and of which it was not told: the row as
/// each left it.
#[derive(Debug, Default)]
pub(crate) struct Doubts(BTreeMap<String, Item>);

impl Doubts {
    /// A write was made whose sender gets no answer, and left the row so.
    pub(crate) fn made(&mut self, call: Call, key: &str, row: Option<&Item>, tally: &mut Tally) {
        if call == Call::Renew {
            tally.count(RENEWED);
        } else if call == Call::Take {
            tally.count(TAKEN);
        } else if matches!(call, Call::Checkpoint | Call::End | Call::Prepare) {
            self.0.extend(row.map(|row| (key.to_owned(), row.clone())));
        }
    }

    /// The worker is told how a row is: as its checkpoint in doubt left it, or no longer so.
    pub(crate) fn shown(&mut self, key: &str, row: Option<&Item>, tally: &mut Tally) {
        let left = self.0.remove(key);
        if left.is_some() && row == left.as_ref() {
            tally.count(PROVED);
        }
    }
}

/// A write of an owner came late and was refused, and the row was this.
pub(crate) fn count_refused(worker: &str, row: Option<&Item>, tally: &mut Tally) {
    let owner = row.and_then(|row| row.get("leaseOwner"));
    if owner.is_some_and(|owner| *owner != Value::S(worker.to_owned())) {
        tally.count(FENCED);
    }
}

/// Counts what the journals of a run show. `counts` are the referee's.
pub(crate) fn count(journals: &Journals, counts: &Counts, tally: &mut Tally) {
    let rows = Rows::of(&journals.lease_writes);
    tally.add(STOLEN, counts.steals as u64);
    tally.add(RESTED, counts.spreads_judged as u64);
    tally.add(OVERLAP, overlaps(journals));
    tally.add(PENDING, passed_on(journals));
    tally.add(MERGED, merges_that_waited(journals, &rows));
    tally.add(ZOMBIE, zombies(&journals.workers, &rows));
    tally.add(REPAIRED, repaired(journals));
}

/// The rows of leases through time, by key.
struct Rows<'a>(BTreeMap<&'a str, Vec<(u64, Option<&'a Row>)>>);

impl<'a> Rows<'a> {
    fn of(writes: &'a [LeaseWrite]) -> Self {
        let mut rows: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for write in writes {
            rows.entry(&write.key).or_default().push((write.t, write.after.as_ref()));
        }
        Self(rows)
    }

    fn of_key(&self, key: &str) -> &[(u64, Option<&'a Row>)] {
        self.0.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// When a lease came to its end, the first time.
    fn ended_t(&self, key: &str) -> Option<u64> {
        let mut rows = self.of_key(key).iter();
        rows.find(|(_, row)| row.is_some_and(is_finished)).map(|(t, _)| *t)
    }
}

fn is_finished(row: &Row) -> bool {
    row.checkpoint == Place::ShardEnd
}

fn holder_at<'a>(rows: &[(u64, Option<&'a Row>)], t: u64) -> Option<&'a str> {
    let next = rows.partition_point(|(written_t, _)| *written_t <= t);
    rows[..next].last()?.1?.holder.as_deref()
}

/// Batches that a worker was handed while another one, which lived, was in a call of the shard.
fn overlaps(journals: &Journals) -> u64 {
    let is_end = |event: &&WorkerEvent| {
        matches!(event, WorkerEvent::Killed { .. } | WorkerEvent::Ended { .. })
    };
    let ends: Vec<&WorkerEvent> = journals.workers.iter().filter(is_end).collect();
    let lived = |worker: &str, from: u64, until: u64| {
        let is_its = |end: &&&WorkerEvent| end.worker() == worker;
        !ends.iter().filter(is_its).any(|end| from <= end.t() && end.t() <= until)
    };
    let mut tenures: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    let mut out: BTreeMap<&str, Vec<(&str, &str, u64)>> = BTreeMap::new();
    let mut overlaps = 0;
    for event in journals.hand_overs.iter().flatten() {
        if let Event::Start { tenure, worker: Some(worker), shard, .. } = event {
            tenures.insert(tenure, (shard, worker));
        }
        let Some((shard, worker)) = tenures.get(event.tenure()).copied() else { continue };
        let calls = out.entry(shard).or_default();
        if let Event::Hand { t, tenure, .. } = event {
            let is_another = |(_, other, since): &(&str, &str, u64)| {
                *other != worker && lived(other, *since, *t)
            };
            overlaps += u64::from(calls.iter().any(is_another));
            calls.push((tenure, worker, *t));
        } else if let Event::Done { tenure, .. } = event {
            calls.retain(|(out, ..)| out != tenure);
        }
    }
    overlaps
}

/// Processors that were given a checkpoint that another tenure had prepared.
fn passed_on(journals: &Journals) -> u64 {
    let is_given = |event: &&Event| matches!(event, Event::Start { pending: Some(_), .. });
    journals.hand_overs.iter().flatten().filter(is_given).count() as u64
}

/// Children of a merge that a worker had while one of their parents was done, and one was not.
fn merges_that_waited(journals: &Journals, rows: &Rows<'_>) -> u64 {
    let has_waited = |shard: &&shardwise_referee::Shard| {
        let [left, right] = shard.parents.as_slice() else { return false };
        let ends = [rows.ended_t(left), rows.ended_t(right)].map(|t| t.unwrap_or(u64::MAX));
        let (first, last) = (ends[0].min(ends[1]), ends[0].max(ends[1]));
        let child = rows.of_key(&shard.shard);
        let is_in_time = |(t, row): &(u64, Option<&Row>)| {
            first < *t && *t < last && row.is_some_and(|row| row.holder.is_some())
        };
        first < last && (holder_at(child, first).is_some() || child.iter().any(is_in_time))
    };
    journals.shards.iter().filter(has_waited).count() as u64
}

/// Workers that went on after they had been paused, when one of their leases was another's.
fn zombies(workers: &[WorkerEvent], rows: &Rows<'_>) -> u64 {
    let mut paused: BTreeMap<&str, u64> = BTreeMap::new();
    let mut zombies = 0;
    for event in workers {
        if let WorkerEvent::Paused { t, worker } = event {
            paused.insert(worker, *t);
        }
        if let WorkerEvent::Resumed { t, worker } = event
            && let Some(since) = paused.remove(worker.as_str())
        {
            let is_lost = |rows: &Vec<(u64, Option<&Row>)>| {
                let now = holder_at(rows, *t);
                holder_at(rows, since) == Some(worker) && now.is_some_and(|now| now != worker)
            };
            zombies += u64::from(rows.0.values().any(is_lost));
        }
    }
    zombies
}

/// Leases that a hand deleted and a worker made again, while none of the parents could come to its
/// end and there were other leases: a first sync or a parent's end was not what made it.
fn repaired(journals: &Journals) -> u64 {
    let parents: BTreeMap<&str, &[String]> = journals
        .shards
        .iter()
        .map(|shard| (shard.shard.as_str(), shard.parents.as_slice()))
        .collect();
    let mut rows: BTreeMap<&str, &Row> = BTreeMap::new();
    let mut deleted: BTreeSet<&str> = BTreeSet::new();
    let mut repaired = 0;
    for write in &journals.lease_writes {
        let key = write.key.as_str();
        match (&write.before, &write.after, &write.by) {
            (Some(_), None, None) => drop(deleted.insert(key)),
            (None, Some(_), Some(_)) if deleted.remove(key) => {
                let mut parents = parents.get(key).into_iter().copied().flatten();
                let ends = parents
                    .any(|parent| rows.get(parent.as_str()).is_some_and(|row| !is_finished(row)));
                repaired += u64::from(!ends && !rows.is_empty());
            }
            (_, _, _) => {}
        }
        match &write.after {
            Some(row) => drop(rows.insert(key, row)),
            None => drop(rows.remove(key)),
        }
    }
    repaired
}
