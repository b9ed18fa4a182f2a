/**
 * Hands what comes by push to one reader that pulls. Bounded: when the reader is `limit` events behind, all that wait
 * are dropped for one that says so.
 */
export class EventQueue<T> implements AsyncIterator<T, undefined> {
  readonly #limit: number
  readonly #overrun: () => T
  readonly #release: () => Promise<void>
  #events: T[] = []
  #position = 0
  #failure: { readonly error: unknown } | undefined
  #ended = false
  #waiting: PromiseWithResolvers<IteratorResult<T, undefined>> | undefined

  /** @param options.release called once when the reader stops reading */
  constructor(options: { limit: number; overrun: () => T; release: () => Promise<void> }) {
    this.#limit = options.limit
    this.#overrun = options.overrun
    this.#release = options.release
  }

  push(event: T): void {
    if (this.#ended) return
    if (this.#waiting !== undefined) {
      this.#waiting.resolve({ value: event, done: false })
      this.#waiting = undefined
      return
    }
    if (this.#events.length - this.#position < this.#limit) this.#events.push(event)
    else this.clear()
  }

  /** Drops what waits, and says so. */
  clear(): void {
    this.#events = []
    this.#position = 0
    this.push(this.#overrun())
  }

  /** The reader gets what waits, then this error. */
  fail(error: unknown): void {
    this.#failure = { error }
    this.#waiting?.reject(error)
    this.#waiting = undefined
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    if (this.#position < this.#events.length) {
      const value = this.#events[this.#position++] as T
      if (this.#position === this.#events.length) {
        this.#events = []
        this.#position = 0
      }
      return { value, done: false }
    }
    if (this.#failure !== undefined) throw this.#failure.error
    if (this.#ended) return { value: undefined, done: true }
    this.#waiting ??= Promise.withResolvers()
    return await this.#waiting.promise
  }

  /** Ends: a reader that waits is told that it is done. */
  async return(): Promise<IteratorResult<T, undefined>> {
    if (!this.#ended) {
      this.#ended = true
      this.#events = []
      this.#position = 0
      this.#waiting?.resolve({ value: undefined, done: true })
      this.#waiting = undefined
      await this.#release()
    }
    return { value: undefined, done: true }
  }
}
