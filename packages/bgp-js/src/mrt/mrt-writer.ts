import { Prefix } from '@margay/net'
import { ByteWriter } from '../wire/byte-writer.ts'
import { addressOctets } from '../wire/ip-text.ts'
import { withoutZone } from '../wire/zoneless.ts'
import {
  Bgp4mpSubtype,
  MRT_HEADER_OCTETS,
  MRT_STATES,
  type MrtMessage,
  type MrtPeerIndexTable,
  type MrtRib,
  type MrtSession,
  type MrtStateChange,
  MrtType,
  TableDumpSubtype,
} from './mrt-record.ts'

/** A record that can be written. */
export type WritableMrtRecord = Omit<MrtMessage, 'fourOctetAs'> | MrtStateChange | MrtPeerIndexTable | MrtRib

/**
 * Encodes a record (RFC 6396, RFC 8050). Sessions are written with four-octet AS numbers, and their times to the
 * microsecond (type BGP4MP_ET); tables have whole seconds.
 * @throws {AddressError} @throws {RangeError} for more than 65,535 peers, entries or octets where the format has 16 bits
 */
export function encodeMrtRecord(record: WritableMrtRecord): Uint8Array {
  switch (record.kind) {
    case 'message':
      return sessionRecord(record, messageSubtype(record), (writer) => writer.bytes(record.message))
    case 'stateChange':
      return sessionRecord(record, Bgp4mpSubtype.StateChangeAs4, (writer) => {
        writer.u16(stateCode(record.from))
        writer.u16(stateCode(record.to))
      })
    case 'peerIndexTable':
      return framed(record.timeUs, MrtType.TableDumpV2, TableDumpSubtype.PeerIndexTable, (writer) =>
        writePeerIndexTable(writer, record),
      )
    case 'rib':
      return framed(record.timeUs, MrtType.TableDumpV2, ribSubtype(record), (writer) => writeRib(writer, record))
  }
}

function framed(timeUs: number, type: number, subtype: number, body: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter()
  writer.u32(Math.floor(timeUs / 1_000_000))
  writer.u16(type)
  writer.u16(subtype)
  writer.u32(0)
  if (type === MrtType.Bgp4mpEt) writer.u32(timeUs % 1_000_000)
  body(writer)
  const octets = writer.finish()
  new DataView(octets.buffer).setUint32(8, octets.length - MRT_HEADER_OCTETS)
  return octets
}

function sessionRecord(
  record: MrtSession & { readonly timeUs: number },
  subtype: number,
  body: (writer: ByteWriter) => void,
): Uint8Array {
  return framed(record.timeUs, MrtType.Bgp4mpEt, subtype, (writer) => {
    const peer = addressOctets(withoutZone(record.peerAddress))
    const local = addressOctets(withoutZone(record.localAddress))
    if (peer.length !== local.length) throw new RangeError('both addresses of a session are of one family')
    writer.u32(record.peerAsn)
    writer.u32(record.localAsn)
    writer.u16(record.interfaceIndex)
    writer.u16(peer.length === 4 ? 1 : 2)
    writer.bytes(peer)
    writer.bytes(local)
    body(writer)
  })
}

function messageSubtype({ local, addPath }: Pick<MrtMessage, 'local' | 'addPath'>): number {
  if (addPath) return local ? Bgp4mpSubtype.MessageAs4LocalAddPath : Bgp4mpSubtype.MessageAs4AddPath
  return local ? Bgp4mpSubtype.MessageAs4Local : Bgp4mpSubtype.MessageAs4
}

const stateCode = (state: MrtStateChange['from']): number => (state === 'Unknown' ? 0 : MRT_STATES.indexOf(state) + 1)

function writePeerIndexTable(writer: ByteWriter, { collectorId, viewName, peers }: MrtPeerIndexTable): void {
  const name = Buffer.from(viewName)
  writer.bytes(addressOctets(collectorId))
  writer.u16(sixteenBits(name.length, 'octets of a view name'))
  writer.bytes(name)
  writer.u16(sixteenBits(peers.length, 'peers'))
  for (const { routerId, address, asn } of peers) {
    const octets = addressOctets(withoutZone(address))
    // Four-octet AS numbers, whatever they are.
    writer.u8(octets.length === 4 ? 2 : 3)
    writer.bytes(addressOctets(routerId))
    writer.bytes(octets)
    writer.u32(asn)
  }
}

/** Entries of one record either all have path identifiers or none has. */
const hasPathIds = ({ entries }: MrtRib): boolean => entries.some(({ pathId }) => pathId !== undefined)

function ribSubtype(record: MrtRib): number {
  const { RibIpv4Unicast, RibIpv4UnicastAddPath, RibIpv6Unicast, RibIpv6UnicastAddPath } = TableDumpSubtype
  if (record.prefix.includes(':')) return hasPathIds(record) ? RibIpv6UnicastAddPath : RibIpv6Unicast
  return hasPathIds(record) ? RibIpv4UnicastAddPath : RibIpv4Unicast
}

function writeRib(writer: ByteWriter, record: MrtRib): void {
  const prefix = Prefix.parse(record.prefix)
  writer.u32(record.sequence)
  writer.u8(prefix.length)
  writer.bytes(prefix.address.toBytes().subarray(0, (prefix.length + 7) >>> 3))
  writer.u16(sixteenBits(record.entries.length, 'entries'))
  const withPathIds = hasPathIds(record)
  for (const { peerIndex, originatedAt, pathId, attributes } of record.entries) {
    writer.u16(peerIndex)
    writer.u32(originatedAt)
    if (withPathIds) writer.u32(pathId ?? 0)
    writer.u16(sixteenBits(attributes.length, 'octets of attributes'))
    writer.bytes(attributes)
  }
}

function sixteenBits(count: number, what: string): number {
  if (count > 0xffff) throw new RangeError(`${count} ${what} do not fit an MRT record`)
  return count
}
