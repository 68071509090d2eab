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
    let Some((terms, rest)) =
        history.terms.and_then(|terms| Some((terms, Rest::of(history, terms)?)))
    else {
        return Vec::new();
    };
    let mut violations = moves(history, terms, rest.changed_t);
    if rest.is_long_enough(terms) && rest.is_uneven() {
        let counts: Vec<String> =
            rest.held.iter().map(|(worker, count)| format!("`{worker}` {count}")).collect();
        let text = format!("leases at the end of the quiet phase: {}", counts.join(", "));
        violations.push(violation(Invariant::Balanced, "", text));
    }
    violations
}

/// Whether the phase without faults was long enough for the spread to be judged.
pub(crate) fn is_spread_judged(history: &History<'_>, terms: &Terms) -> bool {
    Rest::of(history, terms).is_some_and(|rest| rest.is_long_enough(terms))
}

/// How leases lie at the end of the phase without faults.
struct Rest<'a> {
    leases: u64,
    /// How many of them each living worker has.
    held: BTreeMap<&'a str, usize>,
    /// When, before that end, workers or leases last became more or fewer.
    changed_t: u64,
    end: u64,
}

impl<'a> Rest<'a> {
    /// Nothing if no worker lives.
    fn of(history: &'a History<'_>, terms: &Terms) -> Option<Self> {
        let end = terms.quiet_until.saturating_sub(1);
        let mut held: BTreeMap<&str, usize> =
            history.fleet.living(end).map(|worker| (worker, 0)).collect();
        let rows = || history.shards.values().filter_map(|shard| shard.lease.row_at(end));
        for row in rows() {
            if let Some(count) = row.holder.as_deref().and_then(|holder| held.get_mut(holder)) {
                *count += 1;
            }
        }
        let leases = rows().count() as u64;
        let changed_t = last_change(history, terms);
        (!held.is_empty()).then_some(Self { leases, held, changed_t, end })
    }

    fn is_long_enough(&self, terms: &Terms) -> bool {
        let share = self.leases.div_ceil(self.held.len() as u64);
        let runs = share.saturating_add(3).max(6);
        self.end.saturating_sub(self.changed_t) >= runs * terms.take_interval
    }

    fn is_uneven(&self) -> bool {
        let (most, least) = (self.held.values().max(), self.held.values().min());
        most > least.map(|least| least + 1).as_ref()
    }
}

/// Leases that moved too often since then.
fn moves(history: &History<'_>, terms: &Terms, changed_t: u64) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        if shard.lease.row_at(terms.quiet_until.saturating_sub(1)).is_none() {
            continue;
        }
        let later = &shard.lease.writes[shard.lease.applied_by(changed_t)..];
        let moves = later.iter().filter(|write| is_move(write, terms)).count();
        if moves > 2 {
            let text = format!("moved {moves} times after the last change, t={changed_t}");
            violations.push(violation(Invariant::Balanced, id, text));
        }
    }
    violations
}

fn is_move(write: &Write<'_>, terms: &Terms) -> bool {
    write.kind == Kind::Take && write.t < terms.quiet_until
}

fn last_change(history: &History<'_>, terms: &Terms) -> u64 {
    let workers = history.fleet.events().iter().map(WorkerEvent::t);
    let writes = history.shards.values().flat_map(|shard| &shard.lease.writes);
    let made = writes.filter(|write| matches!(write.kind, Kind::Create | Kind::Delete));
    let changes = workers.chain(made.map(|write| write.t));
    changes.filter(|t| *t < terms.quiet_until).fold(terms.quiet_from, u64::max)
}
