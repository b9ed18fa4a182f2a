import { hexOf, read16 } from './octets.ts'
import type { TwinSession } from './twin-session.ts'

/** A prefix as text that is equal for equal prefixes: family, address in hexadecimal, length, path identifier. */
export interface TwinNlri {
  readonly afi: number
  readonly key: string
}

/** @returns undefined where prefixes can't be told apart any more (RFC 7606 §5.3) */
export function readPrefixes(octets: Uint8Array, afi: number, session: TwinSession): TwinNlri[] | undefined {
  const bits = afi === 1 ? 32 : 128
  const found: TwinNlri[] = []
  for (let at = 0; at < octets.length; ) {
    let path = '00000000'
    if (session.addPath.includes(afi)) {
      path = hexOf(octets.subarray(at, at + 4))
      at += 4
    }
    const length = octets[at]
    if (length === undefined || length > bits) return undefined
    const size = Math.ceil(length / 8)
    if (at + 1 + size > octets.length) return undefined
    found.push({ afi, key: prefixKey(afi, octets.subarray(at + 1, at + 1 + size), length, path) })
    at += 1 + size
  }
  return found
}

/** Host bits do not count. */
export function prefixKey(afi: number, address: ArrayLike<number>, length: number, path: string): string {
  const whole = Array.from({ length: afi === 1 ? 4 : 16 }, (_, index) => {
    const kept = Math.min(8, Math.max(0, length - index * 8))
    return (address[index] ?? 0) & (0xff00 >> kept) & 0xff
  })
  return `${hexOf(whole)}/${length} ${path}`
}

type Reach =
  | { readonly reset: string }
  | { readonly prefixes: readonly TwinNlri[]; readonly nextHop: string | undefined }

/** MP_REACH_NLRI and MP_UNREACH_NLRI (RFC 4760 §3, §4, RFC 2545 §3, RFC 8950 §3). */
export function readReach(value: Uint8Array, announces: boolean, session: TwinSession): Reach {
  if (value.length < 3) return { reset: '3/5' }
  const afi = read16(value, 0)
  const isCarried = (afi === 1 || afi === 2) && value[2] === 1
  let [at, nextHop] = [3, undefined as string | undefined]
  if (announces) {
    const size = value[3] ?? 255
    if (4 + size + 1 > value.length) return { reset: '3/5' }
    const hop = value.subarray(4, 4 + size)
    if (isCarried && !hopLengths(afi, session).includes(size)) return { reset: '3/9' }
    nextHop = hexOf(hop.subarray(0, size === 4 ? 4 : 16))
    if (size === 32 && /^0*$/.test(nextHop)) nextHop = hexOf(hop.subarray(16))
    at = 5 + size
  }
  if (!isCarried) return { prefixes: [], nextHop: undefined }
  const prefixes = readPrefixes(value.subarray(at), afi, session)
  return prefixes === undefined ? { reset: '3/10' } : { prefixes, nextHop }
}

function hopLengths(afi: number, session: TwinSession): readonly number[] {
  if (afi === 2) return [16, 32]
  return session.extendedNextHop ? [4, 16, 32] : [4]
}
