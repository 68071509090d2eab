//! Aggregates as the Kinesis Producer Library writes them, by a coding of their own: the library
//! that takes them apart has no part in it.

use std::sync::Arc;

use bytes::Bytes;
use md5::{Digest as _, Md5};
use shardwise_local::stream::NewRecord;

/// How an aggregate begins.
const MAGIC: [u8; 4] = [0xf3, 0x89, 0x9a, 0xc2];

/// What the fields of the message are numbered, and that each holds bytes or a number.
const PARTITION_KEY: u8 = 1 << 3 | BYTES;
const HASH_KEY: u8 = 2 << 3 | BYTES;
const RECORD: u8 = 3 << 3 | BYTES;
const PARTITION_KEY_INDEX: u8 = 1 << 3 | NUMBER;
const HASH_KEY_INDEX: u8 = 2 << 3 | NUMBER;
const DATA: u8 = 3 << 3 | BYTES;
const NUMBER: u8 = 0;
const BYTES: u8 = 2;

/// The data of the one Kinesis record that holds `records`.
pub(super) fn encode(records: &[NewRecord]) -> Bytes {
    let (mut partition_keys, mut hash_keys) = (Table::default(), Table::default());
    let mut entries = Vec::new();
    for record in records {
        let mut entry = Vec::new();
        number(&mut entry, PARTITION_KEY_INDEX, partition_keys.index(&record.partition_key));
        if let Some(key) = record.explicit_hash_key {
            number(&mut entry, HASH_KEY_INDEX, hash_keys.index(&key.to_string().into()));
        }
        bytes(&mut entry, DATA, &record.data);
        bytes(&mut entries, RECORD, &entry);
    }
    let mut message = Vec::new();
    partition_keys.0.iter().for_each(|key| bytes(&mut message, PARTITION_KEY, key.as_bytes()));
    hash_keys.0.iter().for_each(|key| bytes(&mut message, HASH_KEY, key.as_bytes()));
    message.extend(entries);
    [&MAGIC, &message[..], &Md5::digest(&message)[..]].concat().into()
}

/// Keys by their places, each of them once.
#[derive(Default)]
struct Table(Vec<Arc<str>>);

impl Table {
    fn index(&mut self, key: &Arc<str>) -> usize {
        // Long keys that many records share are not compared letter by letter.
        let is_key = |known: &Arc<str>| Arc::ptr_eq(known, key) || known == key;
        self.0.iter().position(is_key).unwrap_or_else(|| {
            self.0.push(Arc::clone(key));
            self.0.len() - 1
        })
    }
}

fn number(to: &mut Vec<u8>, field: u8, value: usize) {
    to.push(field);
    varint(to, value);
}

fn bytes(to: &mut Vec<u8>, field: u8, value: &[u8]) {
    to.push(field);
    varint(to, value.len());
    to.extend_from_slice(value);
}

fn varint(to: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        digits.map(|two| u8::from_str_radix(str::from_utf8(two).unwrap(), 16).unwrap()).collect()
    }

    fn record(key: &str, hash_key: Option<u128>, data: &'static str) -> NewRecord {
        NewRecord {
            partition_key: key.into(),
            explicit_hash_key: hash_key,
            data: Bytes::from_static(data.as_bytes()),
        }
    }

    /// What `aws_kinesis_agg` 1.2.3 writes, byte for byte.
    #[test]
    fn an_aggregate_is_what_the_python_package_writes() {
        let two = [record("pk-1", None, "hello"), record("pk-2", None, "world!")];
        assert_eq!(
            encode(&two),
            hex("f3899ac20a04706b2d310a04706b2d321a0908001a0568656c6c6f1a0a08011a06776f726c6421\
                 d49914be0c2d07901a10ca199c832059")
        );
        let three = [
            record("alpha", Some(0), "a1"),
            record("beta", Some(u128::MAX), "b1"),
            record("alpha", Some(0), "a2"),
        ];
        assert_eq!(
            encode(&three),
            hex("f3899ac20a05616c7068610a0462657461120130122733343032383233363639323039333834\
                 36333436333337343630373433313736383231313435351a08080010001a0261311a0808011001\
                 1a0262311a08080010001a0261320afb4275188801323c3275e3dab13eef")
        );
    }

    #[test]
    fn lengths_of_more_than_seven_bits_take_more_bytes() {
        let mut to = Vec::new();
        [0, 127, 128, 300, 1 << 21].iter().for_each(|value| varint(&mut to, *value));
        assert_eq!(to, [0, 127, 0x80, 1, 0xac, 2, 0x80, 0x80, 0x80, 1]);
    }
}
