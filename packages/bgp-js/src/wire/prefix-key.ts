import { Address, type Family, Prefix } from '@margay/net'
import { ipv4Text } from './ip-text.ts'

/**
 * A prefix as a value that a Map compares by content: every table here is keyed by it. IPv4: address × 64 + length, a
 * safe integer. IPv6: a string of nine UTF-16 units, eight groups and the length. Host bits are zero.
 */
export type PrefixKey = number | string

export const familyOfKey = (key: PrefixKey): Family => (typeof key === 'number' ? 4 : 6)

/** Key of an IPv4 prefix; host bits of `address` are cleared. */
export function ipv4Key(address: number, length: number): PrefixKey {
  const masked = length === 0 ? 0 : (address & (-1 << (32 - length))) >>> 0
  return masked * 64 + length
}

/** Key of an IPv6 prefix from the first ⌈length/8⌉ octets of its address; host bits are cleared. */
export function ipv6Key(octets: Uint8Array, length: number): PrefixKey {
  const units: number[] = [0, 0, 0, 0, 0, 0, 0, 0, length]
  const whole = (length + 7) >>> 3
  for (let index = 0; index < whole; index++) {
    const octet = octets[index] as number
    units[index >>> 1] = (units[index >>> 1] as number) | (index & 1 ? octet : octet << 8)
  }
  if (length < 128) {
    const group = length >>> 4
    units[group] = (units[group] as number) & (0xffff0000 >>> (length & 15)) & 0xffff
  }
  return String.fromCharCode(...units)
}

export function keyOfPrefix(prefix: Prefix): PrefixKey {
  if (prefix.family === 4) return ipv4Key(Number(prefix.address.value), prefix.length)
  return ipv6Key(prefix.address.toBytes(), prefix.length)
}

export function prefixOfKey(key: PrefixKey): Prefix {
  if (typeof key === 'number') return new Prefix(new Address(4, BigInt(Math.floor(key / 64))), key % 64)
  return new Prefix(Address.fromBytes(ipv6Octets(key)), key.charCodeAt(8))
}

/** `10.0.0.0/24`, `2001:db8::/32`. */
export function prefixText(key: PrefixKey): string {
  if (typeof key === 'number') return `${ipv4Text(Math.floor(key / 64))}/${key % 64}`
  return prefixOfKey(key).toString()
}

/** The 16 octets of an IPv6 key's address. */
export function ipv6Octets(key: string): Uint8Array {
  const octets = new Uint8Array(16)
  for (let group = 0; group < 8; group++) {
    const unit = key.charCodeAt(group)
    octets[group * 2] = unit >>> 8
    octets[group * 2 + 1] = unit & 255
  }
  return octets
}
