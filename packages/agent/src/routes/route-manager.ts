import { Address, Prefix } from '@margay/net'
import {
  type KernelRoute,
  NetlinkError,
  type NextHop,
  type Route,
  type RouteChange,
  type RouteSocket,
  RouteTable,
} from '@margay/netlink'
import type { Logger } from 'pino'
import type { Driver } from '../dataplane/dataplane.ts'
import { diffRoutes, routeKey } from './route-diff.ts'

/** Marks the routes that are Margay's: `ip route show proto 77`. */
export const MARGAY_PROTOCOL = 77
const PRIORITY = 1024
const RETRY_MS = 1_000

export interface WorkloadRoute {
  readonly address: string
  readonly interfaceName: string
}

/** A route that the speaker chose; more than one next hop is ECMP. */
export interface LearnedRoute {
  readonly prefix: string
  readonly nextHops: readonly string[]
}

/**
 * The one owner of Margay's routes: to the node's pods, to nowhere for the unused addresses of its blocks, and to what
 * the speaker learned; the first that names a destination wins. Touches only routes with {@link MARGAY_PROTOCOL}.
 *
 * Until `learnedInSync` is called nothing that looks learned (it has a gateway) is removed: after a restart of the
 * agent the kernel goes on with the routes that it has until the peers have sent theirs (RFC 4724).
 */
export class RouteManager implements Driver {
  readonly name = 'routes'
  readonly critical = false
  readonly #socket: RouteSocket
  readonly #log: Logger
  readonly #workloads = new Map<string, string>()
  readonly #learned = new Map<string, readonly string[]>()
  #blocks: readonly Prefix[] = []
  #learnedInSync = false
  /** Interfaces that the last look did not find: told once. */
  #missing: ReadonlySet<string> = new Set()
  #actual: Map<string, KernelRoute> | undefined
  #dirty = true
  #refreshIntervalMs: number
  #nextRefresh = 0

  constructor(options: { socket: RouteSocket; log: Logger; refreshIntervalMs: number }) {
    this.#socket = options.socket
    this.#log = options.log
    this.#refreshIntervalMs = options.refreshIntervalMs
  }

  setRefreshInterval(intervalMs: number): void {
    this.#refreshIntervalMs = intervalMs
    this.#nextRefresh = Math.min(this.#nextRefresh, performance.now() + intervalMs)
  }

  setWorkload({ address, interfaceName }: WorkloadRoute): void {
    this.#workloads.set(String(Prefix.host(Address.parse(address))), interfaceName)
    this.#dirty = true
  }

  removeWorkload({ address, interfaceName }: WorkloadRoute): void {
    const key = String(Prefix.host(Address.parse(address)))
    // The address may be another pod's by now.
    if (this.#workloads.get(key) === interfaceName) this.#workloads.delete(key)
    this.#dirty = true
  }

  setBlocks(blocks: readonly Prefix[]): void {
    this.#blocks = blocks
    this.#dirty = true
  }

  setLearned({ prefix, nextHops }: LearnedRoute): void {
    this.#learned.set(prefix, nextHops)
    this.#dirty = true
  }

  removeLearned(prefix: string): void {
    this.#learned.delete(prefix)
    this.#dirty = true
  }

  learnedInSync(): void {
    if (this.#learnedInSync) return
    this.#learnedInSync = true
    this.#dirty = true
  }

  /** Reads the kernel again at the next run: somebody else may have changed it. */
  markStale(): void {
    this.#actual = undefined
  }

  nextRun(): number {
    return this.#nextRefresh
  }

  async apply(): Promise<void> {
    const isRefresh = performance.now() >= this.#nextRefresh
    if (isRefresh) this.#actual = undefined
    if (!this.#dirty && this.#actual !== undefined) return
    this.#dirty = false
    try {
      const actual = await this.#read()
      this.#actual = actual
      const changes = diffRoutes(await this.#desired(), actual, !this.#learnedInSync)
      await this.#write(changes)
      if (isRefresh) this.#nextRefresh = performance.now() + this.#refreshIntervalMs
    } catch (error) {
      this.#dirty = true
      this.#actual = undefined
      this.#nextRefresh = performance.now() + RETRY_MS
      throw error
    }
  }

  async #read(): Promise<Map<string, KernelRoute>> {
    if (this.#actual !== undefined) return this.#actual
    const routes = await this.#socket.routes({ table: RouteTable.main, protocol: MARGAY_PROTOCOL })
    return new Map(routes.map((route) => [routeKey(route), route]))
  }

  /** What the kernel shall hold, by key. A pod whose interface is not there has no route as yet. */
  async #desired(): Promise<Map<string, Route>> {
    const routes = new Map<string, Route>()
    const common = { table: RouteTable.main, protocol: MARGAY_PROTOCOL, priority: PRIORITY }
    for (const [text, nextHops] of this.#learned) {
      const dst = Prefix.parse(text)
      const route: Route = { dst, ...common, type: 'unicast', ...hopsOf(nextHops) }
      routes.set(routeKey(route), route)
    }
    for (const dst of this.#blocks) {
      const route: Route = { dst, ...common, type: 'blackhole' }
      routes.set(routeKey(route), route)
    }
    const indexes = new Map((await this.#socket.links()).map(({ name, index }) => [name, index]))
    const missing = new Set<string>()
    for (const [text, interfaceName] of this.#workloads) {
      const oif = indexes.get(interfaceName)
      if (oif === undefined) {
        if (!this.#missing.has(interfaceName))
          this.#log.warn({ interfaceName, address: text }, "a pod's interface is not there")
        missing.add(interfaceName)
        continue
      }
      const route: Route = { dst: Prefix.parse(text), ...common, type: 'unicast', scope: 'link', oif }
      routes.set(routeKey(route), route)
    }
    this.#missing = missing
    return routes
  }

  async #write(changes: readonly RouteChange[]): Promise<void> {
    if (changes.length === 0) return
    const failures: NetlinkError[] = []
    for (const [index, failure] of (await this.#socket.applyRoutes(changes)).entries()) {
      const change = changes[index] as RouteChange
      const gone = change.op === 'delete' && failure?.errnoName === 'ESRCH'
      if (failure === undefined || gone) {
        if (change.op === 'delete') this.#actual?.delete(routeKey(change.route))
        else this.#actual?.set(routeKey(change.route), change.route as KernelRoute)
      } else {
        failures.push(failure)
      }
    }
    this.#log.info({ changes: changes.length, failures: failures.length }, 'programmed routes')
    if (failures.length > 0) throw new AggregateError(failures, failures.map(({ message }) => message).join('; '))
  }
}

function hopsOf(nextHops: readonly string[]): Partial<Route> {
  const [first, ...more] = nextHops.map((text) => Address.parse(text))
  if (first === undefined) return {}
  if (more.length === 0) return { gateway: first }
  return { multipath: [first, ...more].map((gateway): NextHop => ({ gateway, weight: 1 })) }
}
