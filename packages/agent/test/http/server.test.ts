import { CLUSTER_TABLES } from '@margay/model'
import type { FastifyInstance } from 'fastify'
import { pino } from 'pino'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type AgentView, buildServer } from '../../src/http/server.ts'
import { AgentMetrics } from '../../src/metrics.ts'
import { SyncTracker } from '../../src/sync-tracker.ts'

const counts = { received: 1, accepted: 2, advertised: 3, stale: 4, pending: 5 }
const PEERS = {
  node: 'node1',
  asn: 64512,
  routerId: '10.0.0.1',
  peers: [
    {
      address: '10.0.0.2',
      asn: 64512,
      type: 'iBGP',
      kind: 'NodeMesh',
      state: 'Established',
      since: '2026-01-01T00:00:00.000Z',
      uptimeSeconds: 5,
      routerId: '10.0.0.2',
      localAddress: '10.0.0.1',
      families: ['ipv4'],
      prefixes: { received: 1, accepted: 2, advertised: 3, ipv4: counts, ipv6: counts },
      lastError: { at: '2026-01-01T00:00:00.000Z', message: 'x' },
      timers: { holdTimeSeconds: 90, keepaliveSeconds: 30 },
      capabilities: { local: [{ code: 1, name: 'x' }], remote: [{ code: 2 }] },
      messages: { sent: { open: 1 } },
      flaps: 0,
      gracefulRestart: { restarting: false },
    },
  ],
}
const ENDPOINTS = {
  node: 'node1',
  endpoints: [
    {
      namespace: 'default',
      pod: 'a',
      interface: 'mgy0123456789a',
      addresses: ['10.0.0.1'],
      mac: '02:00:00:00:00:01',
      containerId: 'x',
      netns: '/run/netns/x',
      createdAt: '2026-01-01T00:00:00.000Z',
      ingress: { isolated: true, policies: ['ingress/default/deny'] },
      egress: { isolated: false, policies: [] },
    },
  ],
}
const BLOCKS = {
  node: 'node1',
  blocks: [
    {
      cidr: '10.0.0.0/26',
      affinity: null,
      size: 64,
      allocated: 1,
      allocations: [{ address: '10.0.0.1', handle: 'margay.x', owner: { pod: 'a' } }],
    },
  ],
}

let server: FastifyInstance
let reasons: string[] = []
const sync = new SyncTracker()

beforeAll(async () => {
  const view: AgentView = {
    nodeName: 'node1',
    bgpPeers: () => PEERS,
    bgpRoutes: (prefix) => ({ node: 'node1', inSync: true, routes: prefix === undefined ? [] : [{ prefix }] }),
    endpoints: () => ENDPOINTS,
    policies: () => Promise.reject(new Error('iptables is away')),
    ipamBlocks: () => Promise.resolve(BLOCKS),
    explain: ({ from }) => Promise.resolve({ unknown: from }),
    notReady: () => reasons,
    notAlive: () => [],
  }
  server = await buildServer({ view, sync, metrics: new AgentMetrics(), log: pino({ enabled: false }) })
})

afterAll(async () => {
  await server.close()
})

async function get(url: string): Promise<{ status: number; body: unknown }> {
  const { statusCode, body } = await server.inject(url)
  return { status: statusCode, body: body.startsWith('{') ? (JSON.parse(body) as unknown) : body }
}

test.for([
  ['/api/v1/bgp/peers', PEERS],
  ['/api/v1/endpoints', ENDPOINTS],
  ['/api/v1/ipam/blocks', BLOCKS],
] as const)('%s shows all that there is: its schema strips nothing', async ([url, whole]) => {
  expect(await get(url)).toEqual({ status: 200, body: whole })
})

test('a prefix in any spelling is looked up as the kernel writes it', async () => {
  expect(await get('/api/v1/bgp/routes?prefix=FD00:0::/64')).toMatchObject({
    body: { routes: [{ prefix: 'fd00::/64' }] },
  })
})

test.for([
  ['/api/v1/bgp/routes?prefix=x', /prefix/],
  ['/api/v1/bgp/routes?colour=red', /additional|colour/],
  ['/api/v1/ipam/blocks?all=x', /all/],
  ['/api/v1/sync', /resourceVersion/],
  ['/api/v1/sync?resourceVersion=1e3', /resourceVersion/],
  ['/api/v1/sync?resourceVersion=1&timeout=-1', /timeout/],
  ['/api/v1/explain?from=a', /to/],
  ['/api/v1/explain?from=a&to=b&port=99999', /port/],
] as const)('%s is a bad request that names the field', async ([url, field]) => {
  const { status, body } = await get(url)
  expect(status).toBe(400)
  expect((body as { message: string }).message).toMatch(field)
})

test('an error of ours is a 500 with its reason, and the next request is served', async () => {
  expect(await get('/api/v1/policies')).toMatchObject({ status: 500, body: { message: 'iptables is away' } })
  expect((await get('/healthz')).status).toBe(200)
})

test('an unknown end is a 404 that names it', async () => {
  expect(await get('/api/v1/explain?from=no/where&to=1.2.3.4')).toMatchObject({
    status: 404,
    body: { message: expect.stringContaining('no/where') as string },
  })
})

test('readiness tells why not', async () => {
  reasons = ['pods are not in sync']
  expect(await get('/readyz')).toEqual({ status: 503, body: { status: 'failing', reasons } })
  reasons = []
  expect(await get('/readyz')).toEqual({ status: 200, body: { status: 'ok', reasons: [] } })
})

test('sync answers when all is programmed, or says how far it is', async () => {
  expect(await get('/api/v1/sync?resourceVersion=5&timeout=20')).toMatchObject({ status: 504 })
  const waiting = get('/api/v1/sync?resourceVersion=5')
  for (const table of CLUSTER_TABLES) sync.advance(table, '6')
  expect(await waiting).toEqual({ status: 200, body: { resourceVersion: '5', programmed: '6' } })
})

test('the OpenAPI page and the metrics are there', async () => {
  expect(await get('/docs/json')).toMatchObject({ status: 200, body: { info: { title: 'Margay agent' } } })
  expect((await get('/metrics')).body).toContain('margay_dataplane_apply_time_seconds')
  expect((await get('/api/v2')).status).toBe(404)
})
