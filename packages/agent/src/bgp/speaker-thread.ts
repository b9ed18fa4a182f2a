import { Worker } from 'node:worker_threads'
import { type Bus, Connection, portLink } from '@margay/bus'
import type { SpeakerTopics } from '../topics.ts'

/** What the worker is started with. */
export interface SpeakerThreadData {
  /** The kernel still holds routes that an earlier speaker learned: its peers keep ours, too (RFC 4724). */
  readonly restarting: boolean
  readonly logLevel: string
}

/**
 * Runs the BGP speaker in a thread of its own, so that a long policy compile can't delay a keepalive. All that passes
 * between the two goes over the bus.
 */
export class SpeakerThread {
  readonly #connection: Connection<SpeakerTopics>
  #stopping = false

  /** @param onFatal called when the thread ends by itself: the kernel keeps the routes, a new agent adopts them */
  constructor(bus: Bus<SpeakerTopics>, data: SpeakerThreadData, onFatal: (error: Error) => void) {
    const worker = new Worker(new URL('./speaker-worker.ts', import.meta.url), {
      workerData: data,
      name: 'bgp-speaker',
    })
    this.#connection = new Connection(bus, portLink(worker, 'speaker thread'), {
      serveTables: ['speakerDesired'],
      mirrorTables: ['speakerRoutes', 'speakerPeers'],
    })
    void this.#connection.closed.then((error) => {
      if (!this.#stopping) onFatal(error ?? new Error('the BGP speaker thread ended'))
    })
  }

  /** Ends the thread. Its sessions close without a NOTIFICATION, so that peers keep our routes for the next agent. */
  async stop(): Promise<void> {
    this.#stopping = true
    this.#connection.close()
    await this.#connection.closed
  }
}
