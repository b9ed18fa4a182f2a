import { expect, test } from 'vitest'
import { ConfigReader } from '../../src/config-reader.ts'
import type { ConfigProblem } from '../../src/errors.ts'
import { readPolicy } from '../../src/policy/read-policy.ts'

function problems(policy: unknown, field: 'import' | 'export' = 'import'): string[] {
  const found: ConfigProblem[] = []
  readPolicy(new ConfigReader({ [field]: policy }, '', found), field)
  return found.map(({ field: name, problem }) => `${name} ${problem}`)
}

test('every problem is named by its field', () => {
  const policy = {
    sets: {
      prefixSets: { a: ['10.0.0.0/33', { prefix: '10.0.0.0/8', minLength: 40, maxlength: 9 }], b: 7 },
      communitySets: { c: ['1:1', 'x', 9] },
      asSets: { d: [1, '5-3', -1] },
      prefixsets: {},
    },
    rules: [
      { then: 'drop', match: { cidr: 'x', prefixLength: { min: 9, max: 8 }, matchOperator: 'Is', prefixes: [] } },
      { then: 'accept', match: { communities: { any: ['set:none', '1:70000'], some: [] }, asPath: '(1', tags: {} } },
      {
        then: 'accept',
        match: { matchOperator: 'In', originAs: ['set:x'], source: ['nowhere'], rpki: 'bad', localPref: -1 },
      },
      { then: 'reject', actions: [{ setMed: 1 }] },
      { then: 'next', actions: [{}, { setMed: 1, addMed: 2 }, { setMedd: 1 }, { prepend: { asn: 0, count: 101 } }] },
      {
        then: 'next',
        actions: [
          { setNextHop: 'self' },
          { addTags: ['margay:x'] },
          { setCommunities: ['1:1:1'] },
          { addCommunities: ['1:*'] },
        ],
      },
      { match: { not: { anyOf: [{ prefixSets: ['zz'] }] }, peerAs: [] }, action: 'accept' },
    ],
    defaults: 'accept',
  }
  expect(problems(policy).map((line) => line.split(' ')[0])).toEqual([
    'import.sets.prefixSets.a[0]',
    'import.sets.prefixSets.a[1].minLength',
    'import.sets.prefixSets.a[1].maxlength',
    'import.sets.prefixSets.b',
    'import.sets.communitySets.c[1]',
    'import.sets.communitySets.c[2]',
    'import.sets.asSets.d[1]',
    'import.sets.asSets.d[2]',
    'import.sets.prefixsets',
    'import.rules[0].then',
    'import.rules[0].match.cidr',
    'import.rules[0].match.matchOperator',
    'import.rules[0].match.prefixLength.min',
    'import.rules[0].match.prefixes',
    'import.rules[1].match.communities.any[0]',
    'import.rules[1].match.communities.any[1]',
    'import.rules[1].match.communities.some',
    'import.rules[1].match.tags.any',
    'import.rules[1].match.asPath',
    'import.rules[2].match.matchOperator',
    'import.rules[2].match.source[0]',
    'import.rules[2].match.originAs[0]',
    'import.rules[2].match.localPref',
    'import.rules[2].match.rpki',
    'import.rules[3].actions',
    'import.rules[4].actions[0]',
    'import.rules[4].actions[1]',
    'import.rules[4].actions[2].setMedd',
    'import.rules[4].actions[3].prepend.asn',
    'import.rules[4].actions[3].prepend.count',
    'import.rules[5].actions[0].setNextHop',
    'import.rules[5].actions[1].addTags[0]',
    'import.rules[5].actions[2].setCommunities[0]',
    'import.rules[5].actions[3].addCommunities[0]',
    'import.rules[6].then',
    'import.rules[6].match.peerAs',
    'import.rules[6].match.not.anyOf[0].prefixSets[0]',
    'import.rules[6].action',
    'import.defaults',
  ])
})

test.for([
  [7, 'import must be an object'],
  [{}, 'import.rules is missing'],
  [{ rules: 7 }, 'import.rules must be a list'],
  [{ rules: [7] }, 'import.rules[0] must be an object'],
  [{ rules: [], default: 'maybe' }, 'import.default must be "accept" or "reject"'],
] as const)('%j: %s', ([policy, expected]) => {
  expect(problems(policy)).toContain(expected)
})

test('names that every object has are no sets', () => {
  const rules = [
    { then: 'accept', match: { originAs: ['set:constructor'], prefixSets: ['toString'] }, actions: [{ toString: 1 }] },
  ]
  expect(problems({ sets: {}, rules }).map((line) => line.split(' ')[0])).toEqual([
    'import.rules[0].match.prefixSets[0]',
    'import.rules[0].match.originAs[0]',
    'import.rules[0].actions[0].toString',
  ])
})

test('a match nested without end is refused', () => {
  let match: object = { med: 1 }
  for (let depth = 0; depth < 5000; depth++) match = { not: match }
  expect(problems({ rules: [{ match, then: 'accept' }] })).toEqual([expect.stringContaining('is nested deeper than 8')])
})

test('all three forms are read; the next hop is ours to choose on export', () => {
  expect(problems(() => undefined)).toEqual([])
  expect(problems({ rules: [{ action: 'accept', prefix: '10.0.0.0/8', minLength: 9 }] })).toEqual([])
  expect(problems({ rules: [{ then: 'accept', actions: [{ setNextHop: 'self' }] }] }, 'export')).toEqual([])
})
