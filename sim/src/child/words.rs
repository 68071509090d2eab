//! What children write: messages of the protocol, and what is none.

use serde_json::Value;
use shardwise::ShardId;
use shardwise_referee::Place;

use super::hearing::Answered;

/// A checkpoint that a child asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// At everything that it was handed.
    All,
    /// At a record that it was handed.
    At(Place),
    /// At what is no place, or none that was handed.
    Wrong(String),
}

impl Ask {
    /// The place that it names.
    pub(super) fn place(&self) -> Option<&Place> {
        match self {
            Self::At(place) => Some(place),
            Self::All | Self::Wrong(_) => None,
        }
    }

    fn numbers(&self) -> (Option<String>, Option<u64>) {
        match self {
            Self::All => (None, None),
            Self::At(Place::At(number, sub_sequence)) => {
                (Some(number.to_string()), Some(*sub_sequence))
            }
            Self::At(place) => (Some(place.to_string()), None),
            Self::Wrong(text) => (Some(text.clone()), None),
        }
    }

    /// Its line.
    pub(super) fn line(&self) -> String {
        let (number, sub_sequence) = self.numbers();
        let number = number.map(|number| format!(r#","sequenceNumber":"{number}""#));
        let sub_sequence = sub_sequence.map(|number| format!(r#","subSequenceNumber":{number}"#));
        let [number, sub_sequence] = [number, sub_sequence].map(Option::unwrap_or_default);
        format!("{{\"action\":\"checkpoint\"{number}{sub_sequence}}}\n")
    }

    /// Whether it is the one that was answered.
    pub(super) fn is_meant_by(&self, answered: &Answered) -> bool {
        self.numbers() == (answered.sequence.clone(), answered.sub_sequence)
    }
}

/// The line that says that an action is done.
pub(super) fn status(action: &str) -> String {
    format!("{{\"action\":\"status\",\"responseFor\":\"{action}\"}}\n")
}

/// A line, as a child of several shards writes it for one of them: what looks like a message names
/// its shard.
pub(super) fn of_shard(line: &[u8], shard: &ShardId) -> Vec<u8> {
    let (text, end) = match line.strip_suffix(b"\n") {
        Some(text) => (text, &b"\n"[..]),
        None => (line, &b""[..]),
    };
    match text.strip_suffix(b"}").filter(|text| text.starts_with(b"{\"action\":")) {
        Some(open) => [open, format!(",\"shardId\":\"{shard}\"}}").as_bytes(), end].concat(),
        None => line.to_vec(),
    }
}

/// Whether it is the last line that a child writes for a shard.
pub(super) fn ends_a_shard(line: &[u8]) -> bool {
    let message: Value = serde_json::from_slice(line).unwrap_or_default();
    message["action"] == "status"
        && ["leaseLost", "shardEnded"].iter().any(|action| message["responseFor"] == *action)
}

/// Texts that are no place of a checkpoint, nor ever will be.
pub(super) const NO_PLACES: [&str; 5] = [
    "twelve",
    "",
    "-1",
    "SHARD_END",
    "999999999999999999999999999999999999999999999999999999999999",
];

/// Lines that say nothing, whatever they look like.
const NOISE: [&[u8]; 12] = [
    b"\n\r\n\n",
    b"\xff\xfe\x00\x80binary\n",
    b"loading the model...\n",
    b"null\n",
    b"[]\n",
    b"{\"action\":\"status\",\"responseFor\":\"processRecords\"\n",
    b"{\"action\":\"unheardOf\"}\n",
    b"{\"action\":\"leaseLost\"}\n",
    b"{\"action\":\"status\",\"responseFor\":\"processRecords\",\"more\":1}\n",
    b"{\"action\":\"checkpoint\",\"checkpoint\":\"12\"}\n",
    b"{\"action\":\"none\",\"action\":\"nothing\",\"action\":7}\n",
    b"{\"action\":\"checkpoint\",\"subSequenceNumber\":1e400}\n",
];

/// One of them; `pick` chooses.
pub(super) fn noise(pick: usize) -> Vec<u8> {
    match NOISE.get(pick % (NOISE.len() + 2)) {
        Some(line) => line.to_vec(),
        // Brackets without end, and a line longer than any that is kept.
        None if pick.is_multiple_of(2) => [vec![b'['; 100_000], vec![b'\n']].concat(),
        None => [vec![b'x'; (1 << 20) + 1], vec![b'\n']].concat(),
    }
}
