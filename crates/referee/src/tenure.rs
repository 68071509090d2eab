//! What one record processor saw of one shard, linked to the records that were put.

use crate::event::{Event, Put, Why};
use crate::place::Place;

/// What one record processor saw of one shard.
pub(crate) struct Tenure<'a> {
    pub(crate) id: &'a str,
    pub(crate) worker: Option<&'a str>,
    pub(crate) shard: &'a str,
    pub(crate) started_t: u64,
    pub(crate) start: &'a Place,
    pub(crate) batches: Vec<Batch<'a>>,
    pub(crate) asks: Vec<Ask<'a>>,
    pub(crate) answers: Vec<Answer<'a>>,
    /// When it was told that the shard ended.
    pub(crate) shard_ended_t: Option<u64>,
    /// When the last of its events happened.
    pub(crate) last_t: u64,
}

/// Records that were handed together.
pub(crate) struct Batch<'a> {
    pub(crate) t: u64,
    pub(crate) records: Vec<Record<'a>>,
    /// Whether it is the batch before it once more.
    pub(crate) is_repeat: bool,
}

/// A record that was handed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) place: &'a Place,
    pub(crate) digest: &'a str,
    /// Which of the shard's `puts` it is.
    pub(crate) put: Option<usize>,
}

/// A processor's wish for a checkpoint.
pub(crate) struct Ask<'a> {
    pub(crate) t: u64,
    pub(crate) place: Option<&'a Place>,
    /// The last record that had been handed by then.
    pub(crate) handed: Option<&'a Place>,
}

/// What a processor was told of its wish.
pub(crate) struct Answer<'a> {
    pub(crate) t: u64,
    pub(crate) place: Option<&'a Place>,
    pub(crate) handed: Option<&'a Place>,
    pub(crate) error: Option<&'a str>,
}

impl<'a> Tenure<'a> {
    /// A tenure that has just started.
    pub(crate) fn new(
        id: &'a str,
        worker: Option<&'a str>,
        shard: &'a str,
        started_t: u64,
        start: &'a Place,
    ) -> Self {
        Self {
            id,
            worker,
            shard,
            started_t,
            start,
            batches: Vec::new(),
            asks: Vec::new(),
            answers: Vec::new(),
            shard_ended_t: None,
            last_t: started_t,
        }
    }

    /// The last record handed so far.
    fn handed(&self) -> Option<&'a Place> {
        let records = self.batches.iter().rev().flat_map(|batch| batch.records.last());
        records.map(|record| record.place).next()
    }

    /// Notes the next event; `puts` are the shard's records in order.
    pub(crate) fn add(&mut self, event: &'a Event, puts: &[&'a Put]) {
        self.last_t = event.t().max(self.last_t);
        match event {
            Event::Start { .. } => {}
            Event::Hand { t, records, .. } => {
                let mut guess = 0;
                let records: Vec<_> = records
                    .iter()
                    .map(|record| {
                        let (place, digest) = (&record.place, record.digest.as_str());
                        let put = find(puts, place, guess);
                        guess = put.map_or(guess, |put| put + 1);
                        Record { place, digest, put }
                    })
                    .collect();
                let is_same = |last: &Batch<'_>| !records.is_empty() && last.records == records;
                let is_repeat = self.batches.last().is_some_and(is_same);
                self.batches.push(Batch { t: *t, records, is_repeat });
            }
            Event::Ask { t, place, .. } => {
                let handed = self.handed();
                self.asks.push(Ask { t: *t, place: place.as_ref(), handed });
            }
            Event::Answer { t, place, error, .. } => {
                // An answer speaks of what had been handed when it was asked for.
                let handed = self.asks.last().map_or(self.handed(), |ask| ask.handed);
                let (place, error) = (place.as_ref(), error.as_deref());
                self.answers.push(Answer { t: *t, place, handed, error });
            }
            Event::End { t, why, .. } => match why {
                Why::ShardEnded => {
                    self.shard_ended_t.get_or_insert(*t);
                }
                Why::LeaseLost | Why::ShutdownRequested => {}
            },
        }
    }
}

/// The index of the record at `place`; `guess` is tried first, since records come in a row.
fn find(puts: &[&Put], place: &Place, guess: usize) -> Option<usize> {
    if puts.get(guess).is_some_and(|put| put.place == *place) {
        return Some(guess);
    }
    puts.binary_search_by(|put| put.place.cmp(place)).ok()
}
