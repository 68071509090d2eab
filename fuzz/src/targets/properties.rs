//! A properties file: entry by entry what Java reads, it reads back when it is written again, and
//! the settings name lines that are there.

mod java;

use std::fmt::Write;

use shardwise_core::id::WorkerId;
use shardwise_core::properties::settings::{DaemonSettings, SettingsError};
use shardwise_core::properties::{Entry, parse};
use shardwise_core::time::Timestamp;

use super::Target;

pub(super) const TARGET: Target = Target {
    name: "properties",
    words: &[
        "executableName = node app.js\n",
        "streamName = s\n",
        "streamArn=arn:aws:kinesis:us-east-1:123456789012:stream/s\n",
        "applicationName: a\n",
        "AwsCredentialsProvider = DefaultCredentialsProvider\n",
        "failoverTimeMillis = ",
        "initialPositionInStream = TRIM_HORIZON\n",
        "initialPositionInStreamExtended = 1700000000\n",
        "kinesisEndpoint = http://127.0.0.1:4567\n",
        "regionName = us-east-1\n",
        "retrievalMode = ",
        "POLLING",
        "shardwise.",
        "maxRecords = ",
        "true",
        "\\\n",
        "\\\r\n",
        "\\u00e9",
        "\\ud83d\\ude00",
        "\u{c}",
        "\u{feff}",
        "#",
        "!",
        "=",
        ":",
    ],
    bytes_max: 512,
    check,
};

/// The date of every check.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);
/// In a longer file settings are not looked at.
const ENTRIES_MAX: usize = 16;

fn check(input: &[u8]) {
    let ours = parse(input);
    let javas = java::load(&decoded(input));
    match (&ours, javas) {
        (Ok(entries), Ok(javas)) => assert_eq!(*entries, javas),
        (Err(error), Err(line)) => assert_eq!(error.line, line),
        (ours, javas) => panic!("{ours:?}, and Java: {javas:?}"),
    }
    let Ok(entries) = ours else { return };
    check_written_again(&entries);
    // For each key that is unknown the nearest one is sought, which takes its time.
    if entries.len() <= ENTRIES_MAX {
        check_settings(input, &entries);
    }
}

/// As the daemon decodes a file: UTF-8 without its mark, or else ISO-8859-1.
fn decoded(input: &[u8]) -> String {
    match String::from_utf8(input.to_vec()) {
        Ok(text) => text.strip_prefix('\u{feff}').map(ToOwned::to_owned).unwrap_or(text),
        Err(_) => input.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn check_written_again(entries: &[Entry]) {
    let mut file = String::new();
    for entry in entries {
        writeln!(file, "{}={}", escaped(&entry.key), escaped(&entry.value)).expect("text grows");
    }
    let again = parse(file.as_bytes()).expect("everything odd is escaped");
    let pairs = |entries: &[Entry]| -> Vec<(String, String)> {
        entries.iter().map(|entry| (entry.key.clone(), entry.value.clone())).collect()
    };
    assert_eq!(pairs(&again), pairs(entries));
}

fn check_settings(input: &[u8], entries: &[Entry]) {
    let generated = WorkerId::new("generated").expect("it is not empty");
    let is_there = |line: usize| entries.iter().any(|entry| entry.line == line);
    match DaemonSettings::from_bytes(input, &generated, NOW) {
        Ok(settings) => {
            assert_eq!(settings.config.validate(), Ok(()));
            assert!(!settings.executable.is_empty());
            assert!(!settings.kinesis_credentials.is_empty());
            assert!(!settings.dynamodb_credentials.is_empty());
            for warning in settings.warnings {
                assert!(warning.line.is_none_or(is_there), "{warning:?}");
            }
        }
        Err(
            SettingsError::Wrong { line, .. }
            | SettingsError::Hidden { line, .. }
            | SettingsError::Credentials { line, .. },
        ) => {
            assert!(is_there(line), "no entry stands on line {line}");
        }
        Err(SettingsError::Missing { key, .. }) => {
            let values = entries.iter().filter(|entry| entry.key == key);
            assert_eq!(values.count(), 0, "{key} is there");
        }
        Err(SettingsError::Syntax(error)) => panic!("the entries were read: {error}"),
    }
}

/// A key or a value, so written that it reads back.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii_alphanumeric() => escaped.push(byte.into()),
            _ => write!(escaped, "\\u{unit:04x}").expect("text grows"),
        }
    }
    escaped
}
