//! Messages to a child: each one line of JSON, written straight into a buffer.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::decode::CheckpointRequest;
use super::{Action, json};
use crate::id::ShardId;
use crate::sequence::Checkpoint;
use crate::time::Timestamp;

const INITIALIZE: &[u8] = br#"{"action":"initialize""#;

/// What a child is told of one user record.
#[derive(Clone, Copy, Debug)]
pub struct RecordFields<'a> {
    /// The record's data.
    pub data: &'a [u8],
    /// Its partition key, if it has one.
    pub partition_key: Option<&'a str>,
    /// Its sequence number.
    pub sequence_number: &'a str,
    /// Its place in an aggregated record; 0 for a plain one.
    pub sub_sequence_number: u64,
    /// When it arrived.
    pub approximate_arrival: Option<Timestamp>,
}

/// Tells a child its shard, and the checkpoint that it starts behind.
pub fn initialize(out: &mut Vec<u8>, shard: &ShardId, checkpoint: &Checkpoint) {
    out.extend_from_slice(INITIALIZE);
    raw(out, r#","shardId":"#);
    json::write_string(out, shard.as_str());
    raw(out, r#","sequenceNumber":"#);
    json::write_string(out, checkpoint.as_str());
    raw(out, r#","subSequenceNumber":"#);
    number(out, checkpoint.sub_sequence());
    raw(out, "}\n");
}

/// Adds to a line which shard it is about, for a child that serves several. The first line about a
/// shard says so anyway.
pub fn tag(line: &mut Vec<u8>, shard: &ShardId) {
    if line.starts_with(INITIALIZE) {
        return;
    }
    let end = line.len().saturating_sub(b"}\n".len());
    debug_assert_eq!(&line[end..], b"}\n", "a line is one object");
    line.truncate(end);
    raw(line, r#","shardId":"#);
    json::write_string(line, shard.as_str());
    raw(line, "}\n");
}

/// Hands a batch to a child.
pub fn process_records<'a>(
    out: &mut Vec<u8>,
    records: impl IntoIterator<Item = RecordFields<'a>>,
    millis_behind_latest: Option<u64>,
) {
    raw(out, r#"{"action":"processRecords","records":["#);
    for (at, fields) in records.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        record(out, &fields);
    }
    raw(out, r#"],"millisBehindLatest":"#);
    or_null(out, millis_behind_latest, number);
    raw(out, "}\n");
}

fn record(out: &mut Vec<u8>, fields: &RecordFields<'_>) {
    raw(out, r#"{"data":""#);
    base64(out, fields.data);
    raw(out, r#"","partitionKey":"#);
    or_null(out, fields.partition_key, json::write_string);
    raw(out, r#","sequenceNumber":"#);
    json::write_string(out, fields.sequence_number);
    raw(out, r#","approximateArrivalTimestamp":"#);
    or_null(out, fields.approximate_arrival.map(Timestamp::as_millis), number);
    raw(out, r#","subSequenceNumber":"#);
    number(out, fields.sub_sequence_number);
    raw(out, r#","action":"record"}"#);
}

/// Answers a child's checkpoint: its own values again, and an error's name if it failed.
pub fn checkpoint_answer(out: &mut Vec<u8>, asked: &CheckpointRequest, error: Option<&str>) {
    raw(out, r#"{"action":"checkpoint","sequenceNumber":"#);
    or_null(out, asked.sequence.as_deref(), json::write_string);
    raw(out, r#","subSequenceNumber":"#);
    or_null(out, asked.sub_sequence, number);
    raw(out, r#","error":"#);
    or_null(out, error, json::write_string);
    raw(out, "}\n");
}

/// Tells a child one of the actions that carry nothing but their name.
pub fn ending(out: &mut Vec<u8>, action: Action) {
    raw(out, r#"{"action":"#);
    json::write_string(out, action.name());
    raw(out, "}\n");
}

fn raw(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn number(out: &mut Vec<u8>, number: impl std::fmt::Display) {
    write!(out, "{number}").expect("memory takes every write");
}

fn or_null<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    match value {
        Some(value) => write(out, value),
        None => raw(out, "null"),
    }
}

fn base64(out: &mut Vec<u8>, data: &[u8]) {
    let start = out.len();
    out.resize(start + data.len().div_ceil(3) * 4, 0);
    let written = STANDARD.encode_slice(data, &mut out[start..]);
    assert_eq!(written, Ok(out.len() - start), "the room is what base64 with padding takes");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn plain(data: &[u8]) -> RecordFields<'_> {
        RecordFields {
            data,
            partition_key: Some("k"),
            sequence_number: "495",
            sub_sequence_number: 0,
            approximate_arrival: Some(Timestamp::from_millis(1_476_889_707_123)),
        }
    }

    const PLAIN: &str = concat!(
        r#"{"data":"Y2F0","partitionKey":"k","sequenceNumber":"495","#,
        r#""approximateArrivalTimestamp":1476889707123,"subSequenceNumber":0,"action":"record"}"#,
    );

    #[test]
    fn every_message_has_javas_fields_in_javas_order() {
        let shard = ShardId::new("shardId-000000000000").unwrap();
        assert_eq!(
            text(|out| initialize(out, &shard, &Checkpoint::TrimHorizon)),
            concat!(
                r#"{"action":"initialize","shardId":"shardId-000000000000","#,
                r#""sequenceNumber":"TRIM_HORIZON","subSequenceNumber":0}"#,
                "\n"
            )
        );
        assert_eq!(
            text(|out| process_records(out, [plain(b"cat"), plain(b"cat")], Some(0))),
            format!(
                "{{\"action\":\"processRecords\",\"records\":[{PLAIN},{PLAIN}],\
                 \"millisBehindLatest\":0}}\n"
            )
        );
        let asked = CheckpointRequest { sequence: Some("495".to_owned()), sub_sequence: None };
        assert_eq!(
            text(|out| checkpoint_answer(out, &asked, Some("ShutdownException"))),
            concat!(
                r#"{"action":"checkpoint","sequenceNumber":"495","subSequenceNumber":null,"#,
                r#""error":"ShutdownException"}"#,
                "\n"
            )
        );
        let lost = text(|out| ending(out, Action::LeaseLost));
        assert_eq!(lost, "{\"action\":\"leaseLost\"}\n");
    }

    #[test]
    fn absent_values_are_there_as_null() {
        let mut fields = plain(b"");
        fields.partition_key = None;
        fields.approximate_arrival = None;
        assert_eq!(
            text(|out| process_records(out, [fields], None)),
            concat!(
                r#"{"action":"processRecords","records":[{"data":"","partitionKey":null,"#,
                r#""sequenceNumber":"495","approximateArrivalTimestamp":null,"#,
                r#""subSequenceNumber":0,"action":"record"}],"millisBehindLatest":null}"#,
                "\n"
            )
        );
    }

    proptest! {
        #[test]
        fn a_batch_is_one_line_of_json_that_holds_its_records(
            records in proptest::collection::vec((any::<Vec<u8>>(), any::<String>()), 0..8),
        ) {
            let fields = records.iter().map(|(data, key)| RecordFields {
                partition_key: Some(key),
                ..plain(data)
            });
            let line = text(|out| process_records(out, fields, None));
            prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
            let looks_like_an_end = line.contains(['\r', '\u{2028}', '\u{2029}']);
            prop_assert!(!looks_like_an_end);
            let message: serde_json::Value = serde_json::from_str(&line).unwrap();
            let read = message["records"].as_array().unwrap();
            prop_assert_eq!(read.len(), records.len());
            for (read, (data, key)) in read.iter().zip(&records) {
                prop_assert_eq!(read["partitionKey"].as_str(), Some(&**key));
                let decoded = STANDARD.decode(read["data"].as_str().unwrap()).unwrap();
                prop_assert_eq!(&decoded, data);
            }
        }
    }
}
