//! I1: no hole under a checkpoint.

use std::collections::HashMap;

use super::{some_records, violation};
use crate::history::History;
use crate::invariant::Invariant;
use crate::place::Place;
use crate::shard::ShardHistory;
use crate::verdict::Violation;

/// When a write sets a lease's checkpoint, every record up to it, from the application's start on,
/// was handed in some tenure before the write was sent; and, where journals say when processors
/// return, either a processor had returned from it without an error, or one had asked for that
/// very checkpoint.
///
/// Without a place a processor asks for what it has returned from, and for the batch it is in; not
/// for one that failed, unless a batch that failed was passed over somewhere in the run.
///
/// Where it is not known when a write was sent, the time counts at which it was applied. Records
/// that retention removed are excused, and so is, where the senders of writes are known, a
/// checkpoint that no worker set. The checkpoint at SHARD_END is judged by I6.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (id, shard) in &history.shards {
        let asked = asked(history, shard);
        let mut checked = shard.first_due;
        for (write, _, after) in shard.lease.checkpoints() {
            let checkpoint = &after.checkpoint;
            if !checkpoint.is_of_a_record() {
                continue;
            }
            let later = shard.puts[checked..].iter().take_while(|put| put.place <= *checkpoint);
            let end = checked + later.count();
            let due = (checked..end).filter(|put| !shard.trimmed[*put]);
            checked = end;
            if !history.is_own(write.by) {
                continue;
            }
            let sent_t = write.sent_t;
            let mut blame = |records: Option<String>, what: &str| {
                if let Some(records) = records {
                    let text =
                        format!("checkpoint {checkpoint} sent at t={sent_t} covers {records}");
                    let text = format!("{text}, {what} by then");
                    violations.push(violation(Invariant::NoHoleUnderCheckpoint, id, text));
                }
            };
            let unhanded = due.clone().filter(|put| !shard.was_handed(*put, sent_t));
            blame(some_records(&shard.puts, unhanded), "not handed");
            let was_asked = asked.get(checkpoint).is_some_and(|asked_t| *asked_t <= sent_t);
            if history.knows_returns && !was_asked {
                let is_out = |put: &usize| shard.first_returns[*put].is_none_or(|t| t > sent_t);
                let out = due.filter(|put| shard.was_handed(*put, sent_t)).filter(is_out);
                blame(some_records(&shard.puts, out), "not processed, and not asked for,");
            }
        }
    }
    violations
}

/// When each checkpoint was first asked for.
fn asked<'a>(history: &History<'a>, shard: &ShardHistory<'a>) -> HashMap<&'a Place, u64> {
    let mut asked: HashMap<&Place, u64> = HashMap::new();
    for tenure in history.tenures_of(shard) {
        for ask in &tenure.asks {
            let place = ask.wish.means(tenure.start, history.skips);
            let first = asked.entry(place).or_insert(ask.t);
            *first = ask.t.min(*first);
        }
    }
    asked
}
