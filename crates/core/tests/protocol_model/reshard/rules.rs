//! The rules of shard consumers, cleanup and auditor, and the scope that is explored. A mutant
//! changes one rule.

use super::lineage::Lineage;

/// When the leases of a shard's children are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Children {
    /// Before the processor hears of the end.
    BeforeTheEnd,
    /// After `SHARD_END` is written.
    AfterTheEnd,
}

/// What a shard whose turn has not come makes of a parent without a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AbsentParent {
    /// If the stream still has it, and no shard that came from it has begun, its lease was lost,
    /// and is made anew.
    IsMadeAnew,
    /// It has ended. Java's.
    HasEnded,
}

/// What a finished row waits for before it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cleanup {
    /// Every child has begun, and no row of a parent is left.
    AllBegunParentsGone,
    /// Every child has begun.
    AllBegun,
    /// Every child has a row, and no row of a parent is left.
    AllMade,
    /// As `AllBegunParentsGone`, but a row that names no children has none.
    NamedBegun,
}

/// What the auditor does about a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audit {
    /// The walk from open shards back to their ancestors.
    Walk,
    /// The same, but a shard whose parents have all ended is left to them. Java's.
    LeavesChildrenToParents,
    /// Nothing.
    Never,
}

/// What every worker does, and what the explored world may do to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) children: Children,
    /// Whether a child's row is made only while its parent has one: a write of both together.
    pub(crate) children_need_the_parents_row: bool,
    /// Whether a shard waits for its parents.
    pub(crate) waits_for_parents: bool,
    pub(crate) absent_parent: AbsentParent,
    pub(crate) cleanup: Cleanup,
    pub(crate) audit: Audit,
    /// Whether a shard's end names its children in the row.
    pub(crate) names_children: bool,
    /// Whether a delete names what it expects to delete.
    pub(crate) delete_is_conditional: bool,
    /// Whether one answer that there is no such shard is taken as the shard's end.
    pub(crate) not_found_is_the_end: bool,
    /// Whether `SHARD_END` is written though the processor's end has failed.
    pub(crate) end_needs_the_processor: bool,
    /// Which shards there are and come to be.
    pub(crate) lineage: Lineage,
    /// How many things may go wrong, of whatever kind.
    pub(crate) faults: u8,
    /// Whether somebody may delete rows by hand.
    pub(crate) by_hand: bool,
    /// Whether closed shards may be trimmed before they are processed.
    pub(crate) trims: bool,
    /// Whether a request to make a row may be under way, or a worker not know that it has lost a
    /// lease, for as long as it takes to process a child shard and to delete its row.
    pub(crate) zombies_outlive_children: bool,
}

impl Rules {
    /// Our rules.
    pub(crate) const OURS: Self = Self {
        children: Children::BeforeTheEnd,
        children_need_the_parents_row: false,
        waits_for_parents: true,
        absent_parent: AbsentParent::IsMadeAnew,
        cleanup: Cleanup::AllBegunParentsGone,
        audit: Audit::Walk,
        names_children: true,
        delete_is_conditional: true,
        not_found_is_the_end: false,
        end_needs_the_processor: true,
        lineage: Lineage::SPLIT,
        faults: 2,
        by_hand: true,
        trims: true,
        zombies_outlive_children: false,
    };

    /// Our rules for a merge.
    pub(crate) const OURS_FOR_A_MERGE: Self =
        Self { lineage: Lineage::MERGE, faults: 1, ..Self::OURS };

    /// Our rules for a shard that is split and merged again.
    pub(crate) const OURS_FOR_A_DIAMOND: Self =
        Self { lineage: Lineage::DIAMOND, faults: 1, ..Self::OURS };
}
