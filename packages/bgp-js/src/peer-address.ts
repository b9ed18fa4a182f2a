import { Address, Prefix } from '@margay/net'

/** Interface names of Linux: 1 to 15 octets without slash, space or percent sign. */
const INTERFACE = /^[^\s/%:]{1,15}$/

export const isInterfaceName = (text: string): boolean => INTERFACE.test(text) && text !== '.' && text !== '..'

/** The address of a peer and the zone of a link-local one (RFC 4007 §11). */
export interface ZonedAddress {
  readonly address: Address
  readonly zone: string | undefined
}

/** @returns undefined for a text that is no address, or has a zone that means nothing */
export function parseZoned(text: string): ZonedAddress | undefined {
  const at = text.indexOf('%')
  const zone = at === -1 ? undefined : text.slice(at + 1)
  const address = Address.tryParse(at === -1 ? text : text.slice(0, at))
  if (address === undefined) return undefined
  if (zone !== undefined && !(isInterfaceName(zone) && address.family === 6 && address.isLinkLocal)) return undefined
  return { address, zone }
}

/** Canonical text with its zone; undefined for what is no address. Sockets and configurations meet in it. */
export function canonicalAddress(text: string): string | undefined {
  const parsed = parseZoned(text)
  if (parsed === undefined) return undefined
  return parsed.zone === undefined ? parsed.address.toString() : `${parsed.address}%${parsed.zone}`
}

/** Whether `text` is an address within `prefix`; none with a zone is. */
export function isWithin(text: string, prefix: Prefix): boolean {
  const parsed = parseZoned(text)
  return parsed !== undefined && parsed.zone === undefined && prefix.contains(parsed.address)
}
