//! Sequence numbers and checkpoints: what is one, its order, and its text.

use shardwise_core::sequence::{Checkpoint, SequenceNumber};
use shardwise_referee::Place;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "checkpoint",
    words: &["AT_TIMESTAMP", "TRIM_HORIZON", "LATEST", "SHARD_END", "000", "99999999999999999999"],
    bytes_max: 600,
    check,
};

/// Each line is a text and, behind its last blank, a sub-sequence number.
fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let read: Vec<Checkpoint> = text.lines().filter_map(read).collect();
    for left in &read {
        for right in &read {
            assert_eq!(left.cmp(right), right.cmp(left).reverse());
            assert_eq!(left == right, left.cmp(right).is_eq());
            // The referee counts in binary, and no further than 76 digits.
            if let (Some(judged_left), Some(judged_right)) = (judged(left), judged(right)) {
                assert_eq!(left.cmp(right), judged_left.cmp(&judged_right), "{left} and {right}");
            }
        }
    }
}

fn read(line: &str) -> Option<Checkpoint> {
    let (text, sub_sequence) = line.rsplit_once(' ').unwrap_or((line, "0"));
    let sub_sequence: u64 = sub_sequence.parse().ok()?;
    let is_number = (1..=256).contains(&text.len()) && text.chars().all(|c| c.is_ascii_digit());
    assert_eq!(SequenceNumber::parse(text).is_ok(), is_number);
    let is_sentinel = matches!(text, "AT_TIMESTAMP" | "TRIM_HORIZON" | "LATEST" | "SHARD_END");
    match Checkpoint::parse(text, sub_sequence) {
        Err(error) => {
            assert!(!is_number && !is_sentinel, "{text} is refused");
            assert!(error.to_string().len() < 500, "a message with all of a long text");
            None
        }
        Ok(checkpoint) => {
            assert!(is_number || is_sentinel, "{text} is accepted");
            assert_eq!(checkpoint.as_str(), text);
            assert_eq!(checkpoint.sub_sequence(), if is_number { sub_sequence } else { 0 });
            assert_eq!(checkpoint.is_shard_end(), text == "SHARD_END");
            let again = Checkpoint::parse(checkpoint.as_str(), checkpoint.sub_sequence());
            assert_eq!(again, Ok(checkpoint.clone()));
            Some(checkpoint)
        }
    }
}

fn judged(checkpoint: &Checkpoint) -> Option<Place> {
    Place::parse(checkpoint.as_str(), checkpoint.sub_sequence()).ok()
}
