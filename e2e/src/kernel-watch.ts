import { EventEmitter, once } from 'node:events'
import { Prefix } from '@margay/net'
import {
  formatRoute,
  NetlinkSocket,
  openNetns,
  openRoute,
  type Route,
  type RouteWatch,
  watchRoute,
} from '@margay/netlink'

const NETLINK_NETFILTER = 12
// linux/netfilter/nfnetlink.h, nf_tables.h
const NFT_MSG_GETGEN = (10 << 8) | 16
/** A route of no consequence, in a table of its own: once it is heard, so is all that was before it. */
const MARKER: Route = { dst: Prefix.parse('203.0.113.113/32'), type: 'blackhole', table: 9_913 }

/** Remembers every change of the routes of some namespaces, and whether anything was written to their nf_tables. */
export class KernelWatch {
  readonly #changes: string[] = []
  readonly #routes: readonly { readonly watch: RouteWatch; readonly reading: Promise<void> }[]
  readonly #generations: ReadonlyMap<string, number>
  readonly #marks = new EventEmitter()

  private constructor(generations: ReadonlyMap<string, number>) {
    this.#generations = generations
    this.#routes = [...generations.keys()].map((name) => {
      using netns = openNetns(name)
      const watch = watchRoute({ netns, groups: ['ipv4-route', 'ipv6-route'] })
      return { watch, reading: this.#readRoutes(name, watch) }
    })
  }

  static async start(netnses: readonly string[]): Promise<KernelWatch> {
    return new KernelWatch(await generationsOf(netnses))
  }

  /** Ends the watch. @returns what has changed */
  async close(): Promise<readonly string[]> {
    for (const [netns, generation] of await generationsOf([...this.#generations.keys()])) {
      const transactions = generation - (this.#generations.get(netns) ?? 0)
      if (transactions > 0) this.#changes.push(`${netns}: ${transactions} transactions of nf_tables`)
    }
    for (const [index, netns] of [...this.#generations.keys()].entries()) {
      const heard = once(this.#marks, netns)
      await using socket = openRoute({ netns })
      await socket.addRoute(MARKER)
      await heard
      await this.#routes[index]?.watch.close()
      await this.#routes[index]?.reading
      await socket.deleteRoute(MARKER)
    }
    return this.#changes
  }

  async #readRoutes(netns: string, watch: RouteWatch): Promise<void> {
    for await (const event of watch) {
      if (event.type === 'route' && event.route.table === MARKER.table) this.#marks.emit(netns)
      else if (event.type === 'route') this.#changes.push(`${netns}: ${event.change} route ${formatRoute(event.route)}`)
      if (event.type === 'overrun') this.#changes.push(`${netns}: events were lost`)
    }
  }
}

/** Each namespace's count of nf_tables transactions: any program's, of any table. */
async function generationsOf(netnses: readonly string[]): Promise<Map<string, number>> {
  const entries = netnses.map(async (netns): Promise<[string, number]> => {
    await using socket = NetlinkSocket.open({ protocol: NETLINK_NETFILTER, netns })
    const [reply] = await socket.request({
      type: NFT_MSG_GETGEN,
      fill: (writer) => writer.u8(0).u8(0).u8(0).u8(0),
      describe: () => `the generation of nf_tables in ${netns}`,
    })
    // struct nfgenmsg, then NFTA_GEN_ID: length, type and the number, in network order.
    const body = reply?.body ?? new Uint8Array()
    return [netns, new DataView(body.buffer, body.byteOffset, body.length).getUint32(8)]
  })
  return new Map(await Promise.all(entries))
}
