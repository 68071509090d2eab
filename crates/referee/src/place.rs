//! Places in a shard: sequence and sub-sequence numbers, and the sentinels.

use std::fmt;

/// How many decimal digits fit into one part of a number.
const DIGITS: usize = 19;
const PARTS: usize = 4;

/// A decimal number of at most 76 digits; those of Kinesis have 56.
///
/// Its parts, the highest first, lie in it and not elsewhere: a run compares millions of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber([u64; PARTS]);

/// A text that is neither a decimal number nor a sentinel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAPlace(String);

impl fmt::Display for NotAPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a number or a sentinel that may stand here", self.0)
    }
}

impl std::error::Error for NotAPlace {}

impl NotAPlace {
    /// A text that is no number where one is needed.
    pub(crate) fn text(text: String) -> Self {
        Self(text)
    }
}

impl SequenceNumber {
    fn parse(text: &str) -> Result<Self, NotAPlace> {
        let digits = text.trim_start_matches('0').as_bytes();
        let is_number = !text.is_empty() && digits.iter().all(u8::is_ascii_digit);
        if !is_number || digits.len() > DIGITS * PARTS {
            return Err(NotAPlace(text.to_owned()));
        }
        let mut parts = [0; PARTS];
        for (part, chunk) in parts.iter_mut().rev().zip(digits.rchunks(DIGITS)) {
            *part = chunk.iter().fold(0, |part, digit| part * 10 + u64::from(digit - b'0'));
        }
        Ok(Self(parts))
    }
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = self.0.iter().map(|part| format!("{part:0DIGITS$}")).collect();
        write!(f, "{:0>1}", text.trim_start_matches('0'))
    }
}

/// A place in a shard, in the order in which Kinesis clients rank them.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// Reading starts at the configured timestamp.
    AtTimestamp,
    /// Reading starts at the oldest record.
    #[default]
    TrimHorizon,
    /// Reading starts at the tip.
    Latest,
    /// A user record: its Kinesis record's number, and which one of that record it is.
    At(SequenceNumber, u64),
    /// The end of the shard.
    ShardEnd,
}

impl Place {
    /// Reads a sequence number or a sentinel, and a sub-sequence number.
    ///
    /// # Errors
    ///
    /// When the text is neither.
    pub fn parse(text: &str, sub_sequence: u64) -> Result<Self, NotAPlace> {
        Ok(match text {
            "AT_TIMESTAMP" => Self::AtTimestamp,
            "TRIM_HORIZON" => Self::TrimHorizon,
            "LATEST" => Self::Latest,
            "SHARD_END" => Self::ShardEnd,
            digits => Self::At(SequenceNumber::parse(digits)?, sub_sequence),
        })
    }

    /// Whether it is a record's, and not a sentinel.
    pub(crate) fn is_of_a_record(&self) -> bool {
        matches!(self, Self::At(..))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtTimestamp => f.write_str("AT_TIMESTAMP"),
            Self::TrimHorizon => f.write_str("TRIM_HORIZON"),
            Self::Latest => f.write_str("LATEST"),
            Self::At(number, 0) => write!(f, "{number}"),
            Self::At(number, sub_sequence) => write!(f, "{number}/{sub_sequence}"),
            Self::ShardEnd => f.write_str("SHARD_END"),
        }
    }
}

/// The place that two fields of a journal spell; none if the number was left out or null.
pub(crate) fn optional(seq: Option<&str>, sub: Option<u64>) -> Result<Option<Place>, NotAPlace> {
    seq.map(|seq| Place::parse(seq, sub.unwrap_or(0))).transpose()
}

/// The place of a record that two fields of a journal spell.
pub(crate) fn of_record(seq: &str, sub: Option<u64>) -> Result<Place, NotAPlace> {
    SequenceNumber::parse(seq).map(|number| Place::At(number, sub.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_as_numbers_and_sentinels_by_rank() {
        let ranked = [
            ("AT_TIMESTAMP", 0),
            ("TRIM_HORIZON", 0),
            ("LATEST", 0),
            ("0", 0),
            ("9", 0),
            ("0010", 0),
            ("10", 1),
            ("49590338271490256608559692538361571095921575989136588898", 0),
            ("SHARD_END", 0),
        ]
        .map(|(text, sub_sequence)| Place::parse(text, sub_sequence).unwrap());
        assert!(ranked.is_sorted_by(|left, right| left < right));
        assert_eq!(Place::parse("007", 0), Place::parse("7", 0));
    }

    #[test]
    fn a_place_is_written_as_it_is_read() {
        let long = "49590338271490256608559692538361571095921575989136588898";
        let longest = "9".repeat(76);
        for text in ["0", "7", "10000000000000000000", long, &longest, "SHARD_END", "LATEST"] {
            assert_eq!(Place::parse(text, 0).unwrap().to_string(), text);
        }
        assert_eq!(Place::parse("7", 3).unwrap().to_string(), "7/3");
    }

    #[test]
    fn what_is_no_place_is_refused() {
        let too_long = "1".repeat(77);
        for text in ["", "-1", "1.5", "shard_end", " 1", &too_long] {
            assert!(Place::parse(text, 0).is_err(), "{text:?}");
        }
    }
}
