import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ConfigReader } from '../../src/config-reader.ts'
import { BgpConfigError, type ConfigProblem } from '../../src/errors.ts'
import { compilePolicy } from '../../src/policy/compile-policy.ts'
import type { Policy, PolicyAction, PolicyMatch } from '../../src/policy/policy.ts'
import type { PolicyRoute } from '../../src/policy/policy-route.ts'
import { readPolicy } from '../../src/policy/read-policy.ts'
import { PEER, routeOf } from './candidates.ts'
import { interpret } from './twin.ts'

// Few values, so that rules and routes meet.
const octet = fc.constantFrom(0, 1, 128)
const prefix = fc
  .tuple(octet, octet, fc.constantFrom(8, 9, 16, 24))
  .map(([b, c, length]) => `10.${length > 8 ? b : 0}.${length > 16 ? c : 0}.0/${length}`)
const asn = fc.constantFrom(1, 2, 3)
const length = fc.integer({ min: 8, max: 24 })
const lengths = fc
  .record({ min: length, max: length })
  .map(({ min, max }) => ({ min: Math.min(min, max), max: Math.max(min, max) }))
const exact = fc.constantFrom('1:1', '1:2', '2:1')
const pattern = fc.constantFrom('1:1', '1:*', '*:1', '2:1', '1:1:1', '1:*:2', 'set:some')
const tag = fc.constantFrom('a', 'b')
const small = fc.constantFrom(0, 50, 100, 150)
const numbers = fc.oneof(small, fc.record({ min: small, max: fc.constantFrom(150, 200) }))
const ases = fc.array(fc.oneof(asn, fc.constantFrom('2-3', 'set:some')), { minLength: 1, maxLength: 2 })
const listOf = (item: fc.Arbitrary<string>) => {
  const list = fc.array(item, { minLength: 1, maxLength: 2 })
  return fc
    .record({ any: list, all: list, none: list }, { requiredKeys: [] })
    .filter((match) => Object.keys(match).length > 0)
}
const leaf = {
  prefixLength: lengths,
  prefixSets: fc.constant(['some']),
  peerType: fc.constantFrom('iBGP' as const, 'eBGP' as const),
  communities: listOf(pattern),
  tags: listOf(tag),
  asPathPrefix: fc.array(asn, { minLength: 1, maxLength: 2 }),
  asPathLength: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.record({ min: fc.constantFrom(1, 2) })),
  originAs: ases,
  neighborAs: ases,
  localPref: numbers,
  med: numbers,
}
const cidr = fc.record(
  {
    cidr: prefix,
    matchOperator: fc.constantFrom('Equal' as const, 'NotEqual' as const, 'In' as const, 'NotIn' as const),
  },
  { requiredKeys: ['cidr'] },
)
const one: fc.Arbitrary<PolicyMatch> = fc.oneof(
  cidr,
  fc.tuple(cidr, lengths).map(([match, prefixLength]) => ({ ...match, prefixLength })),
  ...Object.entries(leaf).map(([name, value]) => (value as fc.Arbitrary<unknown>).map((item) => ({ [name]: item }))),
)
const match: fc.Arbitrary<PolicyMatch> = fc.oneof(
  one,
  fc.tuple(one, one).map(([a, b]) => ({ ...a, ...b })),
  one.map((not) => ({ not })),
  fc.array(one, { minLength: 1, maxLength: 2 }).map((anyOf) => ({ anyOf })),
)
const action: fc.Arbitrary<PolicyAction> = fc.oneof(
  small.map((setLocalPref) => ({ setLocalPref })),
  small.map((subtractLocalPref) => ({ subtractLocalPref })),
  small.map((addMed) => ({ addMed })),
  fc.constant({ removeMed: true } as const),
  fc.array(tag, { maxLength: 2 }).map((addTags) => ({ addTags })),
  fc.array(tag, { maxLength: 2 }).map((removeTags) => ({ removeTags })),
  fc.array(exact, { maxLength: 2 }).map((addCommunities) => ({ addCommunities })),
  fc
    .array(fc.constantFrom('1:*', '*:1', 'set:some'), { maxLength: 2 })
    .map((removeCommunities) => ({ removeCommunities })),
  fc
    .record({ asn: fc.oneof(asn, fc.constant('own' as const)), count: fc.constantFrom(1, 2) })
    .map((prepend) => ({ prepend })),
)
const rule = fc
  .record({
    match,
    actions: fc.array(action, { maxLength: 2 }),
    then: fc.constantFrom('accept', 'reject', 'next', 'next'),
  })
  .map(({ actions, ...rest }) => (rest.then === 'reject' ? rest : { ...rest, actions })) as fc.Arbitrary<
  Policy['rules'][number]
>
const policy: fc.Arbitrary<Policy> = fc.record({
  sets: fc.record({
    prefixSets: fc.record({
      some: fc.array(
        fc.oneof(prefix, fc.record({ prefix, minLength: length, maxLength: length }, { requiredKeys: ['prefix'] })),
        { maxLength: 3 },
      ),
    }),
    communitySets: fc.record({ some: fc.array(fc.constantFrom('1:1', '2:*', '1:1:*'), { maxLength: 2 }) }),
    asSets: fc.record({ some: fc.array(fc.oneof(asn, fc.constant('1-2')), { maxLength: 2 }) }),
  }),
  rules: fc.array(rule, { maxLength: 4 }),
  default: fc.constantFrom('accept', 'reject'),
})
const route: fc.Arbitrary<PolicyRoute> = fc
  .record({
    prefix,
    asns: fc.array(asn, { maxLength: 3 }),
    communities: fc.uniqueArray(fc.constantFrom(65_537, 65_538, 131_073), { maxLength: 3 }),
    large: fc.constantFrom<[number, number, number][]>([], [[1, 1, 1]], [[1, 3, 2]]),
    localPref: fc.option(small, { nil: undefined }),
    med: fc.option(small, { nil: undefined }),
    tags: fc.uniqueArray(tag, { maxLength: 2 }),
  })
  .map(({ prefix: text, asns, communities, large, localPref, med, tags }) =>
    routeOf(
      {
        asPath: asns.length === 0 ? [] : [{ type: 'sequence', asns }],
        ...(communities.length === 0 ? {} : { communities }),
        ...(large.length === 0 ? {} : { largeCommunities: large }),
        ...(localPref === undefined ? {} : { localPref }),
        ...(med === undefined ? {} : { med }),
        ...(tags.length === 0 ? {} : { tags }),
      },
      { prefix: text },
    ),
  )

/** As it comes out of the validator. */
function validated(value: Policy): Policy {
  const problems: ConfigProblem[] = []
  const read = readPolicy(new ConfigReader({ import: value }, '', problems), 'import')
  if (problems.length > 0) throw new BgpConfigError(problems)
  return read as Policy
}

test('agrees with the naive interpreter, and reading a policy does not change it', () => {
  fc.assert(
    fc.property(policy, fc.array(route, { minLength: 1, maxLength: 5 }), (given, routes) => {
      const compiled = compilePolicy(validated(given))
      for (const each of routes) expect(compiled.evaluate(each, PEER)).toEqual(interpret(given, each, PEER))
    }),
    { numRuns: 3000 },
  )
})

test('what does not depend on the prefix gives one answer for all of them', () => {
  fc.assert(
    fc.property(policy, route, prefix, (given, first, other) => {
      const compiled = compilePolicy(given)
      fc.pre(!compiled.dependsOnPrefix)
      const second = { ...first, prefix: other }
      expect(compiled.evaluate(second, PEER)).toEqual(compiled.evaluate(first, PEER))
    }),
    { numRuns: 500 },
  )
})
