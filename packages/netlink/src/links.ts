import { Attributes, badMessage, LITTLE_ENDIAN, type MessageWriter, viewOf } from './attributes.ts'
import { NetlinkError } from './errors.ts'
import {
  checkLinkOptions,
  decodeLinkDetails,
  type LinkDetails,
  type LinkOptions,
  writeLinkDetails,
} from './link-kinds.ts'
import { type Message, Nlm } from './message.ts'
import { checkIndex, checkInteger, checkInterfaceName, formatMac, parseMac } from './names.ts'
import type { NetlinkRequest } from './netlink-socket.ts'

const RTM_NEWLINK = 16
const RTM_DELLINK = 17
const RTM_GETLINK = 18
const RTM_SETLINK = 19

// IFLA_*, linux/if_link.h
const Ifla = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  TXQLEN: 13,
  OPERSTATE: 16,
  LINKINFO: 18,
  IFALIAS: 20,
  STATS64: 23,
  AF_SPEC: 26,
  GROUP: 27,
  NET_NS_FD: 28,
  EXT_MASK: 29,
  NUM_TX_QUEUES: 31,
  NUM_RX_QUEUES: 32,
  LINK_NETNSID: 37,
} as const
const IFLA_INFO_KIND = 1
const IFLA_INFO_DATA = 2
const IFLA_INET6_ADDR_GEN_MODE = 8
const AF_INET6 = 10
const RTEXT_FILTER_SKIP_STATS = 8
const IFF_UP = 0x1
const IFF_RUNNING = 0x40
const IFF_NOARP = 0x80
const IFF_PROMISC = 0x100
const IFF_LOWER_UP = 0x10000

// RFC 2863 ifOperStatus, in the kernel's order.
const OPER_STATES = ['unknown', 'not-present', 'down', 'lower-layer-down', 'testing', 'dormant', 'up'] as const
export type OperState = (typeof OPER_STATES)[number]

/** One network device as the kernel shows it. */
export interface Link extends LinkDetails {
  readonly index: number
  readonly name: string
  /** `veth`, `bridge`, `vxlan` …; undefined for hardware and loopback. */
  readonly kind: string | undefined
  readonly mtu: number
  readonly mac: string | undefined
  /** Administratively up. */
  readonly up: boolean
  /** The lower layer is there: carrier. */
  readonly carrier: boolean
  readonly operState: OperState
  readonly arp: boolean
  readonly promiscuous: boolean
  /** IFF_* bits. */
  readonly flags: number
  /** Index of the bridge or bond that this is a port of. */
  readonly master: number | undefined
  /** Index of the peer (veth) or lower device (macvlan, vxlan), in the namespace `lowerNetnsId`. */
  readonly lower: number | undefined
  readonly lowerNetnsId: number | undefined
  readonly group: number
  readonly alias: string | undefined
  readonly txQueueLength: number
  readonly statistics: LinkStatistics | undefined
}

export interface LinkStatistics {
  readonly rxPackets: number
  readonly txPackets: number
  readonly rxOctets: number
  readonly txOctets: number
  readonly rxErrors: number
  readonly txErrors: number
  readonly rxDropped: number
  readonly txDropped: number
}

/** What can be said of a device when it is made or changed. */
export interface LinkSettings {
  readonly name?: string
  readonly up?: boolean
  readonly mtu?: number
  readonly mac?: string
  /** Index of the bridge to join; 0 leaves it. */
  readonly master?: number
  /** An open namespace to move into. */
  readonly netns?: { readonly fd: number }
  readonly group?: number
  readonly alias?: string
  readonly arp?: boolean
  readonly promiscuous?: boolean
  readonly txQueueLength?: number
  /** How IPv6 link-local addresses are made: from the MAC, or not at all. */
  readonly ipv6AddressGeneration?: 'eui64' | 'none'
}

export interface NewLink extends Omit<LinkSettings, 'netns'>, LinkOptions {
  readonly name: string
  /** Lower device of a macvlan. */
  readonly lower?: number
  /** Transmit and receive queues. */
  readonly queues?: number
}

/** @throws {NetlinkError} NETLINK_BAD_MESSAGE */
export function decodeLink(message: Message): Link {
  const { body } = message
  if (body.length < 16) throw badMessage('a link message shorter than struct ifinfomsg')
  const view = viewOf(body)
  const attributes = new Attributes(body.subarray(16))
  const flags = view.getUint32(8, LITTLE_ENDIAN)
  const details = attributes.nested(Ifla.LINKINFO)
  const kind = details?.text(IFLA_INFO_KIND)
  const mac = attributes.bytes(Ifla.ADDRESS)
  return {
    index: view.getInt32(4, LITTLE_ENDIAN),
    name: attributes.text(Ifla.IFNAME) ?? '',
    kind,
    mtu: attributes.u32(Ifla.MTU) ?? 0,
    mac: mac === undefined || mac.length === 0 ? undefined : formatMac(mac),
    up: (flags & IFF_UP) !== 0,
    carrier: (flags & IFF_LOWER_UP) !== 0 || (flags & IFF_RUNNING) !== 0,
    operState: OPER_STATES[attributes.u8(Ifla.OPERSTATE) ?? 0] ?? 'unknown',
    arp: (flags & IFF_NOARP) === 0,
    promiscuous: (flags & IFF_PROMISC) !== 0,
    flags,
    master: attributes.u32(Ifla.MASTER),
    lower: attributes.i32(Ifla.LINK),
    lowerNetnsId: attributes.i32(Ifla.LINK_NETNSID),
    group: attributes.u32(Ifla.GROUP) ?? 0,
    alias: attributes.text(Ifla.IFALIAS),
    txQueueLength: attributes.u32(Ifla.TXQLEN) ?? 0,
    statistics: decodeStatistics(attributes.bytes(Ifla.STATS64)),
    ...decodeLinkDetails(kind, details?.nested(IFLA_INFO_DATA)),
  }
}

/** struct rtnl_link_stats64 begins with eight counters of 64 bits. */
function decodeStatistics(bytes: Uint8Array | undefined): LinkStatistics | undefined {
  if (bytes === undefined || bytes.length < 64) return undefined
  const view = viewOf(bytes)
  const counter = (index: number): number => Number(view.getBigUint64(index * 8, LITTLE_ENDIAN))
  return {
    rxPackets: counter(0),
    txPackets: counter(1),
    rxOctets: counter(2),
    txOctets: counter(3),
    rxErrors: counter(4),
    txErrors: counter(5),
    rxDropped: counter(6),
    txDropped: counter(7),
  }
}

/** @param target undefined = all */
export function getLinkRequest(target: number | string | undefined, withStatistics: boolean): NetlinkRequest {
  if (typeof target === 'string') checkInterfaceName(target)
  if (typeof target === 'number') checkIndex(target)
  return {
    type: RTM_GETLINK,
    fill: (writer) => {
      writeHeader(writer, typeof target === 'number' ? target : 0, 0, 0)
      if (typeof target === 'string') writer.attributeText(Ifla.IFNAME, target)
      if (!withStatistics) writer.attributeU32(Ifla.EXT_MASK, RTEXT_FILTER_SKIP_STATS)
    },
    describe: () => (target === undefined ? 'list links' : `get link ${target}`),
  }
}

/**
 * The requests that make a device: one, or, when something is set that the kernel takes only for a device that
 * exists (alias, IPv6 address generation), create, set, and bring up last.
 * @throws {NetlinkError} NETLINK_BAD_INPUT
 */
export function newLinkRequests(link: NewLink): NetlinkRequest[] {
  const { alias, ipv6AddressGeneration, up, ...rest } = link
  if (alias === undefined && ipv6AddressGeneration === undefined) return [newLinkRequest(link)]
  const later: LinkSettings = {
    ...(alias === undefined ? {} : { alias }),
    ...(ipv6AddressGeneration === undefined ? {} : { ipv6AddressGeneration }),
  }
  const requests = [newLinkRequest(rest), setLinkRequest(link.name, later)]
  if (up !== undefined) requests.push(setLinkRequest(link.name, { up }))
  return requests
}

function newLinkRequest(link: NewLink): NetlinkRequest {
  checkSettings(link)
  checkLinkOptions(link)
  if (link.queues !== undefined) checkInteger('queues', link.queues, 1, 4096)
  if (link.lower !== undefined) checkIndex(link.lower, 'lower')
  if (link.peer !== undefined) checkSettings(link.peer, 'peer.')
  return {
    type: RTM_NEWLINK,
    flags: Nlm.F_CREATE | Nlm.F_EXCL,
    fill: (writer) => {
      const [flags, change] = flagBits(link)
      writeHeader(writer, 0, flags, change)
      writeSettings(writer, link)
      if (link.lower !== undefined) writer.attributeU32(Ifla.LINK, link.lower)
      writeQueues(writer, link.queues)
      writer.nested(Ifla.LINKINFO, (info) => {
        info.attributeText(IFLA_INFO_KIND, link.kind)
        writeLinkDetails(info, IFLA_INFO_DATA, link, (peer) => {
          const [peerFlags, peerChange] = flagBits(link.peer ?? {})
          writeHeader(peer, 0, peerFlags, peerChange)
          writeSettings(peer, link.peer ?? {})
          writeQueues(peer, link.queues)
        })
      })
    },
    describe: () => `add ${link.kind} link ${link.name}`,
  }
}

/** @throws {NetlinkError} NETLINK_BAD_INPUT */
export function setLinkRequest(target: number | string, settings: LinkSettings): NetlinkRequest {
  checkTarget(target)
  checkSettings(settings)
  if (typeof target === 'string' && settings.name !== undefined) {
    throw NetlinkError.badInput('name', settings.name, 'renaming needs the index of the link')
  }
  return {
    type: RTM_SETLINK,
    fill: (writer) => {
      const [flags, change] = flagBits(settings)
      writeHeader(writer, typeof target === 'number' ? target : 0, flags, change)
      if (typeof target === 'string') writer.attributeText(Ifla.IFNAME, target)
      writeSettings(writer, settings)
    },
    describe: () => `set link ${target} ${words(settings)}`,
  }
}

export function deleteLinkRequest(target: number | string): NetlinkRequest {
  checkTarget(target)
  return {
    type: RTM_DELLINK,
    fill: (writer) => {
      writeHeader(writer, typeof target === 'number' ? target : 0, 0, 0)
      if (typeof target === 'string') writer.attributeText(Ifla.IFNAME, target)
    },
    describe: () => `delete link ${target}`,
  }
}

/** Group 0 holds every device that was never put in one: refused. */
export function deleteLinkGroupRequest(group: number): NetlinkRequest {
  checkInteger('group', group, 1, 0x7fffffff)
  return {
    type: RTM_DELLINK,
    fill: (writer) => {
      writeHeader(writer, 0, 0, 0)
      writer.attributeU32(Ifla.GROUP, group)
    },
    describe: () => `delete links of group ${group}`,
  }
}

function writeHeader(writer: MessageWriter, index: number, flags: number, change: number): void {
  writer.u8(0).u8(0).u16(0).u32(index).u32(flags).u32(change)
}

function flagBits(settings: LinkSettings): [flags: number, change: number] {
  let flags = 0
  let change = 0
  const bits: [boolean | undefined, number][] = [
    [settings.up, IFF_UP],
    [settings.arp === undefined ? undefined : !settings.arp, IFF_NOARP],
    [settings.promiscuous, IFF_PROMISC],
  ]
  for (const [on, bit] of bits) {
    if (on === undefined) continue
    change |= bit
    if (on) flags |= bit
  }
  return [flags, change]
}

function writeSettings(writer: MessageWriter, settings: LinkSettings): void {
  if (settings.name !== undefined) writer.attributeText(Ifla.IFNAME, settings.name)
  if (settings.mtu !== undefined) writer.attributeU32(Ifla.MTU, settings.mtu)
  if (settings.mac !== undefined) writer.attribute(Ifla.ADDRESS, parseMac(settings.mac))
  if (settings.master !== undefined) writer.attributeU32(Ifla.MASTER, settings.master)
  if (settings.group !== undefined) writer.attributeU32(Ifla.GROUP, settings.group)
  if (settings.alias !== undefined) writer.attributeText(Ifla.IFALIAS, settings.alias)
  if (settings.txQueueLength !== undefined) writer.attributeU32(Ifla.TXQLEN, settings.txQueueLength)
  if (settings.netns !== undefined) writer.attributeU32(Ifla.NET_NS_FD, settings.netns.fd)
  const mode = settings.ipv6AddressGeneration
  if (mode !== undefined) {
    writer.nested(Ifla.AF_SPEC, (families) => {
      families.nested(AF_INET6, (inet6) => inet6.attributeU8(IFLA_INET6_ADDR_GEN_MODE, mode === 'none' ? 1 : 0))
    })
  }
}

function writeQueues(writer: MessageWriter, queues: number | undefined): void {
  if (queues === undefined) return
  writer.attributeU32(Ifla.NUM_TX_QUEUES, queues).attributeU32(Ifla.NUM_RX_QUEUES, queues)
}

function checkTarget(target: number | string): void {
  if (typeof target === 'string') checkInterfaceName(target, 'link')
  else checkIndex(target, 'link')
}

function checkSettings(settings: LinkSettings, path = ''): void {
  if (settings.name !== undefined) checkInterfaceName(settings.name, `${path}name`)
  if (settings.mtu !== undefined) checkInteger(`${path}mtu`, settings.mtu, 0, 0x7fffffff)
  if (settings.mac !== undefined) parseMac(settings.mac, `${path}mac`)
  if (settings.master !== undefined) checkInteger(`${path}master`, settings.master, 0, 0x7fffffff)
  if (settings.group !== undefined) checkInteger(`${path}group`, settings.group, 0, 0x7fffffff)
  if (settings.netns !== undefined) checkInteger(`${path}netns.fd`, settings.netns.fd, 0, 0x7fffffff)
  if (settings.txQueueLength !== undefined) {
    checkInteger(`${path}txQueueLength`, settings.txQueueLength, 0, 0x7fffffff)
  }
  if (settings.alias !== undefined && (settings.alias.length > 250 || /[\0\n]/.test(settings.alias))) {
    throw NetlinkError.badInput(`${path}alias`, settings.alias, 'must be one line of at most 250 characters')
  }
}

/** `{up: true, mtu: 1400}` as `up true mtu 1400`. */
const words = (settings: LinkSettings): string =>
  Object.entries(settings)
    .map(([key, value]) => `${key} ${typeof value === 'object' ? '(fd)' : value}`)
    .join(' ')
