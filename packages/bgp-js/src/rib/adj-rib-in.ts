import type { Family } from '@margay/net'
import type { PathAttributes } from '../wire/path-attributes.ts'
import { familyOfKey, type PrefixKey } from '../wire/prefix-key.ts'
import { sameAttributes } from './attribute-interner.ts'
import type { LocRib } from './loc-rib.ts'
import { isAccepted, type PathSource, type RibPath } from './path.ts'

/** What import made of a route: attributes to use, or why it is refused. */
export type ImportVerdict = { readonly attributes: PathAttributes } | { readonly refused: string }

interface FamilyTable {
  readonly paths: Map<PrefixKey, RibPath>
  generation: number
  accepted: number
  stale: number
  sweep: IterableIterator<[PrefixKey, RibPath]> | undefined
  sweepBelow: number
}

const emptyTable = (): FamilyTable => ({
  paths: new Map(),
  generation: 0,
  accepted: 0,
  stale: 0,
  sweep: undefined,
  sweepBelow: 0,
})

/**
 * The routes of one peer (or of this speaker itself), refused ones included, and their way into LocRib. A session that
 * ends only starts a new generation: the old one is stale, and swept in slices at once or after its restart time.
 */
export class AdjRibIn {
  readonly #tables: Record<Family, FamilyTable> = { 4: emptyTable(), 6: emptyTable() }
  readonly #locRib: LocRib
  #source: PathSource

  constructor(source: PathSource, locRib: LocRib) {
    this.#source = source
    this.#locRib = locRib
  }

  get source(): PathSource {
    return this.#source
  }

  /** A new session of the same peer: paths from now on carry `source`. */
  set source(source: PathSource) {
    this.#source = source
  }

  announce(key: PrefixKey, received: PathAttributes, verdict: ImportVerdict): void {
    const table = this.#tables[familyOfKey(key)]
    const previous = table.paths.get(key)
    const accepted = 'attributes' in verdict ? verdict.attributes : undefined
    const refused = 'refused' in verdict ? verdict.refused : undefined
    if (previous !== undefined && previous.generation < table.generation) table.stale--
    if (previous !== undefined && this.#isRepeat(previous, received, accepted)) {
      previous.generation = table.generation
      return
    }
    const generation = table.generation
    const path: RibPath = { key, source: this.#source, received, attributes: accepted, refused, generation }
    table.paths.set(key, path)
    table.accepted += Number(accepted !== undefined) - Number(previous !== undefined && isAccepted(previous))
    this.#locRib.replace(path, previous)
  }

  /** @returns whether the prefix was there */
  withdraw(key: PrefixKey): boolean {
    const table = this.#tables[familyOfKey(key)]
    const path = table.paths.get(key)
    if (path === undefined) return false
    this.#drop(table, path)
    return true
  }

  /** Runs import anew over what was received: after a change of policy. */
  reimport(key: PrefixKey, judge: (received: PathAttributes) => ImportVerdict): void {
    const table = this.#tables[familyOfKey(key)]
    const path = table.paths.get(key)
    if (path === undefined) return
    const wasStale = path.generation < table.generation
    this.announce(key, path.received, judge(path.received))
    const renewed = table.paths.get(key)
    if (!wasStale || renewed === undefined) return
    renewed.generation = table.generation - 1
    table.stale++
  }

  /** Makes everything of a family stale. @returns the new generation */
  beginGeneration(family: Family): number {
    const table = this.#tables[family]
    table.stale = table.paths.size
    return ++table.generation
  }

  /** Has {@link AdjRibIn.sweep} drop what is older than `generation` (default: all that is stale). */
  startSweep(family: Family, generation: number = this.#tables[family].generation): void {
    const table = this.#tables[family]
    table.sweepBelow = generation
    table.sweep = table.paths.entries()
  }

  /**
   * Goes on with the sweep that was started, looking at `limit` paths at most.
   * @returns whether it is over
   */
  sweep(family: Family, limit: number): boolean {
    const table = this.#tables[family]
    for (let seen = 0; table.sweep !== undefined && seen < limit; seen++) {
      const next = table.sweep.next()
      if (next.done === true || table.stale === 0) table.sweep = undefined
      else if (next.value[1].generation < table.sweepBelow) this.#drop(table, next.value[1])
    }
    return table.sweep === undefined
  }

  get(key: PrefixKey): RibPath | undefined {
    return this.#tables[familyOfKey(key)].paths.get(key)
  }

  isStale(path: RibPath): boolean {
    return path.generation < this.#tables[familyOfKey(path.key)].generation
  }

  /** Live, as {@link LocRib.keys}. */
  keys(family: Family): IterableIterator<PrefixKey> {
    return this.#tables[family].paths.keys()
  }

  counts(family: Family): { received: number; accepted: number; stale: number } {
    const { paths, accepted, stale } = this.#tables[family]
    return { received: paths.size, accepted, stale }
  }

  #isRepeat(previous: RibPath, received: PathAttributes, accepted: PathAttributes | undefined): boolean {
    if (previous.source.routerId !== this.#source.routerId || previous.source.client !== this.#source.client)
      return false
    if (!sameAttributes(previous.received, received)) return false
    if (previous.attributes === undefined || accepted === undefined) return previous.attributes === accepted
    return sameAttributes(previous.attributes, accepted)
  }

  #drop(table: FamilyTable, path: RibPath): void {
    table.paths.delete(path.key)
    if (path.generation < table.generation) table.stale--
    if (isAccepted(path)) table.accepted--
    this.#locRib.remove(path)
  }
}
