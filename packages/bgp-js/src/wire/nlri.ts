import type { Family } from '@margay/net'
import { BgpMessageError } from '../errors.ts'
import type { ByteReader } from './byte-reader.ts'
import { ipv4Key, ipv6Key, ipv6Octets, type PrefixKey } from './prefix-key.ts'

/**
 * Reads prefixes to the end of `reader` (RFC 4271 §4.3, RFC 4760 §5). Host bits are ignored, as the RFC says.
 * @throws {BgpMessageError} 3/10: without the lengths nothing behind can be located (RFC 7606 §5.3)
 */
export function decodeNlri(reader: ByteReader, family: Family): PrefixKey[] {
  const keys: PrefixKey[] = []
  const bits = family === 4 ? 32 : 128
  while (reader.remaining > 0) {
    const length = reader.u8()
    if (length > bits) throw invalidNetwork(`prefix length ${length} in IPv${family} NLRI`)
    const octetCount = (length + 7) >>> 3
    if (octetCount > reader.remaining) throw invalidNetwork('NLRI cut short')
    keys.push(family === 4 ? ipv4Key(readIpv4(reader, octetCount), length) : ipv6Key(reader.view(octetCount), length))
  }
  return keys
}

/** Octets that a prefix takes in NLRI. */
export function nlriLength(key: PrefixKey): number {
  const length = typeof key === 'number' ? key % 64 : key.charCodeAt(8)
  return 1 + ((length + 7) >>> 3)
}

/** Writes one prefix at `at`. @returns the position behind it */
export function writeNlri(bytes: Uint8Array, at: number, key: PrefixKey): number {
  if (typeof key === 'number') return writeIpv4(bytes, at, key)
  const length = key.charCodeAt(8)
  const octetCount = (length + 7) >>> 3
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

function readIpv4(reader: ByteReader, octetCount: number): number {
  let address = 0
  for (let index = 0; index < octetCount; index++) address |= reader.u8() << (24 - 8 * index)
  return address
}

const invalidNetwork = (message: string): BgpMessageError => new BgpMessageError(message, { code: 3, subcode: 10 })
