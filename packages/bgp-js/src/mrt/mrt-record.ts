import { BgpError } from '../errors.ts'

/** Types and subtypes of RFC 6396 §4 and RFC 8050 §3. */
export const MrtType = { TableDumpV2: 13, Bgp4mp: 16, Bgp4mpEt: 17 } as const
export const TableDumpSubtype = {
  PeerIndexTable: 1,
  RibIpv4Unicast: 2,
  RibIpv6Unicast: 4,
  RibIpv4UnicastAddPath: 8,
  RibIpv6UnicastAddPath: 10,
} as const
export const Bgp4mpSubtype = {
  StateChange: 0,
  Message: 1,
  MessageAs4: 4,
  StateChangeAs4: 5,
  MessageLocal: 6,
  MessageAs4Local: 7,
  MessageAddPath: 8,
  MessageAs4AddPath: 9,
  MessageLocalAddPath: 10,
  MessageAs4LocalAddPath: 11,
} as const

export const MRT_HEADER_OCTETS = 12

/** Codes of states as RFC 6396 §4.4.1 numbers them. */
export const MRT_STATES = ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established'] as const
type MrtState = (typeof MRT_STATES)[number]

/** The two ends of a session. */
export interface MrtSession {
  readonly peerAsn: number
  readonly localAsn: number
  readonly interfaceIndex: number
  readonly peerAddress: string
  readonly localAddress: string
}

/** Microseconds since 1970 stand for every time. */
interface Timed {
  readonly timeUs: number
}

/** A BGP message as it went over the wire (RFC 6396 §4.4.2, §4.4.3). */
export interface MrtMessage extends Timed, MrtSession {
  readonly kind: 'message'
  /** AS numbers in the message have four octets. */
  readonly fourOctetAs: boolean
  /** NLRI in the message carry path identifiers (RFC 8050). */
  readonly addPath: boolean
  /** The router that wrote the record made the message itself. */
  readonly local: boolean
  /** Whole, with its header. */
  readonly message: Uint8Array
}

/** A change of a session's state (RFC 6396 §4.4.1). */
export interface MrtStateChange extends Timed, MrtSession {
  readonly kind: 'stateChange'
  /** `Unknown` for numbers that the RFC does not have. */
  readonly from: MrtState | 'Unknown'
  readonly to: MrtState | 'Unknown'
}

export interface MrtPeer {
  readonly routerId: string
  readonly address: string
  readonly asn: number
}

/** The peers that table entries name by their index (RFC 6396 §4.3.1). */
export interface MrtPeerIndexTable extends Timed {
  readonly kind: 'peerIndexTable'
  readonly collectorId: string
  readonly viewName: string
  readonly peers: readonly MrtPeer[]
}

/** One path of a prefix (RFC 6396 §4.3.4). */
export interface MrtRibEntry {
  readonly peerIndex: number
  /** Seconds since 1970. */
  readonly originatedAt: number
  /** RFC 8050. */
  readonly pathId?: number
  /** Attribute block with four-octet AS numbers; MP_REACH_NLRI is cut down to the next hop. */
  readonly attributes: Uint8Array
}

/** All paths of one prefix (RFC 6396 §4.3.2). */
export interface MrtRib extends Timed {
  readonly kind: 'rib'
  readonly sequence: number
  /** CIDR text. */
  readonly prefix: string
  readonly entries: readonly MrtRibEntry[]
}

/** A record of a kind that is not read here: handed over as it is. */
export interface MrtUnknown extends Timed {
  readonly kind: 'unknown'
  readonly type: number
  readonly subtype: number
  readonly body: Uint8Array
}

export type MrtRecord = MrtMessage | MrtStateChange | MrtPeerIndexTable | MrtRib | MrtUnknown

/** A file that is no MRT file, or a broken one; `offset` is where the bad record begins. */
export class MrtError extends BgpError {
  readonly offset: number

  constructor(offset: number, message: string, options?: ErrorOptions) {
    super('BGP_BAD_MRT', `MRT record at offset ${offset}: ${message}`, options)
    this.offset = offset
  }
}
