"""The AWS CLI: aws dynamodb and aws dynamodbstreams, as Debian's awscli has them.

AWS names another program. Version 2.13 and later read where the region is from
the environment; older ones want --endpoint-url, as here."""

import json
import os
import subprocess

from cases import asked, case, equal, run, until

AWS = os.environ.get("AWS", "aws")
URL = os.environ["AWS_ENDPOINT_URL_DYNAMODB"]
ENVIRONMENT = os.environ | {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "AWS_PAGER": "", "AWS_EC2_METADATA_DISABLED": "true"}


def aws(command, *arguments, service="dynamodb"):
    """Runs a command, and returns what it answers. A value that is no string is
    given as JSON."""
    if command != "wait":  # which asks DescribeTable
        asked("".join(word.capitalize() for word in command.split("-")).replace("Partiql", "PartiQL"))
    else:
        asked("DescribeTable")
    words = [a if isinstance(a, str) else json.dumps(a) for a in arguments]
    done = subprocess.run([AWS, service, command, "--endpoint-url", URL, "--output", "json", *words], env=ENVIRONMENT, capture_output=True, text=True, timeout=180)
    if done.returncode != 0:
        raise RuntimeError(f"aws {service} {command} {' '.join(words)}: {done.stderr.strip()}")
    return json.loads(done.stdout) if done.stdout.strip() else {}


def refused(kind, *arguments):
    """Runs what must fail with an error of this kind."""
    try:
        aws(*arguments)
    except RuntimeError as e:
        equal(f"({kind})" in str(e), True)
        return
    raise AssertionError(f"did not fail with {kind}")


def made(name, *more, sort=False):
    """Creates a table with pk, and sk if it is to sort, and waits for it."""
    name = "aws-" + name
    attributes, schema = ["AttributeName=pk,AttributeType=S"], ["AttributeName=pk,KeyType=HASH"]
    if sort:
        attributes.append("AttributeName=sk,AttributeType=N")
        schema.append("AttributeName=sk,KeyType=RANGE")
    aws("create-table", "--table-name", name, "--attribute-definitions", *attributes, "--key-schema", *schema, "--billing-mode", "PAY_PER_REQUEST", *more)
    aws("wait", "table-exists", "--table-name", name)
    return name


@case
def tables_are_created_waited_for_and_deleted():
    name = made("tables")
    equal(aws("describe-table", "--table-name", name)["Table"]["TableStatus"], "ACTIVE")
    equal(name in aws("list-tables", "--page-size", "1")["TableNames"], True)
    aws("delete-table", "--table-name", name)
    aws("wait", "table-not-exists", "--table-name", name)
    refused("ResourceNotFoundException", "describe-table", "--table-name", name)


@case
def items_are_put_read_changed_and_deleted():
    name = made("items")
    item = {"pk": {"S": "1"}, "text": {"S": "héllo\n"}, "yes": {"BOOL": True}, "n": {"N": "12345678901234567890123456789012345678"}}
    aws("put-item", "--table-name", name, "--item", item, "--condition-expression", "attribute_not_exists(pk)")
    equal(aws("get-item", "--table-name", name, "--key", {"pk": {"S": "1"}}, "--consistent-read")["Item"], item)
    refused("ConditionalCheckFailedException", "put-item", "--table-name", name, "--item", item, "--condition-expression", "attribute_not_exists(pk)")
    new = aws(
        "update-item", "--table-name", name, "--key", {"pk": {"S": "1"}}, "--update-expression", "SET #t = :t REMOVE n",
        "--expression-attribute-names", {"#t": "text"}, "--expression-attribute-values", {":t": {"S": "new"}}, "--return-values", "ALL_NEW",
    )["Attributes"]
    equal(new, {"pk": {"S": "1"}, "text": {"S": "new"}, "yes": {"BOOL": True}})
    old = aws("delete-item", "--table-name", name, "--key", {"pk": {"S": "1"}}, "--return-values", "ALL_OLD", "--return-consumed-capacity", "TOTAL")
    equal((old["Attributes"]["text"], old["ConsumedCapacity"]["CapacityUnits"]), ({"S": "new"}, 1.0))


@case
def query_and_scan_are_read_page_by_page():
    name = made("pages", sort=True)
    put = [{"PutRequest": {"Item": {"pk": {"S": "a"}, "sk": {"N": str(n)}}}} for n in range(25)]
    equal(aws("batch-write-item", "--request-items", {name: put})["UnprocessedItems"], {})
    scan = ("scan", "--table-name", name, "--page-size", "4")
    first = aws(*scan, "--max-items", "10")
    rest = aws(*scan, "--starting-token", first["NextToken"])
    equal([int(i["sk"]["N"]) for page in (first, rest) for i in page["Items"]], list(range(25)))
    query = ("query", "--table-name", name, "--no-scan-index-forward", "--key-condition-expression", "pk = :a AND sk >= :n")
    got = aws(*query, "--expression-attribute-values", {":a": {"S": "a"}, ":n": {"N": "20"}}, "--page-size", "2", "--max-items", "4")
    equal([i["sk"]["N"] for i in got["Items"]], ["24", "23", "22", "21"])
    keys = {"Keys": [{"pk": {"S": "a"}, "sk": {"N": str(n)}} for n in range(20, 30)]}
    equal(len(aws("batch-get-item", "--request-items", {name: keys})["Responses"][name]), 5)


@case
def tables_are_changed():
    name = made("changed", "--tags", "Key=team,Value=notes")
    index = {"IndexName": "by-color", "KeySchema": [{"AttributeName": "color", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}}
    aws("put-item", "--table-name", name, "--item", {"pk": {"S": "1"}, "color": {"S": "red"}})
    aws("update-table", "--table-name", name, "--attribute-definitions", "AttributeName=color,AttributeType=S", "--global-secondary-index-updates", [{"Create": index}])
    table = lambda: aws("describe-table", "--table-name", name)["Table"]
    until(lambda: [i["IndexStatus"] for i in table()["GlobalSecondaryIndexes"]] == ["ACTIVE"], "the index")
    got = aws("query", "--table-name", name, "--index-name", "by-color", "--key-condition-expression", "color = :c", "--expression-attribute-values", {":c": {"S": "red"}})
    equal(got["Count"], 1)
    aws("update-table", "--table-name", name, "--billing-mode", "PROVISIONED", "--provisioned-throughput", "ReadCapacityUnits=5,WriteCapacityUnits=5",
        "--global-secondary-index-updates", [{"Update": {"IndexName": "by-color", "ProvisionedThroughput": {"ReadCapacityUnits": 5, "WriteCapacityUnits": 5}}}])
    equal(table()["ProvisionedThroughput"]["WriteCapacityUnits"], 5)
    equal(aws("list-tags-of-resource", "--resource-arn", table()["TableArn"])["Tags"], [{"Key": "team", "Value": "notes"}])
    aws("tag-resource", "--resource-arn", table()["TableArn"], "--tags", "Key=stage,Value=test")
    aws("untag-resource", "--resource-arn", table()["TableArn"], "--tag-keys", "team")


@case
def a_time_to_live_is_set():
    name = made("ttl")
    aws("update-time-to-live", "--table-name", name, "--time-to-live-specification", "Enabled=true,AttributeName=expires")
    equal(aws("describe-time-to-live", "--table-name", name)["TimeToLiveDescription"]["AttributeName"], "expires")


@case
def transactions_write_and_read():
    name = made("transactions")
    put = lambda pk, **more: {"Put": {"TableName": name, "Item": {"pk": {"S": pk}}, **more}}
    aws("transact-write-items", "--transact-items", [put("1"), put("2")], "--client-request-token", "aws-token")
    refused("TransactionCanceledException", "transact-write-items", "--transact-items", [put("3"), put("1", ConditionExpression="attribute_not_exists(pk)")])
    got = aws("transact-get-items", "--transact-items", [{"Get": {"TableName": name, "Key": {"pk": {"S": k}}}} for k in "123"])
    equal(got["Responses"], [{"Item": {"pk": {"S": "1"}}}, {"Item": {"pk": {"S": "2"}}}, {}])


@case
def statements_of_PartiQL_work():
    name = made("partiql")
    aws("execute-statement", "--statement", f"INSERT INTO \"{name}\" VALUE {{'pk': ?, 'n': 1}}", "--parameters", [{"S": "1"}])
    aws("execute-statement", "--statement", f"UPDATE \"{name}\" SET n = n + 1 WHERE pk = '1'")
    equal(aws("execute-statement", "--statement", f'SELECT * FROM "{name}"')["Items"], [{"pk": {"S": "1"}, "n": {"N": "2"}}])


@case
def statements_of_PartiQL_work_in_batches_and_transactions():
    name = made("partiql-many")
    insert = lambda pk: {"Statement": f"INSERT INTO \"{name}\" VALUE {{'pk': '{pk}'}}"}
    got = aws("batch-execute-statement", "--statements", [insert("1"), insert("2")])
    equal(["Error" in r for r in got["Responses"]], [False, False])
    aws("execute-transaction", "--transact-statements", [insert("3"), insert("4")])
    equal(aws("scan", "--table-name", name, "--select", "COUNT")["Count"], 4)


@case
def a_stream_is_read():
    name = made("streams", "--stream-specification", "StreamEnabled=true,StreamViewType=NEW_IMAGE")
    aws("put-item", "--table-name", name, "--item", {"pk": {"S": "1"}})
    arn = aws("list-streams", "--table-name", name, service="dynamodbstreams")["Streams"][0]["StreamArn"]
    shard = aws("describe-stream", "--stream-arn", arn, service="dynamodbstreams")["StreamDescription"]["Shards"][0]["ShardId"]
    start = ("--stream-arn", arn, "--shard-id", shard, "--shard-iterator-type", "TRIM_HORIZON")
    records = lambda: aws("get-records", "--shard-iterator", aws("get-shard-iterator", *start, service="dynamodbstreams")["ShardIterator"], service="dynamodbstreams")["Records"]
    until(records, "a record")
    equal([r["dynamodb"]["NewImage"] for r in records()], [{"pk": {"S": "1"}}])


@case
def a_replica_is_added():
    name = made("replicas")
    aws("update-table", "--table-name", name, "--replica-updates", "Create={RegionName=us-east-1}")
    replicas = lambda: aws("describe-table", "--table-name", name)["Table"].get("Replicas", [])
    until(lambda: [r["ReplicaStatus"] for r in replicas() if r["RegionName"] == "us-east-1"] == ["ACTIVE"], "the replica")


@case
def a_backup_is_made_listed_and_restored():
    name = made("backups")
    aws("put-item", "--table-name", name, "--item", {"pk": {"S": "1"}})
    arn = aws("create-backup", "--table-name", name, "--backup-name", "first")["BackupDetails"]["BackupArn"]
    until(lambda: aws("describe-backup", "--backup-arn", arn)["BackupDescription"]["BackupDetails"]["BackupStatus"] == "AVAILABLE", "the backup")
    equal([b["BackupName"] for b in aws("list-backups", "--table-name", name)["BackupSummaries"]], ["first"])
    aws("restore-table-from-backup", "--target-table-name", "aws-restored", "--backup-arn", arn)
    aws("wait", "table-exists", "--table-name", "aws-restored")
    equal(aws("scan", "--table-name", "aws-restored")["Count"], 1)
    aws("delete-backup", "--backup-arn", arn)


@case
def a_table_is_exported_to_a_point_in_time():
    name = made("exported")
    aws("put-item", "--table-name", name, "--item", {"pk": {"S": "1"}})
    aws("update-continuous-backups", "--table-name", name, "--point-in-time-recovery-specification", "PointInTimeRecoveryEnabled=true")
    recovery = lambda: aws("describe-continuous-backups", "--table-name", name)["ContinuousBackupsDescription"]["PointInTimeRecoveryDescription"]
    until(lambda: recovery()["PointInTimeRecoveryStatus"] == "ENABLED", "point-in-time recovery")
    table = aws("describe-table", "--table-name", name)["Table"]["TableArn"]
    arn = aws("export-table-to-point-in-time", "--table-arn", table, "--s3-bucket", "exports", "--export-format", "DYNAMODB_JSON")["ExportDescription"]["ExportArn"]
    export = lambda: aws("describe-export", "--export-arn", arn)["ExportDescription"]
    until(lambda: export()["ExportStatus"] != "IN_PROGRESS", "the export")
    equal((export()["ExportStatus"], export()["ItemCount"]), ("COMPLETED", 1))
    equal([e["ExportArn"] for e in aws("list-exports", "--table-arn", table)["ExportSummaries"]], [arn])


version = subprocess.run([AWS, "--version"], env=ENVIRONMENT, capture_output=True, text=True, check=True).stdout.split()[0]
run("aws CLI", version.removeprefix("aws-cli/"))
