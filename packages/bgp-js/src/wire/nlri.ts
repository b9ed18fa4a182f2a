import type { Family } from '@margay/net'
import { BgpMessageError } from '../errors.ts'
import { ipv4Key, ipv6Key, ipv6Octets, type PrefixKey } from './prefix-key.ts'

/** A prefix with its path identifier (RFC 7911 §3); 0 on sessions without ADD-PATH. */
export interface NlriEntry {
  readonly key: PrefixKey
  readonly pathId: number
}

/** A part of a message. */
export interface OctetRange {
  readonly octets: Uint8Array
  readonly start: number
  readonly end: number
}

const PATH_ID_OCTETS = 4

/**
 * Prefixes of one family as they stand in a message: checked, and a view into it. Tables read the octets themselves;
 * `keys` and `entries` are for everybody who is in no hurry.
 */
export class NlriBlock {
  readonly family: Family
  /** The whole message; the prefixes stand from `start` to `end`. */
  readonly octets: Uint8Array
  readonly start: number
  readonly end: number
  /** Each prefix has a path identifier of four octets in front (RFC 7911 §3). */
  readonly addPath: boolean
  readonly count: number

  constructor(family: Family, place: OctetRange, addPath: boolean, count: number) {
    this.family = family
    this.octets = place.octets
    this.start = place.start
    this.end = place.end
    this.addPath = addPath
    this.count = count
  }

  /** A block that owns its octets. */
  static of(family: Family, keys: readonly PrefixKey[]): NlriBlock {
    const octets = new Uint8Array(keys.reduce<number>((sum, key) => sum + nlriLength(key), 0))
    let at = 0
    for (const key of keys) at = writeNlri(octets, at, key)
    return new NlriBlock(family, { octets, start: 0, end: at }, false, keys.length)
  }

  get keys(): PrefixKey[] {
    return this.entries.map((entry) => entry.key)
  }

  get entries(): NlriEntry[] {
    const entries: NlriEntry[] = []
    const { octets } = this
    for (let at = this.start; at < this.end; at += 1 + addressOctetCount(octets[at] as number)) {
      const pathId = this.addPath ? readPathId(octets, at) : 0
      if (this.addPath) at += PATH_ID_OCTETS
      entries.push({ key: keyAt(this.family, octets, at), pathId })
    }
    return entries
  }
}

/**
 * Checks the prefixes of a range (RFC 4271 §4.3, RFC 4760 §5). Host bits are ignored, as the RFC says.
 * @throws {BgpMessageError} 3/10: without the lengths nothing behind can be located (RFC 7606 §5.3)
 */
export function decodeNlri(place: OctetRange, family: Family, addPath = false): NlriBlock {
  const { octets, end } = place
  const bits = family === 4 ? 32 : 128
  let count = 0
  let at = place.start
  while (at < end) {
    if (addPath) at += PATH_ID_OCTETS
    if (at >= end) throw invalidNetwork('NLRI cut short in a path identifier')
    const length = octets[at] as number
    if (length > bits) throw invalidNetwork(`prefix length ${length} in IPv${family} NLRI`)
    at += 1 + addressOctetCount(length)
    count++
  }
  if (at > end) throw invalidNetwork('NLRI cut short')
  return new NlriBlock(family, place, addPath, count)
}

/** Octets of an address that a prefix of `length` bits shows in NLRI. */
export const addressOctetCount = (length: number): number => (length + 7) >>> 3

/** The four octets at `at` as an unsigned number. */
export const readPathId = (octets: Uint8Array, at: number): number =>
  (((octets[at] as number) << 24) |
    ((octets[at + 1] as number) << 16) |
    ((octets[at + 2] as number) << 8) |
    (octets[at + 3] as number)) >>>
  0

/** Octets that a prefix takes in NLRI. */
export function nlriLength(key: PrefixKey): number {
  const length = typeof key === 'number' ? key % 64 : key.charCodeAt(8)
  return 1 + addressOctetCount(length)
}

/** Writes one prefix at `at`. @returns the position behind it */
export function writeNlri(bytes: Uint8Array, at: number, key: PrefixKey): number {
  if (typeof key === 'number') return writeIpv4(bytes, at, key)
  const length = key.charCodeAt(8)
  const octetCount = addressOctetCount(length)
  bytes[at] = length
  bytes.set(ipv6Octets(key).subarray(0, octetCount), at + 1)
  return at + 1 + octetCount
}

function writeIpv4(bytes: Uint8Array, at: number, key: number): number {
  const length = key % 64
  const address = Math.floor(key / 64)
  bytes[at++] = length
  if (length > 0) bytes[at++] = address >>> 24
  if (length > 8) bytes[at++] = address >>> 16
  if (length > 16) bytes[at++] = address >>> 8
  if (length > 24) bytes[at++] = address
  return at
}

function keyAt(family: Family, octets: Uint8Array, at: number): PrefixKey {
  const length = octets[at] as number
  const octetCount = addressOctetCount(length)
  if (family === 6) return ipv6Key(octets.subarray(at + 1, at + 1 + octetCount), length)
  let address = 0
  for (let index = 0; index < octetCount; index++) address |= (octets[at + 1 + index] as number) << (24 - 8 * index)
  return ipv4Key(address, length)
}

const invalidNetwork = (message: string): BgpMessageError => new BgpMessageError(message, { code: 3, subcode: 10 })
