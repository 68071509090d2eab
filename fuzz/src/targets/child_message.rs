//! What a child writes: only what another reader of JSON finds to be a message counts, it says the
//! same there, and its answer reads back.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use shardwise_core::multilang::{
    Action, CheckpointRequest, Line, Step, Turn, checkpoint_answer, decode,
};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "child_message",
    words: &[
        "{\"action\":\"status\",\"responseFor\":\"processRecords\"}",
        "{\"action\":\"checkpoint\",\"sequenceNumber\":\"",
        "\"action\"",
        "\"status\"",
        "\"checkpoint\"",
        "\"responseFor\"",
        "\"sequenceNumber\"",
        "\"subSequenceNumber\"",
        "\"error\"",
        "\"initialize\"",
        "\"shutdownRequested\"",
        "null",
        "true",
        "-1.5e3",
        "\\ud83d\\ude00",
        "\\u000a",
        "\u{2028}",
        "\u{2029}",
        "{}",
        "[[",
        ",",
        ":",
    ],
    bytes_max: 1_024,
    check,
};

fn check(input: &[u8]) {
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    for line in &lines {
        check_line(line);
    }
    check_turns(lines.iter().map(|line| decode(line)));
}

fn check_line(line: &[u8]) {
    let text = String::from_utf8_lossy(line);
    let ours = decode(line);
    assert_eq!(ours == Line::Blank, text.trim_matches('\r').is_empty());
    match read_elsewhere(&text) {
        Elsewhere::Unknown => {}
        Elsewhere::Object(fields) => match expected(&fields) {
            Some(expected) => assert!(expected.is(&ours), "{ours:?}"),
            None => assert!(!is_message(&ours), "{ours:?}"),
        },
        Elsewhere::Nothing => assert!(!is_message(&ours), "{ours:?}"),
    }
    if let Line::Checkpoint(request) = ours {
        check_answer(&request);
    }
}

fn is_message(line: &Line) -> bool {
    match line {
        Line::Status { .. } | Line::Checkpoint(_) => true,
        Line::Blank | Line::Stray(_) | Line::NoMessage(_) => false,
    }
}

/// What another reader finds at the beginning of a line.
enum Elsewhere {
    Object(Vec<(String, Value)>),
    Nothing,
    /// It refuses what Java takes: halves of a surrogate pair, and numbers beyond a double.
    Unknown,
}

/// An object's fields in their order, whether or not they come twice.
struct Fields(Vec<(String, Value)>);

fn read_elsewhere(text: &str) -> Elsewhere {
    match serde_json::Deserializer::from_str(text).into_iter::<Fields>().next() {
        // More fields than any message has are none, whatever they say.
        Some(Ok(fields)) if fields.0.len() > 64 => Elsewhere::Nothing,
        Some(Ok(fields)) => Elsewhere::Object(fields.0),
        Some(Err(error)) if error.to_string().contains("out of range") => Elsewhere::Unknown,
        Some(Err(_)) if text.contains("\\u") => Elsewhere::Unknown,
        Some(Err(_)) | None => Elsewhere::Nothing,
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// The message that an object is.
enum Expected<'a> {
    Status { response_for: &'a Value },
    Checkpoint { sequence: &'a Value, sub_sequence: &'a Value },
}

fn expected(fields: &[(String, Value)]) -> Option<Expected<'_>> {
    let has_only = |known: &[&str]| fields.iter().all(|(name, _)| known.contains(&name.as_str()));
    let last = |wanted: &str| {
        let found = fields.iter().rev().find(|(name, _)| name == wanted);
        found.map_or(&Value::Null, |(_, value)| value)
    };
    if fields.iter().any(|(_, value)| value.is_array() || value.is_object()) {
        return None;
    }
    match last("action").as_str()? {
        "status" if has_only(&["action", "responseFor"]) => {
            Some(Expected::Status { response_for: last("responseFor") })
        }
        "checkpoint" if has_only(&["action", "sequenceNumber", "subSequenceNumber", "error"]) => {
            let (sequence, sub_sequence) = (last("sequenceNumber"), last("subSequenceNumber"));
            can_be_whole(sub_sequence).then_some(Expected::Checkpoint { sequence, sub_sequence })
        }
        _ => None,
    }
}

/// Whether a value is a whole number to Java, or none.
fn can_be_whole(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Number(number) => {
            number.as_i64().is_some() || number.as_f64().is_some_and(|n| n.abs() < 9.2e18)
        }
        Value::String(text) => {
            matches!(text.trim(), "" | "null") || text.trim().parse::<i64>().is_ok()
        }
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}

impl Expected<'_> {
    fn is(&self, line: &Line) -> bool {
        match (self, line) {
            (Self::Status { response_for }, Line::Status { response_for: ours }) => {
                is_text(response_for, ours.as_deref())
            }
            (Self::Checkpoint { sequence, sub_sequence }, Line::Checkpoint(ours)) => {
                is_text(sequence, ours.sequence.as_deref())
                    && is_whole(sub_sequence, ours.sub_sequence)
            }
            (Self::Status { .. } | Self::Checkpoint { .. }, _) => false,
        }
    }
}

/// Whether a value is the text that was made of it. Of numbers the spelling is kept.
fn is_text(value: &Value, text: Option<&str>) -> bool {
    match (value, text) {
        (Value::Null, None) => true,
        (Value::String(value), Some(text)) => value == text,
        (Value::Bool(value), Some(text)) => value.to_string() == text,
        (Value::Number(value), Some(text)) => {
            text.parse().is_ok_and(|number: f64| is_near(value.as_f64(), number))
        }
        _ => false,
    }
}

/// Whether a value is the whole number that was made of it.
fn is_whole(value: &Value, ours: Option<i64>) -> bool {
    match (value, ours) {
        (Value::Number(value), Some(ours)) => match value.as_i64() {
            Some(value) => value == ours,
            None => is_near(value.as_f64().map(f64::trunc), ours as f64),
        },
        (Value::String(text), ours) => text.trim().parse().ok() == ours,
        (value, ours) => value.is_null() && ours.is_none(),
    }
}

/// The other reader's fractions are not exact in the last place.
fn is_near(value: Option<f64>, ours: f64) -> bool {
    value.is_some_and(|value| (value - ours).abs() <= 1.0 + value.abs() * 1e-12)
}

/// The answer to a checkpoint is one line, says what was asked, and is a checkpoint itself.
fn check_answer(asked: &CheckpointRequest) {
    let mut answer = Vec::new();
    checkpoint_answer(&mut answer, asked, Some("ThrottlingException"));
    let (end, line) = answer.split_last().expect("an answer has an end");
    assert_eq!(*end, b'\n');
    assert!(!line.iter().any(|byte| matches!(byte, b'\n' | b'\r')));
    let read: Value = serde_json::from_slice(line).expect("an answer is JSON");
    assert_eq!(read["sequenceNumber"].as_str(), asked.sequence.as_deref());
    assert_eq!(read["subSequenceNumber"].as_i64(), asked.sub_sequence);
    assert_eq!(read["error"], "ThrottlingException");
    assert_eq!(decode(line), Line::Checkpoint(asked.clone()));
    if let Ok(Some(place)) = asked.place() {
        assert_eq!(Some(place.as_str()), asked.sequence.as_deref());
    }
}

/// One action after the other: a status ends it, and a checkpoint is made only when one may be.
fn check_turns(lines: impl Iterator<Item = Line>) {
    const ACTIONS: [Action; 5] = [
        Action::Initialize,
        Action::ProcessRecords,
        Action::ShutdownRequested,
        Action::ShardEnded,
        Action::LeaseLost,
    ];
    let mut turn = Turn::default();
    let mut actions = ACTIONS.into_iter().cycle();
    for line in lines {
        let asked = turn.out().unwrap_or_else(|| {
            let next = actions.next().expect("they come again and again");
            turn.begin(next);
            next
        });
        let heard = turn.begun();
        let is_status = matches!(line, Line::Status { .. });
        let step = turn.on(line, heard);
        assert_eq!(turn.out().is_none(), is_status);
        match step {
            Step::Finished(action) => assert_eq!(action, asked),
            Step::WrongStatus { asked: named, response_for } => {
                assert_eq!(named, asked);
                assert_ne!(response_for.as_deref(), Some(asked.name()));
            }
            Step::Checkpoint(_) => assert!(asked.may_checkpoint()),
            Step::Refuse(..) => assert!(!asked.may_checkpoint()),
            Step::Nothing | Step::Stray(_) => {}
            Step::Unasked { .. } => panic!("an action was out"),
        }
    }
}
