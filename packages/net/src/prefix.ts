import { Address, addressBits, type Family } from './address.ts'
import { AddressError } from './errors.ts'

/** A CIDR block with its host bits zero. Immutable. */
export class Prefix {
  readonly family: Family
  /** The network address. */
  readonly address: Address
  /** Prefix length in bits. */
  readonly length: number

  /** Host bits of `address` are cleared. @throws {AddressError} when `length` does not fit the family. */
  constructor(address: Address, length: number) {
    const bits = addressBits(address.family)
    if (!Number.isInteger(length) || length < 0 || length > bits) {
      throw new AddressError('NET_BAD_PREFIX', `${address}/${length}`, `is not a prefix: length must be 0 to ${bits}`)
    }
    const hostBits = BigInt(bits - length)
    const network = (address.value >> hostBits) << hostBits
    this.family = address.family
    this.address = network === address.value ? address : new Address(address.family, network)
    this.length = length
  }

  /**
   * Reads `address/length`.
   * @param options.strict refuse a text whose host bits are not zero (default false: they are cleared)
   * @throws {AddressError}
   */
  static parse(text: string, options: { strict?: boolean } = {}): Prefix {
    const [addressText, lengthText, ...rest] = text.split('/')
    const address = addressText === undefined ? undefined : Address.tryParse(addressText)
    if (
      address === undefined ||
      lengthText === undefined ||
      rest.length > 0 ||
      !/^(0|[1-9]\d{0,2})$/.test(lengthText)
    ) {
      throw new AddressError('NET_BAD_PREFIX', text, 'is not a CIDR block such as 10.0.0.0/8')
    }
    const prefix = new Prefix(address, Number(lengthText))
    if (options.strict === true && !prefix.address.equals(address)) {
      throw new AddressError('NET_BAD_PREFIX', text, `has host bits set: did you mean ${prefix}?`)
    }
    return prefix
  }

  /** Like {@link Prefix.parse}, with undefined for a text that is no prefix. */
  static tryParse(text: string, options: { strict?: boolean } = {}): Prefix | undefined {
    try {
      return Prefix.parse(text, options)
    } catch (error) {
      if (error instanceof AddressError) return undefined
      throw error
    }
  }

  /** The /32 or /128 of one address. */
  static host(address: Address): Prefix {
    return new Prefix(address, addressBits(address.family))
  }

  /** Number of addresses. */
  get size(): bigint {
    return 1n << BigInt(addressBits(this.family) - this.length)
  }

  get last(): Address {
    return this.address.plus(this.size - 1n)
  }

  get isHost(): boolean {
    return this.length === addressBits(this.family)
  }

  /** Whether every address of `other` lies in this prefix. */
  contains(other: Address | Prefix): boolean {
    if (other.family !== this.family) return false
    const address = other instanceof Prefix ? other.address : other
    if (other instanceof Prefix && other.length < this.length) return false
    const hostBits = BigInt(addressBits(this.family) - this.length)
    return address.value >> hostBits === this.address.value >> hostBits
  }

  overlaps(other: Prefix): boolean {
    return this.contains(other) || other.contains(this)
  }

  equals(other: Prefix): boolean {
    return this.length === other.length && this.address.equals(other.address)
  }

  /** The two halves. @throws {AddressError} for a host prefix. */
  halves(): [Prefix, Prefix] {
    const low = new Prefix(this.address, this.length + 1)
    return [low, new Prefix(this.address.plus(low.size), this.length + 1)]
  }

  /** IPv4 before IPv6, then by network address, then shorter first. */
  static compare(this: void, a: Prefix, b: Prefix): number {
    return Address.compare(a.address, b.address) || a.length - b.length
  }

  toString(): string {
    return `${this.address}/${this.length}`
  }

  toJSON(): string {
    return this.toString()
  }
}
