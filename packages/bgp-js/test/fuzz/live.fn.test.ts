import { expect, test } from 'vitest'
import { FuzzRun } from '../../fuzz/fuzz-run.ts'

const RANDOM_SEED = Math.floor(Math.random() * 1_000_000_000)

// `npm run fuzz -w bgp-js -- --messages 1000000 --seed N` goes on for longer.
test.for([
  ['structure', 1],
  ['mutation', 1],
  ['structure', RANDOM_SEED],
  ['mutation', RANDOM_SEED],
] as const)('5,000 messages by %s, seed %i: nobody else is hurt, no route is wrong', async ([mode, seed]) => {
  const verdict = await FuzzRun.run(mode, { messages: 5000, seed })
  expect(verdict.findings).toEqual([])
  expect(verdict.comparedTables).toBeGreaterThan(10)
  // Some had to be reset, each by the right NOTIFICATION.
  expect(Object.keys(verdict.resets).length).toBeGreaterThan(5)
})
