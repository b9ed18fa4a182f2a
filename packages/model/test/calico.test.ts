import { expect, test } from 'vitest'
import { parseBgpConfiguration, parseBgpPeer, parseFelixConfiguration, parseIPPool } from '../src/index.ts'

const object = (spec: unknown): { metadata: { name: string }; spec: unknown } => ({ metadata: { name: 'x' }, spec })

test('an IPPool gets its defaults by family', () => {
  expect(parseIPPool(object({ cidr: '10.244.0.0/16' }))).toMatchObject({
    value: {
      blockSize: 26,
      natOutgoing: false,
      disabled: false,
      allowedUses: ['Workload', 'Tunnel'],
      assignmentMode: 'Automatic',
    },
  })
  expect(parseIPPool(object({ cidr: 'fd00::/48' }))).toMatchObject({ value: { blockSize: 122 } })
})

test.for<[unknown, string[]]>([
  [{}, ['spec.cidr']],
  [{ cidr: '10.1.2.3/16' }, ['spec.cidr']],
  [{ cidr: '169.254.0.0/16' }, ['spec.cidr']],
  [{ cidr: '10.0.0.0/27', blockSize: 26 }, ['spec.blockSize']],
  [{ cidr: '10.0.0.0/8', blockSize: 19 }, ['spec.blockSize']],
  [{ cidr: '10.0.0.0/8', ipipMode: 'Always', vxlanMode: 'Never' }, ['spec.ipipMode']],
  [{ cidr: '10.0.0.0/8', nodeSelector: '((' }, ['spec.nodeSelector']],
  [{ cidr: '10.0.0.0/8', allowedUses: ['LoadBalancer'], natOutgoing: 'yes' }, ['spec.natOutgoing', 'spec.allowedUses']],
  [{ cidr: '10.0.0.0/8', zone: 'x' }, ['spec.zone']],
  ['text', ['spec', 'spec.cidr']],
])('IPPool %j: wrong are %j', ([spec, fields]) => {
  const parsed = parseIPPool(object(spec))
  expect('errors' in parsed ? parsed.errors.map(({ field }) => field) : []).toEqual(fields)
})

test.for<[unknown, unknown]>([
  [
    { peerIP: '10.0.0.1', asNumber: 65001 },
    { peerPort: 179, asNumber: 65001 },
  ],
  [
    { peerIP: '10.0.0.1:1790', asNumber: '1.1' },
    { peerPort: 1790, asNumber: 65537 },
  ],
  [{ peerIP: '[fd00::1]:1790', asNumber: 1 }, { peerPort: 1790 }],
  [{ peerIP: 'fd00::1', asNumber: 1 }, { peerPort: 179 }],
  [{ peerSelector: 'has(rr)' }, { peerIp: undefined, asNumber: undefined }],
])('BGPPeer %j', ([spec, expected]) => {
  expect(parseBgpPeer(object(spec))).toMatchObject({ value: expected })
})

test.for<[unknown, string[]]>([
  [{}, ['spec.peerIP']],
  [{ peerIP: '10.0.0.1' }, ['spec.asNumber']],
  [{ peerIP: '10.0.0.1:0', asNumber: 0 }, ['spec.peerIP', 'spec.asNumber', 'spec.peerIP']],
  [{ peerIP: '10.0.0.1', asNumber: 1, password: {} }, ['spec.password']],
  [{ peerIP: '10.0.0.1', asNumber: 1, node: 'a', nodeSelector: 'all()' }, ['spec.nodeSelector']],
])('BGPPeer %j: wrong are %j', ([spec, fields]) => {
  const parsed = parseBgpPeer(object(spec))
  expect('errors' in parsed ? parsed.errors.map(({ field }) => field) : []).toEqual(fields)
})

test('BGPConfiguration and FelixConfiguration: defaults, durations, refusals', () => {
  expect(parseBgpConfiguration(object({}))).toEqual({
    value: { asNumber: 64512, nodeToNodeMeshEnabled: true, listenPort: 179 },
  })
  expect(parseBgpConfiguration(object({ listenPort: 0 }))).toHaveProperty('errors')
  expect(parseFelixConfiguration(object({ routeRefreshInterval: '1m30s' }))).toMatchObject({
    value: { routeRefreshIntervalMs: 90_000 },
  })
  expect(parseFelixConfiguration(object({ bpfEnabled: true, ipsetsRefreshInterval: 'soon' }))).toMatchObject({
    errors: [{ field: 'spec.bpfEnabled' }, { field: 'spec.ipsetsRefreshInterval' }],
  })
})
