import { BgpMessageError, type NotificationFields, type Severity } from '../errors.ts'
import { type AttributeCodec, Flag, type WireSession } from './attribute-codec.ts'
import { attributeByCode } from './attributes/registry.ts'
import type { ByteReader } from './byte-reader.ts'
import type { DecodedAttributes, OpaqueAttribute } from './path-attributes.ts'

/** One malformed attribute and what RFC 7606 makes of it. `code` 0: the list itself is broken. */
export interface AttributeProblem {
  readonly code: number
  readonly message: string
  readonly severity: Severity
  readonly notification: NotificationFields
}

/** The path attributes of one UPDATE as they came, with what was wrong with them. */
export interface AttributeList {
  readonly attributes: DecodedAttributes
  readonly opaque: OpaqueAttribute[]
  readonly partialCodes: number[]
  readonly problems: AttributeProblem[]
  /** The list had no octets at all: what an End-of-RIB marker looks like (RFC 4724 §2). */
  readonly isEmpty: boolean
}

interface RawAttribute {
  readonly flags: number
  readonly code: number
  readonly value: ByteReader
  /** Where the whole attribute begins in `list`, and the reader that it is part of. */
  readonly start: number
  readonly list: ByteReader
  readonly end: number
}

const OVERRUN: NotificationFields = { code: 3, subcode: 5 }
const LIST_ERROR: NotificationFields = { code: 3, subcode: 1 }
const IPV6_EXTENDED_COMMUNITIES = 25
const MP_CODES: readonly number[] = [14, 15]

/** Reads `reader` to its end. Never throws for a bad attribute: it stands in `problems` (RFC 7606 §3, §4). */
export function decodeAttributeList(reader: ByteReader, session: WireSession): AttributeList {
  const list: AttributeList = {
    attributes: {},
    opaque: [],
    partialCodes: [],
    problems: [],
    isEmpty: reader.remaining === 0,
  }
  const seen: number[] = []
  while (reader.remaining > 0) {
    const raw = readRaw(reader, list)
    if (raw === undefined) break
    if (seen.includes(raw.code)) {
      // RFC 7606 §3 g: a second MP attribute is fatal; of any other attribute the first one counts.
      if (MP_CODES.includes(raw.code)) list.problems.push(problem(raw, 'repeated', 'session-reset', LIST_ERROR))
      else list.problems.push(problem(raw, 'repeated', 'attribute-discard', LIST_ERROR))
      continue
    }
    seen.push(raw.code)
    const codec = attributeByCode(raw.code)
    if (codec === undefined) readUnknown(raw, list)
    else readKnown(raw, codec, session, list)
  }
  return list
}

function readRaw(reader: ByteReader, list: AttributeList): RawAttribute | undefined {
  // RFC 7606 §4: a list that does not add up is treat-as-withdraw, and nothing behind the break is believed.
  const broken = (message: string): undefined => {
    list.problems.push({ code: 0, message, severity: 'treat-as-withdraw', notification: LIST_ERROR })
    return undefined
  }
  const start = reader.position
  if (reader.remaining < 3) return broken(`${reader.remaining} octets left over`)
  const flags = reader.u8()
  const code = reader.u8()
  const extended = (flags & Flag.ExtendedLength) !== 0
  if (extended && reader.remaining < 2) return broken(`attribute ${code} ends in its length`)
  const length = extended ? reader.u16() : reader.u8()
  if (length > reader.remaining) return broken(`attribute ${code} overruns the list`)
  const value = reader.sub(length, OVERRUN)
  return { flags, code, value, start, list: reader, end: reader.position }
}

function readKnown(raw: RawAttribute, codec: AttributeCodec, session: WireSession, list: AttributeList): void {
  if (codec.internalOnly === true && !session.internal) {
    list.problems.push(problem(raw, `${codec.name} from an external peer`, 'attribute-discard', OVERRUN))
    return
  }
  if (codec.twoOctetOnly === true && session.fourOctetAs) return
  const kind = Flag.Optional | Flag.Transitive
  if ((raw.flags & kind) !== codec.flags) {
    // RFC 7606 §3 c
    const severity = codec.onMalformed === 'session-reset' ? 'session-reset' : 'treat-as-withdraw'
    list.problems.push(problem(raw, `flags ${raw.flags} of ${codec.name}`, severity, { code: 3, subcode: 4 }))
    return
  }
  try {
    const value = codec.decode(raw.value, session)
    if (raw.value.remaining > 0)
      throw new BgpMessageError(`${raw.value.remaining} octets too many`, OVERRUN)
      // The codec's own field: the registry has forgotten which type goes with which.
    ;(list.attributes as Record<string, unknown>)[codec.field] = value
    if ((raw.flags & Flag.Partial) !== 0 && (raw.flags & Flag.Transitive) !== 0) list.partialCodes.push(raw.code)
  } catch (error) {
    if (!(error instanceof BgpMessageError)) throw error
    list.problems.push(problem(raw, `${codec.name}: ${error.message}`, codec.onMalformed, error.notification))
  }
}

/** RFC 4271 §5: unknown transitive attributes go on with the Partial bit, other optional ones are dropped. */
function readUnknown(raw: RawAttribute, list: AttributeList): void {
  if ((raw.flags & Flag.Optional) === 0) {
    list.problems.push(problem(raw, 'unrecognized well-known attribute', 'session-reset', { code: 3, subcode: 2 }))
    return
  }
  // RFC 7606 §7.15: known by its form alone.
  const length = raw.value.remaining
  if (raw.code === IPV6_EXTENDED_COMMUNITIES && (length === 0 || length % 20 !== 0)) {
    list.problems.push(problem(raw, `IPv6 extended communities of ${length} octets`, 'treat-as-withdraw', OVERRUN))
    return
  }
  if ((raw.flags & Flag.Transitive) === 0) return
  const flags = (raw.flags & ~Flag.ExtendedLength) | Flag.Partial
  list.opaque.push({ flags, code: raw.code, value: raw.value.bytes(length) })
}

function problem(
  raw: RawAttribute,
  message: string,
  severity: Severity,
  notification: NotificationFields,
): AttributeProblem {
  return {
    code: raw.code,
    message,
    severity,
    notification: { ...notification, data: raw.list.between(raw.start, raw.end) },
  }
}
