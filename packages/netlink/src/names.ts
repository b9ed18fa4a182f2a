import { NetlinkError } from './errors.ts'

const encoder = new TextEncoder()

/**
 * A legal interface name: the kernel's dev_valid_name(), and no `%`, which the kernel takes for a pattern.
 * @throws {NetlinkError} NETLINK_BAD_INPUT
 */
export function checkInterfaceName(name: string, field = 'name'): string {
  const octets = typeof name === 'string' ? encoder.encode(name).length : 0
  if (octets === 0 || octets > 15) throw NetlinkError.badInput(field, name, 'must have 1 to 15 octets')
  if (name === '.' || name === '..' || /[\s/:%\0]/.test(name)) {
    throw NetlinkError.badInput(field, name, 'is not an interface name')
  }
  return name
}

/** @throws {NetlinkError} NETLINK_BAD_INPUT unless `value` is an integer from `low` to `high`. */
export function checkInteger(field: string, value: number, low: number, high: number): number {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw NetlinkError.badInput(field, value, `must be an integer from ${low} to ${high}`)
  }
  return value
}

export const checkIndex = (value: number, field = 'index'): number => checkInteger(field, value, 1, 0x7fffffff)

/** Six octets of `aa:bb:cc:dd:ee:ff`. @throws {NetlinkError} NETLINK_BAD_INPUT */
export function parseMac(text: string, field = 'mac'): Uint8Array {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) {
    throw NetlinkError.badInput(field, text, 'is not a MAC address such as 02:00:00:00:00:01')
  }
  return Uint8Array.from(text.split(':'), (octet) => Number.parseInt(octet, 16))
}

/** Octets as `aa:bb:…`, any length (an IPoIB link has 20). */
export const formatMac = (bytes: Uint8Array): string =>
  Array.from(bytes, (octet) => octet.toString(16).padStart(2, '0')).join(':')
