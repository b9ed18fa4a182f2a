import { Address, Prefix } from '@margay/net'
import { BgpMessageError } from '../errors.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { addressText } from '../wire/ip-text.ts'
import {
  Bgp4mpSubtype,
  MRT_HEADER_OCTETS,
  MRT_STATES,
  MrtError,
  type MrtMessage,
  type MrtPeer,
  type MrtPeerIndexTable,
  type MrtRecord,
  type MrtRib,
  type MrtRibEntry,
  type MrtSession,
  type MrtStateChange,
  MrtType,
  TableDumpSubtype,
} from './mrt-record.ts'

/** No record that anybody writes is longer; what claims to be is not read into memory. */
const MAX_RECORD_OCTETS = 16 * 1024 * 1024
/** Overruns are told as MrtError: there is nobody to notify. */
const NOBODY = { code: 0, subcode: 0 }

interface Variant {
  readonly fourOctetAs: boolean
  readonly addPath: boolean
  readonly local: boolean
}

const variant = (fourOctetAs: boolean, local: boolean, addPath: boolean): Variant => ({ fourOctetAs, local, addPath })

const MESSAGE_VARIANTS: ReadonlyMap<number, Variant> = new Map([
  [Bgp4mpSubtype.Message, variant(false, false, false)],
  [Bgp4mpSubtype.MessageAs4, variant(true, false, false)],
  [Bgp4mpSubtype.MessageLocal, variant(false, true, false)],
  [Bgp4mpSubtype.MessageAs4Local, variant(true, true, false)],
  [Bgp4mpSubtype.MessageAddPath, variant(false, false, true)],
  [Bgp4mpSubtype.MessageAs4AddPath, variant(true, false, true)],
  [Bgp4mpSubtype.MessageLocalAddPath, variant(false, true, true)],
  [Bgp4mpSubtype.MessageAs4LocalAddPath, variant(true, true, true)],
])

/**
 * Reads records (RFC 6396, RFC 8050) out of a stream of octets, a file for example, one at a time. Records of kinds that
 * are not known come as `unknown`.
 * @throws {MrtError} with the offset of the record that is broken or cut short
 */
export async function* readMrt(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): AsyncGenerator<MrtRecord> {
  let chunks: Uint8Array[] = []
  let waiting = 0
  let offset = 0
  let wanted = MRT_HEADER_OCTETS
  for await (const chunk of source) {
    chunks.push(chunk)
    waiting += chunk.length
    if (waiting < wanted) continue
    let buffer = chunks.length === 1 ? chunk : Buffer.concat(chunks)
    for (;;) {
      wanted = recordOctets(buffer, offset)
      if (buffer.length < wanted) break
      yield decodeMrtRecord(buffer.subarray(0, wanted), offset)
      buffer = buffer.subarray(wanted)
      offset += wanted
    }
    chunks = buffer.length === 0 ? [] : [buffer]
    waiting = buffer.length
  }
  if (waiting > 0) throw new MrtError(offset, `${waiting} octets of ${wanted} are there`)
}

/** Length of the record that `bytes` begins with, or of its header while that is not complete. */
function recordOctets(bytes: Uint8Array, offset: number): number {
  if (bytes.length < MRT_HEADER_OCTETS) return MRT_HEADER_OCTETS
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(8)
  if (length > MAX_RECORD_OCTETS) throw new MrtError(offset, `a length of ${length} octets`)
  return MRT_HEADER_OCTETS + length
}

/**
 * Decodes one whole record. What it gives out does not depend on `bytes` any more.
 * @param offset where it was, for errors @throws {MrtError}
 */
export function decodeMrtRecord(bytes: Uint8Array, offset = 0): MrtRecord {
  const reader = new ByteReader(bytes, NOBODY)
  try {
    const seconds = reader.u32()
    const type = reader.u16()
    const subtype = reader.u16()
    const body = reader.sub(reader.u32())
    const timeUs = seconds * 1_000_000 + (type === MrtType.Bgp4mpEt ? body.u32() : 0)
    const known = decodeKnown(type, subtype, timeUs, body)
    if (known !== undefined && body.remaining > 0) throw new MrtError(offset, `${body.remaining} octets left over`)
    return known ?? { kind: 'unknown', timeUs, type, subtype, body: body.bytes(body.remaining) }
  } catch (error) {
    if (error instanceof MrtError) throw error
    if (!(error instanceof BgpMessageError)) throw error
    throw new MrtError(offset, error.message, { cause: error })
  }
}

function decodeKnown(type: number, subtype: number, timeUs: number, body: ByteReader): MrtRecord | undefined {
  if (type === MrtType.TableDumpV2) {
    switch (subtype) {
      case TableDumpSubtype.PeerIndexTable:
        return readPeerIndexTable(body, timeUs)
      case TableDumpSubtype.RibIpv4Unicast:
        return readRib(body, timeUs, { family: 4, addPath: false })
      case TableDumpSubtype.RibIpv6Unicast:
        return readRib(body, timeUs, { family: 6, addPath: false })
      case TableDumpSubtype.RibIpv4UnicastAddPath:
        return readRib(body, timeUs, { family: 4, addPath: true })
      case TableDumpSubtype.RibIpv6UnicastAddPath:
        return readRib(body, timeUs, { family: 6, addPath: true })
      default:
        return undefined
    }
  }
  if (type !== MrtType.Bgp4mp && type !== MrtType.Bgp4mpEt) return undefined
  if (subtype === Bgp4mpSubtype.StateChange) return readStateChange(body, timeUs, false)
  if (subtype === Bgp4mpSubtype.StateChangeAs4) return readStateChange(body, timeUs, true)
  const kind = MESSAGE_VARIANTS.get(subtype)
  return kind === undefined ? undefined : readMessage(body, timeUs, kind)
}

function readMessage(body: ByteReader, timeUs: number, kind: Variant): MrtMessage {
  const session = readSession(body, kind.fourOctetAs)
  return { kind: 'message', timeUs, ...session, ...kind, message: body.bytes(body.remaining) }
}

function readStateChange(body: ByteReader, timeUs: number, fourOctetAs: boolean): MrtStateChange {
  const session = readSession(body, fourOctetAs)
  const from = MRT_STATES[body.u16() - 1] ?? 'Unknown'
  return { kind: 'stateChange', timeUs, ...session, from, to: MRT_STATES[body.u16() - 1] ?? 'Unknown' }
}

function readSession(body: ByteReader, fourOctetAs: boolean): MrtSession {
  const asn = (): number => (fourOctetAs ? body.u32() : body.u16())
  const peerAsn = asn()
  const localAsn = asn()
  const interfaceIndex = body.u16()
  const octets = body.u16() === 2 ? 16 : 4
  const peerAddress = addressText(body.view(octets))
  return { peerAsn, localAsn, interfaceIndex, peerAddress, localAddress: addressText(body.view(octets)) }
}

function readPeerIndexTable(body: ByteReader, timeUs: number): MrtPeerIndexTable {
  const collectorId = addressText(body.view(4))
  const viewName = Buffer.from(body.view(body.u16())).toString()
  const peers = Array.from({ length: body.u16() }, (): MrtPeer => {
    const type = body.u8()
    const routerId = addressText(body.view(4))
    const address = addressText(body.view((type & 1) === 0 ? 4 : 16))
    return { routerId, address, asn: (type & 2) === 0 ? body.u16() : body.u32() }
  })
  return { kind: 'peerIndexTable', timeUs, collectorId, viewName, peers }
}

function readRib(body: ByteReader, timeUs: number, form: { family: 4 | 6; addPath: boolean }): MrtRib {
  const sequence = body.u32()
  const length = body.u8()
  const bits = form.family === 4 ? 32 : 128
  if (length > bits) throw new BgpMessageError(`prefix length ${length}`, NOBODY)
  const octets = new Uint8Array(bits / 8)
  octets.set(body.view((length + 7) >>> 3))
  const prefix = new Prefix(Address.fromBytes(octets), length).toString()
  const entries = Array.from({ length: body.u16() }, (): MrtRibEntry => {
    const peerIndex = body.u16()
    const originatedAt = body.u32()
    const pathId = form.addPath ? { pathId: body.u32() } : {}
    return { peerIndex, originatedAt, ...pathId, attributes: body.bytes(body.u16()) }
  })
  return { kind: 'rib', timeUs, sequence, prefix, entries }
}
