import { Address, addressBits, Prefix } from '@margay/net'
import { Attributes, badMessage, LITTLE_ENDIAN, MessageWriter, viewOf } from './attributes.ts'
import { NetlinkError } from './errors.ts'
import { addressOf } from './link-kinds.ts'
import { type Message, Nlm } from './message.ts'
import { checkIndex, checkInteger } from './names.ts'
import type { NetlinkRequest } from './netlink-socket.ts'
import { familyCode, familyOf, type Scope, scopeCode, scopeName } from './scopes.ts'

const RTM_NEWROUTE = 24
const RTM_DELROUTE = 25
const RTM_GETROUTE = 26
// RTA_*, linux/rtnetlink.h
const Rta = {
  DST: 1,
  OIF: 4,
  GATEWAY: 5,
  PRIORITY: 6,
  PREFSRC: 7,
  METRICS: 8,
  MULTIPATH: 9,
  TABLE: 15,
  VIA: 18,
} as const
const RTAX_MTU = 2
const RTNH_F_ONLINK = 4
const RTM_F_CLONED = 0x200
const RTM_F_LOOKUP_TABLE = 0x1000

// RTN_*
const ROUTE_TYPES = {
  unicast: 1,
  local: 2,
  broadcast: 3,
  anycast: 4,
  multicast: 5,
  blackhole: 6,
  unreachable: 7,
  prohibit: 8,
  throw: 9,
} as const
const TYPE_NAMES = new Map<number, RouteType>(
  Object.entries(ROUTE_TYPES).map(([name, code]) => [code, name as RouteType]),
)

export type RouteType = keyof typeof ROUTE_TYPES

/** Well-known values of {@link Route.protocol} (RTPROT_*): who made the route. */
export const RouteProtocol = {
  redirect: 1,
  kernel: 2,
  boot: 3,
  static: 4,
  ra: 9,
  bird: 12,
  zebra: 11,
  bgp: 186,
} as const

/** Well-known values of {@link Route.table}. */
export const RouteTable = { default: 253, main: 254, local: 255 } as const

/** One way out. */
export interface NextHop {
  /** May be IPv6 for an IPv4 destination (RFC 5549). */
  readonly gateway?: Address
  /** Index of the device. */
  readonly oif?: number
  /** 1 to 256; share among the next hops of a route. */
  readonly weight?: number
  /** The gateway is reachable over the device whatever the device's own prefixes say. */
  readonly onlink?: boolean
}

export interface Route extends Omit<NextHop, 'weight'> {
  readonly dst: Prefix
  /** Default main (254). */
  readonly table?: number
  /** Default static (4). */
  readonly protocol?: number
  /** Default as `ip route`: link for a route without a gateway (IPv4), host for local, else global. */
  readonly scope?: Scope
  /** Default unicast. */
  readonly type?: RouteType
  readonly prefSource?: Address
  /** Metric: of two routes to one destination the lower is used. The kernel's default is 0 for IPv4, 1024 for IPv6. */
  readonly priority?: number
  readonly mtu?: number
  /** Several next hops, instead of `gateway` and `oif`. */
  readonly multipath?: readonly NextHop[]
}

/** A route as the kernel shows it: what has a default is filled in. */
export interface KernelRoute extends Route {
  readonly table: number
  readonly protocol: number
  readonly scope: Scope
  readonly type: RouteType
  /** RTNH_F_* (dead 1, linkdown 16 …) of the only next hop. */
  readonly nextHopFlags: number
}

export type RouteMode = 'add' | 'replace' | 'append' | 'delete'

export interface RouteFilter {
  readonly family?: 4 | 6
  readonly table?: number
  readonly protocol?: number
  readonly oif?: number
}

/**
 * @returns undefined for a route of another family, of an unknown type, or a cached one
 * @throws {NetlinkError} NETLINK_BAD_MESSAGE
 */
export function decodeRoute(message: Message): KernelRoute | undefined {
  const { body } = message
  const cached = body.length >= 12 && (viewOf(body).getUint32(8, LITTLE_ENDIAN) & RTM_F_CLONED) !== 0
  return cached ? undefined : decodeAnyRoute(message)
}

/** Like {@link decodeRoute}, cached routes (the answer to a look-up is one) included. */
export function decodeAnyRoute(message: Message): KernelRoute | undefined {
  const { body } = message
  if (body.length < 12) throw badMessage('a route message shorter than struct rtmsg')
  const family = familyOf(body[0] as number)
  const type = TYPE_NAMES.get(body[7] as number)
  const flags = viewOf(body).getUint32(8, LITTLE_ENDIAN)
  if (family === undefined || type === undefined) return undefined
  const attributes = new Attributes(body.subarray(12))
  const dst = attributes.bytes(Rta.DST)
  const mtu = attributes.nested(Rta.METRICS)?.u32(RTAX_MTU)
  const prefSource = addressOf(attributes.bytes(Rta.PREFSRC))
  const priority = attributes.u32(Rta.PRIORITY)
  const multipath = attributes.bytes(Rta.MULTIPATH)
  return {
    dst: prefixOf(family, dst, body[1] as number),
    table: attributes.u32(Rta.TABLE) ?? (body[4] as number),
    protocol: body[5] as number,
    scope: scopeName(body[6] as number),
    type,
    ...nextHopOf(attributes, attributes.u32(Rta.OIF), flags),
    ...(prefSource === undefined ? {} : { prefSource }),
    ...(priority === undefined ? {} : { priority }),
    ...(mtu === undefined ? {} : { mtu }),
    ...(multipath === undefined ? {} : { multipath: decodeMultipath(multipath) }),
    nextHopFlags: flags & 0xff,
  }
}

function prefixOf(family: 4 | 6, bytes: Uint8Array | undefined, length: number): Prefix {
  const address = addressOf(bytes) ?? new Address(family, 0n)
  if (address.family !== family || length > addressBits(family)) throw badMessage('a route to an impossible prefix')
  return new Prefix(address, length)
}

function nextHopOf(attributes: Attributes, oif: number | undefined, flags: number): NextHop {
  // struct rtvia: the family, then the address.
  const gateway = addressOf(attributes.bytes(Rta.GATEWAY)) ?? addressOf(attributes.bytes(Rta.VIA)?.subarray(2))
  return {
    ...(gateway === undefined ? {} : { gateway }),
    ...(oif === undefined || oif === 0 ? {} : { oif }),
    ...((flags & RTNH_F_ONLINK) === 0 ? {} : { onlink: true }),
  }
}

function decodeMultipath(bytes: Uint8Array): NextHop[] {
  const hops: NextHop[] = []
  const view = viewOf(bytes)
  let position = 0
  while (bytes.length - position >= 8) {
    const length = view.getUint16(position, LITTLE_ENDIAN)
    if (length < 8 || position + length > bytes.length) throw badMessage('a next hop that reaches past its list')
    const attributes = new Attributes(bytes.subarray(position + 8, position + length))
    const oif = view.getInt32(position + 4, LITTLE_ENDIAN)
    hops.push({
      ...nextHopOf(attributes, oif, bytes[position + 2] as number),
      weight: (bytes[position + 3] as number) + 1,
    })
    position += (length + 3) & ~3
  }
  return hops
}

/** The kernel filters by everything given. */
export function listRoutesRequest(family: 4 | 6, filter: RouteFilter): NetlinkRequest {
  const { table, protocol, oif } = filter
  if (table !== undefined) checkInteger('table', table, 1, 0xffffffff)
  if (protocol !== undefined) checkInteger('protocol', protocol, 0, 255)
  if (oif !== undefined) checkIndex(oif, 'oif')
  return {
    type: RTM_GETROUTE,
    fill: (writer) => {
      writer
        .u8(familyCode(family))
        .u8(0)
        .u8(0)
        .u8(0)
        .u8(0)
        .u8(protocol ?? 0)
        .u8(0)
        .u8(0)
        .u32(0)
      if (table !== undefined) writer.attributeU32(Rta.TABLE, table)
      if (oif !== undefined) writer.attributeU32(Rta.OIF, oif)
    },
    describe: () => `list IPv${family} routes${table === undefined ? '' : ` of table ${table}`}`,
  }
}

/** Asks which route a packet to `address` would take. */
export function lookupRouteRequest(address: Address): NetlinkRequest {
  return {
    type: RTM_GETROUTE,
    fill: (writer) => {
      writer.u8(familyCode(address.family)).u8(addressBits(address.family)).u8(0).u8(0).u32(0).u32(RTM_F_LOOKUP_TABLE)
      writer.attribute(Rta.DST, address.toBytes())
    },
    describe: () => `look up the route to ${address}`,
  }
}

const MODE_FLAGS: Record<RouteMode, number> = {
  add: Nlm.F_CREATE | Nlm.F_EXCL,
  replace: Nlm.F_CREATE | Nlm.F_REPLACE,
  append: Nlm.F_CREATE | Nlm.F_APPEND,
  delete: 0,
}

/** @throws {NetlinkError} NETLINK_BAD_INPUT that names the field. */
export function routeRequest(mode: RouteMode, route: Route): NetlinkRequest {
  checkRoute(route)
  return {
    type: mode === 'delete' ? RTM_DELROUTE : RTM_NEWROUTE,
    flags: MODE_FLAGS[mode],
    fill: (writer) => writeRoute(writer, route, mode === 'delete'),
    describe: () => `${mode} route ${formatRoute(route)}`,
  }
}

function writeRoute(writer: MessageWriter, route: Route, deleting: boolean): void {
  const { dst, multipath, prefSource, priority, mtu, oif } = route
  const table = route.table ?? RouteTable.main
  const type = ROUTE_TYPES[route.type ?? 'unicast']
  // A delete matches whatever it does not name.
  const protocol = route.protocol ?? (deleting ? 0 : RouteProtocol.static)
  const scope = route.scope === undefined && deleting ? 255 : scopeCode(route.scope ?? defaultScope(route))
  writer.u8(familyCode(dst.family)).u8(dst.length).u8(0).u8(0)
  writer
    .u8(table < 256 ? table : 0)
    .u8(protocol)
    .u8(scope)
    .u8(deleting && route.type === undefined ? 0 : type)
  writer.u32(route.onlink === true && multipath === undefined ? RTNH_F_ONLINK : 0)
  if (dst.length > 0) writer.attribute(Rta.DST, dst.address.toBytes())
  if (table >= 256) writer.attributeU32(Rta.TABLE, table)
  if (oif !== undefined) writer.attributeU32(Rta.OIF, oif)
  if (route.gateway !== undefined) writeGateway(writer, dst.family, route.gateway)
  if (prefSource !== undefined) writer.attribute(Rta.PREFSRC, prefSource.toBytes())
  if (priority !== undefined) writer.attributeU32(Rta.PRIORITY, priority)
  if (mtu !== undefined) writer.nested(Rta.METRICS, (metrics) => metrics.attributeU32(RTAX_MTU, mtu))
  if (multipath !== undefined) {
    writer.nested(
      Rta.MULTIPATH,
      (hops) => {
        for (const hop of multipath) writeNextHop(hops, dst.family, hop)
      },
      0,
    )
  }
}

/** struct rtnexthop, then its attributes. */
function writeNextHop(writer: MessageWriter, family: 4 | 6, hop: NextHop): void {
  writer.box((box) => {
    box
      .u8(hop.onlink === true ? RTNH_F_ONLINK : 0)
      .u8((hop.weight ?? 1) - 1)
      .u32(hop.oif ?? 0)
    if (hop.gateway !== undefined) writeGateway(box, family, hop.gateway)
  })
}

function writeGateway(writer: MessageWriter, family: 4 | 6, gateway: Address): void {
  if (gateway.family === family) {
    writer.attribute(Rta.GATEWAY, gateway.toBytes())
    return
  }
  // struct rtvia: the family in the machine's byte order, then the address.
  const via = new MessageWriter(18).u16(familyCode(gateway.family)).raw(gateway.toBytes())
  writer.attribute(Rta.VIA, via.bytes())
}

function defaultScope(route: Route): Scope {
  if (route.dst.family === 6) return 'global'
  if (route.type === 'local') return 'host'
  if (route.type !== undefined && route.type !== 'unicast') return 'global'
  return route.gateway === undefined && route.multipath === undefined ? 'link' : 'global'
}

/** @throws {NetlinkError} NETLINK_BAD_INPUT */
function checkRoute(route: Route): void {
  const { dst, prefSource, multipath, type } = route
  if (route.table !== undefined) checkInteger('table', route.table, 1, 0xffffffff)
  if (route.protocol !== undefined) checkInteger('protocol', route.protocol, 0, 255)
  if (route.priority !== undefined) checkInteger('priority', route.priority, 0, 0xffffffff)
  if (route.mtu !== undefined) checkInteger('mtu', route.mtu, 0, 0xffffffff)
  if (type !== undefined && !Object.hasOwn(ROUTE_TYPES, type)) {
    throw NetlinkError.badInput('type', type, 'is not a type of route')
  }
  if (prefSource !== undefined && prefSource.family !== dst.family) {
    throw NetlinkError.badInput('prefSource', prefSource, `is not of the family of ${dst}`)
  }
  checkNextHop(route, dst.family, '')
  if (multipath === undefined) return
  if (route.gateway !== undefined || route.oif !== undefined || multipath.length === 0) {
    throw NetlinkError.badInput('multipath', dst, 'takes the place of gateway and oif, and has at least one next hop')
  }
  for (const [index, hop] of multipath.entries()) checkNextHop(hop, dst.family, `multipath[${index}].`)
}

function checkNextHop(hop: NextHop, family: 4 | 6, path: string): void {
  if (hop.oif !== undefined) checkIndex(hop.oif, `${path}oif`)
  if (hop.weight !== undefined) checkInteger(`${path}weight`, hop.weight, 1, 256)
  if (hop.gateway !== undefined && family === 6 && hop.gateway.family === 4) {
    throw NetlinkError.badInput(`${path}gateway`, hop.gateway, 'cannot be IPv4 for an IPv6 destination')
  }
}

/** A route in words, as `ip route` writes it, with device indexes: `10.0.0.0/24 via 10.1.0.1 dev 7 table 100`. */
export function formatRoute(route: Route): string {
  const words: string[] = []
  if (route.type !== undefined && route.type !== 'unicast') words.push(route.type)
  words.push(route.dst.toString(), ...hopWords(route))
  for (const hop of route.multipath ?? []) words.push('nexthop', ...hopWords(hop), 'weight', `${hop.weight ?? 1}`)
  if (route.table !== undefined && route.table !== RouteTable.main) words.push('table', `${route.table}`)
  if (route.protocol !== undefined) words.push('proto', `${route.protocol}`)
  if (route.prefSource !== undefined) words.push('src', route.prefSource.toString())
  if (route.priority !== undefined) words.push('metric', `${route.priority}`)
  return words.join(' ')
}

function hopWords(hop: NextHop): string[] {
  const words: string[] = []
  if (hop.gateway !== undefined) words.push('via', hop.gateway.toString())
  if (hop.oif !== undefined) words.push('dev', `${hop.oif}`)
  if (hop.onlink === true) words.push('onlink')
  return words
}
