import { Address, type Family, type Prefix } from '@margay/net'
import { check, SocketError } from './errors.ts'
import { lastErrno, Sock, sys } from './libc.ts'
import { LITTLE_ENDIAN, socketAddress } from './socket-address.ts'

const ENOENT = 2
/** TCP_MD5SIG_MAXKEYLEN. */
const MAX_KEY_OCTETS = 80
/** struct tcp_md5sig: sockaddr_storage, flags, prefix length, key length, interface index, key. */
const MD5SIG_OCTETS = 128 + 1 + 1 + 2 + 4 + MAX_KEY_OCTETS
const MD5SIG_FLAG_PREFIX = 1
/** IFNAMSIZ with its final NUL. */
const MAX_DEVICE_OCTETS = 15

/** A fixed-size integer option. @throws {SocketError} */
export function setIntOption(fd: number, level: number, option: number, value: number, name: string): void {
  check(sys.setsockopt(fd, level, option, new Uint8Array(Int32Array.of(value).buffer), 4), name, String(value))
}

/** @throws {SocketError} */
function getIntOption(fd: number, level: number, option: number, name: string): number {
  const value = new Uint8Array(4)
  check(sys.getsockopt(fd, level, option, value, Uint32Array.of(4)), name)
  return new DataView(value.buffer).getInt32(0, LITTLE_ENDIAN)
}

/** What kind of IP socket a descriptor is; a socket of 6 may carry IPv4 as well. @throws {SocketError} */
export const socketFamily = (fd: number): Family =>
  getIntOption(fd, Sock.SOL_SOCKET, Sock.SO_DOMAIN, 'SO_DOMAIN') === Sock.AF_INET ? 4 : 6

/** Whether a descriptor is a listening socket. @throws {SocketError} */
export const isListening = (fd: number): boolean =>
  getIntOption(fd, Sock.SOL_SOCKET, Sock.SO_ACCEPTCONN, 'SO_ACCEPTCONN') !== 0

/**
 * Sets, changes or (undefined) takes away the TCP MD5 key (RFC 2385) for one peer, or for every peer of a prefix that
 * has no key of its own. On a listening socket it is for connections to come, which inherit it; on a connected one it
 * holds from the next segment on. Taking away a key that is not there is no error.
 * @param peer IPv4 peers of an IPv6 socket are meant as IPv4-mapped addresses
 * @throws {SocketError} SOCKET_BAD_INPUT for a key that is empty or longer than 80 octets; it never shows the key
 */
export function setMd5Key(fd: number, peer: Address | Prefix, key: string | Uint8Array | undefined): void {
  const isAddress = peer instanceof Address
  const name = isAddress ? 'TCP_MD5SIG' : 'TCP_MD5SIG_EXT'
  const octets = typeof key === 'string' ? Buffer.from(key) : (key ?? new Uint8Array(0))
  if (octets.length > MAX_KEY_OCTETS || (key !== undefined && octets.length === 0)) {
    throw SocketError.badInput(name, `a key has 1 to ${MAX_KEY_OCTETS} octets, this one ${octets.length}`)
  }
  const address = isAddress ? peer : peer.address
  const bytes = new Uint8Array(MD5SIG_OCTETS)
  const view = new DataView(bytes.buffer)
  bytes.set(socketAddress(addressFor(fd, address), 0))
  if (!isAddress) {
    view.setUint8(128, MD5SIG_FLAG_PREFIX)
    view.setUint8(129, peer.length)
  }
  view.setUint16(130, octets.length, LITTLE_ENDIAN)
  bytes.set(octets, 136)
  const result = sys.setsockopt(
    fd,
    Sock.SOL_TCP,
    isAddress ? Sock.TCP_MD5SIG : Sock.TCP_MD5SIG_EXT,
    bytes,
    bytes.length,
  )
  if (result < 0 && key === undefined && lastErrno() === ENOENT) return
  check(result, name, `peer ${peer}`)
}

/** TTL or hop limit of what is sent. @param family of the packets; a socket of IPv6 may carry both @throws {SocketError} */
export function setTtl(fd: number, family: Family, ttl: number): void {
  if (family === 4) setIntOption(fd, Sock.SOL_IP, Sock.IP_TTL, ttl, 'IP_TTL')
  else setIntOption(fd, Sock.SOL_IPV6, Sock.IPV6_UNICAST_HOPS, ttl, 'IPV6_UNICAST_HOPS')
}

/**
 * Has a TCP socket drop what comes with a lower TTL or hop limit (GTSM, RFC 5082); 0 takes everything.
 * @throws {SocketError}
 */
export function setMinTtl(fd: number, family: Family, ttl: number): void {
  if (family === 4) setIntOption(fd, Sock.SOL_IP, Sock.IP_MINTTL, ttl, 'IP_MINTTL')
  else setIntOption(fd, Sock.SOL_IPV6, Sock.IPV6_MINHOPCOUNT, ttl, 'IPV6_MINHOPCOUNT')
}

/** Ties a socket to one interface; undefined unties it. @throws {SocketError} SOCKET_ENODEV, SOCKET_EPERM … */
export function bindToDevice(fd: number, device: string | undefined): void {
  const name = Buffer.from(device ?? '')
  if (name.length > MAX_DEVICE_OCTETS || name.includes(0)) {
    throw SocketError.badInput('SO_BINDTODEVICE', `${JSON.stringify(device)} is no name of an interface`)
  }
  const value = Buffer.concat([name, Uint8Array.of(0)])
  check(sys.setsockopt(fd, Sock.SOL_SOCKET, Sock.SO_BINDTODEVICE, value, value.length), 'SO_BINDTODEVICE', device)
}

/** How a socket of IPv6 names an IPv4 address. */
function addressFor(fd: number, address: Address): Address {
  return address.family === 4 && socketFamily(fd) === 6 ? new Address(6, 0xffff00000000n | address.value) : address
}
