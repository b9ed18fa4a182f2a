/** Runs work of one key one after the other, and work of different keys side by side. */
export class KeyedQueue {
  readonly #tails = new Map<string, Promise<void>>()

  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const previous = this.#tails.get(key)
    const { promise: tail, resolve: done } = Promise.withResolvers<void>()
    this.#tails.set(key, tail)
    try {
      await previous
      return await work()
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
      done()
    }
  }
}
