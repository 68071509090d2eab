//! The invariants, one file each. Each says how journals show that it was broken, and what they
//! cannot show.

mod acknowledgement;
mod balance;
mod checkpoint_order;
mod children_leased;
mod content;
mod coverage;
mod deadline;
mod deletion;
mod delivery;
mod duplicates;
mod earlier_tenure;
mod final_refusal;
mod hole_in_tenure;
mod hole_under_checkpoint;
mod journals_agree;
mod live_steal;
mod living_consumer;
mod nothing_before_start;
mod order_in_tenure;
mod order_of_keys;
mod orderly_end;
mod orderly_exit;
mod overlap;
mod owner_writes;
mod parents_first;
mod pending_kept;
mod renewals;
mod shard_end;
mod takeover;
mod unknown_kept;

pub(crate) use self::balance::is_spread_judged;
pub(crate) use self::live_steal::steals;
use crate::history::Evidence::{self, Reasons, Returns, Senders, Terms, Workers};
use crate::history::History;
use crate::invariant::Invariant;
use crate::put::Put;
use crate::verdict::Violation;

/// Looks for one invariant's violations.
type Check = fn(&History<'_>) -> Vec<Violation>;

/// What each invariant needs to be judged, and its check.
pub(crate) const CHECKS: [(Invariant, &[Evidence], Check); 30] = [
    (Invariant::NoHoleUnderCheckpoint, &[], hole_under_checkpoint::check),
    (Invariant::NoHoleInTenure, &[], hole_in_tenure::check),
    (Invariant::OrderInTenure, &[], order_in_tenure::check),
    (Invariant::NothingBeforeStart, &[], nothing_before_start::check),
    (Invariant::ParentsFirst, &[], parents_first::check),
    (Invariant::ShardEndEarned, &[], shard_end::check),
    (Invariant::ChildrenLeased, &[], children_leased::check),
    (Invariant::EverythingDelivered, &[], delivery::check),
    (Invariant::CheckpointNeverGoesBack, &[], checkpoint_order::check),
    (Invariant::OwnerWrites, &[Senders], owner_writes::check),
    (Invariant::NoWriteOfEarlierTenure, &[Senders], earlier_tenure::check),
    (Invariant::TruthfulAcknowledgement, &[], acknowledgement::check),
    (Invariant::NothingAfterFinalRefusal, &[], final_refusal::check),
    (Invariant::PendingKept, &[], pending_kept::check),
    (Invariant::NoHandAfterDeadline, &[Senders, Terms], deadline::check),
    (Invariant::OverlapBounded, &[Returns, Terms], overlap::check),
    (Invariant::DuplicatesBounded, &[], duplicates::check),
    (Invariant::OrderlyEndNoDuplicates, &[], orderly_end::check),
    (Invariant::OneLiveSteal, &[Terms], live_steal::check),
    (Invariant::TakeoverInTime, &[Terms, Workers], takeover::check),
    (Invariant::Balanced, &[Terms, Workers], balance::check),
    (Invariant::Coverage, &[Terms], coverage::check),
    (Invariant::HeldLeaseAlive, &[Terms, Workers, Reasons], living_consumer::check),
    (Invariant::DeletedOnlyWhenDone, &[Senders], deletion::check),
    (Invariant::ThrottlingEndsNothing, &[Terms, Workers], renewals::check),
    (Invariant::OrderlyExit, &[Workers], orderly_exit::check),
    (Invariant::UnknownKept, &[Senders], unknown_kept::check),
    (Invariant::OrderOfKeys, &[], order_of_keys::check),
    (Invariant::Content, &[], content::check),
    (Invariant::Journals, &[], journals_agree::check),
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
