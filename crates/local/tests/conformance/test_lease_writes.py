"""The writes of leases as expressions, which Shardwise sends, and what a refusal tells."""

from concurrent.futures import ThreadPoolExecutor

from botocore.exceptions import ClientError

from leases import LEASE, ONE, TWO, counter_is, leased, renewal
from probes import Table, refused


def test_create_does_not_replace_a_lease(dynamodb):
    """API_PutItem: attribute_not_exists"""
    table = leased(dynamodb)
    absent = {"ConditionExpression": "attribute_not_exists(leaseKey)"}

    table.put("other", {"leaseCounter": {"N": "0"}}, **absent)
    table.conflict(table.put, "lease-0", {"leaseCounter": {"N": "0"}}, **absent)

    assert table.get() == LEASE
    assert table.get("other") == {"leaseCounter": {"N": "0"}}


def test_renewal_needs_the_counter_and_the_owner(dynamodb):
    """API_UpdateItem: ConditionExpression with AND"""
    table = leased(dynamodb)

    table.conflict(table.update, **renewal(owner="two"))
    table.conflict(table.update, **renewal(counter=6))
    table.update(**renewal())

    assert table.get() == {**LEASE, "leaseCounter": {"N": "8"}}


def test_a_failed_condition_shows_the_item_when_asked_to(dynamodb):
    """API_UpdateItem: ReturnValuesOnConditionCheckFailure ALL_OLD"""
    table = leased(dynamodb)

    plain = table.conflict(table.update, **renewal(counter=6))
    shown = table.conflict(
        table.update, **renewal(counter=6), ReturnValuesOnConditionCheckFailure="ALL_OLD"
    )

    assert plain is None
    assert shown == {**table.key(), **LEASE}


def test_a_failed_condition_has_the_services_text(dynamodb):
    """ConditionalCheckFailedException: The conditional request failed"""
    table = leased(dynamodb)
    try:
        table.update(**renewal(counter=6))
    except ClientError as error:
        assert error.response["Error"]["Message"] == "The conditional request failed"


def test_set_remove_and_add_go_in_one_update(dynamodb):
    """API_UpdateItem: UpdateExpression with SET, REMOVE and ADD (a take)"""
    table = leased(dynamodb, checkpointOwner=TWO)

    answer = table.update(
        ConditionExpression="leaseCounter = :seen",
        UpdateExpression="SET leaseOwner = :me, leaseCounter = :next "
        "REMOVE checkpointOwner ADD ownerSwitchesSinceCheckpoint :one",
        ExpressionAttributeValues={
            ":seen": {"N": "7"},
            ":next": {"N": "8"},
            ":me": TWO,
            ":one": {"N": "1"},
        },
        ReturnValues="ALL_NEW",
    )["Attributes"]

    changed = {"leaseCounter": {"N": "8"}, "ownerSwitchesSinceCheckpoint": {"N": "1"}}
    expected = {**LEASE, **changed, "leaseOwner": TWO}
    assert table.get() == expected
    assert answer == {**table.key(), **expected}


def test_assignment_holds_either_owner_or_none_against_what_was_seen(dynamodb):
    """API_UpdateItem: attribute_not_exists beside equality (3.x assignLease)"""
    table = leased(dynamodb)
    assign = {
        "ConditionExpression": "leaseKey = :key AND leaseOwner = :seen "
        "AND attribute_not_exists(checkpointOwner)",
        "UpdateExpression": "SET leaseOwner = :new REMOVE checkpointOwner ADD leaseCounter :one",
        "ExpressionAttributeValues": {
            ":key": {"S": "lease-0"},
            ":seen": ONE,
            ":new": TWO,
            ":one": {"N": "1"},
        },
    }

    table.update(**assign)
    table.conflict(table.update, **assign)

    assert table.get() == {**LEASE, "leaseOwner": TWO, "leaseCounter": {"N": "8"}}


def test_delete_needs_its_condition(dynamodb):
    """API_DeleteItem: ConditionExpression"""
    table = leased(dynamodb)
    of = lambda owner: {  # noqa: E731
        "ConditionExpression": "leaseOwner = :owner",
        "ExpressionAttributeValues": {":owner": owner},
    }

    table.conflict(table.delete, **of(TWO))
    assert table.get() == LEASE
    table.delete(**of(ONE))
    assert table.get() is None
    table.conflict(table.delete, **of(ONE))


def test_a_condition_on_a_missing_item_fails_and_makes_none(dynamodb):
    """API_UpdateItem: no write brings a deleted lease back"""
    table = Table(dynamodb)

    table.conflict(table.update, **renewal())

    assert table.get() is None


def test_an_update_without_condition_makes_the_item(dynamodb):
    """API_UpdateItem: creates an item that is not there"""
    table = Table(dynamodb)
    table.update(
        UpdateExpression="SET leaseCounter = :zero",
        ExpressionAttributeValues={":zero": {"N": "0"}},
    )

    assert table.get() == {"leaseCounter": {"N": "0"}}


def test_put_replaces_the_whole_item(dynamodb):
    """API_PutItem: why a KCL never puts over a lease"""
    table = leased(dynamodb)
    table.put(item={"leaseCounter": {"N": "0"}})

    assert table.get() == {"leaseCounter": {"N": "0"}}


def test_one_of_many_takers_wins_each_round(dynamodb):
    """Developer guide, conditional writes: one of several with the same condition"""
    table = leased(dynamodb)

    def take(owner, counter):
        asked = renewal(counter=counter)
        asked["ConditionExpression"] = "leaseCounter = :seen"
        asked["UpdateExpression"] += ", leaseOwner = :me"
        asked["ExpressionAttributeValues"][":me"] = {"S": owner}
        try:
            table.update(**asked)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "ConditionalCheckFailedException"
            return None
        return owner

    with ThreadPoolExecutor(8) as pool:
        for counter in range(7, 17):
            takers = [pool.submit(take, f"worker-{n}", counter) for n in range(8)]
            winners = [taker.result() for taker in takers if taker.result()]
            assert len(winners) == 1
            assert table.get()["leaseOwner"] == {"S": winners[0]}


def test_a_value_that_no_expression_uses_is_refused(dynamodb):
    """ValidationException: value provided in ExpressionAttributeValues unused"""
    table = leased(dynamodb)
    asked = renewal()
    asked["ExpressionAttributeValues"][":unused"] = {"N": "1"}
    asked |= {"TableName": table.name, "Key": table.key()}

    assert refused(dynamodb.update_item, **asked) == "ValidationException"


def test_legacy_parameters_and_expressions_do_not_mix(dynamodb):
    """ValidationException: can not use both expression and non-expression parameters"""
    table = leased(dynamodb)
    asked = {**renewal(), "Expected": counter_is(7)}
    asked |= {"TableName": table.name, "Key": table.key()}

    assert refused(dynamodb.update_item, **asked) == "ValidationException"


def test_a_transaction_is_applied_whole_or_not_at_all(dynamodb):
    """API_TransactWriteItems: TransactionCanceledException with reasons"""
    table = leased(dynamodb)
    absent = {"ConditionExpression": "attribute_not_exists(leaseKey)"}
    puts = [
        {"Put": {"TableName": table.name, "Item": table.key(lease), **absent}}
        for lease in ("lease-1", "lease-0")
    ]

    try:
        dynamodb.transact_write_items(TransactItems=puts)
    except ClientError as error:
        answer = error.response
    assert answer["Error"]["Code"] == "TransactionCanceledException"
    reasons = [reason["Code"] for reason in answer["CancellationReasons"]]
    assert reasons == ["None", "ConditionalCheckFailed"]
    assert table.get("lease-1") is None
    dynamodb.transact_write_items(TransactItems=puts[:1])
    assert table.get("lease-1") == {}
