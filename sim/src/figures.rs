//! How long it takes until someone goes on: figures from a run's journals.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use shardwise_referee::{Event, Journals, LeaseWrite, Place, Why, WorkerEvent};

/// What the runs of a kind came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// For each lease of a worker that was killed: until another one had it.
    pub takeovers: Vec<Duration>,
    /// For each lease of a worker that was asked to stop: from its release until another worker's
    /// processor had started.
    pub handovers: Vec<Duration>,
    /// For each tenure that a kill ended: how many of its records came to the next one again.
    pub repeated: Vec<u64>,
    /// For each lease that was released in order: how many records came again.
    pub repeated_in_order: Vec<u64>,
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
        for event in &journals.workers {
            let WorkerEvent::Killed { t, worker } = event else { continue };
            for key in held(&journals.lease_writes, worker, *t) {
                if let Some(taken) = next_owner(&journals.lease_writes, key, worker, *t) {
                    figures.takeovers.push(Duration::from_micros(taken - t));
                }
            }
        }
        for write in &journals.lease_writes {
            if !is_release(write) {
                continue;
            }
            let next = starts.get(&*write.key).and_then(|starts| starts.range(write.t..).next());
            if let Some((t, _)) = next {
                figures.handovers.push(Duration::from_micros(t - write.t));
            }
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
        let mut handed = BTreeMap::<&str, BTreeSet<_>>::new();
        for event in journals.hand_overs.iter().flatten() {
            if let Event::Hand { tenure, records, .. } = event {
                let places = records.iter().map(|record| &record.place);
                handed.entry(tenure).or_default().extend(places);
            }
        }
        let nothing = BTreeSet::new();
        for (shard, starts) in starts {
            let tenures: Vec<_> = starts.iter().collect();
            for pair in tenures.windows(2) {
                let ((from, (worker, tenure)), (until, (_, next))) = (pair[0], pair[1]);
                let records = |tenure: &str| handed.get(tenure).unwrap_or(&nothing);
                let again = records(tenure).intersection(records(next)).count() as u64;
                match end_of(journals, shard, worker, *from..*until) {
                    Some(End::Killed) => self.repeated.push(again),
                    Some(End::InOrder) => self.repeated_in_order.push(again),
                    None => {}
                }
            }
        }
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
        let owner = write.before.as_ref().and_then(|row| row.owner.as_deref());
        write.key == shard && span.contains(&write.t) && is_release(write) && owner == Some(name)
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

/// When the lease had another owner.
fn next_owner(writes: &[LeaseWrite], key: &str, worker: &str, t: u64) -> Option<u64> {
    let later = writes.iter().filter(|write| write.t > t && write.key == key);
    let owner = |write: &LeaseWrite| write.after.as_ref().and_then(|row| row.owner.clone());
    let mut others = later.filter(|write| owner(write).is_some_and(|owner| owner != worker));
    others.next().map(|write| write.t)
}

fn is_release(write: &LeaseWrite) -> bool {
    match (&write.before, &write.after) {
        (Some(before), Some(after)) => before.owner.is_some() && after.owner.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::run::run;

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
