//! Requests that no client would send.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

const TABLE: &str = "leases";

/// Requests that are right, to be spoilt.
fn requests() -> Vec<(&'static str, Value)> {
    let mut requests = writes_of_a_row();
    requests.extend(others());
    requests
}

fn key() -> Value {
    json!({ "leaseKey": { "S": "a" } })
}

fn writes_of_a_row() -> Vec<(&'static str, Value)> {
    let key = key();
    let item = json!({
        "leaseKey": { "S": "a" }, "leaseCounter": { "N": "1" }, "childShardIds": { "SS": ["b"] },
        "state": { "B": "AQID" }, "others": { "L": [{ "M": { "x": { "NULL": true } } }] },
    });
    vec![
        ("PutItem", json!({ "TableName": TABLE, "Item": item })),
        (
            "PutItem",
            json!({
                "TableName": TABLE, "Item": { "leaseKey": { "S": "b" } },
                "ConditionExpression": "attribute_not_exists(leaseKey)",
            }),
        ),
        (
            "UpdateItem",
            json!({
                "TableName": TABLE, "Key": key, "ReturnValues": "ALL_NEW",
                "UpdateExpression": "SET leaseCounter = :next, leaseOwner = :me REMOVE other",
                "ConditionExpression": "leaseCounter = :seen OR attribute_not_exists(leaseOwner)",
                "ExpressionAttributeValues": {
                    ":next": { "N": "2" }, ":me": { "S": "w" }, ":seen": { "N": "1" },
                },
            }),
        ),
        (
            "UpdateItem",
            json!({
                "TableName": TABLE, "Key": key,
                "AttributeUpdates": {
                    "leaseCounter": { "Value": { "N": "3" }, "Action": "PUT" },
                    "leaseOwner": { "Action": "DELETE" },
                },
                "Expected": { "leaseCounter": { "Value": { "N": "2" }, "Exists": true } },
            }),
        ),
        ("DeleteItem", json!({ "TableName": TABLE, "Key": key })),
    ]
}

fn others() -> Vec<(&'static str, Value)> {
    let key = key();
    vec![
        ("GetItem", json!({ "TableName": TABLE, "Key": key, "ConsistentRead": true })),
        ("Scan", json!({ "TableName": TABLE, "Limit": 1, "ExclusiveStartKey": key })),
        (
            "Query",
            json!({
                "TableName": TABLE, "KeyConditionExpression": "leaseKey = :key",
                "ExpressionAttributeValues": { ":key": { "S": "a" } },
            }),
        ),
        (
            "BatchWriteItem",
            json!({ "RequestItems": { TABLE: [
                { "PutRequest": { "Item": { "leaseKey": { "S": "c" } } } },
                { "DeleteRequest": { "Key": key } },
            ] } }),
        ),
        (
            "TransactWriteItems",
            json!({ "ClientRequestToken": "once", "TransactItems": [
                { "Put": { "TableName": TABLE, "Item": { "leaseKey": { "S": "d" } } } },
                { "Update": {
                    "TableName": TABLE, "Key": key, "UpdateExpression": "ADD leaseCounter :one",
                    "ExpressionAttributeValues": { ":one": { "N": "1" } },
                } },
            ] }),
        ),
        ("DescribeTable", json!({ "TableName": TABLE })),
        (
            "UpdateContinuousBackups",
            json!({
                "TableName": TABLE,
                "PointInTimeRecoverySpecification": { "PointInTimeRecoveryEnabled": true },
            }),
        ),
    ]
}

/// What is put in the place of a value, or done to it.
#[derive(Clone, Debug)]
enum Spoil {
    Drop,
    Replace(Value),
    /// Into so many lists inside each other.
    Bury(usize),
    Double,
}

fn spoils() -> impl Strategy<Value = (usize, Spoil)> {
    let values = prop_oneof![
        Just(Value::Null),
        Just(json!({})),
        Just(json!([])),
        Just(json!({ "S": "" })),
        Just(json!({ "N": "1e999" })),
        Just(json!({ "M": { "leaseKey": { "S": "a" } } })),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[a-z:#=(), ]{0,40}".prop_map(Value::from),
    ];
    let spoil = prop_oneof![
        Just(Spoil::Drop),
        values.prop_map(Spoil::Replace),
        (1_usize..400).prop_map(Spoil::Bury),
        Just(Spoil::Double),
    ];
    (any::<usize>(), spoil)
}

fn spoil(request: &mut Value, (place, spoil): &(usize, Spoil)) {
    let mut left = place % size(request);
    spoil_at(request, &mut left, spoil);
}

/// How many values there are, this one and those inside.
fn size(value: &Value) -> usize {
    let inside = match value {
        Value::Object(fields) => fields.values().map(size).sum(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    };
    1 + inside
}

/// Counts down to the value that is meant; whether it is to be dropped.
fn spoil_at(value: &mut Value, left: &mut usize, spoil: &Spoil) -> bool {
    if *left == 0 {
        *left = usize::MAX;
        match spoil {
            Spoil::Drop => return true,
            Spoil::Replace(other) => *value = other.clone(),
            Spoil::Bury(deep) => {
                *value = (0..*deep).fold(value.take(), |inner, _| Value::Array(vec![inner]));
            }
            Spoil::Double => *value = json!([value.clone(), value.clone()]),
        }
        return false;
    }
    *left = left.wrapping_sub(1);
    match value {
        Value::Object(fields) => {
            let kept = std::mem::take(fields).into_iter();
            *fields = kept
                .filter_map(|(name, mut inner)| {
                    let is_dropped = *left != usize::MAX && spoil_at(&mut inner, left, spoil);
                    (!is_dropped).then_some((name, inner))
                })
                .collect::<Map<_, _>>();
        }
        Value::Array(items) => {
            items.retain_mut(|inner| *left == usize::MAX || !spoil_at(inner, left, spoil));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    false
}

/// A table with what the tap showed of it.
struct Tapped {
    tables: Tables,
    items: Arc<Mutex<BTreeMap<String, Value>>>,
}

impl Tapped {
    fn new() -> Self {
        let items = Arc::<Mutex<BTreeMap<String, Value>>>::default();
        let shown = Arc::clone(&items);
        let tables = Tables::new().unwrap().tapped(move |write| {
            let mut items = shown.lock().unwrap();
            let key = write.key.clone().expect("keys of this table are strings");
            let before = write.before.as_ref().map(|item| json!(item));
            assert_eq!(items.get(&key), before.as_ref(), "before a write to {key}");
            match &write.after {
                Some(after) => items.insert(key, json!(after)),
                None => items.remove(&key),
            };
        });
        let tapped = Self { tables, items };
        let made = tapped.call(
            "CreateTable",
            json!({
                "TableName": TABLE, "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{ "AttributeName": "leaseKey", "KeyType": "HASH" }],
                "AttributeDefinitions": [{ "AttributeName": "leaseKey", "AttributeType": "S" }],
            })
            .to_string()
            .as_bytes(),
        );
        assert_eq!(made.0, 200, "{}", made.1);
        tapped
    }

    fn call(&self, operation: &str, body: &[u8]) -> (u16, Value) {
        let answer = self.tables.call(&format!("{TARGET_PREFIX}{operation}"), body);
        let value = serde_json::from_slice(&answer.body).expect("an answer is JSON");
        assert_eq!(answer.status == 200, answer.error.is_none());
        (answer.status, value)
    }

    fn scanned(&self) -> BTreeMap<String, Value> {
        let (_, answer) = self.call("Scan", json!({ "TableName": TABLE }).to_string().as_bytes());
        let items = answer["Items"].as_array().expect("there is a list").iter();
        items
            .map(|item| (item["leaseKey"]["S"].as_str().unwrap().to_owned(), item.clone()))
            .collect()
    }
}

proptest! {
    #[test]
    fn spoilt_requests_are_answered_and_the_tap_shows_all_that_changed(
        calls in proptest::collection::vec(
            (any::<usize>(), proptest::collection::vec(spoils(), 0..3), any::<Option<usize>>()),
            1..12,
        ),
    ) {
        let (tapped, requests) = (Tapped::new(), requests());
        for (choice, spoilt, cut) in calls {
            let (operation, mut request) = requests[choice % requests.len()].clone();
            spoilt.iter().for_each(|one| spoil(&mut request, one));
            let mut body = request.to_string().into_bytes();
            if let Some(cut) = cut.filter(|cut| cut % 4 == 0) {
                body.truncate(cut % (body.len() + 1));
            }
            let (status, answer) = tapped.call(operation, &body);
            prop_assert!(status == 200 || status == 400, "{operation}: {status} {answer}");
        }
        prop_assert_eq!(&tapped.scanned(), &*tapped.items.lock().unwrap());
    }
}
