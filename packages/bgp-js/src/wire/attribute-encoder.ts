import type { Family } from '@margay/net'
import { type AttributeCodec, Flag, type WireSession } from './attribute-codec.ts'
import { ATTRIBUTES } from './attributes/registry.ts'
import { ByteWriter } from './byte-writer.ts'
import { addressOctets } from './ip-text.ts'
import type { DecodedAttributes, OpaqueAttribute, PathAttributes } from './path-attributes.ts'

/**
 * Path attributes ready for UPDATEs. Octets are kept as Latin-1 text, one character each: text is what a Map compares by
 * content.
 */
export interface EncodedAttributes {
  /** All attributes but MP_REACH_NLRI. */
  readonly block: string
  /** Next hop octets for MP_REACH_NLRI; undefined where NEXT_HOP in the block says it. */
  readonly mpNextHop: string | undefined
}

export const octetText = (octets: Uint8Array): string =>
  Buffer.from(octets.buffer, octets.byteOffset, octets.length).toString('latin1')

/**
 * In ascending order of code (RFC 4271 §5). NEXT_HOP is in the block for IPv4 with an IPv4 next hop alone. A session
 * with two-octet AS numbers gets AS4_PATH and AS4_AGGREGATOR where they say more.
 */
export function encodeRouteAttributes(
  attributes: PathAttributes,
  family: Family,
  session: WireSession,
): EncodedAttributes {
  const { nextHop, nextHopLinkLocal } = attributes
  const inBlock = family === 4 && !nextHop.includes(':')
  const block = octetText(encodeBlock(attributes, inBlock, session))
  if (inBlock) return { block, mpNextHop: undefined }
  const linkLocal = nextHopLinkLocal === undefined ? '' : octetText(addressOctets(nextHopLinkLocal))
  return { block, mpNextHop: octetText(addressOctets(nextHop)) + linkLocal }
}

/** Holds one block at a time. */
const SCRATCH = new ByteWriter(1024)

/** @returns a view that the next call overwrites */
function encodeBlock(attributes: PathAttributes, withNextHop: boolean, session: WireSession): Uint8Array {
  const fields = fieldsOf(attributes, withNextHop, session)
  const writer = SCRATCH
  writer.clear()
  const opaque = (attributes.opaque ?? []).toSorted((a, b) => a.code - b.code)
  let next = 0
  for (const codec of ATTRIBUTES) {
    for (; (opaque[next]?.code ?? 256) < codec.code; next++) writeOpaque(writer, opaque[next] as OpaqueAttribute)
    const value = fields[codec.field]
    if (value === undefined) continue
    const partial = attributes.partialCodes?.includes(codec.code) === true ? Flag.Partial : 0
    writeAttribute(writer, codec, partial, (inner) => codec.encode(inner, value, session))
  }
  for (; next < opaque.length; next++) writeOpaque(writer, opaque[next] as OpaqueAttribute)
  return writer.written
}

/** One attribute with its flags, code and length. */
function writeAttribute(
  writer: ByteWriter,
  kind: Pick<AttributeCodec, 'flags' | 'code'>,
  extraFlags: number,
  body: (writer: ByteWriter) => void,
): void {
  const flagsAt = writer.length
  writer.u8(kind.flags | extraFlags)
  writer.u8(kind.code)
  writer.attributeLength(flagsAt, body)
}

function writeOpaque(writer: ByteWriter, attribute: OpaqueAttribute): void {
  writeAttribute(writer, attribute, 0, (inner) => inner.bytes(attribute.value))
}

/** {@link PathAttributes} in the codecs' terms. */
function fieldsOf(attributes: PathAttributes, withNextHop: boolean, session: WireSession): DecodedAttributes {
  const { nextHop, nextHopLinkLocal: _, opaque: __, partialCodes: ___, tags: ____, ...rest } = attributes
  const fields = rest as DecodedAttributes
  if (withNextHop) fields.nextHop = nextHop
  if (session.fourOctetAs) return fields
  const plain = attributes.asPath.filter((segment) => !segment.type.startsWith('confed'))
  if (plain.some((segment) => segment.asns.some((asn) => asn > 0xffff))) fields.as4Path = plain
  if (attributes.aggregator !== undefined && attributes.aggregator.asn > 0xffff) {
    fields.as4Aggregator = attributes.aggregator
  }
  return fields
}
