import type { Family } from '@margay/net'
import { FAMILIES, type FamilyName, familyName } from '../wire/address-family.ts'
import { prefixText } from '../wire/prefix-key.ts'
import { DirtyQueue } from './dirty-queue.ts'
import type { FamilyRib } from './loc-rib.ts'
import type { PathSource } from './path.ts'
import { type RouteAttributes, viewAttributes } from './route-attributes.ts'

/** The state of one prefix in LocRib. Plain data. */
export type LocRibChange =
  | {
      readonly type: 'upsert'
      readonly prefix: string
      readonly family: FamilyName
      readonly source: PathSource['kind']
      /** Address of the peer it was learned from, or `local`. */
      readonly learnedFrom: string
      /** One, or every next hop of equal cost with multipath, link-local ones with their zone; empty for a route of this speaker's own. */
      readonly nextHops: readonly string[]
      readonly attributes: RouteAttributes
    }
  | { readonly type: 'delete'; readonly prefix: string; readonly family: FamilyName }

/** Changes in no particular order, at most one per prefix. */
export interface LocRibBatch {
  readonly changes: readonly LocRibChange[]
  /** From here on the subscriber has seen every prefix of the snapshot; said in each batch from then on. */
  readonly inSync: boolean
}

/** What a subscription reads. */
export interface LocRibReader {
  family(family: Family): FamilyRib
  /** False while route selection waits for restarting peers: the snapshot is not whole before it is over. */
  isSettled(): boolean
}

const BATCH_SIZE = 1024

/**
 * A pull-style reader of LocRib: first every prefix, then what changes. A slow reader gets the latest state of each
 * prefix; what waits for it is bounded by the number of prefixes. A delete may name a prefix that it never heard of.
 */
export class LocRibSubscription implements AsyncIterableIterator<LocRibBatch> {
  readonly #rib: LocRibReader
  readonly #onClose: (subscription: LocRibSubscription) => void
  readonly #changed: Record<Family, DirtyQueue>
  /** Where the walk over the table stands, by family; it is over at the table's end as it was at the beginning. */
  readonly #walk: Record<Family, { next: number; readonly end: number }>
  #inSync = false
  #toldInSync = false
  #closed = false
  #wake: (() => void) | undefined

  constructor(rib: LocRibReader, onClose: (subscription: LocRibSubscription) => void) {
    this.#rib = rib
    this.#onClose = onClose
    const queue = (family: Family): DirtyQueue => new DirtyQueue(rib.family(family).prefixes)
    const walk = (family: Family): { next: number; end: number } => ({ next: 1, end: rib.family(family).prefixes.end })
    this.#changed = { 4: queue(4), 6: queue(6) }
    this.#walk = { 4: walk(4), 6: walk(6) }
  }

  /** A prefix has another best path, other attributes, or another set of equal cost. */
  changed(family: Family, prefix: number): void {
    this.#changed[family].mark(prefix)
    this.#wake?.()
  }

  /** Selection settled. */
  settled(): void {
    this.#wake?.()
  }

  async next(): Promise<IteratorResult<LocRibBatch, undefined>> {
    while (!this.#closed) {
      const changes = this.#collect()
      if (changes.length > 0 || this.#inSync !== this.#toldInSync) {
        this.#toldInSync = this.#inSync
        return { done: false, value: { changes, inSync: this.#inSync } }
      }
      // oxlint-disable-next-line no-await-in-loop -- one change after the other is what is waited for
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
    return { done: true, value: undefined }
  }

  /** Ends the subscription; a waiting `next()` answers done. */
  async return(): Promise<IteratorResult<LocRibBatch, undefined>> {
    this.close()
    return { done: true, value: undefined }
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const family of FAMILIES) this.#changed[family].clear()
    this.#onClose(this)
    this.#wake?.()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #collect(): LocRibChange[] {
    const changes: LocRibChange[] = []
    const told = { 4: new Set<number>(), 6: new Set<number>() }
    for (const family of FAMILIES) this.#collectChanged(family, changes, told[family])
    for (const family of FAMILIES) this.#collectSnapshot(family, changes, told[family])
    const isWhole = FAMILIES.every((family) => this.#isRead(family))
    if (isWhole && this.#rib.isSettled()) this.#inSync = true
    return changes
  }

  #isRead(family: Family): boolean {
    return this.#changed[family].size === 0 && this.#walk[family].next >= this.#walk[family].end
  }

  #collectChanged(family: Family, changes: LocRibChange[], told: Set<number>): void {
    const rib = this.#rib.family(family)
    while (changes.length < BATCH_SIZE) {
      const prefix = this.#changed[family].take()
      if (prefix === 0) return
      changes.push(changeOf(rib, prefix))
      if (prefix >= this.#walk[family].next) told.add(prefix)
      rib.prefixes.release(prefix)
    }
  }

  /** Prefixes that come while it walks are among the changes. @param told those that this batch has already */
  #collectSnapshot(family: Family, changes: LocRibChange[], told: ReadonlySet<number>): void {
    const rib = this.#rib.family(family)
    const walk = this.#walk[family]
    for (; walk.next < walk.end && changes.length < BATCH_SIZE; walk.next++) {
      if (rib.best(walk.next) !== 0 && !told.has(walk.next)) changes.push(changeOf(rib, walk.next))
    }
  }
}

function changeOf(rib: FamilyRib, prefix: number): LocRibChange {
  const text = prefixText(rib.prefixes.keyOf(prefix))
  const family = familyName(rib.family)
  const selected = rib.selection(prefix)
  const [best] = selected
  if (best === undefined) return { type: 'delete', prefix: text, family }
  const source = rib.sourceOf(best)
  const hops = selected
    .filter((path) => rib.sourceOf(path).kind !== 'local')
    .map((path) => zonedNextHop(rib.attributesOf(path).attributes.nextHop, rib.sourceOf(path)))
  return {
    type: 'upsert',
    prefix: text,
    family,
    source: source.kind,
    learnedFrom: source.id,
    nextHops: [...new Set(hops)],
    attributes: viewAttributes(rib.attributesOf(best).attributes),
  }
}

/** A link-local next hop means something on its link alone. */
function zonedNextHop(nextHop: string, { zone }: PathSource): string {
  return zone !== undefined && nextHop.startsWith('fe80:') ? `${nextHop}%${zone}` : nextHop
}
