//! Runs of many records, too many to be written as JSON first.

use shardwise_referee::{Event, Handed, Journals, LeaseWrite, Place, Put, Row, Shard};
use shardwise_referee::{Terms, Why, WorkerEvent, judge};

use crate::story::{FAILOVER, SECOND, WORKERS};

/// A run of many records: `TENURES` tenures of each shard,
/// each killed with a batch in hand that the next one gets again.
fn long_run(shards: usize, records: usize) -> Journals {
    const TENURES: usize = 25;
    const BATCH: usize = 500;
    let mut journals = Journals::default();
    let mut t = 0;
    let place = |nth: usize| Place::parse(&format!("{:056}", 49_000_000 + nth), 0).unwrap();
    let row = |worker: usize, counter: usize, checkpoint: &Place| Row {
        holder: Some(WORKERS[worker % WORKERS.len()].to_owned()),
        counter: counter as u64,
        checkpoint: checkpoint.clone(),
        ..Row::default()
    };
    for shard in (0..shards).map(|shard| format!("shardId-{shard:012}")) {
        journals.shards.push(Shard { shard: shard.clone(), parents: Vec::new() });
        journals.puts.extend((0..records).map(|nth| Put {
            t: 0,
            shard: shard.clone(),
            place: place(nth),
            key: format!("{shard}-{}", nth % 1000),
            digest: format!("{nth:032x}"),
        }));
        let (mut counter, mut done) = (0, 0);
        let mut checkpoint = Place::TrimHorizon;
        let mut last: Option<Row> = None;
        for worker in 0..TENURES {
            let mut write = |t: u64, checkpoint: &Place| {
                counter += 1;
                let (before, after) = (last.take(), Some(row(worker, counter, checkpoint)));
                last.clone_from(&after);
                let key = shard.clone();
                let write = LeaseWrite { t, key, before, after, ..LeaseWrite::default() };
                journals.lease_writes.push(write);
            };
            write(t, &checkpoint);
            let tenure = format!("{worker}-{shard}");
            let mut events = vec![Event::Start {
                t,
                tenure: tenure.clone(),
                worker: Some(WORKERS[worker % WORKERS.len()].to_owned()),
                shard: shard.clone(),
                place: checkpoint.clone(),
                pending: None,
            }];
            let end = records * (worker + 1) / TENURES;
            let mut next = done;
            while next < records && next < end + BATCH {
                t += 10;
                let batch = next..records.min(next + BATCH);
                next = batch.end;
                let digest = |nth: usize| format!("{nth:032x}");
                let records = batch.map(|nth| Handed { place: place(nth), digest: digest(nth) });
                let records = records.collect();
                events.push(Event::Hand { t, tenure: tenure.clone(), records });
                if next <= end {
                    (checkpoint, done) = (place(next - 1), next);
                    write(t, &checkpoint);
                }
            }
            journals.hand_overs.push(events);
        }
    }
    journals
}

#[test]
fn a_million_records_are_judged_without_a_quadratic_pass() {
    let journals = long_run(8, 125_000);
    let begun = std::time::Instant::now();
    let verdict = judge(&journals);
    let taken = begun.elapsed();
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!(verdict.counts.put, 1_000_000);
    assert_eq!(verdict.counts.tenures, 200);
    assert!(verdict.counts.duplicates > 50_000, "{verdict}");
    println!("{} records judged in {taken:?}", verdict.counts.put);
    // A quadratic pass over a shard's records takes hours.
    assert!(taken.as_secs() < 30, "{taken:?}");
}

/// How many shards a simulated hour has at a time, and how often each of them is followed by
/// another.
const SHARDS: u64 = 8;
const GENERATIONS: u64 = 3;
/// How long each shard is open, and how often a batch of it is handed.
const OPEN: u64 = 1_200 * SECOND;
const BATCH_INTERVAL: u64 = SECOND;
const BATCH: u64 = 4;
/// How long a worker has a shard before the next one takes it.
const TENURE: u64 = 100 * SECOND;

/// An hour as the simulation sees it, with all evidence: every shard passes from worker to worker,
/// and ends; two checkpoints a batch.
#[derive(Default)]
struct Hour {
    journals: Journals,
    row: Option<Row>,
    events: Vec<Event>,
    tenure: String,
    next: u64,
}

fn id(generation: u64, shard: u64) -> String {
    format!("shardId-{:012}", generation * SHARDS + shard)
}

fn place(nth: u64) -> Place {
    Place::parse(&format!("{:056}", 49_000_000 + nth), 0).unwrap()
}

impl Hour {
    fn write(&mut self, t: u64, key: &str, by: &str, change: impl FnOnce(&mut Row)) {
        let before = self.row.take();
        let mut after = before.clone().unwrap_or_default();
        after.counter += u64::from(before.is_some());
        change(&mut after);
        self.row = Some(after.clone());
        self.journals.lease_writes.push(LeaseWrite {
            t,
            key: key.to_owned(),
            by: Some(by.to_owned()),
            sent_t: Some(t - 1),
            before,
            after: Some(after),
            foreign: None,
        });
    }

    fn take(&mut self, t: u64, shard: &str, worker: &str) {
        self.write(t, shard, worker, |row| {
            row.holder = Some(worker.to_owned());
            row.owner = Some(worker.to_owned());
        });
        self.tenure = format!("{t}-{shard}");
        self.events.push(Event::Start {
            t: t + 1,
            tenure: self.tenure.clone(),
            worker: Some(worker.to_owned()),
            shard: shard.to_owned(),
            place: self.row.as_ref().unwrap().checkpoint.clone(),
            pending: None,
        });
    }

    /// Puts a batch, hands it, and checkpoints it twice.
    fn batch(&mut self, t: u64, shard: &str, worker: &str) {
        let tenure = self.tenure.clone();
        let mut records = Vec::new();
        for nth in self.next..self.next + BATCH {
            let (place, digest) = (place(nth), format!("{nth:032x}"));
            records.push(Handed { place: place.clone(), digest: digest.clone() });
            let (shard, key) = (shard.to_owned(), format!("key-{}", nth % 3_000));
            self.journals.puts.push(Put { t, shard, place, key, digest });
        }
        self.next += BATCH;
        self.events.push(Event::Hand { t: t + 1, tenure: tenure.clone(), records });
        for (ask_t, nth) in [(t + 2, self.next - BATCH / 2), (t + 6, self.next - 1)] {
            let at = Some(place(nth));
            self.events.push(Event::Ask { t: ask_t, tenure: tenure.clone(), place: at.clone() });
            self.write(ask_t + 2, shard, worker, |row| row.checkpoint = place(nth));
            let (tenure, error) = (tenure.clone(), None);
            self.events.push(Event::Answer { t: ask_t + 3, tenure, place: at, error });
        }
        self.events.push(Event::Done { t: t + 10, tenure, error: None });
    }

    fn end(&mut self, t: u64, shard: &str, child: Option<String>, worker: &str) {
        let tenure = || self.tenure.clone();
        if let Some(child) = child {
            self.journals.lease_writes.push(LeaseWrite {
                t,
                key: child,
                by: Some(worker.to_owned()),
                sent_t: Some(t - 1),
                after: Some(Row::default()),
                ..LeaseWrite::default()
            });
        }
        let why = Why::ShardEnded;
        self.events.push(Event::End { t: t + 1, tenure: tenure(), why });
        self.events.push(Event::Ask { t: t + 2, tenure: tenure(), place: None });
        let (tenure, place, error) = (tenure(), None, None);
        self.write(t + 4, shard, worker, |row| row.checkpoint = Place::ShardEnd);
        self.events.push(Event::Answer { t: t + 5, tenure: tenure.clone(), place, error });
        self.events.push(Event::Done { t: t + 6, tenure, error: None });
    }

    /// A shard's whole life.
    fn live(&mut self, generation: u64, shard: u64) {
        let begin = SECOND + generation * OPEN + 20 * generation + 100 * shard;
        let (shard, child) = (id(generation, shard), id(generation + 1, shard));
        if generation > 0 {
            self.row = Some(Row::default());
        } else {
            self.write(begin - 5, &shard, WORKERS[0], |_| {});
        }
        let mut worker = "";
        for t in (begin..begin + OPEN).step_by(usize::try_from(BATCH_INTERVAL).unwrap()) {
            if (t - begin).is_multiple_of(TENURE) {
                let nth = usize::try_from((t - begin) / TENURE).unwrap();
                worker = WORKERS[nth % WORKERS.len()];
                self.take(t, &shard, worker);
            }
            self.batch(t + 10, &shard, worker);
        }
        self.end(begin + OPEN, &shard, Some(child), worker);
        self.journals.hand_overs.push(std::mem::take(&mut self.events));
        self.row = None;
    }
}

fn simulated_hour() -> Journals {
    let mut hour = Hour::default();
    for worker in WORKERS {
        let worker = worker.to_owned();
        hour.journals.workers.push(WorkerEvent::Started { t: 0, worker });
    }
    for generation in 0..=GENERATIONS {
        for shard in 0..SHARDS {
            let parents = generation.checked_sub(1).map(|before| id(before, shard));
            let parents = parents.into_iter().collect();
            hour.journals.shards.push(Shard { shard: id(generation, shard), parents });
            if generation < GENERATIONS {
                hour.live(generation, shard);
            }
        }
    }
    let mut journals = Journals { reasons: Some(Vec::new()), ..hour.journals };
    journals.lease_writes.sort_by_key(|write| write.t);
    let quiet_from = 2 * SECOND + GENERATIONS * OPEN;
    journals.terms = Some(Terms {
        failover: FAILOVER,
        take_interval: 20 * SECOND,
        light_interval_max: SECOND,
        poll_interval: SECOND,
        audit_interval: 120 * SECOND,
        call_max: SECOND,
        clock_drift: 0,
        quiet_from,
        quiet_until: quiet_from + 20 * SECOND,
        retries: true,
    });
    journals
}

#[test]
fn a_simulated_hour_with_all_evidence_is_judged_without_a_quadratic_pass() {
    let journals = simulated_hour();
    let events: usize = journals.hand_overs.iter().map(Vec::len).sum();
    let (records, writes) = (journals.puts.len(), journals.lease_writes.len());
    let begun = std::time::Instant::now();
    let verdict = judge(&journals);
    let taken = begun.elapsed();
    println!("{records} records, {writes} lease writes, {events} events judged in {taken:?}");
    assert!(verdict.is_clean(), "{verdict}");
    assert_eq!(verdict.not_judged, []);
    assert_eq!(verdict.counts.distinct, verdict.counts.put);
    assert_eq!((verdict.counts.ended, verdict.counts.steals), (24, 264));
}
