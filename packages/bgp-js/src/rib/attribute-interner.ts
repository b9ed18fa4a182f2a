import type { PathAttributes } from '../wire/path-attributes.ts'

/** Past this many entries the interner forgets everything: a bound on memory, paid with a few equal twins. */
const MAX_ENTRIES = 65_536

/** A text that is equal for equal attributes and different for different ones. */
function attributesKey(a: PathAttributes): string {
  return JSON.stringify([
    a.origin,
    a.asPath,
    a.nextHop,
    a.nextHopLinkLocal,
    a.med,
    a.localPref,
    a.atomicAggregate,
    a.aggregator?.asn,
    a.aggregator?.address,
    a.communities,
    a.largeCommunities,
    a.extendedCommunities,
    a.originatorId,
    a.clusterList,
    a.opaque?.map((item) => [item.flags, item.code, Buffer.from(item.value).toString('latin1')]),
    a.partialCodes,
    a.tags,
  ])
}

/** Whether two routes would look the same on the wire. */
export const sameAttributes = (a: PathAttributes, b: PathAttributes): boolean =>
  a === b || attributesKey(a) === attributesKey(b)

/**
 * Makes equal attributes one object, so that prefixes that share them share memory, memoised export results and
 * UPDATEs. Identity is a hint only: nothing breaks when two twins live side by side.
 */
export class AttributeInterner {
  readonly #known = new Map<string, PathAttributes>()

  intern(attributes: PathAttributes): PathAttributes {
    const key = attributesKey(attributes)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    if (this.#known.size >= MAX_ENTRIES) this.#known.clear()
    this.#known.set(key, attributes)
    return attributes
  }
}
