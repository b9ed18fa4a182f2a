import { expect, test } from 'vitest'
import { compilePolicy } from '../../src/policy/compile-policy.ts'
import type { PolicyMatch, PolicySets } from '../../src/policy/policy.ts'
import type { PolicyPeer, PolicyRoute } from '../../src/policy/policy-route.ts'
import { only, PEER, routeOf } from './candidates.ts'

const SETS: PolicySets = {
  prefixSets: {
    pods: [{ prefix: '10.0.0.0/8', minLength: 16, maxLength: 26 }, '192.0.2.0/24'],
    v6: [{ prefix: '2001:db8::/32', minLength: 48 }],
  },
  communitySets: { customers: ['65001:100', '65001:1:*', 'rt:65001:*'] },
  asSets: { customers: [65_010, '65100-65199'] },
}

const matches = (match: PolicyMatch, route: PolicyRoute, peer: PolicyPeer = PEER): boolean =>
  compilePolicy(only(match, SETS)).evaluate(route, peer) !== undefined

const prefix = (text: string): PolicyRoute => routeOf({}, { prefix: text })

test.for<[PolicyMatch, string, boolean]>([
  [{ cidr: '10.1.2.0/24', matchOperator: 'Equal' }, '10.1.2.0/24', true],
  [{ cidr: '10.1.0.0/16', matchOperator: 'Equal' }, '10.1.2.0/24', false],
  [{ cidr: '10.1.2.0/24', matchOperator: 'NotEqual' }, '10.1.2.0/24', false],
  [{ cidr: '10.1.0.0/16', matchOperator: 'NotEqual' }, '10.1.2.0/24', true],
  [{ cidr: '10.1.0.0/16', matchOperator: 'In' }, '10.1.2.0/24', true],
  [{ cidr: '10.1.0.0/16' }, '10.1.0.0/16', true],
  [{ cidr: '10.1.0.0/16' }, '10.0.0.0/8', false],
  [{ cidr: '10.1.0.0/16', matchOperator: 'NotIn' }, '10.1.2.0/24', false],
  [{ cidr: '10.1.0.0/16', matchOperator: 'NotIn' }, '10.2.2.0/24', true],
  [{ cidr: '10.1.0.0/16', matchOperator: 'NotIn' }, '2001:db8::/48', false],
  [{ cidr: '10.1.0.0/16', prefixLength: { min: 24, max: 26 } }, '10.1.2.0/24', true],
  [{ cidr: '10.1.0.0/16', prefixLength: { min: 25 } }, '10.1.2.0/24', false],
  [{ cidr: '10.1.0.0/16', matchOperator: 'NotIn', prefixLength: { max: 20 } }, '10.1.2.0/24', true],
  [{ prefixLength: { max: 24 } }, '10.1.2.0/24', true],
  [{ prefixLength: { max: 23 } }, '10.1.2.0/24', false],
  [{ prefixSets: ['pods'] }, '10.1.2.0/24', true],
  [{ prefixSets: ['pods'] }, '10.1.2.0/27', false],
  [{ prefixSets: ['v6', 'pods'] }, '192.0.2.0/24', true],
  [{ prefixSets: ['v6', 'pods'] }, '192.0.2.0/25', false],
  [{ prefixSets: ['v6'] }, '2001:db8:1::/64', true],
  [{ prefixSets: ['v6'] }, '2001:db8::/40', false],
  [{ family: 'ipv6' }, '2001:db8::/48', true],
  [{ family: 'ipv6' }, '10.0.0.0/8', false],
  [{ not: { cidr: '10.1.0.0/16' } }, '10.1.2.0/24', false],
  [{ anyOf: [{ cidr: '10.2.0.0/16' }, { cidr: '10.1.0.0/16' }] }, '10.1.2.0/24', true],
  [{ anyOf: [{ cidr: '10.2.0.0/16' }, { cidr: '10.3.0.0/16' }] }, '10.1.2.0/24', false],
  [{ cidr: '10.1.0.0/16', not: { prefixLength: { min: 25 } } }, '10.1.2.0/24', true],
])('prefix: %j of %s: %s', ([match, text, expected]) => {
  expect(matches(match, prefix(text))).toBe(expected)
})

const marked = routeOf({
  communities: [65_001 * 65_536 + 100, 0xffffff01],
  largeCommunities: [[65_001, 1, 7]],
  extendedCommunities: ['0002fde900000063', '0102c000020100ff', '4300000000000000'],
  tags: ['blue', 'edge'],
})

test.for<[PolicyMatch['communities'], boolean]>([
  [{ any: ['65001:100'] }, true],
  [{ any: ['65001:101', '65001:*'] }, true],
  [{ any: ['*:100'] }, true],
  [{ any: ['65002:*'] }, false],
  [{ any: ['no-export'] }, true],
  [{ any: ['no-advertise', 'blackhole'] }, false],
  [{ all: ['65001:100', 'no-export'] }, true],
  [{ all: ['65001:100', '65001:101'] }, false],
  [{ none: ['65001:101'] }, true],
  [{ none: ['65001:*'] }, false],
  [{ any: ['65001:1:7'] }, true],
  [{ any: ['65001:*:7', '1:1:1'] }, true],
  [{ any: ['65001:1:8'] }, false],
  [{ any: ['*:*:*'], none: ['65001:2:*'] }, true],
  [{ any: ['rt:65001:99'] }, true],
  [{ any: ['rt:65001:*'] }, true],
  [{ any: ['rt:192.0.2.1:255'] }, true],
  [{ any: ['ro:65001:99'] }, false],
  [{ any: ['ext:4300000000000000'] }, true],
  [{ any: ['set:customers'] }, true],
  [{ none: ['set:customers'] }, false],
])('communities: %j: %s', ([communities, expected]) => {
  expect(matches({ communities: communities ?? {} }, marked)).toBe(expected)
  expect(matches({ communities: communities ?? {} }, routeOf())).toBe(
    communities?.none !== undefined && communities.any === undefined,
  )
})

const path = (...asns: number[]): PolicyRoute => routeOf({ asPath: [{ type: 'sequence', asns }] })
const local = routeOf({ asPath: [] }, { source: 'local', sourceAddress: 'local' })
const aggregated = routeOf({
  asPath: [
    { type: 'sequence', asns: [65_002] },
    { type: 'set', asns: [65_010, 65_011] },
  ],
})
const confederated = routeOf({
  asPath: [
    { type: 'confedSequence', asns: [64_600, 64_601] },
    { type: 'sequence', asns: [65_002] },
  ],
})

test.for<[PolicyMatch, PolicyRoute, boolean]>([
  [{ asPathPrefix: [65_002] }, path(65_002, 1), true],
  [{ asPathPrefix: [65_002, 1] }, path(65_002, 1), true],
  [{ asPathPrefix: [65_002, 1, 2] }, path(65_002, 1), false],
  [{ asPathPrefix: [1] }, path(65_002, 1), false],
  [{ asPathPrefix: [65_010] }, aggregated, false],
  [{ asPath: '^65002_' }, path(65_002, 1), true],
  [{ asPath: '^6500_' }, path(65_002, 1), false],
  [{ asPath: '_65011_' }, aggregated, true],
  [{ asPath: '^$' }, local, true],
  [{ asPath: '^$' }, path(1), false],
  [{ asPathLength: 2 }, path(1, 2), true],
  [{ asPathLength: 2 }, aggregated, true],
  [{ asPathLength: { max: 0 } }, local, true],
  [{ asPathLength: { min: 2 } }, confederated, false],
  [{ asPathContains: [65_011] }, aggregated, true],
  [{ asPathContains: ['64512-64700'] }, confederated, true],
  [{ asPathContains: [9] }, path(1, 2), false],
  [{ originAs: ['set:customers'] }, path(1, 65_010), true],
  [{ originAs: ['set:customers'] }, path(65_010, 1), false],
  [{ originAs: ['set:customers'] }, path(1, 65_150), true],
  [{ originAs: ['1-4294967295'] }, aggregated, false],
  [{ originAs: ['0-4294967295'] }, local, false],
  [{ neighborAs: [65_002] }, confederated, true],
  [{ neighborAs: [65_002] }, aggregated, true],
  [{ neighborAs: [65_010] }, aggregated, false],
  [{ localPref: 100 }, routeOf(), true],
  [{ localPref: { min: 101 } }, routeOf({ localPref: 150 }), true],
  [{ localPref: { max: 149 } }, routeOf({ localPref: 150 }), false],
  [{ priority: 2_147_483_647 - 150 }, routeOf({ localPref: 150 }), true],
  [{ priority: { max: 512 } }, routeOf({ localPref: 150 }), false],
  [{ med: 5 }, routeOf({ med: 5 }), true],
  [{ med: { min: 0 } }, routeOf(), false],
  [{ not: { med: { min: 0 } } }, routeOf(), true],
  [{ nextHop: ['10.9.0.0/16'] }, routeOf(), true],
  [{ nextHop: ['10.8.0.0/16', '::/0'] }, routeOf(), false],
  [{ origin: 'incomplete' }, routeOf({ origin: 2 }), true],
  [{ origin: 'igp' }, routeOf({ origin: 2 }), false],
  [{ tags: { any: ['blue', 'red'] } }, marked, true],
  [{ tags: { all: ['blue', 'red'] } }, marked, false],
  [{ tags: { none: ['red'] } }, routeOf(), true],
  [{ rpki: 'invalid' }, routeOf({}, { validation: 'invalid' }), true],
  [{ rpki: ['valid', 'notFound'] }, routeOf({}, { validation: 'invalid' }), false],
  [{ rpki: 'notFound' }, routeOf(), true],
  [{ source: 'RemotePeers' }, routeOf(), true],
  [{ source: 'RemotePeers' }, local, false],
  [{ source: ['local', 'internal'] }, local, true],
  [{ source: 'confederation' }, routeOf({}, { source: 'confederation' }), true],
  [{ source: 'internal' }, routeOf(), false],
  [{ sourceAddress: ['10.9.0.0/24'] }, routeOf(), true],
  [{ sourceAddress: ['0.0.0.0/0', '::/0'] }, local, false],
  [{ interface: 'eth*' }, routeOf({}, { interfaceName: 'eth0' }), true],
  [{ interface: '*.1*' }, routeOf({}, { interfaceName: 'bond0.10' }), true],
  [{ interface: 'eth*0' }, routeOf({}, { interfaceName: 'eth' }), false],
  [{ interface: 'a*a' }, routeOf({}, { interfaceName: 'a' }), false],
  [{ interface: 'eth0' }, routeOf(), false],
  [{}, routeOf(), true],
])('%j %#: %s', ([match, route, expected]) => {
  expect(matches(match, route)).toBe(expected)
})

test.for<[PolicyMatch, boolean]>([
  [{ peerType: 'eBGP' }, true],
  [{ peerType: 'iBGP' }, false],
  [{ peerAs: [65_002] }, true],
  [{ peerAs: ['set:customers'] }, false],
  [{ peerAddress: ['10.9.0.0/24'] }, true],
  [{ peerAddress: ['10.9.0.2/32'] }, false],
])('peer: %j: %s', ([match, expected]) => {
  expect(matches(match, routeOf())).toBe(expected)
})

test('what an answer depends on', () => {
  const facts = (match: PolicyMatch): boolean[] => {
    const { dependsOnPrefix, dependsOnPeer, dependsOnSource } = compilePolicy(only(match, SETS))
    return [dependsOnPrefix, dependsOnPeer, dependsOnSource]
  }
  expect(facts({ communities: { any: ['1:1'] }, asPath: '_1_' })).toEqual([false, false, false])
  expect(facts({ not: { peerType: 'eBGP' } })).toEqual([false, true, false])
  expect(facts({ not: { anyOf: [{ prefixLength: { max: 24 } }] } })).toEqual([true, false, false])
  expect(facts({ rpki: 'valid' })).toEqual([true, false, false])
  expect(facts({ anyOf: [{ source: 'local' }, { prefixSets: ['pods'] }] })).toEqual([true, false, true])
  expect(compilePolicy(() => undefined).dependsOnPrefix).toBe(true)
})
