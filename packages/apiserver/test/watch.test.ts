import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { HttpServer } from './http-server.ts'

let server: HttpServer

beforeEach(async () => {
  server = await HttpServer.start({ historyLength: 40, watchQueueAtMost: 50 })
})
afterEach(() => server[Symbol.asyncDispose]())

const maps = '/api/v1/namespaces/default/configmaps'

function put(name: string, data: Record<string, string> = {}, labels: Record<string, string> = {}): string {
  return (
    server.api.apply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, labels }, data }).metadata
      .resourceVersion ?? ''
  )
}

async function remove(name: string): Promise<void> {
  await server.request(`${maps}/${name}`, { method: 'DELETE' })
}

describe('a watch', () => {
  test('without a version starts with what there is', async () => {
    put('a')
    const watch = await server.watch(`${maps}?watch=1`)
    put('b')
    put('a', { x: '1' })
    await remove('a')
    expect(await watch.summaries(4)).toEqual(['ADDED a', 'ADDED b', 'MODIFIED a', 'DELETED a'])
    watch.close()
  })

  test('resumes after a version and sees each change once', async () => {
    const version = put('a')
    put('b')
    const watch = await server.watch(`${maps}?watch=1&resourceVersion=${version}`)
    put('c')
    expect(await watch.summaries(2)).toEqual(['ADDED b', 'ADDED c'])
    watch.close()
  })

  test('with a selector shows objects that come and go as added and deleted', async () => {
    const version = put('a', {}, { on: 'no' })
    const watch = await server.watch(`${maps}?watch=1&resourceVersion=${version}&labelSelector=on%3Dyes`)
    put('a', {}, { on: 'yes' })
    put('a', { n: '1' }, { on: 'yes' })
    put('a', { n: '2' }, { on: 'no' })
    put('b', {}, { on: 'yes' })
    expect(await watch.summaries(4)).toEqual(['ADDED a', 'MODIFIED a', 'DELETED a', 'ADDED b'])
    watch.close()
  })

  test('from a forgotten version is 410', async () => {
    const version = put('a')
    for (let change = 0; change < 100; change++) put('a', { n: String(change) })
    const { code, body } = await server.request(`${maps}?watch=1&resourceVersion=${version}`)
    expect({ code, reason: body['reason'] }).toEqual({ code: 410, reason: 'Expired' })
    server.api.compact()
    const late = await server.request(`${maps}?watch=1&resourceVersion=${Number(version) + 90}`)
    expect(late.code).toBe(410)
    const fresh = await server.watch(`${maps}?watch=1&resourceVersion=${server.api.resourceVersion}`)
    put('b')
    expect(await fresh.summaries(1)).toEqual(['ADDED b'])
    fresh.close()
  })

  test('from a version of another life of the server is 410', async () => {
    expect((await server.request(`${maps}?watch=1&resourceVersion=999999`)).code).toBe(410)
  })

  test('hears of changes of other kinds by bookmarks, one for many', async () => {
    const watch = await server.watch(
      `/api/v1/nodes?watch=1&allowWatchBookmarks=true&resourceVersion=${server.api.resourceVersion}`,
    )
    for (let change = 0; change < 20; change++) put('busy', { n: String(change) })
    const last = server.api.resourceVersion
    const bookmark = await watch.next()
    expect(bookmark).toMatchObject({
      type: 'BOOKMARK',
      object: { kind: 'Node', apiVersion: 'v1', metadata: { resourceVersion: last } },
    })
    server.api.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } })
    expect(await watch.summaries(1)).toEqual(['ADDED n'])
    watch.close()
  })

  test('that starts late hears of what changed meanwhile elsewhere', async () => {
    const version = server.api.resourceVersion
    put('busy')
    const watch = await server.watch(`/api/v1/nodes?watch=1&allowWatchBookmarks=true&resourceVersion=${version}`)
    const resourceVersion = server.api.resourceVersion
    expect(await watch.next()).toMatchObject({ type: 'BOOKMARK', object: { metadata: { resourceVersion } } })
    watch.close()
  })

  test('without allowWatchBookmarks gets none', async () => {
    const watch = await server.watch(`/api/v1/nodes?watch=1&resourceVersion=${server.api.resourceVersion}`)
    const other = await server.watch(
      `/api/v1/nodes?watch=1&allowWatchBookmarks=1&resourceVersion=${server.api.resourceVersion}`,
    )
    put('a')
    expect(await other.next()).toMatchObject({ type: 'BOOKMARK' })
    server.api.apply({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n' } })
    expect(await watch.summaries(1)).toEqual(['ADDED n'])
    watch.close()
    other.close()
  })

  test('with sendInitialEvents marks their end', async () => {
    put('a')
    const query = 'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true'
    const watch = await server.watch(`${maps}?${query}`)
    expect(await watch.summaries(1)).toEqual(['ADDED a'])
    expect(await watch.next()).toMatchObject({
      type: 'BOOKMARK',
      object: {
        metadata: { resourceVersion: server.api.resourceVersion, annotations: { 'k8s.io/initial-events-end': 'true' } },
      },
    })
    put('b')
    expect(await watch.summaries(1)).toEqual(['ADDED b'])
    watch.close()
    expect((await server.request(`${maps}?watch=1&sendInitialEvents=true`)).code).toBe(422)
  })

  test('ends after timeoutSeconds', async () => {
    const watch = await server.watch(`${maps}?watch=1&timeoutSeconds=1&resourceVersion=${server.api.resourceVersion}`)
    expect(await watch.next()).toBeUndefined()
  })

  test('ends when the server closes', async () => {
    const watch = await server.watch(`${maps}?watch=1&resourceVersion=${server.api.resourceVersion}`)
    server.api.dropWatches()
    expect(await watch.next()).toBeUndefined()
  })

  test('of a client that does not read is dropped, not buffered without end', async () => {
    const watch = await server.watch(`${maps}?watch=1&resourceVersion=${server.api.resourceVersion}`)
    const big = 'x'.repeat(500_000)
    for (let change = 0; change < 120; change++) {
      put('big', { big, n: String(change) })
      if (change % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    let events = 0
    const ended = await (async () => {
      try {
        while ((await watch.next()) !== undefined) events += 1
      } catch {
        return 'reset'
      }
      return 'closed'
    })()
    expect(ended).toMatch(/reset|closed/)
    expect(events).toBeLessThan(120)
  })
})

describe('a list', () => {
  test('comes in pages of one moment', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) put(name)
    const first = (await server.request(`${maps}?limit=2`)).body
    put('c', { changed: '1' })
    await remove('d')
    put('bb')
    const next = (await server.request(`${maps}?limit=2&continue=${first['metadata'].continue}`)).body
    const last = (await server.request(`${maps}?limit=2&continue=${next['metadata'].continue}`)).body
    const names = [first, next, last].flatMap((page) =>
      page['items'].map((item: { metadata: { name: string } }) => item.metadata.name),
    )
    expect(names).toEqual(['a', 'b', 'c', 'd', 'e'])
    expect(next['items'][0].data).toEqual({})
    expect(first['metadata']).toMatchObject({ remainingItemCount: 3 })
    expect([next, last].map((page) => page['metadata'].resourceVersion)).toEqual(
      Array(2).fill(first['metadata'].resourceVersion),
    )
    for (let change = 0; change < 100; change++) put('a', { n: String(change) })
    expect((await server.request(`${maps}?limit=2&continue=${first['metadata'].continue}`)).code).toBe(410)
  })

  test('at an exact version shows that version', async () => {
    const version = put('a', { n: '1' })
    put('a', { n: '2' })
    put('b')
    const { body } = await server.request(`${maps}?resourceVersion=${version}&resourceVersionMatch=Exact`)
    expect(body['items'].map((item: { data: object }) => item.data)).toEqual([{ n: '1' }])
    const future = await server.request(`${maps}?resourceVersion=999999`)
    expect(future).toMatchObject({ code: 504, body: { details: { causes: [{ reason: 'ResourceVersionTooLarge' }] } } })
  })

  test('of deletions by uid and version keeps its word', async () => {
    const version = put('a')
    const refuse = async (preconditions: object): Promise<number> =>
      (await server.request(`${maps}/a`, { method: 'DELETE', body: { preconditions } })).code
    expect(await refuse({ uid: 'other' })).toBe(409)
    expect(await refuse({ resourceVersion: '1' })).toBe(409)
    expect(await refuse({ resourceVersion: version })).toBe(200)
  })
})
