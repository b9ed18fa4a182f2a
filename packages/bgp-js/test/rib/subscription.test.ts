import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LocRibSubscription } from '../../src/rib/loc-rib-subscription.ts'
import { attributes, source, world } from './paths.ts'

const PREFIXES = ['10.1.0.0/16', '10.2.0.0/16', '10.3.0.0/16', 'fd00::/48', 'fd00:1::/48']

const step = fc.oneof(
  fc.record({
    do: fc.constant('announce' as const),
    who: fc.nat(2),
    prefix: fc.constantFrom(...PREFIXES),
    localPref: fc.constantFrom(50, 100, 150),
  }),
  fc.record({ do: fc.constant('withdraw' as const), who: fc.nat(2), prefix: fc.constantFrom(...PREFIXES) }),
  fc.record({ do: fc.constantFrom('read' as const, 'subscribe' as const) }),
)

test('whatever happens between two reads, a subscriber holds what LocRib holds, each prefix once in a batch', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 50 }), async (steps) => {
      const { locRib, peer, listeners, best } = world()
      const subscriptions = new Set<LocRibSubscription>()
      listeners.push((family, prefix, bestChanged) => {
        if (bestChanged) for (const subscription of subscriptions) subscription.changed(family, prefix)
      })
      const peers = [0, 1, 2].map((index) => peer(source(`10.0.0.${index + 1}`)))
      const replicas: { readonly subscription: LocRibSubscription; readonly held: Map<string, string> }[] = []
      const subscribe = (): void => {
        const reader = { family: (family: 4 | 6) => locRib.family(family), isSettled: () => true }
        const subscription = new LocRibSubscription(reader, (closed) => subscriptions.delete(closed))
        subscriptions.add(subscription)
        replicas.push({ subscription, held: new Map() })
      }
      const readAll = async (): Promise<void> => {
        // A marker at the end, so that there is something to read.
        peers[0]?.announce('192.0.2.0/24', attributes({ med: marker++ }))
        for (const { subscription, held } of replicas) {
          const { value } = await subscription.next()
          const prefixes = value?.changes.map((change) => change.prefix) ?? []
          expect(prefixes).toEqual([...new Set(prefixes)])
          for (const change of value?.changes ?? []) {
            if (change.type === 'upsert') held.set(change.prefix, change.learnedFrom)
            else held.delete(change.prefix)
          }
          expect(value?.inSync).toBe(true)
          for (const prefix of PREFIXES) expect([prefix, held.get(prefix)]).toEqual([prefix, best(prefix)])
        }
      }
      let marker = 0
      subscribe()
      for (const event of steps) {
        if (event.do === 'announce') {
          peers[event.who]?.announce(event.prefix, attributes({ localPref: event.localPref }))
        } else if (event.do === 'withdraw') peers[event.who]?.withdraw(event.prefix)
        else if (event.do === 'read') await readAll()
        else subscribe()
      }
      await readAll()
      for (const { subscription } of replicas) subscription.close()
      for (const each of peers) for (const prefix of [...PREFIXES, '192.0.2.0/24']) each.withdraw(prefix)
      expect([locRib.family(4).prefixes.size, locRib.family(6).prefixes.size, locRib.attributes.size]).toEqual([
        0, 0, 0,
      ])
    }),
    { numRuns: 300 },
  )
})
