import { setTimeout as delay } from 'node:timers/promises'
import { type Bus, type Connection, connectTls, type TlsIdentity } from '@margay/bus'
import { CLUSTER_TABLES, type ClusterTopics, type KubernetesObject } from '@margay/model'
import type { ApiClient } from './api-client.ts'
import type { Log } from './log.ts'
import { reflect } from './reflector.ts'
import { TABLE_RESOURCES } from './resources.ts'

/** The name that the hub's certificate bears. */
export const HUB_SERVER_NAME = 'margay-hub'

export interface HubAddress {
  readonly host: string
  readonly port: number
  readonly identity: TlsIdentity
}

export type FeedSource = 'none' | 'hub' | 'api'

const HUB_RETRY_MS = 5_000
/** A hub that has not sent a whole snapshot by then cannot reach the API server either, or has just been started. */
const HUB_SNAPSHOT_TIMEOUT_MS = 10_000

/**
 * Fills the cluster tables of a bus: from the hub where there is one, and from the API server itself while the hub
 * does not answer. Both apply a snapshot as a difference, so a change of source changes nothing that is right.
 */
export class ClusterFeed {
  readonly #bus: Bus<ClusterTopics>
  readonly #client: ApiClient
  readonly #hub: HubAddress | undefined
  readonly #log: Log
  readonly #stopping = new AbortController()
  #reflecting: { abort: AbortController; done: Promise<void> } | undefined
  #hubConnection: Connection<ClusterTopics> | undefined

  constructor(bus: Bus<ClusterTopics>, options: { client: ApiClient; hub?: HubAddress | undefined; log: Log }) {
    this.#bus = bus
    this.#client = options.client
    this.#hub = options.hub
    this.#log = options.log
  }

  get source(): FeedSource {
    if (this.#hubConnection !== undefined) return 'hub'
    return this.#reflecting === undefined ? 'none' : 'api'
  }

  /** Runs until `stop`. Rejects only on a programming error. */
  async run(): Promise<void> {
    if (this.#hub === undefined) {
      this.#startReflecting()
      await this.#reflecting?.done
      return
    }
    while (!this.#stopping.signal.aborted) {
      await this.#followHub(this.#hub)
      if (this.#stopping.signal.aborted) break
      this.#startReflecting()
      await delay(HUB_RETRY_MS * (0.5 + Math.random()), undefined, { signal: this.#stopping.signal }).catch(
        (error: Error) => {
          if (error.name !== 'AbortError') throw error
        },
      )
    }
    await this.#stopReflecting()
  }

  stop(): void {
    this.#stopping.abort()
    this.#reflecting?.abort.abort()
    this.#hubConnection?.close()
  }

  /** Mirrors the hub until it goes away. */
  async #followHub(hub: HubAddress): Promise<void> {
    let connection: Connection<ClusterTopics>
    try {
      connection = await connectTls(this.#bus, {
        ...hub.identity,
        host: hub.host,
        port: hub.port,
        serverName: HUB_SERVER_NAME,
        topics: { mirrorTables: CLUSTER_TABLES, holdMirrors: true },
        signal: this.#stopping.signal,
      })
    } catch (error) {
      this.#log.info({ hub: `${hub.host}:${hub.port}`, error: String(error) }, 'no hub: watching the API server')
      return
    }
    if (!(await isServing(connection))) {
      this.#log.warn({ hub: connection.peer }, 'the hub has nothing to serve: watching the API server')
      connection.close()
      return
    }
    // One source at a time writes: the reflectors end, then what the hub has sent meanwhile is applied.
    await this.#stopReflecting()
    connection.release()
    this.#hubConnection = connection
    this.#log.info({ hub: connection.peer }, 'following the hub')
    const error = await connection.closed
    this.#hubConnection = undefined
    this.#log.warn({ hub: connection.peer, error: error?.message }, 'the hub is gone')
  }

  #startReflecting(): void {
    if (this.#reflecting !== undefined || this.#stopping.signal.aborted) return
    const abort = new AbortController()
    const options = { signal: abort.signal, log: this.#log }
    const one = (name: (typeof CLUSTER_TABLES)[number]): Promise<void> =>
      reflect<KubernetesObject>(this.#client, TABLE_RESOURCES[name], this.#bus.table(name), options)
    const done = Promise.all(CLUSTER_TABLES.map(one)).then(() => undefined)
    this.#reflecting = { abort, done }
  }

  async #stopReflecting(): Promise<void> {
    const reflecting = this.#reflecting
    this.#reflecting = undefined
    reflecting?.abort.abort()
    await reflecting?.done
  }
}

/** Whether the hub sends a whole snapshot in time. */
async function isServing(connection: Connection<ClusterTopics>): Promise<boolean> {
  const late = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => late.resolve(false), HUB_SNAPSHOT_TIMEOUT_MS)
  const served = await Promise.race([
    connection.complete.then(() => true),
    connection.closed.then(() => false),
    late.promise,
  ])
  clearTimeout(timer)
  return served
}
