/**
 * Every case of src/matrix-cases.ts: applied with kubectl, then each of the 81 × 6 connections tried over IPv4 and
 * IPv6 and compared with the oracle, and where it has one with the case's own table.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ByHand, MATRIX_CASES, type MatrixCase, type Step } from './src/matrix-cases.ts'
import { ATTEMPTS, type Attempt, MatrixCluster, oracleAllows, POD_KEYS } from './src/matrix-cluster.ts'

let cluster: MatrixCluster

beforeAll(async () => {
  cluster = await MatrixCluster.up()
})

afterAll(async () => cluster?.[Symbol.asyncDispose]())

afterEach(async () => {
  await cluster.lab.kubectl(['delete', 'networkpolicies', '--all', '--all-namespaces'])
})

test('the cases are many, and each has a name of its own', () => {
  expect(MATRIX_CASES.length).toBeGreaterThanOrEqual(60)
  expect(new Set(MATRIX_CASES.map(({ name }) => name)).size).toBe(MATRIX_CASES.length)
  expect(ATTEMPTS).toHaveLength(81 * 6)
})

describe('policy matrix', () => {
  test.each(MATRIX_CASES)('$name', async ({ policies, byHand, steps = [] }: MatrixCase) => {
    const objects = typeof policies === 'function' ? policies(cluster) : policies
    if (objects.length > 0) await cluster.lab.apply(objects)
    await check(byHand)
    for (const step of steps) {
      await take(step)
      await check(step.byHand)
    }
  })
})

async function take(step: Step): Promise<void> {
  if (step.apply !== undefined) await cluster.lab.apply(step.apply)
  if (step.delete !== undefined) await cluster.lab.delete(step.delete)
  if (step.label !== undefined) await cluster.lab.kubectl(['label', '--overwrite', ...step.label])
  if (step.recreate !== undefined) await cluster.recreate(step.recreate)
  await cluster.refresh()
}

async function check(byHand: ByHand | readonly ByHand[] = []): Promise<void> {
  const world = await cluster.settle()
  for (const table of [byHand].flat()) {
    const expected = allowedByHand(table)
    const wrong = ATTEMPTS.filter((attempt) => {
      const allowed = expected(attempt)
      return (
        allowed !== undefined && ([4, 6] as const).some((family) => oracleAllows(world, attempt, family) !== allowed)
      )
    })
    expect(wrong, 'where the oracle differs from the table').toEqual([])
  }
  const surprises = await cluster.surprises((attempt, family) => oracleAllows(world, attempt, family))
  expect(surprises, `of ${ATTEMPTS.length * 2} connections`).toEqual([])
}

/** What a table says of an attempt; undefined: nothing. */
function allowedByHand({ table, speaksOf = {} }: ByHand): (attempt: Attempt) => boolean | undefined {
  const cells = table.replaceAll(/\s/g, '')
  if (!/^[+-]{81}$/.test(cells)) throw new Error(`a table has 81 cells of + and -: ${table}`)
  return ({ from, to, protocol, port }) => {
    const isMeant = protocol === (speaksOf.protocol ?? protocol) && port === (speaksOf.port ?? port)
    return isMeant ? cells[POD_KEYS.indexOf(from) * POD_KEYS.length + POD_KEYS.indexOf(to)] === '+' : undefined
  }
}
