//! Tables: what a KCL writes, and what the tap sees of it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeAction, AttributeDefinition, AttributeValue, AttributeValueUpdate, BillingMode,
    ConditionCheck, Delete, ExpectedAttributeValue, KeySchemaElement, KeyType,
    PointInTimeRecoverySpecification, PointInTimeRecoveryStatus, Put, ReturnValue,
    ScalarAttributeType, TransactWriteItem, Update,
};
use serde_json::{Value, json};
use shardwise_local::table::Tables;
use shardwise_local::{Endpoints, Options};

use super::{dynamodb, endpoints, refusal};

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: u32) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

async fn table(client: &Client) {
    let attribute = AttributeDefinition::builder().attribute_name("leaseKey");
    let attribute = attribute.attribute_type(ScalarAttributeType::S).build().unwrap();
    let key = KeySchemaElement::builder().attribute_name("leaseKey").key_type(KeyType::Hash);
    let create = client.create_table().table_name("leases").attribute_definitions(attribute);
    let create = create.key_schema(key.build().unwrap()).billing_mode(BillingMode::PayPerRequest);
    create.send().await.unwrap();
}

async fn lease(client: &Client, key: &str, counter: u32) {
    let put = client.put_item().table_name("leases").item("leaseKey", s(key));
    put.item("leaseCounter", n(counter)).send().await.unwrap();
}

fn lines(journal: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(journal).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn leases_are_written_on_conditions_old_style_and_new() {
    let endpoints = endpoints().await;
    let client = dynamodb(&endpoints);
    table(&client).await;
    let missing = ExpectedAttributeValue::builder().exists(false).build();
    let create = || {
        let put = client.put_item().table_name("leases").item("leaseKey", s("a"));
        put.item("leaseCounter", n(0)).expected("leaseKey", missing.clone()).send()
    };
    create().await.unwrap();
    assert_eq!(refusal(create().await), "ConditionalCheckFailedException");

    let renew = |seen| {
        let expected = ExpectedAttributeValue::builder().value(n(seen)).build();
        let next = AttributeValueUpdate::builder().value(n(seen + 1));
        let next = next.action(AttributeAction::Put).build();
        let update = client.update_item().table_name("leases").key("leaseKey", s("a"));
        let update = update.attribute_updates("leaseCounter", next);
        update.expected("leaseCounter", expected).return_values(ReturnValue::AllNew).send()
    };
    let renewed = renew(0).await.unwrap().attributes.unwrap();
    assert_eq!(renewed["leaseCounter"], n(1));
    assert_eq!(refusal(renew(0).await), "ConditionalCheckFailedException");

    let take = client.update_item().table_name("leases").key("leaseKey", s("a"));
    let take = take.update_expression("SET leaseOwner = :me, leaseCounter = :next");
    let take = take.condition_expression("leaseCounter = :seen");
    let take = take.expression_attribute_values(":me", s("w1"));
    let take = take.expression_attribute_values(":seen", n(1));
    take.expression_attribute_values(":next", n(2)).send().await.unwrap();
    let read = client.get_item().table_name("leases").key("leaseKey", s("a"));
    let item = read.consistent_read(true).send().await.unwrap().item.unwrap();
    assert_eq!((&item["leaseOwner"], &item["leaseCounter"]), (&s("w1"), &n(2)));
    endpoints.stop().await;
}

#[tokio::test]
async fn what_dynoxide_lacks_or_refuses_is_answered_under_the_services_names() {
    let endpoints = endpoints().await;
    let client = dynamodb(&endpoints);
    table(&client).await;

    let on = PointInTimeRecoverySpecification::builder().point_in_time_recovery_enabled(true);
    let update = client.update_continuous_backups().table_name("leases");
    update.point_in_time_recovery_specification(on.build().unwrap()).send().await.unwrap();
    let described = client.describe_continuous_backups().table_name("leases").send().await.unwrap();
    let recovery = described.continuous_backups_description.unwrap();
    let status = recovery.point_in_time_recovery_description.unwrap();
    assert_eq!(status.point_in_time_recovery_status, Some(PointInTimeRecoveryStatus::Enabled));
    let described = client.describe_continuous_backups().table_name("other").send().await;
    assert_eq!(refusal(described), "TableNotFoundException");

    let described = client.describe_table().table_name("other").send().await;
    assert_eq!(refusal(described), "ResourceNotFoundException");
    let empty = client.put_item().table_name("leases").item("leaseKey", s("")).send().await;
    assert_eq!(refusal(empty), "ValidationException");
    let limits = client.describe_limits().send().await;
    assert_eq!(refusal(limits), "UnknownOperationException");
    endpoints.stop().await;
}

#[test]
fn an_unreadable_request_is_told_from_an_invalid_one() {
    let tables = Tables::new().unwrap();
    let error =
        |body: &str| tables.call("DynamoDB_20120810.PutItem", body.as_bytes()).error.unwrap();

    assert_eq!(error("no json"), "SerializationException");
    assert_eq!(error(r#"{"TableName": 5}"#), "SerializationException");
    assert_eq!(error("{}"), "ValidationException");
    assert_eq!(error(r#"{"TableName": "leases", "Item": {"a": {}}}"#), "ValidationException");
    let unknown = tables.call("DynamoDB_20120810.Nothing", b"{}").error.unwrap();
    assert_eq!(unknown, "UnknownOperationException");
}

#[tokio::test]
async fn the_journal_has_each_applied_write_with_the_item_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("leases.jsonl");
    let options = Options { lease_journal: Some(journal.clone()), ..Options::default() };
    let endpoints = Endpoints::start(options).await.unwrap();
    let client = dynamodb(&endpoints);
    table(&client).await;

    lease(&client, "a", 1).await;
    let update = client.update_item().table_name("leases").key("leaseKey", s("a"));
    let update = update.update_expression("SET leaseCounter = :two");
    let update = update.expression_attribute_values(":two", n(2)).clone();
    update.clone().send().await.unwrap();
    let refused = update.condition_expression("leaseCounter = :two AND attribute_exists(gone)");
    assert_eq!(refusal(refused.send().await), "ConditionalCheckFailedException");
    client.delete_item().table_name("leases").key("leaseKey", s("a")).send().await.unwrap();

    let mut lines = lines(&journal);
    let times: Vec<u64> = lines.iter().map(|line| line["t"].as_u64().unwrap()).collect();
    assert!(times.is_sorted() && times[0] > 0, "{times:?}");
    for line in &mut lines {
        line.as_object_mut().unwrap().remove("t");
    }
    let one = json!({"leaseCounter": {"N": "1"}, "leaseKey": {"S": "a"}});
    let two = json!({"leaseCounter": {"N": "2"}, "leaseKey": {"S": "a"}});
    let line = |op, before: &Value, after: &Value| {
        let (table, key) = ("leases", "a");
        json!({"table": table, "op": op, "key": key, "before": before, "after": after})
    };
    assert_eq!(
        lines,
        [
            line("PutItem", &Value::Null, &one),
            line("UpdateItem", &one, &two),
            line("DeleteItem", &two, &Value::Null),
        ]
    );
    endpoints.stop().await;
}

#[tokio::test]
async fn the_journal_splits_a_transaction_into_its_writes_and_leaves_out_its_repetition() {
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("leases.jsonl");
    let options = Options { lease_journal: Some(journal.clone()), ..Options::default() };
    let endpoints = Endpoints::start(options).await.unwrap();
    let client = dynamodb(&endpoints);
    table(&client).await;
    for key in ["a", "b", "c"] {
        lease(&client, key, 1).await;
    }
    let put = Put::builder().table_name("leases").item("leaseKey", s("d")).build().unwrap();
    let update = Update::builder().table_name("leases").key("leaseKey", s("a"));
    let update = update.update_expression("SET leaseOwner = :me");
    let update = update.expression_attribute_values(":me", s("w")).build().unwrap();
    let delete = Delete::builder().table_name("leases").key("leaseKey", s("b")).build().unwrap();
    let check = ConditionCheck::builder().table_name("leases").key("leaseKey", s("c"));
    let check = check.condition_expression("attribute_exists(leaseKey)").build().unwrap();
    let write = client.transact_write_items();
    let write = write.transact_items(TransactWriteItem::builder().put(put).build());
    let write = write.transact_items(TransactWriteItem::builder().update(update).build());
    let write = write.transact_items(TransactWriteItem::builder().delete(delete).build());
    let write = write.transact_items(TransactWriteItem::builder().condition_check(check).build());
    let write = write.client_request_token("once");
    write.clone().send().await.unwrap();
    write.send().await.unwrap();

    let written: Vec<_> = lines(&journal)[3..]
        .iter()
        .map(|line| (line["op"].clone(), line["key"].clone(), line["after"].is_null()))
        .collect();
    assert_eq!(
        written,
        [
            (json!("PutItem"), json!("d"), false),
            (json!("UpdateItem"), json!("a"), false),
            (json!("DeleteItem"), json!("b"), true),
        ]
    );
    endpoints.stop().await;
}

#[test]
fn writes_to_one_item_from_several_threads_are_seen_in_the_order_they_were_applied() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tapped = Arc::clone(&seen);
    let tables = Tables::new().unwrap().tapped(move |write| {
        tapped.lock().unwrap().push((write.before.clone(), write.after.clone()));
    });
    let call = |operation: &str, body: Value| {
        let target = format!("DynamoDB_20120810.{operation}");
        let answer = tables.call(&target, body.to_string().as_bytes());
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    };
    call(
        "CreateTable",
        json!({
            "TableName": "leases", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [{"AttributeName": "leaseKey", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "leaseKey", "KeyType": "HASH"}],
        }),
    );
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..25 {
                    call(
                        "UpdateItem",
                        json!({
                            "TableName": "leases", "Key": {"leaseKey": {"S": "a"}},
                            "UpdateExpression": "ADD leaseCounter :one",
                            "ExpressionAttributeValues": {":one": {"N": "1"}},
                        }),
                    );
                }
            });
        }
    });

    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 100);
    assert_eq!(seen[0].0, None);
    for pair in seen.windows(2) {
        assert_eq!(pair[0].1, pair[1].0, "each write begins where the one before ended");
    }
}
