import type { Address } from '@margay/net'
import {
  type AddressFilter,
  addressRequest,
  decodeAddress,
  type InterfaceAddress,
  type LinkAddress,
  listAddressesRequest,
} from './addresses.ts'
import { NetlinkError } from './errors.ts'
import {
  decodeLink,
  deleteLinkGroupRequest,
  deleteLinkRequest,
  getLinkRequest,
  type Link,
  type LinkSettings,
  type NewLink,
  newLinkRequests,
  setLinkRequest,
} from './links.ts'
import {
  decodeForwardingEntry,
  decodeNeighbour,
  type ForwardingEntry,
  forwardingRequest,
  listForwardingRequest,
  listNeighboursRequest,
  type Neighbour,
  type NeighbourFilter,
  neighbourRequest,
} from './neighbours.ts'
import { type NetlinkRequest, NetlinkSocket } from './netlink-socket.ts'
import type { Netns } from './netns.ts'
import {
  decodeAnyRoute,
  decodeRoute,
  type KernelRoute,
  listRoutesRequest,
  lookupRouteRequest,
  type Route,
  type RouteFilter,
  type RouteMode,
  routeRequest,
} from './routes.ts'

const NETLINK_ROUTE = 0
const ROUTES_PER_TURN = 4096

/** One change of {@link RouteSocket.applyRoutes}. */
export interface RouteChange {
  readonly op: RouteMode
  readonly route: Route
}

/**
 * Opens rtnetlink in `options.netns` (default: where the calling thread is). The socket stays in that namespace.
 * @throws {NetlinkError}
 */
export function openRoute(options: { netns?: Netns | undefined } = {}): RouteSocket {
  return new RouteSocket(NetlinkSocket.open({ protocol: NETLINK_ROUTE, netns: options.netns }))
}

/** Links, addresses, routes and neighbours of one network namespace. Every method throws {@link NetlinkError}. */
export class RouteSocket implements AsyncDisposable {
  readonly #socket: NetlinkSocket

  /** @param socket a NETLINK_ROUTE socket; owned from now on. */
  constructor(socket: NetlinkSocket) {
    this.#socket = socket
  }

  /** @param options.statistics also read packet counters */
  async links(options: { statistics?: boolean } = {}): Promise<Link[]> {
    return await this.#socket.dump(getLinkRequest(undefined, options.statistics ?? false), decodeLink)
  }

  /** @returns undefined when there is none. */
  async link(nameOrIndex: string | number): Promise<Link | undefined> {
    try {
      const [message] = await this.#socket.request(getLinkRequest(nameOrIndex, true))
      return message === undefined ? undefined : decodeLink(message)
    } catch (error) {
      if (error instanceof NetlinkError && error.errnoName === 'ENODEV') return undefined
      throw error
    }
  }

  /**
   * Makes a device, or both ends of a veth pair. When it can't be made whole it is not there afterwards.
   * @throws {NetlinkError} NETLINK_EEXIST, NETLINK_EOPNOTSUPP (the kernel has no such kind) …
   */
  async addLink(link: NewLink): Promise<void> {
    const [create, ...settings] = newLinkRequests(link)
    if (create !== undefined) await this.#socket.request(create)
    try {
      for (const request of settings) await this.#socket.request(request)
    } catch (error) {
      await this.deleteLink(link.name)
      throw error
    }
  }

  /** Changes what `settings` names. To rename or to move to another namespace name the link by index. */
  async setLink(target: number | string, settings: LinkSettings): Promise<void> {
    await this.#socket.request(setLinkRequest(target, settings))
  }

  /** @throws {NetlinkError} NETLINK_ENODEV */
  async deleteLink(target: number | string): Promise<void> {
    await this.#socket.request(deleteLinkRequest(target))
  }

  /** Deletes every link of a group (1 and up) in one step: far faster than one by one. */
  async deleteLinkGroup(group: number): Promise<void> {
    await this.#socket.request(deleteLinkGroupRequest(group))
  }

  async addresses(filter: AddressFilter = {}): Promise<InterfaceAddress[]> {
    const entries = await this.#socket.dump(listAddressesRequest(filter), decodeAddress)
    return filter.index === undefined ? entries : entries.filter((entry) => entry.index === filter.index)
  }

  /** @throws {NetlinkError} NETLINK_EEXIST */
  async addAddress(index: number, address: LinkAddress): Promise<void> {
    await this.#socket.request(addressRequest('add', index, address))
  }

  /** Adds it, or changes what is there. */
  async replaceAddress(index: number, address: LinkAddress): Promise<void> {
    await this.#socket.request(addressRequest('replace', index, address))
  }

  /** @throws {NetlinkError} NETLINK_EADDRNOTAVAIL */
  async deleteAddress(index: number, address: LinkAddress): Promise<void> {
    await this.#socket.request(addressRequest('delete', index, address))
  }

  /** Both families unless one is named; all tables unless one is named. */
  async routes(filter: RouteFilter = {}): Promise<KernelRoute[]> {
    const routes: KernelRoute[] = []
    for (const family of filter.family === undefined ? ([4, 6] as const) : [filter.family]) {
      for (const route of await this.#routesOf(family, filter)) routes.push(route)
    }
    return routes
  }

  /** The route that a packet to `address` would take. @throws {NetlinkError} NETLINK_ENETUNREACH … */
  async lookupRoute(address: Address): Promise<KernelRoute | undefined> {
    const [message] = await this.#socket.request(lookupRouteRequest(address))
    return message === undefined ? undefined : decodeAnyRoute(message)
  }

  /** @throws {NetlinkError} NETLINK_EEXIST */
  async addRoute(route: Route): Promise<void> {
    await this.#socket.request(routeRequest('add', route))
  }

  /** Takes the place of the route with the same destination, table and priority. */
  async replaceRoute(route: Route): Promise<void> {
    await this.#socket.request(routeRequest('replace', route))
  }

  /** What the route does not name matches anything. @throws {NetlinkError} NETLINK_ESRCH */
  async deleteRoute(route: Route): Promise<void> {
    await this.#socket.request(routeRequest('delete', route))
  }

  /**
   * Makes many changes in order, hundreds per system call.
   * @returns one entry per change: undefined when done, else its error. A failure does not stop the rest.
   */
  async applyRoutes(changes: readonly RouteChange[]): Promise<(NetlinkError | undefined)[]> {
    const results: (NetlinkError | undefined)[] = []
    // In parts, so that preparing a hundred thousand routes does not keep the event loop waiting.
    for (let start = 0; start < changes.length; start += ROUTES_PER_TURN) {
      results.push(...(await this.#applyPart(changes.slice(start, start + ROUTES_PER_TURN))))
    }
    return results
  }

  /** Neighbours, or with `proxy: true` the proxy entries. */
  async neighbours(filter: NeighbourFilter = {}): Promise<Neighbour[]> {
    const entries = await this.#socket.dump(listNeighboursRequest(filter), decodeNeighbour)
    return filter.index === undefined ? entries : entries.filter((entry) => entry.index === filter.index)
  }

  async addNeighbour(entry: Neighbour): Promise<void> {
    await this.#socket.request(neighbourRequest('add', entry))
  }

  async replaceNeighbour(entry: Neighbour): Promise<void> {
    await this.#socket.request(neighbourRequest('replace', entry))
  }

  /** @throws {NetlinkError} NETLINK_ENOENT */
  async deleteNeighbour(entry: Neighbour): Promise<void> {
    await this.#socket.request(neighbourRequest('delete', entry))
  }

  /** Forwarding tables of bridges and vxlan devices. */
  async forwardingEntries(filter: { index?: number } = {}): Promise<ForwardingEntry[]> {
    const entries = await this.#socket.dump(listForwardingRequest(), decodeForwardingEntry)
    return filter.index === undefined ? entries : entries.filter((entry) => entry.index === filter.index)
  }

  async addForwardingEntry(entry: ForwardingEntry): Promise<void> {
    await this.#socket.request(forwardingRequest('add', entry))
  }

  /** One more destination for a MAC that has one (the all-zero MAC of a vxlan: flooding). */
  async appendForwardingEntry(entry: ForwardingEntry): Promise<void> {
    await this.#socket.request(forwardingRequest('append', entry))
  }

  async replaceForwardingEntry(entry: ForwardingEntry): Promise<void> {
    await this.#socket.request(forwardingRequest('replace', entry))
  }

  async deleteForwardingEntry(entry: ForwardingEntry): Promise<void> {
    await this.#socket.request(forwardingRequest('delete', entry))
  }

  async close(): Promise<void> {
    await this.#socket.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #applyPart(changes: readonly RouteChange[]): Promise<(NetlinkError | undefined)[]> {
    const results: (NetlinkError | undefined)[] = Array.from({ length: changes.length })
    const requests: NetlinkRequest[] = []
    const positions: number[] = []
    for (const [position, { op, route }] of changes.entries()) {
      try {
        requests.push(routeRequest(op, route))
        positions.push(position)
      } catch (error) {
        if (!(error instanceof NetlinkError)) throw error
        results[position] = error
      }
    }
    for (const [index, failure] of (await this.#socket.batch(requests)).entries()) {
      results[positions[index] as number] = failure
    }
    return results
  }

  async #routesOf(family: 4 | 6, filter: RouteFilter): Promise<KernelRoute[]> {
    const { table, protocol, oif } = filter
    try {
      const routes = await this.#socket.dump(listRoutesRequest(family, filter), decodeRoute)
      // A kernel older than 5.0 ignores the filter.
      return routes.filter(
        (route) =>
          (table === undefined || route.table === table) &&
          (protocol === undefined || route.protocol === protocol) &&
          (oif === undefined || route.oif === oif || route.multipath?.some((hop) => hop.oif === oif) === true),
      )
    } catch (error) {
      // The kernel makes a table with its first route; before, it says there is none.
      if (table !== undefined && error instanceof NetlinkError && error.errnoName === 'ENOENT') return []
      throw error
    }
  }
}
