//! What happened in a run, in numbers.

use crate::history::History;
use crate::invariants::{is_spread_judged, steals};
use crate::lease::Kind;
use crate::place::Place;
use crate::shard::ShardHistory;

/// What happened in a run, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that the stream acknowledged.
    pub put: usize,
    /// Records handed to processors, again and again.
    pub handed: usize,
    /// Records handed at least once.
    pub distinct: usize,
    /// Records handed once more: `handed` less the different ones among them.
    pub duplicates: usize,
    /// Those duplicates that lay after the row's checkpoint when they were handed.
    pub duplicates_after_checkpoint: usize,
    /// Batches that were handed again within their tenure.
    pub repeated_batches: usize,
    /// Tenures.
    pub tenures: usize,
    /// Checkpoints that the table applied.
    pub checkpoints: usize,
    /// Shards, open and closed.
    pub shards: usize,
    /// Shards that were split.
    pub splits: usize,
    /// Shards that came from two.
    pub merges: usize,
    /// Shards that the table shows as ended.
    pub ended: usize,
    /// How often a worker took a lease that it did not hold.
    pub takes: usize,
    /// Those takes whose lease its holder still renewed; 0 where the failover time is not known.
    pub steals: usize,
    /// Those takes by which another worker lost the lease: its name was still in the row.
    pub lost_leases: usize,
    /// Records that were due, and that retention removed before anyone had read them.
    pub trimmed: usize,
    /// 1 if a phase without faults was long enough for the spread of the leases to be judged (I22).
    pub spreads_judged: usize,
}

impl Counts {
    pub(crate) fn of(history: &History<'_>) -> Self {
        let steals = history.terms.map_or(0, |terms| steals(history, terms).len());
        let is_judged = history.terms.is_some_and(|terms| is_spread_judged(history, terms));
        let mut counts = Self {
            tenures: history.tenures.len(),
            steals,
            spreads_judged: usize::from(is_judged),
            ..Self::default()
        };
        for shard in history.shards.values() {
            counts.add(history, shard);
        }
        counts
    }

    fn add(&mut self, history: &History<'_>, shard: &ShardHistory<'_>) {
        self.shards += 1;
        self.trimmed += shard.lost_to_retention();
        for (_, before, _) in shard.lease.changes().filter(|(write, ..)| write.kind == Kind::Take) {
            self.takes += 1;
            self.lost_leases += usize::from(before.holder.is_some());
        }
        self.splits += usize::from(shard.children.len() > 1);
        self.merges += usize::from(shard.parents.len() > 1);
        self.ended += usize::from(shard.lease.ended_t().is_some());
        self.checkpoints += shard.lease.checkpoints().count();
        self.put += shard.puts.len();
        self.distinct += shard.first_hands.iter().flatten().count();
        let mut unseen: Vec<bool> = shard.first_hands.iter().map(Option::is_some).collect();
        for tenure in history.tenures_of(shard) {
            for batch in &tenure.batches {
                self.repeated_batches += usize::from(batch.is_repeat);
                self.handed += batch.records.len();
                let checkpoint = shard.lease.checkpoint_at(batch.t).unwrap_or(&Place::TrimHorizon);
                for record in &batch.records {
                    let Some(put) = record.put else { continue };
                    if !std::mem::take(&mut unseen[put]) {
                        self.duplicates += 1;
                        let after = usize::from(record.place > checkpoint);
                        self.duplicates_after_checkpoint += after;
                    }
                }
            }
        }
    }

    /// Each count with its name.
    pub(crate) fn rows(&self) -> [(&'static str, usize); 17] {
        [
            ("records put", self.put),
            ("records handed", self.handed),
            ("  different ones", self.distinct),
            ("  duplicates", self.duplicates),
            ("  duplicates after the checkpoint", self.duplicates_after_checkpoint),
            ("batches repeated in their tenure", self.repeated_batches),
            ("tenures", self.tenures),
            ("checkpoints applied", self.checkpoints),
            ("shards", self.shards),
            ("  split", self.splits),
            ("  merged", self.merges),
            ("  ended", self.ended),
            ("leases taken", self.takes),
            ("  from a worker that had them", self.lost_leases),
            ("  and still renewed them", self.steals),
            ("records lost to retention", self.trimmed),
            ("spreads of leases judged", self.spreads_judged),
        ]
    }
}
