//! Inputs out of inputs.

use shardwise_core::rng::Rng;

use crate::targets::Target;

/// Numbers at which code likes to break.
const NUMBERS: [&str; 9] = [
    "0",
    "1",
    "-1",
    "255",
    "65536",
    "2147483648",
    "9223372036854775807",
    "18446744073709551615",
    "340282366920938463463374607431768211456",
];
/// Bytes at which code likes to break.
const BYTES: [u8; 12] = [0, b'\t', b'\n', b'\r', b' ', b'"', b'\\', b'0', 0x7f, 0x80, 0xe2, 0xff];

/// Changes an input a little; `other` is another one, to take parts from.
pub(crate) fn mutate(input: &mut Vec<u8>, other: &[u8], target: &Target, rng: &mut Rng) {
    for _ in 0..1 << rng.below(4) {
        edit(input, other, target.words, rng);
    }
    input.truncate(target.bytes_max);
}

fn edit(input: &mut Vec<u8>, other: &[u8], words: &[&str], rng: &mut Rng) {
    match rng.below(11) {
        0 => {
            if let Some(byte) = pick_mut(input, rng) {
                *byte ^= 1 << rng.below(8);
            }
        }
        1 => {
            let new = byte(rng);
            if let Some(byte) = pick_mut(input, rng) {
                *byte = new;
            }
        }
        2 => insert(input, &[byte(rng)], rng),
        3 => insert(input, &[byte(rng)].repeat(1 << rng.below(8)), rng),
        4 => drop(input.drain(range(input, rng))),
        5 => {
            let part = input[range(input, rng)].to_vec();
            insert(input, &part, rng);
        }
        6 => insert(input, &other[range(other, rng)], rng),
        7 => {
            let (head, tail) = (rng.below(input.len() + 1), rng.below(other.len() + 1));
            input.truncate(head);
            input.extend_from_slice(&other[tail..]);
        }
        8 => {
            let number = NUMBERS[rng.below(NUMBERS.len())];
            let number_at = input.iter().position(u8::is_ascii_digit).unwrap_or(0);
            let digits = input[number_at..].iter().take_while(|byte| byte.is_ascii_digit());
            let end = number_at + digits.count();
            input.splice(number_at..end, number.bytes());
        }
        _ if words.is_empty() => {}
        9 => insert(input, words[rng.below(words.len())].as_bytes(), rng),
        _ => {
            let word = words[rng.below(words.len())];
            let at = range(input, rng);
            input.splice(at, word.bytes());
        }
    }
}

fn byte(rng: &mut Rng) -> u8 {
    match rng.below(3) {
        0 => BYTES[rng.below(BYTES.len())],
        1 => b' ' + rng.below(95) as u8,
        _ => rng.below(256) as u8,
    }
}

fn pick_mut<'a>(input: &'a mut [u8], rng: &mut Rng) -> Option<&'a mut u8> {
    let at = rng.below(input.len());
    input.get_mut(at)
}

fn insert(input: &mut Vec<u8>, part: &[u8], rng: &mut Rng) {
    let at = rng.below(input.len() + 1);
    input.splice(at..at, part.iter().copied());
}

/// A part of an input; short ones are likelier.
fn range(input: &[u8], rng: &mut Rng) -> std::ops::Range<usize> {
    let start = rng.below(input.len() + 1);
    let length_max = (1 << rng.below(10)).min(input.len() - start);
    start..start + rng.below(length_max + 1)
}
