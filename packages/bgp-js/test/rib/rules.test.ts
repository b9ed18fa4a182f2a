import { expect, test } from 'vitest'
import { type ExportTarget, RouteExporter } from '../../src/rib/export-rules.ts'
import { type ImportContext, refuseImport } from '../../src/rib/import-rules.ts'
import { compilePolicy, type PolicyRoute } from '../../src/rib/policy.ts'
import {
  originatedAttributes,
  parseCommunity,
  parseLargeCommunity,
  viewAttributes,
} from '../../src/rib/route-attributes.ts'
import { WellKnownCommunity } from '../../src/wire/path-attributes.ts'
import { attributes, path, source } from './paths.ts'

const context: ImportContext = {
  localAsn: 65001,
  peerAsn: 65002,
  kind: 'external',
  routerId: '192.0.2.1',
  clusterId: '192.0.2.200',
  localAddress: '10.9.0.2',
  allowOwnAs: 0,
  enforceFirstAs: true,
}
const internal: ImportContext = { ...context, kind: 'internal', peerAsn: 65001 }
const via = (...asns: number[]) => attributes({ asPath: [{ type: 'sequence', asns }] })

test.for([
  [undefined, 'a good route', attributes(), context],
  ['asLoop', 'our AS in the path', via(65002, 65001), context],
  [undefined, 'our AS once, and once is allowed', via(65002, 65001), { ...context, allowOwnAs: 1 }],
  ['asLoop', 'our AS twice, and once is allowed', via(65002, 65001, 65001), { ...context, allowOwnAs: 1 }],
  ['firstAsMismatch', 'another AS first', via(65003), context],
  ['firstAsMismatch', 'no AS at all from outside', attributes({ asPath: [] }), context],
  [undefined, 'a route server', via(65003), { ...context, enforceFirstAs: false }],
  ['nextHopIsSelf', 'our own address as next hop', attributes({ nextHop: '10.9.0.2' }), context],
  [undefined, 'no AS from inside', attributes({ asPath: [] }), internal],
  ['originatorLoop', 'our own ORIGINATOR_ID', attributes({ asPath: [], originatorId: '192.0.2.1' }), internal],
  ['clusterLoop', 'our cluster in CLUSTER_LIST', attributes({ asPath: [], clusterList: ['192.0.2.200'] }), internal],
] as const)('import %s: %s', ([expected, , route, where]) => {
  expect(refuseImport(route, where)).toBe(expected)
})

const target: ExportTarget = {
  id: '10.9.3.1',
  kind: 'external',
  localAsn: 65001,
  peer: { address: '10.9.3.1', asn: 65003, type: 'eBGP', localAsn: 65001 },
  client: false,
  clusterId: '192.0.2.200',
  nextHopSelf: false,
  nextHopUnchanged: false,
  ownNextHop: { 4: '10.9.3.2' },
  defaultLocalPref: 100,
  refuseAll: false,
  policy: undefined,
}
const ibgp: ExportTarget = { ...target, kind: 'internal', peer: { ...target.peer, asn: 65001, type: 'iBGP' } }
const external = source('10.9.0.1')
const fromInside = source('10.9.1.1', { kind: 'internal', asn: 65001 })
const client = source('10.9.2.1', { kind: 'internal', asn: 65001, client: true })
const local = source('local', { kind: 'local', asn: 65001 })
const exported = (to: ExportTarget, ...of: Parameters<typeof path>) => new RouteExporter(to).export(path(...of))

test('to an external peer: our AS in front, our next hop, no LOCAL_PREF, no MED of others, no reflection marks', () => {
  const route = { localPref: 200, med: 5, originatorId: '1.1.1.1', clusterList: ['2.2.2.2'], communities: [1] }
  expect(exported(target, external, route)).toEqual({
    origin: 0,
    asPath: [{ type: 'sequence', asns: [65001, 65002] }],
    nextHop: '10.9.3.2',
    communities: [1],
  })
  expect(exported(target, local, { asPath: [], nextHop: '0.0.0.0', med: 5 })).toEqual({
    origin: 0,
    asPath: [{ type: 'sequence', asns: [65001] }],
    nextHop: '10.9.3.2',
    med: 5,
  })
})

test('to an internal peer: LOCAL_PREF, next hop and MED as they are', () => {
  expect(exported(ibgp, external, { med: 5, nextHopLinkLocal: 'fe80::1' })).toEqual({
    origin: 0,
    asPath: [{ type: 'sequence', asns: [65002] }],
    nextHop: '10.9.0.1',
    med: 5,
    localPref: 100,
  })
})

test.for([
  ['kept towards iBGP', ibgp, external, '10.9.0.1'],
  ['self where asked for', { ...ibgp, nextHopSelf: true }, external, '10.9.3.2'],
  ['kept for reflected routes even then', { ...ibgp, nextHopSelf: true }, client, '10.9.0.1'],
  ['self by force', { ...ibgp, nextHopSelf: 'force' }, client, '10.9.3.2'],
  ['self towards eBGP', target, external, '10.9.3.2'],
  ['kept towards eBGP where asked for', { ...target, nextHopUnchanged: true }, external, '10.9.0.1'],
] as const)('next hop %s', ([, to, from, expected]) => {
  expect(exported(to, from)).toMatchObject({ nextHop: expected })
})

test.for([
  ['cameFromPeer', 'split horizon', target, source('10.9.3.1'), {}],
  ['internalToInternal', 'iBGP to iBGP', ibgp, fromInside, {}],
  ['noAdvertise', 'no-advertise', ibgp, external, { communities: [WellKnownCommunity.NoAdvertise] }],
  ['noExport', 'no-export to the outside', target, external, { communities: [WellKnownCommunity.NoExport] }],
  ['noExport', 'no-export-subconfed', target, external, { communities: [WellKnownCommunity.NoExportSubconfed] }],
  ['noPolicy', 'RFC 8212', { ...target, refuseAll: true }, external, {}],
  ['policy', 'policy', { ...target, policy: () => undefined }, external, {}],
  ['nextHopIsPeer', 'the peer is the next hop', ibgp, external, { nextHop: '10.9.3.1' }],
  ['noOwnNextHop', 'no address of our own', { ...target, ownNextHop: {} }, external, {}],
] as const)('not exported (%s): %s', ([expected, , to, from, route]) => {
  expect(exported(to, from, route)).toBe(expected)
})

test('no-export goes to internal peers', () => {
  expect(exported(ibgp, external, { communities: [WellKnownCommunity.NoExport] })).toMatchObject({ localPref: 100 })
})

test.for([
  ['client to non-client', ibgp, client],
  ['client to client', { ...ibgp, client: true }, client],
  ['non-client to client', { ...ibgp, client: true }, fromInside],
] as const)('reflected: %s (RFC 4456)', ([, to, from]) => {
  expect(exported(to, from)).toMatchObject({
    originatorId: from.id,
    clusterList: ['192.0.2.200'],
    nextHop: '10.9.0.1',
  })
  expect(exported(to, from, { originatorId: '1.1.1.1', clusterList: ['2.2.2.2'] })).toMatchObject({
    originatorId: '1.1.1.1',
    clusterList: ['192.0.2.200', '2.2.2.2'],
  })
})

test('an export policy may set a MED, and prepends land behind our own AS', () => {
  const policy = (route: PolicyRoute) => ({
    attributes: {
      ...route.attributes,
      med: 42,
      asPath: [{ type: 'sequence', asns: [65001, 65001, 65002] }] as const,
    },
  })
  expect(exported({ ...target, policy }, external, { med: 5 })).toMatchObject({
    med: 42,
    asPath: [{ asns: [65001, 65001, 65001, 65002] }],
  })
})

test('routes that share attributes share the result', () => {
  const exporter = new RouteExporter(target)
  const one = path(external)
  const other = { ...one, key: path(external, {}, '10.7.0.0/16').key }
  expect(exporter.export(other)).toBe(exporter.export(one))
})

test('a full segment of 255 AS numbers gets another one in front', () => {
  const full = { type: 'sequence', asns: Array.from({ length: 255 }, () => 65002) } as const
  const result = exported(target, external, { asPath: [full] })
  expect(result).toMatchObject({ asPath: [{ asns: [65001] }, full] })
})

const list = compilePolicy({
  rules: [
    { action: 'reject', prefix: '10.1.0.0/16', minLength: 24 },
    { action: 'accept', prefix: '10.0.0.0/8', minLength: 8, maxLength: 24 },
    { action: 'accept', prefix: 'fd00::/48' },
  ],
})

test.for([
  ['10.0.0.0/8', true],
  ['10.2.3.0/24', true],
  ['10.2.3.0/25', false],
  ['10.1.0.0/16', true],
  ['10.1.2.0/24', false],
  ['10.1.2.3/32', false],
  ['192.0.2.0/24', false],
  ['fd00::/48', true],
  ['fd00::/64', false],
] as const)('prefix list: %s %s', ([prefix, accepted]) => {
  const family = prefix.includes(':') ? 6 : 4
  const route: PolicyRoute = { prefix, family, attributes: attributes(), source: 'external', sourceAddress: 'x' }
  const peer = { address: 'x', asn: 1, type: 'eBGP', localAsn: 2 } as const
  expect(list(route, peer)).toBe(accepted ? route : undefined)
  expect(compilePolicy({ rules: [], default: 'accept' })(route, peer)).toBe(route)
})

test('attributes as people write and read them', () => {
  const route = originatedAttributes(
    { origin: 'incomplete', med: 3, communities: ['65001:77', 'no-export'], largeCommunities: ['1:2:3'] },
    6,
  )
  expect(viewAttributes(route)).toEqual({
    origin: 'incomplete',
    asPath: '',
    nextHop: '::',
    med: 3,
    communities: ['65001:77', 'no-export'],
    largeCommunities: ['1:2:3'],
  })
  const asPath = [
    { type: 'sequence', asns: [1, 2] },
    { type: 'set', asns: [3, 4] },
    { type: 'confedSequence', asns: [5] },
    { type: 'confedSet', asns: [6] },
  ] as const
  expect(viewAttributes(attributes({ asPath })).asPath).toBe('1 2 {3 4} (5) [6]')
  expect(() => originatedAttributes({ nextHop: 'fd00::1' }, 4)).toThrow(RangeError)
  for (const bad of ['1', '1:65536', 'a:b', '1:2:3', ':']) expect(() => parseCommunity(bad)).toThrow(RangeError)
  expect(() => parseLargeCommunity('1:2')).toThrow(RangeError)
})
