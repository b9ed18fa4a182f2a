import { pathLength } from '../wire/as4-path.ts'
import { type AsPathSegment, type PathAttributes, WellKnownCommunity } from '../wire/path-attributes.ts'
import type { AttributeCache, CacheDomain } from '../wire/resolve-update.ts'

/** One set of path attributes, shared by every path that has it, with what the decision process asks of it. */
export interface AttributeSet {
  /** Names it in tables; never 0. Another set may get it once nobody retains this one. */
  readonly id: number
  /** Names it for ever: what is remembered by it does not keep the set. */
  readonly serial: number
  readonly attributes: PathAttributes
  /** AS_PATH length as the decision process counts it. */
  readonly pathLength: number
  /** First AS of the path; 0 for routes of our own AS. */
  readonly neighbourAs: number
  /** Carries LLGR_STALE (RFC 9494 §4.4): last choice. */
  readonly llgrStale: boolean
}

interface StoredSet extends AttributeSet {
  readonly home: Map<string, StoredSet>
  readonly key: string
  references: number
}

/**
 * Makes equal attributes one: prefixes share memory, memoised export results and UPDATEs. Sets are found by the octets
 * that they came in, or by their content where this speaker made them; two sets with equal content may live side by
 * side, and nothing breaks when they do.
 */
export class AttributeStore implements AttributeCache<AttributeSet> {
  readonly #byKey: Readonly<Record<CacheDomain | 'content', Map<string, StoredSet>>> = {
    i4: new Map(),
    i2: new Map(),
    e4: new Map(),
    e2: new Map(),
    'mp-i4': new Map(),
    'mp-i2': new Map(),
    'mp-e4': new Map(),
    'mp-e2': new Map(),
    content: new Map(),
  }
  readonly #byId: (StoredSet | undefined)[] = [undefined]
  readonly #freeIds: number[] = []
  #serial = 0

  get size(): number {
    return this.#byId.length - 1 - this.#freeIds.length
  }

  get(id: number): AttributeSet {
    return this.#byId[id] as StoredSet
  }

  find(domain: CacheDomain, octets: string): AttributeSet | undefined {
    return this.#byKey[domain].get(octets)
  }

  add(attributes: PathAttributes, domain: CacheDomain, octets: string | undefined): AttributeSet {
    return octets === undefined ? this.intern(attributes) : this.#store(this.#byKey[domain], octets, attributes)
  }

  /** The set of this content; held by nobody when it is new. */
  intern(attributes: PathAttributes): AttributeSet {
    const key = contentKey(attributes)
    const { content } = this.#byKey
    return content.get(key) ?? this.#store(content, key, attributes)
  }

  retain(id: number): void {
    ;(this.#byId[id] as StoredSet).references++
  }

  release(id: number): void {
    ;(this.#byId[id] as StoredSet).references--
    this.dropUnused(id)
  }

  /** Forgets a set that was made and that nobody retained. */
  dropUnused(id: number): void {
    const set = this.#byId[id]
    if (set === undefined || set.references > 0) return
    set.home.delete(set.key)
    this.#byId[id] = undefined
    this.#freeIds.push(id)
  }

  #store(home: Map<string, StoredSet>, key: string, attributes: PathAttributes): AttributeSet {
    const id = this.#freeIds.pop() ?? this.#byId.length
    const { asPath, communities } = attributes
    const set: StoredSet = {
      id,
      serial: this.#serial++,
      attributes,
      pathLength: pathLength(asPath),
      neighbourAs: neighbourAs(asPath),
      llgrStale: communities?.includes(WellKnownCommunity.LlgrStale) === true,
      home,
      key,
      references: 0,
    }
    this.#byId[id] = set
    home.set(key, set)
    return set
  }
}

/** First AS of the path outside confederation segments. */
function neighbourAs(asPath: readonly AsPathSegment[]): number {
  for (const segment of asPath) {
    if (segment.type === 'sequence') return segment.asns[0] ?? 0
    if (segment.type === 'set') return 0
  }
  return 0
}

/** A text that is equal for equal attributes and different for different ones. */
function contentKey(a: PathAttributes): string {
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
    a.onlyToCustomer,
    a.opaque?.map((item) => [item.flags, item.code, Buffer.from(item.value).toString('latin1')]),
    a.partialCodes,
    a.tags,
  ])
}
