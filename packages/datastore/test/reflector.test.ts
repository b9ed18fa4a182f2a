import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Table } from '@margay/bus'
import type { Namespace } from '@margay/model'
import { expect, test } from 'vitest'
import { type ApiClient, RESOURCES, reflect } from '../src/index.ts'
import { clientOf, TestApi } from './test-api.ts'

const log = { info: () => undefined, warn: () => undefined, error: () => undefined }

class Reflection implements AsyncDisposable {
  readonly table = new Table<Namespace>('namespaces')
  /** The keys of every change that a subscriber was told of. */
  readonly told: string[] = []
  readonly #abort = new AbortController()
  readonly #done: Promise<unknown>

  constructor(client: ApiClient) {
    const follow = async (): Promise<void> => {
      for await (const { upserts, deletes } of this.table.subscribe()) {
        this.told.push(...upserts.map(([key]) => key), ...deletes.map((key) => `-${key}`))
      }
    }
    void follow()
    this.#done = reflect(client, RESOURCES.namespaces, this.table, { signal: this.#abort.signal, log })
  }

  async until(condition: (names: string[]) => boolean): Promise<void> {
    await expect.poll(() => condition([...this.table.entries()].map(([name]) => name)), { timeout: 10_000 }).toBe(true)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort.abort()
    await this.#done
  }
}

const namespace = (name: string): { metadata: { name: string } } => ({ metadata: { name } })

test('follows what is made, changed and deleted', async () => {
  await using api = await TestApi.start()
  const client = api.client()
  await using reflection = new Reflection(api.client())
  await client.create(RESOURCES.namespaces, namespace('a'))
  await reflection.until((names) => names.includes('a'))
  expect(reflection.table.inSync).toBe(true)
  await client.delete(RESOURCES.namespaces, { name: 'a' })
  await reflection.until((names) => !names.includes('a'))
})

test('an API server that goes and comes back costs only what changed meanwhile', async () => {
  await using api = await TestApi.start()
  const client = api.client()
  for (const name of ['kept', 'changed', 'gone']) await client.create(RESOURCES.namespaces, namespace(name))
  await using reflection = new Reflection(api.client())
  await reflection.until((names) => names.includes('gone'))
  await delay(50)
  await api.goAway()
  api.server.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'changed', labels: { a: 'b' } } })
  api.server.apply({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'new' } })
  reflection.told.length = 0
  await api.comeBack()
  await reflection.until((names) => names.includes('new'))
  await expect.poll(() => reflection.told.toSorted()).toEqual(['changed', 'new'])
})

test('history that is gone (410) leads to a new list, applied as a difference', async () => {
  await using api = await TestApi.start({ historyLength: 5 })
  const client = api.client()
  for (const name of ['kept', 'gone']) await client.create(RESOURCES.namespaces, namespace(name))
  await using reflection = new Reflection(api.client())
  await reflection.until((names) => names.includes('gone'))
  await delay(50)
  await api.goAway()
  for (let index = 0; index < 50; index++)
    api.server.apply({
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'busy', annotations: { n: `${index}` } },
    })
  reflection.told.length = 0
  await api.comeBack()
  await reflection.until((names) => names.includes('busy'))
  await delay(50)
  expect(reflection.told).toEqual(['busy'])
})

test('a server that ends every watch at once, or says 410 for ever, is not asked without a pause', async () => {
  let requests = 0
  let status = 200
  const server = createServer((request, response) => {
    requests++
    const isWatch = request.url?.includes('watch=true') === true
    if (!isWatch) response.end('{"metadata":{"resourceVersion":"1"},"items":[]}')
    else response.writeHead(status).end('')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = clientOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  for (status of [200, 410]) {
    requests = 0
    await using reflection = new Reflection(client)
    await delay(1_000)
    expect(reflection.table.inSync).toBe(true)
    expect(requests).toBeLessThan(20)
  }
  client.close()
  server.close()
})
