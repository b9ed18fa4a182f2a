import { read16, read32 } from './octets.ts'

/** What a session agreed on, as far as it decides how octets are read. */
export interface TwinSession {
  readonly fourOctet: boolean
  readonly internal: boolean
  /** AFIs that both ends carry. */
  readonly families: readonly number[]
  /** AFIs whose prefixes come with path identifiers. */
  readonly addPath: readonly number[]
  readonly extendedNextHop: boolean
  /** Beginnings and ends of refreshes are marked (RFC 7313). */
  readonly marksRefresh: boolean
  readonly maxOctets: number
  readonly peerAsn: number
  readonly own: TwinOwnEnd
}

/** The speaker that is talked to; addresses in hexadecimal. */
export interface TwinOwnEnd {
  readonly asn: number
  readonly address: string
  readonly routerId: string
  /** `any` takes every AS but its own. */
  readonly peerAsn: 'any' | number
  readonly receivesPaths: boolean
  readonly extendedNextHop: boolean
}

type Opened = { readonly session: TwinSession } | { readonly refused: readonly string[] }

const refuse = (...codes: string[]): Opened => ({ refused: codes })

/** What OPEN leads to (RFC 4271 §4.2, §6.2, RFC 5492, RFC 9072): a session, or one of some NOTIFICATIONs. */
export function openSession(body: Uint8Array, own: TwinOwnEnd): Opened {
  if (body[0] !== 4) return refuse('2/1')
  const capabilities = readParameters(body)
  if (typeof capabilities === 'string') return refuse(capabilities)
  const shortAsn = read16(body, 1)
  const longAsn = capabilities.find(([code, value]) => code === 65 && value.length === 4)
  const peerAsn = longAsn === undefined ? shortAsn : read32(longAsn[1], 0)
  const problems: string[] = []
  const hold = read16(body, 3)
  if (hold === 1 || hold === 2) problems.push('2/6')
  const sameAsn = shortAsn === peerAsn || (shortAsn === 23_456 && peerAsn > 65_535)
  const wanted = own.peerAsn === 'any' ? peerAsn !== own.asn : peerAsn === own.peerAsn
  if (!sameAsn || peerAsn === 0 || !wanted) problems.push('2/2')
  const identifier = read32(body, 5)
  const internal = peerAsn === own.asn
  if (identifier === 0 || (internal && identifier === Number.parseInt(own.routerId, 16))) problems.push('2/3')
  return problems.length > 0 ? { refused: problems } : { session: agree(capabilities, own, peerAsn) }
}

type RawCapability = readonly [code: number, value: Uint8Array]

function agree(capabilities: readonly RawCapability[], own: TwinOwnEnd, peerAsn: number): TwinSession {
  const sized = (code: number, length: number): boolean =>
    capabilities.some(([known, value]) => known === code && value.length === length)
  const multiprotocol = capabilities.filter(
    ([code, value]) => code === 1 && value.length === 4 && isUnicast(read16(value, 0), value[3]),
  )
  const offered = multiprotocol.length === 0 ? [1] : multiprotocol.map(([, value]) => read16(value, 0))
  const families = [1, 2].filter((afi) => offered.includes(afi))
  const paths = capabilities.find(([code, value]) => code === 69 && isPathList(value))?.[1] ?? new Uint8Array(0)
  const sends = new Map<number, boolean>()
  for (let at = 0; at < paths.length; at += 4) {
    const afi = read16(paths, at)
    if (isUnicast(afi, paths[at + 2]) && !sends.has(afi)) sends.set(afi, ((paths[at + 3] as number) & 2) !== 0)
  }
  // A capability whose value does not fit is ignored, and the next of its kind counts.
  const hops = capabilities.find(([code, value]) => code === 5 && value.length % 6 === 0)?.[1] ?? new Uint8Array(0)
  let overIpv6 = false
  for (let at = 0; at < hops.length; at += 6) {
    if (read16(hops, at) === 1 && read16(hops, at + 2) === 1 && read16(hops, at + 4) === 2) overIpv6 = true
  }
  return {
    fourOctet: sized(65, 4),
    internal: peerAsn === own.asn,
    families,
    addPath: own.receivesPaths ? families.filter((afi) => sends.get(afi) === true) : [],
    extendedNextHop: own.extendedNextHop && overIpv6 && families.includes(1),
    marksRefresh: sized(70, 0),
    maxOctets: sized(6, 0) ? 65_535 : 4096,
    peerAsn,
    own,
  }
}

const isUnicast = (afi: number, safi: number | undefined): boolean => (afi === 1 || afi === 2) && safi === 1

function isPathList(value: Uint8Array): boolean {
  if (value.length % 4 !== 0) return false
  for (let at = 3; at < value.length; at += 4) if (value[at] === 0 || (value[at] as number) > 3) return false
  return true
}

/** @returns the capabilities, or the code that refuses the parameters */
function readParameters(body: Uint8Array): RawCapability[] | string {
  let at = 10
  let isExtended = false
  let length = body[9] as number
  if (length > 0) {
    if (body.length === 10) return '2/0'
    if (body[10] === 255) {
      if (body.length < 13) return '2/0'
      isExtended = true
      length = read16(body, 11)
      at = 13
    }
  }
  if (body.length - at !== length) return '2/0'
  const found: RawCapability[] = []
  while (at < body.length) {
    const head = isExtended ? 3 : 2
    if (body.length - at < head) return '2/0'
    const size = isExtended ? read16(body, at + 1) : (body[at + 1] as number)
    if (at + head + size > body.length) return '2/0'
    if (body[at] !== 2) return '2/4'
    for (let inner = at + head; inner < at + head + size; ) {
      const end = inner + 2 + (body[inner + 1] ?? 255)
      if (end > at + head + size) return '2/0'
      found.push([body[inner] as number, body.subarray(inner + 2, end)])
      inner = end
    }
    at += head + size
  }
  return found
}
