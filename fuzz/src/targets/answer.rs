//! Answers and events: what a scan in pieces says they lack is what a tree of the same JSON lacks.

use serde_json::Value;
use shardwise_core::answer::{Incomplete, Scan, check_records};

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "answer",
    words: &[
        "{\"Records\":[]}",
        "\"Records\":[",
        "\"Records\":null",
        "{\"Data\":\"YQ==\"},",
        "\"Data\":\"\"",
        "\"Data\":null",
        "\"SequenceNumber\":\"4\",",
        "\"ChildShards\":[{\"ParentShards\":[\"shardId-0\"]}],",
        "\"\\u0052ecords\":",
        "\"D\\u0061ta\":",
        "\\\"",
        "\\\\",
        "{\"",
        "},{",
        "]}",
    ],
    bytes_max: 4_096,
    check,
};

/// The first byte is how long the pieces are, the second where the answer is cut off.
fn check(input: &[u8]) {
    let [piece, cut, json @ ..] = input else { return };
    let mut scan = Scan::default();
    json.chunks(usize::from(*piece).max(1)).for_each(|piece| scan.follow(piece));
    let verdict = scan.end();
    assert_eq!(verdict, check_records(json), "the pieces matter");

    // What is no JSON is for whoever reads it to see.
    let Ok(tree) = serde_json::from_slice::<Value>(json) else { return };
    if !tree.is_object() {
        assert_ne!(verdict, Ok(()), "what is no object has no records");
        return;
    }
    assert_eq!(verdict, by_the_tree(&tree), "another verdict than by the tree");
    let json = json.trim_ascii_end();
    let begun = &json[..(json.len() - 1) * usize::from(*cut) / 255];
    assert_eq!(check_records(begun), Err(Incomplete::Json), "an answer that was cut off");
}

/// The last of equal names counts, as to the SDK.
fn by_the_tree(answer: &Value) -> Result<(), Incomplete> {
    let records = answer.get("Records").and_then(Value::as_array).ok_or(Incomplete::Records)?;
    let has_data = |record: &Value| record.get("Data").is_some_and(Value::is_string);
    if records.iter().all(has_data) { Ok(()) } else { Err(Incomplete::Data) }
}
