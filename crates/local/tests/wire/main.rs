//! The local Kinesis over HTTP without an SDK: bytes in CBOR as Java's clients send them, and the
//! same calls in JSON.

#![expect(clippy::unwrap_used, reason = "the lint spares test functions, but not their helpers")]

mod cbor;
mod client;
mod large;
mod malformed;
mod subscribing;

use ciborium::Value;

const SHARD: &str = "shardId-000000000000";
const ARN: &str = "arn:aws:kinesis:us-east-1:000000000000:stream/s";

/// A map of these fields.
fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    Value::Map(fields.into_iter().map(|(name, value)| (name.into(), value)).collect())
}

/// The field of a map, which has it.
fn field<'a>(value: &'a Value, name: &str) -> &'a Value {
    let found = has(value, name);
    found.unwrap_or_else(|| panic!("no {name} in {value:?}"))
}

/// The field of a map, if it has it.
fn has<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let fields = value.as_map().unwrap();
    fields.iter().find(|(field, _)| field.as_text() == Some(name)).map(|(_, value)| value)
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    field(value, name).as_text().unwrap()
}

/// The list in a field.
fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    field(value, name).as_array().unwrap()
}
