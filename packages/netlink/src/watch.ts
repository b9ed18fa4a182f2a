import { decodeAddress, type InterfaceAddress } from './addresses.ts'
import { EventQueue } from './event-queue.ts'
import { decodeLink, type Link } from './links.ts'
import { type Message, splitMessages } from './message.ts'
import { decodeForwardingEntry, decodeNeighbour, type ForwardingEntry, type Neighbour } from './neighbours.ts'
import { openNetlinkFd } from './netlink-socket.ts'
import type { Netns } from './netns.ts'
import { readDatagrams } from './reader.ts'
import { decodeRoute, type KernelRoute } from './routes.ts'

const NETLINK_ROUTE = 0
const AF_UNSPEC = 0
// RTNLGRP_*, linux/rtnetlink.h
const GROUPS = {
  link: [1],
  neighbour: [3],
  address: [5, 9],
  'ipv4-route': [7],
  'ipv6-route': [11],
} as const
const QUEUE_LIMIT = 100_000

export type RouteEventGroup = keyof typeof GROUPS

/** One change in the kernel. `new` means new or changed. */
export type RouteEvent =
  | { readonly type: 'link'; readonly change: 'new' | 'deleted'; readonly link: Link }
  | { readonly type: 'address'; readonly change: 'new' | 'deleted'; readonly address: InterfaceAddress }
  | { readonly type: 'route'; readonly change: 'new' | 'deleted'; readonly route: KernelRoute }
  | { readonly type: 'neighbour'; readonly change: 'new' | 'deleted'; readonly neighbour: Neighbour }
  | { readonly type: 'forwarding'; readonly change: 'new' | 'deleted'; readonly entry: ForwardingEntry }
  /** Events were lost: read everything again. */
  | { readonly type: 'overrun' }

/** Events for one reader. Ends when it is closed, or when the reading loop is left. */
export interface RouteWatch extends AsyncIterable<RouteEvent>, AsyncDisposable {
  close(): Promise<void>
}

/**
 * Watches one namespace. Events from the moment of the call on are kept until they are read.
 * While it is open the process stays alive; process.exit() ends it at once.
 * @throws {NetlinkError}
 */
export function watchRoute(options: { netns?: Netns; groups: readonly RouteEventGroup[] }): RouteWatch {
  let mask = 0
  for (const name of options.groups) for (const group of GROUPS[name]) mask |= 1 << (group - 1)
  const fd = openNetlinkFd(NETLINK_ROUTE, options.netns, mask)
  const queue = new EventQueue<RouteEvent>({
    limit: QUEUE_LIMIT,
    overrun: () => ({ type: 'overrun' }),
    release: async () => await stop(),
  })
  const stop = readDatagrams(fd, {
    datagram: (datagram) => {
      try {
        for (const message of splitMessages(datagram)) {
          const event = decodeRouteEvent(message)
          if (event !== undefined) queue.push(event)
        }
      } catch (error) {
        queue.fail(error)
      }
    },
    overrun: () => queue.clear(),
    failed: (error) => queue.fail(error),
  })
  const close = async (): Promise<void> => void (await queue.return())
  return { [Symbol.asyncIterator]: () => queue, close, [Symbol.asyncDispose]: close }
}

/** @returns undefined for what is no event of ours. @throws {NetlinkError} NETLINK_BAD_MESSAGE */
function decodeRouteEvent(message: Message): RouteEvent | undefined {
  const change = message.type % 2 === 0 ? 'new' : 'deleted'
  switch (message.type) {
    case 16:
    case 17: {
      // A bridge tells of its ports under its own family: a "deleted" there only left the bridge.
      if (message.body[0] !== AF_UNSPEC) return undefined
      return { type: 'link', change, link: decodeLink(message) }
    }
    case 20:
    case 21: {
      const address = decodeAddress(message)
      return address === undefined ? undefined : { type: 'address', change, address }
    }
    case 24:
    case 25: {
      const route = decodeRoute(message)
      return route === undefined ? undefined : { type: 'route', change, route }
    }
    case 28:
    case 29: {
      const neighbour = decodeNeighbour(message)
      if (neighbour !== undefined) return { type: 'neighbour', change, neighbour }
      const entry = decodeForwardingEntry(message)
      return entry === undefined ? undefined : { type: 'forwarding', change, entry }
    }
    default:
      return undefined
  }
}
