import type { Family } from '@margay/net'
import { type FamilyName, familyName } from '../wire/address-family.ts'
import { familyOfKey, type PrefixKey, prefixText } from '../wire/prefix-key.ts'
import type { Selection } from './decision.ts'
import { type RouteAttributes, viewAttributes } from './route-attributes.ts'

/** The state of one prefix in LocRib. Plain data. */
export type LocRibChange =
  | {
      readonly type: 'upsert'
      readonly prefix: string
      readonly family: FamilyName
      readonly source: 'local' | 'external' | 'internal'
      /** Address of the peer it was learned from, or `local`. */
      readonly learnedFrom: string
      /** One, or every next hop of equal cost with multipath; empty for a route of this speaker's own. */
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
  get(key: PrefixKey): Selection | undefined
  keys(family: Family): IterableIterator<PrefixKey>
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
  readonly #changed = new Set<PrefixKey>()
  #snapshot: IterableIterator<PrefixKey>[]
  #inSync = false
  #toldInSync = false
  #closed = false
  #wake: (() => void) | undefined

  constructor(rib: LocRibReader, onClose: (subscription: LocRibSubscription) => void) {
    this.#rib = rib
    this.#onClose = onClose
    this.#snapshot = [rib.keys(4), rib.keys(6)]
  }

  /** The speaker says that a prefix changed, or (without a key) that selection settled. */
  notify(key?: PrefixKey): void {
    if (key !== undefined) this.#changed.add(key)
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
    this.#onClose(this)
    this.#wake?.()
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  #collect(): LocRibChange[] {
    const changes: LocRibChange[] = []
    for (const key of this.#changed) {
      if (changes.length >= BATCH_SIZE) return changes
      this.#changed.delete(key)
      changes.push(changeOf(key, this.#rib.get(key)))
    }
    while (this.#snapshot[0] !== undefined && changes.length < BATCH_SIZE) {
      const next = this.#snapshot[0].next()
      if (next.done === true) {
        this.#snapshot.shift()
        continue
      }
      const selection = this.#rib.get(next.value)
      if (selection !== undefined) changes.push(changeOf(next.value, selection))
    }
    if (this.#snapshot.length === 0 && this.#changed.size === 0 && this.#rib.isSettled()) this.#inSync = true
    return changes
  }
}

function changeOf(key: PrefixKey, selection: Selection | undefined): LocRibChange {
  const prefix = prefixText(key)
  const family = familyName(familyOfKey(key))
  if (selection === undefined) return { type: 'delete', prefix, family }
  const { best, multipath } = selection
  const hops = multipath.filter((path) => path.source.kind !== 'local').map((path) => path.attributes.nextHop)
  return {
    type: 'upsert',
    prefix,
    family,
    source: best.source.kind,
    learnedFrom: best.source.id,
    nextHops: [...new Set(hops)],
    attributes: viewAttributes(best.attributes),
  }
}
