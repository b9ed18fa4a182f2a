import type { Address } from '@margay/net'
import { Sock } from './libc.ts'

export const LITTLE_ENDIAN = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

/** struct sockaddr_in or sockaddr_in6. @param scopeId index of the interface, for a link-local address */
export function socketAddress(address: Address, port: number, scopeId = 0): Uint8Array {
  const isIpv4 = address.family === 4
  const bytes = new Uint8Array(isIpv4 ? 16 : 28)
  const view = new DataView(bytes.buffer)
  view.setUint16(0, isIpv4 ? Sock.AF_INET : Sock.AF_INET6, LITTLE_ENDIAN)
  view.setUint16(2, port)
  bytes.set(address.toBytes(), isIpv4 ? 4 : 8)
  if (!isIpv4) view.setUint32(24, scopeId, LITTLE_ENDIAN)
  return bytes
}
