import { isDeepStrictEqual } from 'node:util'
import type { Table, TableBatch } from './table.ts'

/**
 * Copies a remote table into a local one. A new connection's snapshot is staged until it is whole and no older than
 * what the local table already holds, then applied as a difference: a reconnect changes nothing that is already right,
 * and never takes a reader back in time.
 */
export class Mirror<V> {
  readonly #table: Table<V>
  #staged: Map<string, V> | undefined = new Map()
  #watermark: string | undefined
  #complete = false
  #held: boolean

  /** @param held stage until {@link release}: another source still fills the table */
  constructor(table: Table<V>, held: boolean) {
    this.#table = table
    this.#held = held
  }

  /** Whether a whole snapshot has arrived. */
  get complete(): boolean {
    return this.#complete
  }

  release(): void {
    this.#held = false
    this.#commit()
  }

  onBatch(batch: Omit<TableBatch<unknown>, 'watermark'> & { watermark?: string | undefined }): void {
    this.#complete ||= batch.inSync
    if (this.#staged === undefined) return this.#apply(batch)
    for (const [key, value] of batch.upserts) this.#staged.set(key, value as V)
    for (const key of batch.deletes) this.#staged.delete(key)
    this.#watermark = batch.watermark
    this.#commit()
  }

  #commit(): void {
    if (this.#staged === undefined || this.#held || !this.#complete) return
    if (isOlder(this.#watermark, this.#table.watermark)) return
    this.#table.replace(this.#staged, {
      same: isDeepStrictEqual,
      ...(this.#watermark === undefined ? {} : { watermark: this.#watermark }),
    })
    this.#staged = undefined
  }

  #apply(batch: Omit<TableBatch<unknown>, 'watermark'> & { watermark?: string | undefined }): void {
    for (const [key, value] of batch.upserts) this.#table.set(key, value as V)
    for (const key of batch.deletes) this.#table.delete(key)
    if (batch.watermark !== undefined) this.#table.advance(batch.watermark)
  }
}

/** Whether resourceVersion `a` comes before `b`. Marks that are no integers cannot be compared: never older. */
function isOlder(a: string | undefined, b: string | undefined): boolean {
  if (a === undefined || b === undefined || !/^\d+$/.test(a) || !/^\d+$/.test(b)) return false
  return BigInt(a) < BigInt(b)
}
