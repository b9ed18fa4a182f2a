import { BgpMessageError, type NotificationFields } from '../../errors.ts'
import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import type { Capability } from '../capabilities/capability.ts'
import { decodeCapabilities, encodeCapability } from '../capabilities/registry.ts'
import { MessageType, withHeader } from '../header.ts'
import { ipv4Text, ipv4Value } from '../ip-text.ts'
import { AS_TRANS } from '../path-attributes.ts'

/** OPEN (RFC 4271 §4.2). */
export interface OpenMessage {
  readonly type: 'open'
  /** "My Autonomous System", two octets; the real number stands in the fourOctetAs capability where there is one. */
  readonly asn: number
  readonly holdTimeSeconds: number
  readonly routerId: string
  readonly capabilities: readonly Capability[]
}

const VERSION = 4
const CAPABILITIES_PARAMETER = 2
const EXTENDED_MARK = 255
const UNSPECIFIC: NotificationFields = { code: 2, subcode: 0 }

/**
 * Reads the syntax of OPEN, extended optional parameters included (RFC 9072). What a session makes of the values is
 * `validateOpen`'s to say.
 * @throws {BgpMessageError} OPEN Message Error
 */
export function decodeOpen(body: Uint8Array): OpenMessage {
  const reader = new ByteReader(body, UNSPECIFIC)
  const version = reader.u8()
  if (version !== VERSION) {
    throw new BgpMessageError(`BGP version ${version}`, { code: 2, subcode: 1, data: Uint8Array.of(0, VERSION) })
  }
  const asn = reader.u16()
  const holdTimeSeconds = reader.u16()
  const routerId = ipv4Text(reader.u32())
  const capabilities = decodeParameters(reader)
  if (reader.remaining > 0) {
    throw new BgpMessageError(`${reader.remaining} octets behind the optional parameters`, UNSPECIFIC)
  }
  return { type: 'open', asn, holdTimeSeconds, routerId, capabilities }
}

export function encodeOpen(open: Omit<OpenMessage, 'type'>): Uint8Array {
  const writer = new ByteWriter()
  writer.u8(VERSION)
  writer.u16(open.asn > 0xffff ? AS_TRANS : open.asn)
  writer.u16(open.holdTimeSeconds)
  writer.u32(ipv4Value(open.routerId))
  const capabilities = new ByteWriter()
  for (const capability of open.capabilities) encodeCapability(capabilities, capability)
  const octets = capabilities.finish()
  if (octets.length > 253) {
    writer.u8(EXTENDED_MARK)
    writer.u8(EXTENDED_MARK)
    writer.u16(octets.length + 3)
    writer.u8(CAPABILITIES_PARAMETER)
    writer.u16(octets.length)
  } else {
    writer.u8(octets.length === 0 ? 0 : octets.length + 2)
    if (octets.length > 0) writer.u8(CAPABILITIES_PARAMETER)
    if (octets.length > 0) writer.u8(octets.length)
  }
  writer.bytes(octets)
  return withHeader(MessageType.Open, writer.finish())
}

function decodeParameters(reader: ByteReader): Capability[] {
  let length = reader.u8()
  let extended = false
  // RFC 9072 §2: parameter type 255 says that lengths have two octets, whatever the one-octet length was.
  if (length > 0) {
    const rest = reader.sub(reader.remaining)
    const firstType = rest.u8()
    if (firstType === EXTENDED_MARK) {
      extended = true
      length = rest.u16()
      return decodeParameterList(exactly(rest, length), extended)
    }
    return decodeParameterList(exactly(rest, length - 1), extended, firstType)
  }
  return []
}

/** The whole rest of `reader`, which must be `length` octets. */
function exactly(reader: ByteReader, length: number): ByteReader {
  if (reader.remaining !== length) {
    throw new BgpMessageError(`optional parameters of ${length} octets, ${reader.remaining} there`, UNSPECIFIC)
  }
  return reader
}

function decodeParameterList(reader: ByteReader, extended: boolean, firstType?: number): Capability[] {
  const capabilities: Capability[] = []
  let pending = firstType
  while (pending !== undefined || reader.remaining > 0) {
    const type = pending ?? reader.u8()
    pending = undefined
    const value = reader.sub(extended ? reader.u16() : reader.u8())
    if (type !== CAPABILITIES_PARAMETER) {
      throw new BgpMessageError(`optional parameter ${type}`, { code: 2, subcode: 4 })
    }
    capabilities.push(...decodeCapabilities(value))
  }
  return capabilities
}
