//! What one record processor saw of one shard, linked to the records that were put.

use crate::event::{Event, Why};
use crate::place::Place;
use crate::put::Put;

/// What one record processor saw of one shard.
pub(crate) struct Tenure<'a> {
    pub(crate) id: &'a str,
    pub(crate) worker: Option<&'a str>,
    pub(crate) shard: &'a str,
    pub(crate) started_t: u64,
    pub(crate) start: &'a Place,
    /// When its processor returned from its start; where that is not written down, the start.
    pub(crate) initialized_t: Option<u64>,
    /// The prepared checkpoint that it was given.
    pub(crate) pending: Option<&'a Place>,
    pub(crate) batches: Vec<Batch<'a>>,
    pub(crate) asks: Vec<Ask<'a>>,
    pub(crate) answers: Vec<Answer<'a>>,
    /// What it was told of the checkpoints that it prepared.
    pub(crate) prepared: Vec<Answer<'a>>,
    /// When it was told that the shard ended.
    pub(crate) shard_ended_t: Option<u64>,
    /// When, told that its worker stops, it had made a checkpoint at all it had been handed.
    pub(crate) orderly_end: Option<u64>,
    /// When it was refused a checkpoint for good, and when it was handed something after that.
    pub(crate) handed_after_refusal: Option<(u64, u64)>,
    /// When the last of its events happened.
    pub(crate) last_t: u64,
    progress: Progress<'a>,
    preparing: Option<Wish<'a>>,
}

/// Records that were handed together.
pub(crate) struct Batch<'a> {
    pub(crate) t: u64,
    pub(crate) records: Vec<Record<'a>>,
    /// Whether it is the batch before it once more.
    pub(crate) is_repeat: bool,
    /// How the processor returned from it, where that is known.
    pub(crate) done: Option<Done>,
}

/// A return from a call.
#[derive(Clone, Copy)]
pub(crate) struct Done {
    pub(crate) t: u64,
    pub(crate) failed: bool,
}

/// A record that was handed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) place: &'a Place,
    pub(crate) digest: &'a str,
    /// Which of the shard's `puts` it is.
    pub(crate) put: Option<usize>,
}

/// Which checkpoint a processor wished for.
#[derive(Clone, Copy)]
pub(crate) struct Wish<'a> {
    /// What it named; none means what it was handed.
    pub(crate) place: Option<&'a Place>,
    /// The last record that had been handed by then.
    pub(crate) handed: Option<&'a Place>,
    /// If the batch handed last had failed: the last record of those before.
    settled: Option<&'a Place>,
}

/// A processor's wish for a checkpoint.
pub(crate) struct Ask<'a> {
    pub(crate) t: u64,
    pub(crate) wish: Wish<'a>,
}

/// What a processor was told of its wish.
pub(crate) struct Answer<'a> {
    pub(crate) t: u64,
    pub(crate) wish: Wish<'a>,
    pub(crate) error: Option<&'a str>,
}

/// How far a tenure has come while its events are read.
#[derive(Default)]
struct Progress<'a> {
    handed: Option<&'a Place>,
    /// Which of the shard's records is likely to be handed next.
    next_put: usize,
    /// The last record of the batches that did not fail.
    settled: Option<&'a Place>,
    has_failed: bool,
    /// Whether a batch is out, and not the call that ends the tenure.
    is_batch_out: bool,
    refused_t: Option<u64>,
    is_stopping: bool,
}

impl<'a> Wish<'a> {
    /// Which place it means, in a tenure that began at `start`. Without a place, a batch that
    /// failed is not meant, unless the application passes over such batches (`skips`).
    pub(crate) fn means(&self, start: &'a Place, skips: bool) -> &'a Place {
        let settled = self.settled.filter(|_| !skips);
        self.place.or(settled).or(self.handed).unwrap_or(start)
    }

    /// Which places it may mean, whatever the application does with a batch that failed.
    pub(crate) fn meant(&self, start: &'a Place) -> impl Iterator<Item = &'a Place> {
        let first = self.place.or(self.handed).unwrap_or(start);
        let second = self.settled.filter(|_| self.place.is_none());
        std::iter::once(first).chain(second)
    }

    fn is_all(&self) -> bool {
        match self.place {
            Some(place) => self.handed == Some(place),
            None => self.settled.is_none(),
        }
    }
}

impl<'a> Tenure<'a> {
    /// The tenure that a start begins; none if the event is another.
    pub(crate) fn of(event: &'a Event) -> Option<Self> {
        let Event::Start { t, tenure, worker, shard, place, pending } = event else { return None };
        Some(Self {
            id: tenure,
            worker: worker.as_deref(),
            shard,
            started_t: *t,
            start: place,
            initialized_t: None,
            pending: pending.as_ref(),
            batches: Vec::new(),
            asks: Vec::new(),
            answers: Vec::new(),
            prepared: Vec::new(),
            shard_ended_t: None,
            orderly_end: None,
            handed_after_refusal: None,
            last_t: *t,
            progress: Progress::default(),
            preparing: None,
        })
    }

    /// Notes the next event; `puts` are the shard's records in order.
    pub(crate) fn add(&mut self, event: &'a Event, puts: &[&'a Put]) {
        self.last_t = event.t().max(self.last_t);
        match event {
            Event::Start { .. } => {}
            Event::Hand { t, records, .. } => {
                let mut guess = self.progress.next_put;
                let records: Vec<_> = records
                    .iter()
                    .map(|record| {
                        let (place, digest) = (&record.place, record.digest.as_str());
                        let put = find(puts, place, guess);
                        guess = put.map_or(guess, |put| put + 1);
                        Record { place, digest, put }
                    })
                    .collect();
                self.progress.next_put = guess;
                self.hand(*t, records);
            }
            Event::Ask { t, place, .. } => {
                let wish = self.wish(place.as_ref());
                self.asks.push(Ask { t: *t, wish });
            }
            Event::Answer { t, place, error, .. } => {
                // An answer speaks of what had been handed when it was asked for.
                let asked = self.asks.last().map(|ask| ask.wish);
                let answer = self.answer(*t, place.as_ref(), error.as_deref(), asked);
                if self.progress.is_stopping && answer.error.is_none() && answer.wish.is_all() {
                    self.orderly_end = Some(answer.t);
                }
                self.answers.push(answer);
            }
            Event::Prepare { place, .. } => self.preparing = Some(self.wish(place.as_ref())),
            Event::Prepared { t, place, error, .. } => {
                let asked = self.preparing.take();
                let answer = self.answer(*t, place.as_ref(), error.as_deref(), asked);
                self.prepared.push(answer);
            }
            Event::End { t, why, .. } => {
                self.progress.is_batch_out = false;
                match why {
                    Why::ShardEnded => {
                        self.shard_ended_t.get_or_insert(*t);
                    }
                    Why::ShutdownRequested => self.progress.is_stopping = true,
                    Why::LeaseLost => {}
                }
            }
            Event::Done { t, error, .. } => self.done(Done { t: *t, failed: error.is_some() }),
        }
    }

    /// Whether a batch that failed was passed over, and not handed again.
    pub(crate) fn skips(&self) -> bool {
        let is_skipped = |pair: &[Batch<'_>]| {
            let has_failed = pair[0].done.is_some_and(|done| done.failed);
            has_failed && !pair[0].records.is_empty() && !pair[1].is_repeat
        };
        self.batches.windows(2).any(is_skipped)
    }

    fn hand(&mut self, t: u64, records: Vec<Record<'a>>) {
        self.initialized_t.get_or_insert(self.started_t);
        let is_same = |last: &Batch<'_>| !records.is_empty() && last.records == records;
        let is_repeat = self.batches.last().is_some_and(is_same);
        if let Some(last) = records.last() {
            self.progress.handed = Some(last.place);
        }
        self.progress.has_failed = false;
        self.progress.is_batch_out = true;
        if let Some(refused_t) = self.progress.refused_t {
            self.handed_after_refusal.get_or_insert((refused_t, t));
        }
        self.batches.push(Batch { t, records, is_repeat, done: None });
    }

    fn done(&mut self, done: Done) {
        self.initialized_t.get_or_insert(done.t);
        if !std::mem::take(&mut self.progress.is_batch_out) {
            return;
        }
        if let Some(batch) = self.batches.last_mut() {
            batch.done = Some(done);
        }
        self.progress.has_failed = done.failed;
        if !done.failed {
            self.progress.settled = self.progress.handed;
        }
    }

    fn wish(&self, place: Option<&'a Place>) -> Wish<'a> {
        let Progress { handed, settled, has_failed, .. } = self.progress;
        let settled = has_failed.then(|| settled.unwrap_or(self.start));
        Wish { place, handed, settled }
    }

    fn answer(
        &mut self,
        t: u64,
        place: Option<&'a Place>,
        error: Option<&'a str>,
        asked: Option<Wish<'a>>,
    ) -> Answer<'a> {
        if error == Some("ShutdownException") {
            self.progress.refused_t.get_or_insert(t);
        }
        let wish = asked.unwrap_or_else(|| self.wish(None));
        Answer { t, wish: Wish { place, ..wish }, error }
    }
}

/// The index of the record at `place`; `guess` is tried first, since records come in a row.
fn find(puts: &[&Put], place: &Place, guess: usize) -> Option<usize> {
    if puts.get(guess).is_some_and(|put| put.place == *place) {
        return Some(guess);
    }
    puts.binary_search_by(|put| put.place.cmp(place)).ok()
}
