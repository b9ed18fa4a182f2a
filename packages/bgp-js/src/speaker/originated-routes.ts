import { type Family, Prefix } from '@margay/net'
import { AdjRibIn } from '../rib/adj-rib-in.ts'
import type { LocRib } from '../rib/loc-rib.ts'
import { type OriginateAttributes, originatedAttributes } from '../rib/route-attributes.ts'
import { FAMILIES } from '../wire/address-family.ts'
import { ipv4Value } from '../wire/ip-text.ts'
import { keyOfPrefix } from '../wire/prefix-key.ts'

/** A prefix to announce as our own. */
export interface OriginatedRoute {
  readonly prefix: string
  readonly attributes?: OriginateAttributes
}

/** The routes that this speaker originates: an AdjRibIn without a peer. */
export class OriginatedRoutes {
  readonly #locRib: LocRib
  readonly #tables: Record<Family, AdjRibIn>

  constructor(locRib: LocRib, local: { asn: number; routerId: string }) {
    const routerId = ipv4Value(local.routerId)
    const { asn } = local
    const index = locRib.addSource({ id: 'local', kind: 'local', asn, routerId, addressValue: 0n, client: false })
    this.#locRib = locRib
    this.#tables = { 4: new AdjRibIn(locRib, 4, index), 6: new AdjRibIn(locRib, 6, index) }
  }

  /** @throws {AddressError} for a prefix that is none @throws {RangeError} for attributes that are wrong */
  originate({ prefix, attributes = {} }: OriginatedRoute): void {
    const parsed = Prefix.parse(prefix)
    const set = this.#locRib.attributes.intern(originatedAttributes(attributes, parsed.family))
    const number = this.#locRib.family(parsed.family).prefixes.internKey(keyOfPrefix(parsed))
    this.#tables[parsed.family].announce(number, 0, set, set)
  }

  /** @returns whether it was there */
  withdraw(prefix: string): boolean {
    const parsed = Prefix.parse(prefix)
    const number = this.#locRib.family(parsed.family).prefixes.findKey(keyOfPrefix(parsed))
    return number !== 0 && this.#tables[parsed.family].withdraw(number)
  }

  /** Makes `routes` all that is originated: what stays as it is causes no change at all. */
  replaceAll(routes: Iterable<OriginatedRoute>): void {
    const checked = [...routes]
    for (const { prefix, attributes = {} } of checked) originatedAttributes(attributes, Prefix.parse(prefix).family)
    for (const family of FAMILIES) this.#tables[family].beginGeneration()
    for (const route of checked) this.originate(route)
    for (const family of FAMILIES) {
      this.#tables[family].startSweep()
      this.#tables[family].sweep(Number.POSITIVE_INFINITY)
    }
  }
}
