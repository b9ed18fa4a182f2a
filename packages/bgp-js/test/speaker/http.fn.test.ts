import { expect, test } from 'vitest'
import { type RunningSpeaker, runSpeaker } from '../../src/index.ts'
import { silentLog } from '../../src/speaker/ports.ts'
import { eventually } from '../interop/eventually.ts'
import { parseExposition } from './exposition.ts'
import { established, freshAddress, ipv6Of, PORT, peer, Speakers } from './loopback.ts'

interface Answer {
  readonly status: number
  readonly type: string | null
  readonly text: string
  readonly json: Record<string, unknown>
}

async function ask({ http }: RunningSpeaker, path: string): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${http?.port}${path}`)
  const text = await response.text()
  const type = response.headers.get('content-type')
  const json = type === 'application/json' ? (JSON.parse(text) as Record<string, unknown>) : {}
  return { status: response.status, type, text, json }
}

async function run(address: string, more: object): Promise<RunningSpeaker & AsyncDisposable> {
  const listen = { address, port: PORT }
  const config = { asn: 65001, routerId: address, listen, nextHop: { ipv6: ipv6Of(address) }, http: '127.0.0.1:0' }
  const running = await runSpeaker({ ...config, ...more }, { log: silentLog })
  return { ...running, [Symbol.asyncDispose]: async () => running.stop() }
}

const NETWORKS = Array.from({ length: 25 }, (_, n) => `10.${n}.0.0/16`)

test('every path of the endpoint answers', async () => {
  const [a, b, c] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  await using running = await run(a, {
    networks: [...NETWORKS, 'fd00::/64'],
    neighbors: [peer(b, 65002, { maxPrefixes: 100 }), peer(c, 65003, { passive: true })],
  })
  expect(await ask(running, '/readyz')).toMatchObject({
    status: 503,
    json: { ready: false, reasons: ['none of 2 peers is Established'] },
  })
  await speakers.start(b, 65002, { networks: ['10.99.0.0/16'], neighbors: [peer(a, 65001)] })
  await established(running.speaker, b)
  await eventually('routes are there', async () => running.speaker.explain('10.99.0.0/16').exact !== undefined)
  expect(await ask(running, '/healthz')).toMatchObject({ status: 200, json: { status: 'ok', asn: 65001 } })
  expect(await ask(running, '/readyz')).toMatchObject({ status: 200, json: { ready: true, reasons: [] } })
  expect(await ask(running, '/peers')).toMatchObject({
    status: 200,
    json: {
      peers: [
        { address: b, state: 'Established' },
        { address: c, problem: 'waiting for the peer to dial' },
      ],
    },
  })
  expect(await ask(running, `/peers/${b}`)).toMatchObject({
    status: 200,
    json: { address: b, notAdvertised: { ipv4: { locRib: 26, reasons: { cameFromPeer: 1 } } } },
  })
  expect(await ask(running, '/explain?prefix=10.99.1.1')).toMatchObject({
    status: 200,
    json: { query: '10.99.1.1/32', longestMatch: { prefix: '10.99.0.0/16', candidates: [{ learnedFrom: b }] } },
  })
  expect(await ask(running, '/rpki')).toMatchObject({ status: 200, json: { caches: [] } })
  expect(await ask(running, '/bmp')).toMatchObject({ status: 200, json: { stations: [] } })
})

test('routes: a filter for each thing, and pages that together are the whole', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  await using running = await run(a, { networks: [...NETWORKS, 'fd00::/64'], neighbors: [peer(b, 65002)] })
  await speakers.start(b, 65002, { networks: ['10.99.0.0/16'], neighbors: [peer(a, 65001)] })
  const tables = { locRib: 27, adjRibIn: 1, adjRibOut: 26 }
  const sizes = (json: Record<string, unknown>): Record<string, number> =>
    Object.fromEntries(Object.keys(tables).map((table) => [table, (json[table] as unknown[]).length]))
  const whole = await eventually('everything was sent', async () => {
    const { json } = await ask(running, '/routes')
    return sizes(json)['adjRibOut'] === tables.adjRibOut && sizes(json)['adjRibIn'] === 1 ? json : undefined
  })
  expect(sizes(whole)).toEqual(tables)
  expect(whole).toMatchObject({ truncated: false, next: null })
  const collected: Record<string, unknown[]> = { locRib: [], adjRibIn: [], adjRibOut: [] }
  let pages = 0
  /* oxlint-disable no-await-in-loop -- one page after the other */
  for (let after = ''; pages < 99; pages++) {
    const { json } = await ask(running, `/routes?limit=7${after}`)
    for (const table of Object.keys(tables)) collected[table]?.push(...(json[table] as unknown[]))
    if (json['next'] === null) break
    expect(json['truncated']).toBe(true)
    after = `&after=${json['next'] as string}`
  }
  expect(pages).toBe(7)
  expect(collected).toEqual({ locRib: whole['locRib'], adjRibIn: whole['adjRibIn'], adjRibOut: whole['adjRibOut'] })
  const count = async (query: string): Promise<unknown> => Object.values(sizes((await ask(running, query)).json))
  expect(await count('/routes?table=adjRibOut')).toEqual([0, 0, 26])
  expect(await count('/routes?family=ipv6')).toEqual([1, 0, 1])
  expect(await count(`/routes?peer=${b}`)).toEqual([0, 1, 26])
  expect(await count('/routes?prefix=10.99.0.0/16')).toEqual([1, 1, 1])
})

test('what is wrong with a request is said by name', async () => {
  await using running = await run(freshAddress(), {})
  for (const [path, status, error] of [
    ['/routes?prefix=10.1', 400, /prefix/],
    ['/routes?family=9&limit=0&colour=red', 400, /family must be ipv4.*limit must be.*no parameter colour/],
    ['/routes?table=rib', 400, /table must be locRib, adjRibIn, adjRibOut/],
    ['/routes?after=x', 400, /after must be/],
    ['/routes?peer=10.9.9.9', 400, /no peer 10\.9\.9\.9/],
    ['/routes?limit=1&limit=2', 400, /limit is there twice/],
    ['/explain', 400, /prefix is missing/],
    ['/explain?prefix=10.0.0.0/99', 400, /prefix/],
    ['/peers?state=up', 400, /no parameter state/],
    ['/peers/10.9.9.9', 404, /no peer 10\.9\.9\.9/],
    ['/peers/%', 404, /no peer/],
    ['/constructor', 404, /nothing at/],
  ] as const) {
    const answer = await ask(running, path)
    expect([path, answer.status]).toEqual([path, status])
    expect(answer.json['error']).toMatch(error)
  }
})

test('metrics are what Prometheus reads, for every peer and family, and passwords are nowhere', async () => {
  const [a, b, c] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const listen = { address: a, port: PORT }
  const config = { asn: 65001, routerId: a, listen, http: '127.0.0.1:0', networks: NETWORKS }
  const socketOptions = {
    open: (): never => {
      throw new Error('not here')
    },
    apply: () => undefined,
  }
  const neighbors = [peer(b, 65002), peer(c, 65003, { password: 'sesame' })]
  const started = await runSpeaker({ ...config, neighbors }, { log: silentLog, socketOptions })
  await using running = { ...started, [Symbol.asyncDispose]: async () => started.stop() }
  const other = await speakers.start(b, 65002, { networks: ['10.99.0.0/16'], neighbors: [peer(a, 65001)] })
  await established(running.speaker, b)
  const read = async (): Promise<(name: string, labels?: object) => number[]> => {
    const { type, text } = await ask(running, '/metrics')
    expect(type).toBe('text/plain; version=0.0.4; charset=utf-8')
    const samples = parseExposition(text)
    return (name, labels = {}) =>
      samples
        .filter((sample) => sample.name === name)
        .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels[key] === value))
        .map(({ value }) => value)
  }
  const get = await eventually('the table was sent', async () => {
    const now = await read()
    return now('bgp_peer_prefixes_received', { peer: b, family: 'ipv4' })[0] === 1 &&
      now('bgp_peer_convergence_seconds', { peer: b }).length === 2
      ? now
      : undefined
  })
  expect(get('bgp_peer_state', { peer: b, asn: '65002' })).toEqual([6])
  expect(get('bgp_peer_up')).toEqual([1, 0])
  expect(get('bgp_peer_prefixes_accepted', { peer: b, family: 'ipv4' })).toEqual([1])
  expect(get('bgp_peer_prefixes_advertised', { peer: b, family: 'ipv4' })).toEqual([25])
  expect(get('bgp_peer_queue_depth', { peer: b })).toEqual([0, 0])
  expect(get('bgp_peer_messages_total', { peer: b, direction: 'received', type: 'open' })).toEqual([1])
  expect(get('bgp_peer_messages_total', { peer: b })).toHaveLength(10)
  expect(get('bgp_loc_rib_prefixes', { family: 'ipv4' })).toEqual([26])
  expect(get('bgp_update_groups', { family: 'ipv4' })).toEqual([1])
  await other.stop()
  const error = { peer: b, direction: 'received', code: '6', error: 'Cease/Hard Reset (Cease/Administrative Shutdown)' }
  await eventually('the flap is counted', async () => {
    const now = await read()
    return now('bgp_peer_flaps_total', { peer: b })[0] === 1 && now('bgp_peer_last_error_timestamp_seconds', error)[0]
  })
  for (const path of ['/peers', `/peers/${c}`, '/metrics', '/routes']) {
    expect((await ask(running, path)).text).not.toContain('sesame')
  }
})
