import { ByteWriter } from '../wire/byte-writer.ts'
import { addressOctets, ipv4Value } from '../wire/ip-text.ts'
import { withoutZone } from '../wire/zoneless.ts'

const VERSION = 3
const MessageType = {
  RouteMonitoring: 0,
  Statistics: 1,
  PeerDown: 2,
  PeerUp: 3,
  Initiation: 4,
  Termination: 5,
} as const
const COMMON_HEADER_OCTETS = 6

const PeerFlag = { Ipv6: 0x80, PostPolicy: 0x40, TwoOctetAs: 0x20 } as const
const GLOBAL_INSTANCE_PEER = 0
const RD_INSTANCE_PEER = 1

const Tlv = { SysDescr: 1, SysName: 2, String: 0, Reason: 1 } as const

/** Which table a route comes from: AdjRibIn as the peer sent it, or behind our import policy. */
export type BmpPolicy = 'pre' | 'post'

/** A peer as the station is told of it (RFC 7854 §4.2). */
export interface BmpPeer {
  readonly address: string
  readonly asn: number
  readonly routerId: string
  /** Route distinguisher of the routing instance, for peers that are not in the global one. */
  readonly distinguisher?: bigint
  /** The session carries two-octet AS numbers, so UPDATEs are to be read that way. */
  readonly twoOctetAs?: boolean
}

/** Where and when a session came up. OPENs are whole messages, as they were sent. */
export interface BmpPeerUp {
  readonly peer: BmpPeer
  readonly local: { readonly address: string; readonly port: number }
  readonly remotePort: number
  readonly sentOpen: Uint8Array
  readonly receivedOpen: Uint8Array
  readonly at: Date
}

/** Why a session ended (RFC 7854 §4.9). NOTIFICATIONs are whole messages. */
export type BmpPeerDownReason =
  | { readonly kind: 'localNotification'; readonly notification: Uint8Array }
  /** `event`: number of the event of RFC 4271 §8.1, 0 for none of them. */
  | { readonly kind: 'localEvent'; readonly event: number }
  | { readonly kind: 'remoteNotification'; readonly notification: Uint8Array }
  | { readonly kind: 'remoteClosed' }
  /** We no longer tell of this peer. */
  | { readonly kind: 'deconfigured' }

export interface BmpPeerDown {
  readonly peer: BmpPeer
  readonly reason: BmpPeerDownReason
  readonly at: Date
}

/** Statistics in the order of their types (RFC 7854 §4.8): counters, and gauges of 64 bits. */
const STATISTICS = {
  rejectedPrefixes: { type: 0, octets: 4 },
  duplicatePrefixes: { type: 1, octets: 4 },
  duplicateWithdrawals: { type: 2, octets: 4 },
  clusterListLoops: { type: 3, octets: 4 },
  asPathLoops: { type: 4, octets: 4 },
  originatorIdLoops: { type: 5, octets: 4 },
  confederationLoops: { type: 6, octets: 4 },
  adjRibInRoutes: { type: 7, octets: 8 },
  locRibRoutes: { type: 8, octets: 8 },
  treatAsWithdrawUpdates: { type: 11, octets: 4 },
  treatAsWithdrawPrefixes: { type: 12, octets: 4 },
  duplicateUpdates: { type: 13, octets: 4 },
} as const

export type BmpStatistic = keyof typeof STATISTICS

export interface BmpStats {
  readonly peer: BmpPeer
  readonly at: Date
  readonly values: { readonly [Name in BmpStatistic]?: number }
}

/** Why we end the connection (RFC 7854 §4.5). */
export const BmpTerminationReason = { AdministrativelyClosed: 0, Unspecified: 1, OutOfResources: 2 } as const

export function encodeInitiation(sysName: string, sysDescr: string): Uint8Array {
  return message(MessageType.Initiation, (writer) => {
    textTlv(writer, Tlv.SysDescr, sysDescr)
    textTlv(writer, Tlv.SysName, sysName)
  })
}

export function encodeTermination(reason: number, text: string): Uint8Array {
  return message(MessageType.Termination, (writer) => {
    textTlv(writer, Tlv.String, text)
    writer.u16(Tlv.Reason)
    writer.u16(2)
    writer.u16(reason)
  })
}

export function encodePeerUp({ peer, local, remotePort, sentOpen, receivedOpen, at }: BmpPeerUp): Uint8Array {
  return message(MessageType.PeerUp, (writer) => {
    perPeerHeader(writer, peer, at, 'pre')
    writer.bytes(sixteenOctets(local.address))
    writer.u16(local.port)
    writer.u16(remotePort)
    writer.bytes(sentOpen)
    writer.bytes(receivedOpen)
  })
}

export function encodePeerDown({ peer, reason, at }: BmpPeerDown): Uint8Array {
  return message(MessageType.PeerDown, (writer) => {
    perPeerHeader(writer, peer, at, 'pre')
    switch (reason.kind) {
      case 'localNotification':
        writer.u8(1)
        writer.bytes(reason.notification)
        return
      case 'localEvent':
        writer.u8(2)
        writer.u16(reason.event)
        return
      case 'remoteNotification':
        writer.u8(3)
        writer.bytes(reason.notification)
        return
      case 'remoteClosed':
        writer.u8(4)
        return
      case 'deconfigured':
        writer.u8(5)
    }
  })
}

/** @param update one whole UPDATE */
export function encodeRouteMonitoring(peer: BmpPeer, policy: BmpPolicy, update: Uint8Array, at: Date): Uint8Array {
  return message(MessageType.RouteMonitoring, (writer) => {
    perPeerHeader(writer, peer, at, policy)
    writer.bytes(update)
  })
}

export function encodeStatistics({ peer, at, values }: BmpStats): Uint8Array {
  const given = (Object.keys(STATISTICS) as BmpStatistic[]).flatMap((name) => {
    const value = values[name]
    return value === undefined ? [] : [{ ...STATISTICS[name], value }]
  })
  return message(MessageType.Statistics, (writer) => {
    perPeerHeader(writer, peer, at, 'pre')
    writer.u32(given.length)
    for (const { type, octets, value } of given) {
      writer.u16(type)
      writer.u16(octets)
      if (octets === 8) writer.u32(Math.floor(value / 2 ** 32))
      // Counters wrap, as the RFC has them do.
      writer.u32(value % 2 ** 32)
    }
  })
}

function message(type: number, body: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter(COMMON_HEADER_OCTETS + 256)
  writer.u8(VERSION)
  writer.u32(0)
  writer.u8(type)
  body(writer)
  const octets = writer.finish()
  new DataView(octets.buffer).setUint32(1, octets.length)
  return octets
}

/** RFC 7854 §4.2. */
function perPeerHeader(writer: ByteWriter, peer: BmpPeer, at: Date, policy: BmpPolicy): void {
  const flags =
    (peer.address.includes(':') ? PeerFlag.Ipv6 : 0) |
    (policy === 'post' ? PeerFlag.PostPolicy : 0) |
    (peer.twoOctetAs === true ? PeerFlag.TwoOctetAs : 0)
  const distinguisher = peer.distinguisher ?? 0n
  writer.u8(distinguisher === 0n ? GLOBAL_INSTANCE_PEER : RD_INSTANCE_PEER)
  writer.u8(flags)
  writer.u32(Number(distinguisher >> 32n))
  writer.u32(Number(distinguisher & 0xffffffffn))
  writer.bytes(sixteenOctets(peer.address))
  writer.u32(peer.asn)
  writer.u32(ipv4Value(peer.routerId))
  const milliseconds = at.getTime()
  writer.u32(Math.floor(milliseconds / 1000))
  writer.u32((milliseconds % 1000) * 1000)
}

/** An IPv4 address stands in the last four octets. */
function sixteenOctets(address: string): Uint8Array {
  const octets = addressOctets(withoutZone(address))
  if (octets.length === 16) return octets
  const padded = new Uint8Array(16)
  padded.set(octets, 12)
  return padded
}

function textTlv(writer: ByteWriter, type: number, text: string): void {
  writer.u16(type)
  writer.lengthPrefixed(2, () => writer.bytes(Buffer.from(text)))
}
