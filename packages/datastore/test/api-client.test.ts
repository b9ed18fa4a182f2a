import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { ApiError, RESOURCES } from '../src/index.ts'
import { clientOf, TestApi } from './test-api.ts'

const namespace = (name: string): { metadata: { name: string } } => ({ metadata: { name } })

test('creates, finds, lists page by page, patches, updates and deletes', async () => {
  await using api = await TestApi.start()
  const client = api.client()
  for (let index = 0; index < 600; index++) await client.create(RESOURCES.namespaces, namespace(`n${index}`))
  const { items, resourceVersion } = await client.list(RESOURCES.namespaces)
  expect(items.filter(({ metadata }) => /^n\d+$/.test(metadata.name))).toHaveLength(600)
  expect(resourceVersion).toMatch(/^\d+$/)
  await client.patch(RESOURCES.namespaces, { name: 'n0' }, { metadata: { labels: { a: 'b' } } })
  const patched = await client.get(RESOURCES.namespaces, { name: 'n0' })
  expect(patched.metadata.labels).toMatchObject({ a: 'b' })
  await client.update(RESOURCES.namespaces, { ...patched, metadata: { ...patched.metadata, labels: { a: 'c' } } })
  await client.delete(RESOURCES.namespaces, { name: 'n1' })
  expect(await client.find(RESOURCES.namespaces, { name: 'n1' })).toBeUndefined()
})

test('a DELETE with a body on a kept connection leaves the next request whole', async () => {
  await using api = await TestApi.start()
  const client = api.client()
  for (const name of ['a', 'b', 'c']) await client.create(RESOURCES.namespaces, namespace(name))
  for (const name of ['a', 'b', 'c']) {
    const { metadata } = await client.get(RESOURCES.namespaces, { name })
    await client.delete(
      RESOURCES.namespaces,
      { name },
      { uid: metadata.uid, resourceVersion: metadata.resourceVersion },
    )
    expect(await client.find(RESOURCES.namespaces, { name })).toBeUndefined()
  }
})

test('every refusal has its code', async () => {
  await using api = await TestApi.start()
  const client = api.client()
  const object = await client.create(RESOURCES.namespaces, namespace('a'))
  await client.patch(RESOURCES.namespaces, { name: 'a' }, { metadata: { labels: { x: 'y' } } })
  const refused: [() => Promise<unknown>, ApiError['code']][] = [
    [async () => client.get(RESOURCES.namespaces, { name: 'nobody' }), 'API_NOT_FOUND'],
    [async () => client.create(RESOURCES.namespaces, namespace('a')), 'API_ALREADY_EXISTS'],
    [async () => client.update(RESOURCES.namespaces, object), 'API_CONFLICT'],
    [async () => client.delete(RESOURCES.namespaces, { name: 'a' }, { uid: 'another' }), 'API_CONFLICT'],
    [async () => client.create(RESOURCES.namespaces, namespace('Not Legal')), 'API_INVALID'],
    [async () => api.client({ token: 'wrong' }).list(RESOURCES.pods), 'API_FORBIDDEN'],
    [async () => clientOf('http://127.0.0.1:1').list(RESOURCES.pods), 'API_UNAVAILABLE'],
  ]
  for (const [call, code] of refused) await expect(call()).rejects.toMatchObject({ name: 'ApiError', code })
})

test.for([
  ['text', 200, 'hello'],
  ['nothing', 200, ''],
  ['half an object', 200, '{"items": ['],
  ['a page of HTML with an error', 502, '<html>bad gateway</html>'],
  ['an error that is no Status', 500, '[]'],
] as const)('a server that answers %s is unavailable', async ([, status, body]) => {
  const server = createServer((_request, response) => response.writeHead(status).end(body)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = clientOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  await expect(client.list(RESOURCES.pods)).rejects.toMatchObject({ name: 'ApiError', code: 'API_UNAVAILABLE' })
  client.close()
  server.close()
})

test('a watch that carries garbage ends with an ApiError', async () => {
  const server = createServer((_request, response) => response.writeHead(200).end('{"type":"ADDED"\nnonsense\n'))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = clientOf(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const all = async (): Promise<void> => {
    for await (const event of client.watch(RESOURCES.pods, { resourceVersion: '1' })) void event
  }
  await expect(all()).rejects.toBeInstanceOf(ApiError)
  client.close()
  server.close()
})
