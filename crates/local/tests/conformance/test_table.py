"""Tables as a whole: their states, indexes and settings."""

import uuid

import pytest
from botocore.exceptions import ClientError

from probes import Table, refused, until

NOT_FOUND = "ResourceNotFoundException"
IN_USE = "ResourceInUseException"
INDEX = "LeaseOwnerToLeaseKeyIndex"


def test_a_new_table_becomes_active_and_is_described(dynamodb):
    """API_CreateTable, API_TableDescription"""
    table = Table(dynamodb)

    seen = table.describe()

    assert seen["KeySchema"] == [{"AttributeName": "leaseKey", "KeyType": "HASH"}]
    assert seen["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"
    assert seen["TableArn"].endswith(f"table/{table.name}")


def test_a_table_is_creating_before_it_is_active(slow_dynamodb):
    """API_CreateTable: TableStatus CREATING"""
    table = Table(slow_dynamodb, wait=False)

    assert table.describe()["TableStatus"] == "CREATING"
    table.until_active()


def test_items_of_a_table_being_created_are_not_found(slow_dynamodb):
    """API_CreateTable: reads and writes only on an ACTIVE table"""
    table = Table(slow_dynamodb, wait=False)

    put = {"TableName": table.name, "Item": table.key()}
    assert refused(slow_dynamodb.put_item, **put) == NOT_FOUND
    assert refused(slow_dynamodb.scan, TableName=table.name) == NOT_FOUND
    table.until_active()
    slow_dynamodb.put_item(**put)


def test_a_table_being_created_is_in_use(slow_dynamodb):
    """API_DeleteTable, API_UpdateTable: ResourceInUseException"""
    table = Table(slow_dynamodb, wait=False)

    assert refused(slow_dynamodb.delete_table, TableName=table.name) == IN_USE


def test_a_table_is_not_created_twice(dynamodb):
    """API_CreateTable: ResourceInUseException; a KCL takes it for a race that it lost"""
    table = Table(dynamodb)

    with pytest.raises(ClientError) as error:
        table.create()

    assert error.value.response["Error"]["Code"] == IN_USE


def test_a_missing_table_is_not_found(dynamodb):
    """ResourceNotFoundException of each call"""
    name = {"TableName": f"none-{uuid.uuid4()}"}
    key = {"leaseKey": {"S": "x"}}

    assert refused(dynamodb.describe_table, **name) == NOT_FOUND
    assert refused(dynamodb.scan, **name) == NOT_FOUND
    assert refused(dynamodb.get_item, **name, Key=key) == NOT_FOUND
    assert refused(dynamodb.put_item, **name, Item=key) == NOT_FOUND
    assert refused(dynamodb.update_item, **name, Key=key) == NOT_FOUND
    assert refused(dynamodb.delete_item, **name, Key=key) == NOT_FOUND


def test_a_deleted_table_is_gone_in_the_end(dynamodb):
    """API_DeleteTable"""
    table = Table(dynamodb)
    dynamodb.delete_table(TableName=table.name)

    def code():
        try:
            table.describe()
        except ClientError as error:
            return error.response["Error"]["Code"]

    assert until(code) == NOT_FOUND


def add_index(table):
    string = [{"AttributeName": name, "AttributeType": "S"} for name in ("leaseOwner", "leaseKey")]
    schema = [("leaseOwner", "HASH"), ("leaseKey", "RANGE")]
    schema = [{"AttributeName": name, "KeyType": kind} for name, kind in schema]
    index = {"IndexName": INDEX, "KeySchema": schema, "Projection": {"ProjectionType": "KEYS_ONLY"}}
    table.dynamodb.update_table(
        TableName=table.name,
        AttributeDefinitions=string,
        GlobalSecondaryIndexUpdates=[{"Create": index}],
    )

    def is_active():
        indexes = table.describe().get("GlobalSecondaryIndexes", [])
        return [index["IndexStatus"] for index in indexes] == ["ACTIVE"]

    until(is_active)


def owned(table, owner):
    answer = table.dynamodb.query(
        TableName=table.name,
        IndexName=INDEX,
        KeyConditionExpression="leaseOwner = :owner",
        ExpressionAttributeValues={":owner": {"S": owner}},
    )
    return answer["Items"]


def test_an_index_is_added_later_and_has_what_was_there(dynamodb):
    """API_UpdateTable: a global secondary index, backfilled; KEYS_ONLY"""
    table = Table(dynamodb)
    table.put("a", {"leaseOwner": {"S": "one"}, "leaseCounter": {"N": "1"}})

    add_index(table)

    expected = [{"leaseKey": {"S": "a"}, "leaseOwner": {"S": "one"}}]
    until(lambda: owned(table, "one") == expected)


def test_an_index_follows_writes_and_leaves_out_items_without_its_key(dynamodb):
    """Developer guide, sparse indexes"""
    table = Table(dynamodb)
    add_index(table)
    table.put("a", {"leaseOwner": {"S": "one"}})
    table.put("b")
    table.update("a", AttributeUpdates={"leaseOwner": {"Value": {"S": "two"}, "Action": "PUT"}})

    until(lambda: [item["leaseKey"]["S"] for item in owned(table, "two")] == ["a"])
    assert owned(table, "one") == []
    table.update("a", UpdateExpression="REMOVE leaseOwner")
    until(lambda: owned(table, "two") == [])


def test_a_query_of_a_missing_index_is_invalid(dynamodb):
    """API_Query: ValidationException"""
    table = Table(dynamodb)
    asked = {
        "TableName": table.name,
        "IndexName": INDEX,
        "KeyConditionExpression": "leaseOwner = :owner",
        "ExpressionAttributeValues": {":owner": {"S": "one"}},
    }

    assert refused(dynamodb.query, **asked) == "ValidationException"


def test_a_protected_table_is_not_deleted(dynamodb):
    """API_CreateTable: DeletionProtectionEnabled"""
    table = Table(dynamodb, DeletionProtectionEnabled=True)

    assert table.describe()["DeletionProtectionEnabled"] is True
    assert refused(dynamodb.delete_table, TableName=table.name) == "ValidationException"


def test_tags_given_at_creation_are_kept(dynamodb):
    """API_CreateTable: Tags"""
    tags = [{"Key": "team", "Value": "streams"}]
    table = Table(dynamodb, Tags=tags)

    arn = table.describe()["TableArn"]
    assert dynamodb.list_tags_of_resource(ResourceArn=arn)["Tags"] == tags


def test_point_in_time_recovery_is_turned_on(dynamodb):
    """API_UpdateContinuousBackups; a KCL asks for it when it is configured"""
    table = Table(dynamodb)

    answer = dynamodb.update_continuous_backups(
        TableName=table.name,
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True},
    )["ContinuousBackupsDescription"]

    recovery = answer["PointInTimeRecoveryDescription"]
    assert recovery["PointInTimeRecoveryStatus"] == "ENABLED"
