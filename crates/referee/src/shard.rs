//! What is known of one shard: its records, its lease, and the tenures of it.

use crate::gap::Gap;
use crate::lease::LeaseHistory;
use crate::place::Place;
use crate::put::Put;
use crate::tenure::Tenure;

/// One shard.
#[derive(Default)]
pub(crate) struct ShardHistory<'a> {
    pub(crate) parents: Vec<&'a str>,
    pub(crate) children: Vec<&'a str>,
    /// Its records in order.
    pub(crate) puts: Vec<&'a Put>,
    /// Which of `puts` retention removed before anyone had read them.
    pub(crate) trimmed: Vec<bool>,
    /// Where the application says that it may have lost some of them so.
    pub(crate) gaps: Vec<&'a Gap>,
    /// When each of `puts` was handed for the first time, and at which position of its batch.
    pub(crate) first_hands: Vec<Option<FirstHand>>,
    /// When a processor first returned from each of `puts` without an error.
    pub(crate) first_returns: Vec<Option<u64>>,
    /// Indices into `History::tenures`, in the order of their starts.
    pub(crate) tenures: Vec<usize>,
    pub(crate) lease: LeaseHistory<'a>,
    /// Since when the stream no longer lists it.
    pub(crate) delisted_t: Option<u64>,
    /// The first of `puts` that does not lie before the application's date.
    pub(crate) first_wanted: usize,
    /// The first of `puts` that the application had to process.
    pub(crate) first_due: usize,
}

/// The first time that a record was handed; ordered by time, then by position in its tenure: a call
/// may take no time at all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FirstHand {
    pub(crate) t: u64,
    pub(crate) position: usize,
}

impl<'a> ShardHistory<'a> {
    pub(crate) fn was_used(&self) -> bool {
        !(self.puts.is_empty() && self.tenures.is_empty() && self.lease.writes.is_empty())
    }

    /// The index of the first record after `place`.
    pub(crate) fn first_after(&self, place: &Place) -> usize {
        self.puts.partition_point(|put| put.place <= *place)
    }

    /// Whether all its records, if there are any, lie before the application's date.
    pub(crate) fn is_before_date(&self) -> bool {
        self.first_wanted > 0 && self.first_wanted == self.puts.len()
    }

    /// Whether a record was handed by a time.
    pub(crate) fn was_handed(&self, put: usize, t: u64) -> bool {
        self.first_hands[put].is_some_and(|hand| hand.t <= t)
    }

    /// How many of the records were lost to retention.
    pub(crate) fn lost_to_retention(&self) -> usize {
        (0..self.puts.len()).filter(|put| self.is_lost_to_retention(*put)).count()
    }

    /// Whether a record was due, never handed, and removed by retention.
    pub(crate) fn is_lost_to_retention(&self, put: usize) -> bool {
        self.first_due <= put && self.trimmed[put] && self.first_hands[put].is_none()
    }

    /// Links the records to what became of them in `tenures`, all of the run's.
    pub(crate) fn link_hands(
        &mut self,
        tenures: &[Tenure<'a>],
        owed_from: Option<u64>,
        first_date: Option<u64>,
    ) {
        self.first_hands = vec![None; self.puts.len()];
        self.first_returns = vec![None; self.puts.len()];
        for tenure in &self.tenures {
            let batches = tenures[*tenure].batches.iter();
            let records = batches.flat_map(|batch| batch.records.iter().map(move |r| (batch, r)));
            for (position, (batch, record)) in records.enumerate() {
                let returned = batch.done.filter(|done| !done.failed).map(|done| done.t);
                let Some(put) = record.put else { continue };
                let hand = FirstHand { t: batch.t, position };
                let first = self.first_hands[put].get_or_insert(hand);
                *first = hand.min(*first);
                if let Some(t) = returned {
                    let first = self.first_returns[put].get_or_insert(t);
                    *first = t.min(*first);
                }
            }
        }
        let owed_from = owed_from.unwrap_or(0);
        self.first_wanted = self.puts.partition_point(|put| put.t < owed_from);
        let first_due = self.find_first_due(tenures, owed_from > 0, first_date);
        self.first_due = first_due.max(self.first_wanted);
    }

    /// Where the application had to begin: at the first checkpoint that the row or, without rows,
    /// a tenure had.
    ///
    /// Where the application's date is known, LATEST means the tip at which the row was made, or
    /// the date that the row says, if that was to come: its worker's clock was ahead. Else each
    /// tenure at LATEST begins at the tip of its own moment until the first checkpoint, as in KCL:
    /// so it is the first record that was handed in the last such tenure.
    fn find_first_due(
        &self,
        tenures: &[Tenure<'a>],
        knows_date: bool,
        first_date: Option<u64>,
    ) -> usize {
        let first_row = self.lease.writes.first().and_then(|write| write.before.or(write.after));
        let first_tenure = self.tenures.first().map(|tenure| tenures[*tenure].start);
        let start = first_row.map(|row| &row.checkpoint).or(first_tenure);
        match start {
            None | Some(Place::TrimHorizon) => 0,
            Some(place @ (Place::At(..) | Place::ShardEnd)) => self.first_after(place),
            Some(Place::AtTimestamp) if knows_date => 0,
            Some(Place::Latest) if knows_date => {
                let made_t = self.lease.writes.first().map_or(0, |write| write.t);
                let dated = first_row.and_then(|row| row.latest_since).zip(first_date);
                let dated_t = dated.map_or(0, |(date, first)| 1_000 * date.saturating_sub(first));
                self.puts.partition_point(|put| put.t < made_t.max(dated_t))
            }
            Some(start @ (Place::Latest | Place::AtTimestamp)) => {
                let at_tip = self.tenures.iter().map(|tenure| &tenures[*tenure]);
                let mut first =
                    at_tip.filter(|tenure| tenure.start == start).filter_map(|tenure| {
                        tenure.batches.iter().flat_map(|batch| &batch.records).find_map(|r| r.put)
                    });
                first.next_back().unwrap_or(self.puts.len())
            }
        }
    }
}
