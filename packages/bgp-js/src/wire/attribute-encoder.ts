import type { Family } from '@margay/net'
import { type AttributeCodec, Flag, type WireSession } from './attribute-codec.ts'
import { ATTRIBUTES } from './attributes/registry.ts'
import { ByteWriter } from './byte-writer.ts'
import { addressOctets } from './ip-text.ts'
import type { AsPathSegment, DecodedAttributes, OpaqueAttribute, PathAttributes } from './path-attributes.ts'

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

/** Path attributes on their way out: what is undefined is left out. */
export type OutgoingAttributes = { readonly [K in keyof PathAttributes]: PathAttributes[K] | undefined } & {
  readonly asPath: PathAttributes['asPath']
  readonly nextHop: string
}

/**
 * In ascending order of code (RFC 4271 §5). NEXT_HOP is in the block for IPv4 with an IPv4 next hop alone. A session
 * with two-octet AS numbers gets AS4_PATH and AS4_AGGREGATOR where they say more.
 */
export function encodeRouteAttributes(
  attributes: OutgoingAttributes,
  family: Family,
  session: WireSession,
): EncodedAttributes {
  const { nextHop, nextHopLinkLocal } = attributes
  const inBlock = family === 4 && !nextHop.includes(':')
  const block = encodeBlock(attributes, inBlock, session)
  if (inBlock) return { block, mpNextHop: undefined }
  const linkLocal = nextHopLinkLocal === undefined ? '' : octetText(addressOctets(nextHopLinkLocal))
  return { block, mpNextHop: octetText(addressOctets(nextHop)) + linkLocal }
}

/** Holds one block at a time. */
const SCRATCH = new ByteWriter(1024)

function encodeBlock(attributes: OutgoingAttributes, withNextHop: boolean, session: WireSession): string {
  const writer = SCRATCH
  writer.clear()
  const opaque = attributes.opaque?.toSorted((a, b) => a.code - b.code) ?? []
  let next = 0
  for (const codec of ATTRIBUTES) {
    for (; (opaque[next]?.code ?? 256) < codec.code; next++) writeOpaque(writer, opaque[next] as OpaqueAttribute)
    const value = fieldOf(attributes, codec, withNextHop, session)
    if (value === undefined) continue
    const partial = attributes.partialCodes?.includes(codec.code) === true ? Flag.Partial : 0
    const flagsAt = writeHead(writer, codec, partial)
    codec.encode(writer, value, session)
    writer.endAttribute(flagsAt)
  }
  for (; next < opaque.length; next++) writeOpaque(writer, opaque[next] as OpaqueAttribute)
  return writer.text()
}

/** Flags, code, and an octet for the length. @returns where the flags stand */
function writeHead(writer: ByteWriter, kind: Pick<AttributeCodec, 'flags' | 'code'>, extraFlags: number): number {
  const flagsAt = writer.length
  writer.u8(kind.flags | extraFlags)
  writer.u8(kind.code)
  writer.u8(0)
  return flagsAt
}

function writeOpaque(writer: ByteWriter, attribute: OpaqueAttribute): void {
  const flagsAt = writeHead(writer, attribute, 0)
  writer.bytes(attribute.value)
  writer.endAttribute(flagsAt)
}

type FieldValue = NonNullable<DecodedAttributes[keyof DecodedAttributes]>

/** What a codec has to write of a route. */
function fieldOf(
  attributes: OutgoingAttributes,
  { field }: AttributeCodec,
  withNextHop: boolean,
  session: WireSession,
): FieldValue | undefined {
  switch (field) {
    case 'nextHop':
      return withNextHop ? attributes.nextHop : undefined
    case 'as4Path':
      return session.fourOctetAs ? undefined : as4PathOf(attributes)
    case 'as4Aggregator':
      return session.fourOctetAs || (attributes.aggregator?.asn ?? 0) <= 0xffff ? undefined : attributes.aggregator
    case 'mpReach':
    case 'mpUnreach':
      return undefined
    default:
      // AS_PATH and the others are in their final form already.
      return attributes[field] as FieldValue | undefined
  }
}

/** RFC 6793 §4.2.2: where a number does not fit two octets, and without confederation segments. */
function as4PathOf({ asPath }: OutgoingAttributes): AsPathSegment[] | undefined {
  const plain = asPath.filter((segment) => !segment.type.startsWith('confed'))
  return plain.some((segment) => segment.asns.some((asn) => asn > 0xffff)) ? plain : undefined
}
