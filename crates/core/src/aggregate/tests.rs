mod encode;
mod model;

use std::collections::BTreeMap;

use self::encode::{Producer, bytes, number, record, sealed};
use self::model::Meaning;
use super::*;

/// 2^127, the middle of the hash keys.
const MIDDLE: u128 = 1 << 127;

/// Byte-identical to what PyPI's `aws_kinesis_agg` 1.2.3 writes.
const TWO_KEYS: &str = "f3899ac20a04706b2d310a04706b2d321a0908001a0568656c6c6f1a0a08011a06776f\
    726c6421d49914be0c2d07901a10ca199c832059";
/// Likewise.
const HASH_KEYS: &str = "f3899ac20a05616c7068610a0462657461120130122733343032383233363639323039\
    33383436333436333337343630373433313736383231313435351a08080010001a0261311a08080110011a026231\
    1a08080010001a0261320afb4275188801323c3275e3dab13eef";
const ODD_KEY: &str = "f3899ac20a07757365722dc3a91a0408001a001a0708001a0300ff011a1a08001a067461\
    6767656422060a016b12017622060a046f6e6c79a48fe158731312c217f91a00cffbdf27";
const ONE_HASH_KEY: &str = "f3899ac20a0270300a0270311227313730313431313833343630343639323331373\
    3313638373330333731353838343130353732381a0a08001a066e6f2d65686b1a0e080110001a08776974682d656\
    86b2220a5432d3f08a113078d735eb54992";
const BAD_INDEX: &str = "f3899ac20a046f6e6c791a0608001a026f6b1a0708051a036261641a0908001a056e65\
    766572c32b9925f37a594b9bdcc23794a6a05c";
const NO_DATA: &str = "f3899ac20a01701a0208005160604abce2b890f7e8842253e74f11";
const NO_RECORDS: &str = "f3899ac20a0170644877cb891859c4827e14847f4dc64d";
const EMPTY_BODY: &str = "f3899ac2d41d8cd98f00b204e9800998ecf8427e";
const NO_MESSAGE: &str = "f3899ac2ffffffffa54f0041a9e15b050f25c463f1db7449";

fn unhex(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map(|c| c.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn lower() -> HashKeyRange {
    HashKeyRange::new(0, MIDDLE - 1).unwrap()
}

fn upper() -> HashKeyRange {
    HashKeyRange::new(MIDDLE, u128::MAX).unwrap()
}

/// The user records, if all of them can be read.
fn whole(data: &[u8], range: HashKeyRange) -> Vec<UserRecord<'_>> {
    match read(data, range) {
        Reading::Aggregate(Aggregate { user_records }) => user_records,
        other @ (Reading::Plain | Reading::Corrupt(_) | Reading::Elsewhere) => panic!("{other:?}"),
    }
}

type Told<'a> = (u64, &'a str, Option<&'a str>, &'a [u8]);

fn told<'a>(records: &'a [UserRecord<'_>]) -> Vec<Told<'a>> {
    let told = records.iter().map(|record| {
        let hash_key = record.explicit_hash_key.as_deref();
        (record.sub_sequence, &*record.partition_key, hash_key, record.data)
    });
    told.collect()
}

fn corrupt(data: &[u8]) -> Corrupt {
    match read(data, HashKeyRange::ALL) {
        Reading::Corrupt(why) => why,
        other @ (Reading::Plain | Reading::Elsewhere | Reading::Aggregate(_)) => {
            panic!("{other:?}")
        }
    }
}

fn sequence(text: &str) -> SequenceNumber {
    SequenceNumber::parse(text).unwrap()
}

#[test]
fn user_records_come_in_order_with_their_keys() {
    let data = unhex(TWO_KEYS);
    assert_eq!(
        told(&whole(&data, HashKeyRange::ALL)),
        [(0, "pk-1", None, &b"hello"[..]), (1, "pk-2", None, b"world!")]
    );
}

#[test]
fn explicit_hash_keys_come_as_they_were_written() {
    let data = unhex(HASH_KEYS);
    let max = "340282366920938463463374607431768211455";
    assert_eq!(
        told(&whole(&data, HashKeyRange::ALL)),
        [
            (0, "alpha", Some("0"), &b"a1"[..]),
            (1, "beta", Some(max), b"b1"),
            (2, "alpha", Some("0"), b"a2"),
        ]
    );
}

#[test]
fn tags_are_passed_over_and_data_may_be_empty_or_binary() {
    let data = unhex(ODD_KEY);
    assert_eq!(
        told(&whole(&data, HashKeyRange::ALL)),
        [
            (0, "user-é", None, &b""[..]),
            (1, "user-é", None, b"\x00\xff\x01"),
            (2, "user-é", None, b"tagged"),
        ]
    );
}

#[test]
fn only_a_record_that_points_at_a_hash_key_has_one() {
    let data = unhex(ONE_HASH_KEY);
    let middle = MIDDLE.to_string();
    assert_eq!(
        told(&whole(&data, HashKeyRange::ALL)),
        [(0, "p0", None, &b"no-ehk"[..]), (1, "p1", Some(middle.as_str()), b"with-ehk")]
    );
}

#[test]
fn an_aggregate_without_user_records_yields_nothing() {
    assert_eq!(whole(&unhex(NO_RECORDS), HashKeyRange::ALL), []);
}

#[test]
fn what_begins_otherwise_is_plain() {
    let aggregate = unhex(TWO_KEYS);
    let one_byte_off = [&[0xf3, 0x89, 0x9a, 0xc3], &aggregate[4..]].concat();
    for data in [&b""[..], b"x", b"hello", &MAGIC[..3], &one_byte_off, &aggregate[1..]] {
        assert_eq!(read(data, HashKeyRange::ALL), Reading::Plain, "{}", data.escape_ascii());
    }
}

#[test]
fn what_begins_like_an_aggregate_and_is_none_says_why() {
    assert_eq!(corrupt(&MAGIC), Corrupt::Short);
    assert_eq!(corrupt(&unhex(EMPTY_BODY)), Corrupt::Short);
    assert_eq!(corrupt(&unhex(NO_MESSAGE)), Corrupt::Message);
    assert_eq!(corrupt(&unhex(NO_DATA)), Corrupt::Message);
}

#[test]
fn one_bit_that_changed_on_the_way_makes_a_plain_record() {
    let whole = unhex(TWO_KEYS);
    for bit in 4 * 8..whole.len() * 8 {
        let mut data = whole.clone();
        data[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(corrupt(&data), Corrupt::Digest, "bit {bit}");
    }
}

#[test]
fn an_aggregate_that_was_cut_is_corrupt_wherever_it_was_cut() {
    let whole = unhex(HASH_KEYS);
    for length in 4..whole.len() {
        let why = if length <= 20 { Corrupt::Short } else { Corrupt::Digest };
        assert_eq!(corrupt(&whole[..length]), why, "{length}");
    }
}

#[test]
fn a_message_that_breaks_off_is_corrupt_even_if_its_digest_is_right() {
    let key = bytes(1, b"key");
    let body = [key.clone(), record(0, None, b"data")].concat();
    for length in 1..body.len() {
        let data = sealed(&body[..length]);
        if length == key.len() {
            assert_eq!(whole(&data, HashKeyRange::ALL), []);
        } else {
            assert_eq!(corrupt(&data), Corrupt::Message, "{length}");
        }
    }
}

#[test]
fn a_record_without_what_is_required_makes_the_whole_aggregate_corrupt() {
    let good = record(0, None, b"good");
    let (key, data) = (number(1, 0), bytes(3, b"data"));
    for bad in [
        Vec::new(),
        key.clone(),
        data.clone(),
        [bytes(1, b"not a number"), data.clone()].concat(),
        [key.clone(), number(3, 5)].concat(),
        [key.clone(), data.clone(), bytes(4, b"")].concat(),
        [key.clone(), data.clone(), bytes(4, &number(1, 1))].concat(),
        [key, data, bytes(4, b"\x0a\x05k")].concat(),
    ] {
        let body = [bytes(1, b"key"), good.clone(), bytes(3, &bad)].concat();
        assert_eq!(corrupt(&sealed(&body)), Corrupt::Message, "{}", bad.escape_ascii());
    }
}

#[test]
fn of_a_field_that_is_there_twice_the_last_one_counts() {
    let twice = [number(1, 9), bytes(3, b"first"), number(1, 1), bytes(3, b"last")].concat();
    let data = sealed(&[bytes(3, &twice), bytes(1, b"a"), bytes(1, b"b")].concat());
    assert_eq!(told(&whole(&data, HashKeyRange::ALL)), [(0, "b", None, &b"last"[..])]);
}

#[test]
fn a_key_that_is_not_utf_8_is_delivered_with_replacements_and_hashed_with_them() {
    let data = sealed(&[bytes(1, b"k\xff"), record(0, None, b"x")].concat());
    let at = encode::hash("k\u{fffd}".as_bytes());
    let range = HashKeyRange::new(at, at).unwrap();
    assert_eq!(told(&whole(&data, range)), [(0, "k\u{fffd}", None, &b"x"[..])]);
}

#[test]
fn an_aggregate_with_a_user_record_without_sense_is_delivered_as_it_is() {
    let why = corrupt(&unhex(BAD_INDEX));
    assert_eq!(why, Corrupt::UserRecord { sub_sequence: 1, flaw: Flaw::PartitionKeyMissing });
    assert_eq!(
        why.to_string(),
        "user record 1 of an aggregate has a partition key that is not there"
    );
}

#[test]
fn an_index_is_never_narrowed() {
    for index in [1, 1 << 32, 1 << 63, u64::MAX] {
        let tables = [bytes(1, b"key"), bytes(2, b"0")].concat();
        for (bad, flaw) in [
            (record(index, None, b"x"), Flaw::PartitionKeyMissing),
            (record(0, Some(index), b"x"), Flaw::HashKeyMissing),
        ] {
            let data = sealed(&[tables.clone(), bad].concat());
            assert_eq!(corrupt(&data), Corrupt::UserRecord { sub_sequence: 0, flaw });
        }
    }
}

#[test]
fn an_aggregate_is_delivered_whole_or_not_at_all_behind_a_split() {
    let (two_keys, hash_keys, one_hash_key) =
        (unhex(TWO_KEYS), unhex(HASH_KEYS), unhex(ONE_HASH_KEY));
    assert_eq!(read(&two_keys, lower()), Reading::Elsewhere);
    assert_eq!(whole(&two_keys, upper()).len(), 2);
    for data in [&hash_keys, &one_hash_key] {
        assert_eq!(read(data, lower()), Reading::Elsewhere);
        assert_eq!(read(data, upper()), Reading::Elsewhere);
    }
}

#[test]
fn both_ends_of_a_shard_belong_to_it() {
    let at = encode::hash(b"pk-1");
    let data = sealed(&[bytes(1, b"pk-1"), record(0, None, b"x")].concat());
    for (start, end, is_inside) in
        [(at, at, true), (0, at, true), (0, at - 1, false), (at + 1, u128::MAX, false)]
    {
        let range = HashKeyRange::new(start, end).unwrap();
        assert_eq!(read(&data, range) != Reading::Elsewhere, is_inside, "{range}");
    }
}

#[test]
fn a_hash_key_beyond_all_shards_is_elsewhere_even_where_the_range_is_not_known() {
    for key in ["-1", "340282366920938463463374607431768211456"] {
        let tables = [bytes(1, b"key"), bytes(2, key.as_bytes())].concat();
        let data = sealed(&[tables, record(0, None, b"x"), record(0, Some(0), b"y")].concat());
        assert_eq!(read(&data, HashKeyRange::ALL), Reading::Elsewhere);
    }
}

#[test]
fn the_first_bad_user_record_decides() {
    let tables = [bytes(1, b"key"), bytes(2, b"-1"), bytes(2, b"one")].concat();
    let (outside, senseless) = (record(0, Some(0), b"x"), record(0, Some(1), b"x"));
    let first_outside = sealed(&[tables.clone(), outside.clone(), senseless.clone()].concat());
    assert_eq!(read(&first_outside, HashKeyRange::ALL), Reading::Elsewhere);

    let first_senseless = sealed(&[tables, senseless, outside].concat());
    let why = Corrupt::UserRecord { sub_sequence: 0, flaw: Flaw::HashKeyNotANumber };
    assert_eq!(corrupt(&first_senseless), why);
}

#[test]
fn reading_goes_on_inside_an_aggregate_behind_the_checkpoint() {
    let data = unhex(ODD_KEY);
    let Reading::Aggregate(aggregate) = read(&data, HashKeyRange::ALL) else { panic!() };
    let here = sequence("100");
    let left = |checkpoint| aggregate.behind(&checkpoint, &here).len();
    let at = |text, sub_sequence| Checkpoint::At { sequence: sequence(text), sub_sequence };
    for checkpoint in [Checkpoint::TrimHorizon, Checkpoint::Latest, Checkpoint::AtTimestamp] {
        assert_eq!(left(checkpoint), 3);
    }
    assert_eq!((left(at("99", 7)), left(at("101", 0)), left(Checkpoint::ShardEnd)), (3, 0, 0));
    assert_eq!([0, 1, 2, 3, u64::MAX].map(|done| left(at("100", done))), [2, 1, 0, 0, 0]);
    let rest = aggregate.behind(&at("0100", 0), &here);
    assert_eq!(rest[0].place(&here), at("100", 1));
}

#[test]
fn user_records_share_their_keys_and_borrow_their_data() {
    let tables = [bytes(1, b"key"), bytes(2, b"7")].concat();
    let data = sealed(&[tables, record(0, Some(0), b"one"), record(0, Some(0), b"two")].concat());
    let records = whole(&data, HashKeyRange::ALL);
    assert!(Arc::ptr_eq(&records[0].partition_key, &records[1].partition_key));
    let hash_keys = records.iter().flat_map(|record| &record.explicit_hash_key);
    assert_eq!(Arc::strong_count(hash_keys.last().unwrap()), 2);
    assert!(data.as_ptr_range().contains(&records[1].data.as_ptr()));
    assert_eq!(size_of::<UserRecord<'_>>(), 56);
}

#[test]
fn the_smallest_user_records_that_fill_a_record_of_one_mebibyte_are_read() {
    let body = [bytes(1, b"k"), record(0, None, b"").repeat(174_000)].concat();
    let data = sealed(&body);
    let records = whole(&data, HashKeyRange::ALL);
    assert_eq!((records.len(), records.capacity()), (174_000, 174_000));
    assert!(data.len() > 1_044_000 && data.len() < 1 << 20);
}

#[test]
fn a_key_that_kinesis_takes_is_never_too_much() {
    let key = [b'k'; KEY_CHARACTERS_MAX];
    for records in [1, 10, 1_000, 100_000] {
        let body = [bytes(1, &key), record(0, None, b"").repeat(records)].concat();
        assert_eq!(whole(&sealed(&body), HashKeyRange::ALL).len(), records);
    }
}

#[test]
fn a_long_key_that_many_user_records_share_is_refused_before_it_is_repeated() {
    for length in [257, 500_000] {
        let key = vec![b'0'; length];
        let records = record(0, None, b"").repeat(80_000);
        assert_eq!(corrupt(&sealed(&[bytes(1, &key), records].concat())), Corrupt::Key);

        let records = record(0, Some(0), b"").repeat(80_000);
        let body = [bytes(1, b"k"), bytes(2, &key), records].concat();
        assert_eq!(corrupt(&sealed(&body)), Corrupt::Key);
    }
}

#[test]
fn user_records_whose_keys_expand_too_far_are_refused() {
    let far = [bytes(1, "🦀".repeat(256).as_bytes()), record(0, None, b"").repeat(10_000)];
    assert_eq!(corrupt(&sealed(&far.concat())), Corrupt::TooLarge);
    let much = [bytes(1, &[b'k'; 256]), record(0, None, b"").repeat(120_000)];
    assert_eq!(corrupt(&sealed(&much.concat())), Corrupt::TooLarge);
}

#[test]
fn no_table_is_made_of_more_keys_than_the_memory_has_room_for() {
    let most = EXPANDED_BYTES_MAX / ELEMENT_BYTES;
    let keys = |count| sealed(&bytes(1, b"").repeat(count));
    assert_eq!(whole(&keys(most), HashKeyRange::ALL), []);
    assert_eq!(corrupt(&keys(most + 1)), Corrupt::TooLarge);
}

fn meaning_of(reading: &Reading<'_>) -> Meaning {
    match reading {
        Reading::Plain => Meaning::Plain,
        Reading::Elsewhere => Meaning::Elsewhere,
        Reading::Corrupt(why) => Meaning::Corrupt(match why {
            Corrupt::Short => "short",
            Corrupt::Digest => "digest",
            Corrupt::Message => "message",
            Corrupt::Key => "key",
            Corrupt::TooLarge => "large",
            Corrupt::UserRecord { .. } => "user record",
        }),
        Reading::Aggregate(Aggregate { user_records }) => {
            let users = user_records.iter().map(|record| model::User {
                data: record.data.to_vec(),
                partition_key: record.partition_key.to_string(),
                hash_key: record.explicit_hash_key.as_deref().map(str::to_owned),
            });
            let numbers = user_records.iter().map(|record| record.sub_sequence);
            assert!(numbers.eq((0..).take(user_records.len())));
            Meaning::Aggregate(users.collect())
        }
    }
}

#[test]
fn whatever_is_read_from_whatever_shard_means_what_the_model_says() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for seed in 0..20_000 {
        let mut producer = Producer::new(seed);
        let (data, range) = (producer.data(), producer.range());
        let reading = read(&data, range);
        let meaning = model::meaning(&data, range);
        assert_eq!(meaning_of(&reading), meaning, "seed {seed}: {}", data.escape_ascii());

        let name = match &meaning {
            Meaning::Plain => "plain".to_owned(),
            Meaning::Corrupt(why) => format!("corrupt: {why}"),
            Meaning::Elsewhere => "elsewhere".to_owned(),
            Meaning::Aggregate(users) => format!("aggregate of {}", users.len().min(3)),
        };
        *seen.entry(name).or_default() += 1;
    }
    let rare: Vec<_> = seen.iter().filter(|(_, times)| **times < 20).collect();
    assert!(rare.is_empty() && seen.len() == 12, "{seen:?}");
}
