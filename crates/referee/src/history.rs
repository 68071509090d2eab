//! Journals, put in order and linked: which record a hand-over is of, which rows a shard had.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::Event;
use crate::fleet::Fleet;
use crate::invariant::Invariant;
use crate::journals::Journals;
use crate::put::Put;
use crate::reason::{KeptBy, Reason};
use crate::row::LeaseWrite;
use crate::shard::ShardHistory;
use crate::tenure::Tenure;
use crate::terms::Terms;
use crate::verdict::Violation;

/// A run, as far as journals show it.
#[derive(Default)]
pub(crate) struct History<'a> {
    pub(crate) shards: BTreeMap<&'a str, ShardHistory<'a>>,
    /// In the order of their starts.
    pub(crate) tenures: Vec<Tenure<'a>>,
    pub(crate) fleet: Fleet<'a>,
    pub(crate) terms: Option<&'a Terms>,
    /// When a worker named a reason to hand nothing of a shard; none if nobody asked.
    reasons: Option<BTreeMap<&'a str, BTreeMap<&'a str, Vec<u64>>>>,
    /// Writes to rows that are no leases.
    pub(crate) foreign: Vec<&'a LeaseWrite>,
    pub(crate) producer_had_errors: bool,
    /// Whether journals say which worker sent a write.
    pub(crate) knows_senders: bool,
    /// Whether journals say when a processor returned.
    pub(crate) knows_returns: bool,
    /// Whether a batch that failed was passed over somewhere.
    pub(crate) skips: bool,
    /// How long the stream keeps a record.
    pub(crate) retention: Option<u64>,
    /// Whether journals say where the application may have lost records to retention.
    pub(crate) knows_gaps: bool,
    /// Where the journals contradict themselves.
    pub(crate) contradictions: Vec<Violation>,
}

/// What an invariant needs to be judged, beside what every run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Which worker sent a write.
    Senders,
    /// When processors returned.
    Returns,
    /// The times that the application was given.
    Terms,
    /// What happened to the workers.
    Workers,
    /// What the workers said of shards that were handed nothing.
    Reasons,
}

impl<'a> History<'a> {
    pub(crate) fn new(journals: &'a Journals) -> Self {
        let mut history = Self {
            producer_had_errors: journals.producer_had_errors,
            terms: journals.terms.as_ref(),
            fleet: Fleet::new(&journals.workers),
            knows_senders: journals.lease_writes.iter().any(|write| write.by.is_some()),
            retention: journals.retention,
            knows_gaps: journals.gaps.is_some(),
            ..Self::default()
        };
        history.link_reasons(journals);
        history.link_shards(journals);
        history.link_delisted(journals);
        history.link_puts(journals);
        history.link_gaps(journals);
        history.link_writes(journals);
        for events in &journals.hand_overs {
            history.link_hand_overs(events);
        }
        history.skips = history.tenures.iter().any(Tenure::skips);
        history.order_tenures();
        history.look_for_unlisted_shards(journals);
        for shard in history.shards.values_mut() {
            shard.link_hands(&history.tenures, journals.owed_from, journals.first_date);
        }
        history
    }

    /// Whether the journals have all of `evidence`.
    pub(crate) fn has(&self, evidence: &[Evidence]) -> bool {
        evidence.iter().all(|evidence| match evidence {
            Evidence::Senders => self.knows_senders,
            Evidence::Returns => self.knows_returns,
            Evidence::Terms => self.terms.is_some(),
            Evidence::Workers => self.fleet.is_known(),
            Evidence::Reasons => self.reasons.is_some(),
        })
    }

    /// The history of a shard that some journal names.
    pub(crate) fn shard(&self, id: &str) -> &ShardHistory<'a> {
        self.shards.get(id).expect("every shard that a journal names has a history")
    }

    /// The tenures of a shard, in the order of their starts.
    pub(crate) fn tenures_of<'b>(
        &'b self,
        shard: &'b ShardHistory<'a>,
    ) -> impl DoubleEndedIterator<Item = &'b Tenure<'a>> {
        shard.tenures.iter().map(|tenure| &self.tenures[*tenure])
    }

    /// When a worker named a reason to hand nothing of a shard, in order.
    pub(crate) fn reasons_of(&self, worker: &str, shard: &str) -> &[u64] {
        let reasons = self.reasons.as_ref().and_then(|all| all.get(worker)?.get(shard));
        reasons.map_or(&[], Vec::as_slice)
    }

    /// Whether a write is the application's own: where senders are known, an operator's are not.
    pub(crate) fn is_own(&self, by: Option<&str>) -> bool {
        by.is_some() || !self.knows_senders
    }

    fn contradiction(&mut self, shard: &str, text: String) {
        let invariant = Invariant::Journals;
        self.contradictions.push(Violation { invariant, shard: shard.to_owned(), text });
    }

    fn link_reasons(&mut self, journals: &'a Journals) {
        let (Some(said), Some(terms)) = (&journals.reasons, self.terms) else { return };
        let out_too_long = |worker: &str, since: u64, t: u64| {
            t - since > terms.call_max + self.fleet.paused_within(worker, since, t)
        };
        self.reasons = Some(reasons(said, out_too_long));
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

    fn link_delisted(&mut self, journals: &'a Journals) {
        for (shard, t) in &journals.delisted {
            self.shards.entry(shard).or_default().delisted_t = Some(*t);
        }
    }

    fn link_puts(&mut self, journals: &'a Journals) {
        for put in &journals.puts {
            self.shards.entry(&put.shard).or_default().puts.push(put);
        }
        for shard in self.shards.values_mut() {
            shard.puts.sort_by(|left, right| left.place.cmp(&right.place));
            shard.trimmed = vec![false; shard.puts.len()];
        }
        for (shard, place) in &journals.trimmed {
            let Some(shard) = self.shards.get_mut(shard.as_str()) else { continue };
            if let Ok(put) = shard.puts.binary_search_by(|put| put.place.cmp(place)) {
                shard.trimmed[put] = true;
            }
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

    fn link_gaps(&mut self, journals: &'a Journals) {
        for gap in journals.gaps.iter().flatten() {
            self.shards.entry(&gap.shard).or_default().gaps.push(gap);
        }
    }

    fn link_writes(&mut self, journals: &'a Journals) {
        let mut latest = 0;
        for (number, write) in journals.lease_writes.iter().enumerate() {
            // The order of the journal is the order of application; a clock read beside it may lag.
            latest = write.t.max(latest);
            if write.foreign.is_some() {
                self.foreign.push(write);
            }
            if write.before.is_none() && write.after.is_none() {
                continue;
            }
            let shard = write.key.rsplit(':').next().unwrap_or(&write.key);
            let lease = &mut self.shards.entry(shard).or_default().lease;
            if !lease.add(write, latest, number) {
                self.contradiction(shard, "the row changed between two writes".to_owned());
            }
        }
    }

    fn link_hand_overs(&mut self, events: &'a [Event]) {
        let mut running: BTreeMap<&str, usize> = BTreeMap::new();
        for event in events {
            if let Event::Start { tenure, shard, .. } = event {
                self.shards.entry(shard).or_default();
                running.insert(tenure, self.tenures.len());
                self.tenures.extend(Tenure::of(event));
                continue;
            }
            let Some(tenure) = running.get(event.tenure()) else {
                let text = format!("tenure `{}` goes on without a start", event.tenure());
                self.contradiction("", text);
                continue;
            };
            self.knows_returns |= matches!(event, Event::Done { .. });
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

    /// From when on each of a shard's tenures may have read its start, in the order of their
    /// starts: since the worker got the lease, or since the end of its last tenure of it. None if
    /// the worker had not got it.
    pub(crate) fn reads_since(&self, shard: &ShardHistory<'a>) -> Vec<Option<u64>> {
        let mut ended: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
        let since = |tenure: &Tenure<'a>| {
            let Some(worker) = tenure.worker else { return Some(0) };
            let taken_t = shard.lease.taken_before(worker, tenure.started_t);
            let earlier = ended.entry(worker).or_default();
            let before = earlier.iter().copied().filter(|t| *t <= tenure.started_t).max();
            earlier.push(tenure.last_t);
            Some(taken_t?.max(before.unwrap_or(0)))
        };
        self.tenures_of(shard).map(since).collect()
    }
}

/// When each worker named a reason for each shard. A failure is one when it is new, and no more
/// once the worker has had the time for another try; a call until it has been out too long, as far
/// as can be seen.
fn reasons(
    reasons: &[Reason],
    out_too_long: impl Fn(&str, u64, u64) -> bool,
) -> BTreeMap<&str, BTreeMap<&str, Vec<u64>>> {
    let mut times = BTreeMap::<_, BTreeMap<_, Vec<u64>>>::new();
    let (mut calls, mut failures) = (BTreeMap::new(), BTreeMap::new());
    for reason in reasons {
        let of = (reason.worker.as_str(), reason.shard.as_str());
        let counts = match reason.kept_by {
            KeptBy::Failures(times) => failures.insert(of, times) != Some(times),
            KeptBy::Call(began) => {
                let (call, since) = calls.entry(of).or_insert((began, reason.t));
                if *call != began {
                    (*call, *since) = (began, reason.t);
                }
                !out_too_long(of.0, *since, reason.t)
            }
        };
        if counts {
            times.entry(of.0).or_default().entry(of.1).or_default().push(reason.t);
        }
    }
    times
}
