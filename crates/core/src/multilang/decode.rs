//! Lines from a child: which ones count, and what they say.

use std::fmt;

use super::json::{self, Scalar, Unreadable};
use crate::sequence::{Checkpoint, NotASequenceNumber};

/// The field by which a child that serves several shards says whom it means.
const SHARD: &str = "shardId";
const STATUS: &str = "status";
const CHECKPOINT: &str = "checkpoint";
/// What children send.
const FROM_CHILDREN: [&str; 2] = [STATUS, CHECKPOINT];
/// What all clients' messages begin with.
const BEGINS: &str = r#"{"action":"#;
/// How much of a name that a child has chosen is shown.
const NAME_CHARS_MAX: usize = 80;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The named action is done. Without a name it matches nothing.
    Status {
        /// The action's name.
        response_for: Option<String>,
    },
    /// A checkpoint, please; the child waits for the answer.
    Checkpoint(CheckpointRequest),
    /// Nothing: the line is empty. Clients write one before each message.
    Blank,
    /// Nothing that counts.
    Stray(Stray),
    /// Nothing that counts either, though it looks as if it were meant to.
    NoMessage(NoMessage),
}

/// A JSON object with an action that is no message of children.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoMessage {
    /// Its action.
    pub action: String,
    /// The field that is at fault, if it is one.
    pub field: Option<String>,
    /// What is wrong.
    pub why: Stray,
}

/// Why a line does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stray {
    /// It does not begin with a JSON object.
    #[error("no JSON object")]
    NoObject,
    /// It says `null`.
    #[error("null")]
    Null,
    /// Its action is missing, or unknown.
    #[error("unknown action")]
    UnknownAction,
    /// A field is there that the message does not have.
    #[error("unknown field")]
    UnknownField,
    /// A field's value is of a kind that it cannot have.
    #[error("value of the wrong kind")]
    WrongKind,
    /// It is a message that children get, not one that they send.
    #[error("a message that children do not send")]
    NotFromChildren,
    /// There is a message in the line, but not at its beginning.
    #[error("text before the message")]
    Glued,
}

/// A checkpoint as a child asks for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckpointRequest {
    /// Its sequence number as it came; none means everything delivered.
    pub sequence: Option<String>,
    /// Its sub-sequence number as it came.
    pub sub_sequence: Option<i64>,
}

impl NoMessage {
    /// The message that was meant, if one can be told by its letters.
    fn meant(&self) -> Option<&'static str> {
        let action = self.action.trim();
        FROM_CHILDREN.into_iter().find(|known| action.eq_ignore_ascii_case(known))
    }

    /// What becomes of a child that waits for what such a message leads to.
    fn outcome(&self) -> &'static str {
        match (self.meant(), self.why) {
            (Some(CHECKPOINT), _) => "; the child waits for an answer that will not come",
            (Some(_), _) => "; the action that it answers is still open",
            (None, _) => "",
        }
    }
}

impl fmt::Display for NoMessage {
    /// Of what the child has chosen no more than a name, and that with its odd characters escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |text: &str| text.chars().take(NAME_CHARS_MAX).collect::<String>();
        write!(f, "{}", self.why)?;
        if let Some(field) = &self.field {
            write!(f, " {:?}", name(field))?;
        }
        write!(f, " in action {:?}", name(&self.action))?;
        match (self.meant(), self.field.as_deref()) {
            (Some(meant), _) if meant != self.action => write!(f, ", which is spelled `{meant}`")?,
            (Some(CHECKPOINT), Some(CHECKPOINT)) => f.write_str(", which is `sequenceNumber`")?,
            _ => {}
        }
        f.write_str(self.outcome())
    }
}

impl CheckpointRequest {
    /// The place it names; nothing if it means everything delivered.
    ///
    /// # Errors
    ///
    /// When the place is none: Java's name for that is [`NOT_A_PLACE`](super::NOT_A_PLACE).
    pub fn place(&self) -> Result<Option<Checkpoint>, NotASequenceNumber> {
        let Some(sequence) = &self.sequence else { return Ok(None) };
        let sub = self.sub_sequence.unwrap_or(0);
        let sub_sequence = u64::try_from(sub)
            .map_err(|_| NotASequenceNumber::new(&format!("{sequence}:{sub}")))?;
        Checkpoint::parse(sequence, sub_sequence).map(Some)
    }
}

/// Understands one line, without its end. Bytes that are not UTF-8 are replaced, as Java does.
#[must_use]
pub fn decode(line: &[u8]) -> Line {
    understood(line, |_| None).1
}

/// The same of a child that may serve several shards: whom a message is of, if it says so.
#[must_use]
pub fn decode_tagged(line: &[u8]) -> (Option<String>, Line) {
    understood(line, |fields| {
        let shard = text(last(fields, SHARD));
        fields.retain(|(name, _)| name != SHARD);
        shard
    })
}

/// What a line says, once what `take` wants has been taken out of its fields.
fn understood(
    line: &[u8],
    take: impl FnOnce(&mut Vec<(String, Scalar)>) -> Option<String>,
) -> (Option<String>, Line) {
    let line = String::from_utf8_lossy(line);
    if line.trim_end_matches(['\r', '\n']).is_empty() {
        return (None, Line::Blank);
    }
    let mut fields = Vec::new();
    let read = json::read_flat_object(&line, &mut fields);
    let taken = take(&mut fields);
    let wrong = match read {
        Ok(()) => match message(&fields) {
            Ok(message) => return (taken, message),
            Err(wrong) => wrong,
        },
        Err(Unreadable::Null) => Wrong::of(Stray::Null),
        Err(Unreadable::NoObject) => Wrong::of(Stray::NoObject),
        Err(Unreadable::Nested(field)) => Wrong { why: Stray::WrongKind, field: Some(field) },
        Err(Unreadable::TooManyFields) => Wrong::of(Stray::UnknownField),
    };
    let stray = |why| glued(&line).map_or(Line::Stray(why), Line::NoMessage);
    let found = match (last(&fields, "action"), wrong) {
        (_, Wrong { why: why @ (Stray::Null | Stray::NoObject), .. }) => stray(why),
        (Some(Scalar::Text(action)), Wrong { why, field }) => {
            Line::NoMessage(NoMessage { action: action.clone(), field, why })
        }
        (_, Wrong { why: why @ Stray::UnknownAction, .. }) => stray(why),
        (_, Wrong { why, .. }) => Line::Stray(why),
    };
    (taken, found)
}

/// A message that would count on a line of its own, behind what was printed without an end: Java
/// passes over the whole line too, and its child waits.
fn glued(line: &str) -> Option<NoMessage> {
    let mut begins = line.match_indices(BEGINS);
    let (at, _) = begins.find(|(at, _)| !line[..*at].trim().is_empty())?;
    let mut fields = Vec::new();
    // Of one that is cut off, or has too much, the action will do.
    let _ = json::read_flat_object(&line[at..], &mut fields);
    let Scalar::Text(action) = last(&fields, "action")? else { return None };
    let found = NoMessage { action: action.clone(), field: None, why: Stray::Glued };
    found.meant().is_some().then_some(found)
}

/// Why an object is no message, and which of its fields makes it none.
struct Wrong {
    why: Stray,
    field: Option<String>,
}

impl Wrong {
    fn of(why: Stray) -> Self {
        Self { why, field: None }
    }

    fn kind(field: &str) -> Self {
        Self { why: Stray::WrongKind, field: Some(field.to_owned()) }
    }
}

fn message(fields: &[(String, Scalar)]) -> Result<Line, Wrong> {
    let Some(Scalar::Text(action)) = last(fields, "action") else {
        return Err(Wrong::of(Stray::UnknownAction));
    };
    match action.as_str() {
        STATUS => {
            only(fields, &["responseFor"])?;
            Ok(Line::Status { response_for: text(last(fields, "responseFor")) })
        }
        CHECKPOINT => {
            only(fields, &["sequenceNumber", "subSequenceNumber", "error"])?;
            let sequence = text(last(fields, "sequenceNumber"));
            let sub_sequence = number(last(fields, "subSequenceNumber"))
                .ok_or_else(|| Wrong::kind("subSequenceNumber"))?;
            Ok(Line::Checkpoint(CheckpointRequest { sequence, sub_sequence }))
        }
        "initialize" | "processRecords" | "record" | "leaseLost" | "shardEnded"
        | "shutdownRequested" | "shutdown" => Err(Wrong::of(Stray::NotFromChildren)),
        _ => Err(Wrong::of(Stray::UnknownAction)),
    }
}

/// Of a field that comes twice the last one counts.
fn last<'a>(fields: &'a [(String, Scalar)], name: &str) -> Option<&'a Scalar> {
    fields.iter().rev().find(|(field, _)| field == name).map(|(_, value)| value)
}

fn only(fields: &[(String, Scalar)], known: &[&str]) -> Result<(), Wrong> {
    let is_known = |name: &str| name == "action" || known.contains(&name);
    match fields.iter().find(|(name, _)| !is_known(name)) {
        None => Ok(()),
        Some((name, _)) => Err(Wrong { why: Stray::UnknownField, field: Some(name.clone()) }),
    }
}

/// A value where Java wants text: numbers and booleans become theirs.
fn text(value: Option<&Scalar>) -> Option<String> {
    match value {
        None | Some(Scalar::Null) => None,
        Some(Scalar::Text(text) | Scalar::Number(text)) => Some(text.clone()),
        Some(Scalar::Bool(yes)) => Some(yes.to_string()),
    }
}

/// A value where Java wants a whole number: fractions are cut off, empty text is no value. Nothing
/// if it is of another kind.
fn number(value: Option<&Scalar>) -> Option<Option<i64>> {
    match value {
        None | Some(Scalar::Null) => Some(None),
        Some(Scalar::Bool(_)) => None,
        Some(Scalar::Text(text)) => match text.trim() {
            "" | "null" => Some(None),
            text => text.parse().ok().map(Some),
        },
        Some(Scalar::Number(text)) => text.parse().ok().or_else(|| truncated(text)).map(Some),
    }
}

fn truncated(text: &str) -> Option<i64> {
    let number: f64 = text.parse().ok()?;
    // Inside these bounds the text of a whole f64 is also that of an i64.
    (number.abs() < 9.2e18).then(|| format!("{:.0}", number.trunc()).parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status(response_for: Option<&str>) -> Line {
        Line::Status { response_for: response_for.map(ToOwned::to_owned) }
    }

    fn checkpoint(sequence: Option<&str>, sub_sequence: Option<i64>) -> Line {
        let sequence = sequence.map(ToOwned::to_owned);
        Line::Checkpoint(CheckpointRequest { sequence, sub_sequence })
    }

    #[test]
    fn a_child_of_several_shards_says_whom_it_means() {
        let status = |shard: Option<&str>| {
            let line = Line::Status { response_for: Some("initialize".to_owned()) };
            (shard.map(str::to_owned), line)
        };
        let tagged = br#"{"action":"status","responseFor":"initialize","shardId":"shardId-1"}"#;
        assert_eq!(decode_tagged(tagged), status(Some("shardId-1")));
        assert!(matches!(decode(tagged), Line::NoMessage(_)), "only where it was offered");
        let plain = br#"{"action":"status","responseFor":"initialize"}"#;
        assert_eq!(decode_tagged(plain), status(None));
        assert_eq!(decode_tagged(b"\n"), (None, Line::Blank));
        assert_eq!(decode_tagged(b"print").1, Line::Stray(Stray::NoObject));
    }

    #[test]
    fn lines_that_java_accepts_are_accepted() {
        let status_x = r#"{"action":"status","responseFor":"x"}"#;
        for (line, says) in [
            (status_x, status(Some("x"))),
            (r#"  {"responseFor":"x" , "action":"status"}  "#, status(Some("x"))),
            (r#"{"action":"status","responseFor":"x"} foo"#, status(Some("x"))),
            (r#"{"action":"status","responseFor":"x"}{"action":"status"}"#, status(Some("x"))),
            (r#"{"action":"status","responseFor":"a","responseFor":"x"}"#, status(Some("x"))),
            (r#"{"action":"status","responseFor":7}"#, status(Some("7"))),
            (r#"{"action":"status","responseFor":null}"#, status(None)),
            (r#"{"action":"status"}"#, status(None)),
            (r#"{"action":"checkpoint"}"#, checkpoint(None, None)),
            (
                r#"{"action":"checkpoint","sequenceNumber":49,"subSequenceNumber":"7"}"#,
                checkpoint(Some("49"), Some(7)),
            ),
            (
                r#"{"action":"checkpoint","sequenceNumber":true,"subSequenceNumber":1.9}"#,
                checkpoint(Some("true"), Some(1)),
            ),
            (
                r#"{"action":"checkpoint","subSequenceNumber":"","error":null}"#,
                checkpoint(None, None),
            ),
            (
                r#"{"action":"checkpoint","sequenceNumber":"1","subSequenceNumber":-1}"#,
                checkpoint(Some("1"), Some(-1)),
            ),
        ] {
            assert_eq!(decode(line.as_bytes()), says, "{line}");
        }
    }

    #[test]
    fn lines_that_java_passes_over_are_passed_over() {
        for (line, why) in [
            (r#"foo{"action":"user logged in"}"#, Stray::NoObject),
            (r#"foo{"sent":{"action":7}}"#, Stray::NoObject),
            (r#"{"action":"status""#, Stray::NoObject),
            ("{'action':'status'}", Stray::NoObject),
            ("[]", Stray::NoObject),
            ("123", Stray::NoObject),
            ("\"\"", Stray::NoObject),
            ("   ", Stray::NoObject),
            ("{}", Stray::UnknownAction),
            (r#"{"action":null}"#, Stray::UnknownAction),
            (r#"{"responseFor":["status"]}"#, Stray::WrongKind),
            ("null", Stray::Null),
            (" null ", Stray::Null),
        ] {
            assert_eq!(decode(line.as_bytes()), Line::Stray(why), "{line}");
        }
        assert_eq!(decode(b""), Line::Blank);
        assert_eq!(decode(b"\r"), Line::Blank);
        assert_eq!(decode(b"\xff\xfe\x80"), Line::Stray(Stray::NoObject));
    }

    #[test]
    fn an_object_with_an_action_that_is_no_message_says_what_is_wrong_with_it() {
        let (unanswered, open) = (
            "; the child waits for an answer that will not come",
            "; the action that it answers is still open",
        );
        for (line, what, outcome) in [
            (
                r#"{"action":"status","responseFor":"x","extra":1}"#,
                r#"unknown field "extra" in action "status""#,
                open,
            ),
            (
                r#"{"action":"checkpoint","checkpoint":"123"}"#,
                r#"unknown field "checkpoint" in action "checkpoint", which is `sequenceNumber`"#,
                unanswered,
            ),
            (
                r#"{"action":"Status","responseFor":"x"}"#,
                r#"unknown action in action "Status", which is spelled `status`"#,
                open,
            ),
            (
                r#"{"action":"checkpoint","sequenceNumber":["1"]}"#,
                r#"value of the wrong kind "sequenceNumber" in action "checkpoint""#,
                unanswered,
            ),
            (
                r#"{"action":"checkpoint","subSequenceNumber":1e30}"#,
                r#"value of the wrong kind "subSequenceNumber" in action "checkpoint""#,
                unanswered,
            ),
            (
                r#"{"action":"CHECKPOINT"}"#,
                r#"unknown action in action "CHECKPOINT", which is spelled `checkpoint`"#,
                unanswered,
            ),
            (
                r#"{"action":"leaseLost"}"#,
                r#"a message that children do not send in action "leaseLost""#,
                "",
            ),
            (
                r#"hello{"action":"status","responseFor":"processRecords"}"#,
                r#"text before the message in action "status""#,
                open,
            ),
            (
                r#"[1]{"action": "checkpoint","sequenceNumber":nu"#,
                r#"text before the message in action "checkpoint""#,
                unanswered,
            ),
            (
                r#"{"level":"info"}{"action":"status","responseFor":"x"}"#,
                r#"text before the message in action "status""#,
                open,
            ),
            (
                "\u{feff}{\"action\":\"status\"}",
                r#"text before the message in action "status""#,
                open,
            ),
            (r#"{"action":"a\u001b[31m"}"#, r#"unknown action in action "a\u{1b}[31m""#, ""),
        ] {
            let Line::NoMessage(found) = decode(line.as_bytes()) else { panic!("{line}") };
            assert_eq!(found.to_string(), format!("{what}{outcome}"), "{line}");
        }
    }

    #[test]
    fn depth_costs_nothing() {
        let deep = "[".repeat(1 << 20);
        assert_eq!(decode(deep.as_bytes()), Line::Stray(Stray::NoObject));
        let deep = format!("{{\"action\":{deep}");
        assert_eq!(decode(deep.as_bytes()), Line::Stray(Stray::WrongKind));
        let wide = format!("{{{}}}", vec![r#""action":"status""#; 100_000].join(","));
        let Line::NoMessage(wide) = decode(wide.as_bytes()) else { panic!("a message") };
        assert_eq!(wide.why, Stray::UnknownField);
    }

    #[test]
    fn a_place_is_digits_or_a_sentinel_with_a_sub_sequence_number_of_0_or_more() {
        let place = |sequence: Option<&str>, sub_sequence| {
            CheckpointRequest { sequence: sequence.map(ToOwned::to_owned), sub_sequence }.place()
        };
        assert_eq!(place(None, Some(7)), Ok(None));
        let at = Checkpoint::parse("12", 3).unwrap();
        assert_eq!(place(Some("12"), Some(3)), Ok(Some(at)));
        assert_eq!(place(Some("SHARD_END"), None), Ok(Some(Checkpoint::ShardEnd)));
        assert!(place(Some("12"), Some(-1)).is_err());
        assert!(place(Some("twelve"), None).is_err());
        assert!(place(Some(""), None).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(line: Vec<u8>) {
            drop(decode(&line));
        }

        #[test]
        fn a_status_may_be_spaced_and_ordered_in_any_way(
            gaps in proptest::collection::vec("[ \t]{0,3}", 8),
            swapped: bool,
        ) {
            let [first, second] = if swapped {
                [r#""responseFor""#, r#""action""#]
            } else {
                [r#""action""#, r#""responseFor""#]
            };
            let value = |name| if name == r#""action""# { r#""status""# } else { r#""x""# };
            let (a, b) = (value(first), value(second));
            let [g0, g1, g2, g3, g4, g5, g6, g7] = &gaps[..] else { unreachable!() };
            let line = format!("{g0}{{{g1}{first}{g2}:{g3}{a}{g4},{second}:{g5}{b}{g6}}}{g7}");
            prop_assert_eq!(decode(line.as_bytes()), status(Some("x")));
        }
    }
}
