import ipaddr from 'ipaddr.js'
import { AddressError } from './errors.ts'

/** IP version. */
export type Family = 4 | 6

/** Address length in bits: 32 or 128. */
export const addressBits = (family: Family): 32 | 128 => (family === 4 ? 32 : 128)

// Four decimal octets and nothing else: ipaddr.js also takes the classful and octal shorthands of inet_aton, which
// Kubernetes and the kernel's tools read differently from each other.
const IPV4 = /^(0|[1-9]\d{0,2})(\.(0|[1-9]\d{0,2})){3}$/

/** One IPv4 or IPv6 address. Immutable; `value` is the address as an unsigned integer. */
export class Address {
  readonly family: Family
  readonly value: bigint
  #text: string | undefined

  constructor(family: Family, value: bigint) {
    if (value < 0n || value >> BigInt(addressBits(family)) !== 0n) {
      throw new AddressError('NET_BAD_ADDRESS', value.toString(16), `does not fit an IPv${family} address`)
    }
    this.family = family
    this.value = value
  }

  /** @throws {AddressError} when `text` is not one plain address (no zone, no port, no leading zeros). */
  static parse(text: string): Address {
    const address = Address.tryParse(text)
    if (address === undefined) throw new AddressError('NET_BAD_ADDRESS', text, 'is not an IP address')
    return address
  }

  /** Like {@link Address.parse}, with undefined for a text that is no address. */
  static tryParse(text: string): Address | undefined {
    if (typeof text !== 'string' || text.length > 45) return undefined
    if (text.includes(':')) {
      if (text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined
      return Address.fromBytes(Uint8Array.from(ipaddr.IPv6.parse(text).toByteArray()))
    }
    if (!IPV4.test(text) || !ipaddr.IPv4.isValid(text)) return undefined
    return Address.fromBytes(Uint8Array.from(ipaddr.IPv4.parse(text).toByteArray()))
  }

  /** @param bytes 4 or 16 octets in network order; copied. @throws {AddressError} for any other length. */
  static fromBytes(bytes: Uint8Array): Address {
    if (bytes.length !== 4 && bytes.length !== 16) {
      throw new AddressError('NET_BAD_ADDRESS', `${bytes.length} octets`, 'are not an IP address')
    }
    let value = 0n
    for (const octet of bytes) value = (value << 8n) | BigInt(octet)
    return new Address(bytes.length === 4 ? 4 : 6, value)
  }

  /** The 4 or 16 octets in network order, freshly made. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(addressBits(this.family) / 8)
    let rest = this.value
    for (let index = bytes.length - 1; index >= 0; index--) {
      bytes[index] = Number(rest & 0xffn)
      rest >>= 8n
    }
    return bytes
  }

  /** The address `offset` after this one. @throws {AddressError} when that leaves the address space. */
  plus(offset: bigint | number): Address {
    return new Address(this.family, this.value + BigInt(offset))
  }

  equals(other: Address): boolean {
    return this.family === other.family && this.value === other.value
  }

  /** IPv4 before IPv6, then by value. */
  static compare(this: void, a: Address, b: Address): number {
    if (a.family !== b.family) return a.family - b.family
    return a.value < b.value ? -1 : a.value > b.value ? 1 : 0
  }

  get isLinkLocal(): boolean {
    return this.family === 4 ? this.value >> 16n === 0xa9fen : this.value >> 118n === 0x3fan
  }

  get isMulticast(): boolean {
    return this.family === 4 ? this.value >> 28n === 0xen : this.value >> 120n === 0xffn
  }

  get isLoopback(): boolean {
    return this.family === 4 ? this.value >> 24n === 127n : this.value === 1n
  }

  /** Canonical text: dotted decimal, or RFC 5952. */
  toString(): string {
    this.#text ??= this.family === 4 ? this.#dotted() : this.#rfc5952()
    return this.#text
  }

  toJSON(): string {
    return this.toString()
  }

  #dotted(): string {
    const value = Number(this.value)
    return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`
  }

  #rfc5952(): string {
    return new ipaddr.IPv6(Array.from(this.toBytes())).toRFC5952String()
  }
}
