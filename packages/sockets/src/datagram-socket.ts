import { Address } from '@margay/net'
import { check, SocketError } from './errors.ts'
import { Sock, sys } from './libc.ts'
import { socketAddress } from './socket-address.ts'
import { bindToDevice, setIntOption, setTtl } from './socket-options.ts'
import { makeRealtime } from './thread-priority.ts'
import { requireTtl } from './ttl-filter.ts'

/** DSCP CS6, network control (RFC 2474). */
const CLASS_CS6 = 0xc0
/** A UDP socket that Node can't make. */
export interface DatagramSocketOptions {
  readonly local: string
  readonly port: number
  /** Name of the interface it is tied to; needed for link-local addresses. */
  readonly interface?: string | undefined
  /** TTL or hop limit of what is sent. */
  readonly ttl: number
  /** The kernel drops what comes with another TTL or hop limit (GTSM, RFC 5082). */
  readonly requiredTtl?: number | undefined
}

/**
 * A bound UDP socket, for `dgram`'s `bind({ fd })` in any thread; the caller's to close. Sends as network control (CS6).
 * @throws {SocketError} SOCKET_EADDRINUSE, SOCKET_EADDRNOTAVAIL …
 */
export function openDatagramSocket(options: DatagramSocketOptions): number {
  const address = Address.tryParse(options.local)
  if (address === undefined) throw SocketError.badInput('bind', `${JSON.stringify(options.local)} is no address`)
  const domain = address.family === 4 ? Sock.AF_INET : Sock.AF_INET6
  const fd = check(sys.socket(domain, Sock.DGRAM | Sock.CLOEXEC | Sock.NONBLOCK, 0), 'socket')
  try {
    if (options.interface !== undefined) bindToDevice(fd, options.interface)
    setTtl(fd, address.family, options.ttl)
    if (options.requiredTtl !== undefined) requireTtl(fd, address.family, options.requiredTtl)
    if (address.family === 4) setIntOption(fd, Sock.SOL_IP, Sock.IP_TOS, CLASS_CS6, 'IP_TOS')
    else {
      setIntOption(fd, Sock.SOL_IPV6, Sock.IPV6_TCLASS, CLASS_CS6, 'IPV6_TCLASS')
      setIntOption(fd, Sock.SOL_IPV6, Sock.IPV6_V6ONLY, 1, 'IPV6_V6ONLY')
    }
    const name = socketAddress(address, options.port, scopeOf(address, options.interface))
    check(sys.bind(fd, name, name.length), 'bind', `${address}, port ${options.port}`)
    return fd
  } catch (error) {
    sys.close(fd)
    throw error
  }
}

/** Link-local addresses are of an interface, which the kernel wants by number. */
function scopeOf(address: Address, device: string | undefined): number {
  if (address.family === 4 || !address.isLinkLocal) return 0
  if (device === undefined) throw SocketError.badInput('bind', `${address} is link-local and needs an interface`)
  const index = sys.ifNameToIndex(device)
  if (index === 0) throw SocketError.badInput('bind', `there is no interface ${device}`)
  return index
}

/** The port `sockets` of bgp-js's BFD service on Linux. */
export const linuxBfdSockets = { open: openDatagramSocket, prioritize: makeRealtime } as const
