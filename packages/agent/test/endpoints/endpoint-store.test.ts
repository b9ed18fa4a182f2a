import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EndpointStore } from '../../src/endpoints/endpoint-store.ts'
import type { LocalEndpoint } from '../../src/endpoints/local-endpoint.ts'

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'margay-store-'))
})

afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

const endpoint = (containerId: string, changes: Partial<LocalEndpoint> = {}): LocalEndpoint => ({
  containerId,
  ifName: 'eth0',
  netns: '/run/netns/x',
  namespace: 'default',
  pod: 'web-0',
  interfaceName: 'mgy0123456789a',
  addresses: ['10.0.0.1', 'fd00::1'],
  mac: '02:00:00:00:00:01',
  handleId: `margay.${containerId}`,
  createdAt: '2026-01-01T00:00:00.000Z',
  ...changes,
})

async function loaded(): Promise<EndpointStore> {
  const store = new EndpointStore(directory, pino({ enabled: false }))
  await store.load()
  return store
}

test('what was put is there after a restart, what was deleted is not', async () => {
  const store = await loaded()
  await store.put(endpoint('a'))
  await store.put(endpoint('b'))
  await store.delete(endpoint('b'))
  await store.delete(endpoint('never'))
  const next = await loaded()
  expect(next.values()).toEqual([endpoint('a')])
  expect(next.get('a', 'eth0')).toEqual(endpoint('a'))
})

test('of two pods of one name the newer comes last, whatever the files are called', async () => {
  const store = await loaded()
  await store.put(endpoint('zz', { createdAt: '2026-01-01T00:00:00.000Z' }))
  await store.put(endpoint('aa', { createdAt: '2026-01-02T00:00:00.000Z' }))
  expect((await loaded()).values().map(({ containerId }) => containerId)).toEqual(['zz', 'aa'])
})

test.for([
  ['nothing', ''],
  ['half a record', JSON.stringify(endpoint('x')).slice(0, 50)],
  ['null', 'null'],
  ['a list', '[]'],
  ['a record without a field', JSON.stringify({ ...endpoint('x'), netns: undefined })],
  ['addresses that are a word', JSON.stringify({ ...endpoint('x'), addresses: 'all' })],
  ['an address that is none', JSON.stringify({ ...endpoint('x'), addresses: ['10.0.0.300'] })],
] as const)('a file that holds %s is set aside, and the others serve', async ([, text]) => {
  const store = await loaded()
  await store.put(endpoint('good'))
  writeFileSync(join(directory, 'endpoints', 'bad.json'), text)
  expect((await loaded()).values()).toEqual([endpoint('good')])
  expect(readdirSync(join(directory, 'endpoints')).toSorted()).toEqual(['bad.json.bad', 'good-eth0.json'])
})

test('what a crash left half-written is no record', async () => {
  const store = await loaded()
  writeFileSync(join(directory, 'endpoints', 'x-eth0.json.new'), '{"containerId"')
  await store.put(endpoint('good'))
  expect((await loaded()).values()).toHaveLength(1)
})
