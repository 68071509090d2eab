//! The invariants, one file each. Each says how journals show that it was broken, and what they
//! cannot show.

mod acknowledgement;
mod checkpoint_order;
mod children_leased;
mod content;
mod delivery;
mod duplicates;
mod hole_in_tenure;
mod hole_under_checkpoint;
mod journals_agree;
mod nothing_before_start;
mod order_in_tenure;
mod order_of_keys;
mod parents_first;
mod shard_end;

use crate::event::Put;
use crate::history::History;
use crate::verdict::{Invariant, Violation};

/// Looks for one invariant's violations.
type Check = fn(&History<'_>) -> Vec<Violation>;

/// One check for each invariant.
pub(crate) const CHECKS: [Check; 14] = [
    hole_under_checkpoint::check,
    hole_in_tenure::check,
    order_in_tenure::check,
    nothing_before_start::check,
    parents_first::check,
    shard_end::check,
    children_leased::check,
    delivery::check,
    checkpoint_order::check,
    acknowledgement::check,
    duplicates::check,
    order_of_keys::check,
    content::check,
    journals_agree::check,
];

fn violation(invariant: Invariant, shard: &str, text: String) -> Violation {
    Violation { invariant, shard: shard.to_owned(), text }
}

/// How many records there are and where they begin; nothing if there are none.
fn some_records(puts: &[&Put], which: impl Iterator<Item = usize>) -> Option<String> {
    let mut which = which.peekable();
    let first = puts[*which.peek()?];
    Some(match which.count() {
        1 => format!("record {} (key `{}`)", first.place, first.key),
        count => format!("{count} records, first {} (key `{}`)", first.place, first.key),
    })
}
