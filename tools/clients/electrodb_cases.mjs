// ElectroDB: entities in one table, their indexes, collections and transactions.

import assert from 'node:assert/strict'
import { CreateTableCommand, DynamoDBClient, waitUntilTableExists } from '@aws-sdk/client-dynamodb'
import { DynamoDBDocumentClient } from '@aws-sdk/lib-dynamodb'
import { Entity, Service } from 'electrodb'
import { description, run, test, version, watched } from './cases.mjs'

const connection = watched(new DynamoDBClient())
const client = DynamoDBDocumentClient.from(connection)
const table = 'electrodb'

const byKeys = (index, pk, sk, more) => ({ ...(index && { index }), pk: { field: index ? `${index}pk` : 'pk', composite: pk }, sk: { field: index ? `${index}sk` : 'sk', composite: sk }, ...more })

const Employee = new Entity({
  model: { entity: 'employee', version: '1', service: 'office' },
  attributes: {
    id: { type: 'string', required: true }, team: { type: 'string', required: true }, name: { type: 'string' }, salary: { type: 'number', default: 100 },
    skills: { type: 'set', items: 'string' }, home: { type: 'map', properties: { city: { type: 'string' } } },
  },
  indexes: { byId: byKeys('', ['id'], []), byTeam: byKeys('gsi1', ['team'], ['id'], { collection: 'members' }) },
}, { table, client })

const Task = new Entity({
  model: { entity: 'task', version: '1', service: 'office' },
  attributes: { id: { type: 'string', required: true }, team: { type: 'string', required: true }, points: { type: 'number' } },
  indexes: { byId: byKeys('', ['id'], []), byTeam: byKeys('gsi1', ['team'], ['id'], { collection: 'members' }) },
}, { table, client })

const office = new Service({ employee: Employee, task: Task })

const gsi = { IndexName: 'gsi1', KeySchema: [{ AttributeName: 'gsi1pk', KeyType: 'HASH' }, { AttributeName: 'gsi1sk', KeyType: 'RANGE' }], Projection: { ProjectionType: 'ALL' } }
await connection.send(new CreateTableCommand(description(table, ['pk:S', 'sk:S', 'gsi1pk:S', 'gsi1sk:S'], { GlobalSecondaryIndexes: [gsi] })))
await waitUntilTableExists({ client: connection, maxWaitTime: 60, minDelay: 1, maxDelay: 2 }, { TableName: table })

test('an entity is created once, read and removed', async () => {
  const employee = { id: 'e1', team: 'a', name: 'Ada', skills: ['maths'], home: { city: 'London' } }
  const { data } = await Employee.create(employee).go()
  assert.deepEqual(data, { ...employee, salary: 100 })
  await assert.rejects(Employee.create(employee).go(), /conditional request failed/i)
  assert.deepEqual((await Employee.get({ id: 'e1' }).go({ consistent: true })).data, data)
  await Employee.remove({ id: 'e1' }).go()
  assert.equal((await Employee.get({ id: 'e1' }).go()).data, null)
})

test('an entity is patched, updated and upserted', async () => {
  await assert.rejects(Employee.patch({ id: 'none' }).set({ name: 'Nobody' }).go(), /conditional request failed/i)
  await Employee.upsert({ id: 'e2', team: 'b', name: 'Bob', skills: ['go'] }).go()
  await Employee.upsert({ id: 'e2', team: 'b', name: 'Bert' }).go()
  const { data } = await Employee.patch({ id: 'e2' }).add({ salary: 5, skills: ['sql'] }).data((a, o) => o.set(a.home, { city: 'Rome' })).go({ response: 'all_new' })
  assert.deepEqual({ ...data, skills: [...data.skills].sort() }, { id: 'e2', team: 'b', name: 'Bert', salary: 105, skills: ['go', 'sql'], home: { city: 'Rome' } })
  await Employee.update({ id: 'e2' }).remove(['name']).delete({ skills: ['go'] }).where((a, o) => o.gte(a.salary, 5)).go()
  assert.deepEqual((await Employee.get({ id: 'e2' }).go()).data.skills, ['sql'])
  await Employee.delete({ id: 'e2' }).where((a, o) => o.notExists(a.name)).go()
})

test('an index is queried, with a filter, page by page', async () => {
  const people = Array.from({ length: 30 }, (_, n) => ({ id: `p${String(n).padStart(2, '0')}`, team: 'pages', salary: n }))
  const { unprocessed } = await Employee.put(people).go()
  assert.deepEqual(unprocessed, [])
  const found = []
  let cursor = null
  do {
    const page = await Employee.query.byTeam({ team: 'pages' }).where((a, o) => o.gte(a.salary, 10)).go({ cursor, limit: 7 })
    found.push(...page.data.map((e) => e.salary))
    cursor = page.cursor
  } while (cursor)
  assert.deepEqual(found, Array.from({ length: 20 }, (_, n) => n + 10))
  const between = await Employee.query.byTeam({ team: 'pages' }).between({ id: 'p05' }, { id: 'p07' }).go({ order: 'desc' })
  assert.deepEqual(between.data.map((e) => e.id), ['p07', 'p06', 'p05'])
  const all = await Employee.query.byTeam({ team: 'pages' }).begins({ id: 'p1' }).go({ pages: 'all' })
  assert.equal(all.data.length, 10)
})

test('a collection has the entities of both kinds', async () => {
  await Employee.put({ id: 'e3', team: 'c' }).go()
  await Task.put([{ id: 't1', team: 'c', points: 3 }, { id: 't2', team: 'c', points: 5 }]).go()
  const { data } = await office.collections.members({ team: 'c' }).go()
  assert.deepEqual([data.employee.map((e) => e.id), data.task.map((t) => t.points)], [['e3'], [3, 5]])
})

test('entities are read in batches and by scans', async () => {
  const ids = Array.from({ length: 40 }, (_, n) => ({ id: `b${n}`, team: 'batch' }))
  await Task.put(ids).go()
  const { data, unprocessed } = await Task.get([...ids.map(({ id }) => ({ id })), { id: 'none' }]).go()
  assert.deepEqual([data.length, unprocessed], [40, []])
  const scan = await Task.scan.where((a, o) => o.eq(a.team, 'batch')).go({ pages: 'all' })
  assert.equal(scan.data.length, 40)
  await Task.delete(ids.map(({ id }) => ({ id }))).go()
})

test('a transaction of entities does all or nothing', async () => {
  const write = (id) => office.transaction.write(({ employee, task }) => [employee.create({ id, team: 'tx' }).commit(), task.create({ id: 'shared', team: 'tx' }).commit()]).go()
  assert.equal((await write('x1')).canceled, false)
  const second = await write('x2')
  assert.deepEqual([second.canceled, second.data.map((r) => r.code)], [true, ['None', 'ConditionalCheckFailed']])
  const read = await office.transaction.get(({ employee }) => [employee.get({ id: 'x1' }).commit(), employee.get({ id: 'x2' }).commit()]).go()
  assert.deepEqual(read.data.map((r) => r.item?.id), ['x1', undefined])
})

await run('ElectroDB', version('electrodb'))
