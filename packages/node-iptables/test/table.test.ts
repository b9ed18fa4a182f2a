import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { IptablesTable, type Rule } from '../src/index.ts'
import { renderRules } from '../src/render-rule.ts'
import { FakeIptables } from './fake-iptables.ts'

const openTable = (fake: FakeIptables): IptablesTable =>
  new IptablesTable({
    table: 'filter',
    family: 4,
    variant: 'nft',
    chainPrefix: 'own-',
    hashPrefix: 'own:',
    exec: fake.exec,
  })

const fakeKernel = (): FakeIptables => {
  const fake = new FakeIptables()
  for (const chain of ['INPUT', 'FORWARD', 'other']) fake.chains.set(chain, [])
  return fake
}

// Chains by number; a chain jumps to higher ones only, as the kernel takes no loops.
const CHAINS = 5
type Wanted = { chains: (number[] | undefined)[]; insert: number[]; append: number[] }
const jumpsFrom = (low: number): fc.Arbitrary<number[]> =>
  fc.array(fc.integer({ min: low, max: CHAINS }), { maxLength: 4 })
const wanted: fc.Arbitrary<Wanted> = fc.record({
  chains: fc.tuple(...Array.from({ length: CHAINS }, (_, i) => fc.option(jumpsFrom(i + 1), { nil: undefined }))),
  insert: jumpsFrom(0),
  append: jumpsFrom(0),
})

/** Number CHAINS stands for a rule that jumps nowhere; a chain that is not wanted is not jumped to. */
function rulesOf(numbers: readonly number[], want: Wanted): Rule[] {
  return numbers.map((number) => {
    const there = want.chains[number] !== undefined
    return there ? { action: { kind: 'jump', chain: `own-${number}` } } : { action: { kind: 'drop' } }
  })
}

function desire(table: IptablesTable, want: Wanted): void {
  for (const [number, jumps] of want.chains.entries()) {
    if (jumps === undefined) table.removeChain(`own-${number}`)
    else table.setChain(`own-${number}`, rulesOf(jumps, want))
  }
  table.setHooks('FORWARD', 'insert', rulesOf(want.insert, want))
  table.setHooks('FORWARD', 'append', rulesOf(want.append, want))
}

function expected(want: Wanted, foreign: readonly string[]): Record<string, string[]> {
  const context = { family: 4, hashPrefix: 'own:' } as const
  const texts = (jumps: readonly number[], seed: string): string[] =>
    renderRules(rulesOf(jumps, want), seed, context).map((rule) => rule.text)
  const chains = want.chains.flatMap((jumps, number) =>
    jumps === undefined ? [] : [[`own-${number}`, texts(jumps, `own-${number}`)] as const],
  )
  return {
    INPUT: [],
    other: [],
    FORWARD: [...texts(want.insert, 'FORWARD insert'), ...foreign, ...texts(want.append, 'FORWARD append')],
    ...Object.fromEntries(chains),
  }
}

type Damage = (fake: FakeIptables) => void
const damage = fc.constantFrom<Damage[]>(
  () => undefined,
  (fake) => fake.chains.forEach((rules) => (rules.length = 0)),
  (fake) => fake.chains.set('FORWARD', (fake.chains.get('FORWARD') ?? []).toReversed()),
  (fake) => fake.chains.get('FORWARD')?.splice(0, 1),
  (fake) => fake.chains.get('own-1')?.push('-j ACCEPT'),
  (fake) => fake.chains.set('own-left', ['-j DROP']),
  (fake) => fake.chains.set('own-0', ['-j own-left']).set('own-left', []),
)

describe('against a table in memory', () => {
  test('from any state to any state the kernel becomes what is wanted, and nothing is done twice', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(wanted, damage, fc.boolean()), { minLength: 1, maxLength: 5 }),
        async (steps) => {
          const fake = fakeKernel()
          let table = openTable(fake)
          for (const [want, hurt, restart] of steps) {
            fake.chains.get('FORWARD')?.push('-s 192.0.2.1 -j DROP')
            hurt(fake)
            const foreign = (fake.chains.get('FORWARD') ?? []).filter((rule) => !rule.includes('own:'))
            if (restart) table = openTable(fake)
            table.markStale()
            desire(table, want)
            const result = await table.apply()
            expect(result.failures).toEqual([])
            expect(Object.fromEntries(fake.chains)).toEqual(expected(want, foreign))
            const before = fake.restores
            table.markStale()
            expect(await table.apply()).toMatchObject({ restores: 0, stillReferenced: [] })
            expect(fake.restores).toBe(before)
            expect(table.dirty).toBe(false)
          }
        },
      ),
      { numRuns: 200 },
    )
  })

  test('step by step without reading again', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(wanted, { minLength: 1, maxLength: 6 }), async (steps) => {
        const fake = fakeKernel()
        fake.chains.set('FORWARD', ['-s 192.0.2.1 -j DROP'])
        const table = openTable(fake)
        for (const want of steps) {
          desire(table, want)
          expect((await table.apply()).restores).toBeLessThanOrEqual(1)
          expect(Object.fromEntries(fake.chains)).toEqual(expected(want, ['-s 192.0.2.1 -j DROP']))
        }
      }),
    )
  })

  test.for([true, false])('bad chains are found and the rest applied; refusals name no line: %s', async (silent) => {
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(19), { maxLength: 4 }), async (bad) => {
        const fake = fakeKernel()
        fake.silent = silent
        const table = openTable(fake)
        for (let i = 0; i < 20; i++) {
          const comments = bad.includes(i) ? ['REFUSED'] : []
          table.setChain(`own-${i}`, [{ action: { kind: 'drop' }, comments }])
        }
        const result = await table.apply()
        expect(result.failures.map(({ chain }) => chain).toSorted()).toEqual(bad.map((i) => `own-${i}`).toSorted())
        expect(fake.chains.size).toBe(3 + 20 - bad.length)
        expect(table.dirty).toBe(bad.length > 0)
        fake.refused = 'NOTHING'
        expect((await table.apply()).writtenChains).toHaveLength(bad.length)
      }),
      { numRuns: 50 },
    )
  })
})

test('a chain that a foreign rule holds keeps what it needs itself', async () => {
  const fake = new FakeIptables()
  for (const [chain, rules] of [
    ['own-z', ['-j DROP']],
    ['own-y', ['-j own-z']],
    ['own-gone', []],
    ['INPUT', ['-j own-y']],
  ] as const) {
    fake.chains.set(chain, [...rules])
  }
  const table = openTable(fake)
  table.setHooks('INPUT', 'insert', [{ action: { kind: 'accept' } }])
  const result = await table.apply()
  expect(result).toMatchObject({ restores: 1, deletedChains: ['own-gone'], failures: [] })
  expect(result.stillReferenced.toSorted()).toEqual(['own-y', 'own-z'])
  // The foreign rule is remembered after our own change of its chain.
  table.setChain('own-y', [])
  await table.apply()
  table.removeChain('own-y')
  expect(await table.apply()).toMatchObject({ restores: 0, stillReferenced: ['own-y'], failures: [] })
  fake.chains.get('INPUT')?.pop()
  table.markStale()
  expect(await table.apply()).toMatchObject({ deletedChains: ['own-y'] })
})

test('chains and prefixes that are not ours are refused', () => {
  const fake = new FakeIptables()
  const table = openTable(fake)
  expect(() => table.setChain('FORWARD', [])).toThrow(expect.objectContaining({ field: 'name' }))
  expect(() => table.setHooks('own-x', 'insert', [])).toThrow(expect.objectContaining({ field: 'baseChain' }))
  const options = { table: 'filter', family: 4, variant: 'nft', chainPrefix: 'own-', hashPrefix: 'own:' } as const
  expect(() => new IptablesTable({ ...options, chainPrefix: '' })).toThrow(
    expect.objectContaining({ field: 'chainPrefix' }),
  )
  expect(() => new IptablesTable({ ...options, hashPrefix: '' })).toThrow(
    expect.objectContaining({ field: 'hashPrefix' }),
  )
})
