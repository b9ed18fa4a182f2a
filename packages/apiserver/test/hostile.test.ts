import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { HttpServer, type Json } from './http-server.ts'

let server: HttpServer
const problems: unknown[] = []

beforeAll(async () => {
  const note = (fields: object): void => void problems.push(fields)
  server = await HttpServer.start({ headersTimeoutMs: 200, log: { info: () => undefined, warn: note, error: note } })
})
afterAll(async () => {
  // Whatever was sent: nothing may have been an internal error.
  expect(problems).toEqual([])
  await server[Symbol.asyncDispose]()
})

const maps = '/api/v1/namespaces/default/configmaps'
const map = (name: string, rest: object = {}): object => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  ...rest,
})

function expectStatus(answer: { code: number; body: Json }, code: number, reason: string): void {
  expect(answer.body).toMatchObject({ kind: 'Status', apiVersion: 'v1', status: 'Failure', code, reason })
  expect(answer.code).toBe(code)
}

describe('bodies', () => {
  test.for<[name: string, body: string | Uint8Array, type: string, code: number, reason: string]>([
    ['broken JSON', '{"a":', 'application/json', 400, 'BadRequest'],
    ['no JSON at all', 'hello', 'application/json', 400, 'BadRequest'],
    ['nothing', '', 'application/json', 400, 'BadRequest'],
    ['a list', '[]', 'application/json', 400, 'BadRequest'],
    ['a string', '"x"', 'application/json', 400, 'BadRequest'],
    ['null', 'null', 'application/json', 400, 'BadRequest'],
    ['broken YAML', 'a: [', 'application/yaml', 400, 'BadRequest'],
    ['YAML of many documents', 'a: 1\n---\nb: 2', 'application/yaml', 400, 'BadRequest'],
    ['a YAML bomb', bomb(), 'application/yaml', 400, 'BadRequest'],
    ['deep JSON', '{"a":'.repeat(10_000) + '1' + '}'.repeat(10_000), 'application/json', 400, 'BadRequest'],
    ['deep lists', '['.repeat(100_000), 'application/json', 400, 'BadRequest'],
    [
      'deep YAML',
      Array.from({ length: 1_500 }, (_, depth) => `${' '.repeat(depth)}a:`).join('\n'),
      'application/yaml',
      400,
      'BadRequest',
    ],
    ['deep flow YAML', `a: ${'['.repeat(20_000)}`, 'application/yaml', 400, 'BadRequest'],
    ['invalid UTF-8', Uint8Array.of(0x7b, 0xff, 0xfe, 0x7d), 'application/json', 400, 'BadRequest'],
    [
      'prototype pollution',
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x","__proto__":{"a":1}}}',
      'application/json',
      400,
      'BadRequest',
    ],
    [
      'too much',
      JSON.stringify(map('big', { data: { a: 'x'.repeat(3_200_000) } })),
      'application/json',
      413,
      'RequestEntityTooLarge',
    ],
    ['an unknown media type', '{}', 'text/xml', 415, 'UnsupportedMediaType'],
    ['protobuf that is none', 'k8s\0garbage', 'application/vnd.kubernetes.protobuf', 400, 'BadRequest'],
    ['protobuf without magic', 'garbage', 'application/vnd.kubernetes.protobuf', 400, 'BadRequest'],
  ])('%s', async ([, body, type, code, reason]) => {
    expectStatus(await server.request(maps, { method: 'POST', body, type }), code, reason)
  })

  test.for<[name: string, object: object, field: string]>([
    ['a number as a string', map('x', { data: { a: 1 } }), 'data.a'],
    ['a string as an object', map('x', { data: 'text' }), 'data'],
    ['labels as a list', { ...map('x'), metadata: { name: 'x', labels: ['a'] } }, 'metadata.labels'],
    ['metadata as a string', { apiVersion: 'v1', kind: 'ConfigMap', metadata: 'x' }, 'metadata'],
    ['a name as a number', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 5 } }, 'metadata.name'],
    [
      'a time that is none',
      { ...map('x'), metadata: { name: 'x', creationTimestamp: 'noon' } },
      'metadata.creationTimestamp',
    ],
    ['base64 that is none', map('x', { binaryData: { a: '!!' } }), 'binaryData.a'],
  ])('%s names the field', async ([, object, field]) => {
    const answer = await server.request(maps, { method: 'POST', body: object })
    expectStatus(answer, 400, 'BadRequest')
    expect(answer.body['details'].causes.map((cause: { field: string }) => cause.field)).toEqual([field])
  })

  test.for<[name: string, object: Json, fields: string[]]>([
    ['no name', { apiVersion: 'v1', kind: 'ConfigMap', metadata: {} }, ['metadata.name']],
    ['a wild name', map('A/../b'), ['metadata.name']],
    ['a long name', map('x'.repeat(254)), ['metadata.name']],
    ['a wild key', map('x', { data: { 'a/b': '' } }), ['data[a/b]']],
    [
      'huge annotations',
      { ...map('x'), metadata: { name: 'x', annotations: { a: 'x'.repeat(300_000) } } },
      ['metadata.annotations'],
    ],
    [
      'wild labels',
      { ...map('x'), metadata: { name: 'x', labels: { 'a b': '-', ok: 'fine' } } },
      ['metadata.labels', 'metadata.labels'],
    ],
    [
      'a finalizer without a domain',
      { ...map('x'), metadata: { name: 'x', finalizers: ['x'] } },
      ['metadata.finalizers[0]'],
    ],
  ])('%s is invalid', async ([, object, fields]) => {
    const answer = await server.request(maps, { method: 'POST', body: object })
    expectStatus(answer, 422, 'Invalid')
    expect(answer.body['details'].causes.map((cause: { field: string }) => cause.field)).toEqual(fields)
  })
})

describe('paths and parameters', () => {
  test.for<[path: string, code: number, method?: string]>([
    ['/nothing', 404],
    ['/api/v1/unknown', 404],
    ['/api/v2/pods', 404],
    ['/apis/none.dev/v1/things', 404],
    ['/api/v1/namespaces/default/nodes', 404],
    ['/api/v1/pods/x', 404],
    ['/api/v1/namespaces/default/pods/x/unknown', 404],
    ['/api/v1/namespaces/default/pods/missing', 404],
    ['/api/v1/namespaces/default/pods/%zz', 400],
    ['/api/v1/namespaces/%2e%2e/pods/..%2f..%2f', 404],
    ['/api/v1/namespaces/default/configmaps/__proto__', 404],
    ['/api/v1/namespaces/default/constructor', 404],
    [maps, 405, 'PUT'],
    ['/api/v1/configmaps', 405, 'POST'],
    ['/api', 405, 'POST'],
    [maps, 405, 'OPTIONS'],
    [`${maps}?resourceVersion=abc`, 400],
    [`${maps}?resourceVersion=-1`, 400],
    [`${maps}?resourceVersion=99999999999999999999999999`, 400],
    [`${maps}?resourceVersion=1e3`, 400],
    [`${maps}?resourceVersion=18446744073709551615`, 504],
    [`${maps}?watch=1&resourceVersion=xyz`, 400],
    [`${maps}?limit=-5`, 400],
    [`${maps}?limit=many`, 400],
    [`${maps}?continue=@@@`, 400],
    [`${maps}?continue=${Buffer.from('null').toString('base64url')}`, 400],
    [`${maps}?resourceVersionMatch=Exact`, 422],
    [`${maps}?resourceVersion=1&resourceVersionMatch=Sometimes`, 422],
    [`${maps}?labelSelector=a%20in%20(`, 400],
    [`${maps}?labelSelector=,,`, 400],
    [`${maps}?labelSelector=${'a,'.repeat(5000)}`, 400],
    [`${maps}?fieldSelector=spec.secret=1`, 400],
    [`${maps}?fieldSelector=metadata.name`, 400],
    [`${maps}?timeoutSeconds=soon&watch=1`, 400],
  ])('%s is %i', async ([path, code, method = 'GET']) => {
    const answer = await server.request(path, { method })
    expect(answer.body).toMatchObject({ kind: 'Status', status: 'Failure', code })
    expect(answer.code).toBe(code)
  })

  test.for<[query: string, code: number]>([
    ['dryRun=Some', 422],
    ['fieldValidation=Maybe', 422],
    [`fieldManager=${'x'.repeat(200)}`, 400],
  ])('a create with %s', async ([query, code]) => {
    expect((await server.request(`${maps}?${query}`, { method: 'POST', body: map('p') })).code).toBe(code)
  })

  test('what nobody can accept is 406', async () => {
    expectStatus(await server.request(maps, { accept: 'application/vnd.kubernetes.protobuf' }), 406, 'NotAcceptable')
    expectStatus(await server.request(maps, { accept: 'text/html' }), 406, 'NotAcceptable')
    expect((await server.request(maps, { accept: 'application/vnd.kubernetes.protobuf,application/json' })).code).toBe(
      200,
    )
  })

  test('nobody and strangers are refused, health is open', async () => {
    expectStatus(await server.request(maps, { token: '' }), 401, 'Unauthorized')
    expectStatus(await server.request(maps, { token: 'guess' }), 401, 'Unauthorized')
    expectStatus(await server.request(maps, { token: 'a.b.c' }), 401, 'Unauthorized')
    for (const path of ['/livez', '/readyz', '/healthz', '/version']) {
      expect((await server.request(path, { token: '' })).code).toBe(200)
    }
  })
})

describe('writes', () => {
  test('of the wrong kind, version, name or namespace', async () => {
    const post = async (body: object): Promise<number> => (await server.request(maps, { method: 'POST', body })).code
    expect(await post({ ...map('x'), kind: 'Secret' })).toBe(400)
    expect(await post({ ...map('x'), apiVersion: 'v2' })).toBe(400)
    expect(await post({ ...map('x'), metadata: { name: 'x', namespace: 'other' } })).toBe(400)
    expect(await post({ ...map('x'), metadata: { name: 'x', resourceVersion: '5' } })).toBe(400)
    expect((await server.request('/api/v1/namespaces/none/configmaps', { method: 'POST', body: map('x') })).code).toBe(
      404,
    )
    await server.request(maps, { method: 'POST', body: map('taken') })
    expectStatus(await server.request(maps, { method: 'POST', body: map('taken') }), 409, 'AlreadyExists')
    const put = (body: object): ReturnType<HttpServer['request']> =>
      server.request(`${maps}/taken`, { method: 'PUT', body })
    expect((await put(map('different'))).code).toBe(400)
    expectStatus(await put({ ...map('taken'), metadata: { name: 'taken', resourceVersion: '1' } }), 409, 'Conflict')
    expectStatus(await put({ ...map('taken'), metadata: { name: 'taken', uid: 'x' } }), 409, 'Conflict')
    const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases'
    const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: 'l' } }
    await server.request(leases, { method: 'POST', body: lease })
    const blind = await server.request(`${leases}/l`, { method: 'PUT', body: lease })
    expectStatus(blind, 422, 'Invalid')
    expect(blind.body['details'].causes).toMatchObject([{ field: 'metadata.resourceVersion' }])
    expect((await server.request(`${maps}/absent`, { method: 'PUT', body: map('absent') })).code).toBe(404)
  })

  test.for<[name: string, type: string, body: string, code: number]>([
    ['a JSON patch that is an object', 'application/json-patch+json', '{}', 400],
    ['a JSON patch with an unknown operation', 'application/json-patch+json', '[{"op":"explode","path":"/a"}]', 400],
    ['a JSON patch of what is not there', 'application/json-patch+json', '[{"op":"remove","path":"/data/none"}]', 422],
    [
      'a JSON patch of the prototype',
      'application/json-patch+json',
      '[{"op":"add","path":"/__proto__/x","value":1}]',
      422,
    ],
    [
      'a JSON patch of the constructor',
      'application/json-patch+json',
      '[{"op":"add","path":"/constructor/prototype/x","value":1}]',
      422,
    ],
    [
      'a JSON patch without end',
      'application/json-patch+json',
      JSON.stringify(Array.from({ length: 10_001 }, () => ({ op: 'test', path: '', value: 1 }))),
      413,
    ],
    ['a merge patch that is a list', 'application/merge-patch+json', '[1]', 400],
    ['a strategic patch that is a number', 'application/strategic-merge-patch+json', '5', 400],
    [
      'a strategic patch with an unknown directive',
      'application/strategic-merge-patch+json',
      '{"data":{"$patch":"explode"}}',
      400,
    ],
    [
      'a strategic patch without the merge key',
      'application/strategic-merge-patch+json',
      '{"metadata":{"ownerReferences":[{"name":"x"}]}}',
      400,
    ],
    ['a patch of another name', 'application/merge-patch+json', '{"metadata":{"name":"other"}}', 400],
    ['a patch with wrong types', 'application/merge-patch+json', '{"data":{"a":{}}}', 400],
    ['plain JSON', 'application/json', '{}', 415],
    ['an apply without a field manager', 'application/apply-patch+yaml', '{"apiVersion":"v1","kind":"ConfigMap"}', 400],
    ['no media type', '', '{}', 415],
  ])('%s', async ([, type, body, code]) => {
    await server.request(maps, { method: 'POST', body: map('patched') })
    const answer = await server.request(`${maps}/patched`, { method: 'PATCH', body, headers: { 'content-type': type } })
    expect(answer.body).toMatchObject({ kind: 'Status', code })
    expect(({} as Json)['x']).toBeUndefined()
  })

  test('delete options of the wrong shape', async () => {
    const remove = async (body: unknown): Promise<number> =>
      (await server.request(`${maps}/patched`, { method: 'DELETE', body })).code
    expect(await remove('[]')).toBe(400)
    expect(await remove({ gracePeriodSeconds: 'soon' })).toBe(400)
    expect(await remove({ propagationPolicy: 'Sideways' })).toBe(422)
    expect((await server.request(`${maps}/patched?gracePeriodSeconds=x`, { method: 'DELETE' })).code).toBe(400)
  })
})

describe('connections', () => {
  const auth = 'authorization: Bearer secret\r\nhost: x\r\nconnection: close\r\n'

  test('requests that are not HTTP, or half of it, are answered and closed', async () => {
    expect(await server.raw('hello\r\n\r\n')).toContain('400 Bad Request')
    expect(await server.raw(`GET * HTTP/1.1\r\n${auth}\r\n`)).toContain('HTTP/1.1 4')
    expect(await server.raw(`GET http://[ HTTP/1.1\r\n${auth}\r\n`)).toContain('HTTP/1.1 4')
    expect(await server.raw(`GET / HTTP/1.1\r\n${auth}x: ${'y'.repeat(100_000)}\r\n\r\n`)).toContain('431')
  })

  test('requests that never end are cut off', async () => {
    expect(await server.raw('GET /api HTTP/1.1\r\nhost: x\r\n')).toContain('408 Request Timeout')
    const body = `POST ${maps} HTTP/1.1\r\n${auth}content-type: application/json\r\ncontent-length: 100\r\n\r\n{`
    expect(await server.raw(body)).toContain('408 Request Timeout')
  })

  test('upgrades to what is not there', async () => {
    const upgrade =
      'authorization: Bearer secret\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
    expect(await server.raw(`GET ${maps} HTTP/1.1\r\n${upgrade}\r\n`)).toContain('400 Bad Request')
    expect(await server.raw(`GET /api/v1/namespaces/default/pods/none/exec HTTP/1.1\r\n${upgrade}\r\n`)).toContain(
      '404 Not Found',
    )
    expect(
      await server.raw(
        `GET /api/v1/namespaces/default/pods/none/exec HTTP/1.1\r\n${upgrade.replace('secret', 'no')}\r\n`,
      ),
    ).toContain('401 Unauthorized')
  })
})

function bomb(): string {
  const lines = ['a0: &a0 [x,x,x,x,x,x,x,x,x]']
  for (let level = 1; level < 12; level++) {
    const before = `*a${level - 1}`
    lines.push(`a${level}: &a${level} [${Array(9).fill(before).join(',')}]`)
  }
  return lines.join('\n')
}
