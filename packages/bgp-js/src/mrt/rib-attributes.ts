import { Address, Prefix } from '@margay/net'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { HEADER_OCTETS, MessageType, withHeader } from '../wire/header.ts'

const MALFORMED = { code: 3, subcode: 1 }
const EXTENDED_LENGTH = 0x10
const OPTIONAL = 0x80
const MP_REACH_NLRI = 14
const MP_UNREACH_NLRI = 15
const SAFI_UNICAST = 1

/** Prefixes that an UPDATE announces with one attribute block, as table entries have it. */
export interface RibRoutes {
  readonly prefixes: readonly string[]
  /** Without MP_UNREACH_NLRI; MP_REACH_NLRI is cut down to the next hop (RFC 6396 §4.3.4). */
  readonly attributes: Uint8Array
}

/**
 * What a whole UPDATE announces in unicast, as a table dump writes it. The UPDATE must carry four-octet AS numbers and
 * no path identifiers.
 * @throws {BgpMessageError} when its lengths contradict each other
 */
export function ribRoutesOf(update: Uint8Array): RibRoutes[] {
  const reader = new ByteReader(update.subarray(HEADER_OCTETS), MALFORMED)
  reader.view(reader.u16())
  const list = reader.sub(reader.u16())
  const rest = new ByteWriter()
  let reach: { prefixes: string[]; nextHop: Uint8Array } | undefined
  while (list.remaining > 0) {
    const start = list.position
    const flags = list.u8()
    const code = list.u8()
    const value = list.sub((flags & EXTENDED_LENGTH) === 0 ? list.u8() : list.u16())
    if (code === MP_REACH_NLRI) reach = readReach(value)
    else if (code !== MP_UNREACH_NLRI) rest.bytes(list.since(start))
  }
  const attributes = rest.finish()
  const routes: RibRoutes[] = []
  if (reach !== undefined && reach.prefixes.length > 0) {
    routes.push({ prefixes: reach.prefixes, attributes: withNextHop(reach.nextHop, attributes) })
  }
  const prefixes = readPrefixes(reader, 4)
  if (prefixes.length > 0) routes.push({ prefixes, attributes })
  return routes
}

/**
 * The UPDATE that announces one entry of a table: the other way round.
 * @throws {BgpMessageError} when the attribute block is malformed
 */
export function updateOfRibEntry(prefix: string, attributes: Uint8Array): Uint8Array {
  const nlri = prefixOctets(Prefix.parse(prefix))
  const isIpv6 = prefix.includes(':')
  const list = new ByteReader(attributes, MALFORMED)
  const block = new ByteWriter()
  while (list.remaining > 0) {
    const start = list.position
    const flags = list.u8()
    const code = list.u8()
    const value = list.sub((flags & EXTENDED_LENGTH) === 0 ? list.u8() : list.u16())
    if (code === MP_REACH_NLRI && isIpv6) {
      const nextHop = entryNextHop(value)
      block.bytes(reachOctets([0, 2, SAFI_UNICAST], nextHop, nlri))
    } else block.bytes(list.since(start))
  }
  const body = new ByteWriter()
  body.u16(0)
  body.lengthPrefixed(2, () => body.bytes(block.finish()))
  if (!isIpv6) body.bytes(nlri)
  return withHeader(MessageType.Update, body.finish())
}

/** Of other families than IPv4 and IPv6 unicast nothing is read. */
function readReach(value: ByteReader): { prefixes: string[]; nextHop: Uint8Array } | undefined {
  const afi = value.u16()
  const safi = value.u8()
  const nextHop = value.bytes(value.u8())
  value.u8()
  if (safi !== SAFI_UNICAST || (afi !== 1 && afi !== 2)) return undefined
  return { prefixes: readPrefixes(value, afi === 1 ? 4 : 6), nextHop }
}

function readPrefixes(reader: ByteReader, family: 4 | 6): string[] {
  const prefixes: string[] = []
  while (reader.remaining > 0) {
    const length = reader.u8()
    const octets = new Uint8Array(family === 4 ? 4 : 16)
    const given = reader.view((length + 7) >>> 3)
    octets.set(given.subarray(0, octets.length))
    prefixes.push(new Prefix(Address.fromBytes(octets), Math.min(length, octets.length * 8)).toString())
  }
  return prefixes
}

function prefixOctets(prefix: Prefix): Uint8Array {
  const octets = prefix.address.toBytes().subarray(0, (prefix.length + 7) >>> 3)
  return Uint8Array.from([prefix.length, ...octets])
}

/** The next hop of an entry; some writers leave the attribute as it was on the wire. */
function entryNextHop(value: ByteReader): Uint8Array {
  const first = value.u8()
  if (first !== 0) return value.bytes(first)
  value.view(2)
  return value.bytes(value.u8())
}

function withNextHop(nextHop: Uint8Array, attributes: Uint8Array): Uint8Array {
  return Buffer.concat([mpReach(Buffer.concat([Uint8Array.of(nextHop.length), nextHop])), attributes])
}

function reachOctets(family: readonly number[], nextHop: Uint8Array, nlri: Uint8Array): Uint8Array {
  return mpReach(Buffer.from([...family, nextHop.length, ...nextHop, 0, ...nlri]))
}

function mpReach(value: Uint8Array): Uint8Array {
  const head =
    value.length > 255
      ? [OPTIONAL | EXTENDED_LENGTH, MP_REACH_NLRI, value.length >>> 8, value.length]
      : [OPTIONAL, MP_REACH_NLRI, value.length]
  return Buffer.concat([Uint8Array.from(head), value])
}
