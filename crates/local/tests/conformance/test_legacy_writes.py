"""The writes of leases in the form that Java sends: Expected and AttributeUpdates.

Each is one of KCL's, to the letter; its name there stands behind the source. Where 2.x and 3.x
differ both are here.
"""

from leases import LEASE, ONE, TWO, counter_is, leased

ABSENT = {"Exists": False}


def put(value):
    return {"Value": value, "Action": "PUT"}


def add(number):
    return {"Value": {"N": str(number)}, "Action": "ADD"}


def test_legacy_create_does_not_replace_a_lease(dynamodb):
    """API_PutItem: Expected Exists false (createLeaseIfNotExists)"""
    table = leased(dynamodb)
    absent = {"leaseKey": ABSENT}

    table.put("other", {"leaseCounter": {"N": "0"}}, Expected=absent)
    table.conflict(table.put, "lease-0", {"leaseCounter": {"N": "0"}}, Expected=absent)

    assert table.get() == LEASE
    assert table.get("other") == {"leaseCounter": {"N": "0"}}


def test_legacy_renewal_needs_the_counter(dynamodb):
    """API_UpdateItem: Expected Value (2.x renewLease)"""
    table = leased(dynamodb)
    renewal = {"leaseCounter": put({"N": "8"})}

    table.update(Expected=counter_is(7), AttributeUpdates=renewal)
    table.conflict(table.update, Expected=counter_is(7), AttributeUpdates=renewal)

    assert table.get() == {**LEASE, "leaseCounter": {"N": "8"}}


def test_legacy_take_sets_the_owner_and_counts_the_switch(dynamodb):
    """API_UpdateItem: PUT and ADD in one (2.x takeLease)"""
    table = leased(dynamodb)
    take = {
        "leaseCounter": put({"N": "8"}),
        "leaseOwner": put(TWO),
        "ownerSwitchesSinceCheckpoint": add(1),
    }

    table.update(Expected=counter_is(7), AttributeUpdates=take)

    changed = {"leaseCounter": {"N": "8"}, "ownerSwitchesSinceCheckpoint": {"N": "1"}}
    assert table.get() == {**LEASE, **changed, "leaseOwner": TWO}


def test_legacy_renewal_of_3x_sees_a_hand_over(dynamodb):
    """API_UpdateItem: Expected Exists false beside Value, ALL_OLD on failure (3.x renewLease)"""
    table = leased(dynamodb, checkpointOwner=ONE, leaseOwner=TWO)

    seen = table.conflict(
        table.update,
        Expected={**counter_is(7), "checkpointOwner": ABSENT},
        AttributeUpdates={"leaseCounter": put({"N": "8"})},
    )

    assert seen is None or seen["checkpointOwner"] == ONE
    assert table.get()["leaseCounter"] == {"N": "7"}


def test_legacy_hand_over_is_started_once_and_answers_with_the_whole_item(dynamodb):
    """API_UpdateItem: three conditions, ALL_NEW (3.x initiateGracefulLeaseHandoff)"""
    table = leased(dynamodb)
    start = {
        "Expected": {
            "leaseKey": {"Exists": True, "Value": {"S": "lease-0"}},
            "leaseOwner": {"Exists": True, "Value": ONE},
            "checkpointOwner": ABSENT,
        },
        "AttributeUpdates": {"leaseOwner": put(TWO), "checkpointOwner": put(ONE)},
        "ReturnValues": "ALL_NEW",
    }

    answer = table.update(**start)["Attributes"]
    table.conflict(table.update, **start)

    assert answer == {**table.key(), **LEASE, "leaseOwner": TWO, "checkpointOwner": ONE}


def test_legacy_assignment_ends_a_hand_over(dynamodb):
    """API_UpdateItem: DELETE of an attribute, ADD of the counter (3.x assignLease)"""
    table = leased(dynamodb, checkpointOwner=ONE, leaseOwner=TWO)

    table.update(
        Expected={"leaseOwner": {"Value": TWO}, "checkpointOwner": {"Value": ONE}},
        AttributeUpdates={
            "leaseOwner": put(TWO),
            "checkpointOwner": {"Action": "DELETE"},
            "leaseCounter": add(1),
        },
    )

    assert table.get() == {**LEASE, "leaseOwner": TWO, "leaseCounter": {"N": "8"}}


def test_legacy_eviction_leaves_a_lease_without_owner(dynamodb):
    """API_UpdateItem: DELETE of an attribute (evictLease)"""
    table = leased(dynamodb)
    evicted = {"leaseOwner": {"Action": "DELETE"}, "leaseCounter": put({"N": "8"})}

    table.update(Expected={"leaseOwner": {"Value": ONE}}, AttributeUpdates=evicted)
    table.conflict(
        table.update, Expected={"leaseOwner": {"Value": ONE}}, AttributeUpdates=evicted
    )
    table.update(Expected={"leaseOwner": ABSENT}, AttributeUpdates={"leaseCounter": add(1)})

    assert "leaseOwner" not in table.get()
    assert table.get()["leaseCounter"] == {"N": "9"}


def test_legacy_checkpoint_keeps_what_it_does_not_name(dynamodb):
    """API_UpdateItem: PUT and DELETE in one (updateLease); unknown attributes stay"""
    state = {"B": b"\x00\xff"}
    table = leased(dynamodb, pendingCheckpoint={"S": "1"}, pendingCheckpointState=state)
    assert table.get()["pendingCheckpointState"] == state

    table.update(
        Expected=counter_is(7),
        AttributeUpdates={
            "checkpoint": put({"S": "49000000"}),
            "leaseCounter": put({"N": "8"}),
            "childShardIds": put({"SS": ["shardId-000000000002", "shardId-000000000001"]}),
            "pendingCheckpoint": {"Action": "DELETE"},
            "pendingCheckpointState": {"Action": "DELETE"},
        },
    )

    found = table.get()
    children = found.pop("childShardIds")
    assert sorted(children["SS"]) == ["shardId-000000000001", "shardId-000000000002"]
    assert found == {**LEASE, "checkpoint": {"S": "49000000"}, "leaseCounter": {"N": "8"}}


def test_legacy_prepared_checkpoint_keeps_its_bytes(dynamodb):
    """API_UpdateItem: PUT of type B (prepareCheckpoint)"""
    table = leased(dynamodb)
    state = {"B": bytes(range(256))}

    table.update(
        Expected=counter_is(7), AttributeUpdates={"pendingCheckpointState": put(state)}
    )

    assert table.get()["pendingCheckpointState"] == state


def test_legacy_metadata_is_written_to_existing_leases_only(dynamodb):
    """API_UpdateItem: Expected on the key (updateLeaseWithMetaInfo)"""
    table = leased(dynamodb)
    children = {"childShardIds": put({"SS": ["shardId-000000000001"]})}

    def update(lease):
        is_there = {"leaseKey": {"Exists": True, "Value": {"S": lease}}}
        return table.update(lease, Expected=is_there, AttributeUpdates=children)

    update("lease-0")
    table.conflict(update, "lease-1")

    assert table.get()["childShardIds"] == {"SS": ["shardId-000000000001"]}
    assert table.get("lease-1") is None


def test_legacy_delete_needs_what_it_expects(dynamodb):
    """API_DeleteItem: Expected"""
    table = leased(dynamodb)

    table.conflict(table.delete, Expected={"leaseOwner": {"Value": TWO}})
    assert table.get() == LEASE
    table.delete(Expected={"leaseOwner": {"Value": ONE}})
    assert table.get() is None
