//! What an answer must have. The SDK has something in its place where it is absent: an empty list
//! of records, an empty record. Whoever believes that skips records.

use serde_json::Value;

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// It cannot be read.
    #[error("malformed answer: no JSON")]
    Json,
    /// It has no list of records, not even an empty one.
    #[error("malformed answer: no list of records")]
    Records,
    /// A record has no data, not even empty ones.
    #[error("malformed answer: a record without data")]
    Data,
}

/// Looks for the records, and their data, of an answer or an event.
///
/// # Errors
///
/// Something of that is absent.
pub fn check_records(json: &[u8]) -> Result<(), Incomplete> {
    let answer: Value = serde_json::from_slice(json).map_err(|_| Incomplete::Json)?;
    let records = answer.get("Records").and_then(Value::as_array).ok_or(Incomplete::Records)?;
    let have_data = records.iter().all(|it| it.get("Data").is_some_and(Value::is_string));
    if have_data { Ok(()) } else { Err(Incomplete::Data) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_records_and_empty_records_are_told_from_absent_ones() {
        for (json, expected) in [
            (r#"{"NextShardIterator":"a","Records":[]}"#, Ok(())),
            (r#"{"Records":[{"Data":""},{"SequenceNumber":"1","Data":"YQ=="}]}"#, Ok(())),
            ("{}", Err(Incomplete::Records)),
            (r#"{"NextShardIterator":"a"}"#, Err(Incomplete::Records)),
            (r#"{"Records":null}"#, Err(Incomplete::Records)),
            (r#"{"Records":{}}"#, Err(Incomplete::Records)),
            (r#"{"Child":{"Records":[]}}"#, Err(Incomplete::Records)),
            (r#"{"Records":[{"Data":""},{"SequenceNumber":"1"}]}"#, Err(Incomplete::Data)),
            (r#"{"Records":[{"Data":null}]}"#, Err(Incomplete::Data)),
            (r#"{"Records":[null]}"#, Err(Incomplete::Data)),
            ("", Err(Incomplete::Json)),
            (r#"{"Records":[]"#, Err(Incomplete::Json)),
            (r#"{"Records":[]} and more"#, Err(Incomplete::Json)),
        ] {
            assert_eq!(check_records(json.as_bytes()), expected, "{json}");
        }
    }
}
