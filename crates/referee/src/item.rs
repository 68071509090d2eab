//! Rows as the lease table's journal spells them: DynamoDB's JSON for an item.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::place::{NotAPlace, Place};
use crate::row::Row;

/// A write as a line of JSON.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WriteLine {
    pub(crate) t: u64,
    #[serde(default)]
    pub(crate) key: Option<String>,
    #[serde(default)]
    pub(crate) by: Option<String>,
    #[serde(default)]
    pub(crate) sent_t: Option<u64>,
    pub(crate) before: Option<Item>,
    pub(crate) after: Option<Item>,
}

/// An item: each attribute's value is an object whose one name is its type.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct Item(BTreeMap<String, Value>);

/// The attributes of a lease in KCL, all versions, and our own.
const OF_A_LEASE: [&str; 19] = [
    "checkpoint",
    "checkpointOwner",
    "checkpointSubSequenceNumber",
    "childShardIds",
    "endingHashKey",
    "entityType",
    "leaseCounter",
    "leaseKey",
    "leaseOwner",
    "ownerSwitchesSinceCheckpoint",
    "parentShardId",
    "pendingCheckpoint",
    "pendingCheckpointState",
    "pendingCheckpointSubSequenceNumber",
    "shardId",
    "shardwiseLatestSince",
    "startingHashKey",
    "streamName",
    "throughputKBps",
];

impl Item {
    /// The lease in it; or, if it is a row of another kind, its canonical text.
    ///
    /// Only a lease has both a counter and a checkpoint.
    pub(crate) fn read(&self) -> Result<(Option<Row>, Option<String>), NotAPlace> {
        let (Some(counter), Some(checkpoint)) =
            (self.number("leaseCounter")?, self.text("checkpoint"))
        else {
            return Ok((None, Some(self.canonical())));
        };
        let place = |text: &str, sub_sequence: &str| {
            Place::parse(text, self.number(sub_sequence)?.unwrap_or(0))
        };
        let owner = self.text("leaseOwner").map(str::to_owned);
        let holder = self.text("checkpointOwner").map(str::to_owned);
        let pending = self.text("pendingCheckpoint");
        let pending =
            pending.map(|text| place(text, "pendingCheckpointSubSequenceNumber")).transpose()?;
        let others = self.0.iter().filter(|(name, _)| !OF_A_LEASE.contains(&name.as_str()));
        let row = Row {
            holder: holder.or_else(|| owner.clone()),
            owner,
            counter,
            checkpoint: place(checkpoint, "checkpointSubSequenceNumber")?,
            pending,
            pending_state: self.bytes("pendingCheckpointState")?,
            children: self.texts("childShardIds"),
            latest_since: self.number("shardwiseLatestSince")?,
            others: others.map(|(name, value)| (name.clone(), canonical(value))).collect(),
        };
        Ok((Some(row), None))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.get("S")?.as_str()
    }

    fn number(&self, name: &str) -> Result<Option<u64>, NotAPlace> {
        let number = self.0.get(name).and_then(|value| value.get("N")).and_then(Value::as_str);
        let parse = |text: &str| text.parse().map_err(|_| NotAPlace::text(text.to_owned()));
        number.map(parse).transpose()
    }

    fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, NotAPlace> {
        let bytes = self.0.get(name).and_then(|value| value.get("B")).and_then(Value::as_str);
        let decode =
            |text: &str| STANDARD.decode(text).map_err(|_| NotAPlace::text(text.to_owned()));
        bytes.map(decode).transpose()
    }

    fn texts(&self, name: &str) -> Vec<String> {
        let texts = self.0.get(name).and_then(|value| value.get("SS")).and_then(Value::as_array);
        let texts = texts.into_iter().flatten().filter_map(Value::as_str);
        let mut texts: Vec<String> = texts.map(str::to_owned).collect();
        texts.sort();
        texts
    }

    fn canonical(&self) -> String {
        let attributes = self.0.iter();
        let attributes: Vec<String> =
            attributes.map(|(name, value)| format!("{name:?}:{}", canonical(value))).collect();
        format!("{{{}}}", attributes.join(","))
    }
}

/// A value as text that is the same whatever the order of names and of a set's members.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            let texts: Vec<String> = fields
                .into_iter()
                .map(|(name, value)| {
                    let is_set = matches!(name.as_str(), "SS" | "NS" | "BS");
                    let set = value.as_array().filter(|_| is_set).map(|members| set(members));
                    format!("{name:?}:{}", set.unwrap_or_else(|| canonical(value)))
                })
                .collect();
            format!("{{{}}}", texts.join(","))
        }
        Value::Array(members) => {
            let members: Vec<String> = members.iter().map(canonical).collect();
            format!("[{}]", members.join(","))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    }
}

fn set(members: &[Value]) -> String {
    let mut members: Vec<String> = members.iter().map(canonical).collect();
    members.sort();
    format!("[{}]", members.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> (Option<Row>, Option<String>) {
        serde_json::from_str::<Item>(json).unwrap().read().unwrap()
    }

    #[test]
    fn a_lease_shows_what_kcl_would_not_know_and_its_prepared_checkpoint() {
        let (row, foreign) = read(
            r#"{"leaseCounter":{"N":"3"},"checkpoint":{"S":"12"},"leaseOwner":{"S":"a"},
            "pendingCheckpoint":{"S":"14"},"pendingCheckpointSubSequenceNumber":{"N":"2"},
            "pendingCheckpointState":{"B":"AQI="},"childShardIds":{"SS":["s-2","s-1"]},
            "note":{"M":{"b":{"SS":["y","x"]},"a":{"BOOL":true}}},"throughputKBps":{"N":"1.0E-6"}}"#,
        );
        let row = row.unwrap();
        assert_eq!(foreign, None);
        assert_eq!(row.pending.unwrap().to_string(), "14/2");
        assert_eq!(row.pending_state.unwrap(), [1, 2]);
        assert_eq!(row.children, ["s-1", "s-2"]);
        let note = r#"{"M":{"a":{"BOOL":true},"b":{"SS":["x","y"]}}}"#;
        assert_eq!(row.others, [("note".to_owned(), note.to_owned())]);
    }

    #[test]
    fn a_row_of_another_kind_is_the_same_text_whatever_its_order() {
        let (row, one) = read(r#"{"leaseKey":{"S":"Leader"},"tags":{"SS":["b","a"]}}"#);
        let (_, other) = read(r#"{"tags":{"SS":["a","b"]},"leaseKey":{"S":"Leader"}}"#);
        assert_eq!(row, None);
        assert_eq!(one, other);
        assert_ne!(one, read(r#"{"tags":{"SS":["a"]},"leaseKey":{"S":"Leader"}}"#).1);
    }
}
