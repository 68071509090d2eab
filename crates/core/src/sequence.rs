//! Sequence numbers, sub-sequence numbers, the four sentinels, and their order.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// A record's place in its shard: a decimal number of up to 56 digits, kept as text.
#[derive(Clone, Debug)]
pub struct SequenceNumber(Arc<str>);

/// The text is neither a decimal number nor a sentinel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a sequence number: digits, TRIM_HORIZON, LATEST, AT_TIMESTAMP or SHARD_END expected"
)]
pub struct NotASequenceNumber(String);

impl NotASequenceNumber {
    /// Keeps of the text what fits into a message: it may come from anybody.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.chars().take(80).collect())
    }
}

impl SequenceNumber {
    /// The most digits that a number may have. The service's own have at most 129.
    pub const DIGITS_MAX: usize = 256;

    /// Takes decimal digits, [`Self::DIGITS_MAX`] at most.
    pub fn parse(text: &str) -> Result<Self, NotASequenceNumber> {
        let is_number = (1..=Self::DIGITS_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit());
        if is_number { Ok(Self(text.into())) } else { Err(NotASequenceNumber::new(text)) }
    }

    /// The digits as they were given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn significant(&self) -> &str {
        self.0.trim_start_matches('0')
    }
}

impl PartialEq for SequenceNumber {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for SequenceNumber {}

impl PartialOrd for SequenceNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SequenceNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        let (left, right) = (self.significant(), other.significant());
        left.len().cmp(&right.len()).then_with(|| left.cmp(right))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The place up to which a shard has been processed [Java: `ExtendedSequenceNumber`].
///
/// Ordered as KCL orders it: `AT_TIMESTAMP` < `TRIM_HORIZON` < `LATEST` < every number <
/// `SHARD_END`; equal numbers by their sub-sequence number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Checkpoint {
    /// Nothing is processed; reading starts at the configured timestamp.
    AtTimestamp,
    /// Nothing is processed; reading starts at the oldest record.
    TrimHorizon,
    /// Nothing is processed; reading starts at the tip.
    Latest,
    /// Everything up to and including this user record is processed.
    At {
        /// The Kinesis record's number.
        sequence: SequenceNumber,
        /// Which user record of an aggregated record; 0 for a plain one.
        sub_sequence: u64,
    },
    /// The whole shard is processed.
    ShardEnd,
}

impl Checkpoint {
    /// A plain record's checkpoint.
    #[must_use]
    pub fn at(sequence: SequenceNumber) -> Self {
        Self::At { sequence, sub_sequence: 0 }
    }

    /// Reads the two values of the lease table or of the stdio protocol.
    ///
    /// A sentinel's sub-sequence number is not looked at: it is 0 by definition.
    pub fn parse(text: &str, sub_sequence: u64) -> Result<Self, NotASequenceNumber> {
        Ok(match text {
            "AT_TIMESTAMP" => Self::AtTimestamp,
            "TRIM_HORIZON" => Self::TrimHorizon,
            "LATEST" => Self::Latest,
            "SHARD_END" => Self::ShardEnd,
            digits => Self::At { sequence: SequenceNumber::parse(digits)?, sub_sequence },
        })
    }

    /// The main value as the lease table and the stdio protocol spell it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::AtTimestamp => "AT_TIMESTAMP",
            Self::TrimHorizon => "TRIM_HORIZON",
            Self::Latest => "LATEST",
            Self::At { sequence, .. } => sequence.as_str(),
            Self::ShardEnd => "SHARD_END",
        }
    }

    /// The sub-sequence number: 0 for a sentinel and for a plain record.
    #[must_use]
    pub fn sub_sequence(&self) -> u64 {
        match self {
            Self::At { sub_sequence, .. } => *sub_sequence,
            Self::AtTimestamp | Self::TrimHorizon | Self::Latest | Self::ShardEnd => 0,
        }
    }

    /// Whether the shard is done.
    #[must_use]
    pub fn is_shard_end(&self) -> bool {
        *self == Self::ShardEnd
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())?;
        match self.sub_sequence() {
            0 => Ok(()),
            sub_sequence => write!(f, "/{sub_sequence}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> SequenceNumber {
        SequenceNumber::parse(text).unwrap()
    }

    #[test]
    fn numbers_are_compared_as_numbers_not_as_text() {
        assert!(number("9") < number("10"));
        assert!(number("0010") == number("10"));
        assert!(
            number("49590338271490256608559692538361571095921575989136588898")
                > number("9590338271490256608559692538361571095921575989136588898")
        );
    }

    #[test]
    fn sentinels_rank_as_in_java() {
        let at = |sub_sequence| Checkpoint::At { sequence: number("0"), sub_sequence };
        let ranked = [
            Checkpoint::AtTimestamp,
            Checkpoint::TrimHorizon,
            Checkpoint::Latest,
            at(0),
            at(1),
            Checkpoint::ShardEnd,
        ];
        assert!(ranked.is_sorted_by(|left, right| left < right));
    }

    #[test]
    fn text_that_is_no_number_is_refused() {
        for text in ["", " 1", "1 ", "-1", "1.0", "٣", "shard_end"] {
            assert!(Checkpoint::parse(text, 0).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn the_order_agrees_with_that_of_the_integers(left: u128, right: u128) {
            let ours = number(&left.to_string()).cmp(&number(&right.to_string()));
            prop_assert_eq!(ours, left.cmp(&right));
        }

        #[test]
        fn what_is_written_reads_back(digits in "[0-9]{1,56}", sub_sequence: u64) {
            let checkpoint = Checkpoint::parse(&digits, sub_sequence).unwrap();
            let again = Checkpoint::parse(checkpoint.as_str(), checkpoint.sub_sequence()).unwrap();
            prop_assert_eq!(checkpoint, again);
        }
    }
}
