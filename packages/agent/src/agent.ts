import { readFileSync } from 'node:fs'
import { chmod, mkdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Bus } from '@margay/bus'
import { ApiClient, ClusterFeed, type HubAddress } from '@margay/datastore'
import type { FelixConfiguration } from '@margay/model'
import { openRoute, type RouteSocket, RouteTable } from '@margay/netlink'
import { PolicyCompiler } from '@margay/policy'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { BgpManager } from './bgp/bgp-manager.ts'
import type { BgpInputs } from './bgp/desired-bgp.ts'
import { SpeakerThread } from './bgp/speaker-thread.ts'
import { batchHandlers, ClusterSettings } from './cluster-state.ts'
import { ClusterWatcher } from './cluster-watcher.ts'
import { CniServer } from './cni/cni-server.ts'
import type { AgentConfig } from './config.ts'
import { Dataplane } from './dataplane/dataplane.ts'
import { type KernelDataplane, openKernelDataplane } from './dataplane/kernel-dataplane.ts'
import { EndpointManager } from './endpoints/endpoint-manager.ts'
import { EndpointStore } from './endpoints/endpoint-store.ts'
import { LiveView } from './http/live-view.ts'
import { buildServer } from './http/server.ts'
import { AgentMetrics } from './metrics.ts'
import { PolicyManager } from './policy/policy-manager.ts'
import { MARGAY_PROTOCOL, RouteManager } from './routes/route-manager.ts'
import { SyncTracker } from './sync-tracker.ts'
import type { AgentTopics } from './topics.ts'

/** FelixConfiguration's words for pino's levels. */
const LOG_LEVELS: Record<FelixConfiguration['logSeverityScreen'], string> = {
  Debug: 'debug',
  Info: 'info',
  Warning: 'warn',
  Error: 'error',
  Fatal: 'fatal',
}

const MIN_REFRESH_MS = 1_000

/**
 * The per-node process. Builds the parts, joins them by the bus and starts them in an order that is safe: it hears the
 * whole cluster first, and only then touches the kernel.
 */
export class Agent {
  readonly #config: AgentConfig
  readonly #log: Logger
  readonly #bus = new Bus<AgentTopics>()
  readonly #metrics = new AgentMetrics()
  readonly #sync = new SyncTracker()
  readonly #onFatal: (error: Error) => void
  readonly #stops: (() => Promise<void> | void)[] = []
  #cni: CniServer | undefined

  /** @param options.onFatal called when the agent cannot go on; the kernel keeps what it has */
  constructor(options: { config: AgentConfig; log: Logger; onFatal: (error: Error) => void }) {
    this.#config = options.config
    this.#log = options.log
    this.#onFatal = options.onFatal
  }

  /** Resolves when the kernel was programmed for the first time and pods can be served. */
  async start(): Promise<void> {
    const { nodeName } = this.#config
    const log = this.#log
    const store = new EndpointStore(this.#config.stateDirectory, log)
    await store.load()
    const settings = new ClusterSettings(log)
    const kernel = await this.#openKernel(settings.felix)
    const socket = openRoute()
    this.#stops.push(async () => socket.close())
    const restarting = await holdsLearnedRoutes(socket)
    const routes = new RouteManager({ socket, log, refreshIntervalMs: settings.felix.routeRefreshIntervalMs })
    const policy = new PolicyManager(kernel.families)
    const compiler = new PolicyCompiler(policy)
    const endpoints = new EndpointManager(compiler, policy, routes)
    const dataplane = this.#newDataplane(kernel, routes)
    const bgp = new BgpManager(this.#bus, () => this.#bgpInputs(settings, endpoints), log)
    for (const endpoint of store.values()) endpoints.add(endpoint)
    endpoints.onChange(() => bgp.markDirty())

    const client = ApiClient.load(this.#config.kubeconfig)
    this.#startFeed(client)
    const watcher = new ClusterWatcher(this.#bus, dataplane, this.#sync)
    const onFelixConfiguration = (configuration: FelixConfiguration): void => {
      policy.setConfiguration(configuration)
      kernel.createSets.setRefreshInterval(refreshInterval(configuration.ipsetsRefreshIntervalMs))
      for (const table of kernel.tables)
        table.setRefreshInterval(refreshInterval(configuration.iptablesRefreshIntervalMs))
      routes.setRefreshInterval(refreshInterval(configuration.routeRefreshIntervalMs))
      log.level = LOG_LEVELS[configuration.logSeverityScreen]
    }
    const handlers = batchHandlers({
      nodeName,
      bus: this.#bus,
      settings,
      compiler,
      policy,
      routes,
      bgp,
      onFelixConfiguration,
      log,
    })
    void watcher.run(handlers)
    void dataplane.run()
    this.#stops.push(() => dataplane.stop())
    const view = new LiveView({
      nodeName,
      bus: this.#bus,
      client,
      watcher,
      dataplane,
      endpoints,
      policy,
      families: kernel.families,
      servesCni: () => this.#cni?.serving === true,
    })
    await this.#startHttp(view)

    await watcher.inSync
    log.info({ pods: this.#bus.table('pods').size, endpoints: endpoints.endpoints.length }, 'in sync with the cluster')
    dataplane.start()
    await dataplane.submit(() => undefined).programmed
    log.info('the kernel is programmed')
    this.#startBgp(bgp, routes, dataplane, restarting)
    const cni = new CniServer({
      config: this.#config,
      client,
      bus: this.#bus,
      store,
      endpoints,
      dataplane,
      metrics: this.#metrics,
      log,
    })
    await cni.start()
    this.#cni = cni
    this.#stops.push(async () => cni.stop())
  }

  /** Ends the process's work and leaves the kernel as it is: pods go on, the next agent adopts. */
  async stop(): Promise<void> {
    for (const stop of this.#stops.toReversed()) await stop()
  }

  async #openKernel(felix: FelixConfiguration): Promise<KernelDataplane> {
    const { iptablesRefreshIntervalMs, ipsetsRefreshIntervalMs } = felix
    const kernel = await openKernelDataplane({ log: this.#log, iptablesRefreshIntervalMs, ipsetsRefreshIntervalMs })
    this.#stops.push(async () => kernel.close())
    return kernel
  }

  #newDataplane(kernel: KernelDataplane, routes: RouteManager): Dataplane {
    const drivers = [kernel.createSets, ...kernel.tables, routes, kernel.deleteSets]
    return new Dataplane({ drivers, log: this.#log, metrics: this.#metrics, onFatal: this.#onFatal })
  }

  #bgpInputs(settings: ClusterSettings, endpoints: EndpointManager): BgpInputs {
    return {
      nodeName: this.#config.nodeName,
      nodes: [...this.#bus.table('nodes').values()],
      configuration: settings.bgp,
      peers: settings.bgpPeers.values(),
      pools: settings.pools.values(),
      affinities: [...this.#bus.table('blockAffinities').values()],
      localAddresses: endpoints.endpoints.flatMap(({ addresses }) => [...addresses]),
    }
  }

  #startFeed(client: ApiClient): void {
    const feed = new ClusterFeed(this.#bus, { client, hub: this.#hubAddress(), log: this.#log })
    feed.run().catch(this.#onFatal)
    this.#stops.push(() => {
      feed.stop()
      client.close()
    })
    this.#metrics.labelledGauge('margay_feed_source', 'Where the cluster tables come from', ['source'], () =>
      (['none', 'hub', 'api'] as const).map((source) => ({
        labels: { source },
        value: Number(feed.source === source),
      })),
    )
  }

  #hubAddress(): HubAddress | undefined {
    const { hub } = this.#config
    if (hub === undefined) return undefined
    const read = (file: string): string => readFileSync(file, 'utf8')
    return {
      host: hub.host,
      port: hub.port,
      identity: { key: read(hub.keyFile), cert: read(hub.certFile), ca: read(hub.caFile) },
    }
  }

  #startBgp(bgp: BgpManager, routes: RouteManager, dataplane: Dataplane, restarting: boolean): void {
    const speaker = new SpeakerThread(this.#bus, { restarting, logLevel: this.#log.level }, this.#onFatal)
    this.#stops.push(async () => speaker.stop())
    void this.#followRoutes(routes, dataplane)
    bgp.start()
  }

  /** Hands the speaker's best paths to the route manager; routes of its own need none. */
  async #followRoutes(routes: RouteManager, dataplane: Dataplane): Promise<void> {
    for await (const { upserts, deletes, inSync } of this.#bus.table('speakerRoutes').subscribe()) {
      const { handled } = dataplane.submit(() => {
        for (const prefix of deletes) routes.removeLearned(prefix)
        for (const [prefix, route] of upserts) {
          if (route.nextHops.length === 0) routes.removeLearned(prefix)
          else routes.setLearned(route)
        }
        if (inSync) routes.learnedInSync()
      })
      await handled
    }
  }

  async #startHttp(view: LiveView): Promise<void> {
    const { httpHost, httpPort, httpSocket } = this.#config
    const build = async (): Promise<FastifyInstance> => {
      const server = await buildServer({ view, sync: this.#sync, metrics: this.#metrics, log: this.#log })
      this.#stops.push(async () => server.close())
      return server
    }
    const tcp = await build()
    await tcp.listen({ host: httpHost, port: httpPort })
    if (httpSocket === undefined) return
    await mkdir(dirname(httpSocket), { recursive: true })
    await rm(httpSocket, { force: true })
    const unix = await build()
    await unix.listen({ path: httpSocket })
    await chmod(httpSocket, 0o600)
  }
}

/** Zero means never, as in Calico; a re-read of the kernel is dear, so there is a least interval. */
function refreshInterval(configuredMs: number): number {
  return configuredMs === 0 ? Number.POSITIVE_INFINITY : Math.max(configuredMs, MIN_REFRESH_MS)
}

/** Whether the kernel has routes that an earlier agent learned: then the sessions of its peers may be held for us. */
async function holdsLearnedRoutes(socket: RouteSocket): Promise<boolean> {
  const routes = await socket.routes({ table: RouteTable.main, protocol: MARGAY_PROTOCOL })
  return routes.some(({ gateway, multipath }) => gateway !== undefined || multipath !== undefined)
}
