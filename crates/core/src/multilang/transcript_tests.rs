//! Every line that was recorded between the Java daemon and its children.
//!
//! `transcripts/` holds those of 2.5.8, one file a scenario, with a README that says where they
//! came from; `fixtures/java-daemon-3.5.1` those of 3.5.1.

use serde_json::Value;

use super::*;
use crate::id::ShardId;
use crate::sequence::Checkpoint;
use crate::time::Timestamp;

const TRANSCRIPTS: [(&str, &str); 18] = [
    ("01-new-application", include_str!("transcripts/01-new-application.jsonl")),
    ("01b-posix-locale", include_str!("transcripts/01b-posix-locale.jsonl")),
    ("02-checkpoint-with-number", include_str!("transcripts/02-checkpoint-with-number.jsonl")),
    (
        "02b-checkpoint-errors-injected",
        include_str!("transcripts/02b-checkpoint-errors-injected.jsonl"),
    ),
    ("03-split-and-merge", include_str!("transcripts/03-split-and-merge.jsonl")),
    ("03b-shard-end-variants", include_str!("transcripts/03b-shard-end-variants.jsonl")),
    ("04-two-daemons-takeover", include_str!("transcripts/04-two-daemons-takeover.jsonl")),
    ("05-sigterm-grace-5000", include_str!("transcripts/05-sigterm-grace-5000.jsonl")),
    ("05b-sigterm-unsaved-work", include_str!("transcripts/05b-sigterm-unsaved-work.jsonl")),
    (
        "05c-sigterm-default-failover",
        include_str!("transcripts/05c-sigterm-default-failover.jsonl"),
    ),
    ("06a-child-exits", include_str!("transcripts/06a-child-exits.jsonl")),
    ("06b-garbage-on-stdout", include_str!("transcripts/06b-garbage-on-stdout.jsonl")),
    (
        "06c-forgotten-shard-end-checkpoint",
        include_str!("transcripts/06c-forgotten-shard-end-checkpoint.jsonl"),
    ),
    (
        "06d-status-for-another-action",
        include_str!("transcripts/06d-status-for-another-action.jsonl"),
    ),
    (
        "06e-child-hangs-timeoutInSeconds",
        include_str!("transcripts/06e-child-hangs-timeoutInSeconds.jsonl"),
    ),
    ("07-kpl-aggregated", include_str!("transcripts/07-kpl-aggregated.jsonl")),
    ("07b-kpl-resume-inside", include_str!("transcripts/07b-kpl-resume-inside.jsonl")),
    ("07c-kpl-outside-hash-range", include_str!("transcripts/07c-kpl-outside-hash-range.jsonl")),
];

macro_rules! of_3_5_1 {
    ($($name:literal),* $(,)?) => {
        [$((
            concat!($name, " of 3.5.1"),
            include_str!(concat!(
                "../../../../fixtures/java-daemon-3.5.1/", $name, "/transcript.jsonl"
            )),
        )),*]
    };
}

const OF_3_5_1: &[(&str, &str)] = &of_3_5_1![
    "01-new-application",
    "01b-posix-locale",
    "02-checkpoint-with-number",
    "02b-checkpoint-errors-injected",
    "03-split-and-merge",
    "03b-shard-end-variants",
    "04-two-daemons-takeover",
    "04b-graceful-handoff",
    "05-sigterm-grace-30000",
    "05b-sigterm-unsaved-work",
    "05d-sigterm-wrong-status",
    "05e-sigterm-child-exits",
    "05f-second-sigterm",
    "06a-child-exits",
    "06b-garbage-on-stdout",
    "06c-forgotten-shard-end-checkpoint",
    "06d-status-for-another-action",
    "06e-child-hangs-timeoutInSeconds",
    "06g-child-exits-in-initialize",
    "06h-child-exits-in-shardEnded",
    "07-kpl-aggregated",
    "07b-kpl-resume-inside",
    "07c-kpl-outside-hash-range",
    "08-latest",
    "08a-at-timestamp",
    "08b-empty-batches",
    "08c-fan-out",
];

fn transcripts() -> impl Iterator<Item = (&'static str, &'static str)> {
    TRANSCRIPTS.iter().chain(OF_3_5_1).copied()
}

struct Exchange {
    to_child: bool,
    child: (String, u64),
    bytes: Vec<u8>,
}

fn exchanges(transcript: &str) -> impl Iterator<Item = Exchange> {
    transcript.lines().filter_map(|line| {
        let entry: Value = serde_json::from_str(line).unwrap();
        let text = entry["line"].as_str().unwrap();
        let to_child = match entry["dir"].as_str().unwrap() {
            "to_child" => true,
            "from_child" => false,
            _ => return None,
        };
        let bytes = if entry["charset"] == "latin-1" {
            text.chars().map(|c| u8::try_from(c).unwrap()).collect()
        } else {
            text.as_bytes().to_vec()
        };
        let shard = entry["shard"].as_str().unwrap().to_owned();
        Some(Exchange { to_child, child: (shard, entry["child"].as_u64().unwrap()), bytes })
    })
}

/// Our bytes for what a recorded line says.
fn encoded(line: &[u8]) -> Vec<u8> {
    let message: Value = serde_json::from_slice(line).unwrap();
    let text = |name: &str| message[name].as_str();
    let mut out = Vec::new();
    match text("action").unwrap() {
        "initialize" => {
            let sub_sequence = message["subSequenceNumber"].as_u64().unwrap();
            let checkpoint = Checkpoint::parse(text("sequenceNumber").unwrap(), sub_sequence);
            initialize(
                &mut out,
                &ShardId::new(text("shardId").unwrap()).unwrap(),
                &checkpoint.unwrap(),
            );
        }
        "processRecords" => batch(&mut out, &message),
        "checkpoint" => {
            let asked = CheckpointRequest {
                sequence: text("sequenceNumber").map(ToOwned::to_owned),
                sub_sequence: message["subSequenceNumber"].as_i64(),
            };
            checkpoint_answer(&mut out, &asked, text("error"));
        }
        "leaseLost" => ending(&mut out, Action::LeaseLost),
        "shardEnded" => ending(&mut out, Action::ShardEnded),
        "shutdownRequested" => ending(&mut out, Action::ShutdownRequested),
        other => panic!("Java never sends {other}"),
    }
    out
}

fn batch(out: &mut Vec<u8>, message: &Value) {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    let records = message["records"].as_array().unwrap();
    let data: Vec<_> = records
        .iter()
        .map(|record| STANDARD.decode(record["data"].as_str().unwrap()).unwrap())
        .collect();
    let fields = records.iter().zip(&data).map(|(record, data)| RecordFields {
        data,
        partition_key: record["partitionKey"].as_str(),
        sequence_number: record["sequenceNumber"].as_str().unwrap(),
        sub_sequence_number: record["subSequenceNumber"].as_u64().unwrap(),
        approximate_arrival: record["approximateArrivalTimestamp"]
            .as_i64()
            .map(Timestamp::from_millis),
    });
    process_records(out, fields, message["millisBehindLatest"].as_u64());
}

#[test]
fn every_line_to_a_child_is_javas_to_the_byte() {
    let mut lines = 0;
    for (name, transcript) in transcripts() {
        for exchange in exchanges(transcript).filter(|exchange| exchange.to_child) {
            let ours = String::from_utf8(encoded(&exchange.bytes)).unwrap();
            let java = String::from_utf8(exchange.bytes).unwrap();
            // The one difference that is meant.
            let java = java.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
            assert_eq!(ours, format!("{java}\n"), "{name}");
            lines += 1;
        }
    }
    assert_eq!(lines, 633);
}

/// What Java did with each line of a child is seen in what it wrote next: an answer to every
/// checkpoint, and the next action only after the status of the one before.
#[test]
fn every_line_from_a_child_means_what_java_took_it_for() {
    for (name, transcript) in transcripts() {
        let mut children: Vec<((String, u64), Turn, Vec<CheckpointRequest>)> = Vec::new();
        for exchange in exchanges(transcript) {
            let at = children.iter().position(|(child, ..)| *child == exchange.child);
            let at = at.unwrap_or_else(|| {
                children.push((exchange.child, Turn::default(), Vec::new()));
                children.len() - 1
            });
            let (_, turn, open) = &mut children[at];
            if !exchange.to_child {
                let begun = turn.begun();
                match turn.on(decode(&exchange.bytes), begun) {
                    Step::Checkpoint(request) | Step::Refuse(request, _) => open.push(request),
                    Step::Unasked { response_for } => panic!("{name}: unasked {response_for:?}"),
                    Step::WrongStatus { .. } => {
                        assert!(name.starts_with("05d") || name.starts_with("06d"));
                    }
                    Step::Nothing | Step::Finished(_) | Step::Stray(_) => {}
                }
                continue;
            }
            let message: Value = serde_json::from_slice(&exchange.bytes).unwrap();
            let action = match message["action"].as_str().unwrap() {
                "checkpoint" => {
                    let asked = open.remove(0);
                    assert_eq!(message["sequenceNumber"].as_str(), asked.sequence.as_deref());
                    assert_eq!(message["subSequenceNumber"].as_i64(), asked.sub_sequence);
                    if asked.place().is_err() {
                        assert_eq!(message["error"], NOT_A_PLACE, "{name}");
                    }
                    continue;
                }
                "initialize" => Action::Initialize,
                "processRecords" => Action::ProcessRecords,
                "leaseLost" => Action::LeaseLost,
                "shardEnded" => Action::ShardEnded,
                "shutdownRequested" => Action::ShutdownRequested,
                other => panic!("Java never sends {other}"),
            };
            assert!(open.is_empty(), "{name}: a checkpoint went without an answer");
            turn.begin(action);
        }
    }
}
