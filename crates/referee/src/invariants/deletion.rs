//! I27: leases are deleted only when they are done.

use std::collections::BTreeSet;

use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::lease::{Kind, LeaseHistory};
use crate::row::Row;
use crate::verdict::Violation;

/// A worker deletes a lease only when its shard is marked as ended and the lease of every child
/// shard has had a checkpoint of its own; and no worker makes a lease anew that one has deleted so.
///
/// A hand that deletes the lease of a descendant takes away all that told of this shard's end:
/// then it is made anew, and its records come again rather than being lost.
///
/// The lease of a shard that the stream no longer lists may go as soon as it is marked as ended.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let mut is_done = false;
        for write in &shard.lease.writes {
            let Some(by) = write.by else { continue };
            let mut blame = |text: String| {
                let text = format!("`{by}` at t={}: {text}", write.t);
                violations.push(violation(Invariant::DeletedOnlyWhenDone, id, text));
            };
            match write.kind {
                Kind::Delete if !write.before.is_some_and(Row::is_finished) => {
                    blame("deleted the lease of a shard that had not ended".to_owned());
                }
                Kind::Delete => {
                    is_done = true;
                    if shard.delisted_t.is_some_and(|t| t <= write.sent_t) {
                        continue;
                    }
                    let waiting = shard
                        .children
                        .iter()
                        .find(|child| !has_begun(&history.shard(child).lease, write.number));
                    if let Some(child) = waiting {
                        blame(format!("deleted the lease before `{child}` had begun"));
                    }
                }
                Kind::Create if is_done && !was_forgotten(history, id, write.number) => {
                    blame("made the lease of a finished shard anew".to_owned())
                }
                Kind::Create | Kind::Take | Kind::Release | Kind::Keep | Kind::Note => {}
            }
        }
    }
    violations
}

/// Whether somebody outside had deleted the lease of a shard, or of one that came from it.
fn was_forgotten(history: &History<'_>, id: &str, number: usize) -> bool {
    let mut open = vec![id];
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        let shard = history.shard(id);
        let mut earlier = shard.lease.writes.iter().take_while(|write| write.number < number);
        if earlier.any(|write| write.by.is_none() && write.kind == Kind::Delete) {
            return true;
        }
        open.extend(shard.children.iter().filter(|child| seen.insert(**child)));
    }
    false
}

/// Whether a lease had a checkpoint of its own before the write of that number.
fn has_begun(lease: &LeaseHistory<'_>, number: usize) -> bool {
    let has_begun = |row: Option<&Row>| {
        row.is_some_and(|row| row.is_finished() || row.checkpoint.is_of_a_record())
    };
    let mut earlier = lease.writes.iter().take_while(|write| write.number < number);
    lease.writes.first().is_some_and(|write| has_begun(write.before))
        || earlier.any(|write| has_begun(write.after))
}
