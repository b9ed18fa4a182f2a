import { Signal } from './signal.ts'

/** What changed in a table since the subscriber's last batch, with each key at most once. */
export interface TableBatch<V> {
  readonly upserts: readonly (readonly [key: string, value: V])[]
  readonly deletes: readonly string[]
  /** Whether the subscriber, having taken this batch, holds at least one complete snapshot of the source. */
  readonly inSync: boolean
  /** Everything that the source had done up to this mark (a resourceVersion) is in this batch or an earlier one. */
  readonly watermark: string | undefined
}

/** The most entries in one batch: bounds a frame on the wire and the time one batch takes its reader. */
const MAX_BATCH = 1000

/**
 * Keyed state with any number of subscribers. A subscriber pulls: what it has not yet taken is kept as a set of changed
 * keys, so a reader that stops costs memory by the number of keys and never by the number of changes.
 */
export class Table<V> {
  readonly name: string
  readonly #entries = new Map<string, V>()
  readonly #subscriptions = new Set<TableSubscription<V>>()
  #inSync = false
  #watermark: string | undefined

  constructor(name: string) {
    this.name = name
  }

  get size(): number {
    return this.#entries.size
  }

  get inSync(): boolean {
    return this.#inSync
  }

  get watermark(): string | undefined {
    return this.#watermark
  }

  get(key: string): V | undefined {
    return this.#entries.get(key)
  }

  has(key: string): boolean {
    return this.#entries.has(key)
  }

  entries(): MapIterator<[string, V]> {
    return this.#entries.entries()
  }

  values(): MapIterator<V> {
    return this.#entries.values()
  }

  /** Stores `value`, which nobody may change afterwards. */
  set(key: string, value: V): void {
    this.#entries.set(key, value)
    for (const subscription of this.#subscriptions) subscription.touch(key)
  }

  delete(key: string): void {
    if (!this.#entries.delete(key)) return
    for (const subscription of this.#subscriptions) subscription.touch(key)
  }

  /**
   * Makes the table hold exactly `snapshot`; keys whose value is `same` are left alone. Marks the table in sync.
   * @param same default: identity
   */
  replace(snapshot: Map<string, V>, options: { watermark?: string; same?: (a: V, b: V) => boolean } = {}): void {
    const same = options.same ?? Object.is
    for (const [key, value] of snapshot) {
      const old = this.#entries.get(key)
      if (old === undefined || !same(old, value)) this.set(key, value)
    }
    for (const key of this.#entries.keys()) if (!snapshot.has(key)) this.delete(key)
    if (options.watermark !== undefined) this.#watermark = options.watermark
    this.markInSync()
  }

  /** Says that the table holds a whole snapshot of its source. It never becomes untrue: old state stays valid. */
  markInSync(): void {
    this.#inSync = true
    for (const subscription of this.#subscriptions) subscription.wake()
  }

  /** Says that all changes of the source up to `watermark` have been stored. */
  advance(watermark: string): void {
    if (this.#watermark === watermark) return
    this.#watermark = watermark
    for (const subscription of this.#subscriptions) subscription.wake()
  }

  /** A new reader, whose first batches hold the present content. */
  subscribe(): TableSubscription<V> {
    const subscription = new TableSubscription<V>(this, () => this.#subscriptions.delete(subscription))
    this.#subscriptions.add(subscription)
    return subscription
  }
}

/** One reader of a table: `for await (const batch of subscription)`, until `close()`. */
export class TableSubscription<V> implements AsyncIterable<TableBatch<V>>, Disposable {
  readonly table: Table<V>
  readonly #onClose: () => void
  readonly #dirty = new Set<string>()
  readonly #delivered = new Set<string>()
  readonly #signal = new Signal()
  #lastInSync = false
  #lastWatermark: string | undefined
  #closed = false

  constructor(table: Table<V>, onClose: () => void) {
    this.table = table
    this.#onClose = onClose
    for (const [key] of table.entries()) this.#dirty.add(key)
    this.#signal.raise()
  }

  /** Keys that changed and were not taken yet. */
  get pending(): number {
    return this.#dirty.size
  }

  /** @internal Called by the table. */
  touch(key: string): void {
    // A key that came and went unseen is nothing to report; forgetting it keeps the set no larger than the tables.
    if (!this.table.has(key) && !this.#delivered.has(key)) this.#dirty.delete(key)
    else this.#dirty.add(key)
    this.#signal.raise()
  }

  /** @internal Called by the table. */
  wake(): void {
    this.#signal.raise()
  }

  /** What is to be taken now, without waiting; undefined when nothing changed. */
  take(): TableBatch<V> | undefined {
    if (this.#closed) return undefined
    const upserts: [string, V][] = []
    const deletes: string[] = []
    for (const key of this.#dirty) {
      if (upserts.length + deletes.length >= MAX_BATCH) break
      this.#dirty.delete(key)
      const value = this.table.get(key)
      if (value === undefined) {
        this.#delivered.delete(key)
        deletes.push(key)
      } else {
        this.#delivered.add(key)
        upserts.push([key, value])
      }
    }
    const complete = this.#dirty.size === 0
    const inSync = this.#lastInSync || (complete && this.table.inSync)
    const watermark = complete ? this.table.watermark : this.#lastWatermark
    const changed = inSync !== this.#lastInSync || watermark !== this.#lastWatermark
    if (upserts.length + deletes.length === 0 && !changed) return undefined
    this.#lastInSync = inSync
    this.#lastWatermark = watermark
    return { upserts, deletes, inSync, watermark }
  }

  /** Waits for the next batch; undefined once closed. One caller at a time. */
  async next(): Promise<TableBatch<V> | undefined> {
    while (!this.#closed) {
      const batch = this.take()
      if (batch !== undefined) return batch
      await this.#signal.wait()
    }
    return undefined
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TableBatch<V>> {
    try {
      for (let batch = await this.next(); batch !== undefined; batch = await this.next()) yield batch
    } finally {
      this.close()
    }
  }

  close(): void {
    this.#closed = true
    this.#dirty.clear()
    this.#delivered.clear()
    this.#onClose()
    this.#signal.raise()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
