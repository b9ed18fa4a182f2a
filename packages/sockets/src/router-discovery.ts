import { Address } from '@margay/net'
import { check, SocketError } from './errors.ts'
import { Sock, sys } from './libc.ts'
import { LITTLE_ENDIAN, socketAddress } from './socket-address.ts'
import { bindToDevice, setIntOption } from './socket-options.ts'
import { requireTtl } from './ttl-filter.ts'

const ROUTER_SOLICITATION = 133
const ROUTER_ADVERTISEMENT = 134
const HOP_LIMIT = 255
const ALL_NODES = Address.parse('ff02::1')
const ALL_ROUTERS = Address.parse('ff02::2')

const ADVERTISE_MS = 10_000
/** MIN_DELAY_BETWEEN_RAS of RFC 4861 §10: solicitations do not make us send more often. */
const MIN_ADVERTISE_MS = 3_000
/** A neighbor that was silent for this long is gone: three advertisements, and some. */
const LOST_MS = 35_000
/** Node can't wait for a raw socket, and advertisements are rare: looking costs a system call. */
const LOOK_MS = 200
/** Packets taken at one look; the rest waits in the kernel's buffer, which is bounded. */
const MAX_PACKETS = 64
/** Neighbors of one link; more would be somebody making them up. */
const MAX_NEIGHBORS = 64
const PACKET_OCTETS = 1500

/** What a watcher is told. */
export interface NeighborListener {
  /** A router that advertises itself on the link, by its link-local address; once per router. */
  onNeighbor(address: string): void
  /** It has not been heard for half a minute. */
  onLost?(address: string): void
}

/** Times other than the usual ones, for tests. */
export interface RouterDiscoveryTimes {
  readonly advertiseMs?: number
  readonly lostMs?: number
}

/**
 * Finds the routers at the other end of a link and lets them find us, for BGP over unnumbered interfaces: listens to
 * router advertisements (RFC 4861 §6.1.2) and sends our own, with router lifetime 0 so that no host takes us for its
 * default router, every ten seconds, when solicited, and when a router is new.
 */
export class RouterDiscovery implements Disposable {
  readonly #listener: NeighborListener
  readonly #fd: number
  readonly #index: number
  readonly #neighbors = new Map<string, number>()
  readonly #timer: NodeJS.Timeout
  readonly #buffer = new Uint8Array(PACKET_OCTETS)
  readonly #source = new Uint8Array(28)
  readonly #advertiseMs: number
  readonly #lostMs: number
  #advertisedAt = Number.NEGATIVE_INFINITY
  #isAdvertisementDue = true
  #closed = false

  /** In the network namespace of the calling thread. @throws {SocketError} */
  constructor(device: string, listener: NeighborListener, times: RouterDiscoveryTimes = {}) {
    this.#listener = listener
    this.#advertiseMs = times.advertiseMs ?? ADVERTISE_MS
    this.#lostMs = times.lostMs ?? LOST_MS
    this.#index = sys.ifNameToIndex(device)
    if (this.#index === 0) throw SocketError.badInput('if_nametoindex', `there is no interface ${device}`)
    this.#fd = openIcmpSocket(device, this.#index)
    this.#timer = setInterval(() => this.#look(), LOOK_MS).unref()
    this.#advertiseIfDue(performance.now())
  }

  [Symbol.dispose](): void {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#timer)
    sys.close(this.#fd)
  }

  #look(): void {
    const now = performance.now()
    for (let count = 0; count < MAX_PACKETS && !this.#closed; count++) {
      const length = sys.recvfrom(
        this.#fd,
        this.#buffer,
        PACKET_OCTETS,
        Sock.MSG_DONTWAIT,
        this.#source,
        Uint32Array.of(this.#source.length),
      )
      if (length < 0) break
      this.#take(this.#buffer.subarray(0, length), Address.fromBytes(this.#source.subarray(8, 24)), now)
    }
    if (this.#closed) return
    this.#forgetLost(now)
    this.#advertiseIfDue(now)
  }

  #take(packet: Uint8Array, source: Address, now: number): void {
    if (packet[0] === ROUTER_SOLICITATION && isWellFormed(packet, 8)) {
      this.#isAdvertisementDue = true
      return
    }
    if (packet[0] !== ROUTER_ADVERTISEMENT || !isWellFormed(packet, 16) || !source.isLinkLocal) return
    const address = source.toString()
    const isNew = !this.#neighbors.has(address)
    if (isNew && this.#neighbors.size >= MAX_NEIGHBORS) return
    this.#neighbors.set(address, now)
    if (!isNew) return
    this.#isAdvertisementDue = true
    this.#listener.onNeighbor(address)
  }

  #forgetLost(now: number): void {
    for (const [address, heardAt] of this.#neighbors) {
      if (now - heardAt < this.#lostMs) continue
      this.#neighbors.delete(address)
      this.#listener.onLost?.(address)
    }
  }

  #advertiseIfDue(now: number): void {
    const since = now - this.#advertisedAt
    if (
      since < Math.min(MIN_ADVERTISE_MS, this.#advertiseMs) ||
      (since < this.#advertiseMs && !this.#isAdvertisementDue)
    )
      return
    this.#advertisedAt = now
    this.#isAdvertisementDue = false
    const destination = socketAddress(ALL_NODES, 0, this.#index)
    // What can't be sent now (no address yet, link down) is sent at the next time.
    sys.sendto(this.#fd, advertisement(), 16, Sock.MSG_DONTWAIT, destination, destination.length)
  }
}

/** The port `neighborDiscovery` of bgp-js on Linux. */
export const linuxNeighborDiscovery = {
  /**
   * Calls `onNeighbor` with the link-local address of the router at the other end whenever it is another one; undefined
   * when it is gone. Of several routers on a link the one that was found last counts.
   * @returns a function that ends it @throws {SocketError}
   */
  watch(
    device: string,
    onNeighbor: (address: string | undefined) => void,
    times: RouterDiscoveryTimes = {},
  ): () => void {
    const known = new Set<string>()
    let current: string | undefined
    const settle = (): void => {
      const latest = [...known].at(-1)
      if (latest === current) return
      current = latest
      onNeighbor(latest)
    }
    const listener: NeighborListener = {
      onNeighbor: (address) => {
        known.add(address)
        settle()
      },
      onLost: (address) => {
        known.delete(address)
        settle()
      },
    }
    const discovery = new RouterDiscovery(device, listener, times)
    return () => discovery[Symbol.dispose]()
  },
} as const

/** RFC 4861 §4.2, nothing but the fact that we are there; the kernel fills in the checksum. */
function advertisement(): Uint8Array {
  const bytes = new Uint8Array(16)
  bytes[0] = ROUTER_ADVERTISEMENT
  return bytes
}

/** Code 0, long enough, and no option of length 0 (RFC 4861 §6.1.1, §6.1.2). */
function isWellFormed(packet: Uint8Array, fixedOctets: number): boolean {
  if (packet.length < fixedOctets || packet[1] !== 0) return false
  let at = fixedOctets
  while (at + 1 < packet.length) {
    const octets = (packet[at + 1] ?? 0) * 8
    if (octets === 0) return false
    at += octets
  }
  return at === packet.length
}

function openIcmpSocket(device: string, index: number): number {
  const fd = check(sys.socket(Sock.AF_INET6, Sock.RAW | Sock.CLOEXEC | Sock.NONBLOCK, Sock.IPPROTO_ICMPV6), 'socket')
  try {
    bindToDevice(fd, device)
    requireTtl(fd, 6, HOP_LIMIT)
    // A bit that is set keeps a type out.
    const filter = new Uint32Array(8).fill(0xffffffff)
    for (const type of [ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT]) {
      filter[type >>> 5] = (filter[type >>> 5] ?? 0) & ~(1 << (type & 31))
    }
    const bits = new Uint8Array(filter.buffer)
    check(sys.setsockopt(fd, Sock.IPPROTO_ICMPV6, Sock.ICMP6_FILTER, bits, bits.length), 'ICMP6_FILTER')
    setIntOption(fd, Sock.SOL_IPV6, Sock.IPV6_MULTICAST_HOPS, HOP_LIMIT, 'IPV6_MULTICAST_HOPS')
    setIntOption(fd, Sock.SOL_IPV6, Sock.IPV6_MULTICAST_LOOP, 0, 'IPV6_MULTICAST_LOOP')
    setIntOption(fd, Sock.SOL_IPV6, Sock.IPV6_MULTICAST_IF, index, 'IPV6_MULTICAST_IF')
    // struct ipv6_mreq
    const membership = new Uint8Array(20)
    membership.set(ALL_ROUTERS.toBytes())
    new DataView(membership.buffer).setUint32(16, index, LITTLE_ENDIAN)
    const joined = sys.setsockopt(fd, Sock.SOL_IPV6, Sock.IPV6_ADD_MEMBERSHIP, membership, membership.length)
    check(joined, 'IPV6_ADD_MEMBERSHIP', device)
    return fd
  } catch (error) {
    sys.close(fd)
    throw error
  }
}
