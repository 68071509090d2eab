//! What the referee says.

use std::fmt;

use crate::counts::Counts;

/// What must hold in every run. The numbers are those of the project's list of invariants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Invariant {
    /// I1: every record up to a checkpoint was handed before the checkpoint was written.
    NoHoleUnderCheckpoint,
    /// I2: a tenure starts at the row's checkpoint and leaves nothing out.
    NoHoleInTenure,
    /// I3: records of a tenure come in order.
    OrderInTenure,
    /// I4: nothing at or before its start is handed in a tenure.
    NothingBeforeStart,
    /// I5: a child shard starts after its parents ended.
    ParentsFirst,
    /// I6: a shard is marked as ended only when it did, and its processor said so.
    ShardEndEarned,
    /// I7: the leases of all children exist before their parent is marked as ended.
    ChildrenLeased,
    /// I8: every record was handed.
    EverythingDelivered,
    /// I9: a checkpoint never goes back.
    CheckpointNeverGoesBack,
    /// I12: a checkpoint that was told as made was made.
    TruthfulAcknowledgement,
    /// I18: a record comes again only once for each tenure that started before it.
    DuplicatesBounded,
    /// Records of one key come in order when they come first, across reshards too.
    OrderOfKeys,
    /// What was handed is what was put.
    Content,
    /// The journals agree with themselves; otherwise they are no evidence.
    Journals,
}

impl Invariant {
    /// Its number, or a name where it has none.
    #[must_use]
    pub fn id(self) -> &'static str {
        match self {
            Self::NoHoleUnderCheckpoint => "I1",
            Self::NoHoleInTenure => "I2",
            Self::OrderInTenure => "I3",
            Self::NothingBeforeStart => "I4",
            Self::ParentsFirst => "I5",
            Self::ShardEndEarned => "I6",
            Self::ChildrenLeased => "I7",
            Self::EverythingDelivered => "I8",
            Self::CheckpointNeverGoesBack => "I9",
            Self::TruthfulAcknowledgement => "I12",
            Self::DuplicatesBounded => "I18",
            Self::OrderOfKeys => "keys",
            Self::Content => "content",
            Self::Journals => "journals",
        }
    }

    /// What it says, in a few words.
    #[must_use]
    pub fn statement(self) -> &'static str {
        match self {
            Self::NoHoleUnderCheckpoint => "no hole under a checkpoint",
            Self::NoHoleInTenure => "no hole inside a tenure",
            Self::OrderInTenure => "order inside a tenure",
            Self::NothingBeforeStart => "nothing before the start",
            Self::ParentsFirst => "parents before children",
            Self::ShardEndEarned => "SHARD_END is earned",
            Self::ChildrenLeased => "children leased before SHARD_END",
            Self::EverythingDelivered => "everything delivered",
            Self::CheckpointNeverGoesBack => "checkpoints never go back",
            Self::TruthfulAcknowledgement => "acknowledged means written",
            Self::DuplicatesBounded => "duplicates are bounded",
            Self::OrderOfKeys => "order of each key",
            Self::Content => "handed as it was put",
            Self::Journals => "journals agree",
        }
    }

    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 14] = [
        Self::NoHoleUnderCheckpoint,
        Self::NoHoleInTenure,
        Self::OrderInTenure,
        Self::NothingBeforeStart,
        Self::ParentsFirst,
        Self::ShardEndEarned,
        Self::ChildrenLeased,
        Self::EverythingDelivered,
        Self::CheckpointNeverGoesBack,
        Self::TruthfulAcknowledgement,
        Self::DuplicatesBounded,
        Self::OrderOfKeys,
        Self::Content,
        Self::Journals,
    ];
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// An invariant that the journals show broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// In which shard.
    pub shard: String,
    /// What was seen.
    pub text: String,
}

/// What the journals show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What happened.
    pub counts: Counts,
    /// What should not have happened.
    pub violations: Vec<Violation>,
}

impl Verdict {
    /// Whether no invariant was broken.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// How many violations of one invariant are spelled out.
        const SHOWN_MAX: usize = 5;

        for (name, count) in self.counts.rows() {
            writeln!(f, "{name:<36}{count:>12}")?;
        }
        writeln!(f)?;
        for invariant in Invariant::ALL {
            let broken: Vec<_> =
                self.violations.iter().filter(|broken| broken.invariant == invariant).collect();
            let result =
                if broken.is_empty() { "kept".to_owned() } else { format!("{}", broken.len()) };
            writeln!(f, "{:<10}{:<34}{result:>4}", invariant.id(), invariant.statement())?;
            for violation in broken.iter().take(SHOWN_MAX) {
                writeln!(f, "  {}: {}", violation.shard, violation.text)?;
            }
            if broken.len() > SHOWN_MAX {
                writeln!(f, "  and {} more", broken.len() - SHOWN_MAX)?;
            }
        }
        let (word, count) = match self.violations.len() {
            0 => ("clean", String::new()),
            count => ("broken", format!(": {count} violations")),
        };
        writeln!(f, "\nverdict: {word}{count}")
    }
}
