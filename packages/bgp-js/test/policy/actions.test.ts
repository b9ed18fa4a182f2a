import { expect, test } from 'vitest'
import { NextHopTag } from '../../src/policy/compile-actions.ts'
import { compilePolicy } from '../../src/policy/compile-policy.ts'
import type { Policy, PolicyAction } from '../../src/policy/policy.ts'
import type { PathAttributes } from '../../src/wire/path-attributes.ts'
import { doing, PEER, routeOf } from './candidates.ts'

const C100 = 65_001 * 65_536 + 100
const BASE: Partial<PathAttributes> = {
  communities: [C100, C100 + 1],
  largeCommunities: [
    [65_001, 1, 1],
    [65_001, 2, 2],
  ],
  extendedCommunities: ['0002fde900000063'],
  localPref: 200,
  med: 10,
  tags: ['blue'],
}
const sequence = (...asns: number[]): PathAttributes['asPath'] => [{ type: 'sequence', asns }]

function result(policy: Policy, attributes: Partial<PathAttributes> = BASE): PathAttributes | undefined {
  return compilePolicy(policy, 'export').evaluate(routeOf(attributes), PEER)
}

test.for<[PolicyAction, Partial<Record<keyof PathAttributes, unknown>>]>([
  [{ setLocalPref: 7 }, { localPref: 7 }],
  [{ addLocalPref: 7 }, { localPref: 207 }],
  [{ addLocalPref: 0xffffffff }, { localPref: 0xffffffff }],
  [{ subtractLocalPref: 7 }, { localPref: 193 }],
  [{ subtractLocalPref: 500 }, { localPref: 0 }],
  [{ setPriority: 512 }, { localPref: 2_147_483_135 }],
  [{ setMed: 3 }, { med: 3 }],
  [{ addMed: 3 }, { med: 13 }],
  [{ subtractMed: 11 }, { med: 0 }],
  [{ removeMed: true }, { med: undefined }],
  [{ setNextHop: '10.0.0.9' }, { nextHop: '10.0.0.9', tags: ['blue', NextHopTag.keep] }],
  [{ setNextHop: 'self' }, { nextHop: '10.9.0.1', tags: ['blue', NextHopTag.self] }],
  [{ setNextHop: 'unchanged' }, { nextHop: '10.9.0.1', tags: ['blue', NextHopTag.keep] }],
  [{ addCommunities: ['65001:100', 'no-export'] }, { communities: [C100, C100 + 1, 0xffffff01] }],
  [
    { addCommunities: ['1:2:3', 'rt:192.0.2.1:5', 'rt:4200000000:5', 'ext:43000000000000FF'] },
    {
      largeCommunities: [...(BASE.largeCommunities ?? []), [1, 2, 3]],
      extendedCommunities: ['0002fde900000063', '0102c00002010005', '0202fa56ea000005', '43000000000000ff'],
    },
  ],
  [{ removeCommunities: ['65001:*'] }, { communities: undefined }],
  [
    { removeCommunities: ['65001:101', '65001:2:*', 'rt:*:*'] },
    { communities: [C100], largeCommunities: [[65_001, 1, 1]], extendedCommunities: undefined },
  ],
  [{ setCommunities: ['1:1'] }, { communities: [65_537] }],
  [{ setCommunities: [] }, { communities: undefined }],
  [{ setLargeCommunities: ['1:1:1'] }, { largeCommunities: [[1, 1, 1]] }],
  [{ setExtendedCommunities: ['ro:1:2'] }, { extendedCommunities: ['0003000100000002'] }],
  [{ prepend: { asn: 'own', count: 2 } }, { asPath: sequence(65_001, 65_001, 65_002, 64_999, 65_010) }],
  [{ prepend: { asn: 9 } }, { asPath: sequence(9, 65_002, 64_999, 65_010) }],
  [{ prependAsPath: [8, 9] }, { asPath: sequence(8, 9, 65_002, 64_999, 65_010) }],
  [{ setAsPath: [1, 2] }, { asPath: sequence(1, 2) }],
  [{ setAsPath: [] }, { asPath: [] }],
  [{ removePrivateAs: true }, { asPath: [] }],
  [{ replacePrivateAs: 'own' }, { asPath: sequence(65_001, 65_001, 65_001) }],
  [{ replacePrivateAs: 3 }, { asPath: sequence(3, 3, 3) }],
  [{ setOrigin: 'incomplete' }, { origin: 2 }],
  [{ addTags: ['red', 'blue'] }, { tags: ['blue', 'red'] }],
  [{ removeTags: ['blue'] }, { tags: undefined }],
  [{ setTags: ['red'] }, { tags: ['red'] }],
])('%j', ([action, expected]) => {
  const before = routeOf(BASE).attributes
  const after = result(doing(action)) as PathAttributes
  for (const field of Object.keys({ ...before, ...after }) as (keyof PathAttributes)[]) {
    expect(after[field], field).toEqual(field in expected ? expected[field] : before[field])
  }
})

test('actions on attributes that are not there', () => {
  expect(result(doing({ addLocalPref: 1 }), {})?.localPref).toBe(101)
  expect(result(doing({ subtractMed: 1 }), {})?.med).toBe(0)
  expect(result(doing({ prepend: { asn: 'own' } }), { asPath: [] })?.asPath).toEqual(sequence(65_001))
  const set: PathAttributes['asPath'] = [{ type: 'set', asns: [1, 64_512] }]
  expect(result(doing({ prepend: { asn: 9 } }), { asPath: set })?.asPath).toEqual([...sequence(9), ...set])
  expect(result(doing({ removePrivateAs: true }), { asPath: set })?.asPath).toEqual([{ type: 'set', asns: [1] }])
})

test.for<PolicyAction>([
  { removeMed: true },
  { setLocalPref: 100 },
  { removeTags: ['red'] },
  { addTags: ['blue'] },
  { addCommunities: ['1:1'] },
  { removeCommunities: ['1:2', '*:*:*'] },
])('%j that changes nothing keeps the object', (action) => {
  const route = routeOf({ tags: ['blue'], localPref: 100, communities: [65_537] })
  expect(compilePolicy(doing(action)).evaluate(route, PEER)).toBe(route.attributes)
})

test('the next hop is for the speaker to set on export alone', () => {
  const route = routeOf()
  const imported = compilePolicy(doing({ setNextHop: '10.0.0.9' }), 'import').evaluate(route, PEER)
  expect(imported).toEqual({ ...route.attributes, nextHop: '10.0.0.9' })
})

test('rules: first match decides, next goes on with what it has changed, default decides the rest', () => {
  const policy: Policy = {
    rules: [
      { match: { communities: { any: ['65001:100'] } }, actions: [{ setLocalPref: 300 }], then: 'next' },
      { match: { localPref: 300 }, actions: [{ addTags: ['seen'] }], then: 'next' },
      { match: { origin: 'egp' }, then: 'reject' },
      { match: { med: 10 }, actions: [{ removeMed: true }], then: 'accept' },
      { actions: [{ setMed: 99 }], then: 'next' },
    ],
    default: 'accept',
  }
  expect(result(policy)).toMatchObject({ localPref: 300, tags: ['blue', 'seen'] })
  expect(result(policy)?.med).toBeUndefined()
  expect(result(policy, { ...BASE, origin: 1 })).toBeUndefined()
  expect(result(policy, { ...BASE, med: 11 })?.med).toBe(99)
  expect(result({ rules: [] })).toBeUndefined()
})
