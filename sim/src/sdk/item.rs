//! Items and writes as DynamoDB's JSON has them, in the library's terms.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};
use shardwise::LeaseKey;
use shardwise::row::{Action, Item, Value, Write};

/// An item of any attributes.
pub(super) fn item(json: &Map<String, Json>) -> Item {
    json.iter().map(|(name, value)| (name.clone(), attribute(value))).collect()
}

fn attribute(json: &Json) -> Value {
    let text = |json: &Json| json.as_str().unwrap_or_default().to_owned();
    let Some((kind, value)) = json.as_object().and_then(|value| value.iter().next()) else {
        return Value::Other("?");
    };
    match kind.as_str() {
        "S" => Value::S(text(value)),
        "N" => Value::N(text(value)),
        "B" => Value::B(STANDARD.decode(text(value)).unwrap_or_default()),
        "SS" => Value::Ss(value.as_array().into_iter().flatten().map(text).collect()),
        _ => Value::Other("?"),
    }
}

/// The write that a request asks for, as far as it tells one kind from another.
pub(super) fn write(operation: &str, body: &Json) -> Option<Write> {
    let object = |name: &str| body.get(name).and_then(Json::as_object);
    let action = match operation {
        "PutItem" => Action::Put(item(object("Item")?)),
        "UpdateItem" => Action::Update(body.get("UpdateExpression")?.as_str()?.to_owned()),
        "DeleteItem" => Action::Delete,
        _ => return None,
    };
    let key = object("Key").or_else(|| object("Item"))?.get("leaseKey")?.get("S")?.as_str()?;
    Some(Write {
        key: LeaseKey::new(key).ok()?,
        action,
        condition: String::new(),
        values: object("ExpressionAttributeValues").map(item).unwrap_or_default(),
    })
}
