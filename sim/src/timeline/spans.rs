//! What lasted how long, read out of the journals.

use std::collections::BTreeMap;
use std::time::Duration;

use shardwise_referee::{Event, LeaseWrite, Place, Violation, Why, WorkerEvent};

use crate::plan::Happening;
use crate::run::Outcome;
use crate::tally::Mark;

/// A run, by its lanes.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) end: u64,
    pub(super) quiet_from: u64,
    pub(super) workers: Vec<WorkerLane<'a>>,
    pub(super) shards: Vec<ShardLane<'a>>,
    /// Violations of no shard's lane.
    pub(super) others: Vec<&'a Violation>,
}

/// From when until when, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from: u64,
    pub(super) until: u64,
}

/// One worker of the plan, through all its lives.
#[derive(Debug)]
pub(super) struct WorkerLane<'a> {
    pub(super) slot: usize,
    pub(super) lives: Vec<Span>,
    pub(super) pauses: Vec<Span>,
    /// Times without the table or the stream, and what was out of reach.
    pub(super) partitions: Vec<(Span, &'static str)>,
    /// What its life went through, as it was written down.
    pub(super) events: Vec<&'a WorkerEvent>,
    pub(super) marks: Vec<&'a Mark>,
}

/// One shard.
#[derive(Debug)]
pub(super) struct ShardLane<'a> {
    pub(super) id: &'a str,
    pub(super) parents: &'a [String],
    /// From its making to the reshard that closed it.
    pub(super) open: Span,
    pub(super) tenures: Vec<Tenure<'a>>,
    /// Who had the lease.
    pub(super) holds: Vec<(Span, &'a str)>,
    pub(super) checkpoints: Vec<(u64, &'a Place)>,
    /// Checkpoints that a processor asked for and did not get.
    pub(super) refusals: Vec<(u64, &'a str)>,
    pub(super) hands: Vec<&'a Mark>,
    pub(super) violations: Vec<&'a Violation>,
}

/// What one record processor did.
#[derive(Debug)]
pub(super) struct Tenure<'a> {
    pub(super) worker: &'a str,
    pub(super) span: Span,
    pub(super) start: &'a Place,
    pub(super) records: usize,
    pub(super) end: Option<Why>,
}

/// The number in a worker's name: `w2.5` is the fifth life of the third worker.
pub(super) fn slot_of(worker: &str) -> Option<usize> {
    worker.strip_prefix('w')?.split('.').next()?.parse().ok()
}

impl<'a> Run<'a> {
    pub(super) fn of(outcome: &'a Outcome) -> Self {
        let journals = &outcome.journals;
        let events = journals.hand_overs.iter().flatten();
        let last = journals.workers.iter().map(WorkerEvent::t).chain(events.map(Event::t)).max();
        let planned = outcome.plan.chaos + outcome.plan.quiet;
        let end = last.unwrap_or_default().max(planned.as_micros() as u64);
        let workers = (0..outcome.plan.workers).map(|slot| worker(outcome, slot, end)).collect();
        let shards: Vec<ShardLane<'a>> =
            journals.shards.iter().map(|shard| shard_lane(outcome, shard, end)).collect();
        let is_elsewhere =
            |broken: &&Violation| !shards.iter().any(|shard| shard.id == broken.shard);
        let others = outcome.verdict.violations.iter().filter(is_elsewhere).collect();
        Self { end, quiet_from: outcome.plan.chaos.as_micros() as u64, workers, shards, others }
    }
}

fn worker(outcome: &Outcome, slot: usize, end: u64) -> WorkerLane<'_> {
    let all = outcome.journals.workers.iter();
    let events: Vec<&WorkerEvent> =
        all.filter(|event| slot_of(event.worker()) == Some(slot)).collect();
    let (mut lives, mut pauses): (Vec<Span>, Vec<Span>) = (Vec::new(), Vec::new());
    let close = |spans: &mut Vec<Span>, t: u64| {
        if let Some(last) = spans.last_mut() {
            last.until = last.until.min(t);
        }
    };
    for event in &events {
        let t = event.t();
        match event {
            WorkerEvent::Started { .. } => lives.push(Span { from: t, until: end }),
            WorkerEvent::Paused { .. } => pauses.push(Span { from: t, until: end }),
            WorkerEvent::Resumed { .. } => close(&mut pauses, t),
            WorkerEvent::Killed { .. } | WorkerEvent::Ended { .. } => {
                close(&mut lives, t);
                close(&mut pauses, t);
            }
            WorkerEvent::StopAsked { .. } => {}
        }
    }
    let marks = outcome.marks.iter().filter(|mark| slot_of(&mark.whom) == Some(slot)).collect();
    WorkerLane { slot, lives, pauses, partitions: partitions(outcome, slot), events, marks }
}

fn partitions(outcome: &Outcome, slot: usize) -> Vec<(Span, &'static str)> {
    let chaos = outcome.plan.chaos;
    let partition = |(at, happening): &(Duration, Happening)| {
        let Happening::Partition { worker, table, stream, lasts } = happening else { return None };
        let until = (*at + *lasts).min(chaos).as_micros() as u64;
        let what = match (table, stream) {
            (true, true) => "neither table nor stream",
            (true, false) => "no table",
            (false, _) => "no stream",
        };
        (*worker == slot).then_some((Span { from: at.as_micros() as u64, until }, what))
    };
    outcome.plan.happenings.iter().filter_map(partition).collect()
}

fn shard_lane<'a>(
    outcome: &'a Outcome,
    shard: &'a shardwise_referee::Shard,
    end: u64,
) -> ShardLane<'a> {
    let id = shard.shard.as_str();
    let reshards = || outcome.marks.iter().filter(|mark| mark.what.starts_with("reshard: "));
    // The mark of a reshard names the shards that it closed.
    let closed = |id: &str| {
        let is_closing = |mark: &&Mark| mark.whom.split(' ').any(|closed| closed == id);
        reshards().find(is_closing).map(|mark| mark.t)
    };
    let made = shard.parents.iter().filter_map(|parent| closed(parent)).max();
    let open = Span { from: made.unwrap_or(0), until: closed(id).unwrap_or(end) };
    let writes: Vec<&LeaseWrite> =
        outcome.journals.lease_writes.iter().filter(|write| write.key == id).collect();
    let hands = outcome.marks.iter().filter(|mark| mark.what.starts_with("hand: "));
    let violations = outcome.verdict.violations.iter();
    ShardLane {
        id,
        parents: &shard.parents,
        open,
        tenures: tenures(outcome, id, end),
        holds: holds(&writes, end),
        checkpoints: checkpoints(&writes),
        refusals: refusals(outcome, id),
        hands: hands.filter(|mark| mark.whom == id).collect(),
        violations: violations.filter(|broken| broken.shard == id).collect(),
    }
}

/// The tenures of a shard, in the order of their starts.
///
/// One ends when its processor has answered that it ends; or, if it never is told, with its worker
/// or with the same worker's next tenure.
fn tenures<'a>(outcome: &'a Outcome, shard: &str, end: u64) -> Vec<Tenure<'a>> {
    let mut ids: Vec<&str> = Vec::new();
    let mut tenures: Vec<Tenure<'a>> = Vec::new();
    for event in outcome.journals.hand_overs.iter().flatten() {
        if let Event::Start { t, tenure, worker, shard: started, place, .. } = event {
            if started != shard {
                continue;
            }
            let worker = worker.as_deref().unwrap_or("?");
            let same = tenures.iter_mut().filter(|tenure| tenure.worker == worker);
            same.for_each(|tenure| tenure.span.until = tenure.span.until.min(*t));
            let until = gone(outcome, worker, *t).unwrap_or(end);
            let span = Span { from: *t, until };
            ids.push(tenure);
            tenures.push(Tenure { worker, span, start: place, records: 0, end: None });
            continue;
        }
        let Some(at) = ids.iter().position(|id| *id == event.tenure()) else { continue };
        let tenure = &mut tenures[at];
        match event {
            Event::Hand { records, .. } => tenure.records += records.len(),
            Event::End { why, .. } => tenure.end = Some(*why),
            // A worker that stops says so first, and then that the lease is gone.
            Event::Done { t, .. } if tenure.end.is_some() => tenure.span.until = *t,
            Event::Start { .. }
            | Event::Done { .. }
            | Event::Ask { .. }
            | Event::Answer { .. }
            | Event::Prepare { .. }
            | Event::Prepared { .. } => {}
        }
    }
    tenures
}

/// When a worker that was there at a time was gone.
fn gone(outcome: &Outcome, worker: &str, from: u64) -> Option<u64> {
    let ends = outcome.journals.workers.iter().filter(|event| match event {
        WorkerEvent::Killed { .. } | WorkerEvent::Ended { .. } => event.worker() == worker,
        WorkerEvent::Started { .. }
        | WorkerEvent::Paused { .. }
        | WorkerEvent::Resumed { .. }
        | WorkerEvent::StopAsked { .. } => false,
    });
    ends.map(WorkerEvent::t).find(|t| *t >= from)
}

fn holds<'a>(writes: &[&'a LeaseWrite], end: u64) -> Vec<(Span, &'a str)> {
    let mut holds: Vec<(Span, &str)> = Vec::new();
    let mut holder = None;
    for write in writes {
        let now = write.after.as_ref().and_then(|row| row.holder.as_deref());
        if now == holder {
            continue;
        }
        if let (Some(_), Some((last, _))) = (holder, holds.last_mut()) {
            last.until = write.t;
        }
        holds.extend(now.map(|holder| (Span { from: write.t, until: end }, holder)));
        holder = now;
    }
    holds
}

fn checkpoints<'a>(writes: &[&'a LeaseWrite]) -> Vec<(u64, &'a Place)> {
    let moved = |write: &&'a LeaseWrite| {
        let (before, after) = (write.before.as_ref()?, write.after.as_ref()?);
        (before.checkpoint != after.checkpoint).then_some((write.t, &after.checkpoint))
    };
    writes.iter().filter_map(moved).collect()
}

fn refusals<'a>(outcome: &'a Outcome, shard: &str) -> Vec<(u64, &'a str)> {
    let mut shards: BTreeMap<&str, &str> = BTreeMap::new();
    let mut refusals = Vec::new();
    for event in outcome.journals.hand_overs.iter().flatten() {
        if let Event::Start { tenure, shard, .. } = event {
            shards.insert(tenure, shard);
        }
        if let Event::Answer { t, tenure, error: Some(error), .. } = event
            && shards.get(tenure.as_str()) == Some(&shard)
        {
            refusals.push((*t, error.as_str()));
        }
    }
    refusals
}

/// The first moment that a violation names, if it names one.
pub(super) fn moment(violation: &Violation) -> Option<u64> {
    let (_, rest) = violation.text.split_once("t=")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}
