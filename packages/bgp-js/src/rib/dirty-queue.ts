import { grown } from './columns.ts'
import type { PrefixTable } from './prefix-table.ts'

const FIRST_CAPACITY = 64
/** A queue that ran empty gives memory back beyond this. */
const KEPT_CAPACITY = 65_536

/**
 * Prefixes that a reader has still to look at, each at most once, the oldest first. What waits is bounded by the table,
 * however often a prefix changes. Prefixes in the queue are retained.
 */
export class DirtyQueue {
  readonly #prefixes: PrefixTable
  #marked = new Uint32Array(FIRST_CAPACITY)
  /** A ring. */
  #queue = new Uint32Array(FIRST_CAPACITY)
  #head = 0
  #size = 0

  constructor(prefixes: PrefixTable) {
    this.#prefixes = prefixes
  }

  get size(): number {
    return this.#size
  }

  mark(prefix: number): void {
    const at = prefix >>> 5
    const bit = 1 << (prefix & 31)
    if (at >= this.#marked.length) this.#marked = grown(this.#marked, at + 1)
    const marks = this.#marked[at] as number
    if ((marks & bit) !== 0) return
    this.#marked[at] = marks | bit
    this.#prefixes.retain(prefix)
    if (this.#size === this.#queue.length) this.#widen()
    this.#queue[(this.#head + this.#size) & (this.#queue.length - 1)] = prefix
    this.#size++
  }

  /** The oldest, 0 when nothing waits. The caller releases it when it is done with it. */
  take(): number {
    if (this.#size === 0) return 0
    const prefix = this.#queue[this.#head] as number
    this.#head = (this.#head + 1) & (this.#queue.length - 1)
    this.#size--
    const at = prefix >>> 5
    this.#marked[at] = (this.#marked[at] as number) & ~(1 << (prefix & 31))
    if (this.#size === 0 && this.#queue.length > KEPT_CAPACITY) this.#queue = new Uint32Array(FIRST_CAPACITY)
    if (this.#size === 0) this.#head = 0
    return prefix
  }

  clear(): void {
    for (let prefix = this.take(); prefix !== 0; prefix = this.take()) this.#prefixes.release(prefix)
  }

  #widen(): void {
    const wider = new Uint32Array(this.#queue.length * 2)
    const tail = this.#queue.subarray(this.#head)
    wider.set(tail)
    wider.set(this.#queue.subarray(0, this.#head), tail.length)
    this.#queue = wider
    this.#head = 0
  }
}
