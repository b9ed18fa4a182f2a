import type { Family } from '@margay/net'
import type { PathAttributes } from '../wire/path-attributes.ts'
import { familyOfKey, type PrefixKey } from '../wire/prefix-key.ts'
import { type AttributeSet, AttributeStore } from './attribute-store.ts'
import { grown } from './columns.ts'
import { type BestPathReason, Decision, type DecisionRules, type PathReader } from './decision.ts'
import type { PathSource } from './path.ts'
import { PathFlag, PathStore } from './path-store.ts'
import { PrefixTable } from './prefix-table.ts'

/** Told about every prefix whose paths changed in a way that anybody may see. */
export interface RibListener {
  /**
   * @param bestChanged another best path, other attributes of it, or another set of equal cost; false when a path changed
   *   that is no better than others
   */
  prefixChanged(family: Family, prefix: number, bestChanged: boolean): void
}

/** One candidate of a prefix, for people. */
export interface ExplainedPath {
  readonly source: PathSource
  readonly pathId: number
  readonly attributes: PathAttributes
  readonly stale: boolean
  readonly isBest: boolean
  readonly inMultipath: boolean
  readonly reason: BestPathReason
}

const FIRST_CAPACITY = 256
const MAX_PEERS = 0xffff
const DEPARTED: PathSource = { id: '', kind: 'external', asn: 0, routerId: 0, addressValue: 0n, client: false }

/**
 * The routes that this speaker uses: every path of every peer, and the choice among the accepted ones. While a family is
 * deferred (RFC 4724 §4.1) paths are gathered and nothing is chosen.
 */
export class LocRib {
  readonly attributes = new AttributeStore()
  readonly #families: Record<Family, FamilyRib>
  readonly #sources: (PathSource | undefined)[] = []

  constructor(rules: DecisionRules, listener: RibListener) {
    const newFamily = (family: Family): FamilyRib =>
      new FamilyRib(family, { attributes: this.attributes, source: (index) => this.source(index) }, rules, listener)
    this.#families = { 4: newFamily(4), 6: newFamily(6) }
  }

  family(family: Family): FamilyRib {
    return this.#families[family]
  }

  /** @returns the index that names the source in tables @throws {RangeError} at 65,535 sources */
  addSource(source: PathSource): number {
    const free = this.#sources.indexOf(undefined)
    const index = free === -1 ? this.#sources.length : free
    if (index >= MAX_PEERS) throw new RangeError('too many peers')
    this.#sources[index] = source
    return index
  }

  source(index: number): PathSource {
    return this.#sources[index] ?? DEPARTED
  }

  /** The source has another nature now: the owner then has its paths reconsidered. */
  replaceSource(index: number, source: PathSource): void {
    this.#sources[index] = source
  }

  /** No path of it may be left. */
  removeSource(index: number): void {
    this.#sources[index] = undefined
  }
}

interface RibSurroundings {
  readonly attributes: AttributeStore
  source(index: number): PathSource
}

/** LocRib of one family. Prefixes and paths are numbers of its tables. */
export class FamilyRib implements PathReader {
  readonly family: Family
  readonly prefixes: PrefixTable
  readonly paths = new PathStore()
  readonly #surroundings: RibSurroundings
  readonly #decision: Decision
  readonly #listener: RibListener
  #firstPath = new Uint32Array(FIRST_CAPACITY)
  #best = new Uint32Array(FIRST_CAPACITY)
  readonly #candidates: number[] = []
  #selected = 0
  #isDeferred = false

  constructor(family: Family, surroundings: RibSurroundings, rules: DecisionRules, listener: RibListener) {
    this.family = family
    this.prefixes = new PrefixTable(family)
    this.#surroundings = surroundings
    this.#decision = new Decision(this, rules)
    this.#listener = listener
  }

  /** Prefixes that have a best path. */
  get size(): number {
    return this.#selected
  }

  get isDeferred(): boolean {
    return this.#isDeferred
  }

  defer(): void {
    this.#isDeferred = true
  }

  /** Ends the deferral; the owner then has every prefix reconsidered. */
  undefer(): void {
    this.#isDeferred = false
  }

  /** The best path, 0 for none. */
  best(prefix: number): number {
    return this.#best[prefix] ?? 0
  }

  bestOfKey(key: PrefixKey): number {
    return familyOfKey(key) === this.family ? this.best(this.prefixes.findKey(key)) : 0
  }

  /** The paths of equal cost that are used, the best first. */
  selection(prefix: number): number[] {
    const best = this.best(prefix)
    if (best === 0) return []
    const selected = [best]
    for (let path = this.firstPath(prefix); path !== 0; path = this.paths.nextOfPrefix[path] as number) {
      if (path !== best && ((this.paths.flags[path] as number) & PathFlag.Multipath) !== 0) selected.push(path)
    }
    return selected
  }

  /** The `limit` best paths: the best, then the best of the others, and so on. */
  ranked(prefix: number, limit: number): number[] {
    const left = this.#accepted(prefix, [])
    const ranked: number[] = []
    while (left.length > 0 && ranked.length < limit) {
      const best = this.#decision.select([...left])
      if (best === 0) break
      ranked.push(best)
      left.splice(left.indexOf(best), 1)
    }
    return ranked
  }

  /** Every candidate of a prefix with the reason of its rank. */
  explain(prefix: number): ExplainedPath[] {
    return this.#decision.rank(this.#accepted(prefix, [])).map(({ path, ...rank }) => ({
      source: this.sourceOf(path),
      pathId: this.pathIdOf(path),
      attributes: this.attributesOf(path).attributes,
      stale: this.isLlgrStale(path),
      ...rank,
    }))
  }

  firstPath(prefix: number): number {
    return this.#firstPath[prefix] ?? 0
  }

  findPath(prefix: number, peer: number, pathId: number): number {
    const { paths } = this
    let path = this.firstPath(prefix)
    while (path !== 0 && (paths.peer[path] !== peer || paths.pathId[path] !== pathId)) {
      path = paths.nextOfPrefix[path] as number
    }
    return path
  }

  /** Puts a new path into the list of its prefix; {@link FamilyRib.pathChanged} has it chosen. */
  addPath(prefix: number, path: number): void {
    if (prefix >= this.#firstPath.length) {
      this.#firstPath = grown(this.#firstPath, prefix + 1)
      this.#best = grown(this.#best, prefix + 1)
    }
    this.paths.nextOfPrefix[path] = this.#firstPath[prefix] as number
    this.#firstPath[prefix] = path
  }

  /** Acceptance, attributes or standing of a path changed. */
  pathChanged(path: number): void {
    this.#reselect(this.paths.prefix[path] as number, path)
  }

  removePath(prefix: number, path: number): void {
    const { nextOfPrefix } = this.paths
    const next = nextOfPrefix[path] as number
    if (this.#firstPath[prefix] === path) {
      this.#firstPath[prefix] = next
    } else {
      let before = this.#firstPath[prefix] as number
      while (nextOfPrefix[before] !== path) before = nextOfPrefix[before] as number
      nextOfPrefix[before] = next
    }
    const wasAccepted = this.paths.accepted[path] !== 0
    if (wasAccepted) this.#reselect(prefix, path)
  }

  /** Chooses again, after facts outside the RIB changed (next hops, deferral, a peer's identifier). */
  reconsider(prefix: number): void {
    if (this.firstPath(prefix) !== 0) this.#reselect(prefix, 0)
  }

  attributesOf(path: number): AttributeSet {
    return this.#surroundings.attributes.get(this.paths.accepted[path] as number)
  }

  sourceOf(path: number): PathSource {
    return this.source(this.paths.peer[path] as number)
  }

  source(index: number): PathSource {
    return this.#surroundings.source(index)
  }

  isLlgrStale(path: number): boolean {
    return ((this.paths.flags[path] as number) & PathFlag.LlgrStale) !== 0
  }

  pathIdOf(path: number): number {
    return this.paths.pathId[path] as number
  }

  #accepted(prefix: number, into: number[]): number[] {
    into.length = 0
    const { accepted, nextOfPrefix } = this.paths
    for (let path = this.firstPath(prefix); path !== 0; path = nextOfPrefix[path] as number) {
      if (accepted[path] !== 0) into.push(path)
    }
    return into
  }

  /** @param changed the path that is not what it was, or is gone; 0 when it is something else that changed */
  #reselect(prefix: number, changed: number): void {
    if (this.#isDeferred) return
    const before = this.#best[prefix] as number
    const first = this.firstPath(prefix)
    const hasChoice = first !== 0 && this.paths.nextOfPrefix[first] !== 0
    const best = hasChoice ? this.#decision.select(this.#accepted(prefix, this.#candidates)) : this.#onlyPath(first)
    if (before === 0 && best === 0 && changed === 0) return
    this.#best[prefix] = best
    this.#selected += Number(best !== 0) - Number(before !== 0)
    const setChanged = hasChoice ? this.#markSelected(prefix, changed) : this.#markOnly(best, changed)
    this.#listener.prefixChanged(this.family, prefix, best !== before || setChanged)
  }

  /** Most prefixes have one path: nothing is to be compared. */
  #onlyPath(path: number): number {
    return path !== 0 && this.paths.accepted[path] !== 0 && this.#decision.isReachable(path) ? path : 0
  }

  #markOnly(best: number, changed: number): boolean {
    const { flags } = this.paths
    const wasSelected = changed !== 0 && ((flags[changed] as number) & PathFlag.Multipath) !== 0
    if (changed !== 0) flags[changed] = (flags[changed] as number) & ~PathFlag.Multipath
    if (best !== 0) flags[best] = (flags[best] as number) | PathFlag.Multipath
    return wasSelected
  }

  /** Flags the paths of equal cost. @returns whether they, or the attributes of one, are others than before */
  #markSelected(prefix: number, changed: number): boolean {
    const { flags, nextOfPrefix } = this.paths
    const { equalCost } = this.#decision
    let differs = changed !== 0 && ((flags[changed] as number) & PathFlag.Multipath) !== 0
    for (let path = this.firstPath(prefix); path !== 0; path = nextOfPrefix[path] as number) {
      const was = flags[path] as number
      const is = equalCost.includes(path) ? was | PathFlag.Multipath : was & ~PathFlag.Multipath
      if (is === was) continue
      flags[path] = is
      differs = true
    }
    return differs
  }
}
