//! Aggregates of the Kinesis Producer Library: several user records in one Kinesis record.
//!
//! An aggregate is four bytes that nothing else begins with, a protobuf message, and the MD5 sum of
//! the message. [`read`] takes one apart as Java's `AggregatorUtil` does, so that a fleet of both
//! delivers the same user records with the same sub-sequence numbers. In four places it is
//! stricter, and what it refuses is delivered as it is: numbers wider than their type, keys that
//! Kinesis would not take, aggregates that would fill the memory, and a user record whose keys make
//! no sense: Java delivers what is before it, and loses the rest. An index that Java would cut to
//! 32 bits points at nothing here.
//!
//! # Memory
//!
//! Data is not copied: a user record borrows it. A key is made into text once, and shared. So an
//! aggregate costs 24 bytes for each key in its tables and 56 for each user record, which takes six
//! bytes of the message at least: 174,000 user records in 1 MiB cost 10 MiB.
//!
//! Whoever copies keys instead of sharing them is safe as well. Every key in a table and every user
//! record counts as [`ELEMENT_BYTES`], and every user record with its data and its keys besides.
//! What comes to more than [`EXPANSION_MAX`] times the Kinesis record, or to more than
//! [`EXPANDED_BYTES_MAX`], is refused, so there are 524,288 user records at most. User records
//! without any data that share a key of 256 letters expand 54 times: as many as fit into the 50 KB
//! of the producer library's own limit are read.

mod keys;
mod message;
mod wire;

use std::sync::Arc;

use md5::{Digest as _, Md5};

use self::keys::{Keys, Kind, Place};
use self::message::Message;
use crate::sequence::{Checkpoint, SequenceNumber};
use crate::shard::HashKeyRange;

/// How an aggregate begins.
pub const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];
/// The most characters that a key may have: no more than Kinesis takes.
pub const KEY_CHARACTERS_MAX: usize = 256;
/// What a key in a table, or a user record, counts besides its text and its data.
pub const ELEMENT_BYTES: usize = 64;
/// How many times its own size an aggregate may expand to.
pub const EXPANSION_MAX: usize = 64;
/// The most bytes that an aggregate may expand to.
pub const EXPANDED_BYTES_MAX: usize = 32 << 20;

const DIGEST_BYTES: usize = 16;

/// What a Kinesis record turns out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<'a> {
    /// No aggregate: it is delivered as it is.
    Plain,
    /// It begins like an aggregate and is none that can be taken apart: delivered as it is.
    Corrupt(Corrupt),
    /// It belongs to another shard, and nothing of it is delivered.
    ///
    /// A user record's hash key is not in the shard's range. The producer sent the aggregate while
    /// the shard was split or merged, and sends those user records again, to where they belong.
    Elsewhere,
    /// Its user records are delivered in its place, also if there are none.
    Aggregate(Aggregate<'a>),
}

/// Why what begins like an aggregate is taken for a plain record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    /// There is no room for a message and its digest.
    #[error("too short for an aggregate")]
    Short,
    /// The message is not the one that was sent.
    #[error("wrong digest of an aggregate")]
    Digest,
    /// The message is no message of the Kinesis Producer Library, or lacks a field.
    #[error("malformed message in an aggregate")]
    Message,
    /// A key has more than [`KEY_CHARACTERS_MAX`] characters.
    #[error("key of more than 256 characters in an aggregate")]
    Key,
    /// A user record cannot be understood.
    #[error("user record {sub_sequence} of an aggregate has {flaw}")]
    UserRecord {
        /// Its place in the aggregate.
        sub_sequence: u64,
        /// What is wrong with it.
        flaw: Flaw,
    },
    /// It expands to more than [`EXPANSION_MAX`] times its size, or [`EXPANDED_BYTES_MAX`].
    #[error("aggregate that expands to too much")]
    TooLarge,
}

/// An aggregate, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aggregate<'a> {
    /// The user records, in order. Each one's sub-sequence number is its place in this list.
    pub user_records: Vec<UserRecord<'a>>,
}

/// One user record. What it does not say is that of the Kinesis record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRecord<'a> {
    /// What the producer put: a part of the Kinesis record.
    pub data: &'a [u8],
    /// Its partition key, shared with other user records of the aggregate.
    pub partition_key: Arc<str>,
    /// Its explicit hash key as the producer wrote it, if it has one.
    pub explicit_hash_key: Option<Arc<str>>,
    /// Its place in the aggregate, from 0 on.
    pub sub_sequence: u64,
}

/// What is wrong with a user record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It points behind the table of partition keys.
    #[error("a partition key that is not there")]
    PartitionKeyMissing,
    /// It points behind the table of explicit hash keys.
    #[error("an explicit hash key that is not there")]
    HashKeyMissing,
    /// Its explicit hash key is not a number.
    #[error("an explicit hash key that is not a number")]
    HashKeyNotANumber,
}

impl<'a> Aggregate<'a> {
    /// The user records that are still to be delivered behind `checkpoint`, if the Kinesis record
    /// is at `sequence`.
    #[must_use]
    pub fn behind(&self, checkpoint: &Checkpoint, sequence: &SequenceNumber) -> &[UserRecord<'a>] {
        let is_done = |record: &UserRecord<'_>| record.place(sequence) <= *checkpoint;
        &self.user_records[self.user_records.partition_point(is_done)..]
    }
}

impl UserRecord<'_> {
    /// The checkpoint that says: everything up to and including this user record is processed, if
    /// the Kinesis record is at `sequence`.
    #[must_use]
    pub fn place(&self, sequence: &SequenceNumber) -> Checkpoint {
        Checkpoint::At { sequence: sequence.clone(), sub_sequence: self.sub_sequence }
    }
}

/// Takes the data of a Kinesis record apart, as far as it is an aggregate for a shard with `range`.
///
/// Where the range is not known, [`HashKeyRange::ALL`] keeps every aggregate whose explicit hash
/// keys are hash keys at all. The first user record that is outside, or that cannot be understood,
/// decides what becomes of the aggregate: what is behind it is not looked at.
#[must_use]
pub fn read(data: &[u8], range: HashKeyRange) -> Reading<'_> {
    let Some(rest) = data.strip_prefix(&MAGIC) else { return Reading::Plain };
    let room = EXPANDED_BYTES_MAX.min(data.len().saturating_mul(EXPANSION_MAX));
    match open(rest).and_then(|message| take_apart(message, range, Room(room))) {
        Ok(Some(aggregate)) => Reading::Aggregate(aggregate),
        Ok(None) => Reading::Elsewhere,
        Err(why) => Reading::Corrupt(why),
    }
}

/// Reads what is behind the magic.
fn open(rest: &[u8]) -> Result<Message<'_>, Corrupt> {
    let (body, digest) = rest.split_last_chunk::<DIGEST_BYTES>().ok_or(Corrupt::Short)?;
    if body.is_empty() {
        return Err(Corrupt::Short);
    }
    if Md5::digest(body)[..] != digest[..] {
        return Err(Corrupt::Digest);
    }
    Message::read(body).map_err(|wire::Malformed| Corrupt::Message)
}

/// Gives nothing if the aggregate belongs to another shard.
fn take_apart(
    message: Message<'_>,
    range: HashKeyRange,
    mut room: Room,
) -> Result<Option<Aggregate<'_>>, Corrupt> {
    let elements = message.partition_keys + message.hash_keys + message.records;
    room.take(elements.saturating_mul(ELEMENT_BYTES))?;
    let mut tables = Tables::of(&message, range);
    let mut user_records = Vec::with_capacity(message.records);
    for (record, sub_sequence) in message.records().zip(0..) {
        let keys = tables.keys_of(&record);
        let keys = keys.map_err(|flaw| Corrupt::UserRecord { sub_sequence, flaw })?;
        if !keys.is_inside {
            return Ok(None);
        }
        room.take_text(&keys.partition_key)?;
        if let Some(key) = &keys.explicit_hash_key {
            room.take_text(key)?;
        }
        room.take(record.data.len())?;
        user_records.push(UserRecord {
            data: record.data,
            partition_key: keys.partition_key,
            explicit_hash_key: keys.explicit_hash_key,
            sub_sequence,
        });
    }
    Ok(Some(Aggregate { user_records }))
}

struct Tables<'a> {
    partition_keys: Keys<'a>,
    hash_keys: Keys<'a>,
}

struct RecordKeys {
    partition_key: Arc<str>,
    explicit_hash_key: Option<Arc<str>>,
    is_inside: bool,
}

impl<'a> Tables<'a> {
    fn of(message: &Message<'a>, range: HashKeyRange) -> Self {
        let (partition, explicit) = (message.partition_keys(), message.hash_keys());
        Self {
            partition_keys: Keys::new(partition, message.partition_keys, Kind::Partition, range),
            hash_keys: Keys::new(explicit, message.hash_keys, Kind::ExplicitHash, range),
        }
    }

    fn keys_of(&mut self, record: &message::Record<'_>) -> Result<RecordKeys, Flaw> {
        let at = record.partition_key;
        let (partition_key, mut place) =
            self.partition_keys.get(at).ok_or(Flaw::PartitionKeyMissing)?;
        let mut explicit_hash_key = None;
        if let Some(at) = record.hash_key {
            let (key, explicit) = self.hash_keys.get(at).ok_or(Flaw::HashKeyMissing)?;
            (explicit_hash_key, place) = (Some(key), explicit);
        }
        if place == Place::Nowhere {
            return Err(Flaw::HashKeyNotANumber);
        }
        Ok(RecordKeys { partition_key, explicit_hash_key, is_inside: place == Place::Inside })
    }
}

/// How many bytes an aggregate may still expand to.
struct Room(usize);

impl Room {
    fn take(&mut self, bytes: usize) -> Result<(), Corrupt> {
        self.0 = self.0.checked_sub(bytes).ok_or(Corrupt::TooLarge)?;
        Ok(())
    }

    fn take_text(&mut self, key: &str) -> Result<(), Corrupt> {
        // A character has a byte at least: most keys need not be counted.
        if key.len() > KEY_CHARACTERS_MAX && key.chars().count() > KEY_CHARACTERS_MAX {
            return Err(Corrupt::Key);
        }
        self.take(key.len())
    }
}

#[cfg(test)]
mod tests;
