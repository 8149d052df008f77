// The AWS SDK for JavaScript v3: DynamoDBClient, lib-dynamodb's document client
// and the streams client. The environment says where the region is.

import assert from 'node:assert/strict'
import {
  BatchExecuteStatementCommand, CreateTableCommand, DeleteTableCommand, DescribeTableCommand, DescribeTimeToLiveCommand, DynamoDBClient,
  ExecuteStatementCommand as ExecuteStatement, ListTagsOfResourceCommand, TagResourceCommand, TransactionCanceledException, UntagResourceCommand, UpdateTableCommand,
  UpdateTimeToLiveCommand, paginateListTables, waitUntilTableExists, waitUntilTableNotExists,
} from '@aws-sdk/client-dynamodb'
import { DescribeStreamCommand, DynamoDBStreamsClient, GetRecordsCommand, GetShardIteratorCommand, ListStreamsCommand } from '@aws-sdk/client-dynamodb-streams'
import {
  BatchGetCommand, BatchWriteCommand, DeleteCommand, DynamoDBDocumentClient, ExecuteStatementCommand, ExecuteTransactionCommand, GetCommand, NumberValue,
  PutCommand, QueryCommand, ScanCommand, TransactGetCommand, TransactWriteCommand, UpdateCommand, paginateQuery, paginateScan,
} from '@aws-sdk/lib-dynamodb'
import { description, refused, run, test, until, version, watched } from './cases.mjs'

const client = watched(new DynamoDBClient())
const documents = DynamoDBDocumentClient.from(client, { marshallOptions: { removeUndefinedValues: true } })
const exact = DynamoDBDocumentClient.from(watched(new DynamoDBClient()), { unmarshallOptions: { wrapNumbers: (n) => NumberValue.from(n) } })
const streams = watched(new DynamoDBStreamsClient())
const send = (command) => documents.send(command)
const patience = { client, maxWaitTime: 60, minDelay: 1, maxDelay: 2 }

// made creates a table and waits for it.
async function made(name, attributes = ['pk:S'], more = {}) {
  const TableName = `javascript-${name}`
  await client.send(new CreateTableCommand(description(TableName, attributes, more)))
  await waitUntilTableExists(patience, { TableName })
  return TableName
}

// filled makes a table with items a/0 … a/(count-1), in batches of 25.
async function filled(name, count) {
  const TableName = await made(name, ['pk:S', 'sk:N'])
  for (let n = 0; n < count; n += 25) {
    const puts = Array.from({ length: Math.min(25, count - n) }, (_, i) => ({ PutRequest: { Item: { pk: 'a', sk: n + i } } }))
    const { UnprocessedItems } = await send(new BatchWriteCommand({ RequestItems: { [TableName]: puts } }))
    assert.deepEqual(UnprocessedItems, {})
  }
  return TableName
}

test('tables are created, waited for, listed and deleted', async () => {
  const TableName = await made('tables')
  const names = []
  for await (const page of paginateListTables({ client, pageSize: 1 }, {})) names.push(...page.TableNames)
  assert.ok(names.includes(TableName))
  await client.send(new DeleteTableCommand({ TableName }))
  await waitUntilTableNotExists(patience, { TableName })
  await refused('ResourceNotFoundException', client.send(new DescribeTableCommand({ TableName })))
})

test('documents of every type come back as they were', async () => {
  const TableName = await made('types')
  const Item = {
    pk: '1', text: 'héllo\u0000😀', empty: '', n: -1.5, yes: true, nothing: null, binary: new Uint8Array([0, 255]), list: [1, ['a', {}]],
    map: { x: { y: 'z' } }, strings: new Set(['a', 'b']), numbers: new Set([1, 2.5]), binaries: new Set([new Uint8Array([1]), new Uint8Array([2])]),
  }
  await send(new PutCommand({ TableName, Item: { ...Item, left: undefined } }))
  const got = await send(new GetCommand({ TableName, Key: { pk: '1' }, ConsistentRead: true }))
  const plain = (item) => ({ ...item, strings: [...item.strings].sort(), numbers: [...item.numbers].sort(), binaries: [...item.binaries].map((b) => b[0]).sort() })
  assert.deepEqual(plain(got.Item), plain(Item))
})

test('numbers are exact', async () => {
  const TableName = await made('numbers')
  for (const n of ['12345678901234567890123456789012345678', '0.1', '-0.00000000000000000000000000000000000001', '1E-130']) {
    await exact.send(new PutCommand({ TableName, Item: { pk: n, n: NumberValue.from(n) } }))
    const { Item } = await exact.send(new GetCommand({ TableName, Key: { pk: n } }))
    assert.equal(Number(Item.n.toString()), Number(n))
    if (!n.includes('E')) assert.equal(Item.n.toString(), n)
  }
  const { Attributes } = await exact.send(new UpdateCommand({
    TableName, Key: { pk: '0.1' }, UpdateExpression: 'ADD n :n', ExpressionAttributeValues: { ':n': NumberValue.from('12345678901234567890.2') }, ReturnValues: 'UPDATED_NEW',
  }))
  assert.equal(Attributes.n.toString(), '12345678901234567890.3')
})

test('items are updated and deleted on conditions', async () => {
  const TableName = await made('conditions')
  const Key = { pk: '1' }
  const put = () => send(new PutCommand({ TableName, Item: { ...Key, n: 1 }, ConditionExpression: 'attribute_not_exists(pk)', ReturnValuesOnConditionCheckFailure: 'ALL_OLD' }))
  await put()
  const error = await refused('ConditionalCheckFailedException', put())
  assert.deepEqual(error.Item, { pk: { S: '1' }, n: { N: '1' } })
  const { Attributes } = await send(new UpdateCommand({
    TableName, Key, UpdateExpression: 'SET #n = #n + :one, l = list_append(if_not_exists(l, :none), :l)', ConditionExpression: '#n BETWEEN :one AND :five',
    ExpressionAttributeNames: { '#n': 'n' }, ExpressionAttributeValues: { ':one': 1, ':five': 5, ':none': [], ':l': ['x'] }, ReturnValues: 'ALL_NEW',
  }))
  assert.deepEqual(Attributes, { pk: '1', n: 2, l: ['x'] })
  await refused('ConditionalCheckFailedException', send(new DeleteCommand({ TableName, Key, ConditionExpression: 'n > :n', ExpressionAttributeValues: { ':n': 7 } })))
  const old = await send(new DeleteCommand({ TableName, Key, ReturnValues: 'ALL_OLD' }))
  assert.equal(old.Attributes.n, 2)
})

test('queries are paginated', async () => {
  const TableName = await filled('query', 60)
  const input = { TableName, KeyConditionExpression: 'pk = :a AND sk >= :n', ExpressionAttributeValues: { ':a': 'a', ':n': 10 }, ScanIndexForward: false }
  const found = []
  for await (const page of paginateQuery({ client: documents, pageSize: 20 }, { ...input })) found.push(...page.Items.map((i) => i.sk))
  assert.deepEqual(found, Array.from({ length: 50 }, (_, i) => 59 - i))
  const one = await send(new QueryCommand({ ...input, Limit: 1, FilterExpression: 'attribute_exists(absent)' }))
  assert.deepEqual([one.Count, one.ScannedCount, one.LastEvaluatedKey], [0, 1, { pk: 'a', sk: 59 }])
})

test('scans are paginated, also in segments', async () => {
  const TableName = await filled('scan', 60)
  let found = 0
  for await (const page of paginateScan({ client: documents, pageSize: 7 }, { TableName })) found += page.Count
  for (const Segment of [0, 1, 2]) found += (await send(new ScanCommand({ TableName, Segment, TotalSegments: 3, Select: 'COUNT' }))).Count
  assert.equal(found, 120)
})

test('batches are read', async () => {
  const TableName = await filled('batches', 30)
  const Keys = Array.from({ length: 50 }, (_, sk) => ({ pk: 'a', sk }))
  const { Responses } = await send(new BatchGetCommand({ RequestItems: { [TableName]: { Keys, ProjectionExpression: 'sk' } } }))
  assert.equal(Responses[TableName].length, 30)
})

test('transactions do all or nothing', async () => {
  const TableName = await made('transactions')
  const put = (pk, more) => ({ Put: { TableName, Item: { pk }, ...more } })
  await send(new TransactWriteCommand({ TransactItems: [put('1'), put('2')] }))
  const error = await refused('TransactionCanceledException', send(new TransactWriteCommand({
    TransactItems: [put('3'), put('1', { ConditionExpression: 'attribute_not_exists(pk)', ReturnValuesOnConditionCheckFailure: 'ALL_OLD' })],
  })))
  assert.ok(error instanceof TransactionCanceledException)
  assert.deepEqual(error.CancellationReasons.map((r) => r.Code), ['None', 'ConditionalCheckFailed'])
  const { Responses } = await send(new TransactGetCommand({ TransactItems: ['1', '3'].map((pk) => ({ Get: { TableName, Key: { pk } } })) }))
  assert.deepEqual(Responses.map((r) => r.Item), [{ pk: '1' }, undefined])
})

test('statements of PartiQL work', async () => {
  const TableName = await made('partiql')
  const statement = (Statement, ...Parameters) => send(new ExecuteStatementCommand({ Statement, ...(Parameters.length && { Parameters }) }))
  await statement(`INSERT INTO "${TableName}" VALUE {'pk': ?, 'tags': ?}`, '1', ['a'])
  await statement(`UPDATE "${TableName}" SET tags = list_append(tags, ?) WHERE pk = ?`, ['b'], '1')
  const { Items } = await statement(`SELECT * FROM "${TableName}" WHERE pk = ?`, '1')
  assert.deepEqual(Items, [{ pk: '1', tags: ['a', 'b'] }])
  await refused('DuplicateItemException', client.send(new ExecuteStatement({ Statement: `INSERT INTO "${TableName}" VALUE {'pk': '1'}` })))
})

test('statements of PartiQL work in batches and transactions', async () => {
  const TableName = await made('partiql-many')
  const insert = (pk) => ({ Statement: `INSERT INTO "${TableName}" VALUE {'pk': '${pk}'}` })
  const batch = await client.send(new BatchExecuteStatementCommand({ Statements: [insert(1), insert(2)] }))
  assert.deepEqual(batch.Responses.map((r) => r.Error), [undefined, undefined])
  await send(new ExecuteTransactionCommand({ TransactStatements: [insert(3), insert(4)] }))
  await refused('TransactionCanceledException', send(new ExecuteTransactionCommand({ TransactStatements: [insert(5), insert(4)] })))
})

test('a stream has every change', async () => {
  const TableName = await made('streams', ['pk:S'], { StreamSpecification: { StreamEnabled: true, StreamViewType: 'NEW_AND_OLD_IMAGES' } })
  for (const n of [1, 2]) await send(new PutCommand({ TableName, Item: { pk: '1', n } }))
  const { Streams } = await streams.send(new ListStreamsCommand({ TableName }))
  const { StreamDescription } = await streams.send(new DescribeStreamCommand({ StreamArn: Streams[0].StreamArn }))
  const records = async () => {
    const start = { StreamArn: Streams[0].StreamArn, ShardId: StreamDescription.Shards[0].ShardId, ShardIteratorType: 'TRIM_HORIZON' }
    const { ShardIterator } = await streams.send(new GetShardIteratorCommand(start))
    return (await streams.send(new GetRecordsCommand({ ShardIterator }))).Records
  }
  const found = await until(async () => { const all = await records(); return all.length === 2 && all }, 'two changes')
  assert.deepEqual(found.map((r) => [r.eventName, r.dynamodb.OldImage?.n, r.dynamodb.NewImage.n]), [['INSERT', undefined, { N: '1' }], ['MODIFY', { N: '1' }, { N: '2' }]])
  assert.ok(found[0].dynamodb.ApproximateCreationDateTime instanceof Date)
})

test('tables are changed', async () => {
  const TableName = await made('changed')
  const table = async () => (await client.send(new DescribeTableCommand({ TableName }))).Table
  const index = { IndexName: 'by-color', KeySchema: [{ AttributeName: 'color', KeyType: 'HASH' }], Projection: { ProjectionType: 'ALL' } }
  await client.send(new UpdateTableCommand({ TableName, AttributeDefinitions: [{ AttributeName: 'color', AttributeType: 'S' }], GlobalSecondaryIndexUpdates: [{ Create: index }] }))
  await until(async () => (await table()).GlobalSecondaryIndexes[0].IndexStatus === 'ACTIVE', 'the index')
  await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification: { Enabled: true, AttributeName: 'expires' } }))
  assert.equal((await client.send(new DescribeTimeToLiveCommand({ TableName }))).TimeToLiveDescription.AttributeName, 'expires')
  const { TableArn: ResourceArn, CreationDateTime } = await table()
  assert.ok(Math.abs(CreationDateTime - Date.now()) < 3_600_000)
  await client.send(new TagResourceCommand({ ResourceArn, Tags: [{ Key: 'team', Value: 'notes' }, { Key: 'stage', Value: 'test' }] }))
  await client.send(new UntagResourceCommand({ ResourceArn, TagKeys: ['stage'] }))
  assert.deepEqual((await client.send(new ListTagsOfResourceCommand({ ResourceArn }))).Tags, [{ Key: 'team', Value: 'notes' }])
})

test('a replica is added', async () => {
  const TableName = await made('replicas')
  await client.send(new UpdateTableCommand({ TableName, ReplicaUpdates: [{ Create: { RegionName: 'us-east-1' } }] }))
  const replicas = async () => (await client.send(new DescribeTableCommand({ TableName }))).Table.Replicas ?? []
  await until(async () => (await replicas()).some((r) => r.RegionName === 'us-east-1' && r.ReplicaStatus === 'ACTIVE'), 'the replica')
})

await run('JavaScript v3', version('@aws-sdk/client-dynamodb'))
