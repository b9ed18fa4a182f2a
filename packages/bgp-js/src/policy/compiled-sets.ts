import { Prefix, PrefixTrie } from '@margay/net'
import { type CommunityMatcher, parseCommunityPattern } from './community-pattern.ts'
import type { AsMatch, PolicySets, PrefixSetEntry } from './policy.ts'

/** Lengths that a prefix inside an entry may have. */
interface LengthRange {
  readonly min: number
  readonly max: number
}

/** Prefixes by longest match: a question costs the depth of the trie, however long the list. */
export class PrefixSet {
  readonly #trie = new PrefixTrie<LengthRange[]>()

  /** @throws {AddressError} for an entry that is no prefix */
  constructor(entries: readonly PrefixSetEntry[]) {
    for (const entry of entries) {
      const { prefix: text, minLength, maxLength } = typeof entry === 'string' ? { prefix: entry } : entry
      const prefix = Prefix.parse(text)
      const ranges = this.#trie.get(prefix) ?? []
      ranges.push(lengthRange(prefix.length, minLength, maxLength))
      this.#trie.set(prefix, ranges)
    }
  }

  has(prefix: Prefix): boolean {
    for (const [, ranges] of this.#trie.covering(prefix)) {
      if (ranges.some(({ min, max }) => prefix.length >= min && prefix.length <= max)) return true
    }
    return false
  }
}

/** Without lengths: the prefix itself; with a least length alone: everything from there down. */
export function lengthRange(length: number, min: number | undefined, max: number | undefined): LengthRange {
  return { min: min ?? length, max: max ?? (min === undefined ? length : 128) }
}

const SET = 'set:'

/** The named sets of a policy, ready for use. */
export class CompiledSets {
  readonly #prefixes: ReadonlyMap<string, PrefixSet>
  readonly #sets: PolicySets

  constructor(sets: PolicySets) {
    this.#sets = sets
    this.#prefixes = new Map(Object.entries(sets.prefixSets ?? {}).map(([name, list]) => [name, new PrefixSet(list)]))
  }

  /** @throws {RangeError} for a name that stands for no set */
  prefixSet(name: string): PrefixSet {
    return named(this.#prefixes.get(name), name)
  }

  /** The patterns that a text stands for. */
  communities(texts: readonly string[]): CommunityMatcher[] {
    return texts.flatMap((text) => {
      if (!text.startsWith(SET)) return [parseCommunityPattern(text)]
      return named(own(this.#sets.communitySets, text.slice(SET.length)), text).map(parseCommunityPattern)
    })
  }

  asns(list: readonly AsMatch[]): (asn: number) => boolean {
    const flat = list.flatMap((item) =>
      typeof item === 'string' && item.startsWith(SET)
        ? named(own(this.#sets.asSets, item.slice(SET.length)), item)
        : [item],
    )
    const single = new Set<number>()
    const ranges: (readonly [number, number])[] = []
    for (const item of flat) {
      const [from, to] = parseAsRange(item)
      if (from === to) single.add(from)
      else ranges.push([from, to])
    }
    return (asn) => single.has(asn) || ranges.some(([from, to]) => asn >= from && asn <= to)
  }
}

function own<T>(record: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, name) ? record[name] : undefined
}

function named<T>(set: T | undefined, name: string): T {
  if (set === undefined) throw new RangeError(`there is no set ${JSON.stringify(name)}`)
  return set
}

/** `65001`, `"65001"` or `"64512-65534"`. @throws {RangeError} */
export function parseAsRange(item: AsMatch): readonly [number, number] {
  const match = /^(\d{1,10})(?:-(\d{1,10}))?$/.exec(String(item))
  const from = Number(match?.[1] ?? Number.NaN)
  const to = match?.[2] === undefined ? from : Number(match[2])
  if (!(from <= to && to <= 0xffffffff))
    throw new RangeError(`${JSON.stringify(item)} is no AS number or range of them`)
  return [from, to]
}
