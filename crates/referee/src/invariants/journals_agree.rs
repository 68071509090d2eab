//! The journals agree with themselves.

use crate::history::History;
use crate::verdict::Violation;

/// Each tenure starts once, and before all else that happens in it; each record has a place of its
/// own; every shard is listed; and each write to a lease finds the row as the last one left it.
///
/// A journal that does not is no evidence for anything, so that a run cannot be clean with it.
pub(super) fn check(history: &History<'_>) -> Vec<Violation> {
    history.contradictions.clone()
}
