import { expect, test } from 'vitest'
import { compilePolicy } from '../../src/policy/compile-policy.ts'
import type { Policy } from '../../src/policy/policy.ts'
import type { PolicyRoute, RoutePolicy } from '../../src/policy/policy-route.ts'
import { type ExportTarget, RouteExporter } from '../../src/rib/export-rules.ts'
import { type ImportContext, normalizeImport, refuseImport } from '../../src/rib/import-rules.ts'
import { OutBlockStore } from '../../src/rib/out-block.ts'
import type { PathSource } from '../../src/rib/path.ts'
import {
  originatedAttributes,
  parseCommunity,
  parseLargeCommunity,
  viewAttributes,
} from '../../src/rib/route-attributes.ts'
import { type PathAttributes, WellKnownCommunity } from '../../src/wire/path-attributes.ts'
import { decodeRouteAttributes } from '../../src/wire/resolve-update.ts'
import { attributes, source, world } from './paths.ts'

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
const member: ImportContext = { ...context, kind: 'confederation', peerAsn: 64602 }
const CONFEDERATION = [{ type: 'confedSequence', asns: [64602] }] as const
const LOCAL_AS = { asn: 65099, prependOnImport: true, replacesOwn: false }
const otc = (onlyToCustomer: number) => attributes({ onlyToCustomer })
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
  ['asLoop', 'the AS that we show this peer', via(65002, 65099), { ...context, localAs: LOCAL_AS }],
  ['asLoop', 'our confederation', via(65002, 65500), { ...context, confederationId: 65500 }],
  ['confederationFromOutside', 'confederation segments from outside', attributes({ asPath: CONFEDERATION }), context],
  [undefined, 'confederation segments from inside', attributes({ asPath: CONFEDERATION }), member],
  ['firstAsMismatch', 'no confederation segment first from inside', via(65002), member],
  ['routeLeak', 'a customer passes on what was meant for customers', otc(7), { ...context, role: 'provider' }],
  ['routeLeak', 'a client passes on what was meant for customers', otc(7), { ...context, role: 'rs' }],
  ['routeLeak', 'a peer passes on what came from above it', otc(7), { ...context, role: 'peer' }],
  [undefined, "a peer's own mark", otc(65002), { ...context, role: 'peer' }],
  [undefined, 'a mark from our provider', otc(7), { ...context, role: 'customer' }],
  ['clusterLoop', 'our cluster in CLUSTER_LIST', attributes({ asPath: [], clusterList: ['192.0.2.200'] }), internal],
] as const)('import %s: %s', ([expected, , route, where]) => {
  expect(refuseImport(route, where)).toBe(expected)
})

test('what import changes by itself: OTC, local-as, graceful shutdown', () => {
  const route = attributes()
  expect(normalizeImport(route, context)).toBe(route)
  for (const role of ['customer', 'peer', 'rs-client'] as const) {
    expect(normalizeImport(route, { ...context, role })).toEqual({ ...route, onlyToCustomer: 65002 })
    expect(normalizeImport(otc(9), { ...context, role })).toEqual(otc(9))
  }
  expect(normalizeImport(route, { ...context, role: 'provider' })).toBe(route)
  expect(normalizeImport(route, { ...context, localAs: LOCAL_AS })).toEqual(via(65099, 65002))
  const leaving = attributes({ communities: [WellKnownCommunity.GracefulShutdown], localPref: 300 })
  expect(normalizeImport(leaving, context)).toEqual({ ...leaving, localPref: 0 })
  expect(normalizeImport(leaving, internal)).toBe(leaving)
})

const target: ExportTarget = {
  kind: 'external',
  localAsn: 65001,
  localAs: undefined,
  confederationId: undefined,
  client: false,
  clusterId: '192.0.2.200',
  nextHopSelf: false,
  nextHopUnchanged: false,
  ownNextHop: { 4: '10.9.3.2' },
  ownLinkLocal: undefined,
  defaultLocalPref: 100,
  removePrivateAs: false,
  role: undefined,
  longLived: false,
  drain: false,
  refuseAll: false,
  wire: { fourOctetAs: true, internal: false },
  maxOctets: 4096,
}
const ibgp: ExportTarget = { ...target, kind: 'internal' }
const external = source('10.9.0.1')
const fromInside = source('10.9.1.1', { kind: 'internal', asn: 65001 })
const client = source('10.9.2.1', { kind: 'internal', asn: 65001, client: true })
const local = source('local', { kind: 'local', asn: 65001 })
const POLICY_PEER = { address: '10.9.3.1', asn: 65003, type: 'eBGP', localAsn: 65001 } as const

/** An exporter over a table with one route in it. */
function exporter(
  to: ExportTarget,
  from: PathSource,
  more: Partial<PathAttributes> = {},
  policy?: RoutePolicy | Policy,
) {
  const { locRib, peer } = world()
  const rib = locRib.family(4)
  const announcer = peer(from)
  announcer.announce('10.0.0.0/24', attributes(more))
  const compiled = policy === undefined ? undefined : compilePolicy(policy, 'export')
  const routes = new RouteExporter(to, { compiled, peer: POLICY_PEER }, rib, new OutBlockStore())
  const best = (prefix: string): number => rib.best(announcer.number(prefix, false))
  return { locRib, routes, announcer, best }
}

function exported(
  to: ExportTarget,
  from: PathSource,
  more: Partial<PathAttributes> = {},
  policy?: RoutePolicy | Policy,
) {
  const { routes, best } = exporter(to, from, more, policy)
  const block = routes.export(best('10.0.0.0/24'))
  return typeof block === 'string' ? block : decodeRouteAttributes(block, block.nextHop, to.wire)
}

test('a result is of one source: another peer under its index, or the same with another nature, has its own', () => {
  const { locRib, routes, announcer, best } = exporter(ibgp, client)
  const route = (): unknown => {
    const block = routes.export(best('10.0.0.0/24'))
    return typeof block === 'string' ? block : decodeRouteAttributes(block, block.nextHop, ibgp.wire)
  }
  expect(route()).toMatchObject({ originatorId: client.id })
  locRib.replaceSource(announcer.index, { ...client, routerId: fromInside.routerId })
  expect(route()).toMatchObject({ originatorId: fromInside.id })
  locRib.replaceSource(announcer.index, fromInside)
  expect(route()).toBe('internalToInternal')
})

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
  ['internalToInternal', 'iBGP to iBGP', ibgp, fromInside, {}],
  ['noAdvertise', 'no-advertise', ibgp, external, { communities: [WellKnownCommunity.NoAdvertise] }],
  ['noExport', 'no-export to the outside', target, external, { communities: [WellKnownCommunity.NoExport] }],
  ['noExport', 'no-export-subconfed', target, external, { communities: [WellKnownCommunity.NoExportSubconfed] }],
  ['noPolicy', 'RFC 8212', { ...target, refuseAll: true }, external, {}],
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
  expect(exported(target, external, { med: 5 }, policy)).toMatchObject({
    med: 42,
    asPath: [{ asns: [65001, 65001, 65001, 65002] }],
  })
})

test('an export policy may refuse', () => {
  expect(exported(target, external, {}, () => undefined)).toBe('policy')
})

test('routes that share attributes share the result', () => {
  const { routes, announcer, best } = exporter(target, external)
  announcer.announce('10.7.0.0/16', attributes())
  expect(routes.export(best('10.7.0.0/16'))).toBe(routes.export(best('10.0.0.0/24')))
})

test('attributes that fit no message are refused', () => {
  const communities = Array.from({ length: 1000 }, (_, index) => index)
  expect(exported(target, external, { communities })).toBe('attributesTooLong')
  expect(exported({ ...target, maxOctets: 65_535 }, external, { communities })).toMatchObject({ communities })
})

test.for([
  ['provider', { asPath: [{ type: 'sequence', asns: [65001, 65002] }], onlyToCustomer: 65001 }],
  ['peer', { onlyToCustomer: 65001 }],
  ['rs', { onlyToCustomer: 65001 }],
] as const)('RFC 9234: towards a customer, peer or client (we are its %s) routes are marked', ([role, expected]) => {
  expect(exported({ ...target, role }, external)).toMatchObject(expected)
  const marked = exported({ ...target, role }, external, { onlyToCustomer: 7 })
  expect(marked).toEqual(role === 'peer' ? 'onlyToCustomer' : expect.objectContaining({ onlyToCustomer: 7 }))
})

test.for(['customer', 'rs-client'] as const)('RFC 9234: a %s sends no marked route up', (role) => {
  expect(exported({ ...target, role }, external, { onlyToCustomer: 7 })).toBe('onlyToCustomer')
  expect(exported({ ...target, role }, external)).not.toHaveProperty('onlyToCustomer')
})

test('RFC 8326: a session that drains says so, and is the last choice inside', () => {
  const communities = [1, WellKnownCommunity.GracefulShutdown]
  expect(exported({ ...target, drain: true }, external, { communities: [1] })).toMatchObject({ communities })
  expect(exported({ ...ibgp, drain: true }, external, { localPref: 200 })).toMatchObject({ localPref: 0 })
})

test('RFC 9494: a stale route goes to those alone who know the mark', () => {
  const stale = { communities: [WellKnownCommunity.LlgrStale] }
  expect(exported(target, external, stale)).toBe('longLivedStale')
  expect(exported({ ...target, longLived: true }, external, stale)).toMatchObject(stale)
})

test('RFC 5065: confederation segments inside, none outside', () => {
  const inside: ExportTarget = { ...target, kind: 'confederation', localAsn: 64601, confederationId: 65001 }
  const asPath = [
    { type: 'confedSequence', asns: [64602] },
    { type: 'sequence', asns: [65009] },
  ] as const
  const member = source('10.9.4.1', { kind: 'confederation', asn: 64602 })
  expect(exported(inside, member, { asPath, med: 5, localPref: 70 })).toEqual({
    origin: 0,
    nextHop: '10.9.0.1',
    med: 5,
    localPref: 70,
    asPath: [{ type: 'confedSequence', asns: [64601, 64602] }, asPath[1]],
  })
  const outside: ExportTarget = { ...inside, kind: 'external' }
  expect(exported(outside, member, { asPath })).toMatchObject({ asPath: [{ type: 'sequence', asns: [65001, 65009] }] })
  const subconfed = { communities: [WellKnownCommunity.NoExportSubconfed] }
  expect(exported(inside, external, subconfed)).toBe('noExport')
  expect(exported(inside, external, { communities: [WellKnownCommunity.NoExport] })).toMatchObject({ localPref: 100 })
})

test.for([
  ['behind it', { asn: 65099, prependOnImport: true, replacesOwn: false }, [65099, 65001, 65002]],
  ['hidden', { asn: 65099, prependOnImport: true, replacesOwn: true }, [65099, 65002]],
] as const)('local-as: our own AS %s', ([, localAs, asns]) => {
  expect(exported({ ...target, localAs }, external)).toMatchObject({ asPath: [{ asns }] })
})

test.for([
  ['all', [65001, 3356, 174]],
  ['replace', [65001, 3356, 65001, 174]],
] as const)('remove-private-as: %s', ([removePrivateAs, asns]) => {
  const asPath = [{ type: 'sequence', asns: [3356, 64512, 174] }] as const
  expect(exported({ ...target, removePrivateAs }, external, { asPath })).toMatchObject({ asPath: [{ asns }] })
})

test('an IPv6 next hop for IPv4 (RFC 8950), with the link-local one of our own beside it', () => {
  const own = { ...target, ownNextHop: { 4: 'fd00::2', 6: 'fd00::2' }, ownLinkLocal: 'fe80::2' }
  const { routes, best } = exporter(own, external)
  expect(routes.export(best('10.0.0.0/24'))).toMatchObject({
    nextHop: 'fd00::2',
    mpNextHop: expect.stringMatching(/^.{32}$/su),
  })
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
  expect(list.evaluate(route, peer)).toBe(accepted ? route.attributes : undefined)
  expect(compilePolicy({ rules: [], default: 'accept' }).evaluate(route, peer)).toBe(route.attributes)
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

test.for([
  ['self', ibgp, '10.9.3.2'],
  ['unchanged', target, '10.9.0.1'],
  ['10.7.0.1', target, '10.7.0.1'],
  ['10.7.0.1', { ...ibgp, nextHopSelf: 'force' } as const, '10.7.0.1'],
] as const)('an export policy sets the next hop: %s', ([setNextHop, to, nextHop]) => {
  const policy: Policy = { rules: [{ actions: [{ setNextHop }], then: 'accept' }] }
  expect(exported(to, external, {}, policy)).toMatchObject({ nextHop })
})
