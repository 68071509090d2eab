//! Aggregates of the Kinesis Producer Library: what is taken apart lies in the record, is the same
//! when it is put together anew, and goes to one shard at most of two that share the hash keys.

use md5::{Digest as _, Md5};
use shardwise_core::aggregate::{self, Aggregate, MAGIC, Reading, UserRecord};
use shardwise_core::sequence::SequenceNumber;
use shardwise_core::shard::HashKeyRange;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "aggregate",
    words: &[
        "\n\u{3}key",
        "\n\0",
        "\u{12}\u{1}7",
        "\u{12}\u{27}340282366920938463463374607431768211455",
        "\u{1a}\u{6}\u{8}\0\u{1a}\u{2}hi",
        "\u{1a}\u{8}\u{8}\0\u{10}\0\u{1a}\u{2}hi",
        "\u{1a}\u{4}\u{8}\0\u{1a}\0",
        "\u{1a}\u{9}\u{8}\0\u{1a}\0\"\u{3}\n\u{1}t",
        "\u{8}\u{1}",
        "\u{10}\u{1}",
        "\u{1a}\u{2}hi",
        "\u{b}\u{8}\u{1}\u{c}",
        "y12345678",
        "}1234",
    ],
    bytes_max: 4_096,
    check,
};

/// The first byte is `r` before the data of a record, else the rest is a message, which gets its
/// magic and digest here. The second byte is the highest of the hash key at which a shard is split.
fn check(input: &[u8]) {
    let [kind, cut, rest @ ..] = input else { return };
    let data = if *kind == b'r' { rest.to_vec() } else { sealed(rest) };
    let cut = (u128::from(*cut) << 120).max(1);
    let range = |start, end| HashKeyRange::new(start, end).expect("the ends are in order");
    let halves = [range(0, cut - 1), range(cut, u128::MAX)];

    let all = aggregate::read(&data, HashKeyRange::ALL);
    assert!(*kind == b'r' || all != Reading::Plain);
    assert_eq!(all == Reading::Plain, !data.starts_with(&MAGIC));
    if let Reading::Aggregate(aggregate) = &all {
        check_aggregate(aggregate, &data);
    }
    let mut takers = 0;
    for half in halves {
        let reading = aggregate::read(&data, half);
        if reading == Reading::Elsewhere {
            continue;
        }
        assert_eq!(reading, all, "another reading in {half}");
        if let Reading::Aggregate(aggregate) = &reading {
            let is_inside = |record: &UserRecord<'_>| half.contains(hash_key(record));
            assert!(aggregate.user_records.iter().all(is_inside), "a user record outside {half}");
            takers += usize::from(!aggregate.user_records.is_empty());
        }
    }
    assert!(takers <= 1, "both halves of a shard deliver the same");
}

fn check_aggregate(aggregate: &Aggregate<'_>, data: &[u8]) {
    let records = &aggregate.user_records;
    let bytes: usize = records.iter().map(|record| record.data.len()).sum();
    assert!(bytes + MAGIC.len() + 16 < data.len(), "more data than there was");
    let bounds = data.as_ptr_range();
    for record in records {
        let part = record.data.as_ptr_range();
        assert!(bounds.start <= part.start && part.end <= bounds.end, "data that was copied");
    }
    let here = SequenceNumber::parse("7").expect("a number");
    for (record, number) in records.iter().zip(0..) {
        assert_eq!(record.sub_sequence, number);
        let rest = aggregate.behind(&record.place(&here), &here);
        assert_eq!(rest, &records[number as usize + 1..]);
    }
    if !records.is_empty() {
        let again = sealed(&message_of(records));
        let whole = Aggregate { user_records: records.clone() };
        assert_eq!(aggregate::read(&again, HashKeyRange::ALL), Reading::Aggregate(whole));
    }
}

fn hash_key(record: &UserRecord<'_>) -> u128 {
    match &record.explicit_hash_key {
        // A minus is left before zero alone.
        Some(digits) => digits.trim_start_matches('-').parse().expect("a hash key"),
        None => u128::from_be_bytes(Md5::digest(&*record.partition_key).into()),
    }
}

/// With keys of its own for each record.
fn message_of(records: &[UserRecord<'_>]) -> Vec<u8> {
    let (mut message, mut hash_keys) = (Vec::new(), 0);
    for record in records {
        let mut fields = [&[0x08][..], &varint(record.sub_sequence as usize)].concat();
        if let Some(key) = &record.explicit_hash_key {
            message.extend(field(2, key.as_bytes()));
            fields.push(0x10);
            fields.extend(varint(hash_keys));
            hash_keys += 1;
        }
        fields.extend(field(3, record.data));
        message.extend(field(3, &fields));
        message.extend(field(1, record.partition_key.as_bytes()));
    }
    message
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2][..], &varint(bytes.len()), bytes].concat()
}

fn varint(value: usize) -> Vec<u8> {
    let low = (value & 0x7f) as u8;
    if value < 0x80 { vec![low] } else { [vec![low | 0x80], varint(value >> 7)].concat() }
}

fn sealed(message: &[u8]) -> Vec<u8> {
    [&MAGIC[..], message, &Md5::digest(message)].concat()
}
