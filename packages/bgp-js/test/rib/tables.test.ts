import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LocRibSubscription } from '../../src/rib/loc-rib-subscription.ts'
import { attributes, RULES, source, type TestPeer, world } from './paths.ts'

const P1 = '10.1.0.0/16'
const P2 = '10.2.0.0/16'
const P6 = 'fd00::/48'
const fromA = attributes({ nextHop: '10.9.0.1' })
const fromB = attributes({ nextHop: '10.9.0.2', localPref: 200 })

function twoPeers(rules = RULES) {
  const made = world(rules)
  return { ...made, a: made.peer(source('10.0.0.1')), b: made.peer(source('10.0.0.2')) }
}

const only = (peer: TestPeer, prefix: string) => peer.table(prefix).ofPrefix(peer.number(prefix, false))[0]

test('AdjRibIn → LocRib: implicit and explicit withdraw', () => {
  const { locRib, a, b, changes } = twoPeers()
  a.announce(P1, fromA)
  b.announce(P1, fromB)
  a.announce(P1, fromA, { ...fromA, localPref: 300 })
  expect(a.withdraw(P1)).toBe(true)
  expect(a.withdraw(P1)).toBe(false)
  b.withdraw(P1)
  expect(changes).toEqual([
    [P1, '10.0.0.1'],
    [P1, '10.0.0.2'],
    [P1, '10.0.0.1'],
    [P1, '10.0.0.2'],
    [P1, undefined],
  ])
  expect(locRib.family(4).size).toBe(0)
  expect(locRib.family(4).prefixes.size).toBe(0)
  expect(locRib.attributes.size).toBe(0)
})

test('the same announcement again changes nothing, whatever object it comes in', () => {
  const { a, changes } = twoPeers()
  a.announce(P1, fromA)
  a.announce(P1, { ...fromA })
  expect(changes).toHaveLength(1)
})

test('refused routes are counted, shown and not used; a refused one replaces an accepted one', () => {
  const { a, best } = twoPeers()
  a.announce(P1, fromA, 'policy')
  expect(a.tables[4].counts).toEqual({ received: 1, accepted: 0, stale: 0 })
  expect(best(P1)).toBe(undefined)
  a.announce(P1, fromA)
  expect(a.tables[4].counts).toEqual({ received: 1, accepted: 1, stale: 0 })
  a.announce(P1, fromB, 'asLoop')
  expect(a.tables[4].counts).toEqual({ received: 1, accepted: 0, stale: 0 })
  expect(best(P1)).toBe(undefined)
  expect(only(a, P1)).toMatchObject({ refused: 'asLoop', received: fromB, attributes: undefined })
})

test('a new generation makes routes stale; those not announced again go, the others never left', () => {
  const { a, changes } = twoPeers()
  for (const prefix of [P1, P2, P6]) a.announce(prefix, fromA)
  a.tables[4].beginGeneration()
  expect(a.tables[4].counts).toEqual({ received: 2, accepted: 2, stale: 2 })
  a.announce(P1, fromA)
  expect(a.tables[4].counts.stale).toBe(1)
  a.tables[4].startSweep()
  while (!a.tables[4].sweep(1)) expect(a.tables[4].counts.received).toBeGreaterThan(0)
  expect(a.tables[4].counts).toEqual({ received: 1, accepted: 1, stale: 0 })
  expect(a.tables[6].counts).toEqual({ received: 1, accepted: 1, stale: 0 })
  expect(changes.slice(3)).toEqual([[P2, undefined]])
})

test('of two restarts in a row, what was stale before goes', () => {
  const { a } = twoPeers()
  a.announce(P1, fromA)
  a.tables[4].beginGeneration()
  a.announce(P2, fromA)
  const generation = a.tables[4].beginGeneration()
  a.tables[4].startSweep(generation - 1)
  expect(a.tables[4].sweep(100)).toBe(true)
  expect(only(a, P1)).toBe(undefined)
  expect(only(a, P2)?.stale).toBe(true)
})

test('generations may wrap around', () => {
  const { a } = twoPeers()
  a.announce(P1, fromA)
  for (let round = 0; round < 70_000; round++) {
    a.tables[4].beginGeneration()
    a.announce(P1, fromA)
  }
  a.announce(P2, fromA)
  a.tables[4].beginGeneration()
  a.announce(P1, fromA)
  a.tables[4].startSweep()
  expect(a.tables[4].sweep(100)).toBe(true)
  expect(only(a, P1)?.stale).toBe(false)
  expect(only(a, P2)).toBe(undefined)
})

test('reimport applies another verdict to what was received, and staleness survives it', () => {
  const { locRib, a, best } = twoPeers()
  a.announce(P1, fromA)
  a.tables[4].beginGeneration()
  const path = a.tables[4].first
  a.tables[4].reimport(path, () => 'policy')
  expect(best(P1)).toBe(undefined)
  expect(a.tables[4].counts).toEqual({ received: 1, accepted: 0, stale: 1 })
  a.tables[4].reimport(path, (_, received) => received)
  expect(best(P1)).toBe('10.0.0.1')
  expect(a.tables[4].counts).toEqual({ received: 1, accepted: 1, stale: 1 })
  expect(locRib.attributes.size).toBe(1)
})

test('a walk goes on while the paths under it come and go', () => {
  const { a } = twoPeers()
  for (let index = 0; index < 10; index++) a.announce(`10.${index}.0.0/16`, fromA)
  const table = a.tables[4]
  const walk = table.walk()
  const seen: string[] = []
  for (let path = table.step(walk); path !== 0; path = table.step(walk)) {
    seen.push(String(table.view(path).key))
    for (let index = 0; index < 10; index += 2) a.withdraw(`10.${index}.0.0/16`)
    a.announce(`10.${100 + seen.length}.0.0/16`, fromA)
  }
  expect(seen.length).toBeGreaterThanOrEqual(5)
  expect(new Set(seen).size).toBe(seen.length)
})

test('a deferred family gathers and does not choose', () => {
  const { locRib, a, changes } = twoPeers()
  locRib.family(4).defer()
  a.announce(P1, fromA)
  a.announce(P6, fromA)
  expect(changes).toEqual([[P6, '10.0.0.1']])
  locRib.family(4).undefer()
  for (let prefix = 1; prefix < locRib.family(4).prefixes.end; prefix++) locRib.family(4).reconsider(prefix)
  expect(changes).toHaveLength(2)
})

test('several paths of one peer (RFC 7911) are routes of their own', () => {
  const { a, best, locRib } = twoPeers()
  a.announce(P1, fromA, fromA, 1)
  a.announce(P1, fromB, fromB, 2)
  expect(locRib.family(4).explain(a.number(P1, false))).toMatchObject([
    { pathId: 2, isBest: true, reason: 'LocalPref' },
    { pathId: 1, isBest: false },
  ])
  expect(a.withdraw(P1, 2)).toBe(true)
  expect(a.withdraw(P1, 3)).toBe(false)
  expect(best(P1)).toBe('10.0.0.1')
  expect(a.tables[4].counts.received).toBe(1)
})

test('a path of a peer that stays away is the last choice, until it is announced again (RFC 9494)', () => {
  const { a, b, best } = twoPeers()
  a.announce(P1, attributes({ localPref: 500 }))
  b.announce(P1, fromB)
  a.tables[4].beginGeneration()
  a.tables[4].enterLongLived(a.tables[4].first)
  expect(best(P1)).toBe('10.0.0.2')
  b.withdraw(P1)
  expect(best(P1)).toBe('10.0.0.1')
  b.announce(P1, fromB)
  a.announce(P1, attributes({ localPref: 500 }))
  expect(best(P1)).toBe('10.0.0.1')
})

test('LocRib equals the choice over what is announced, whatever happened before', () => {
  const step = fc.record({
    who: fc.constantFrom('a' as const, 'b' as const),
    prefix: fc.constantFrom(P1, P2, P6),
    localPref: fc.constantFrom(undefined, 50, 150, 250),
  })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const { locRib, a, b, best } = twoPeers()
      const model = new Map<string, number>()
      for (const { who, prefix, localPref } of steps) {
        const peer = who === 'a' ? a : b
        if (localPref === undefined) {
          peer.withdraw(prefix)
          model.delete(`${who} ${prefix}`)
        } else {
          peer.announce(prefix, attributes({ localPref }))
          model.set(`${who} ${prefix}`, localPref)
        }
      }
      for (const prefix of [P1, P2, P6]) {
        const ofA = model.get(`a ${prefix}`) ?? -1
        const ofB = model.get(`b ${prefix}`) ?? -1
        const expected = Math.max(ofA, ofB) === -1 ? undefined : ofA >= ofB ? '10.0.0.1' : '10.0.0.2'
        expect(best(prefix)).toBe(expected)
      }
      expect(locRib.attributes.size).toBe(new Set(model.values()).size)
    }),
  )
})

function subscribed() {
  const made = world()
  const subscriptions = new Set<LocRibSubscription>()
  made.listeners.push((family, prefix, bestChanged) => {
    if (bestChanged) for (const subscription of subscriptions) subscription.changed(family, prefix)
  })
  let settled = true
  const peer = made.peer(source('10.0.0.1'))
  const subscribe = () => {
    const subscription = new LocRibSubscription(
      { family: (family) => made.locRib.family(family), isSettled: () => settled },
      (closed) => subscriptions.delete(closed),
    )
    subscriptions.add(subscription)
    return subscription
  }
  const settle = (value: boolean): void => {
    settled = value
    for (const subscription of subscriptions) subscription.settled()
  }
  return { ...made, a: peer, subscribe, subscriptions, settle }
}

test('a subscription: snapshot, in sync, then one change per prefix for a slow reader', async () => {
  const { a, subscribe, subscriptions, locRib } = subscribed()
  a.announce(P1, fromA)
  const subscription = subscribe()
  expect((await subscription.next()).value).toEqual({
    inSync: true,
    changes: [
      {
        type: 'upsert',
        prefix: P1,
        family: 'ipv4',
        source: 'external',
        learnedFrom: '10.0.0.1',
        nextHops: ['10.9.0.1'],
        attributes: { origin: 'igp', asPath: '65002', nextHop: '10.9.0.1' },
      },
    ],
  })
  for (let med = 0; med < 100; med++) a.announce(P1, attributes({ med }))
  a.announce(P6, fromA)
  a.withdraw(P6)
  const { value } = await subscription.next()
  expect(value?.changes).toHaveLength(2)
  expect(value?.changes).toContainEqual({ type: 'delete', prefix: P6, family: 'ipv6' })
  expect(value?.changes).toContainEqual(expect.objectContaining({ attributes: expect.objectContaining({ med: 99 }) }))
  a.withdraw(P1)
  const waiting = subscription.next()
  await subscription.return()
  expect((await waiting).done).toBe(false)
  expect(await subscription.next()).toEqual({ done: true, value: undefined })
  expect(subscriptions.size).toBe(0)
  expect(locRib.family(4).prefixes.size).toBe(0)
})

test('a subscription is not in sync before a restart is over', async () => {
  const { a, subscribe, settle } = subscribed()
  settle(false)
  a.announce(P1, fromA)
  const subscription = subscribe()
  expect((await subscription.next()).value).toMatchObject({ inSync: false })
  const next = subscription.next()
  settle(true)
  expect((await next).value).toEqual({ inSync: true, changes: [] })
})
