//! Aggregates as a producer writes them, and as none would.

use md5::{Digest as _, Md5};

use crate::aggregate::MAGIC;
use crate::rng::Rng;
use crate::shard::HashKeyRange;

/// Puts magic and digest around a message.
pub(super) fn sealed(body: &[u8]) -> Vec<u8> {
    [&MAGIC, body, &Md5::digest(body)].concat()
}

pub(super) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

pub(super) fn number(field: u8, value: u64) -> Vec<u8> {
    [vec![field << 3], varint(value)].concat()
}

pub(super) fn bytes(field: u8, value: &[u8]) -> Vec<u8> {
    [vec![field << 3 | 2], varint(value.len() as u64), value.to_vec()].concat()
}

pub(super) fn record(partition_key: u64, hash_key: Option<u64>, data: &[u8]) -> Vec<u8> {
    let hash_key = hash_key.map_or(Vec::new(), |index| number(2, index));
    bytes(3, &[number(1, partition_key), hash_key, bytes(3, data)].concat())
}

/// The key's place on the ring.
pub(super) fn hash(key: &[u8]) -> u128 {
    u128::from_be_bytes(Md5::digest(key).into())
}

/// Draws Kinesis records, and shards that they were read from.
pub(super) struct Producer {
    pub(super) rng: Rng,
    partition_keys: Vec<Vec<u8>>,
    hash_keys: Vec<Vec<u8>>,
    /// Whether it makes no mistakes, and records as small as they can be.
    is_terse: bool,
}

impl Producer {
    pub(super) fn new(seed: usize) -> Self {
        let mut rng = Rng::new(seed as u64);
        let (keys, hashes) = (1 + rng.below(3), rng.below(3));
        let partition_keys = (0..keys).map(|_| partition_key(&mut rng)).collect();
        let hash_keys = (0..hashes).map(|_| hash_key(&mut rng)).collect();
        let is_terse = rng.below(4) == 0;
        Self { rng, partition_keys, hash_keys, is_terse }
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.rng.below(n) == 0
    }

    /// A shard that a split made, most often beside the hash of one of the keys.
    pub(super) fn range(&mut self) -> HashKeyRange {
        let key = &self.partition_keys[self.rng.below(self.partition_keys.len())];
        let (beside, half) = (hash(key), u128::MAX / 2);
        let cut = [beside.saturating_sub(1), beside, beside.saturating_add(1), half];
        let cut = cut[self.rng.below(4)];
        let range = match self.rng.below(4) {
            0 => Some(HashKeyRange::ALL),
            1 => HashKeyRange::new(0, cut),
            2 => HashKeyRange::new(cut, u128::MAX),
            _ => HashKeyRange::new(cut - cut / 4, cut.saturating_add(half)),
        };
        range.unwrap()
    }

    /// The data of a Kinesis record.
    pub(super) fn data(&mut self) -> Vec<u8> {
        let body = self.body();
        let mut data = sealed(&body);
        if self.one_in(16) {
            self.damage(&mut data);
        }
        data
    }

    fn body(&mut self) -> Vec<u8> {
        let tables = [(1, self.partition_keys.clone()), (2, self.hash_keys.clone())];
        let tables = tables.iter().flat_map(|(field, keys)| keys.iter().map(|key| (*field, key)));
        let mut fields: Vec<Vec<u8>> = tables.map(|(field, key)| bytes(field, key)).collect();
        let most = if self.is_terse && self.one_in(4) { 1_000 } else { 8 };
        for _ in 0..self.rng.below(most) {
            let record = self.record();
            fields.push(bytes(3, &record));
        }
        if self.one_in(4) {
            let all = fields.len();
            fields = self.rng.choose(&mut fields, all);
        }
        let mut body = self.among_noise(fields);
        if self.one_in(6) {
            self.damage(&mut body);
        }
        body
    }

    fn record(&mut self) -> Vec<u8> {
        if self.is_terse {
            let key = self.rng.below(self.partition_keys.len()) as u64;
            return [number(1, key), bytes(3, b"")].concat();
        }
        let mut fields = Vec::new();
        for _ in 0..if self.one_in(10) { 2 } else { 1 } {
            let index = self.index(self.partition_keys.len());
            fields.push(number(1, index));
            if self.one_in(3) && !self.hash_keys.is_empty() {
                let index = self.index(self.hash_keys.len());
                fields.push(number(2, index));
            }
            let mut data = vec![b'd'; self.rng.below(20)];
            data.push(self.rng.below(256) as u8);
            data.truncate(self.rng.below(21));
            fields.push(bytes(3, &data));
        }
        if self.one_in(200) {
            fields.remove(self.rng.below(fields.len()));
        }
        if self.one_in(5) {
            let key = if self.one_in(50) { Vec::new() } else { bytes(1, b"k") };
            fields.push(bytes(4, &[key, bytes(2, b"v")].concat()));
        }
        self.among_noise(fields)
    }

    fn index(&mut self, length: usize) -> u64 {
        match self.rng.below(300) {
            0 => length as u64,
            1 => u64::MAX - self.rng.below(2) as u64,
            2 => 1 << 32,
            _ => self.rng.below(length) as u64,
        }
    }

    /// Unknown fields, and known ones with the wrong kind of value.
    fn among_noise(&mut self, fields: Vec<Vec<u8>>) -> Vec<u8> {
        let mut message = Vec::new();
        for field in fields {
            if !self.is_terse && self.one_in(8) {
                let noise = match self.rng.below(8) {
                    0 => number(15, u64::MAX),
                    1 => bytes(9, b"noise"),
                    2 => b"\x7912345678".to_vec(),
                    3 => b"\x4d1234".to_vec(),
                    4 => b"\x2b\x0a\x01x\x13\x14\x2c".to_vec(),
                    5 => number(3, 7),
                    6 => bytes(2, b"5"),
                    _ => b"\x0d1234".to_vec(),
                };
                message.extend(noise);
            }
            message.extend(field);
        }
        message
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.rng.below(bytes.len());
        match self.rng.below(4) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            2 => bytes.insert(at, self.rng.below(256) as u8),
            _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << self.rng.below(8)),
        }
    }
}

fn partition_key(rng: &mut Rng) -> Vec<u8> {
    match rng.below(40) {
        0 => Vec::new(),
        1 => b"\xff\xc3-\xe2\x82".to_vec(),
        2 => "é".repeat(256).into_bytes(),
        3 => "é".repeat(257).into_bytes(),
        4..7 => "🦀".repeat(256).into_bytes(),
        _ => format!("user-{}", rng.below(1_000)).into_bytes(),
    }
}

fn hash_key(rng: &mut Rng) -> Vec<u8> {
    let text = match rng.below(20) {
        0 => "-1".to_owned(),
        1 => "-0".to_owned(),
        2 => "340282366920938463463374607431768211456".to_owned(),
        3 => "x".to_owned(),
        4 => format!("+{}", u128::MAX),
        5 => "0".repeat(260),
        6 => format!("{:060}", u128::MAX / 2 + 1),
        _ => (u128::MAX / 8 * rng.below(8) as u128).to_string(),
    };
    text.into_bytes()
}
