//! The order of each key, in a shard and across reshards.

use std::collections::{BTreeMap, HashMap};

use super::coverage::ancestors;
use super::violation;
use crate::history::History;
use crate::invariant::Invariant;
use crate::shard::{FirstHand, ShardHistory};
use crate::verdict::Violation;

/// When each key's records were handed for the first time: the earliest and the latest.
type Spans<'a> = HashMap<&'a str, (FirstHand, FirstHand)>;

/// Records of one key are handed for the first time in the order of their sequence numbers within
/// a shard, and in a shard only after those in its parents, theirs, and so on.
///
/// Repetitions after a tenure ended do not count, nor does the order in which a producer sent
/// records: the stream's numbers are the order.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    let mut violations = Vec::new();
    let mut spans: BTreeMap<&str, Spans<'_>> = BTreeMap::new();
    for (id, shard) in &history.shards {
        let (of_shard, disorder) = follow(shard);
        spans.insert(id, of_shard);
        violations.extend(disorder.map(|text| violation(Invariant::OrderOfKeys, id, text)));
    }
    for (id, own) in &spans {
        for ancestor in ancestors(history, id) {
            let above = &spans[ancestor];
            let early = own.iter().filter(|(key, (first, _))| {
                above.get(*key).is_some_and(|(_, last)| first.t < last.t)
            });
            // Of several always the same: a map of hashes has no order.
            if let Some((key, (first, _))) = early.min_by_key(|(key, _)| **key) {
                let text = format!(
                    "key `{key}` was handed at t={}, before its last record of `{ancestor}`",
                    first.t
                );
                violations.push(violation(Invariant::OrderOfKeys, id, text));
            }
        }
    }
    violations
}

/// The keys of a shard, and the first one that is out of order.
fn follow<'a>(shard: &ShardHistory<'a>) -> (Spans<'a>, Option<String>) {
    let mut spans = Spans::new();
    let mut disorder = None;
    for (put, hand) in shard.puts.iter().zip(&shard.first_hands) {
        let Some(hand) = *hand else { continue };
        let (first, last) = spans.entry(&put.key).or_insert((hand, hand));
        if hand < *last && disorder.is_none() {
            disorder = Some(format!(
                "record {} of key `{}` came after a later one of that key",
                put.place, put.key
            ));
        }
        *first = hand.min(*first);
        *last = hand.max(*last);
    }
    (spans, disorder)
}
