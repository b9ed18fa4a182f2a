import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Table, type TableBatch } from '../src/table.ts'

type Step = { do: 'set'; key: number; value: number } | { do: 'delete'; key: number } | { do: 'take' } | { do: 'sync' }

const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('set' as const), key: fc.nat(20), value: fc.nat() }),
    fc.record({ do: fc.constant('delete' as const), key: fc.nat(20) }),
    fc.record({ do: fc.constant('take' as const) }),
    fc.record({ do: fc.constant('sync' as const) }),
  ) satisfies fc.Arbitrary<Step>,
  { maxLength: 200 },
)

function applyTo(view: Map<string, number>, batch: TableBatch<number> | undefined): void {
  for (const [key, value] of batch?.upserts ?? []) view.set(key, value)
  for (const key of batch?.deletes ?? []) view.delete(key)
}

test('a subscriber that takes at any moments ends with the table, and is never told of a key it cannot know', () => {
  fc.assert(
    fc.property(steps, (script) => {
      const table = new Table<number>('t')
      const subscription = table.subscribe()
      const view = new Map<string, number>()
      for (const step of script) {
        if (step.do === 'set') table.set(String(step.key), step.value)
        if (step.do === 'delete') table.delete(String(step.key))
        if (step.do === 'sync') table.markInSync()
        if (step.do === 'take') {
          const batch = subscription.take()
          for (const key of batch?.deletes ?? []) expect(view.has(key)).toBe(true)
          applyTo(view, batch)
          expect(view).toEqual(new Map(table.entries()))
          if (batch?.inSync === true) expect(table.inSync).toBe(true)
        }
        expect(subscription.pending).toBeLessThanOrEqual(
          new Set([...view.keys(), ...new Map(table.entries()).keys()]).size,
        )
      }
      applyTo(view, subscription.take())
      expect(view).toEqual(new Map(table.entries()))
      expect(subscription.take()).toBeUndefined()
    }),
    { numRuns: 500 },
  )
})

test('a reader that stopped costs keys, not changes, even when every key is new and soon gone', () => {
  const table = new Table<number>('t')
  const subscription = table.subscribe()
  for (let index = 0; index < 100_000; index++) {
    table.set(`key-${index}`, index)
    if (index >= 10) table.delete(`key-${index - 10}`)
  }
  expect(subscription.pending).toBe(10)
})

test('a change between two batches of one snapshot is seen once, with the new value', () => {
  const table = new Table<number>('t')
  for (let index = 0; index < 1500; index++) table.set(String(index), 0)
  table.markInSync()
  table.advance('7')
  const subscription = table.subscribe()
  const first = subscription.take()
  expect(first).toMatchObject({ inSync: false, watermark: undefined })
  table.set('1400', 1)
  table.delete('3')
  const second = subscription.take()
  expect(second).toMatchObject({ inSync: true, watermark: '7', deletes: ['3'] })
  expect(second?.upserts).toHaveLength(500)
  expect(new Map(second?.upserts).get('1400')).toBe(1)
})

test('an empty table that is in sync says so, and a new watermark alone makes a batch', () => {
  const table = new Table<number>('t')
  const subscription = table.subscribe()
  expect(subscription.take()).toBeUndefined()
  table.markInSync()
  expect(subscription.take()).toEqual({ upserts: [], deletes: [], inSync: true, watermark: undefined })
  table.advance('5')
  expect(subscription.take()).toEqual({ upserts: [], deletes: [], inSync: true, watermark: '5' })
})

test('replace touches only what differs', () => {
  const table = new Table<{ n: number }>('t')
  table.set('same', { n: 1 })
  table.set('other', { n: 1 })
  table.set('gone', { n: 1 })
  const subscription = table.subscribe()
  subscription.take()
  table.replace(
    new Map([
      ['same', { n: 1 }],
      ['other', { n: 2 }],
      ['new', { n: 3 }],
    ]),
    { watermark: '9', same: (a, b) => a.n === b.n },
  )
  expect(subscription.take()).toEqual({
    upserts: [
      ['other', { n: 2 }],
      ['new', { n: 3 }],
    ],
    deletes: ['gone'],
    inSync: true,
    watermark: '9',
  })
})

test('next waits for a change and ends at close', async () => {
  const table = new Table<number>('t')
  const subscription = table.subscribe()
  const waiting = subscription.next()
  table.set('a', 1)
  expect((await waiting)?.upserts).toEqual([['a', 1]])
  const last = subscription.next()
  subscription.close()
  expect(await last).toBeUndefined()
})
