//! Journals, put in order and linked: which record a hand-over is of, which rows a shard had.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{Event, Put};
use crate::journals::Journals;
use crate::place::Place;
use crate::row::Row;
use crate::tenure::Tenure;
use crate::verdict::{Invariant, Violation};

/// A run, as far as journals show it.
#[derive(Default)]
pub(crate) struct History<'a> {
    pub(crate) shards: BTreeMap<&'a str, ShardHistory<'a>>,
    /// In the order of their starts.
    pub(crate) tenures: Vec<Tenure<'a>>,
    pub(crate) producer_had_errors: bool,
    /// Where the journals contradict themselves.
    pub(crate) contradictions: Vec<Violation>,
}

/// One shard.
#[derive(Default)]
pub(crate) struct ShardHistory<'a> {
    pub(crate) parents: Vec<&'a str>,
    pub(crate) children: Vec<&'a str>,
    /// Its records in order.
    pub(crate) puts: Vec<&'a Put>,
    /// When each of `puts` was handed for the first time, and at which position of its batch.
    pub(crate) first_hands: Vec<Option<FirstHand>>,
    /// Indices into `History::tenures`, in the order of their starts.
    pub(crate) tenures: Vec<usize>,
    /// The writes to its lease in the order of application.
    pub(crate) writes: Vec<Write<'a>>,
    /// The first of `puts` that the application had to process.
    pub(crate) first_due: usize,
}

/// The first time that a record was handed; ordered by time, then by position in a batch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FirstHand {
    pub(crate) t: u64,
    pub(crate) position: usize,
}

/// A write to a lease.
pub(crate) struct Write<'a> {
    pub(crate) t: u64,
    pub(crate) before: Option<&'a Row>,
    pub(crate) after: Option<&'a Row>,
    /// Its place among the writes to all leases.
    pub(crate) number: usize,
}

impl<'a> History<'a> {
    pub(crate) fn new(journals: &'a Journals) -> Self {
        let producer_had_errors = journals.producer_had_errors;
        let mut history = Self { producer_had_errors, ..Self::default() };
        history.link_shards(journals);
        history.link_puts(journals);
        history.link_writes(journals);
        for events in &journals.hand_overs {
            history.link_hand_overs(events);
        }
        history.order_tenures();
        history.look_for_unlisted_shards(journals);
        for shard in history.shards.values_mut() {
            shard.find_first_hands(&history.tenures);
            shard.first_due = shard.first_due(&history.tenures);
        }
        history
    }

    /// The history of a shard that some journal names.
    pub(crate) fn shard(&self, id: &str) -> &ShardHistory<'a> {
        self.shards.get(id).expect("every shard that a journal names has a history")
    }

    /// The tenures of a shard, in the order of their starts.
    pub(crate) fn tenures_of<'b>(
        &'b self,
        shard: &'b ShardHistory<'a>,
    ) -> impl Iterator<Item = &'b Tenure<'a>> {
        shard.tenures.iter().map(|tenure| &self.tenures[*tenure])
    }

    fn contradiction(&mut self, shard: &str, text: String) {
        let invariant = Invariant::Journals;
        self.contradictions.push(Violation { invariant, shard: shard.to_owned(), text });
    }

    fn link_shards(&mut self, journals: &'a Journals) {
        for shard in &journals.shards {
            let parents = shard.parents.iter().map(String::as_str);
            self.shards.entry(&shard.shard).or_default().parents = parents.clone().collect();
            for parent in parents {
                self.shards.entry(parent).or_default().children.push(&shard.shard);
            }
        }
    }

    fn link_puts(&mut self, journals: &'a Journals) {
        for put in &journals.puts {
            self.shards.entry(&put.shard).or_default().puts.push(put);
        }
        for shard in self.shards.values_mut() {
            shard.puts.sort_by(|left, right| left.place.cmp(&right.place));
            shard.first_hands = vec![None; shard.puts.len()];
        }
        let repeated: Vec<&Put> = self
            .shards
            .values()
            .flat_map(|shard| shard.puts.windows(2))
            .filter(|pair| pair[0].place == pair[1].place)
            .map(|pair| pair[1])
            .collect();
        for put in repeated {
            self.contradiction(&put.shard, format!("two records were put at {}", put.place));
        }
    }

    fn link_writes(&mut self, journals: &'a Journals) {
        let mut latest = 0;
        for (number, write) in journals.lease_writes.iter().enumerate() {
            // The order of the journal is the order of application; a clock read beside it may lag.
            latest = write.t.max(latest);
            let (before, after) = (write.before.as_ref(), write.after.as_ref());
            if before.is_none() && after.is_none() {
                continue;
            }
            let shard = write.key.rsplit(':').next().unwrap_or(&write.key);
            let writes = &mut self.shards.entry(shard).or_default().writes;
            let is_continued = writes.last().is_none_or(|last| last.after == before);
            writes.push(Write { t: latest, before, after, number });
            if !is_continued {
                self.contradiction(shard, "the row changed between two writes".to_owned());
            }
        }
    }

    fn link_hand_overs(&mut self, events: &'a [Event]) {
        let mut running: BTreeMap<&str, usize> = BTreeMap::new();
        for event in events {
            if let Event::Start { t, tenure, worker, shard, place } = event {
                self.shards.entry(shard).or_default();
                running.insert(tenure, self.tenures.len());
                self.tenures.push(Tenure::new(tenure, worker.as_deref(), shard, *t, place));
                continue;
            }
            let Some(tenure) = running.get(event.tenure()) else {
                let text = format!("tenure `{}` goes on without a start", event.tenure());
                self.contradiction("", text);
                continue;
            };
            let tenure = &mut self.tenures[*tenure];
            let puts = &self.shards[tenure.shard].puts;
            tenure.add(event, puts);
        }
    }

    fn look_for_unlisted_shards(&mut self, journals: &Journals) {
        let listed: BTreeSet<&str> =
            journals.shards.iter().map(|shard| shard.shard.as_str()).collect();
        let unlisted: Vec<&str> = self
            .shards
            .iter()
            .filter(|(id, shard)| !listed.contains(*id) && shard.was_used())
            .map(|(id, _)| *id)
            .collect();
        for id in unlisted {
            self.contradiction(id, "the list of shards lacks it".to_owned());
        }
    }

    fn order_tenures(&mut self) {
        self.tenures.sort_by_key(|tenure| tenure.started_t);
        let mut known: BTreeMap<&str, &str> = BTreeMap::new();
        let mut repeated = Vec::new();
        for (index, tenure) in self.tenures.iter().enumerate() {
            if known.insert(tenure.id, tenure.shard).is_some() {
                repeated.push((tenure.shard, format!("tenure `{}` starts twice", tenure.id)));
            }
            let shard = self.shards.get_mut(tenure.shard).expect("made when the tenure was read");
            shard.tenures.push(index);
        }
        for (shard, text) in repeated {
            self.contradiction(shard, text);
        }
    }
}

impl<'a> ShardHistory<'a> {
    fn was_used(&self) -> bool {
        !(self.puts.is_empty() && self.tenures.is_empty() && self.writes.is_empty())
    }

    /// The index of the first record after `place`.
    pub(crate) fn first_after(&self, place: &Place) -> usize {
        self.puts.partition_point(|put| put.place <= *place)
    }

    /// The writes that changed the checkpoint of a row that was there before.
    pub(crate) fn checkpoints(&self) -> impl Iterator<Item = (&Write<'a>, &'a Row, &'a Row)> {
        self.writes.iter().filter_map(|write| {
            let (before, after) = (write.before?, write.after?);
            (before.checkpoint != after.checkpoint).then_some((write, before, after))
        })
    }

    /// The first write that marked the shard as ended; its time is 0 if that was before the
    /// journal begins.
    pub(crate) fn ended_t(&self) -> Option<u64> {
        let is_end = |row: &Row| row.checkpoint == Place::ShardEnd;
        if self.writes.first()?.before.is_some_and(is_end) {
            return Some(0);
        }
        self.writes.iter().find(|write| write.after.is_some_and(is_end)).map(|write| write.t)
    }

    /// The row's checkpoint at a time; none while there is no row.
    pub(crate) fn checkpoint_at(&self, t: u64) -> Option<&'a Place> {
        let applied = self.writes.partition_point(|write| write.t <= t);
        let row = match applied.checked_sub(1) {
            Some(last) => self.writes[last].after,
            None => self.writes.first()?.before,
        };
        row.map(|row| &row.checkpoint)
    }

    fn find_first_hands(&mut self, tenures: &[Tenure<'a>]) {
        for tenure in &self.tenures {
            for batch in &tenures[*tenure].batches {
                for (position, record) in batch.records.iter().enumerate() {
                    let Some(put) = record.put else { continue };
                    let hand = FirstHand { t: batch.t, position };
                    let first = self.first_hands[put].get_or_insert(hand);
                    *first = hand.min(*first);
                }
            }
        }
    }

    /// Where the application had to begin: at the first checkpoint that the row or, without rows,
    /// a tenure had.
    ///
    /// Which record LATEST and AT_TIMESTAMP meant is in no journal, so there it is the first one
    /// that was handed at all.
    fn first_due(&self, tenures: &[Tenure<'a>]) -> usize {
        let first_row = self.writes.first().and_then(|write| write.before.or(write.after));
        let first_tenure = self.tenures.first().map(|tenure| tenures[*tenure].start);
        let start = first_row.map(|row| &row.checkpoint).or(first_tenure);
        match start {
            None | Some(Place::TrimHorizon) => 0,
            Some(place @ (Place::At(..) | Place::ShardEnd)) => self.first_after(place),
            Some(Place::Latest | Place::AtTimestamp) => {
                let handed = self.first_hands.iter().position(Option::is_some);
                handed.unwrap_or(self.puts.len())
            }
        }
    }
}
