import type { Family } from '@margay/net'
import type { NotificationFields } from '../../errors.ts'
import type { WireSession } from '../attribute-codec.ts'
import { encodeRouteAttributes } from '../attribute-encoder.ts'
import { receivesPathIds } from '../attributes/mp-reach-nlri.ts'
import { ByteReader } from '../byte-reader.ts'
import { HEADER_OCTETS } from '../header.ts'
import { decodeNlri, type NlriBlock, nlriLength, type OctetRange, writeNlri } from '../nlri.ts'
import type { PathAttributes } from '../path-attributes.ts'
import type { PrefixKey } from '../prefix-key.ts'
import { UpdatePacker } from '../update-packer.ts'

/** UPDATE as it stands on the wire (RFC 4271 §4.3). What its attributes mean is `resolveUpdate`'s to say. */
export interface UpdateMessage {
  readonly type: 'update'
  readonly withdrawn: NlriBlock
  /** The path attributes, unread. */
  readonly attributes: OctetRange
  readonly nlri: NlriBlock
}

const MALFORMED_LIST: NotificationFields = { code: 3, subcode: 1 }

/**
 * @param message whole, with its header
 * @throws {BgpMessageError} when the lengths contradict each other or NLRI can't be read (RFC 7606 §4, §5.3)
 */
export function decodeUpdate(message: Uint8Array, session: WireSession): UpdateMessage {
  const reader = new ByteReader(message, MALFORMED_LIST, HEADER_OCTETS)
  const addPath = receivesPathIds(session, 4)
  const withdrawn = decodeNlri(reader.range(reader.u16()), 4, addPath)
  const attributes = reader.range(reader.u16())
  return { type: 'update', withdrawn, attributes, nlri: decodeNlri(reader.range(reader.remaining), 4, addPath) }
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
  const packer = new UpdatePacker(maxOctets)
  packer.announce(route.family, encodeRouteAttributes(route.attributes, route.family, session))
  return addAll(packer, route.keys) ? packer.finish().messages() : undefined
}

/** UPDATEs that withdraw `keys`. */
export function encodeWithdrawals(family: Family, keys: readonly PrefixKey[], maxOctets: number): Uint8Array[] {
  const packer = new UpdatePacker(maxOctets)
  packer.withdraw(family)
  addAll(packer, keys)
  return packer.finish().messages()
}

/** The End-of-RIB marker of a family (RFC 4724 §2). */
export function encodeEndOfRib(family: Family): Uint8Array {
  const packer = new UpdatePacker(4096)
  packer.withdraw(family)
  packer.endOfRib()
  return packer.finish().octets
}

function addAll(packer: UpdatePacker, keys: readonly PrefixKey[]): boolean {
  for (const key of keys) {
    const at = packer.reserve(nlriLength(key))
    if (at === undefined) return false
    writeNlri(packer.bytes, at, key)
  }
  return true
}
