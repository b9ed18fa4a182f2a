import { Prefix } from '@margay/net'
import { AdjRibIn } from '../rib/adj-rib-in.ts'
import type { AttributeInterner } from '../rib/attribute-interner.ts'
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
  readonly #adjRibIn: AdjRibIn
  readonly #interner: AttributeInterner

  constructor(locRib: LocRib, interner: AttributeInterner, local: { asn: number; routerId: string }) {
    const routerId = ipv4Value(local.routerId)
    this.#interner = interner
    this.#adjRibIn = new AdjRibIn(
      { id: 'local', kind: 'local', asn: local.asn, routerId, addressValue: 0n, client: false },
      locRib,
    )
  }

  /** @throws {AddressError} for a prefix that is none @throws {RangeError} for attributes that are wrong */
  originate({ prefix, attributes = {} }: OriginatedRoute): void {
    const parsed = Prefix.parse(prefix)
    const interned = this.#interner.intern(originatedAttributes(attributes, parsed.family))
    this.#adjRibIn.announce(keyOfPrefix(parsed), interned, { attributes: interned })
  }

  /** @returns whether it was there */
  withdraw(prefix: string): boolean {
    return this.#adjRibIn.withdraw(keyOfPrefix(Prefix.parse(prefix)))
  }

  /** Makes `routes` all that is originated: what stays as it is causes no change at all. */
  replaceAll(routes: Iterable<OriginatedRoute>): void {
    const checked = [...routes]
    for (const { prefix, attributes = {} } of checked) originatedAttributes(attributes, Prefix.parse(prefix).family)
    for (const family of FAMILIES) this.#adjRibIn.beginGeneration(family)
    for (const route of checked) this.originate(route)
    for (const family of FAMILIES) {
      this.#adjRibIn.startSweep(family)
      this.#adjRibIn.sweep(family, Number.POSITIVE_INFINITY)
    }
  }
}
