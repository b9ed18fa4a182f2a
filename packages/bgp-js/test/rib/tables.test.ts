import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AdjRibIn } from '../../src/rib/adj-rib-in.ts'
import { AdjRibOut } from '../../src/rib/adj-rib-out.ts'
import { LocRib } from '../../src/rib/loc-rib.ts'
import { LocRibSubscription } from '../../src/rib/loc-rib-subscription.ts'
import type { PathAttributes } from '../../src/wire/path-attributes.ts'
import { type PrefixKey, prefixText } from '../../src/wire/prefix-key.ts'
import { attributes, key, RULES, source } from './paths.ts'

const P1 = key('10.1.0.0/16')
const P2 = key('10.2.0.0/16')
const P6 = key('fd00::/48')
const fromA = attributes({ nextHop: '10.9.0.1' })
const fromB = attributes({ nextHop: '10.9.0.2', localPref: 200 })

function world(rules = RULES) {
  const changes: [string, string | undefined][] = []
  const locRib = new LocRib(rules, (changed, selection) =>
    changes.push([prefixText(changed), selection?.best.source.id]),
  )
  const a = new AdjRibIn(source('10.0.0.1'), locRib)
  const b = new AdjRibIn(source('10.0.0.2'), locRib)
  return { locRib, a, b, changes }
}

test('AdjRibIn → LocRib: implicit and explicit withdraw', () => {
  const { locRib, a, b, changes } = world()
  a.announce(P1, fromA, { attributes: fromA })
  b.announce(P1, fromB, { attributes: fromB })
  a.announce(P1, fromA, { attributes: { ...fromA, localPref: 300 } })
  expect(a.withdraw(P1)).toBe(true)
  expect(a.withdraw(P1)).toBe(false)
  b.withdraw(P1)
  expect(changes).toEqual([
    ['10.1.0.0/16', '10.0.0.1'],
    ['10.1.0.0/16', '10.0.0.2'],
    ['10.1.0.0/16', '10.0.0.1'],
    ['10.1.0.0/16', '10.0.0.2'],
    ['10.1.0.0/16', undefined],
  ])
  expect(locRib.size(4)).toBe(0)
})

test('the same announcement again changes nothing, whatever object it comes in', () => {
  const { a, changes } = world()
  a.announce(P1, fromA, { attributes: fromA })
  a.announce(P1, { ...fromA }, { attributes: { ...fromA } })
  expect(changes).toHaveLength(1)
})

test('refused routes are counted, shown and not used; a refused one replaces an accepted one', () => {
  const { locRib, a } = world()
  a.announce(P1, fromA, { refused: 'policy' })
  expect(a.counts(4)).toEqual({ received: 1, accepted: 0, stale: 0 })
  expect(locRib.get(P1)).toBe(undefined)
  a.announce(P1, fromA, { attributes: fromA })
  expect(a.counts(4)).toEqual({ received: 1, accepted: 1, stale: 0 })
  a.announce(P1, fromB, { refused: 'asLoop' })
  expect(a.counts(4)).toEqual({ received: 1, accepted: 0, stale: 0 })
  expect(locRib.get(P1)).toBe(undefined)
  expect(a.get(P1)?.refused).toBe('asLoop')
})

test('a new generation makes routes stale; those not announced again go, the others never left', () => {
  const { a, changes } = world()
  for (const prefix of [P1, P2, P6]) a.announce(prefix, fromA, { attributes: fromA })
  a.beginGeneration(4)
  expect(a.counts(4)).toEqual({ received: 2, accepted: 2, stale: 2 })
  a.announce(P1, fromA, { attributes: fromA })
  expect(a.counts(4).stale).toBe(1)
  a.startSweep(4)
  expect(a.sweep(4, 1)).toBe(false)
  expect(a.sweep(4, 100)).toBe(true)
  expect(a.counts(4)).toEqual({ received: 1, accepted: 1, stale: 0 })
  expect(a.counts(6)).toEqual({ received: 1, accepted: 1, stale: 0 })
  expect(changes.slice(3)).toEqual([['10.2.0.0/16', undefined]])
})

test('of two restarts in a row, what was stale before goes', () => {
  const { a } = world()
  a.announce(P1, fromA, { attributes: fromA })
  a.beginGeneration(4)
  a.announce(P2, fromA, { attributes: fromA })
  const generation = a.beginGeneration(4)
  a.startSweep(4, generation - 1)
  expect(a.sweep(4, 100)).toBe(true)
  expect(a.get(P1)).toBe(undefined)
  expect(a.get(P2) !== undefined && a.isStale(a.get(P2)!)).toBe(true)
})

test('reimport applies another verdict to what was received, and staleness survives it', () => {
  const { locRib, a } = world()
  a.announce(P1, fromA, { attributes: fromA })
  a.beginGeneration(4)
  a.reimport(P1, () => ({ refused: 'policy' }))
  expect(locRib.get(P1)).toBe(undefined)
  expect(a.counts(4)).toEqual({ received: 1, accepted: 0, stale: 1 })
  a.reimport(P1, (received) => ({ attributes: received }))
  expect(locRib.get(P1)?.best.source.id).toBe('10.0.0.1')
  expect(a.counts(4)).toEqual({ received: 1, accepted: 1, stale: 1 })
})

test('a deferred family gathers and does not choose', () => {
  const { locRib, a, changes } = world()
  locRib.defer(4)
  a.announce(P1, fromA, { attributes: fromA })
  a.announce(P6, fromA, { attributes: fromA })
  expect(changes).toEqual([['fd00::/48', '10.0.0.1']])
  locRib.undefer(4)
  for (const prefix of locRib.keys(4)) locRib.reconsider(prefix)
  expect(changes).toHaveLength(2)
})

test('LocRib equals the choice over what is announced, whatever happened before', () => {
  const step = fc.record({
    who: fc.constantFrom('a' as const, 'b' as const),
    prefix: fc.constantFrom(P1, P2, P6),
    localPref: fc.constantFrom(undefined, 50, 150, 250),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { locRib, a, b } = world()
      const model = new Map<string, number>()
      for (const { who, prefix, localPref } of steps) {
        const rib = who === 'a' ? a : b
        const id = `${who} ${prefixText(prefix)}`
        if (localPref === undefined) {
          rib.withdraw(prefix)
          model.delete(id)
        } else {
          const route = attributes({ localPref })
          rib.announce(prefix, route, { attributes: route })
          model.set(id, localPref)
        }
      }
      for (const prefix of [P1, P2, P6]) {
        const ofA = model.get(`a ${prefixText(prefix)}`) ?? -1
        const ofB = model.get(`b ${prefixText(prefix)}`) ?? -1
        const expected = Math.max(ofA, ofB) === -1 ? undefined : ofA >= ofB ? '10.0.0.1' : '10.0.0.2'
        expect(locRib.get(prefix)?.best.source.id).toBe(expected)
      }
    }),
  )
})

const sent = (batch: { announce: ReadonlyMap<PathAttributes, PrefixKey[]>; withdraw: readonly PrefixKey[] }) => ({
  announce: [...batch.announce.values()].flat().map(prefixText).toSorted(),
  withdraw: batch.withdraw.map(prefixText).toSorted(),
})

test('AdjRibOut: the table, End-of-RIB, then differences alone', () => {
  const table = new Map<PrefixKey, PathAttributes>([
    [P1, fromA],
    [P2, fromA],
  ])
  const exportOf = (prefix: PrefixKey) => table.get(prefix)
  const out = new AdjRibOut(4)
  out.sendAll(table.keys())
  const first = out.take(1, exportOf)
  expect(sent(first)).toEqual({ announce: ['10.1.0.0/16'], withdraw: [] })
  expect(first.endOfRib).toBe(false)
  const second = out.take(100, exportOf)
  expect(sent(second)).toEqual({ announce: ['10.2.0.0/16'], withdraw: [] })
  expect(second.endOfRib).toBe(true)
  expect(out.hasWork).toBe(false)

  table.set(P1, { ...fromA })
  table.delete(P2)
  for (const prefix of [P1, P2]) out.markChanged(prefix)
  expect(sent(out.take(100, exportOf))).toEqual({ announce: [], withdraw: ['10.2.0.0/16'] })
  expect(out.advertised).toBe(1)
})

test('AdjRibOut: many changes of one prefix are one, and a prefix that came and went is none', () => {
  const table = new Map<PrefixKey, PathAttributes>()
  const out = new AdjRibOut(4)
  for (let round = 0; round < 1000; round++) {
    table.set(P1, attributes({ med: round }))
    out.markChanged(P1)
    out.markChanged(P2)
  }
  expect(out.pending).toBe(2)
  const batch = out.take(100, (prefix) => table.get(prefix))
  expect(sent(batch)).toEqual({ announce: ['10.1.0.0/16'], withdraw: [] })
  expect([...batch.announce.keys()][0]?.med).toBe(999)
})

test('AdjRibOut: equal attributes go together, a refresh sends what is already there', () => {
  const table = new Map<PrefixKey, PathAttributes>([
    [P1, fromA],
    [P2, fromA],
  ])
  const out = new AdjRibOut(4)
  out.sendAll(table.keys())
  expect(out.take(100, (prefix) => table.get(prefix)).announce.size).toBe(1)
  out.resendAll(table.keys())
  const again = out.take(100, (prefix) => table.get(prefix))
  expect(sent(again).announce).toEqual(['10.1.0.0/16', '10.2.0.0/16'])
  expect(again.endOfRib).toBe(false)
})

function subscribed() {
  const subscriptions = new Set<LocRibSubscription>()
  const locRib = new LocRib(RULES, (changed) => {
    for (const subscription of subscriptions) subscription.notify(changed)
  })
  let settled = true
  const rib = new AdjRibIn(source('10.0.0.1'), locRib)
  const subscribe = () => {
    const subscription = new LocRibSubscription(
      { get: (k) => locRib.get(k), keys: (f) => locRib.keys(f), isSettled: () => settled },
      (closed) => subscriptions.delete(closed),
    )
    subscriptions.add(subscription)
    return subscription
  }
  const settle = (value: boolean): void => {
    settled = value
    for (const subscription of subscriptions) subscription.notify()
  }
  return { rib, subscribe, subscriptions, settle }
}

test('a subscription: snapshot, in sync, then one change per prefix for a slow reader', async () => {
  const { rib, subscribe, subscriptions } = subscribed()
  rib.announce(P1, fromA, { attributes: fromA })
  const subscription = subscribe()
  expect((await subscription.next()).value).toEqual({
    inSync: true,
    changes: [
      {
        type: 'upsert',
        prefix: '10.1.0.0/16',
        family: 'ipv4',
        source: 'external',
        learnedFrom: '10.0.0.1',
        nextHops: ['10.9.0.1'],
        attributes: { origin: 'igp', asPath: '65002', nextHop: '10.9.0.1' },
      },
    ],
  })
  for (let med = 0; med < 100; med++) {
    const route = attributes({ med })
    rib.announce(P1, route, { attributes: route })
  }
  rib.announce(P6, fromA, { attributes: fromA })
  rib.withdraw(P6)
  const { value } = await subscription.next()
  expect(value?.changes).toHaveLength(2)
  expect(value?.changes).toContainEqual({ type: 'delete', prefix: 'fd00::/48', family: 'ipv6' })
  expect(value?.changes).toContainEqual(expect.objectContaining({ attributes: expect.objectContaining({ med: 99 }) }))
  const waiting = subscription.next()
  await subscription.return()
  expect(await waiting).toEqual({ done: true, value: undefined })
  expect(subscriptions.size).toBe(0)
})

test('a subscription is not in sync before a restart is over', async () => {
  const { rib, subscribe, settle } = subscribed()
  settle(false)
  rib.announce(P1, fromA, { attributes: fromA })
  const subscription = subscribe()
  expect((await subscription.next()).value).toMatchObject({ inSync: false })
  const next = subscription.next()
  settle(true)
  expect((await next).value).toEqual({ inSync: true, changes: [] })
})
