import { CLUSTER_TABLES } from '@margay/model'
import { expect, test } from 'vitest'
import { SyncTracker } from '../src/sync-tracker.ts'

test('waits until every table has reached the version', async () => {
  const sync = new SyncTracker()
  const waiting = sync.wait(10n, 1_000)
  for (const table of CLUSTER_TABLES.slice(1)) sync.advance(table, '12')
  expect(sync.programmed).toBe(-1n)
  sync.advance(CLUSTER_TABLES[0] ?? '', '10')
  expect(await waiting).toBe(true)
  expect(sync.programmed).toBe(10n)
  expect(await sync.wait(10n, 0)).toBe(true)
})

test('gives up in time, and when nobody waits any more; never goes back; takes no nonsense', async () => {
  const sync = new SyncTracker()
  expect(await sync.wait(1n, 10)).toBe(false)
  const gone = new AbortController()
  const waiting = sync.wait(1n, 60_000, gone.signal)
  gone.abort()
  expect(await waiting).toBe(false)
  for (const table of CLUSTER_TABLES) for (const mark of ['7', '5', 'nonsense', '']) sync.advance(table, mark)
  expect(sync.programmed).toBe(7n)
})
