import { type Prefix, PrefixTrie } from '@margay/net'
import type { ValidationState } from '../policy/policy-route.ts'
import type { AsPathSegment } from '../wire/path-attributes.ts'
import type { Vrp } from './rtr-pdu.ts'

/** VRPs by prefix. Each (prefix, length, AS) is there once. */
export class VrpTable {
  readonly #trie = new PrefixTrie<Vrp[]>()
  #size = 0

  get size(): number {
    return this.#size
  }

  add(vrp: Vrp): void {
    const there = this.#trie.get(vrp.prefix) ?? []
    if (there.some((other) => isSame(other, vrp))) return
    this.#trie.set(vrp.prefix, [...there, vrp])
    this.#size++
  }

  remove(vrp: Vrp): void {
    const there = this.#trie.get(vrp.prefix) ?? []
    const rest = there.filter((other) => !isSame(other, vrp))
    if (rest.length === there.length) return
    if (rest.length === 0) this.#trie.delete(vrp.prefix)
    else this.#trie.set(vrp.prefix, rest)
    this.#size--
  }

  /** RFC 6811 §2.1. `originAs`: see {@link routeOriginAs}; AS 0 and "none" match no VRP (RFC 7607, RFC 6811 §2). */
  validate(prefix: Prefix, originAs: number | undefined): ValidationState {
    let isCovered = false
    for (const [, vrps] of this.#trie.covering(prefix)) {
      isCovered = true
      if (originAs === undefined || originAs === 0) continue
      if (vrps.some(({ asn, maxLength }) => asn === originAs && prefix.length <= maxLength)) return 'valid'
    }
    return isCovered ? 'invalid' : 'notFound'
  }
}

const isSame = (a: Vrp, b: Vrp): boolean => a.maxLength === b.maxLength && a.asn === b.asn

/** A text that is equal for equal VRPs. */
export const vrpKey = ({ prefix, maxLength, asn }: Vrp): string => `${prefix}-${maxLength} ${asn}`

/**
 * The AS that a route is validated by (RFC 6811 §2): the last one of a path that ends in a sequence; our own for an
 * empty path and one that ends inside our confederation; none where it ends in an AS_SET (RFC 6907 §7.1.8 ff.).
 */
export function routeOriginAs(path: readonly AsPathSegment[], localAsn: number): number | undefined {
  const last = path.at(-1)
  if (last === undefined || last.type === 'confedSequence' || last.type === 'confedSet') return localAsn
  return last.type === 'sequence' ? last.asns.at(-1) : undefined
}
