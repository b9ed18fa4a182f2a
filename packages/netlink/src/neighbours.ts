import { Address } from '@margay/net'
import { Attributes, badMessage, LITTLE_ENDIAN, viewOf } from './attributes.ts'
import { NetlinkError } from './errors.ts'
import { addressOf } from './link-kinds.ts'
import { type Message, Nlm } from './message.ts'
import { checkIndex, checkInteger, formatMac, parseMac } from './names.ts'
import type { NetlinkRequest } from './netlink-socket.ts'
import { familyCode, familyOf } from './scopes.ts'

const RTM_NEWNEIGH = 28
const RTM_DELNEIGH = 29
const RTM_GETNEIGH = 30
const AF_BRIDGE = 7
// NDA_* and NTF_*, linux/neighbour.h
const Nda = { DST: 1, LLADDR: 2, VLAN: 5, PORT: 6, VNI: 7, IFINDEX: 8, MASTER: 9 } as const
const Ntf = { SELF: 2, MASTER: 4, PROXY: 8, ROUTER: 0x80 } as const

const STATES = {
  none: 0,
  incomplete: 0x01,
  reachable: 0x02,
  stale: 0x04,
  delay: 0x08,
  probe: 0x10,
  failed: 0x20,
  noarp: 0x40,
  permanent: 0x80,
} as const
export type NeighbourState = keyof typeof STATES
const STATE_NAMES = new Map<number, NeighbourState>(
  Object.entries(STATES).map(([name, code]) => [code, name as NeighbourState]),
)

/** A neighbour entry (ARP or neighbour discovery), or a proxy entry: an address that we answer for. */
export interface Neighbour {
  readonly index: number
  readonly address: Address
  readonly mac?: string
  /** Default permanent. */
  readonly state?: NeighbourState
  readonly proxy?: boolean
  readonly router?: boolean
}

/** An entry of a bridge's or vxlan device's forwarding table. */
export interface ForwardingEntry {
  /** The port of the bridge, or the vxlan device itself. */
  readonly index: number
  readonly mac: string
  /** Remote tunnel end (vxlan). */
  readonly destination?: Address
  readonly vlan?: number
  /** `self`: the device's own table (vxlan); `master`: the table of the bridge that it is a port of. Default self. */
  readonly owner?: 'self' | 'master'
  /** Default permanent. */
  readonly state?: NeighbourState
}

/** @returns undefined for an entry of another family or without an address. @throws {NetlinkError} NETLINK_BAD_MESSAGE */
export function decodeNeighbour(message: Message): Neighbour | undefined {
  const { header, attributes } = readEntry(message)
  const address = addressOf(attributes.bytes(Nda.DST))
  if (familyOf(header.family) === undefined || address === undefined) return undefined
  const mac = attributes.bytes(Nda.LLADDR)
  return {
    index: header.index,
    address,
    ...(mac === undefined || mac.length === 0 ? {} : { mac: formatMac(mac) }),
    state: STATE_NAMES.get(header.state) ?? 'none',
    proxy: (header.flags & Ntf.PROXY) !== 0,
    router: (header.flags & Ntf.ROUTER) !== 0,
  }
}

/** @returns undefined for what is no forwarding entry. @throws {NetlinkError} NETLINK_BAD_MESSAGE */
export function decodeForwardingEntry(message: Message): ForwardingEntry | undefined {
  const { header, attributes } = readEntry(message)
  const mac = attributes.bytes(Nda.LLADDR)
  if (header.family !== AF_BRIDGE || mac === undefined) return undefined
  const destination = addressOf(attributes.bytes(Nda.DST))
  const vlan = attributes.u16(Nda.VLAN)
  return {
    index: header.index,
    mac: formatMac(mac),
    ...(destination === undefined ? {} : { destination }),
    ...(vlan === undefined ? {} : { vlan }),
    owner: (header.flags & Ntf.SELF) !== 0 ? 'self' : 'master',
    state: STATE_NAMES.get(header.state) ?? 'none',
  }
}

interface EntryHeader {
  readonly family: number
  readonly index: number
  readonly state: number
  readonly flags: number
}

function readEntry(message: Message): { header: EntryHeader; attributes: Attributes } {
  const { body } = message
  if (body.length < 12) throw badMessage('a neighbour message shorter than struct ndmsg')
  const view = viewOf(body)
  const header = {
    family: body[0] as number,
    index: view.getInt32(4, LITTLE_ENDIAN),
    state: view.getUint16(8, LITTLE_ENDIAN),
    flags: body[10] as number,
  }
  return { header, attributes: new Attributes(body.subarray(12)) }
}

export interface NeighbourFilter {
  readonly index?: number
  readonly family?: 4 | 6
  /** The proxy entries instead of the neighbours. */
  readonly proxy?: boolean
}

export function listNeighboursRequest(filter: NeighbourFilter): NetlinkRequest {
  const index = filter.index === undefined ? undefined : checkIndex(filter.index)
  const proxy = filter.proxy === true
  return {
    type: RTM_GETNEIGH,
    fill: (writer) => {
      writer.u8(familyCode(filter.family)).u8(0).u16(0).u32(0).u16(0)
      writer.u8(proxy ? Ntf.PROXY : 0).u8(0)
      // The kernel takes no device for proxy entries.
      if (index !== undefined && !proxy) writer.attributeU32(Nda.IFINDEX, index)
    },
    describe: () => (proxy ? 'list proxy neighbours' : 'list neighbours'),
  }
}

export const listForwardingRequest = (): NetlinkRequest => ({
  type: RTM_GETNEIGH,
  fill: (writer) => writer.u8(AF_BRIDGE).u8(0).u16(0).u32(0).u16(0).u8(0).u8(0),
  describe: () => 'list forwarding entries',
})

export type NeighbourMode = 'add' | 'replace' | 'append' | 'delete'

const MODE_FLAGS: Record<NeighbourMode, number> = {
  add: Nlm.F_CREATE | Nlm.F_EXCL,
  replace: Nlm.F_CREATE | Nlm.F_REPLACE,
  append: Nlm.F_CREATE | Nlm.F_APPEND,
  delete: 0,
}

/** @throws {NetlinkError} NETLINK_BAD_INPUT */
export function neighbourRequest(mode: NeighbourMode, entry: Neighbour): NetlinkRequest {
  checkIndex(entry.index)
  const mac = entry.mac === undefined ? undefined : parseMac(entry.mac)
  const proxy = entry.proxy === true
  const state = entry.state ?? 'permanent'
  if (mac === undefined && !proxy && mode !== 'delete' && (state === 'permanent' || state === 'reachable')) {
    throw NetlinkError.badInput('mac', entry.mac, `must be given for a ${state} neighbour`)
  }
  const flags = (proxy ? Ntf.PROXY : 0) | (entry.router === true ? Ntf.ROUTER : 0)
  return {
    type: mode === 'delete' ? RTM_DELNEIGH : RTM_NEWNEIGH,
    flags: MODE_FLAGS[mode],
    fill: (writer) => {
      writer.u8(familyCode(entry.address.family)).u8(0).u16(0).u32(entry.index).u16(STATES[state]).u8(flags).u8(0)
      writer.attribute(Nda.DST, entry.address.toBytes())
      if (mac !== undefined) writer.attribute(Nda.LLADDR, mac)
    },
    describe: () =>
      `${mode} ${proxy ? 'proxy ' : ''}neighbour ${entry.address}${entry.mac === undefined ? '' : ` at ${entry.mac}`} on link ${entry.index}`,
  }
}

/** @throws {NetlinkError} NETLINK_BAD_INPUT */
export function forwardingRequest(mode: NeighbourMode, entry: ForwardingEntry): NetlinkRequest {
  checkIndex(entry.index)
  const mac = parseMac(entry.mac)
  if (entry.vlan !== undefined) checkInteger('vlan', entry.vlan, 1, 4094)
  const state = entry.state ?? 'permanent'
  return {
    type: mode === 'delete' ? RTM_DELNEIGH : RTM_NEWNEIGH,
    flags: MODE_FLAGS[mode],
    fill: (writer) => {
      writer.u8(AF_BRIDGE).u8(0).u16(0).u32(entry.index).u16(STATES[state])
      writer.u8(entry.owner === 'master' ? Ntf.MASTER : Ntf.SELF).u8(0)
      writer.attribute(Nda.LLADDR, mac)
      if (entry.destination !== undefined) writer.attribute(Nda.DST, entry.destination.toBytes())
      if (entry.vlan !== undefined) writer.attributeU16(Nda.VLAN, entry.vlan)
    },
    describe: () => `${mode} forwarding entry ${entry.mac} on link ${entry.index}`,
  }
}
