import type { Family } from '@margay/net'
import { BgpMessageError, type Severity } from '../errors.ts'
import type { ByteReader } from './byte-reader.ts'
import type { ByteWriter } from './byte-writer.ts'
import type { DecodedAttributes } from './path-attributes.ts'

/** Facts of the session that decide how octets are read (style: never from a global). */
export interface WireSession {
  /** Both ends announced four-octet AS numbers (RFC 6793). */
  readonly fourOctetAs: boolean
  /** iBGP. */
  readonly internal: boolean
  /** Families whose prefixes carry path identifiers (RFC 7911 §4), by direction. */
  readonly addPath?: { readonly send: readonly Family[]; readonly receive: readonly Family[] }
  /** IPv4 prefixes may have an IPv6 next hop (RFC 8950). */
  readonly extendedNextHop?: boolean
}

/** Attribute flag bits (RFC 4271 §4.3). */
export const Flag = { Optional: 0x80, Transitive: 0x40, Partial: 0x20, ExtendedLength: 0x10 } as const

/** One path attribute: how it looks and how far the damage of a broken one reaches. */
export interface AttributeCodec<K extends keyof DecodedAttributes = keyof DecodedAttributes> {
  readonly code: number
  readonly name: string
  readonly field: K
  /** Expected Optional and Transitive bits. */
  readonly flags: number
  /** RFC 7606 §7 approach for a malformed one. */
  readonly onMalformed: Severity
  /** Taken out unread when it comes from an external peer (RFC 7606 §7.5, §7.9, §7.10). */
  readonly internalOnly?: boolean
  /** Ignored between two speakers with four-octet AS numbers (RFC 6793 §4.1). */
  readonly twoOctetOnly?: boolean
  /** `reader` holds exactly the attribute's value; octets left over make it malformed. */
  decode(reader: ByteReader, session: WireSession): NonNullable<DecodedAttributes[K]>
  encode(writer: ByteWriter, value: NonNullable<DecodedAttributes[K]>, session: WireSession): void
}

/** Checks a codec's types against the field it fills. */
export const defineAttribute = <K extends keyof DecodedAttributes>(codec: AttributeCodec<K>): AttributeCodec<K> => codec

/** The error of a value that its codec refuses; its severity is set by the attribute list that holds it. */
export const badAttribute = (message: string, subcode = 5): BgpMessageError =>
  new BgpMessageError(message, { code: 3, subcode })

/** @throws {BgpMessageError} when the value is empty or no whole number of `size`-octet items */
export function itemCount(reader: ByteReader, size: number): number {
  const count = reader.remaining / size
  if (count === 0 || !Number.isInteger(count)) throw badAttribute(`length ${reader.remaining} is not n × ${size}`)
  return count
}

/** An array of exactly `count` items: one that grows by `push` would keep room for more, in every route. */
export function readItems<T>(count: number, read: () => T): T[] {
  // oxlint-disable-next-line unicorn/no-new-array -- the length is what matters
  const items = new Array<T>(count)
  for (let index = 0; index < count; index++) items[index] = read()
  return items
}
