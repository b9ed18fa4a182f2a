import { Signal } from './signal.ts'

/** Events in order, and how many older ones this reader was too slow for. */
export interface EventBatch<E> {
  readonly events: readonly E[]
  readonly dropped: number
}

const DEFAULT_CAPACITY = 1024

/** A bounded ring of things that happened. A reader that falls behind loses the oldest, and is told how many. */
export class EventTopic<E> {
  readonly name: string
  readonly #capacity: number
  readonly #ring: E[] = []
  readonly #subscriptions = new Set<EventSubscription<E>>()
  #next = 0

  constructor(name: string, capacity: number = DEFAULT_CAPACITY) {
    this.name = name
    this.#capacity = capacity
  }

  /** Number of events ever emitted. */
  get emitted(): number {
    return this.#next
  }

  emit(event: E): void {
    this.#ring[this.#next % this.#capacity] = event
    this.#next++
    for (const subscription of this.#subscriptions) subscription.wake()
  }

  /** Events from position `from` on, and how many of them were overwritten. */
  read(from: number): EventBatch<E> {
    const oldest = Math.max(0, this.#next - this.#capacity)
    const start = Math.max(from, oldest)
    const events: E[] = []
    for (let index = start; index < this.#next; index++) events.push(this.#ring[index % this.#capacity] as E)
    return { events, dropped: start - from }
  }

  /** @param options.backlog begin with what the ring still holds (default: with the next event) */
  subscribe(options: { backlog?: boolean } = {}): EventSubscription<E> {
    const from = options.backlog === true ? Math.max(0, this.#next - this.#capacity) : this.#next
    const subscription = new EventSubscription<E>(this, from, () => this.#subscriptions.delete(subscription))
    this.#subscriptions.add(subscription)
    return subscription
  }
}

/** One reader of an event topic: `for await (const { events, dropped } of subscription)`. */
export class EventSubscription<E> implements AsyncIterable<EventBatch<E>>, Disposable {
  readonly #topic: EventTopic<E>
  readonly #onClose: () => void
  readonly #signal = new Signal()
  #position: number
  #closed = false

  constructor(topic: EventTopic<E>, from: number, onClose: () => void) {
    this.#topic = topic
    this.#position = from
    this.#onClose = onClose
  }

  /** @internal Called by the topic. */
  wake(): void {
    this.#signal.raise()
  }

  /** Waits for at least one event; undefined once closed. One caller at a time. */
  async next(): Promise<EventBatch<E> | undefined> {
    while (!this.#closed) {
      const batch = this.#topic.read(this.#position)
      this.#position = this.#topic.emitted
      if (batch.events.length > 0) return batch
      await this.#signal.wait()
    }
    return undefined
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<EventBatch<E>> {
    try {
      for (let batch = await this.next(); batch !== undefined; batch = await this.next()) yield batch
    } finally {
      this.close()
    }
  }

  close(): void {
    this.#closed = true
    this.#onClose()
    this.#signal.raise()
  }

  [Symbol.dispose](): void {
    this.close()
  }
}
