//! From an operation's name and body to a call of dynoxide and back.

use std::collections::HashMap;

use dynoxide::actions::batch_write_item::BatchWriteItemRequest;
use dynoxide::actions::delete_item::DeleteItemRequest;
use dynoxide::actions::put_item::PutItemRequest;
use dynoxide::actions::transact_write_items::{TransactWriteItem, TransactWriteItemsRequest};
use dynoxide::actions::update_item::UpdateItemRequest;
use dynoxide::{AttributeValue, DynoxideError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Tables;
use super::tap::{Target, WriteKind};

/// How dynoxide marks, in front of a message, errors of a request's shape that the service
/// reports as a failed validation or as unreadable.
const VALIDATION_MARKS: [&str; 3] = ["VALIDATION:", "VALIDATION_REQUEST:", "VALIDATION_AS_READ:"];
const SERIALIZATION_MARKS: [&str; 2] = ["SERIALIZATION:", "SERIALIZATION_AS_READ:"];
/// What the service puts before such a message in answers to single writes.
const ENVELOPE: &str = "1 validation error detected: ";

pub(super) enum CallError {
    UnknownOperation,
    TableNotFound { table: String },
    Serialization(String),
    Database(DynoxideError),
}

impl From<DynoxideError> for CallError {
    fn from(error: DynoxideError) -> Self {
        Self::Database(error)
    }
}

impl Tables {
    pub(super) fn run(&self, operation: &str, body: &[u8]) -> Result<Vec<u8>, CallError> {
        let db = &self.database;
        match operation {
            "GetItem" => run(body, |asked| db.get_item(asked)),
            "PutItem" => run(body, |asked| self.put_item(asked)),
            "UpdateItem" => run(body, |asked| self.update_item(asked)),
            "DeleteItem" => run(body, |asked| self.delete_item(asked)),
            "Query" => run(body, |asked| db.query(asked)),
            "Scan" => run(body, |asked| db.scan(asked)),
            "BatchGetItem" => run(body, |asked| db.batch_get_item(asked)),
            "BatchWriteItem" => run(body, |asked| self.batch_write_item(asked)),
            "TransactGetItems" => run(body, |asked| db.transact_get_items(asked)),
            "TransactWriteItems" => run(body, |asked| self.transact_write_items(asked)),
            "CreateTable" => run(body, |asked| db.create_table(asked)),
            "DeleteTable" => run(body, |asked| db.delete_table(asked)),
            "DescribeTable" => run(body, |asked| db.describe_table(asked)),
            "ListTables" => run(body, |asked| db.list_tables(asked)),
            "UpdateTable" => run(body, |asked| db.update_table(asked)),
            "TagResource" => run(body, |asked| db.tag_resource(asked)),
            "UntagResource" => run(body, |asked| db.untag_resource(asked)),
            "ListTagsOfResource" => run(body, |asked| db.list_tags_of_resource(asked)),
            "UpdateTimeToLive" => run(body, |asked| db.update_time_to_live(asked)),
            "DescribeTimeToLive" => run(body, |asked| db.describe_time_to_live(asked)),
            "UpdateContinuousBackups" => self.update_backups(&parse(body)?),
            "DescribeContinuousBackups" => self.describe_backups(&parse(body)?),
            _ => Err(CallError::UnknownOperation),
        }
    }

    fn put_item(&self, asked: PutItemRequest) -> dynoxide::Result<impl Serialize + use<>> {
        let targets = || {
            let key = self.key_in(&asked.table_name, &asked.item);
            Target::new(&asked.table_name, WriteKind::PutItem, key).into_iter().collect()
        };
        let targets = self.when_tapped(targets);
        self.write(targets, || self.database.put_item(asked))
    }

    fn update_item(&self, asked: UpdateItemRequest) -> dynoxide::Result<impl Serialize + use<>> {
        let key = Some(asked.key.clone());
        let target = Target::new(&asked.table_name, WriteKind::UpdateItem, key);
        self.write(target.into_iter().collect(), || self.database.update_item(asked))
    }

    fn delete_item(&self, asked: DeleteItemRequest) -> dynoxide::Result<impl Serialize + use<>> {
        let key = Some(asked.key.clone());
        let target = Target::new(&asked.table_name, WriteKind::DeleteItem, key);
        self.write(target.into_iter().collect(), || self.database.delete_item(asked))
    }

    fn batch_write_item(
        &self,
        asked: BatchWriteItemRequest,
    ) -> dynoxide::Result<impl Serialize + use<>> {
        let targets = || {
            let writes = asked.request_items.iter();
            let writes = writes.flat_map(|(table, writes)| writes.iter().map(move |w| (table, w)));
            let target =
                |(table, write): (&String, &dynoxide::actions::batch_write_item::WriteRequest)| {
                    if let Some(put) = &write.put_request {
                        return Target::new(
                            table,
                            WriteKind::PutItem,
                            self.key_in(table, &put.item),
                        );
                    }
                    let key = write.delete_request.as_ref().map(|delete| delete.key.clone());
                    Target::new(table, WriteKind::DeleteItem, key)
                };
            writes.filter_map(target).collect()
        };
        let targets = self.when_tapped(targets);
        self.write(targets, || self.database.batch_write_item(asked))
    }

    fn transact_write_items(
        &self,
        asked: TransactWriteItemsRequest,
    ) -> dynoxide::Result<impl Serialize + use<>> {
        let target = |item: &TransactWriteItem| {
            if let Some(put) = &item.put {
                let key = self.key_in(&put.table_name, &put.item);
                return Target::new(&put.table_name, WriteKind::PutItem, key);
            }
            if let Some(update) = &item.update {
                let key = Some(update.key.clone());
                return Target::new(&update.table_name, WriteKind::UpdateItem, key);
            }
            let delete = item.delete.as_ref()?;
            Target::new(&delete.table_name, WriteKind::DeleteItem, Some(delete.key.clone()))
        };
        let may_repeat = asked.client_request_token.is_some();
        let targets = asked.transact_items.iter().filter_map(target);
        let targets = || targets.map(|target| target.or_repeated(may_repeat)).collect();
        let targets = self.when_tapped(targets);
        self.write(targets, || self.database.transact_write_items(asked))
    }

    fn when_tapped(&self, targets: impl FnOnce() -> Vec<Target>) -> Vec<Target> {
        if self.tap.is_some() { targets() } else { Vec::new() }
    }

    /// Makes a write, and shows it to the tap if there is one and the write was applied.
    fn write<A>(
        &self,
        targets: Vec<Target>,
        write: impl FnOnce() -> dynoxide::Result<A>,
    ) -> dynoxide::Result<A> {
        let Some(mut tap) = self.tap() else { return write() };
        let before: Vec<_> = targets.iter().map(|target| target.read(&self.database)).collect();
        let answer = write()?;
        for (target, before) in targets.into_iter().zip(before) {
            let after = target.read(&self.database);
            tap.show(target, before, after);
        }
        Ok(answer)
    }

    /// The key of an item, or nothing if the table or a part of the key is missing: then the
    /// write will fail by itself.
    fn key_in(
        &self,
        table: &str,
        item: &HashMap<String, AttributeValue>,
    ) -> Option<HashMap<String, AttributeValue>> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct KeyPart {
            attribute_name: String,
        }

        let metadata = self.database.get_table_metadata(table).ok()??;
        let schema: Vec<KeyPart> = serde_json::from_str(&metadata.key_schema).ok()?;
        let part = |part: KeyPart| {
            let value = item.get(&part.attribute_name)?.clone();
            Some((part.attribute_name, value))
        };
        schema.into_iter().map(part).collect()
    }

    fn update_backups(&self, asked: &BackupsRequest) -> Result<Vec<u8>, CallError> {
        self.require_table(&asked.table_name)?;
        let on = asked.point_in_time_recovery_specification.as_ref();
        let on = on.is_some_and(|specification| specification.point_in_time_recovery_enabled);
        let mut backups = self.backups.lock().expect("no call panics while it holds the lock");
        backups.insert(asked.table_name.clone(), on);
        Ok(backups_description(on))
    }

    fn describe_backups(&self, asked: &BackupsRequest) -> Result<Vec<u8>, CallError> {
        self.require_table(&asked.table_name)?;
        let backups = self.backups.lock().expect("no call panics while it holds the lock");
        Ok(backups_description(backups.get(&asked.table_name).copied().unwrap_or(false)))
    }

    fn require_table(&self, table: &str) -> Result<(), CallError> {
        match self.database.get_table_metadata(table)? {
            Some(_) => Ok(()),
            None => Err(CallError::TableNotFound { table: table.to_owned() }),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BackupsRequest {
    table_name: String,
    point_in_time_recovery_specification: Option<RecoverySpecification>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RecoverySpecification {
    point_in_time_recovery_enabled: bool,
}

fn backups_description(on: bool) -> Vec<u8> {
    let status = if on { "ENABLED" } else { "DISABLED" };
    let description = json!({
        "ContinuousBackupsDescription": {
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": { "PointInTimeRecoveryStatus": status },
        }
    });
    description.to_string().into_bytes()
}

fn run<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    operation: impl FnOnce(Q) -> dynoxide::Result<A>,
) -> Result<Vec<u8>, CallError> {
    let asked = parse(body)?;
    let answer = operation(asked).map_err(enveloped)?;
    Ok(serde_json::to_vec(&answer).expect("answers have string keys and no failing parts"))
}

fn parse<Q: DeserializeOwned>(body: &[u8]) -> Result<Q, CallError> {
    serde_json::from_slice(body).map_err(|error| unreadable(&error.to_string()))
}

/// Sorts errors of a request's shape as the service does.
fn unreadable(message: &str) -> CallError {
    let text = message.rsplit_once(" at line ").map_or(message, |(text, _)| text);
    let marked = |marks: &[&str]| marks.iter().find_map(|mark| text.strip_prefix(mark));
    if let Some(text) = marked(&SERIALIZATION_MARKS) {
        return CallError::Serialization(text.to_owned());
    }
    if let Some(text) = text.strip_prefix(VALIDATION_MARKS[1]) {
        let error = DynoxideError::EnvelopedValidation(text.to_owned());
        return CallError::Database(enveloped(error));
    }
    let is_validation = ["missing field", "unknown variant", "AttributeValue", "type: null"]
        .iter()
        .any(|part| text.contains(part));
    match marked(&VALIDATION_MARKS) {
        Some(text) => DynoxideError::ValidationException(text.to_owned()).into(),
        None if is_validation => DynoxideError::ValidationException(text.to_owned()).into(),
        None => CallError::Serialization(text.to_owned()),
    }
}

/// Writes out an envelope that dynoxide leaves to its caller.
fn enveloped(error: DynoxideError) -> DynoxideError {
    if let DynoxideError::EnvelopedValidation(text) = error {
        return DynoxideError::ValidationException(format!("{ENVELOPE}{text}"));
    }
    error
}
