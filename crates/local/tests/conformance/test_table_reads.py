"""Reads of a lease table: single items, scans in pages, parallel scans."""

from probes import Table, refused


def filled(dynamodb, count, **attributes):
    table = Table(dynamodb)
    for n in range(count):
        table.put(f"lease-{n}", {"leaseCounter": {"N": str(n)}, **attributes})
    return table


def pages(dynamodb, **asked):
    """All pages of a scan."""
    found = [dynamodb.scan(**asked)]
    while last := found[-1].get("LastEvaluatedKey"):
        found.append(dynamodb.scan(**asked, ExclusiveStartKey=last))
    return found


def leases(found):
    return sorted(item["leaseKey"]["S"] for page in found for item in page["Items"])


def test_a_consistent_read_sees_the_write_before_it(dynamodb):
    """API_GetItem: ConsistentRead"""
    table = Table(dynamodb)
    for n in range(20):
        table.put(item={"leaseCounter": {"N": str(n)}})
        assert table.get() == {"leaseCounter": {"N": str(n)}}


def test_a_missing_item_is_an_answer_without_item(dynamodb):
    """API_GetItem: no Item when there is none"""
    table = Table(dynamodb)

    answer = dynamodb.get_item(TableName=table.name, Key=table.key(), ConsistentRead=True)

    assert "Item" not in answer


def test_a_key_of_another_type_is_invalid(dynamodb):
    """API_GetItem: ValidationException"""
    table = Table(dynamodb)
    asked = {"TableName": table.name, "Key": {"leaseKey": {"N": "1"}}}

    assert refused(dynamodb.get_item, **asked) == "ValidationException"


def test_a_scan_of_an_empty_table_is_one_empty_page(dynamodb):
    """API_Scan"""
    table = Table(dynamodb)

    answer = dynamodb.scan(TableName=table.name)

    assert (answer["Items"], answer["Count"], answer["ScannedCount"]) == ([], 0, 0)
    assert "LastEvaluatedKey" not in answer


def test_a_scan_goes_on_behind_its_last_key(dynamodb):
    """API_Scan: Limit, LastEvaluatedKey, ExclusiveStartKey"""
    table = filled(dynamodb, 7)

    found = pages(dynamodb, TableName=table.name, Limit=3)

    assert all(page["Count"] <= 3 for page in found)
    assert len(found) >= 3
    assert leases(found) == [f"lease-{n}" for n in range(7)]


def test_a_scan_page_ends_at_a_megabyte(dynamodb):
    """API_Scan: 1 MB a page"""
    table = filled(dynamodb, 5, pendingCheckpointState={"B": bytes(300_000)})

    found = pages(dynamodb, TableName=table.name)

    assert len(found) >= 2
    assert leases(found) == [f"lease-{n}" for n in range(5)]


def test_segments_of_a_scan_cover_the_table_once(dynamodb):
    """API_Scan: Segment, TotalSegments"""
    table = filled(dynamodb, 30)

    found = []
    for segment in range(4):
        asked = {"TableName": table.name, "Segment": segment, "TotalSegments": 4}
        found += pages(dynamodb, **asked)

    assert leases(found) == sorted(f"lease-{n}" for n in range(30))


def test_a_filter_leaves_items_out_after_they_were_counted(dynamodb):
    """API_Scan: FilterExpression, Count, ScannedCount"""
    table = Table(dynamodb)
    for n in range(6):
        table.put(f"lease-{n}", {"streamName": {"S": f"stream-{n % 2}"}})

    answer = dynamodb.scan(
        TableName=table.name,
        FilterExpression="streamName = :name",
        ExpressionAttributeValues={":name": {"S": "stream-1"}},
    )

    assert leases([answer]) == ["lease-1", "lease-3", "lease-5"]
    assert (answer["Count"], answer["ScannedCount"]) == (3, 6)


def test_a_scan_can_be_consistent(dynamodb):
    """API_Scan: ConsistentRead"""
    table = filled(dynamodb, 3)

    found = pages(dynamodb, TableName=table.name, ConsistentRead=True)

    assert leases(found) == ["lease-0", "lease-1", "lease-2"]


def test_attributes_are_picked_by_projection(dynamodb):
    """API_GetItem: ProjectionExpression"""
    table = Table(dynamodb)
    table.put(item={"leaseCounter": {"N": "1"}, "leaseOwner": {"S": "one"}})

    answer = dynamodb.get_item(
        TableName=table.name, Key=table.key(), ProjectionExpression="leaseOwner"
    )

    assert answer["Item"] == {"leaseOwner": {"S": "one"}}


def test_capacity_is_told_when_asked_for(dynamodb):
    """Read capacity: one unit for 4 KB read consistently, half of it otherwise"""
    table = Table(dynamodb)
    table.put(item={"pendingCheckpointState": {"B": bytes(5000)}})
    asked = {"TableName": table.name, "Key": table.key(), "ReturnConsumedCapacity": "TOTAL"}

    strong = dynamodb.get_item(**asked, ConsistentRead=True)["ConsumedCapacity"]
    eventual = dynamodb.get_item(**asked)["ConsumedCapacity"]

    assert (strong["CapacityUnits"], eventual["CapacityUnits"]) == (2, 1)
