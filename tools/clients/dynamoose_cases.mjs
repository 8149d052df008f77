// Dynamoose: models with schemas, which make their own tables.

import assert from 'node:assert/strict'
import dynamoose from 'dynamoose'
import { run, test, version, watched } from './cases.mjs'

const connection = watched(new dynamoose.aws.ddb.DynamoDB())
dynamoose.aws.ddb.set(connection)

const Note = dynamoose.model('Note', new dynamoose.Schema({
  author: { type: String, hashKey: true },
  number: { type: Number, rangeKey: true },
  text: String,
  color: { type: String, index: { name: 'byColor', type: 'global' } },
  tags: { type: Set, schema: [String] },
  at: Date,
}, { saveUnknown: ['more.**'] }))
const table = new dynamoose.Table('dynamoose', [Note], { initialize: false, waitForActive: { enabled: true, check: { timeout: 60_000, frequency: 200 } } })

test('a model makes its table, and knows it again', async () => {
  await table.initialize()
  assert.equal(table.name, 'dynamoose')
})

test('documents are created once, read, changed and deleted', async () => {
  const at = new Date(1_700_000_000_000)
  await Note.create({ author: 'ada', number: 1, text: 'hi', tags: new Set(['a']), at })
  await assert.rejects(Note.create({ author: 'ada', number: 1 }), { name: 'ConditionalCheckFailedException' })
  const note = await Note.get({ author: 'ada', number: 1 }, { consistent: true })
  assert.deepEqual([note.text, [...note.tags], note.at], ['hi', ['a'], at])
  const changed = await Note.update({ author: 'ada', number: 1 }, { $SET: { text: 'ho' }, $ADD: { tags: new Set(['b']) } }, { condition: new dynamoose.Condition().filter('text').eq('hi') })
  assert.deepEqual([changed.text, [...changed.tags].sort()], ['ho', ['a', 'b']])
  note.text = 'saved'
  await note.save()
  await Note.delete({ author: 'ada', number: 1 })
  assert.equal(await Note.get({ author: 'ada', number: 1 }), undefined)
})

test('queries and scans are filtered, sorted and paged', async () => {
  await Note.batchPut(Array.from({ length: 25 }, (_, number) => ({ author: 'bob', number, color: number % 2 ? 'red' : 'blue' })))
  const last = await Note.query('author').eq('bob').where('number').ge(5).filter('color').eq('red').sort('descending').exec()
  assert.deepEqual(last.map((n) => n.number), [23, 21, 19, 17, 15, 13, 11, 9, 7, 5])
  const first = await Note.query('author').eq('bob').limit(10).exec()
  const rest = await Note.query('author').eq('bob').startAt(first.lastKey).exec()
  assert.equal(first.length + rest.length, 25)
  assert.equal((await Note.query('color').eq('blue').using('byColor').all().exec()).length, 13)
  assert.equal((await Note.query('author').eq('bob').count().exec()).count, 25)
  assert.equal((await Note.scan('number').between(3, 6).parallel(2).exec()).length, 4)
})

test('batches are read and deleted', async () => {
  const keys = [1, 2, 3].map((number) => ({ author: 'eve', number }))
  await Note.batchPut(keys)
  assert.equal((await Note.batchGet(keys)).length, 3)
  await Note.batchDelete(keys)
  assert.equal((await Note.batchGet(keys)).length, 0)
})

test('a transaction does all or nothing', async () => {
  await dynamoose.transaction([Note.transaction.create({ author: 'tx', number: 1 }), Note.transaction.create({ author: 'tx', number: 2 })])
  await assert.rejects(
    dynamoose.transaction([Note.transaction.create({ author: 'tx', number: 3 }), Note.transaction.create({ author: 'tx', number: 2 })]),
    { name: 'TransactionCanceledException' },
  )
  assert.equal((await Note.query('author').eq('tx').exec()).length, 2)
})

await run('Dynamoose', version('dynamoose'))
