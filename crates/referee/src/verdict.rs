//! What the referee says.

use std::fmt;

use crate::counts::Counts;
use crate::invariant::Invariant;

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
    /// What these journals are no evidence for, either way.
    pub not_judged: Vec<Invariant>,
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
            let result = match broken.len() {
                0 if self.not_judged.contains(&invariant) => "not judged".to_owned(),
                0 => "kept".to_owned(),
                count => count.to_string(),
            };
            writeln!(f, "{:<10}{:<44}{result:>10}", invariant.id(), invariant.statement())?;
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
