//! `DynamoDB`'s JSON form of an item.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use shardwise_core::row::{Item, Value};

type Json = serde_json::Value;

pub(crate) fn item(json: &Json) -> Item {
    let attributes = json.as_object().expect("an item is an object");
    attributes.iter().map(|(name, value)| (name.clone(), self::value(value))).collect()
}

pub(crate) fn value(json: &Json) -> Value {
    let typed = json.as_object().expect("a value is an object");
    let (kind, content) = typed.iter().next().expect("a value has a type");
    let text = || content.as_str().expect("it is text").to_owned();
    match kind.as_str() {
        "S" => Value::S(text()),
        "N" => Value::N(text()),
        "B" => Value::B(STANDARD.decode(text()).expect("it is base 64")),
        "SS" => {
            let members = content.as_array().expect("a set is an array").iter();
            Value::Ss(members.map(|member| member.as_str().unwrap().to_owned()).collect())
        }
        "M" => Value::Other("M"),
        "L" => Value::Other("L"),
        "BOOL" => Value::Other("BOOL"),
        "NULL" => Value::Other("NULL"),
        other => panic!("no type of an attribute: {other}"),
    }
}
