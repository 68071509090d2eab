//! The tables of keys: each key is made into text, and its hash key found, once.

use std::sync::Arc;

use md5::{Digest as _, Md5};

use crate::shard::HashKeyRange;

/// A table of keys. Only those that a record points at are looked at.
#[derive(Debug)]
pub(super) struct Keys<'a> {
    keys: Vec<Key<'a>>,
    kind: Kind,
    range: HashKeyRange,
}

/// What the keys of a table say.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// Their MD5 sum is the hash key.
    Partition,
    /// They are the hash key, in decimal digits.
    ExplicitHash,
}

#[derive(Debug)]
enum Key<'a> {
    Unread(&'a [u8]),
    Read(Arc<str>, Place),
}

/// Where the hash key of a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the range of the shard.
    Inside,
    /// Not in it.
    Outside,
    /// Nowhere: the text is not a number.
    Nowhere,
}

impl<'a> Keys<'a> {
    /// Takes `length` keys, whose hash keys are looked for in `range`.
    pub(super) fn new(
        keys: impl Iterator<Item = &'a [u8]>,
        length: usize,
        kind: Kind,
        range: HashKeyRange,
    ) -> Self {
        let mut table = Self { keys: Vec::with_capacity(length), kind, range };
        table.keys.extend(keys.map(Key::Unread));
        table
    }

    /// The key at `index`, if the table is that long. Bytes that are not UTF-8 are replaced, as
    /// Java does.
    pub(super) fn get(&mut self, index: u64) -> Option<(Arc<str>, Place)> {
        let key = self.keys.get_mut(usize::try_from(index).ok()?)?;
        if let Key::Unread(bytes) = key {
            let text: Arc<str> = String::from_utf8_lossy(bytes).into();
            let place = match self.kind {
                Kind::Partition => place_of_partition_key(&text, self.range),
                Kind::ExplicitHash => place_of_hash_key(&text, self.range),
            };
            *key = Key::Read(text, place);
        }
        match key {
            Key::Read(text, place) => Some((Arc::clone(text), *place)),
            Key::Unread(_) => None,
        }
    }
}

fn place_of_partition_key(key: &str, range: HashKeyRange) -> Place {
    // Hashing is most of the work; it says nothing if every hash key is in the range.
    if range == HashKeyRange::ALL {
        return Place::Inside;
    }
    place_in(range, u128::from_be_bytes(Md5::digest(key).into()))
}

/// Reads digits, and a sign before them [Java: `BigInteger`, but for the digits of other scripts].
fn place_of_hash_key(key: &str, range: HashKeyRange) -> Place {
    let digits = key.strip_prefix(['+', '-']).unwrap_or(key);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Place::Nowhere;
    }
    match digits.parse() {
        Ok(number) if number == 0 || !key.starts_with('-') => place_in(range, number),
        Ok(_) | Err(_) => Place::Outside,
    }
}

fn place_in(range: HashKeyRange, hash_key: u128) -> Place {
    if range.contains(hash_key) { Place::Inside } else { Place::Outside }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u128, end: u128) -> HashKeyRange {
        HashKeyRange::new(start, end).unwrap()
    }

    #[test]
    fn a_key_takes_no_more_than_is_promised() {
        assert_eq!(size_of::<Key<'_>>(), 24);
    }

    #[test]
    fn a_partition_key_is_where_its_md5_sum_is() {
        let sum = 273_922_656_776_327_812_788_301_823_748_127_981_641;
        for (range, place) in [
            (range(sum, sum), Place::Inside),
            (range(0, sum - 1), Place::Outside),
            (range(sum + 1, u128::MAX), Place::Outside),
            (HashKeyRange::ALL, Place::Inside),
        ] {
            assert_eq!(place_of_partition_key("pk-1", range), place, "{range}");
        }
    }

    #[test]
    fn an_explicit_hash_key_is_a_number_as_java_reads_it() {
        let (inside, outside, nowhere) = (Place::Inside, Place::Outside, Place::Nowhere);
        for (key, place) in [
            ("0", inside),
            ("-0", inside),
            ("+7", inside),
            ("0007", inside),
            ("340282366920938463463374607431768211455", inside),
            ("340282366920938463463374607431768211456", outside),
            ("-1", outside),
            ("", nowhere),
            ("+", nowhere),
            ("+-1", nowhere),
            ("1.0", nowhere),
            (" 1", nowhere),
            ("0x1", nowhere),
            ("٣", nowhere),
        ] {
            assert_eq!(place_of_hash_key(key, HashKeyRange::ALL), place, "{key:?}");
        }
        assert_eq!(place_of_hash_key("-0", range(1, 2)), outside);
    }
}
