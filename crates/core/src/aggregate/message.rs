//! The message inside an aggregate: two tables of keys, and records that point into them.

use super::wire::{Fields, Malformed, Value};

/// A message that was read to its end once: every field is whole, none that is required is missing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    body: &'a [u8],
    /// How long the table of partition keys is.
    pub(super) partition_keys: usize,
    /// How long the table of explicit hash keys is.
    pub(super) hash_keys: usize,
    /// How many records there are.
    pub(super) records: usize,
}

/// One record of a message. Its indexes may point anywhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) partition_key: u64,
    pub(super) hash_key: Option<u64>,
    pub(super) data: &'a [u8],
}

impl<'a> Message<'a> {
    /// Checks all of a message, and counts. It allocates nothing.
    ///
    /// As in Java, a field that is unknown, or known with another kind of value, is passed over.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Malformed> {
        let mut message = Self { body, partition_keys: 0, hash_keys: 0, records: 0 };
        for field in Fields::of(body) {
            match field? {
                (1, Value::Bytes(_)) => message.partition_keys += 1,
                (2, Value::Bytes(_)) => message.hash_keys += 1,
                (3, Value::Bytes(record)) => {
                    Record::read(record)?;
                    message.records += 1;
                }
                _ => {}
            }
        }
        Ok(message)
    }

    /// The table of partition keys.
    pub(super) fn partition_keys(&self) -> impl Iterator<Item = &'a [u8]> {
        self.all(1)
    }

    /// The table of explicit hash keys.
    pub(super) fn hash_keys(&self) -> impl Iterator<Item = &'a [u8]> {
        self.all(2)
    }

    /// The records, in order.
    pub(super) fn records(&self) -> impl Iterator<Item = Record<'a>> {
        self.all(3).filter_map(|record| Record::read(record).ok())
    }

    fn all(&self, number: u32) -> impl Iterator<Item = &'a [u8]> {
        Fields::of(self.body).filter_map(move |field| match field {
            Ok((found, Value::Bytes(bytes))) => (found == number).then_some(bytes),
            Ok((_, Value::Varint(_) | Value::Skipped)) | Err(_) => None,
        })
    }
}

impl<'a> Record<'a> {
    /// Of a field that is there more than once, the last one counts.
    fn read(record: &'a [u8]) -> Result<Self, Malformed> {
        let (mut partition_key, mut hash_key, mut data) = (None, None, None);
        for field in Fields::of(record) {
            match field? {
                (1, Value::Varint(index)) => partition_key = Some(index),
                (2, Value::Varint(index)) => hash_key = Some(index),
                (3, Value::Bytes(bytes)) => data = Some(bytes),
                (4, Value::Bytes(tag)) => check_tag(tag)?,
                _ => {}
            }
        }
        let (partition_key, data) = partition_key.zip(data).ok_or(Malformed)?;
        Ok(Self { partition_key, hash_key, data })
    }
}

/// Nobody uses tags, but the key of one is required.
fn check_tag(tag: &[u8]) -> Result<(), Malformed> {
    let mut has_key = false;
    for field in Fields::of(tag) {
        has_key |= matches!(field?, (1, Value::Bytes(_)));
    }
    if has_key { Ok(()) } else { Err(Malformed) }
}
