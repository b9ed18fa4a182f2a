import { Address, type Family, Prefix } from '@margay/net'
import { BgpMessageError } from '../errors.ts'
import { ByteReader } from '../wire/byte-reader.ts'
import { ByteWriter } from '../wire/byte-writer.ts'
import { RtrError, RtrErrorCode } from './rtr-error.ts'

export type RtrVersion = 0 | 1

/** A validated ROA payload: `asn` may announce `prefix` and what lies inside it down to `maxLength`. */
export interface Vrp {
  readonly prefix: Prefix
  readonly maxLength: number
  readonly asn: number
}

/** Seconds (RFC 8210 §6). */
export interface RtrTimers {
  readonly refresh: number
  readonly retry: number
  readonly expire: number
}

/** Protocol data units of RFC 8210 §5 (version 1) and RFC 6810 §5 (version 0). */
export type RtrPdu =
  | { readonly type: 'serialNotify' | 'serialQuery'; readonly session: number; readonly serial: number }
  | { readonly type: 'resetQuery' | 'cacheReset' }
  | { readonly type: 'cacheResponse'; readonly session: number }
  | { readonly type: 'prefix'; readonly announce: boolean; readonly vrp: Vrp }
  | { readonly type: 'endOfData'; readonly session: number; readonly serial: number; readonly timers?: RtrTimers }
  | {
      readonly type: 'routerKey'
      readonly announce: boolean
      readonly asn: number
      readonly ski: Uint8Array
      readonly spki: Uint8Array
    }
  | { readonly type: 'errorReport'; readonly code: number; readonly pdu: Uint8Array; readonly text: string }

/** A PDU as it came, and the version in its header. */
export interface ReceivedPdu {
  readonly version: number
  readonly pdu: RtrPdu
}

const HEADER_OCTETS = 8
const MAX_PDU_OCTETS = 65_536
const SKI_OCTETS = 20
const TYPES = {
  serialNotify: 0,
  serialQuery: 1,
  resetQuery: 2,
  cacheResponse: 3,
  ipv4: 4,
  ipv6: 6,
  endOfData: 7,
  cacheReset: 8,
  routerKey: 9,
  errorReport: 10,
} as const
/** What a reader throws inside; it never leaves this file. */
const OVERRUN = { code: 0, subcode: 0 }

/** Cuts a stream of octets into PDUs. */
export class RtrFramer {
  #buffer: Uint8Array = new Uint8Array(0)

  /** Whole PDUs, each a copy. @throws {RtrError} for a length that no PDU has */
  push(chunk: Uint8Array): Uint8Array[] {
    const found: Uint8Array[] = []
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk])
    let at = 0
    while (this.#buffer.length - at >= HEADER_OCTETS) {
      const length = new DataView(this.#buffer.buffer, this.#buffer.byteOffset + at + 4).getUint32(0)
      if (length < HEADER_OCTETS || length > MAX_PDU_OCTETS) {
        throw new RtrError(
          RtrErrorCode.CorruptData,
          `PDU of ${length} octets`,
          this.#buffer.slice(at, at + HEADER_OCTETS),
        )
      }
      if (this.#buffer.length - at < length) break
      found.push(this.#buffer.slice(at, at + length))
      at += length
    }
    this.#buffer = this.#buffer.slice(at)
    return found
  }
}

/** @throws {RtrError} with the code that its Error Report carries */
export function decodePdu(octets: Uint8Array): ReceivedPdu {
  const reader = new ByteReader(octets, OVERRUN)
  try {
    const version = reader.u8()
    const type = reader.u8()
    const field = reader.u16()
    const length = reader.u32()
    if (length !== octets.length) throw new RtrError(RtrErrorCode.CorruptData, 'length', octets)
    const pdu = decodeBody(type, { version, field, octets }, reader)
    if (reader.remaining > 0)
      throw new RtrError(RtrErrorCode.CorruptData, `${reader.remaining} octets too many`, octets)
    return { version, pdu }
  } catch (error) {
    if (!(error instanceof BgpMessageError)) throw error
    throw new RtrError(RtrErrorCode.CorruptData, error.message, octets)
  }
}

interface Head {
  readonly version: number
  readonly field: number
  readonly octets: Uint8Array
}

function decodeBody(type: number, head: Head, reader: ByteReader): RtrPdu {
  const { version, field, octets } = head
  if (version > 1 && type !== TYPES.errorReport) {
    throw new RtrError(RtrErrorCode.UnsupportedVersion, `version ${version}`, octets)
  }
  switch (type) {
    case TYPES.serialNotify:
      return { type: 'serialNotify', session: field, serial: reader.u32() }
    case TYPES.serialQuery:
      return { type: 'serialQuery', session: field, serial: reader.u32() }
    case TYPES.resetQuery:
      return { type: 'resetQuery' }
    case TYPES.cacheResponse:
      return { type: 'cacheResponse', session: field }
    case TYPES.ipv4:
      return decodePrefix(4, octets, reader)
    case TYPES.ipv6:
      return decodePrefix(6, octets, reader)
    case TYPES.endOfData:
      return decodeEndOfData(head, reader)
    case TYPES.cacheReset:
      return { type: 'cacheReset' }
    case TYPES.errorReport: {
      const pdu = reader.bytes(reader.u32())
      return { type: 'errorReport', code: field, pdu, text: Buffer.from(reader.view(reader.u32())).toString() }
    }
    case TYPES.routerKey:
      if (version === 1) return decodeRouterKey(field, reader)
      break
  }
  throw new RtrError(RtrErrorCode.UnsupportedPduType, `PDU type ${type}`, octets)
}

function decodePrefix(family: Family, octets: Uint8Array, reader: ByteReader): RtrPdu {
  const flags = reader.u8()
  const length = reader.u8()
  const maxLength = reader.u8()
  reader.u8()
  const address = Address.fromBytes(reader.bytes(family === 4 ? 4 : 16))
  const asn = reader.u32()
  if (length > maxLength || maxLength > (family === 4 ? 32 : 128)) {
    throw new RtrError(RtrErrorCode.CorruptData, `prefix length ${length}, max ${maxLength}`, octets)
  }
  return { type: 'prefix', announce: (flags & 1) === 1, vrp: { prefix: new Prefix(address, length), maxLength, asn } }
}

function decodeEndOfData({ version, field }: Head, reader: ByteReader): RtrPdu {
  const serial = reader.u32()
  if (version === 0) return { type: 'endOfData', session: field, serial }
  const timers = { refresh: reader.u32(), retry: reader.u32(), expire: reader.u32() }
  return { type: 'endOfData', session: field, serial, timers }
}

function decodeRouterKey(field: number, reader: ByteReader): RtrPdu {
  const ski = reader.bytes(SKI_OCTETS)
  const asn = reader.u32()
  return { type: 'routerKey', announce: ((field >> 8) & 1) === 1, asn, ski, spki: reader.bytes(reader.remaining) }
}

export function encodePdu(pdu: RtrPdu, version: RtrVersion): Uint8Array {
  const body = new ByteWriter(64)
  const [type, field] = encodeBody(pdu, body)
  const writer = new ByteWriter(HEADER_OCTETS + body.length)
  writer.u8(version)
  writer.u8(type)
  writer.u16(field)
  writer.u32(HEADER_OCTETS + body.length)
  writer.bytes(body.finish())
  return writer.finish()
}

/** @returns type, and what stands behind it in the header */
function encodeBody(pdu: RtrPdu, writer: ByteWriter): readonly [type: number, field: number] {
  switch (pdu.type) {
    case 'resetQuery':
    case 'cacheReset':
      return [TYPES[pdu.type], 0]
    case 'cacheResponse':
      return [TYPES.cacheResponse, pdu.session]
    case 'serialNotify':
    case 'serialQuery':
      writer.u32(pdu.serial)
      return [TYPES[pdu.type], pdu.session]
    case 'endOfData':
      writer.u32(pdu.serial)
      if (pdu.timers !== undefined)
        for (const name of ['refresh', 'retry', 'expire'] as const) writer.u32(pdu.timers[name])
      return [TYPES.endOfData, pdu.session]
    case 'prefix':
      return [encodePrefix(pdu.vrp, pdu.announce, writer), 0]
    case 'routerKey':
      writer.bytes(pdu.ski)
      writer.u32(pdu.asn)
      writer.bytes(pdu.spki)
      return [TYPES.routerKey, pdu.announce ? 0x100 : 0]
    case 'errorReport': {
      const text = Buffer.from(pdu.text)
      writer.u32(pdu.pdu.length)
      writer.bytes(pdu.pdu)
      writer.u32(text.length)
      writer.bytes(text)
      return [TYPES.errorReport, pdu.code]
    }
  }
}

function encodePrefix({ prefix, maxLength, asn }: Vrp, announce: boolean, writer: ByteWriter): number {
  for (const octet of [announce ? 1 : 0, prefix.length, maxLength, 0]) writer.u8(octet)
  writer.bytes(prefix.address.toBytes())
  writer.u32(asn)
  return prefix.family === 4 ? TYPES.ipv4 : TYPES.ipv6
}
