import { Address, type Family, Prefix } from '@margay/net'
import { check } from './errors.ts'
import { Sock, sys } from './libc.ts'
import { isListening, setMd5Key, setMinTtl, setTtl, socketFamily } from './socket-options.ts'

const MAX_TTL = 255
/** What the system is set to. */
const SYSTEM_TTL = -1

/** What a BGP session needs of its TCP socket. */
export interface PeerSocketOptions {
  /** An address, with or without zone, or a prefix that peers may come from. */
  readonly peerAddress: string
  /** TCP MD5 key (RFC 2385); undefined takes one away. */
  readonly password: string | undefined
  /** GTSM (RFC 5082): how many hops the peer may be away; undefined: any. */
  readonly ttlSecurityHops: number | undefined
}

/** A TCP socket, not connected and not blocking; the caller's to close. @throws {SocketError} */
export function openTcpSocket(family: Family): number {
  const domain = family === 4 ? Sock.AF_INET : Sock.AF_INET6
  return check(sys.socket(domain, Sock.STREAM | Sock.CLOEXEC | Sock.NONBLOCK, 0), 'socket')
}

/**
 * Puts a peer's key and hop limits on a socket. A listening socket serves other peers too: it gets the peer's key and
 * answers with TTL 255, and the lowest TTL to be taken is for the caller to set on each accepted connection.
 * @throws {SocketError} @throws {AddressError}
 */
export function applyPeerOptions(fd: number, options: PeerSocketOptions): void {
  const peer = parsePeer(options.peerAddress)
  // No connection of an IPv6 peer can come to an IPv4 socket: nothing is to be set there.
  if (peer.family === 6 && socketFamily(fd) === 4) return
  setMd5Key(fd, peer, options.password)
  const hops = options.ttlSecurityHops
  const serves = isListening(fd)
  // A TTL of 255 hurts no other peer of a listening socket, and one of them may need it.
  if (hops !== undefined || !serves) setTtl(fd, peer.family, hops === undefined ? SYSTEM_TTL : MAX_TTL)
  if (!serves) setMinTtl(fd, peer.family, hops === undefined ? 0 : MAX_TTL + 1 - hops)
}

function parsePeer(text: string): Address | Prefix {
  if (text.includes('/')) return Prefix.parse(text)
  // A key belongs to the address: the zone of a link-local one only says where it is.
  return Address.parse(text.replace(/%.*$/, ''))
}

/** The port `socketOptions` of bgp-js on Linux. */
export const linuxSocketOptions = { open: openTcpSocket, apply: applyPeerOptions } as const
