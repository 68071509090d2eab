//! What aggregates mean, told a second time: slowly, and sharing no code with what it judges.
//!
//! A message becomes a tree of all its fields; hash keys are compared as decimal text; each record
//! is judged for itself, and then the first judgement that is not good is looked for.

use md5::{Digest as _, Md5};

use crate::shard::HashKeyRange;

/// What a Kinesis record is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Plain,
    Corrupt(&'static str),
    Elsewhere,
    /// The user records.
    Aggregate(Vec<User>),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct User {
    pub(super) data: Vec<u8>,
    pub(super) partition_key: String,
    pub(super) hash_key: Option<String>,
}

/// One judgement of a record.
enum Judgement {
    Good(User),
    Outside,
    Senseless,
    LongKey,
}

enum Node {
    Number(u64),
    Bytes(Vec<u8>),
    Other,
}

type Tree = Vec<(u64, Node)>;

pub(super) fn meaning(data: &[u8], range: HashKeyRange) -> Meaning {
    if !data.starts_with(b"\xf3\x89\x9a\xc2") {
        return Meaning::Plain;
    }
    if data.len() <= 20 {
        return Meaning::Corrupt("short");
    }
    let body = &data[4..data.len() - 16];
    if Md5::digest(body).to_vec() != data[data.len() - 16..] {
        return Meaning::Corrupt("digest");
    }
    let Some(tree) = tree(body) else { return Meaning::Corrupt("message") };
    let table = |number| -> Vec<String> {
        let keys = tree.iter().filter(|(field, _)| *field == number);
        keys.filter_map(|(_, node)| text(node)).collect()
    };
    let (partition_keys, hash_keys) = (table(1), table(2));
    let mut judgements = Vec::new();
    for (field, node) in &tree {
        if let (3, Node::Bytes(record)) = (field, node) {
            match judge(record, &partition_keys, &hash_keys, range) {
                Some(judgement) => judgements.push(judgement),
                None => return Meaning::Corrupt("message"),
            }
        }
    }
    let elements = partition_keys.len() + hash_keys.len() + judgements.len();
    conclude(judgements, elements * 64, data.len())
}

fn conclude(judgements: Vec<Judgement>, elements_bytes: usize, bytes: usize) -> Meaning {
    let most = (bytes * 64).min(1 << 25);
    if elements_bytes > most {
        return Meaning::Corrupt("large");
    }
    let (mut users, mut total) = (Vec::new(), elements_bytes);
    for judgement in judgements {
        match judgement {
            Judgement::Good(user) => {
                total += user.data.len() + user.partition_key.len();
                total += user.hash_key.as_ref().map_or(0, String::len);
                users.push(user);
            }
            Judgement::Outside => return Meaning::Elsewhere,
            Judgement::LongKey => return Meaning::Corrupt("key"),
            Judgement::Senseless => return Meaning::Corrupt("user record"),
        }
        if total > most {
            return Meaning::Corrupt("large");
        }
    }
    Meaning::Aggregate(users)
}

/// Nothing if the record is malformed.
fn judge(
    record: &[u8],
    partition_keys: &[String],
    hash_keys: &[String],
    range: HashKeyRange,
) -> Option<Judgement> {
    let tree = tree(record)?;
    let number = |wanted: u64| {
        tree.iter().rev().find_map(|(field, node)| match node {
            Node::Number(number) if *field == wanted => Some(u128::from(*number)),
            Node::Number(_) | Node::Bytes(_) | Node::Other => None,
        })
    };
    let bytes = |wanted: u64| -> Vec<&Vec<u8>> {
        let all = tree.iter().filter(|(field, _)| *field == wanted);
        all.filter_map(|(_, node)| if let Node::Bytes(bytes) = node { Some(bytes) } else { None })
            .collect()
    };
    for tag in bytes(4) {
        let tag = self::tree(tag)?;
        tag.iter().find(|(field, node)| *field == 1 && matches!(node, Node::Bytes(_)))?;
    }
    let (partition_key, hash_key) = (number(1)?, number(2));
    let data = (*bytes(3).last()?).clone();
    let at = |table: &[String], index: u128| {
        table.iter().zip(0..).find(|(_, place)| *place == index).map(|(key, _)| key.clone())
    };
    let Some(partition_key) = at(partition_keys, partition_key) else {
        return Some(Judgement::Senseless);
    };
    let hash_key = match hash_key.map(|index| at(hash_keys, index)) {
        Some(None) => return Some(Judgement::Senseless),
        Some(Some(key)) => Some(key),
        None => None,
    };
    let place = match &hash_key {
        Some(key) => decimal(key),
        None => Some(decimal_of(&Md5::digest(partition_key.as_bytes()))),
    };
    let Some(place) = place else { return Some(Judgement::Senseless) };
    let rank = |digits: &str| (digits.len(), digits.to_owned());
    let (start, end) = (range.start().to_string(), range.end().to_string());
    let is_inside = rank(&start) <= rank(&place) && rank(&place) <= rank(&end);
    let longest =
        partition_key.chars().count().max(hash_key.iter().flat_map(|k| k.chars()).count());
    Some(match (is_inside && !place.starts_with('-'), longest > 256) {
        (false, _) => Judgement::Outside,
        (true, true) => Judgement::LongKey,
        (true, false) => Judgement::Good(User { data, partition_key, hash_key }),
    })
}

/// Without leading zeros; with a minus if it is less than 0.
fn decimal(text: &str) -> Option<String> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => ("-", &text[1..]),
        b'+' => ("", &text[1..]),
        _ => ("", text),
    };
    if digits.is_empty() || digits.chars().any(|c| !c.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    Some(if digits.is_empty() { "0".to_owned() } else { format!("{sign}{digits}") })
}

/// Digits of a number in bytes, the highest first, by dividing it by ten.
fn decimal_of(bytes: &[u8]) -> String {
    let mut bytes = bytes.to_vec();
    let mut digits = Vec::new();
    while bytes.iter().any(|byte| *byte != 0) {
        let mut rest = 0;
        for byte in &mut bytes {
            let dividend = rest * 256 + u32::from(*byte);
            *byte = u8::try_from(dividend / 10).unwrap();
            rest = dividend % 10;
        }
        digits.push(char::from_digit(rest, 10).unwrap());
    }
    if digits.is_empty() { "0".to_owned() } else { digits.iter().rev().collect() }
}

fn text(node: &Node) -> Option<String> {
    match node {
        Node::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        Node::Number(_) | Node::Other => None,
    }
}

fn tree(bytes: &[u8]) -> Option<Tree> {
    let mut at = 0;
    let tree = nodes(bytes, &mut at, None, 0)?;
    (at == bytes.len()).then_some(tree)
}

/// Reads up to the end of the group `inside`, or of everything.
fn nodes(bytes: &[u8], at: &mut usize, inside: Option<u64>, depth: usize) -> Option<Tree> {
    let mut tree = Vec::new();
    loop {
        if *at == bytes.len() {
            return inside.is_none().then_some(tree);
        }
        let tag = leb128(bytes, at)?;
        let field = tag / 8;
        if field == 0 || tag >= 1 << 32 {
            return None;
        }
        let node = match tag % 8 {
            0 => Node::Number(leb128(bytes, at)?),
            1 => fixed(bytes, at, 8)?,
            2 => {
                let length = leb128(bytes, at)?;
                let end =
                    (*at as u64).checked_add(length).filter(|end| *end <= bytes.len() as u64)?;
                let part = bytes[*at..end as usize].to_vec();
                *at = end as usize;
                Node::Bytes(part)
            }
            3 => {
                if depth == 100 {
                    return None;
                }
                nodes(bytes, at, Some(field), depth + 1)?;
                Node::Other
            }
            4 if inside == Some(field) => return Some(tree),
            5 => fixed(bytes, at, 4)?,
            _ => return None,
        };
        tree.push((field, node));
    }
}

fn fixed(bytes: &[u8], at: &mut usize, length: usize) -> Option<Node> {
    *at += length;
    (*at <= bytes.len()).then_some(Node::Other)
}

fn leb128(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let length = 1 + bytes[*at..].iter().position(|byte| *byte < 128)?;
    if length > 10 {
        return None;
    }
    let digits = &bytes[*at..*at + length];
    *at += length;
    let value =
        digits.iter().rev().fold(0_u128, |value, byte| value * 128 + u128::from(byte % 128));
    u64::try_from(value).ok()
}
