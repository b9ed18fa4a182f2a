import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { ConfigReader } from '../../src/config-reader.ts'
import type { ConfigProblem } from '../../src/errors.ts'
import { compilePolicy } from '../../src/policy/compile-policy.ts'
import type { Policy } from '../../src/policy/policy.ts'
import { readPolicy } from '../../src/policy/read-policy.ts'
import { PEER, routeOf } from './candidates.ts'

const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
const examples = [...README.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text]) => JSON.parse(text ?? '') as object)

test('the README has its five policies, each right', () => {
  const problems: ConfigProblem[] = []
  for (const policy of examples) readPolicy(new ConfigReader({ export: policy }, '', problems), 'export')
  expect(problems).toEqual([])
  expect(examples).toHaveLength(5)
})

const ADDED = 65_001 * 65_536 + 77

test('the translated BGPFilter does what Calico says of it', () => {
  const filter = compilePolicy(examples[1] as Policy, 'export')
  const route = routeOf({}, { prefix: '10.244.1.0/24' })
  expect(filter.evaluate(route, PEER)).toMatchObject({
    communities: [ADDED],
    localPref: 2_147_483_647 - 512,
    asPath: [{ type: 'sequence', asns: [65_001, 65_001, 65_002, 64_999, 65_010] }],
  })
  for (const other of [{ prefix: '10.244.0.0/16' }, { source: 'local' } as const, { prefix: '10.9.0.0/24' }]) {
    const untouched = routeOf({}, { prefix: '10.244.1.0/24', ...other })
    expect(filter.evaluate(untouched, PEER)).toBe(untouched.attributes)
  }
})

test('the README names every field of match and every action', () => {
  const source = readFileSync(new URL('../../src/policy/policy.ts', import.meta.url), 'utf8')
  const match = /interface PolicyMatch \{([\s\S]*?)\n\}/.exec(source)?.[1] ?? ''
  const actions = /type PolicyAction =([\s\S]*?)\n\n/.exec(source)?.[1] ?? ''
  const names = [...`${match}${actions}`.matchAll(/readonly (\w+)\??:/g)].map(([, name]) => name ?? '')
  expect(names.length).toBeGreaterThan(45)
  expect(names.filter((name) => !README.includes(name))).toEqual([])
})
