//! I22: leases come to rest, spread evenly.

use std::collections::BTreeMap;

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::lease::{Kind, Write};
use crate::terms::Terms;
use crate::verdict::Violation;
use crate::worker::WorkerEvent;

/// At the end of the phase without faults the numbers of leases, those of finished shards
/// included, that two workers hold differ by one at most; and since the last change no lease moved
/// more than twice.
///
/// A change is the phase's begin, whatever happened to a worker, and a lease that was made or
/// deleted. Judged if the phase lasted for six runs of the taker after that, and for three more
/// than a worker's share, since a run steals one. How many leases a worker may hold is in no
/// journal: such a limit must not be set.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let Some(terms) = history.terms else { return Vec::new() };
    let end = terms.quiet_until.saturating_sub(1);
    let mut held: BTreeMap<&str, usize> = BTreeMap::new();
    held.extend(history.fleet.living(end).map(|worker| (worker, 0)));
    if held.is_empty() {
        return Vec::new();
    }
    let changed_t = last_change(history, terms);
    let mut leases = 0_u64;
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let Some(row) = shard.lease.row_at(end) else { continue };
        leases += 1;
        if let Some(count) = row.holder.as_deref().and_then(|holder| held.get_mut(holder)) {
            *count += 1;
        }
        let later = &shard.lease.writes[shard.lease.applied_by(changed_t)..];
        let is_move = |write: &&_| is_move(write, terms);
        let moves = later.iter().filter(is_move).count();
        if moves > 2 {
            let text = format!("moved {moves} times after the last change, t={changed_t}");
            violations.push(violation(Invariant::Balanced, id, text));
        }
    }
    let runs = leases.div_ceil(held.len() as u64).saturating_add(3).max(6);
    if end.saturating_sub(changed_t) < runs * terms.take_interval {
        return Vec::new();
    }
    let (most, least) = (held.values().max(), held.values().min());
    if most > least.map(|least| least + 1).as_ref() {
        let counts: Vec<String> =
            held.iter().map(|(worker, count)| format!("`{worker}` {count}")).collect();
        let text = format!("leases at the end of the quiet phase: {}", counts.join(", "));
        violations.push(violation(Invariant::Balanced, "", text));
    }
    violations
}

fn is_move(write: &Write<'_>, terms: &Terms) -> bool {
    write.kind == Kind::Take && write.t < terms.quiet_until
}

/// When, before the end of the phase, workers or leases last became more or fewer.
fn last_change(history: &History<'_>, terms: &Terms) -> u64 {
    let workers = history.fleet.events().iter().map(WorkerEvent::t);
    let writes = history.shards.values().flat_map(|shard| &shard.lease.writes);
    let made = writes.filter(|write| matches!(write.kind, Kind::Create | Kind::Delete));
    let changes = workers.chain(made.map(|write| write.t));
    changes.filter(|t| *t < terms.quiet_until).fold(terms.quiet_from, u64::max)
}
