import { Address } from '@margay/net'

/** Dotted decimal of an unsigned 32-bit value. */
export const ipv4Text = (value: number): string =>
  `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`

/** The unsigned 32-bit value of a dotted decimal that is known to be good: no check is made. */
export function ipv4Value(text: string): number {
  let value = 0
  let part = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    if (code === DOT) {
      value = value * 256 + part
      part = 0
    } else {
      part = part * 10 + code - DIGIT_0
    }
  }
  return value * 256 + part
}

const DOT = 46
const DIGIT_0 = 48

/** Text of the 4 or 16 octets of an address. */
export function addressText(octets: Uint8Array): string {
  if (octets.length === 4) return `${octets[0]}.${octets[1]}.${octets[2]}.${octets[3]}`
  return Address.fromBytes(octets).toString()
}

/** The octets of an address text that is known to be good. @throws {AddressError} */
export const addressOctets = (text: string): Uint8Array => Address.parse(text).toBytes()
