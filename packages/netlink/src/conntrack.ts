import type { Address } from '@margay/net'
import { Attributes, badMessage, type MessageWriter } from './attributes.ts'
import { isErrno, type NetlinkError } from './errors.ts'
import { addressOf } from './link-kinds.ts'
import type { Message } from './message.ts'
import { type NetlinkRequest, NetlinkSocket } from './netlink-socket.ts'
import type { Netns } from './netns.ts'
import { familyCode, familyOf } from './scopes.ts'

const NETLINK_NETFILTER = 12
const SUBSYSTEM = 1
const CT_GET = 1
const CT_DELETE = 2
const NESTED = 0x8000
// CTA_*, linux/netfilter/nfnetlink_conntrack.h
const Cta = { ORIGINAL: 1, REPLY: 2, STATUS: 3, TIMEOUT: 7, MARK: 8, ID: 12, ZONE: 18 } as const
const TUPLE_IP = 1
const TUPLE_PROTO = 2
const Ip = { V4_SOURCE: 1, V4_DESTINATION: 2, V6_SOURCE: 3, V6_DESTINATION: 4 } as const
const Proto = { NUMBER: 1, SOURCE_PORT: 2, DESTINATION_PORT: 3 } as const
const STATUS_ASSURED = 4

/** One direction of a connection. */
export interface ConnectionTuple {
  readonly source: Address
  readonly destination: Address
  /** IP protocol number. */
  readonly protocol: number
  readonly sourcePort: number | undefined
  readonly destinationPort: number | undefined
}

/** A connection that the kernel tracks. With NAT the reply is not the mirror of the original. */
export interface Connection {
  readonly family: 4 | 6
  readonly original: ConnectionTuple
  readonly reply: ConnectionTuple
  readonly mark: number
  readonly timeoutSeconds: number
  readonly assured: boolean
}

/** What is needed to delete exactly this connection. */
interface ConnectionHandle {
  readonly family: 4 | 6
  readonly original: Uint8Array
  readonly id: Uint8Array | undefined
  readonly zone: Uint8Array | undefined
}

/** Opens connection tracking of `options.netns` (default: where the calling thread is). @throws {NetlinkError} */
export function openConntrack(options: { netns?: Netns | undefined } = {}): Conntrack {
  return new Conntrack(NetlinkSocket.open({ protocol: NETLINK_NETFILTER, netns: options.netns }))
}

/** The connection table of one network namespace. */
export class Conntrack implements AsyncDisposable {
  readonly #socket: NetlinkSocket

  /** @param socket a NETLINK_NETFILTER socket; owned from now on. */
  constructor(socket: NetlinkSocket) {
    this.#socket = socket
  }

  /** @param filter which to keep; all when absent */
  async connections(filter: (connection: Connection) => boolean = () => true): Promise<Connection[]> {
    const connections: Connection[] = []
    await this.#socket.scan(listRequest(), (message) => {
      const connection = decodeConnection(message)
      if (connection !== undefined && filter(connection)) connections.push(connection)
    })
    return connections
  }

  /**
   * Forgets connections: their next packet counts as the first of a new one.
   * @returns how many were deleted. @throws {NetlinkError}
   */
  async flush(filter: (connection: Connection) => boolean): Promise<number> {
    const handles: ConnectionHandle[] = []
    await this.#socket.scan(listRequest(), (message) => {
      const connection = decodeConnection(message)
      if (connection !== undefined && filter(connection)) handles.push(handleOf(message, connection.family))
    })
    const results = await this.#socket.batch(handles.map(deleteRequest))
    // One that ended by itself meanwhile is as good as deleted.
    const failure = results.find((result): result is NetlinkError => result !== undefined && !isErrno(result, 'ENOENT'))
    if (failure !== undefined) throw failure
    return results.filter((result) => result === undefined).length
  }

  /** Forgets every connection that has `address` at either end, before or after NAT. @returns how many */
  async flushAddress(address: Address): Promise<number> {
    return await this.flush(({ original, reply }) =>
      [original.source, original.destination, reply.source, reply.destination].some((end) => end.equals(address)),
    )
  }

  async close(): Promise<void> {
    await this.#socket.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** struct nfgenmsg */
const writeHeader = (writer: MessageWriter, family: number): MessageWriter => writer.u8(family).u8(0).u16be(0)

const listRequest = (): NetlinkRequest => ({
  type: (SUBSYSTEM << 8) | CT_GET,
  fill: (writer) => writeHeader(writer, 0),
  describe: () => 'list connections',
})

const deleteRequest = (handle: ConnectionHandle): NetlinkRequest => ({
  type: (SUBSYSTEM << 8) | CT_DELETE,
  fill: (writer) => {
    writeHeader(writer, familyCode(handle.family)).attribute(Cta.ORIGINAL | NESTED, handle.original)
    if (handle.id !== undefined) writer.attribute(Cta.ID, handle.id)
    if (handle.zone !== undefined) writer.attribute(Cta.ZONE, handle.zone)
  },
  describe: () => 'delete a connection',
})

/** Copies, for the message's body is used again. */
function handleOf(message: Message, family: 4 | 6): ConnectionHandle {
  const attributes = new Attributes(message.body.subarray(4))
  const original = attributes.bytes(Cta.ORIGINAL)
  if (original === undefined) throw badMessage('a connection without its original direction')
  return {
    family,
    original: original.slice(),
    id: attributes.bytes(Cta.ID)?.slice(),
    zone: attributes.bytes(Cta.ZONE)?.slice(),
  }
}

/** @returns undefined for what is no IPv4 or IPv6 connection. @throws {NetlinkError} NETLINK_BAD_MESSAGE */
function decodeConnection(message: Message): Connection | undefined {
  if (message.body.length < 4) throw badMessage('a connection message shorter than struct nfgenmsg')
  const family = familyOf(message.body[0] as number)
  const attributes = new Attributes(message.body.subarray(4))
  const original = decodeTuple(attributes.nested(Cta.ORIGINAL))
  const reply = decodeTuple(attributes.nested(Cta.REPLY))
  if (family === undefined || original === undefined || reply === undefined) return undefined
  return {
    family,
    original,
    reply,
    mark: attributes.u32be(Cta.MARK) ?? 0,
    timeoutSeconds: attributes.u32be(Cta.TIMEOUT) ?? 0,
    assured: ((attributes.u32be(Cta.STATUS) ?? 0) & STATUS_ASSURED) !== 0,
  }
}

function decodeTuple(tuple: Attributes | undefined): ConnectionTuple | undefined {
  const ip = tuple?.nested(TUPLE_IP)
  const proto = tuple?.nested(TUPLE_PROTO)
  const source = addressOf(ip?.bytes(Ip.V4_SOURCE) ?? ip?.bytes(Ip.V6_SOURCE))
  const destination = addressOf(ip?.bytes(Ip.V4_DESTINATION) ?? ip?.bytes(Ip.V6_DESTINATION))
  if (source === undefined || destination === undefined) return undefined
  return {
    source,
    destination,
    protocol: proto?.u8(Proto.NUMBER) ?? 0,
    sourcePort: proto?.u16be(Proto.SOURCE_PORT),
    destinationPort: proto?.u16be(Proto.DESTINATION_PORT),
  }
}
