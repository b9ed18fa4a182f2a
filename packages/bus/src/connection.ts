import type { Bus, Registry } from './bus.ts'
import { BusError } from './errors.ts'
import type { EventSubscription } from './events.ts'
import type { Frame, Link } from './link.ts'
import { Mirror } from './mirror.ts'
import { Signal } from './signal.ts'
import type { TableSubscription } from './table.ts'

/** Which topics a connection offers to the other end, and which it takes from there. */
export interface ConnectionTopics<R extends Registry> {
  readonly serveTables?: readonly (keyof R['tables'] & string)[]
  readonly serveEvents?: readonly (keyof R['events'] & string)[]
  readonly mirrorTables?: readonly (keyof R['tables'] & string)[]
  readonly mirrorEvents?: readonly (keyof R['events'] & string)[]
  /** Keep what the other end sends aside until `release`: another source still fills the mirrored tables. */
  readonly holdMirrors?: boolean
}

/**
 * Joins a bus with the one behind `link`. Every served topic has one batch in flight at the most: the next one is made
 * when the last is acknowledged, so a slow reader is served coalesced state and nothing queues up for it.
 */
export class Connection<R extends Registry> {
  readonly peer: string
  /** Resolves when the link is gone, with the reason if there was one. */
  readonly closed: Promise<Error | undefined>
  /** Resolves when a whole snapshot of every mirrored table has arrived. */
  readonly complete: Promise<void>
  readonly #bus: Bus<R>
  readonly #link: Link
  readonly #topics: ConnectionTopics<R>
  readonly #serving = new Map<string, { subscription: { close(): void }; acknowledged: Signal }>()
  readonly #mirrors = new Map<string, Mirror<unknown>>()
  readonly #resolveComplete: () => void
  #isClosed = false

  constructor(bus: Bus<R>, link: Link, topics: ConnectionTopics<R>) {
    this.#bus = bus
    this.#link = link
    this.#topics = topics
    this.peer = link.peer
    const { promise, resolve } = Promise.withResolvers<Error | undefined>()
    this.closed = promise
    const complete = Promise.withResolvers<void>()
    this.complete = complete.promise
    this.#resolveComplete = complete.resolve
    link.receive({
      frame: (frame) => this.#onFrame(frame),
      closed: (error) => {
        this.#stop()
        resolve(error)
      },
    })
    for (const name of topics.mirrorTables ?? []) {
      this.#mirrors.set(name, new Mirror(bus.table(name), topics.holdMirrors ?? false))
      link.send({ t: 'sub', kind: 'table', topic: name })
    }
    for (const name of topics.mirrorEvents ?? []) link.send({ t: 'sub', kind: 'events', topic: name })
  }

  /** Ends `holdMirrors`: what was kept aside is applied, as soon as it is no older than what the tables hold. */
  release(): void {
    for (const mirror of this.#mirrors.values()) mirror.release()
  }

  close(error?: Error): void {
    this.#link.close(error)
  }

  #stop(): void {
    this.#isClosed = true
    for (const { subscription, acknowledged } of this.#serving.values()) {
      subscription.close()
      acknowledged.raise()
    }
    this.#serving.clear()
  }

  #onFrame(frame: Frame): void {
    if (this.#isClosed) return
    switch (frame.t) {
      case 'ping':
        return
      case 'sub':
        return this.#onSubscribe(frame.kind, frame.topic)
      case 'ack':
        return this.#serving.get(frame.topic)?.acknowledged.raise()
      case 'refused':
        return this.close(new BusError('BUS_BAD_FRAME', `${this.peer} does not serve the topic ${frame.topic}`))
      case 'batch':
        return this.#onBatch(frame)
      case 'event':
        return this.#onEvents(frame.topic, frame.events)
    }
  }

  #onSubscribe(kind: 'table' | 'events', topic: string): void {
    if (this.#serving.has(topic)) return
    if (kind === 'table' && includes(this.#topics.serveTables, topic)) {
      const subscription = this.#bus.table(topic).subscribe()
      const acknowledged = new Signal()
      this.#serving.set(topic, { subscription, acknowledged })
      void this.#serveTable(topic, subscription, acknowledged)
    } else if (kind === 'events' && includes(this.#topics.serveEvents, topic)) {
      const subscription = this.#bus.events(topic).subscribe()
      const acknowledged = new Signal()
      this.#serving.set(topic, { subscription, acknowledged })
      void this.#serveEvents(topic, subscription, acknowledged)
    } else {
      this.#link.send({ t: 'refused', topic })
    }
  }

  async #serveTable(topic: string, subscription: TableSubscription<unknown>, acknowledged: Signal): Promise<void> {
    for await (const batch of subscription) {
      this.#link.send({ t: 'batch', topic, ...batch })
      await acknowledged.wait()
      if (this.#isClosed) return
    }
  }

  async #serveEvents(topic: string, subscription: EventSubscription<unknown>, acknowledged: Signal): Promise<void> {
    for await (const batch of subscription) {
      this.#link.send({ t: 'event', topic, ...batch })
      await acknowledged.wait()
      if (this.#isClosed) return
    }
  }

  #onBatch(frame: Frame & { t: 'batch' }): void {
    const mirror = this.#mirrors.get(frame.topic)
    if (mirror === undefined) return
    mirror.onBatch(frame)
    if ([...this.#mirrors.values()].every(({ complete }) => complete)) this.#resolveComplete()
    this.#link.send({ t: 'ack', topic: frame.topic })
  }

  #onEvents(topic: string, events: readonly unknown[]): void {
    if (!includes(this.#topics.mirrorEvents, topic)) return
    const target = this.#bus.events(topic)
    for (const event of events) target.emit(event as R['events'][keyof R['events'] & string])
    this.#link.send({ t: 'ack', topic })
  }
}

function includes<N extends string>(names: readonly N[] | undefined, name: string): name is N {
  return names !== undefined && (names as readonly string[]).includes(name)
}
