"""The values that leases are made of: numbers, sets, bytes."""

from probes import Table, refused


def test_numbers_keep_thirty_eight_digits(dynamodb):
    """Naming rules and data types: numbers have up to 38 digits of precision"""
    table = Table(dynamodb)
    long = {"N": "9" * 38}
    fraction = {"N": "-1." + "123456789" * 4 + "1"}
    table.put(item={"long": long, "fraction": fraction})

    assert table.get() == {"long": long, "fraction": fraction}


def test_a_number_of_thirty_nine_digits_is_refused(dynamodb):
    """Naming rules and data types: more than 38 digits give an exception"""
    table = Table(dynamodb)
    item = {**table.key(), "long": {"N": "9" * 39}}

    assert refused(dynamodb.put_item, TableName=table.name, Item=item) == "ValidationException"


def test_numbers_lose_needless_zeros_and_compare_as_numbers(dynamodb):
    """Naming rules and data types: leading and trailing zeroes are trimmed"""
    table = Table(dynamodb)
    table.put(item={"leaseCounter": {"N": "007"}, "throughputKBps": {"N": "1.50"}})

    table.update(
        UpdateExpression="SET leaseCounter = :next",
        ConditionExpression="leaseCounter = :seen",
        ExpressionAttributeValues={":seen": {"N": "7.0"}, ":next": {"N": "8"}},
    )

    assert table.get() == {"leaseCounter": {"N": "8"}, "throughputKBps": {"N": "1.5"}}


def test_doubles_as_java_writes_them_are_numbers(dynamodb):
    """A lease's throughput is written as 1.0E-6 or 1.23456785E7"""
    table = Table(dynamodb)
    table.put(item={"small": {"N": "1.0E-6"}, "large": {"N": "1.23456785E7"}})

    found = table.get()

    assert (float(found["small"]["N"]), float(found["large"]["N"])) == (1e-6, 12345678.5)


def test_a_string_set_has_no_order_and_no_double(dynamodb):
    """Naming rules and data types: sets"""
    table = Table(dynamodb)
    table.put(item={"childShardIds": {"SS": ["b", "a"]}})

    table.update(
        ConditionExpression="childShardIds = :same",
        UpdateExpression="ADD childShardIds :more",
        ExpressionAttributeValues={":same": {"SS": ["a", "b"]}, ":more": {"SS": ["b", "c"]}},
    )

    assert sorted(table.get()["childShardIds"]["SS"]) == ["a", "b", "c"]


def test_an_empty_set_is_refused(dynamodb):
    """Naming rules and data types: no empty sets"""
    table = Table(dynamodb)
    item = {**table.key(), "childShardIds": {"SS": []}}

    assert refused(dynamodb.put_item, TableName=table.name, Item=item) == "ValidationException"


def test_an_item_above_400_kb_is_refused(dynamodb):
    """Quotas: 400 KB an item"""
    table = Table(dynamodb)
    item = {**table.key(), "pendingCheckpointState": {"B": bytes(410_000)}}

    assert refused(dynamodb.put_item, TableName=table.name, Item=item) == "ValidationException"
