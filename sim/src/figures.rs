//! How long it takes until someone goes on: figures from a run's journals.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use shardwise_referee::{Event, Journals, LeaseWrite, Place, Why, WorkerEvent};

/// What the runs of a kind came to. What never happened counts as if it had at the run's end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// For each lease of a worker that was killed: until another one handed a batch of its shard.
    pub takeovers: Vec<Duration>,
    /// For each lease that was released in order: from then, or from the next record if that comes
    /// later, until another worker handed a batch.
    pub handovers: Vec<Duration>,
    /// For each tenure that a kill ended: what of it came to the next one again.
    pub repeated: Vec<Repeated>,
    /// For each lease that was released in order: the same.
    pub repeated_in_order: Vec<Repeated>,
}

/// Records of one tenure that came to the next one again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Repeated {
    /// All of them.
    pub records: u64,
    /// Those that were not in the batch that the first tenure was handed last: a processor that
    /// checkpoints each batch had a checkpoint at them.
    pub before_the_last_batch: u64,
}

/// How many leases were lost from a moment on, in a run in which nobody has a reason to take one.
#[must_use]
pub fn needless_losses(journals: &Journals, from: Duration) -> usize {
    let ends = |wanted: Why| {
        let events = journals.hand_overs.iter().flatten();
        events.filter_map(move |event| match event {
            Event::End { t, tenure, why } if *why == wanted => Some((*t, tenure)),
            Event::End { .. }
            | Event::Start { .. }
            | Event::Hand { .. }
            | Event::Ask { .. }
            | Event::Answer { .. }
            | Event::Prepare { .. }
            | Event::Prepared { .. }
            | Event::Done { .. } => None,
        })
    };
    // A processor is told that the lease goes at a stop as well.
    let stopped: BTreeSet<_> = ends(Why::ShutdownRequested).map(|(_, tenure)| tenure).collect();
    let lost = ends(Why::LeaseLost).filter(|(t, _)| u128::from(*t) >= from.as_micros());
    lost.filter(|(_, tenure)| !stopped.contains(tenure)).count()
}

/// How a tenure ended that another one followed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Killed,
    InOrder,
}

impl Figures {
    /// The figures of one run.
    #[must_use]
    pub fn of(journals: &Journals) -> Self {
        let mut figures = Self::default();
        let starts = starts(journals);
        let hands = Hands::new(journals, &starts);
        for event in &journals.workers {
            let WorkerEvent::Killed { t, worker } = event else { continue };
            for key in held(&journals.lease_writes, worker, *t) {
                figures.takeovers.push(hands.next_of_another(key, worker, *t));
            }
        }
        for write in journals.lease_writes.iter().filter(|write| write.t < hands.end) {
            let Some((worker, checkpoint)) = released(write) else { continue };
            if *checkpoint == Place::ShardEnd {
                continue;
            }
            let left = journals.puts.iter().filter(|put| put.shard == write.key);
            let next = left.filter(|put| put.place > *checkpoint).map(|put| put.t).min();
            let from = next.unwrap_or(hands.end).max(write.t);
            figures.handovers.push(hands.next_of_another(&write.key, worker, from));
        }
        figures.count_repeated(journals, &starts);
        figures
    }

    /// Another run's figures on top.
    pub fn merge(&mut self, other: Self) {
        self.takeovers.extend(other.takeovers);
        self.handovers.extend(other.handovers);
        self.repeated.extend(other.repeated);
        self.repeated_in_order.extend(other.repeated_in_order);
    }

    /// Compares the records of each tenure with those of the one that followed it.
    fn count_repeated(&mut self, journals: &Journals, starts: &Starts<'_>) {
        let mut handed = BTreeMap::<&str, BTreeSet<&Place>>::new();
        let mut last_batch = BTreeMap::<&str, BTreeSet<&Place>>::new();
        for event in journals.hand_overs.iter().flatten() {
            if let Event::Hand { tenure, records, .. } = event {
                let places = records.iter().map(|record| &record.place);
                handed.entry(tenure).or_default().extend(places.clone());
                last_batch.insert(tenure, places.collect());
            }
        }
        let nothing = BTreeSet::new();
        for (shard, starts) in starts {
            let tenures: Vec<_> = starts.iter().collect();
            for pair in tenures.windows(2) {
                let ((from, (worker, tenure)), (until, (_, next))) = (pair[0], pair[1]);
                let all = |tenure: &str| handed.get(tenure).unwrap_or(&nothing);
                let again: BTreeSet<_> = all(tenure).intersection(all(next)).copied().collect();
                let last = last_batch.get(tenure).unwrap_or(&nothing);
                let repeated = Repeated {
                    records: again.len() as u64,
                    before_the_last_batch: again.difference(last).count() as u64,
                };
                match end_of(journals, shard, worker, *from..*until) {
                    Some(End::Killed) => self.repeated.push(repeated),
                    Some(End::InOrder) => self.repeated_in_order.push(repeated),
                    None => {}
                }
            }
        }
    }
}

/// For each shard, when it was handed a batch, and by which worker.
struct Hands<'a> {
    shards: BTreeMap<&'a str, Vec<(u64, &'a str)>>,
    /// When the run is over.
    end: u64,
}

impl<'a> Hands<'a> {
    fn new(journals: &'a Journals, starts: &Starts<'a>) -> Self {
        let tenures = starts.iter().flat_map(|(shard, starts)| {
            starts.values().map(|(worker, tenure)| (*tenure, (*shard, *worker)))
        });
        let tenures: BTreeMap<_, _> = tenures.collect();
        let mut shards = BTreeMap::<_, Vec<_>>::new();
        for event in journals.hand_overs.iter().flatten() {
            if let Event::Hand { t, tenure, .. } = event
                && let Some((shard, worker)) = tenures.get(&**tenure)
            {
                shards.entry(*shard).or_default().push((*t, *worker));
            }
        }
        let end = journals.terms.as_ref().map_or(u64::MAX, |terms| terms.quiet_until);
        Self { shards, end }
    }

    /// How long it was from a moment until another worker handed a batch of a shard.
    fn next_of_another(&self, shard: &str, worker: &str, from: u64) -> Duration {
        let mut hands = self.shards.get(shard).into_iter().flatten();
        let next = hands.find(|(t, other)| *t >= from && *other != worker);
        let t = next.map_or(self.end, |(t, _)| *t);
        Duration::from_micros(t.saturating_sub(from))
    }
}

/// For each shard, when processors started: by which worker, under which tenure.
type Starts<'a> = BTreeMap<&'a str, BTreeMap<u64, (&'a str, &'a str)>>;

fn starts(journals: &Journals) -> Starts<'_> {
    let mut starts = Starts::new();
    for event in journals.hand_overs.iter().flatten() {
        if let Event::Start { t, tenure, worker: Some(worker), shard, .. } = event {
            starts.entry(shard).or_default().insert(*t, (worker, tenure));
        }
    }
    starts
}

/// How a worker's hold of a shard's lease ended in a span of time, if by a kill or a release.
fn end_of(journals: &Journals, shard: &str, name: &str, span: Range<u64>) -> Option<End> {
    let is_killed = journals.workers.iter().any(|event| {
        matches!(event, WorkerEvent::Killed { t, worker } if worker == name && span.contains(t))
    });
    let mut writes = journals.lease_writes.iter();
    let is_released = writes.any(|write| {
        let owner = released(write).map(|(owner, _)| owner);
        write.key == shard && span.contains(&write.t) && owner == Some(name)
    });
    match (is_killed, is_released) {
        (true, false) => Some(End::Killed),
        (false, true) => Some(End::InOrder),
        (true, true) | (false, false) => None,
    }
}

/// The leases of unfinished shards that a worker held at a moment.
fn held<'a>(writes: &'a [LeaseWrite], worker: &str, t: u64) -> Vec<&'a str> {
    let mut rows = BTreeMap::new();
    for write in writes.iter().take_while(|write| write.t <= t) {
        rows.insert(&*write.key, write.after.as_ref());
    }
    let mine = rows.into_iter().filter_map(|(key, row)| Some((key, row?)));
    let mine = mine.filter(|(_, row)| row.owner.as_deref() == Some(worker));
    mine.filter(|(_, row)| row.checkpoint != Place::ShardEnd).map(|(key, _)| key).collect()
}

/// Who gave a lease up by a write, and at which checkpoint.
fn released(write: &LeaseWrite) -> Option<(&str, &Place)> {
    let (before, after) = (write.before.as_ref()?, write.after.as_ref()?);
    let owner = before.owner.as_deref()?;
    after.owner.is_none().then_some((owner, &after.checkpoint))
}

#[cfg(test)]
mod tests {
    use shardwise_referee::{Handed, Put, Row, Terms};

    use super::*;
    use crate::plan::Plan;
    use crate::run::run;

    const END: u64 = 60_000_000;

    fn place(number: u64) -> Place {
        Place::parse(&number.to_string(), 0).unwrap()
    }

    fn row(owner: Option<&str>, checkpoint: u64) -> Row {
        let owner = owner.map(str::to_owned);
        Row { holder: owner.clone(), owner, checkpoint: place(checkpoint), ..Row::default() }
    }

    fn write(seconds: u64, before: Row, after: Row) -> LeaseWrite {
        let (t, key) = (1_000_000 * seconds, "s".to_owned());
        LeaseWrite { t, key, before: Some(before), after: Some(after), ..LeaseWrite::default() }
    }

    fn start(seconds: u64, worker: &str) -> Event {
        Event::Start {
            t: 1_000_000 * seconds,
            tenure: format!("{worker}/1"),
            worker: Some(worker.to_owned()),
            shard: "s".to_owned(),
            place: place(0),
            pending: None,
        }
    }

    fn hand(seconds: u64, worker: &str, numbers: Range<u64>) -> Event {
        let handed = |number| Handed { place: place(number), digest: String::new() };
        let tenure = format!("{worker}/1");
        Event::Hand { t: 1_000_000 * seconds, tenure, records: numbers.map(handed).collect() }
    }

    fn put(seconds: u64, number: u64) -> Put {
        Put {
            t: 1_000_000 * seconds,
            shard: "s".to_owned(),
            place: place(number),
            key: String::new(),
            digest: String::new(),
        }
    }

    /// Worker `a` is killed at 10 s, and `b` has taken its lease at 25 s.
    fn killed(then: Vec<Event>) -> Figures {
        let mut events = vec![start(1, "a"), hand(2, "a", 1..4), hand(9, "a", 4..6)];
        events.push(start(25, "b"));
        events.extend(then);
        let worker = "a".to_owned();
        Figures::of(&Journals {
            hand_overs: vec![events],
            lease_writes: vec![
                write(1, row(None, 0), row(Some("a"), 0)),
                write(25, row(Some("a"), 3), row(Some("b"), 3)),
            ],
            workers: vec![WorkerEvent::Killed { t: 10_000_000, worker }],
            terms: Some(Terms { quiet_until: END, ..Terms::default() }),
            ..Journals::default()
        })
    }

    /// Worker `a` releases its lease at 10 s, and `b` hands its next record, put at `seconds`.
    fn released_and_put(seconds: u64) -> Figures {
        Figures::of(&Journals {
            hand_overs: vec![vec![start(1, "a"), start(11, "b"), hand(14, "b", 4..5)]],
            puts: vec![put(1, 3), put(seconds, 4)],
            lease_writes: vec![write(10, row(Some("a"), 3), row(None, 3))],
            terms: Some(Terms { quiet_until: END, ..Terms::default() }),
            ..Journals::default()
        })
    }

    #[test]
    fn a_takeover_lasts_until_a_batch_is_handed_or_to_the_end() {
        let seconds = |figures: Figures| figures.takeovers[0].as_secs();
        assert_eq!(seconds(killed(vec![hand(30, "b", 4..6)])), 20);
        assert_eq!(seconds(killed(Vec::new())), 50);
    }

    #[test]
    fn a_handover_counts_from_the_release_or_from_the_next_record() {
        assert_eq!(released_and_put(5).handovers, [Duration::from_secs(4)]);
        assert_eq!(released_and_put(13).handovers, [Duration::from_secs(1)]);
    }

    #[test]
    fn what_comes_again_beyond_the_batch_in_hand_is_told_apart() {
        let repeated = |from| killed(vec![hand(30, "b", from..9)]).repeated;
        assert_eq!(repeated(4), [Repeated { records: 2, before_the_last_batch: 0 }]);
        assert_eq!(repeated(2), [Repeated { records: 4, before_the_last_batch: 2 }]);
    }

    #[test]
    fn kills_and_stops_of_a_run_give_a_figure_for_each_lease() {
        let plan = Plan::figures(1);
        let figures = Figures::of(&run(plan, false).journals);
        assert!(!figures.takeovers.is_empty() && !figures.handovers.is_empty());
        assert!(!figures.repeated.is_empty() && !figures.repeated_in_order.is_empty());
        let longest = figures.takeovers.iter().max().unwrap();
        assert!(*longest > Duration::from_secs(10), "a lease lives until it expires: {longest:?}");
    }
}
