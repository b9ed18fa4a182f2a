import type { Family } from '@margay/net'
import type { NotificationFields } from '../../errors.ts'
import type { WireSession } from '../attribute-codec.ts'
import { encodeAttributes, writeAttribute } from '../attribute-encoder.ts'
import { type AttributeList, decodeAttributeList } from '../attribute-list.ts'
import { mpReachNlri, mpUnreachNlri } from '../attributes/mp-reach-nlri.ts'
import { ByteReader } from '../byte-reader.ts'
import { ByteWriter } from '../byte-writer.ts'
import { HEADER_OCTETS, MessageType, withHeader } from '../header.ts'
import { decodeNlri, nlriLength, writeNlri } from '../nlri.ts'
import type { NextHop, PathAttributes } from '../path-attributes.ts'
import type { PrefixKey } from '../prefix-key.ts'

/** UPDATE as it stands on the wire (RFC 4271 §4.3). What it means is `resolveUpdate`'s to say. */
export interface UpdateMessage {
  readonly type: 'update'
  readonly withdrawn: readonly PrefixKey[]
  readonly list: AttributeList
  readonly nlri: readonly PrefixKey[]
}

const MALFORMED_LIST: NotificationFields = { code: 3, subcode: 1 }
const LENGTH_FIELDS = 4

/** @throws {BgpMessageError} when the lengths contradict each other or NLRI can't be read (RFC 7606 §4, §5.3) */
export function decodeUpdate(body: Uint8Array, session: WireSession): UpdateMessage {
  const reader = new ByteReader(body, MALFORMED_LIST)
  const withdrawn = decodeNlri(reader.sub(reader.u16()), 4)
  const list = decodeAttributeList(reader.sub(reader.u16()), session)
  return { type: 'update', withdrawn, list, nlri: decodeNlri(reader, 4) }
}

/**
 * UPDATEs that announce `keys`, as many in each as `maxOctets` has room for.
 * @returns undefined when the attributes alone leave no room for a prefix
 */
export function encodeAnnouncements(
  route: { family: Family; attributes: PathAttributes; keys: readonly PrefixKey[] },
  session: WireSession,
  maxOctets: number,
): Uint8Array[] | undefined {
  const { family, attributes, keys } = route
  const block = encodeAttributes(attributes, family, session)
  if (family === 4) {
    const room = maxOctets - HEADER_OCTETS - LENGTH_FIELDS - block.length
    return chunk(keys, room)?.map((part) => updateOctets([], [block], part))
  }
  const nextHop: NextHop =
    attributes.nextHopLinkLocal === undefined
      ? { address: attributes.nextHop }
      : { address: attributes.nextHop, linkLocal: attributes.nextHopLinkLocal }
  const overhead = 4 + 5 + (nextHop.linkLocal === undefined ? 16 : 32)
  const room = maxOctets - HEADER_OCTETS - LENGTH_FIELDS - block.length - overhead
  return chunk(keys, room)?.map((part) => {
    // RFC 7606 §5.1: MP_REACH_NLRI comes first.
    const writer = new ByteWriter(part.length * 17 + 64)
    writeAttribute(writer, mpReachNlri, 0, (inner) =>
      mpReachNlri.encode(inner, { family, nextHop, keys: part }, session),
    )
    return updateOctets([], [writer.finish(), block], [])
  })
}

/** UPDATEs that withdraw `keys`. */
export function encodeWithdrawals(family: Family, keys: readonly PrefixKey[], maxOctets: number): Uint8Array[] {
  const room = maxOctets - HEADER_OCTETS - LENGTH_FIELDS - (family === 4 ? 0 : 7)
  return (chunk(keys, room) ?? []).map((part) =>
    family === 4 ? updateOctets(part, [], []) : updateOctets([], [unreachOctets(family, part)], []),
  )
}

/** The End-of-RIB marker of a family (RFC 4724 §2). */
export function encodeEndOfRib(family: Family): Uint8Array {
  return family === 4 ? updateOctets([], [], []) : updateOctets([], [unreachOctets(family, [])], [])
}

function unreachOctets(family: Family, keys: readonly PrefixKey[]): Uint8Array {
  const writer = new ByteWriter()
  const session: WireSession = { fourOctetAs: true, internal: true }
  writeAttribute(writer, mpUnreachNlri, 0, (inner) => mpUnreachNlri.encode(inner, { family, keys }, session))
  return writer.finish()
}

/** Splits `keys` into runs of at most `room` NLRI octets; undefined when there is no room for the longest prefix. */
function chunk(keys: readonly PrefixKey[], room: number): PrefixKey[][] | undefined {
  const chunks: PrefixKey[][] = []
  let current: PrefixKey[] = []
  let used = 0
  for (const key of keys) {
    const length = nlriLength(key)
    if (length > room) return undefined
    if (used + length > room) {
      chunks.push(current)
      current = []
      used = 0
    }
    current.push(key)
    used += length
  }
  if (current.length > 0) chunks.push(current)
  return chunks
}

function updateOctets(
  withdrawn: readonly PrefixKey[],
  attributes: readonly Uint8Array[],
  nlri: readonly PrefixKey[],
): Uint8Array {
  const octets = (keys: readonly PrefixKey[]): number => keys.reduce<number>((sum, key) => sum + nlriLength(key), 0)
  const withdrawnLength = octets(withdrawn)
  const attributeLength = attributes.reduce((sum, block) => sum + block.length, 0)
  const body = new Uint8Array(LENGTH_FIELDS + withdrawnLength + attributeLength + octets(nlri))
  body[0] = withdrawnLength >>> 8
  body[1] = withdrawnLength
  let at = 2
  for (const key of withdrawn) at = writeNlri(body, at, key)
  body[at++] = attributeLength >>> 8
  body[at++] = attributeLength
  for (const block of attributes) {
    body.set(block, at)
    at += block.length
  }
  for (const key of nlri) at = writeNlri(body, at, key)
  return withHeader(MessageType.Update, body)
}
