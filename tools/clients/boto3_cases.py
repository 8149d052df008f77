"""boto3: resource and client, as Debian's python3-boto3 has them.

Nothing here says where the region is: boto3 from 1.28 on reads the environment;
older ones want endpoint_url, which is what url() is for."""

import os
from decimal import Decimal

import boto3
import botocore
from boto3.dynamodb.conditions import Attr, Key
from boto3.dynamodb.types import Binary
from botocore.exceptions import ClientError

from cases import asked, case, equal, run, until

URL = os.environ["AWS_ENDPOINT_URL_DYNAMODB"]
dynamodb = boto3.resource("dynamodb", endpoint_url=URL)
client = dynamodb.meta.client  # takes and gives Python's values
plain = boto3.client("dynamodb", endpoint_url=URL)  # takes and gives {"S": …}
streams = boto3.client("dynamodbstreams", endpoint_url=URL)
for c in (client, plain, streams):
    c.meta.events.register("before-call", lambda model, **_: asked(model.name))


def made(name, sort=False, index=False, **settings):
    """Creates a table with pk, perhaps sk and an index by color, and waits for it."""
    attributes, schema = [("pk", "S")], [("pk", "HASH")]
    if sort:
        attributes.append(("sk", "N"))
        schema.append(("sk", "RANGE"))
    if index:
        attributes.append(("color", "S"))
        settings["GlobalSecondaryIndexes"] = [
            {"IndexName": "by-color", "KeySchema": [{"AttributeName": "color", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}
        ]
    table = dynamodb.create_table(
        TableName="boto3-" + name,
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t in attributes],
        KeySchema=[{"AttributeName": n, "KeyType": k} for n, k in schema],
        BillingMode="PAY_PER_REQUEST",
        **settings,
    )
    table.wait_until_exists()
    table.reload()
    return table


def refused(kind, call, **arguments):
    """Calls what must fail with an error of this kind, and returns its answer."""
    try:
        call(**arguments)
    except ClientError as e:
        equal(e.response["Error"]["Code"], kind)
        return e.response
    raise AssertionError(f"did not fail with {kind}")


@case
def tables_are_created_described_listed_and_deleted():
    table = made("tables", sort=True)
    equal(table.table_status, "ACTIVE")
    equal([k["AttributeName"] for k in table.key_schema], ["pk", "sk"])
    equal("boto3-tables" in [t.name for t in dynamodb.tables.all()], True)
    table.delete()
    table.wait_until_not_exists()
    refused("ResourceNotFoundException", client.describe_table, TableName="boto3-tables")


@case
def tables_are_waited_for_by_the_clients_waiters():
    made("waited")
    client.get_waiter("table_exists").wait(TableName="boto3-waited", WaiterConfig={"Delay": 1, "MaxAttempts": 40})
    client.delete_table(TableName="boto3-waited")
    client.get_waiter("table_not_exists").wait(TableName="boto3-waited", WaiterConfig={"Delay": 1, "MaxAttempts": 40})


@case
def items_of_every_type_come_back_as_they_were():
    table = made("types")
    item = {
        "pk": "1", "string": "hé\u0000llo\U0001f600", "empty": "", "binary": Binary(b"\x00\xff"), "yes": True, "null": None,
        "list": ["a", Decimal(1), ["b"]], "map": {"x": {"y": Decimal("-0.5")}}, "strings": {"a", "b"},
        "numbers": {Decimal(1), Decimal("2.5")}, "binaries": {Binary(b"a"), Binary(b"b")},
    }
    table.put_item(Item=item)
    equal(table.get_item(Key={"pk": "1"}, ConsistentRead=True)["Item"], item)


@case
def decimals_are_exact():
    table = made("decimals")
    # The service takes 1E-130 and 9.9E+125 too, but boto3 stops at these: its own
    # context traps what is smaller, and the zeros that the service adds.
    numbers = ["0", "1", "-1", "0.1", "9" * 38, "-0." + "9" * 38, "1E-128", "-1E-128"]
    for n in numbers:
        table.put_item(Item={"pk": n, "n": Decimal(n)})
        equal(table.get_item(Key={"pk": n})["Item"]["n"], Decimal(n))
    sums = table.update_item(
        Key={"pk": "0.1"}, UpdateExpression="SET n = n + :n ADD s :s", ExpressionAttributeValues={":n": Decimal("0.2"), ":s": Decimal("-7.25")}, ReturnValues="ALL_NEW"
    )
    equal((sums["Attributes"]["n"], sums["Attributes"]["s"]), (Decimal("0.3"), Decimal("-7.25")))
    refused("ValidationException", client.put_item, TableName=table.name, Item={"pk": "x", "n": Decimal("1E+126")})


@case
def items_are_updated_and_deleted_on_conditions():
    table = made("conditions")
    table.put_item(Item={"pk": "1", "n": 1}, ConditionExpression=Attr("pk").not_exists())
    refused("ConditionalCheckFailedException", table.put_item, Item={"pk": "1"}, ConditionExpression=Attr("pk").not_exists())
    new = table.update_item(
        Key={"pk": "1"}, UpdateExpression="SET #n = #n + :one, l = list_append(if_not_exists(l, :none), :l)",
        ConditionExpression=Attr("n").between(1, 5) & ~Attr("gone").exists(), ExpressionAttributeNames={"#n": "n"},
        ExpressionAttributeValues={":one": 1, ":l": ["x"], ":none": []}, ReturnValues="UPDATED_NEW",
    )["Attributes"]
    equal(new, {"n": 2, "l": ["x"]})
    error = refused(
        "ConditionalCheckFailedException", table.delete_item, Key={"pk": "1"}, ConditionExpression="n > :n", ExpressionAttributeValues={":n": 7}
    )
    equal(error["Error"]["Message"], "The conditional request failed")
    old = table.delete_item(Key={"pk": "1"}, ConditionExpression=Attr("n").eq(2), ReturnValues="ALL_OLD")["Attributes"]
    equal(old["l"], ["x"])
    equal("Item" in table.get_item(Key={"pk": "1"}), False)


@case
def items_are_queried_by_key_conditions_and_filters():
    table = made("query", sort=True, index=True)
    for n in range(20):
        table.put_item(Item={"pk": "a", "sk": n, "color": "red" if n % 2 else "blue", "text": f"text {n}"})
    got = table.query(KeyConditionExpression=Key("pk").eq("a") & Key("sk").between(5, 9), ScanIndexForward=False)
    equal([int(i["sk"]) for i in got["Items"]], [9, 8, 7, 6, 5])
    got = table.query(KeyConditionExpression=Key("pk").eq("a") & Key("sk").gte(10), FilterExpression=Attr("text").begins_with("text 1") & Attr("color").is_in(["red", "green"]))
    equal(([int(i["sk"]) for i in got["Items"]], got["Count"], got["ScannedCount"]), ([11, 13, 15, 17, 19], 5, 10))
    got = table.query(IndexName="by-color", KeyConditionExpression=Key("color").eq("red"), Select="COUNT")
    equal(got["Count"], 10)
    got = table.query(KeyConditionExpression=Key("pk").eq("a"), ProjectionExpression="sk, #t", ExpressionAttributeNames={"#t": "text"}, Limit=1)
    equal((got["Items"], got["LastEvaluatedKey"]), ([{"sk": 0, "text": "text 0"}], {"pk": "a", "sk": 0}))


@case
def pages_are_followed_by_paginators():
    table = made("pages", sort=True)
    with table.batch_writer() as batch:
        for n in range(60):
            batch.put_item(Item={"pk": "a", "sk": n})
    pages = client.get_paginator("query").paginate(TableName=table.name, KeyConditionExpression=Key("pk").eq("a"), PaginationConfig={"PageSize": 25})
    equal([p["Count"] for p in pages], [25, 25, 10])
    first = plain.get_paginator("scan").paginate(TableName=table.name, PaginationConfig={"PageSize": 7, "MaxItems": 30}).build_full_result()
    equal(len(first["Items"]), 30)
    rest = plain.get_paginator("scan").paginate(TableName=table.name, PaginationConfig={"StartingToken": first["NextToken"]}).build_full_result()
    equal(len(rest["Items"]), 30)
    names = [n for p in client.get_paginator("list_tables").paginate(PaginationConfig={"PageSize": 1}) for n in p["TableNames"]]
    equal((table.name in names, names), (True, sorted(names)))


@case
def scans_in_segments_find_every_item_once():
    table = made("segments")
    with table.batch_writer() as batch:
        for n in range(100):
            batch.put_item(Item={"pk": str(n)})
    found = [i["pk"] for s in range(4) for i in table.scan(Segment=s, TotalSegments=4)["Items"]]
    equal(sorted(found, key=int), [str(n) for n in range(100)])


@case
def batches_write_delete_and_get():
    table = made("batches")
    with table.batch_writer(overwrite_by_pkeys=["pk"]) as batch:
        for n in range(130):
            batch.put_item(Item={"pk": str(n % 120), "n": n})
        batch.delete_item(Key={"pk": "119"})
    got = dynamodb.batch_get_item(RequestItems={table.name: {"Keys": [{"pk": str(n)} for n in range(60, 160)], "ConsistentRead": True}})
    equal((len(got["Responses"][table.name]), got["UnprocessedKeys"]), (59, {}))


@case
def transactions_write_all_or_nothing():
    table = made("transactions")
    put = lambda pk, **more: {"Put": {"TableName": table.name, "Item": {"pk": pk}, **more}}
    client.transact_write_items(TransactItems=[put("1"), put("2")], ClientRequestToken="boto3-token")
    client.transact_write_items(TransactItems=[put("1"), put("2")], ClientRequestToken="boto3-token")
    error = refused(
        "TransactionCanceledException", client.transact_write_items,
        TransactItems=[put("3"), put("1", ConditionExpression="attribute_not_exists(pk)", ReturnValuesOnConditionCheckFailure="ALL_OLD")],
    )
    reasons = error["CancellationReasons"]
    equal([r["Code"] for r in reasons], ["None", "ConditionalCheckFailed"])
    got = client.transact_get_items(TransactItems=[{"Get": {"TableName": table.name, "Key": {"pk": k}}} for k in "123"])
    equal([r.get("Item") for r in got["Responses"]], [{"pk": "1"}, {"pk": "2"}, None])


@case
def statements_of_PartiQL_work():
    table = made("partiql", sort=True)
    run = lambda statement, *values, **more: client.execute_statement(Statement=statement, **({"Parameters": list(values)} if values else {}), **more)
    for n in range(3):
        run(f"INSERT INTO \"{table.name}\" VALUE {{'pk': ?, 'sk': ?, 'text': 'x'}}", "a", n)
    refused("DuplicateItemException", client.execute_statement, Statement=f"INSERT INTO \"{table.name}\" VALUE {{'pk': 'a', 'sk': 1}}")
    got = run(f'UPDATE "{table.name}" SET text = ? WHERE pk = ? AND sk = 1 RETURNING ALL NEW *', "y", "a")
    equal(got["Items"], [{"pk": "a", "sk": 1, "text": "y"}])
    run(f'DELETE FROM "{table.name}" WHERE pk = ? AND sk = ?', "a", 0)
    first = run(f'SELECT sk, text FROM "{table.name}" WHERE pk = ?', "a", Limit=1)
    rest = run(f'SELECT sk, text FROM "{table.name}" WHERE pk = ?', "a", NextToken=first["NextToken"])
    equal(first["Items"] + rest["Items"], [{"sk": 1, "text": "y"}, {"sk": 2, "text": "x"}])


@case
def statements_of_PartiQL_work_in_batches_and_transactions():
    table = made("partiql-many")
    insert = lambda pk: {"Statement": f"INSERT INTO \"{table.name}\" VALUE {{'pk': ?}}", "Parameters": [pk]}
    got = client.batch_execute_statement(Statements=[insert("1"), insert("2"), insert("1")])
    equal([r.get("Error", {}).get("Code") for r in got["Responses"]], [None, None, "DuplicateItem"])
    refused("TransactionCanceledException", client.execute_transaction, TransactStatements=[insert("3"), insert("1")])
    client.execute_transaction(TransactStatements=[insert("3"), insert("4")])
    got = client.execute_transaction(TransactStatements=[{"Statement": f'SELECT * FROM "{table.name}" WHERE pk = ?', "Parameters": [k]} for k in "34"])
    equal([r["Item"] for r in got["Responses"]], [{"pk": "3"}, {"pk": "4"}])


@case
def streams_have_every_change():
    table = made("streams", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    table.put_item(Item={"pk": "1", "n": 1})
    table.update_item(Key={"pk": "1"}, UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": 2})
    table.delete_item(Key={"pk": "1"})
    equal([s["TableName"] for s in streams.list_streams(TableName=table.name)["Streams"]], [table.name])
    until(lambda: len(changes(table)) == 3, "three changes in the stream")
    equal([c["eventName"] for c in changes(table)], ["INSERT", "MODIFY", "REMOVE"])
    equal(changes(table)[1]["dynamodb"]["OldImage"], {"pk": {"S": "1"}, "n": {"N": "1"}})


def changes(table):
    """Reads all records of a table's stream."""
    arn = client.describe_table(TableName=table.name)["Table"]["LatestStreamArn"]
    found = []
    for shard in streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        start = streams.get_shard_iterator(StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")
        found += streams.get_records(ShardIterator=start["ShardIterator"])["Records"]
    return found


@case
def times_to_live_are_set_and_described():
    table = made("ttl")
    client.update_time_to_live(TableName=table.name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})
    until(lambda: client.describe_time_to_live(TableName=table.name)["TimeToLiveDescription"]["TimeToLiveStatus"] == "ENABLED", "the time to live")
    table.put_item(Item={"pk": "gone", "expires": 1})
    table.put_item(Item={"pk": "stays", "expires": 4102444800})
    equal(table.get_item(Key={"pk": "stays"})["Item"]["expires"], 4102444800)


@case
def tags_are_added_listed_and_removed():
    table = made("tags", Tags=[{"Key": "team", "Value": "notes"}])
    client.tag_resource(ResourceArn=table.table_arn, Tags=[{"Key": "stage", "Value": "test"}])
    client.untag_resource(ResourceArn=table.table_arn, TagKeys=["team"])
    equal(client.list_tags_of_resource(ResourceArn=table.table_arn)["Tags"], [{"Key": "stage", "Value": "test"}])


@case
def indexes_are_added_and_removed_online():
    table = made("indexes")
    table.put_item(Item={"pk": "1", "color": "red"})
    table.update(
        AttributeDefinitions=[{"AttributeName": "color", "AttributeType": "S"}],
        GlobalSecondaryIndexUpdates=[{"Create": {"IndexName": "by-color", "KeySchema": [{"AttributeName": "color", "KeyType": "HASH"}], "Projection": {"ProjectionType": "KEYS_ONLY"}}}],
    )
    status = lambda: [i["IndexStatus"] for i in client.describe_table(TableName=table.name)["Table"].get("GlobalSecondaryIndexes", [])]
    until(lambda: status() == ["ACTIVE"], "the index")
    equal(table.query(IndexName="by-color", KeyConditionExpression=Key("color").eq("red"))["Items"], [{"pk": "1", "color": "red"}])
    table.update(GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-color"}}])
    until(lambda: status() == [], "the index to go")


@case
def replicas_are_added_and_removed():
    table = made("replicas")
    table.put_item(Item={"pk": "1"})
    client.update_table(TableName=table.name, ReplicaUpdates=[{"Create": {"RegionName": "us-east-1"}}])
    replicas = lambda: [(r["RegionName"], r["ReplicaStatus"]) for r in client.describe_table(TableName=table.name)["Table"].get("Replicas", [])]
    until(lambda: ("us-east-1", "ACTIVE") in replicas(), "the replica")
    client.update_table(TableName=table.name, ReplicaUpdates=[{"Delete": {"RegionName": "us-east-1"}}])
    until(lambda: "us-east-1" not in [r for r, _ in replicas()], "the replica to go")


@case
def global_tables_of_the_older_form_work():
    table = made("global", StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    client.create_global_table(GlobalTableName=table.name, ReplicationGroup=[{"RegionName": "eu-west-1"}, {"RegionName": "us-east-1"}])
    group = lambda: client.describe_global_table(GlobalTableName=table.name)["GlobalTableDescription"]
    until(lambda: group()["GlobalTableStatus"] == "ACTIVE", "the global table")
    equal(table.name in [g["GlobalTableName"] for g in client.list_global_tables()["GlobalTables"]], True)
    client.describe_global_table_settings(GlobalTableName=table.name)
    client.update_global_table(GlobalTableName=table.name, ReplicaUpdates=[{"Delete": {"RegionName": "us-east-1"}}])


@case
def backups_are_made_and_restored():
    table = made("backups")
    table.put_item(Item={"pk": "1"})
    arn = client.create_backup(TableName=table.name, BackupName="first")["BackupDetails"]["BackupArn"]
    until(lambda: client.describe_backup(BackupArn=arn)["BackupDescription"]["BackupDetails"]["BackupStatus"] == "AVAILABLE", "the backup")
    equal([b["BackupName"] for p in client.get_paginator("list_backups").paginate(TableName=table.name) for b in p["BackupSummaries"]], ["first"])
    client.restore_table_from_backup(TargetTableName="boto3-restored", BackupArn=arn)
    client.get_waiter("table_exists").wait(TableName="boto3-restored", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    equal(dynamodb.Table("boto3-restored").get_item(Key={"pk": "1"})["Item"], {"pk": "1"})
    client.delete_backup(BackupArn=arn)


@case
def tables_are_restored_to_a_point_in_time():
    table = made("pitr")
    client.update_continuous_backups(TableName=table.name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True})
    state = lambda: client.describe_continuous_backups(TableName=table.name)["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    until(lambda: "LatestRestorableDateTime" in state(), "point-in-time recovery")
    table.put_item(Item={"pk": "1"})
    client.restore_table_to_point_in_time(SourceTableName=table.name, TargetTableName="boto3-earlier", UseLatestRestorableTime=True)
    client.get_waiter("table_exists").wait(TableName="boto3-earlier", WaiterConfig={"Delay": 1, "MaxAttempts": 60})


@case
def what_a_table_has_not_is_described():
    table = made("without")
    equal(client.describe_contributor_insights(TableName=table.name)["ContributorInsightsStatus"], "DISABLED")
    equal(client.describe_kinesis_streaming_destination(TableName=table.name)["KinesisDataStreamDestinations"], [])
    equal(client.list_contributor_insights(TableName=table.name)["ContributorInsightsSummaries"], [])
    equal(client.describe_limits()["TableMaxReadCapacityUnits"] > 0, True)
    equal(len(client.describe_endpoints()["Endpoints"]), 1)
    equal(client.describe_table_replica_auto_scaling(TableName=table.name)["TableAutoScalingDescription"]["TableName"], table.name)


@case
def errors_are_the_clients_own_exceptions():
    table = made("errors")
    try:
        client.create_table(TableName=table.name, KeySchema=table.key_schema, AttributeDefinitions=table.attribute_definitions, BillingMode="PAY_PER_REQUEST")
        raise AssertionError("created twice")
    except client.exceptions.ResourceInUseException as e:
        equal(e.response["Error"]["Message"].startswith("Table already exists"), True)
    try:
        dynamodb.Table("boto3-none").get_item(Key={"pk": "1"})
        raise AssertionError("there is no such table")
    except client.exceptions.ResourceNotFoundException:
        pass
    refused("ValidationException", client.get_item, TableName=table.name, Key={"other": "1"})


run("boto3", f"{boto3.__version__} (botocore {botocore.__version__})")
