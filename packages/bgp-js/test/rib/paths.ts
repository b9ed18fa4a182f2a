import { Prefix } from '@margay/net'
import { AdjRibIn } from '../../src/rib/adj-rib-in.ts'
import type { DecisionRules } from '../../src/rib/decision.ts'
import { LocRib } from '../../src/rib/loc-rib.ts'
import type { PathSource } from '../../src/rib/path.ts'
import { ipv4Value } from '../../src/wire/ip-text.ts'
import type { PathAttributes } from '../../src/wire/path-attributes.ts'
import { keyOfPrefix, type PrefixKey, prefixText } from '../../src/wire/prefix-key.ts'

export const RULES: DecisionRules = {
  multipath: false,
  alwaysCompareMed: false,
  defaultLocalPref: 100,
  nextHopMetric: () => 0,
}

export const key = (prefix: string): PrefixKey => keyOfPrefix(Prefix.parse(prefix))

export function source(id: string, more: Partial<Omit<PathSource, 'id'>> & { routerIdText?: string } = {}): PathSource {
  const { routerIdText = id, ...rest } = more
  const routerId = id === 'local' ? 0 : ipv4Value(routerIdText)
  const addressValue = id === 'local' ? 0n : BigInt(ipv4Value(id))
  return { id, kind: 'external', asn: 65002, routerId, addressValue, client: false, ...rest }
}

export const attributes = (more: Partial<PathAttributes> = {}): PathAttributes => ({
  origin: 0,
  asPath: [{ type: 'sequence', asns: [65002] }],
  nextHop: '10.9.0.1',
  ...more,
})

/** A peer of a test world: prefixes as text, attributes as values. */
export class TestPeer {
  readonly #locRib: LocRib
  readonly index: number
  readonly tables: Record<4 | 6, AdjRibIn>

  constructor(locRib: LocRib, from: PathSource) {
    this.#locRib = locRib
    this.index = locRib.addSource(from)
    this.tables = { 4: new AdjRibIn(locRib, 4, this.index), 6: new AdjRibIn(locRib, 6, this.index) }
  }

  table(prefix: string): AdjRibIn {
    return this.tables[prefix.includes(':') ? 6 : 4]
  }

  /** @param accepted what import makes of it; a text refuses it */
  announce(
    prefix: string,
    route: PathAttributes,
    accepted: PathAttributes | 'policy' | 'asLoop' = route,
    pathId = 0,
  ): void {
    const store = this.#locRib.attributes
    const received = store.intern(route)
    const verdict = typeof accepted === 'string' ? accepted : store.intern(accepted)
    this.table(prefix).announce(this.number(prefix, true), pathId, received, verdict)
  }

  withdraw(prefix: string, pathId = 0): boolean {
    const number = this.number(prefix, false)
    return number !== 0 && this.table(prefix).withdraw(number, pathId)
  }

  number(prefix: string, create: boolean): number {
    const { prefixes } = this.#locRib.family(prefix.includes(':') ? 6 : 4)
    return create ? prefixes.internKey(key(prefix)) : prefixes.findKey(key(prefix))
  }
}

/** A LocRib that notes every change of a best path. */
export function world(rules = RULES) {
  const changes: [prefix: string, best: string | undefined][] = []
  const listeners: ((family: 4 | 6, prefix: number, bestChanged: boolean) => void)[] = []
  const locRib: LocRib = new LocRib(rules, {
    prefixChanged: (family, prefix, bestChanged) => {
      for (const listener of listeners) listener(family, prefix, bestChanged)
      const rib = locRib.family(family)
      if (bestChanged) changes.push([prefixText(rib.prefixes.keyOf(prefix)), bestOf(locRib, prefix, family)])
    },
  })
  const peer = (from: PathSource): TestPeer => new TestPeer(locRib, from)
  const best = (prefix: string): string | undefined => {
    const family = prefix.includes(':') ? 6 : 4
    return bestOf(locRib, locRib.family(family).prefixes.findKey(key(prefix)), family)
  }
  return { locRib, peer, changes, best, listeners }
}

function bestOf(locRib: LocRib, prefix: number, family: 4 | 6): string | undefined {
  const rib = locRib.family(family)
  const path = rib.best(prefix)
  return path === 0 ? undefined : rib.sourceOf(path).id
}
