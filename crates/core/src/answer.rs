//! What an answer must have. The SDK has something in its place where it is absent: an empty list
//! of records, an empty record. Whoever believes that skips records.

mod scan;

pub use self::scan::Scan;

/// What is wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// It is not one JSON value.
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
    let mut scan = Scan::default();
    scan.follow(json);
    scan.end()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

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
            (r#"{"Records":[{"Data":"a\"},{\""}]}"#, Ok(())),
            (r#"{"\u0052ecords":[{"D\u0061ta":""}]}"#, Ok(())),
            (r#"{"Records":[{"x":{"Data":""}}]}"#, Err(Incomplete::Data)),
            (r#"{"Records":[{}],"Records":[{"Data":""}]}"#, Ok(())),
            (r#"{"Records":[{"Data":""}],"Records":[{}]}"#, Err(Incomplete::Data)),
            ("", Err(Incomplete::Json)),
            (r#"{"Records":[]"#, Err(Incomplete::Json)),
            (r#"{"Records":[]} and more"#, Err(Incomplete::Json)),
        ] {
            assert_eq!(check_records(json.as_bytes()), expected, "{json}");
        }
    }

    /// The same of a tree in memory, where the last of equal names counts.
    fn by_the_tree(answer: &Value) -> Result<(), Incomplete> {
        let records = answer.get("Records").and_then(Value::as_array);
        let have_data = |it: &Value| it.get("Data").is_some_and(Value::is_string);
        match records.ok_or(Incomplete::Records)?.iter().all(have_data) {
            true => Ok(()),
            false => Err(Incomplete::Data),
        }
    }

    /// JSON in which the names that count are at any place.
    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            prop_oneof![r#"[{}:,"\\\[\]ü]{0,6}"#, Just("Data".to_owned())].prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 4, |inner| {
            let name = prop_oneof![Just("Records"), Just("Data"), Just("{\"")];
            let name = name.prop_map(str::to_owned);
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(name, inner, 0..4)
                    .prop_map(|members| members.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn in_pieces_the_same_is_found_as_in_a_tree(
            record in json(),
            others in json(),
            is_answer: bool,
            is_pretty: bool,
            cut in 1_usize..9,
        ) {
            let value = match is_answer {
                true => serde_json::json!({ "Other": others, "Records": [record] }),
                false if others.is_object() => others,
                false => serde_json::json!([others]),
            };
            let bytes = match is_pretty {
                true => serde_json::to_vec_pretty(&value),
                false => serde_json::to_vec(&value),
            };
            let mut scan = Scan::default();
            bytes.unwrap().chunks(cut).for_each(|piece| scan.follow(piece));
            prop_assert_eq!(scan.end(), by_the_tree(&value));
        }
    }
}
