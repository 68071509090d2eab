//! What `/status.json` tells: how the worker and each shard that it holds stand.

use std::time::Duration;

use serde_json::{Value, json};
use shardwise::{ConsumerState, Failing, LeaseKey, ShardStatus, Timestamp, WorkerPhase};
use shardwise_core::config::{Config, Retrieval};
use shardwise_multilang::TurnsStanding;

use super::Subject;

/// All of it, at `now`.
pub(super) fn standing(subject: &Subject, now: Timestamp) -> Value {
    let Subject { config, board, budget, turns, started_at, .. } = subject;
    let Config { application_name, stream_name, worker_id, table, retrieval, .. } = config;
    let retrieval = match retrieval {
        Retrieval::Polling => "POLLING",
        Retrieval::FanOut(_) => "FANOUT",
    };
    let shards = board.shards();
    let shards = shards.iter().map(|(key, status)| shard(key, status, now));
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "application": application_name,
        "stream": stream_name.as_str(),
        "leaseTable": table.name,
        "worker": worker_id.as_str(),
        "retrieval": retrieval,
        "phase": phase(board.worker().phase),
        "startedAtMillis": started_at.as_millis(),
        "nowMillis": now.as_millis(),
        "recordBytes": budget.used(),
        "recordBytesMax": config.byte_budget,
        "turns": turns.as_ref().map(|turns| told_of_turns(turns.standing())),
        "shards": shards.collect::<Vec<_>>(),
    })
}

/// How the turns of `maxActiveThreads` stand.
fn told_of_turns(standing: TurnsStanding) -> Value {
    let TurnsStanding { most, held, waiting, are_stuck } = standing;
    let held = held
        .iter()
        .map(|(shard, held)| json!({ "shardId": shard.as_str(), "seconds": held.as_secs_f64() }));
    let held: Vec<_> = held.collect();
    json!({ "most": most, "held": held, "waiting": waiting, "stuck": are_stuck })
}

/// A worker's phase, in one word.
pub(super) fn phase(phase: WorkerPhase) -> &'static str {
    match phase {
        WorkerPhase::Starting => "starting",
        WorkerPhase::Running => "running",
        WorkerPhase::Stopping => "stopping",
        WorkerPhase::Ended => "ended",
    }
}

fn shard(key: &LeaseKey, status: &ShardStatus, now: Timestamp) -> Value {
    let ShardStatus {
        state,
        checkpoint,
        records,
        decode_failures,
        aggregates_left_out,
        corrupt_aggregates,
        subscriptions_taken,
        retention_gaps,
        last_retention_gap,
        millis_behind_latest,
        failing,
        fetch_failing,
        busy_since,
        processed_at,
        read_at,
    } = status;
    let gap = last_retention_gap.as_ref().map(|gap| {
        let before = gap.before.as_ref().map(|number| number.as_str());
        json!({ "after": gap.after.to_string(), "before": before })
    });
    json!({
        "shardId": key.shard().as_str(),
        "state": state_name(*state),
        "checkpoint": checkpoint.to_string(),
        "records": records,
        "millisBehindLatest": millis_behind_latest,
        "processedAtMillis": processed_at.as_millis(),
        "readAtMillis": read_at.as_millis(),
        "busySeconds": busy_since.map(|since| seconds(since, now)),
        "failing": failing.as_ref().map(|it| failure(it, now)),
        "fetchFailing": fetch_failing.as_ref().map(|it| failure(it, now)),
        "decodeFailures": decode_failures,
        "aggregatesLeftOut": aggregates_left_out,
        "corruptAggregates": corrupt_aggregates,
        "subscriptionsTaken": subscriptions_taken,
        "retentionGaps": retention_gaps,
        "lastRetentionGap": gap,
    })
}

fn failure(failing: &Failing, now: Timestamp) -> Value {
    let Failing { error, times, since } = failing;
    json!({ "error": error, "times": times, "seconds": seconds(*since, now) })
}

fn seconds(since: Timestamp, now: Timestamp) -> f64 {
    let millis = now.as_millis().saturating_sub(since.as_millis()).max(0);
    Duration::from_millis(millis.unsigned_abs()).as_secs_f64()
}

fn state_name(state: ConsumerState) -> &'static str {
    match state {
        ConsumerState::WaitingOnParentShards => "WAITING_ON_PARENT_SHARDS",
        ConsumerState::Initializing => "INITIALIZING",
        ConsumerState::Processing => "PROCESSING",
        ConsumerState::ShutdownRequested => "SHUTDOWN_REQUESTED",
        ConsumerState::ShardEnding => "SHARD_ENDING",
        ConsumerState::LosingLease => "LOSING_LEASE",
        ConsumerState::ShutdownComplete => "SHUTDOWN_COMPLETE",
    }
}
