"""A lease as it stands in a table, and the writes that several cases make."""

from probes import Table

ONE, TWO = {"S": "one"}, {"S": "two"}
LEASE = {
    "checkpoint": {"S": "TRIM_HORIZON"},
    "checkpointSubSequenceNumber": {"N": "0"},
    "leaseCounter": {"N": "7"},
    "leaseOwner": ONE,
    "ownerSwitchesSinceCheckpoint": {"N": "0"},
    "parentShardId": {"SS": ["shardId-000000000000"]},
    "somethingElse": {"M": {"kept": {"BOOL": True}}},
}


def leased(dynamodb, **more):
    """A table with one lease."""
    table = Table(dynamodb)
    table.put(item={**LEASE, **more})
    return table


def counter_is(number):
    """The condition of a renewal in the legacy form."""
    return {"leaseCounter": {"Value": {"N": str(number)}}}


def renewal(owner="one", counter=7):
    """The parameters of a renewal as an expression."""
    return {
        "ConditionExpression": "leaseCounter = :seen AND leaseOwner = :me",
        "UpdateExpression": "SET leaseCounter = :next",
        "ExpressionAttributeValues": {
            ":seen": {"N": str(counter)},
            ":me": {"S": owner},
            ":next": {"N": str(counter + 1)},
        },
    }
