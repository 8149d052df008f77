// Runs the named cases of a client and writes a line of JSON for each, as
// cases.py does for Python.

import assert from 'node:assert/strict'
import { appendFileSync, readFileSync } from 'node:fs'

const cases = []
const operations = new Set()

// test makes a function a case of this name.
export const test = (name, run) => cases.push({ name, run })

// watched makes a client of the SDK say which operations a case asked for.
export function watched(client) {
  client.middlewareStack.add((next, context) => (args) => {
    operations.add(context.commandName.replace(/Command$/, ''))
    return next(args)
  }, { step: 'initialize', name: 'watched', override: true })
  return client
}

// version is an installed package's.
export const version = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version

// run runs all cases, or those with a word of the command line in their names.
export async function run(client, version) {
  const words = process.argv.slice(2)
  const chosen = cases.filter((c) => words.length === 0 || words.some((word) => c.name.includes(word)))
  let failed = 0
  for (const c of chosen) {
    operations.clear()
    let error = ''
    try {
      await c.run()
    } catch (e) {
      error = `${e.name}: ${e.message}`
      failed++
      console.error(`FAIL ${client}: ${c.name}:`, e)
    }
    write({ client, version, case: c.name, operations: [...operations].sort(), passed: error === '', error })
  }
  console.log(`${client} ${version}: ${chosen.length} cases, ${failed} failed`)
  process.exit(failed ? 1 : 0)
}

function write(result) {
  if (process.env.RESULTS) appendFileSync(process.env.RESULTS, JSON.stringify(result) + '\n')
}

// until waits until condition() is true, and returns what it returned.
export async function until(condition, what, seconds = 60) {
  for (let i = 0; i < seconds * 20; i++) {
    const value = await condition()
    if (value) return value
    await new Promise((done) => setTimeout(done, 50))
  }
  throw new Error(`not within ${seconds} s: ${what}`)
}

// refused wants an error of this name, and returns it.
export async function refused(name, promise) {
  const error = await promise.then(() => undefined, (e) => e)
  assert.equal(error?.name, name, error?.message ?? `did not fail with ${name}`)
  return error
}

// description is what CreateTable takes, of attributes such as 'pk:S', of which the
// first is the partition key and the second, if there is one, the sort key.
export const description = (name, attributes, more = {}) => ({
  TableName: name,
  AttributeDefinitions: attributes.map((a) => ({ AttributeName: a.split(':')[0], AttributeType: a.split(':')[1] })),
  KeySchema: attributes.slice(0, 2).map((a, i) => ({ AttributeName: a.split(':')[0], KeyType: ['HASH', 'RANGE'][i] })),
  BillingMode: 'PAY_PER_REQUEST',
  ...more,
})
