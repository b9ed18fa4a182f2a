import type { Family } from '@margay/net'
import { type AttributeCodec, Flag, type WireSession } from './attribute-codec.ts'
import { ATTRIBUTES } from './attributes/registry.ts'
import { ByteWriter } from './byte-writer.ts'
import type { DecodedAttributes, OpaqueAttribute, PathAttributes } from './path-attributes.ts'

/**
 * The attribute block of an UPDATE without its MP attributes, in ascending order of code (RFC 4271 §5). NEXT_HOP is in
 * it for IPv4 alone. A session with two-octet AS numbers gets AS4_PATH and AS4_AGGREGATOR where they say more.
 */
export function encodeAttributes(attributes: PathAttributes, family: Family, session: WireSession): Uint8Array {
  const fields = fieldsOf(attributes, family, session)
  const writer = new ByteWriter(512)
  const opaque = (attributes.opaque ?? []).toSorted((a, b) => a.code - b.code)
  for (const codec of ATTRIBUTES) {
    while (opaque[0] !== undefined && opaque[0].code < codec.code)
      writeOpaque(writer, opaque.shift() as OpaqueAttribute)
    const value = fields[codec.field]
    if (value === undefined) continue
    const partial = attributes.partialCodes?.includes(codec.code) === true ? Flag.Partial : 0
    writeAttribute(writer, codec, partial, (inner) => codec.encode(inner, value, session))
  }
  for (const attribute of opaque) writeOpaque(writer, attribute)
  return writer.finish()
}

/** One attribute with its flags, code and length. */
export function writeAttribute(
  writer: ByteWriter,
  kind: Pick<AttributeCodec, 'flags' | 'code'>,
  extraFlags: number,
  body: (writer: ByteWriter) => void,
): void {
  const value = new ByteWriter()
  body(value)
  const octets = value.finish()
  writeRaw(writer, kind.flags | extraFlags, kind.code, octets)
}

const writeOpaque = (writer: ByteWriter, attribute: OpaqueAttribute): void =>
  writeRaw(writer, attribute.flags, attribute.code, attribute.value)

function writeRaw(writer: ByteWriter, flags: number, code: number, octets: Uint8Array): void {
  const extended = octets.length > 255
  writer.u8(extended ? flags | Flag.ExtendedLength : flags)
  writer.u8(code)
  if (extended) writer.u16(octets.length)
  else writer.u8(octets.length)
  writer.bytes(octets)
}

/** {@link PathAttributes} in the codecs' terms. */
function fieldsOf(attributes: PathAttributes, family: Family, session: WireSession): DecodedAttributes {
  const { nextHop, nextHopLinkLocal: _, opaque: __, partialCodes: ___, ...rest } = attributes
  const fields = rest as DecodedAttributes
  if (family === 4) fields.nextHop = nextHop
  if (session.fourOctetAs) return fields
  const plain = attributes.asPath.filter((segment) => !segment.type.startsWith('confed'))
  if (plain.some((segment) => segment.asns.some((asn) => asn > 0xffff))) fields.as4Path = plain
  if (attributes.aggregator !== undefined && attributes.aggregator.asn > 0xffff) {
    fields.as4Aggregator = attributes.aggregator
  }
  return fields
}
