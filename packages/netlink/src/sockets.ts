import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, type Server, Socket } from 'node:net'
import { Address } from '@margay/net'
import { MessageWriter } from './attributes.ts'
import { NetlinkError } from './errors.ts'
import { check, Sock, setIntOption, sys } from './libc.ts'
import { checkInteger } from './names.ts'
import { inNetns, type Netns } from './netns.ts'

/** Where to listen. A socket belongs to the namespace it was made in, wherever its process is. */
export interface ListenOptions {
  /** A literal address; `::` and `0.0.0.0` are every address of that family alone. */
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** Default 511, as Node's. */
  readonly backlog?: number
  /** Bind an address that is not (yet) there. */
  readonly freeBind?: boolean
}

/**
 * Makes `server` (net, http, https, http2 …) listen inside `netns`. Closing the server closes the socket.
 * @returns the bound address. @throws {NetlinkError} NETLINK_EADDRINUSE, NETLINK_EADDRNOTAVAIL …
 */
export async function listenIn(netns: Netns | undefined, server: Server, options: ListenOptions): Promise<AddressInfo> {
  const fd = openBound(netns, Sock.STREAM, options)
  server.listen({ fd, backlog: options.backlog ?? 511 })
  await once(server, 'listening')
  return server.address() as AddressInfo
}

export interface ConnectOptions {
  /** A literal address. */
  readonly host: string
  readonly port: number
  readonly localAddress?: string
  readonly localPort?: number
}

/** A TCP connection made from inside `netns`; `connect` or `error` follows as for net.connect(). */
export function connectIn(netns: Netns | undefined, options: ConnectOptions): Socket {
  const target = parseHost(options.host)
  checkInteger('port', options.port, 1, 65535)
  const local = options.localAddress ?? (options.localPort === undefined ? undefined : anyAddress(target.family))
  const fd =
    local === undefined
      ? inNetns(netns, () => openSocket(target.family, Sock.STREAM))
      : openBound(netns, Sock.STREAM, { host: local, port: options.localPort ?? 0 })
  // Paused until it is connected: reading from a socket that is not would fail.
  const socket = new Socket({ fd, readable: true, writable: true, manualStart: true } as ConstructorParameters<
    typeof Socket
  >[0])
  return socket.connect({ host: options.host, port: options.port })
}

/** A UDP socket bound inside `netns`. @throws {NetlinkError} NETLINK_EADDRINUSE … */
export function udpSocketIn(netns: Netns | undefined, options: ListenOptions): UdpSocket {
  const fd = openBound(netns, Sock.DGRAM, options)
  const socket = createSocket(parseHost(options.host).family === 4 ? 'udp4' : 'udp6')
  // With a descriptor bind() is done when it returns, `listening` included.
  socket.bind({ fd })
  return socket
}

function openBound(netns: Netns | undefined, type: number, options: ListenOptions): number {
  const address = parseHost(options.host)
  checkInteger('port', options.port, 0, 65535)
  const request = `bind ${address.family === 6 ? `[${address}]` : address.toString()}:${options.port}`
  const fd = inNetns(netns, () => openSocket(address.family, type))
  try {
    if (type === Sock.STREAM) setIntOption(fd, Sock.SOL_SOCKET, Sock.SO_REUSEADDR, 1, request)
    if (address.family === 6) setIntOption(fd, Sock.SOL_IPV6, Sock.IPV6_V6ONLY, 1, request)
    if (options.freeBind === true) {
      if (address.family === 4) setIntOption(fd, Sock.SOL_IP, Sock.IP_FREEBIND, 1, request)
      else setIntOption(fd, Sock.SOL_IPV6, Sock.IPV6_FREEBIND, 1, request)
    }
    const name = socketAddress(address, options.port)
    check(sys.bind(fd, name, name.length), request)
    return fd
  } catch (error) {
    sys.close(fd)
    throw error
  }
}

function openSocket(family: 4 | 6, type: number): number {
  const domain = family === 4 ? Sock.AF_INET : Sock.AF_INET6
  return check(sys.socket(domain, type | Sock.CLOEXEC | Sock.NONBLOCK, 0), 'open a socket')
}

/** struct sockaddr_in or sockaddr_in6. */
function socketAddress(address: Address, port: number): Uint8Array {
  const writer = new MessageWriter(28)
  writer.u16(address.family === 4 ? Sock.AF_INET : Sock.AF_INET6).u16be(port)
  if (address.family === 6) return writer.u32(0).raw(address.toBytes()).u32(0).bytes()
  return writer.raw(address.toBytes()).u32(0).u32(0).bytes()
}

function parseHost(host: string): Address {
  const address = Address.tryParse(host)
  if (address === undefined) throw NetlinkError.badInput('host', host, 'is not a literal address')
  return address
}

const anyAddress = (family: 4 | 6): string => (family === 4 ? '0.0.0.0' : '::')
