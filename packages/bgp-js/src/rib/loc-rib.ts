import type { Family } from '@margay/net'
import { familyOfKey, type PrefixKey } from '../wire/prefix-key.ts'
import { type DecisionRules, type RankedPath, rank, type Selection, select } from './decision.ts'
import { type AcceptedPath, isAccepted, type RibPath } from './path.ts'

interface LocRibEntry {
  candidates: AcceptedPath[]
  selection: Selection | undefined
}

/** Told about every prefix whose best path or multipath set became another one. */
export type SelectionListener = (key: PrefixKey, selection: Selection | undefined) => void

/**
 * The routes that this speaker uses: every accepted path of every peer, and the choice among them. While a family is
 * deferred (RFC 4724 §4.1) paths are gathered and nothing is chosen.
 */
export class LocRib {
  readonly #tables: Record<Family, Map<PrefixKey, LocRibEntry>> = { 4: new Map(), 6: new Map() }
  readonly #rules: DecisionRules
  readonly #onChange: SelectionListener
  readonly #deferred = new Set<Family>()

  constructor(rules: DecisionRules, onChange: SelectionListener) {
    this.#rules = rules
    this.#onChange = onChange
  }

  /** Puts `path` in the place of `previous`, the path that the same source had for this prefix before. */
  replace(path: RibPath, previous: RibPath | undefined): void {
    if (!isAccepted(path)) {
      if (previous !== undefined) this.remove(previous)
      return
    }
    const table = this.#tables[familyOfKey(path.key)]
    const entry = table.get(path.key)
    if (entry === undefined) {
      const created: LocRibEntry = { candidates: [path], selection: undefined }
      table.set(path.key, created)
      this.#reselect(path.key, created)
      return
    }
    const at = previous === undefined ? -1 : entry.candidates.indexOf(previous as AcceptedPath)
    if (at === -1) entry.candidates.push(path)
    else entry.candidates[at] = path
    this.#reselect(path.key, entry)
  }

  /** Takes out exactly `path`; nothing happens when another one has taken its place. */
  remove(path: RibPath): void {
    const table = this.#tables[familyOfKey(path.key)]
    const entry = table.get(path.key)
    const at = entry === undefined ? -1 : entry.candidates.indexOf(path as AcceptedPath)
    if (entry === undefined || at === -1) return
    entry.candidates.splice(at, 1)
    if (entry.candidates.length === 0) table.delete(path.key)
    this.#reselect(path.key, entry)
  }

  get(key: PrefixKey): Selection | undefined {
    return this.#tables[familyOfKey(key)].get(key)?.selection
  }

  /** Every candidate of a prefix with the reason of its rank. */
  explain(key: PrefixKey): RankedPath[] {
    const entry = this.#tables[familyOfKey(key)].get(key)
    return entry === undefined ? [] : rank(entry.candidates, this.#rules)
  }

  /** Live: prefixes that come while it is walked are visited, those that go are not. */
  keys(family: Family): IterableIterator<PrefixKey> {
    return this.#tables[family].keys()
  }

  size(family: Family): number {
    return this.#tables[family].size
  }

  isDeferred(family: Family): boolean {
    return this.#deferred.has(family)
  }

  defer(family: Family): void {
    this.#deferred.add(family)
  }

  /** Ends the deferral; the owner then has every key reconsidered. */
  undefer(family: Family): void {
    this.#deferred.delete(family)
  }

  /** Chooses again, after facts outside the RIB changed (next hops, deferral). */
  reconsider(key: PrefixKey): void {
    const entry = this.#tables[familyOfKey(key)].get(key)
    if (entry !== undefined) this.#reselect(key, entry)
  }

  #reselect(key: PrefixKey, entry: LocRibEntry): void {
    if (this.#deferred.has(familyOfKey(key))) return
    const before = entry.selection
    const after = select(entry.candidates, this.#rules)
    if (before === undefined && after === undefined) return
    entry.selection = after
    if (before === undefined || after === undefined || !sameSelection(before, after)) this.#onChange(key, after)
  }
}

const sameSelection = (a: Selection, b: Selection): boolean =>
  a.multipath.length === b.multipath.length && a.multipath.every((path, index) => path === b.multipath[index])
