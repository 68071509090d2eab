//! Reading journals from files.

use std::fs;
use std::path::PathBuf;

use shardwise_referee::{Invariant, Journals, ReadError, judge};

use crate::clean::{eventful, rest};
use crate::story::{Story, WORKERS};

/// A directory of its own with the journals of a run; the name says which test it is for.
fn directory_of(story: &Story, name: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    if directory.exists() {
        fs::remove_dir_all(&directory).unwrap();
    }
    fs::create_dir_all(&directory).unwrap();
    for (file, lines) in story.files() {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(directory.join(file), text).unwrap();
    }
    directory
}

fn append(path: &PathBuf, text: &str) {
    let old = fs::read_to_string(path).unwrap();
    fs::write(path, old + text).unwrap();
}

#[test]
fn journals_from_files_are_judged_like_those_from_memory() {
    let story = eventful();
    let journals = Journals::read(&directory_of(&story, "same")).unwrap();
    assert_eq!(judge(&journals), judge(&story.journals()));
}

#[test]
fn the_journals_that_may_be_missing_are_read_where_they_are_there() {
    let mut story = Story::watched(1);
    story.take(WORKERS[0], "shardId-000000000000");
    rest(&mut story);
    let directory = directory_of(&story, "all");
    let journals = Journals::read(&directory).unwrap();
    assert_eq!(journals.workers.len(), WORKERS.len());
    let without_reasons = Journals { reasons: None, ..story.journals() };
    assert_eq!(judge(&journals), judge(&without_reasons));

    fs::write(directory.join("terms.json"), "{}").unwrap();
    let error = Journals::read(&directory).unwrap_err();
    assert!(error.to_string().contains("terms.json"), "{error}");
}

#[test]
fn an_unfinished_last_line_is_ignored_and_only_that() {
    let story = eventful();
    let directory = directory_of(&story, "unfinished");
    let tenure = story.tenures.keys().next().unwrap();
    let file = directory.join(format!("hand-overs-{tenure}.jsonl"));
    append(&file, "{\"e\":\"hand\",\"t\":99,\"tenure\":\"");
    assert!(judge(&Journals::read(&directory).unwrap()).is_clean());

    let lines = fs::read_to_string(&file).unwrap().lines().count();
    append(&file, "\n{\"e\":\"end\"");
    let error = Journals::read(&directory).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, ReadError::Line { line, .. } if line == lines), "{error:?}");
    assert!(text.contains(&format!("hand-overs-{tenure}.jsonl` line {lines}")), "{text}");
}

#[test]
fn a_line_of_another_kind_is_an_error_that_says_what_is_missing() {
    let directory = directory_of(&eventful(), "other-kind");
    append(&directory.join("producer.jsonl"), "{\"t\":1,\"shard\":\"s\",\"seq\":\"1\"}\n");
    let error = Journals::read(&directory).unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("`key`"), "{source}");
}

#[test]
fn a_failed_request_of_the_producer_is_noted() {
    let directory = directory_of(&eventful(), "failed-request");
    append(&directory.join("producer.jsonl"), "{\"t\":1,\"error\":\"timeout\"}\n");
    assert!(Journals::read(&directory).unwrap().producer_had_errors);
}

#[test]
fn a_missing_journal_is_an_error() {
    let directory = directory_of(&eventful(), "missing");
    fs::remove_file(directory.join("lease-writes.jsonl")).unwrap();
    let error = Journals::read(&directory).unwrap_err();
    assert!(matches!(error, ReadError::Missing { prefix: "lease", .. }), "{error:?}");
}

#[test]
fn rows_of_other_kinds_and_deleted_leases_are_read() {
    let story = eventful();
    let directory = directory_of(&story, "rows");
    let file = directory.join("lease-writes.jsonl");
    let leader = r#"{"t":1,"table":"orders","op":"PutItem","key":"Leader","before":null,"after":
        {"leaseKey":{"S":"Leader"},"entityType":{"S":"LEADER"}}}"#;
    append(&file, &format!("{}\n", leader.replace('\n', "")));
    // Cleanup deletes the first shard's row, as the last write left it.
    let end = story.writes.iter().rfind(|write| write["key"] == "shardId-000000000000").unwrap();
    let delete = serde_json::json!({
        "t": story.now + 1, "table": "orders", "op": "DeleteItem", "key": end["key"],
        "before": end["after"], "after": null,
    });
    append(&file, &format!("{delete}\n"));
    let verdict = judge(&Journals::read(&directory).unwrap());
    assert!(verdict.is_clean(), "{verdict}");
}

#[test]
fn a_hand_off_leaves_the_lease_with_its_old_holder() {
    let line = r#"{"t":1,"table":"orders","op":"UpdateItem","key":"s","before":null,"after":
        {"leaseOwner":{"S":"new"},"checkpointOwner":{"S":"old"},"leaseCounter":{"N":"3"},
         "checkpoint":{"S":"12"},"checkpointSubSequenceNumber":{"N":"4"}}}"#;
    let write: shardwise_referee::LeaseWrite = serde_json::from_str(line).unwrap();
    let row = write.after.unwrap();
    assert_eq!(row.holder.as_deref(), Some("old"));
    assert_eq!((row.counter, row.checkpoint.to_string().as_str()), (3, "12/4"));
}

#[test]
fn broken_invariants_are_named_in_the_verdict() {
    let mut story = eventful();
    story.put("shardId-000000000002", "lost");
    let verdict = judge(&story.journals());
    assert_eq!(verdict.violations[0].invariant, Invariant::EverythingDelivered);
    let text = verdict.to_string();
    assert!(text.contains("key `lost`"), "{text}");
    assert!(text.trim_end().ends_with("verdict: broken: 1 violations"), "{text}");
}
