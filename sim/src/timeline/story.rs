//! The run in words, one line for each thing that matters, in order of time.

use shardwise_referee::{Place, Why, WorkerEvent};

use super::picture::clock;
use super::spans::{Run, moment};
use crate::run::Outcome;

/// What happened to workers, shards and leases. Faults of single requests are left to the log.
#[must_use]
pub fn story(outcome: &Outcome) -> Vec<String> {
    let run = Run::of(outcome);
    let mut told: Vec<(u64, String)> = Vec::new();
    for worker in &run.workers {
        for event in &worker.events {
            let what = match event {
                WorkerEvent::Started { .. } => "starts",
                WorkerEvent::Killed { .. } => "is killed",
                WorkerEvent::Paused { .. } => "is paused",
                WorkerEvent::Resumed { .. } => "goes on",
                WorkerEvent::StopAsked { .. } => "is asked to stop",
                WorkerEvent::Ended { in_order: true, .. } => "has ended in order",
                WorkerEvent::Ended { in_order: false, .. } => "has ended",
            };
            told.push((event.t(), format!("{} {what}", event.worker())));
        }
        for (cut, what) in &worker.partitions {
            let until = clock(cut.until);
            told.push((cut.from, format!("worker {} has {what} until {until}", worker.slot)));
        }
    }
    for mark in &outcome.marks {
        let told_of = ["reshard: ", "hand: ", "table: brownout", "service: ", "node: starved"];
        if told_of.iter().any(|begin| mark.what.starts_with(begin)) {
            told.push((mark.t, format!("{} {}", mark.what, mark.whom)));
        }
    }
    for shard in &run.shards {
        for tenure in &shard.tenures {
            let (worker, start) = (tenure.worker, tenure.start);
            told.push((tenure.span.from, format!("{worker} begins {} at {start}", shard.id)));
            let why = match tenure.end {
                Some(Why::LeaseLost) => "it lost the lease",
                Some(Why::ShardEnded) => "the shard ended",
                Some(Why::ShutdownRequested) => "it stops",
                None => "without a word",
            };
            let ends = format!("{worker} ends {}: {why}, {} records", shard.id, tenure.records);
            told.push((tenure.span.until, ends));
        }
        for (t, place) in &shard.checkpoints {
            if **place == Place::ShardEnd {
                told.push((*t, format!("{} is at its end", shard.id)));
            }
        }
    }
    for broken in &outcome.verdict.violations {
        let text = format!("BROKEN {} {}: {}", broken.invariant, broken.shard, broken.text);
        told.push((moment(broken).unwrap_or(run.end), text));
    }
    told.sort_by_key(|(t, _)| *t);
    told.into_iter().map(|(t, text)| format!("{:>12} {text}", clock(t))).collect()
}
