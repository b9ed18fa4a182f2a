import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { Bus, TlsBusServer } from '@margay/bus'
import { ApiClient, ClusterFeed } from '@margay/datastore'
import { Allocator } from '@margay/ipam'
import { CLUSTER_TABLES, type ClusterTopics } from '@margay/model'
import type { Logger } from 'pino'
import { collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { ControllersConfig } from './config.ts'
import { IpamGcController } from './ipam-gc-controller.ts'
import { IPPoolController } from './ippool-controller.ts'
import { LeaderElector } from './leader-elector.ts'

const LEASE_NAME = 'margay-kube-controllers'

/** The cluster process: the hub runs in every replica, the controllers in the one that leads. */
export class Controllers {
  readonly #config: ControllersConfig
  readonly #log: Logger
  readonly #bus = new Bus<ClusterTopics>()
  readonly #registry = new Registry()
  readonly #stopping = new AbortController()
  readonly #stops: (() => Promise<void>)[] = []
  readonly #onFatal: (error: Error) => void

  constructor(options: { config: ControllersConfig; log: Logger; onFatal: (error: Error) => void }) {
    this.#config = options.config
    this.#log = options.log
    this.#onFatal = options.onFatal
  }

  async start(): Promise<void> {
    const { kubeconfig, identity, leaseNamespace, leakGraceMs, reconcilePeriodMs } = this.#config
    const log = this.#log
    const client = ApiClient.load(kubeconfig)
    const feed = new ClusterFeed(this.#bus, { client, log })
    feed.run().catch(this.#onFatal)
    const parts = { client, bus: this.#bus, allocator: new Allocator(client), log }
    const pools = new IPPoolController(parts)
    const gc = new IpamGcController({ ...parts, graceMs: leakGraceMs, periodMs: reconcilePeriodMs })
    const elector = new LeaderElector({ client, namespace: leaseNamespace, name: LEASE_NAME, identity, log })
    const electing = elector.run(this.#stopping.signal, async (signal) => {
      await Promise.all([pools.run(signal), gc.run(signal)])
    })
    electing.catch(this.#onFatal)
    this.#startHub()
    this.#addMetrics(elector, gc)
    await this.#startHttp()
    this.#stops.push(async () => {
      this.#stopping.abort()
      await electing
      await elector.release()
      feed.stop()
      client.close()
    })
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.toReversed()) await stop()
  }

  #startHub(): void {
    const { hub } = this.#config
    if (hub === undefined) return
    const read = (file: string): string => readFileSync(file, 'utf8')
    const server = new TlsBusServer(this.#bus, {
      key: read(hub.keyFile),
      cert: read(hub.certFile),
      ca: read(hub.caFile),
      topics: { serveTables: CLUSTER_TABLES },
      onRefused: (error) => this.#log.warn({ error: error.message }, 'the hub refused a connection'),
    })
    const serve = async (): Promise<void> => {
      await this.#inSync()
      if (this.#stopping.signal.aborted) return
      const port = await server.listen(hub.port)
      this.#log.info({ port }, 'the hub serves')
      this.#stops.push(async () => server.close())
    }
    serve().catch(this.#onFatal)
    new Gauge({
      name: 'margay_hub_connections',
      help: 'Agents connected to this hub',
      registers: [this.#registry],
      collect() {
        this.set(server.connections)
      },
    })
  }

  /** An agent leaves the API server for the hub: there must be something to come for. */
  async #inSync(): Promise<void> {
    await Promise.all(
      CLUSTER_TABLES.map(async (name) => {
        using subscription = this.#bus.table(name).subscribe()
        for (let batch = await subscription.next(); batch?.inSync === false; ) batch = await subscription.next()
      }),
    )
  }

  #addMetrics(elector: LeaderElector, gc: IpamGcController): void {
    collectDefaultMetrics({ register: this.#registry })
    const gauge = (name: string, help: string, read: () => number): void => {
      new Gauge({
        name,
        help,
        registers: [this.#registry],
        collect() {
          this.set(read())
        },
      })
    }
    gauge('margay_controllers_leading', '1 in the process that leads', () => Number(elector.leading))
    gauge('ipam_allocations_gc_candidates', 'Handles that look leaked', () => gc.counts.candidates)
    gauge('ipam_allocations_gc_reclamations', 'Addresses taken back', () => gc.counts.reclaimed)
  }

  async #startHttp(): Promise<void> {
    const { httpHost, httpPort } = this.#config
    const server: Server = createServer((request, response) => {
      const waiting = CLUSTER_TABLES.filter((name) => !this.#bus.table(name).inSync)
      if (request.url === '/healthz') response.end('ok\n')
      else if (request.url === '/readyz')
        response.writeHead(waiting.length === 0 ? 200 : 503).end(`${waiting.join(' ') || 'ok'}\n`)
      else if (request.url === '/metrics') {
        void this.#registry
          .metrics()
          .then((text) => response.setHeader('content-type', this.#registry.contentType).end(text), this.#onFatal)
      } else response.writeHead(404).end('not found\n')
    })
    server.listen(httpPort, httpHost)
    await once(server, 'listening')
    this.#stops.push(async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    })
  }
}
