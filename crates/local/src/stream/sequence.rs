//! Sequence numbers: 56 decimal digits that rise within a shard and from parent to child.
//!
//! The layout follows what clients can see in the service's own numbers (186 bits, the version in
//! the lowest four, the shard's index in the 32 above): `2`, the second in which the shard was
//! created (36 bits), four zero bits, the record's index in its shard (64), eight zero bits, the
//! record's second (36), the shard's index (32), the version (4).

use std::fmt;
use std::str::FromStr;

/// Digits of every sequence number.
const DIGITS: usize = 56;
const VERSION: u128 = 2;
/// The leading bits, which make every number 56 digits long.
const LEAD: u64 = 2;
const SECOND_MAX: u64 = (1 << 36) - 1;
const CHUNK: u64 = 10_000_000_000_000_000_000;

/// The place of a record in its shard. Numbers of one shard compare as its records follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceNumber {
    // In this order the derived comparison is that of the printed number.
    pub(super) created_second: u64,
    pub(super) index: u64,
    pub(super) second: u64,
    pub(super) shard: u32,
}

/// The text is not a sequence number that this model has given out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a sequence number of this service")]
pub struct ParseSequenceNumberError;

impl SequenceNumber {
    /// The index of a closed shard's ending number: above every record that the shard can hold.
    pub(super) const ENDING_INDEX: u64 = i64::MAX as u64;

    /// The upper 60 and the lower 128 bits.
    fn bits(self) -> (u64, u128) {
        let high = (LEAD << 56) | ((self.created_second & SECOND_MAX) << 20) | (self.index >> 48);
        let low = (u128::from(self.index) << 80)
            | (u128::from(self.second & SECOND_MAX) << 36)
            | (u128::from(self.shard) << 4)
            | VERSION;
        (high, low)
    }

    /// The number in decimal digits.
    pub(crate) fn digits(self) -> [u8; DIGITS] {
        let (high, low) = self.bits();
        let mut limbs = [high, (low >> 64) as u64, low as u64];
        let mut text = [b'0'; DIGITS];
        for end in [DIGITS, DIGITS - 19, DIGITS - 38] {
            let mut rest = divide(&mut limbs);
            let start = end.saturating_sub(19);
            for digit in text[start..end].iter_mut().rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        }
        text
    }
}

/// Divides a number of three limbs, the highest first, by [`CHUNK`]; returns what remains.
fn divide(limbs: &mut [u64; 3]) -> u64 {
    let mut rest = 0_u64;
    for limb in limbs {
        let value = (u128::from(rest) << 64) | u128::from(*limb);
        *limb = (value / u128::from(CHUNK)) as u64;
        rest = (value % u128::from(CHUNK)) as u64;
    }
    rest
}

/// Multiplies a number of three limbs, the highest first, by [`CHUNK`] and adds; false if it
/// no longer fits.
fn multiply_add(limbs: &mut [u64; 3], add: u64) -> bool {
    let mut carry = add;
    for limb in limbs.iter_mut().rev() {
        let value = u128::from(*limb) * u128::from(CHUNK) + u128::from(carry);
        *limb = value as u64;
        carry = (value >> 64) as u64;
    }
    carry == 0
}

impl fmt::Display for SequenceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).expect("digits are ASCII"))
    }
}

impl FromStr for SequenceNumber {
    type Err = ParseSequenceNumberError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = text.as_bytes();
        if bytes.len() != DIGITS || !bytes.iter().all(u8::is_ascii_digit) {
            return Err(ParseSequenceNumberError);
        }
        let mut limbs = [0_u64; 3];
        for (start, end) in [(0, 18), (18, 37), (37, DIGITS)] {
            let chunk = text[start..end].parse().map_err(|_| ParseSequenceNumberError)?;
            if !multiply_add(&mut limbs, chunk) {
                return Err(ParseSequenceNumberError);
            }
        }
        let high = limbs[0];
        let low = (u128::from(limbs[1]) << 64) | u128::from(limbs[2]);
        let number = Self {
            created_second: (high >> 20) & SECOND_MAX,
            index: ((high & 0xffff) << 48) | ((low >> 80) as u64 & 0xffff_ffff_ffff),
            second: (low >> 36) as u64 & SECOND_MAX,
            shard: (low >> 4) as u32,
        };
        // Written back, only bits that the layout gives a meaning survive.
        if number.bits() == (high, low) { Ok(number) } else { Err(ParseSequenceNumberError) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn numbers() -> impl Strategy<Value = SequenceNumber> {
        (0..=SECOND_MAX, any::<u64>(), 0..=SECOND_MAX, any::<u32>()).prop_map(
            |(created_second, index, second, shard)| SequenceNumber {
                created_second,
                index,
                second,
                shard,
            },
        )
    }

    #[test]
    fn a_number_of_today_looks_like_the_services_own() {
        let number = SequenceNumber {
            created_second: 1_795_000_000,
            index: 7,
            second: 1_795_000_042,
            shard: 3,
        };

        let text = number.to_string();

        assert_eq!(text.len(), 56);
        assert!(text.starts_with("49"), "{text}");
    }

    #[test]
    fn text_that_the_model_never_gives_out_is_refused() {
        let near = "49".to_owned() + &"0".repeat(54);
        for text in ["", "0", "12345", "-1", "LATEST", near.as_str(), &"9".repeat(56)] {
            assert_eq!(text.parse::<SequenceNumber>(), Err(ParseSequenceNumberError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(number in numbers()) {
            prop_assert_eq!(number.to_string().parse(), Ok(number));
        }

        #[test]
        fn numbers_compare_as_their_text_does(a in numbers(), b in numbers()) {
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }
    }
}
