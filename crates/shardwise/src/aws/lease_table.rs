//! The lease table over the AWS SDK.

use std::collections::{BTreeSet, HashMap};

use async_trait::async_trait;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    PointInTimeRecoverySpecification, ProvisionedThroughput, ReturnConsumedCapacity,
    ScalarAttributeType, TableStatus, Tag,
};
use aws_sdk_dynamodb::{Client, Config};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use shardwise_core::config::{Billing, TableConfig};
use shardwise_core::id::LeaseKey;
use shardwise_core::row::{Action, Item, Value, Write};

use super::replaceable::Replaceable;
use super::{described, is_refusal, is_throttling};
use crate::lease_table::{LeaseTable, Outcome, Reads, Scan, TableError, TableState};

/// The partition key of the lease table.
const KEY: &str = "leaseKey";

pub(super) struct Table {
    client: Replaceable<Client>,
    name: String,
    /// Where DynamoDB is.
    place: String,
}

impl Table {
    pub(super) fn new(config: Config, name: String, place: String) -> Self {
        let client = Replaceable::new(move || Client::from_conf(config.clone()));
        Self { client, name, place }
    }
}

#[async_trait]
impl LeaseTable for Table {
    fn place(&self) -> Option<&str> {
        Some(&self.place)
    }

    async fn state(&self) -> Result<TableState, TableError> {
        let answer =
            self.client.call(|client| client.describe_table().table_name(&self.name).send());
        match answer.await.map_err(error) {
            Ok(answer) => Ok(match answer.table.and_then(|table| table.table_status) {
                Some(TableStatus::Active | TableStatus::Updating) => TableState::Ready,
                _ => TableState::NotReady,
            }),
            Err(TableError::Missing) => Ok(TableState::Missing),
            Err(error) => Err(error),
        }
    }

    async fn create(&self, table: &TableConfig) -> Result<(), TableError> {
        let key = KeySchemaElement::builder().attribute_name(KEY).key_type(KeyType::Hash);
        let attribute = AttributeDefinition::builder()
            .attribute_name(KEY)
            .attribute_type(ScalarAttributeType::S);
        let (key, attribute) = (key.build(), attribute.build());
        let (key, attribute) = (key.map_err(incomplete)?, attribute.map_err(incomplete)?);
        let (billing, throughput) = match table.billing {
            Billing::OnDemand => (BillingMode::PayPerRequest, None),
            Billing::Provisioned { read, write } => {
                let throughput = ProvisionedThroughput::builder()
                    .read_capacity_units(i64::from(read.get()))
                    .write_capacity_units(i64::from(write.get()));
                (BillingMode::Provisioned, Some(throughput.build().map_err(incomplete)?))
            }
        };
        let mut tags = Vec::new();
        for (key, value) in &table.tags {
            tags.push(Tag::builder().key(key).value(value).build().map_err(incomplete)?);
        }
        // An empty list of tags is not sent at all.
        let tags = Some(tags).filter(|tags| !tags.is_empty());
        let answer = self.client.call(|client| {
            let request = client.create_table().table_name(&self.name);
            let request = request.key_schema(key).attribute_definitions(attribute);
            let request = request.billing_mode(billing).set_provisioned_throughput(throughput);
            let request = request.deletion_protection_enabled(table.deletion_protection);
            request.set_tags(tags).send()
        });
        match answer.await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(failure) => Err(error(failure)),
        }
    }

    async fn recover_to_any_time(&self) -> Result<(), TableError> {
        let specification = PointInTimeRecoverySpecification::builder()
            .point_in_time_recovery_enabled(true)
            .build()
            .map_err(incomplete)?;
        let answer = self.client.call(|client| {
            let request = client.update_continuous_backups().table_name(&self.name);
            request.point_in_time_recovery_specification(specification).send()
        });
        answer.await.map(drop).map_err(error)
    }

    async fn scan(&self, reads: Reads) -> Result<Scan, TableError> {
        let mut scan = Scan::default();
        let mut start = None;
        loop {
            let page = self.client.call(|client| {
                let request = client.scan().table_name(&self.name);
                request
                    .consistent_read(reads == Reads::Consistent)
                    .return_consumed_capacity(ReturnConsumedCapacity::Total)
                    .set_exclusive_start_key(start)
                    .send()
            });
            let page = page.await.map_err(error)?;
            scan.items.extend(page.items.unwrap_or_default().into_iter().map(item));
            scan.read_units +=
                page.consumed_capacity.and_then(|used| used.capacity_units).unwrap_or_default();
            start = page.last_evaluated_key;
            if start.is_none() {
                return Ok(scan);
            }
        }
    }

    async fn read(&self, key: &LeaseKey) -> Result<Option<Item>, TableError> {
        let answer = self.client.call(|client| {
            let request = client.get_item().table_name(&self.name).consistent_read(true);
            request.key(KEY, key_value(key)).send()
        });
        let answer = answer.await.map_err(error)?;
        Ok(answer.item.map(item))
    }

    async fn write(&self, write: &Write) -> Result<Outcome, TableError> {
        let condition = Some(write.condition.clone());
        let values = attributes(&write.values);
        let values = Some(values).filter(|values| !values.is_empty());
        match &write.action {
            Action::Put(item) => {
                let answer = self.client.call(|client| {
                    let request = client.put_item().table_name(&self.name);
                    let request = request.set_item(Some(attributes(item)));
                    let request = request.set_condition_expression(condition);
                    request.set_expression_attribute_values(values).send()
                });
                outcome(answer.await)
            }
            Action::Update(expression) => {
                let answer = self.client.call(|client| {
                    let request = client.update_item().table_name(&self.name);
                    let request = request.key(KEY, key_value(&write.key));
                    let request = request.update_expression(expression);
                    let request = request.set_condition_expression(condition);
                    request.set_expression_attribute_values(values).send()
                });
                outcome(answer.await)
            }
            Action::Delete => {
                let answer = self.client.call(|client| {
                    let request = client.delete_item().table_name(&self.name);
                    let request = request.key(KEY, key_value(&write.key));
                    let request = request.set_condition_expression(condition);
                    request.set_expression_attribute_values(values).send()
                });
                outcome(answer.await)
            }
        }
    }
}

fn outcome<T, E>(result: Result<T, SdkError<E, HttpResponse>>) -> Result<Outcome, TableError>
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match result {
        Ok(_) => Ok(Outcome::Written),
        Err(failure) if failure.code() == Some("ConditionalCheckFailedException") => {
            Ok(Outcome::Refused)
        }
        Err(failure) => Err(error(failure)),
    }
}

fn key_value(key: &LeaseKey) -> AttributeValue {
    AttributeValue::S(key.as_str().to_owned())
}

fn attributes(item: &Item) -> HashMap<String, AttributeValue> {
    item.iter().filter_map(|(name, value)| Some((name.clone(), attribute(value)?))).collect()
}

/// The value as DynamoDB's; a type that we never write has none.
fn attribute(value: &Value) -> Option<AttributeValue> {
    Some(match value {
        Value::S(text) => AttributeValue::S(text.clone()),
        Value::N(number) => AttributeValue::N(number.clone()),
        Value::B(bytes) => AttributeValue::B(Blob::new(bytes.clone())),
        Value::Ss(texts) => AttributeValue::Ss(texts.iter().cloned().collect()),
        Value::Other(_) => return None,
    })
}

fn item(attributes: HashMap<String, AttributeValue>) -> Item {
    attributes.into_iter().map(|(name, attribute)| (name, value(attribute))).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's enum is open: types may be added")]
fn value(attribute: AttributeValue) -> Value {
    match attribute {
        AttributeValue::S(text) => Value::S(text),
        AttributeValue::N(number) => Value::N(number),
        AttributeValue::B(bytes) => Value::B(bytes.into_inner()),
        AttributeValue::Ss(texts) => Value::Ss(texts.into_iter().collect::<BTreeSet<_>>()),
        AttributeValue::Bool(_) => Value::Other("BOOL"),
        AttributeValue::Bs(_) => Value::Other("BS"),
        AttributeValue::L(_) => Value::Other("L"),
        AttributeValue::M(_) => Value::Other("M"),
        AttributeValue::Ns(_) => Value::Other("NS"),
        AttributeValue::Null(_) => Value::Other("NULL"),
        _ => Value::Other("unknown"),
    }
}

fn incomplete(error: aws_sdk_dynamodb::error::BuildError) -> TableError {
    TableError::Rejected(error.to_string())
}

fn error<E>(error: SdkError<E, HttpResponse>) -> TableError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let code = error.code().unwrap_or_default().to_owned();
    let message = error.message().unwrap_or_default();
    let is_client_error =
        error.raw_response().is_some_and(|response| response.status().is_client_error());
    match code.as_str() {
        "ResourceNotFoundException" => TableError::Missing,
        // The table, or its backups, are still being changed: later.
        "ContinuousBackupsUnavailableException" | "ResourceInUseException" => TableError::Throttled,
        code if is_throttling(code) => TableError::Throttled,
        code if is_refusal(code) => TableError::Refused(format!("{code}: {message}")),
        code if is_client_error && !code.is_empty() => {
            TableError::Rejected(format!("{code}: {message}"))
        }
        _ => TableError::Unanswered(described(error)),
    }
}
