import { Address } from '@margay/net'
import type { Attributes, MessageWriter } from './attributes.ts'
import { NetlinkError } from './errors.ts'
import { checkIndex, checkInteger } from './names.ts'

// What each kind of device has of its own: IFLA_INFO_DATA, linux/if_link.h.
const VETH_INFO_PEER = 1
const IFLA_MACVLAN_MODE = 1
const Vxlan = { ID: 1, LINK: 3, LOCAL: 4, TTL: 5, LEARNING: 7, PORT: 15, LOCAL6: 17, UDP_CSUM: 18 } as const
const Bridge = { FORWARD_DELAY: 1, AGEING_TIME: 4, STP_STATE: 5, VLAN_FILTERING: 7, MCAST_SNOOPING: 23 } as const
const MACVLAN_MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const

export interface VxlanOptions {
  /** VNI, 0 to 16777215. */
  readonly id: number
  /** Source address of the tunnel. */
  readonly local?: Address
  /** Index of the device that the tunnel uses. */
  readonly device?: number
  /** UDP port. Default 4789; the kernel's own default is a port that IANA never gave it. */
  readonly port?: number
  /** Whether forwarding entries are learnt from traffic. Default true, as the kernel's. */
  readonly learning?: boolean
  readonly ttl?: number
  readonly udpChecksum?: boolean
}

export interface BridgeOptions {
  /** Spanning tree. */
  readonly stp?: boolean
  readonly forwardDelayCentiseconds?: number
  readonly ageingTimeCentiseconds?: number
  readonly multicastSnooping?: boolean
  readonly vlanFiltering?: boolean
}

export type MacvlanMode = keyof typeof MACVLAN_MODES

/** A device's kind and what belongs to it. Another kind (`ifb`, `dummy`, `wireguard` …) needs no data. */
export interface LinkOptions {
  readonly kind: 'veth' | 'dummy' | 'bridge' | 'vxlan' | 'ifb' | 'macvlan' | (string & {})
  /** The other end of a veth pair. */
  readonly peer?: {
    readonly name?: string
    readonly netns?: { readonly fd: number }
    readonly mac?: string
    readonly mtu?: number
    readonly up?: boolean
    readonly group?: number
  }
  readonly vxlan?: VxlanOptions
  readonly bridge?: BridgeOptions
  readonly macvlan?: MacvlanMode
}

export interface LinkDetails {
  readonly vxlan?: VxlanOptions
  readonly bridge?: BridgeOptions
  readonly macvlan?: MacvlanMode
}

/** Writes IFLA_INFO_DATA. @throws {NetlinkError} NETLINK_BAD_INPUT */
export function writeLinkDetails(
  writer: MessageWriter,
  type: number,
  options: LinkOptions,
  writePeer: (writer: MessageWriter) => void,
): void {
  const { kind, vxlan, bridge, macvlan, peer } = options
  if (kind === 'vxlan' && vxlan !== undefined) writer.nested(type, (into) => writeVxlan(into, vxlan))
  else if (kind === 'bridge' && bridge !== undefined) writer.nested(type, (into) => writeBridge(into, bridge))
  else if (kind === 'macvlan') {
    writer.nested(type, (into) => into.attributeU32(IFLA_MACVLAN_MODE, MACVLAN_MODES[macvlan ?? 'bridge']))
  } else if (kind === 'veth' && peer !== undefined) {
    writer.nested(type, (into) => into.nested(VETH_INFO_PEER, writePeer))
  }
}

/** @throws {NetlinkError} NETLINK_BAD_INPUT that names the field. */
export function checkLinkOptions(options: LinkOptions): void {
  const { kind, vxlan, bridge, macvlan, peer } = options
  if (!/^[\w.-]{1,15}$/.test(kind)) throw NetlinkError.badInput('kind', kind, 'is not a kind of link')
  for (const [field, value, owner] of [
    ['peer', peer, 'veth'],
    ['vxlan', vxlan, 'vxlan'],
    ['bridge', bridge, 'bridge'],
    ['macvlan', macvlan, 'macvlan'],
  ] as const) {
    if (value !== undefined && kind !== owner) throw NetlinkError.badInput(field, kind, `is for ${owner} links only`)
  }
  if (kind === 'vxlan') {
    if (vxlan === undefined) throw NetlinkError.badInput('vxlan', undefined, 'must be given for a vxlan link')
    checkInteger('vxlan.id', vxlan.id, 0, 0xffffff)
    if (vxlan.port !== undefined) checkInteger('vxlan.port', vxlan.port, 1, 65535)
    if (vxlan.device !== undefined) checkIndex(vxlan.device, 'vxlan.device')
    if (vxlan.ttl !== undefined) checkInteger('vxlan.ttl', vxlan.ttl, 0, 255)
  }
  for (const field of ['forwardDelayCentiseconds', 'ageingTimeCentiseconds'] as const) {
    const value = bridge?.[field]
    if (value !== undefined) checkInteger(`bridge.${field}`, value, 0, 0x7fffffff)
  }
}

function writeVxlan(writer: MessageWriter, vxlan: VxlanOptions): void {
  writer.attributeU32(Vxlan.ID, vxlan.id)
  if (vxlan.device !== undefined) writer.attributeU32(Vxlan.LINK, vxlan.device)
  if (vxlan.local !== undefined) {
    writer.attribute(vxlan.local.family === 4 ? Vxlan.LOCAL : Vxlan.LOCAL6, vxlan.local.toBytes())
  }
  writer.attributeU16be(Vxlan.PORT, vxlan.port ?? 4789)
  if (vxlan.learning !== undefined) writer.attributeU8(Vxlan.LEARNING, vxlan.learning ? 1 : 0)
  if (vxlan.ttl !== undefined) writer.attributeU8(Vxlan.TTL, vxlan.ttl)
  if (vxlan.udpChecksum !== undefined) writer.attributeU8(Vxlan.UDP_CSUM, vxlan.udpChecksum ? 1 : 0)
}

function writeBridge(writer: MessageWriter, bridge: BridgeOptions): void {
  const { forwardDelayCentiseconds, ageingTimeCentiseconds, stp, vlanFiltering, multicastSnooping } = bridge
  if (forwardDelayCentiseconds !== undefined) writer.attributeU32(Bridge.FORWARD_DELAY, forwardDelayCentiseconds)
  if (ageingTimeCentiseconds !== undefined) writer.attributeU32(Bridge.AGEING_TIME, ageingTimeCentiseconds)
  if (stp !== undefined) writer.attributeU32(Bridge.STP_STATE, stp ? 1 : 0)
  if (vlanFiltering !== undefined) writer.attributeU8(Bridge.VLAN_FILTERING, vlanFiltering ? 1 : 0)
  if (multicastSnooping !== undefined) writer.attributeU8(Bridge.MCAST_SNOOPING, multicastSnooping ? 1 : 0)
}

/** Reads IFLA_INFO_DATA of the kinds we know. @throws {NetlinkError} NETLINK_BAD_MESSAGE */
export function decodeLinkDetails(kind: string | undefined, attributes: Attributes | undefined): LinkDetails {
  if (attributes === undefined) return {}
  if (kind === 'vxlan') return { vxlan: decodeVxlan(attributes) }
  if (kind === 'bridge') return { bridge: decodeBridge(attributes) }
  if (kind === 'macvlan') {
    const code = attributes.u32(IFLA_MACVLAN_MODE)
    const mode = (Object.keys(MACVLAN_MODES) as MacvlanMode[]).find((name) => MACVLAN_MODES[name] === code)
    return mode === undefined ? {} : { macvlan: mode }
  }
  return {}
}

function decodeVxlan(attributes: Attributes): VxlanOptions {
  const local = addressOf(attributes.bytes(Vxlan.LOCAL)) ?? addressOf(attributes.bytes(Vxlan.LOCAL6))
  const device = attributes.u32(Vxlan.LINK)
  return {
    id: attributes.u32(Vxlan.ID) ?? 0,
    ...(local === undefined ? {} : { local }),
    ...(device === undefined || device === 0 ? {} : { device }),
    port: attributes.u16be(Vxlan.PORT) ?? 0,
    learning: attributes.u8(Vxlan.LEARNING) === 1,
    ttl: attributes.u8(Vxlan.TTL) ?? 0,
    udpChecksum: attributes.u8(Vxlan.UDP_CSUM) === 1,
  }
}

function decodeBridge(attributes: Attributes): BridgeOptions {
  return {
    stp: attributes.u32(Bridge.STP_STATE) !== 0,
    forwardDelayCentiseconds: attributes.u32(Bridge.FORWARD_DELAY) ?? 0,
    ageingTimeCentiseconds: attributes.u32(Bridge.AGEING_TIME) ?? 0,
    multicastSnooping: attributes.u8(Bridge.MCAST_SNOOPING) === 1,
    vlanFiltering: attributes.u8(Bridge.VLAN_FILTERING) === 1,
  }
}

/** 4 or 16 octets as an address; undefined for any other length (a tunnel's octets in IFLA_ADDRESS, for one). */
export const addressOf = (bytes: Uint8Array | undefined): Address | undefined =>
  bytes !== undefined && (bytes.length === 4 || bytes.length === 16) ? Address.fromBytes(bytes) : undefined
