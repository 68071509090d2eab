//! One row of a table, and what a request makes of it: in KCL's form and in ours.

use std::collections::BTreeSet;

use shardwise_core::row::{Action, Item, Value, Write};

use crate::json;

type Json = serde_json::Value;

/// The condition does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// What one of our writes makes of a row.
pub(crate) fn ours(write: &Write, row: Option<&Item>) -> Result<Option<Item>, Refused> {
    check_placeholders(write);
    if !holds(write, row) {
        return Err(Refused);
    }
    match &write.action {
        Action::Put(item) => Ok(Some(item.clone())),
        Action::Delete => Ok(None),
        Action::Update(update) => {
            let mut row = row.cloned().expect("a condition without a row makes a row of nothing");
            for (verb, clause) in clauses(update) {
                for part in clause.split(", ") {
                    change(&mut row, verb, part, write);
                }
            }
            Ok(Some(row))
        }
    }
}

fn check_placeholders(write: &Write) {
    let action = match &write.action {
        Action::Update(update) => update.as_str(),
        Action::Put(_) | Action::Delete => "",
    };
    let text = format!("{} {action}", write.condition);
    let used: BTreeSet<&str> = text
        .split([' ', ',', '(', ')'])
        .filter(|word| word.starts_with(':') || word.starts_with('#'))
        .collect();
    let given: BTreeSet<&str> = write.values.keys().map(String::as_str).collect();
    assert_eq!(used, given, "DynamoDB refuses unused and unknown placeholders");
}

pub(crate) fn holds(write: &Write, row: Option<&Item>) -> bool {
    let attribute = |name: &str| row.and_then(|row| row.get(name));
    write.condition.split(" AND ").all(|term| {
        if let Some(name) = argument(term, "attribute_not_exists") {
            attribute(name).is_none()
        } else if let Some(name) = argument(term, "attribute_exists") {
            attribute(name).is_some()
        } else {
            let (name, placeholder) = term.split_once(" = ").expect("it is a comparison");
            attribute(name) == Some(&write.values[placeholder])
        }
    })
}

fn argument<'a>(term: &'a str, function: &str) -> Option<&'a str> {
    term.strip_prefix(function)?.strip_prefix('(')?.strip_suffix(')')
}

/// The clauses of an update expression, each with its verb.
fn clauses(update: &str) -> Vec<(&str, &str)> {
    let mut starts: Vec<usize> = ["SET ", "REMOVE ", "ADD "]
        .iter()
        .flat_map(|verb| update.match_indices(verb).map(|(at, _)| at))
        .collect();
    starts.sort_unstable();
    let ends = starts.iter().skip(1).copied().chain([update.len()]);
    let clauses = starts.iter().zip(ends).map(|(&start, end)| update[start..end].trim_end());
    clauses.map(|clause| clause.split_once(' ').expect("a verb and its parts")).collect()
}

fn change(row: &mut Item, verb: &str, part: &str, write: &Write) {
    match verb {
        "SET" => {
            let (name, placeholder) = part.split_once(" = ").expect("it sets one attribute");
            row.insert(name.to_owned(), write.values[placeholder].clone());
        }
        "REMOVE" => {
            row.remove(part);
        }
        "ADD" => {
            let (name, placeholder) = part.split_once(' ').expect("it adds to one attribute");
            add(row, name, &write.values[placeholder]);
        }
        other => panic!("no clause of an update: {other}"),
    }
}

fn add(row: &mut Item, name: &str, value: &Value) {
    let number = |value: &Value| match value {
        Value::N(number) => number.parse::<i64>().unwrap(),
        other @ (Value::S(_) | Value::B(_) | Value::Ss(_) | Value::Other(_)) => {
            panic!("no number: {other:?}")
        }
    };
    let sum = row.get(name).map_or(0, number) + number(value);
    row.insert(name.to_owned(), Value::N(sum.to_string()));
}

/// Whether what a request of KCL's expects is so.
pub(crate) fn expects(request: &Json, row: Option<&Item>) -> bool {
    let Some(expected) = request.get("Expected").and_then(Json::as_object) else { return true };
    expected.iter().all(|(name, expected)| {
        let found = row.and_then(|row| row.get(name));
        match expected.get("Value") {
            Some(value) => found == Some(&json::value(value)),
            None => expected["Exists"] == Json::Bool(found.is_some()),
        }
    })
}

/// What an UpdateItem of KCL's makes of a row, whether it expects it or not.
pub(crate) fn update(request: &Json, row: &Item) -> Item {
    let mut row = row.clone();
    for (name, update) in request["AttributeUpdates"].as_object().unwrap() {
        match update["Action"].as_str().unwrap() {
            "PUT" => {
                row.insert(name.clone(), json::value(&update["Value"]));
            }
            "DELETE" => {
                row.remove(name);
            }
            "ADD" => add(&mut row, name, &json::value(&update["Value"])),
            other => panic!("no action of an update: {other}"),
        }
    }
    row
}
