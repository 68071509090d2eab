//! Tables that are not there yet: for a while after its creation a table is CREATING.
//!
//! dynoxide's tables are ACTIVE at once, so a client that does not wait would get away with it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::http::Answer;
use crate::stream::Timestamp;

/// What a call does to a table, as far as its state decides the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// It makes the table.
    Creation,
    /// It shows the table's state.
    Description,
    /// It changes the table as a whole, or takes it away.
    Change,
    /// It reads or writes items.
    Items,
    /// The state does not matter, or the call names more than one table.
    Other,
}

impl Use {
    fn of(operation: &str) -> Self {
        match operation {
            "CreateTable" => Self::Creation,
            "DescribeTable" => Self::Description,
            "DeleteTable" | "UpdateTable" => Self::Change,
            "GetItem" | "PutItem" | "UpdateItem" | "DeleteItem" | "Query" | "Scan" => Self::Items,
            _ => Self::Other,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Named {
    table_name: String,
}

/// Which tables are being created, and until when.
#[derive(Debug)]
pub(super) struct Opening {
    takes: Duration,
    until: BTreeMap<String, Timestamp>,
}

impl Opening {
    pub(super) fn new(takes: Duration) -> Self {
        Self { takes, until: BTreeMap::new() }
    }

    /// The answer of a call, which `make` would get from a table that is always ACTIVE.
    pub(super) fn answer(
        &mut self,
        operation: &str,
        body: &[u8],
        make: impl FnOnce() -> Answer,
        now: Timestamp,
    ) -> Answer {
        let asked = Use::of(operation);
        if asked == Use::Other {
            return make();
        }
        // What cannot be read is refused by the call itself.
        let Ok(Named { table_name }) = serde_json::from_slice(body) else { return make() };
        self.until.retain(|_, until| *until > now);
        let is_creating = self.until.contains_key(&table_name);
        match asked {
            Use::Creation => {
                let answer = make();
                if answer.error.is_none() {
                    self.until.insert(table_name, now + self.takes);
                    return creating(answer, "TableDescription");
                }
                answer
            }
            Use::Description if is_creating => creating(make(), "Table"),
            Use::Change if is_creating => {
                let message = format!("Table is being created: {table_name}");
                Answer::error(400, "ResourceInUseException", &message)
            }
            Use::Items if is_creating => {
                Answer::error(400, "ResourceNotFoundException", "Requested resource not found")
            }
            Use::Description | Use::Change | Use::Items | Use::Other => make(),
        }
    }
}

/// The answer with the table in it CREATING.
fn creating(mut answer: Answer, field: &str) -> Answer {
    if let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body)
        && let Some(status) = body.pointer_mut(&format!("/{field}/TableStatus"))
    {
        *status = Value::from("CREATING");
        answer.body = body.to_string().into_bytes();
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_000_000);
    const BODY: &[u8] = br#"{"TableName":"leases"}"#;

    fn active(field: &str) -> Answer {
        Answer::ok(format!(r#"{{"{field}":{{"TableStatus":"ACTIVE"}}}}"#).into_bytes())
    }

    fn error(opening: &mut Opening, operation: &str, now: Timestamp) -> Option<String> {
        opening.answer(operation, BODY, || active("Table"), now).error
    }

    #[test]
    fn a_new_table_is_creating_until_its_time_is_over() {
        let mut opening = Opening::new(Duration::from_secs(3));
        let made = || active("TableDescription");

        let answer = opening.answer("CreateTable", BODY, made, START);
        let described = opening.answer("DescribeTable", BODY, || active("Table"), START);

        for body in [answer.body, described.body] {
            assert!(String::from_utf8(body).unwrap().contains(r#""TableStatus":"CREATING""#));
        }
        let not_found = Some("ResourceNotFoundException".to_owned());
        assert_eq!(error(&mut opening, "UpdateItem", START), not_found);
        let in_use = Some("ResourceInUseException".to_owned());
        assert_eq!(error(&mut opening, "DeleteTable", START), in_use);
        assert_eq!(error(&mut opening, "UpdateItem", START + Duration::from_secs(3)), None);
    }

    #[test]
    fn a_table_that_was_not_made_is_not_creating() {
        let mut opening = Opening::new(Duration::from_secs(3));
        let refused = || Answer::error(400, "ResourceInUseException", "it is there already");

        opening.answer("CreateTable", BODY, refused, START);

        assert_eq!(error(&mut opening, "UpdateItem", START), None);
    }
}
