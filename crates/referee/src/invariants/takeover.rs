//! I21: takeover in time.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::lease::{Kind, LeaseHistory};
use crate::row::Row;
use crate::terms::Terms;
use crate::verdict::Violation;

/// In the phase without faults no lease of an unfinished shard goes for longer than the takeover
/// may take without being taken or renewed: after its holder was killed, ended or paused, after it
/// was released or made, or after the phase began.
///
/// Only if some worker was at work all that time; how many leases it may hold is in no journal.
///
/// What the new holder then does with its records is judged by I24: within 60 s it hands a batch,
/// or names a reason. The time from a kill to that batch is not judged here, since whoever runs the
/// workers kills nobody in the phase, and what was killed before it is mostly taken before it. It
/// is judged in hours in which workers are killed and nothing else goes wrong, where it may be no
/// longer than a takeover (R11, `figures` of the simulation).
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let Some(terms) = history.terms else { return Vec::new() };
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        if let Some((from, until)) = longest_neglect(history, &shard.lease, terms) {
            let text = format!("nobody renewed or took it from t={from} to t={until}");
            violations.push(violation(Invariant::TakeoverInTime, id, text));
        }
    }
    violations
}

/// The first time that a lease was left alone for too long.
fn longest_neglect(
    history: &History<'_>,
    lease: &LeaseHistory<'_>,
    terms: &Terms,
) -> Option<(u64, u64)> {
    let begin = lease.applied_by(terms.quiet_from);
    let mut row = lease.row_at(terms.quiet_from);
    let mut since = terms.quiet_from;
    let neglected = |row: Option<&Row>, since: u64, until: u64| {
        let row = row.filter(|row| !row.is_finished())?;
        if until.saturating_sub(since) <= terms.takeover_max() {
            return None;
        }
        let gone_t = row.holder.as_ref().and_then(|holder| history.fleet.last_gone(holder, until));
        let since = since.max(gone_t.unwrap_or(0));
        let limit = since + terms.takeover_max();
        (until > limit && history.fleet.someone_lived_through(since, limit))
            .then_some((since, until))
    };
    for write in lease.writes[begin..].iter().filter(|write| write.kind != Kind::Note) {
        if write.t >= terms.quiet_until {
            break;
        }
        if let Some(neglect) = neglected(row, since, write.t) {
            return Some(neglect);
        }
        (row, since) = (write.after, write.t);
    }
    neglected(row, since, terms.quiet_until)
}
