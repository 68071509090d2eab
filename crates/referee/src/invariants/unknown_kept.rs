//! I35: unknown attributes and rows are kept.

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::verdict::Violation;

/// A worker's write leaves a lease's attributes that KCL does not know as they are, and so does
/// none replace a lease by a new item; and no worker writes to a row that is no lease.
///
/// What no worker sent is not judged; neither is a lease that was deleted and made anew.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        for (write, before, after) in shard.lease.changes() {
            let Some(by) = write.by.filter(|_| before.others != after.others) else { continue };
            let changed = before.others.iter().find(|attribute| !after.others.contains(attribute));
            let changed = changed.or_else(|| after.others.first());
            let name = changed.map_or("", |(name, _)| name.as_str());
            let text = format!("`{by}` changed the attribute `{name}` at t={}", write.t);
            violations.push(violation(Invariant::UnknownKept, id, text));
        }
    }
    for write in &history.foreign {
        if let (Some(by), Some((before, after))) = (&write.by, &write.foreign)
            && before != after
        {
            let text = format!("`{by}` changed a row that is no lease at t={}", write.t);
            violations.push(violation(Invariant::UnknownKept, &write.key, text));
        }
    }
    violations
}
