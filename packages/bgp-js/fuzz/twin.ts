import { hexOf, read16, read32 } from './octets.ts'
import { communitiesOf, readAttributes, readPath, type TwinAttributes, type TwinSegment } from './twin-attributes.ts'
import { readPrefixes, type TwinNlri } from './twin-nlri.ts'
import { openSession, type TwinOwnEnd, type TwinSession } from './twin-session.ts'

/** A route as it came, in texts that can be compared. */
export interface TwinRoute {
  readonly afi: number
  readonly nextHop: string
  /** Undefined where RFC 6793 leaves more than one reading. */
  readonly asPath: string | undefined
  /** The path as an external peer is sent it, without our own AS. */
  readonly plainPath: string | undefined
  readonly med: number | undefined
  readonly origin: number
  readonly communities: string
  /** Whether import takes it where there is no policy; undefined where that hangs on `asPath`. */
  readonly isUsed: boolean | undefined
  readonly lengthOctets: number
}

const MIN_LENGTHS = [0, 29, 23, 21, 19, 0]

/**
 * What a stream of octets from a peer must lead to, read the naive way from the RFCs: the routes that the peer has
 * announced, and how the session ends.
 */
export class Twin {
  readonly table = new Map<string, TwinRoute>()
  /** NOTIFICATIONs that may end it, `peer` where the peer ended it; undefined while it lives. */
  ended: readonly string[] | undefined
  session: TwinSession | undefined
  messages = 0
  readonly #own: TwinOwnEnd
  #rest: Uint8Array = new Uint8Array(0)
  #isUp = false
  /** What was not announced again since a refresh of its family began; by AFI. */
  readonly #unrenewed = new Map<number, Set<string>>()

  constructor(own: TwinOwnEnd) {
    this.#own = own
  }

  get isUp(): boolean {
    return this.#isUp
  }

  /** Octets of a message whose end has not come. */
  get pendingOctets(): number {
    return this.#rest.length
  }

  feed(octets: Uint8Array): void {
    this.#rest = Buffer.concat([this.#rest, octets])
    while (this.ended === undefined && this.#rest.length >= 19) {
      const problems = headerProblems(this.#rest, this.session?.maxOctets ?? 4096)
      if (problems.length > 0) {
        this.ended = problems
        return
      }
      const length = read16(this.#rest, 16)
      if (this.#rest.length < length) return
      this.messages++
      this.#take(this.#rest[18] as number, this.#rest.subarray(19, length))
      this.#rest = this.#rest.slice(length)
    }
  }

  #take(type: number, body: Uint8Array): void {
    if (type === 3) {
      this.ended = ['peer']
    } else if (type === 5 && isBadRefresh(body)) {
      this.ended = this.#isUp ? ['7/1'] : ['7/1', '5/1', '5/2']
    } else if (this.session === undefined) {
      this.#takeOpen(type, body)
    } else if (!this.#isUp) {
      if (type === 4) this.#isUp = true
      else this.ended = ['5/2', '2/0', '2/1', '2/4', '3/1', '3/10']
    } else if (type === 1) {
      this.ended = ['5/3']
    } else if (type === 2) {
      this.#takeUpdate(body, this.session)
    } else if (type === 5 && this.session.marksRefresh && body[3] === 1) {
      this.#takeMark(read16(body, 0), body[2] as number)
    }
  }

  /** RFC 7313 §4: what the peer does not say again between the marks is gone. */
  #takeMark(afi: number, subtype: number): void {
    if (this.session?.families.includes(afi) !== true) return
    if (subtype === 1)
      this.#unrenewed.set(afi, new Set([...this.table.keys()].filter((key) => key.startsWith(`${afi} `))))
    if (subtype !== 2) return
    for (const key of this.#unrenewed.get(afi) ?? []) this.table.delete(key)
    this.#unrenewed.delete(afi)
  }

  #takeOpen(type: number, body: Uint8Array): void {
    if (type !== 1) {
      this.ended = ['5/1', '3/1', '3/10']
      return
    }
    const opened = openSession(body, this.#own)
    if ('refused' in opened) this.ended = opened.refused
    else this.session = opened.session
  }

  #takeUpdate(body: Uint8Array, session: TwinSession): void {
    const withdrawnEnd = 2 + read16(body, 0)
    const listEnd = withdrawnEnd + 2 + (withdrawnEnd + 2 <= body.length ? read16(body, withdrawnEnd) : Infinity)
    if (listEnd > body.length) {
      this.ended = ['3/1', '3/10']
      return
    }
    const withdrawn = readPrefixes(body.subarray(2, withdrawnEnd), 1, session)
    const nlri = readPrefixes(body.subarray(listEnd), 1, session)
    if (withdrawn === undefined || nlri === undefined) {
      this.ended = ['3/10']
      return
    }
    const attributes = readAttributes(body.subarray(withdrawnEnd + 2, listEnd), session)
    this.#apply({ withdrawn, nlri }, attributes, session, listEnd - withdrawnEnd)
  }

  #apply(
    plain: { readonly withdrawn: readonly TwinNlri[]; readonly nlri: readonly TwinNlri[] },
    attributes: TwinAttributes,
    session: TwinSession,
    lengthOctets: number,
  ): void {
    const { values, resets, reach, unreach } = attributes
    if (resets.size > 0) {
      this.ended = [...resets]
      return
    }
    const mandatory = plain.nlri.length > 0 ? [1, 2, 3] : attributes.sawReach ? [1, 2] : []
    const withdraws = attributes.withdraw || mandatory.some((code) => !values.has(code))
    const [gone, come] = [
      [...plain.withdrawn, ...unreach],
      [...plain.nlri, ...reach],
    ]
    // RFC 7606 §5.2: nobody can say what the broken attributes belonged to.
    if (withdraws && gone.length + come.length === 0) {
      this.ended = ['3/1', '3/3', '3/4', '3/5', '3/6', '3/8', '3/9', '3/10', '3/11']
      return
    }
    for (const { afi, key } of withdraws ? [...gone, ...come] : gone) {
      if (session.families.includes(afi)) this.table.delete(`${afi} ${key}`)
    }
    if (withdraws) return
    const announce = (items: readonly TwinNlri[], nextHop: string): void => {
      for (const { afi, key } of items) {
        if (!session.families.includes(afi)) continue
        this.#unrenewed.get(afi)?.delete(`${afi} ${key}`)
        this.table.set(`${afi} ${key}`, routeOf(afi, nextHop, values, session, lengthOctets))
      }
    }
    if (plain.nlri.length > 0) announce(plain.nlri, hexOf(values.get(3) ?? []))
    announce(reach, attributes.nextHop ?? '')
  }
}

function headerProblems(octets: Uint8Array, maxOctets: number): string[] {
  const problems: string[] = []
  if (octets.subarray(0, 16).some((octet) => octet !== 255)) problems.push('1/1')
  const length = read16(octets, 16)
  const type = octets[18] as number
  if (type < 1 || type > 5) problems.push('1/3')
  const max = type === 1 || type === 4 ? Math.min(4096, maxOctets) : maxOctets
  const min = Math.max(19, MIN_LENGTHS[type] ?? 0)
  if (length < min || length > max || (type === 4 && length !== 19)) problems.push('1/2')
  return problems
}

/** RFC 7313 §5; a plain request may carry filters behind it (RFC 5291). */
const isBadRefresh = (body: Uint8Array): boolean =>
  body.length < 4 || ((body[2] === 1 || body[2] === 2) && body.length !== 4)

function routeOf(
  afi: number,
  nextHop: string,
  values: ReadonlyMap<number, Uint8Array>,
  session: TwinSession,
  lengthOctets: number,
): TwinRoute {
  const path = mergedPath(values, session)
  const med = values.get(4)
  return {
    afi,
    nextHop,
    asPath: path === undefined ? undefined : pathText(path),
    plainPath: path === undefined ? undefined : pathText(path.filter((segment) => segment.type <= 2)),
    med: med === undefined ? undefined : read32(med, 0),
    origin: values.get(1)?.[0] as number,
    communities: communitiesOf(values.get(8)),
    isUsed: path === undefined ? undefined : isUsed(path, nextHop, values, session),
    lengthOctets,
  }
}

/** RFC 6793 §4.2.3. */
function mergedPath(values: ReadonlyMap<number, Uint8Array>, session: TwinSession): TwinSegment[] | undefined {
  const path = readPath(values.get(2) as Uint8Array, session.fourOctet) ?? []
  const long = values.get(17)
  const aggregator = values.get(7)
  if (session.fourOctet || long === undefined) return path
  if (aggregator !== undefined && read16(aggregator, 0) !== 23_456 && values.has(18)) return path
  const tail = (readPath(long, true) ?? []).filter((segment) => segment.type <= 2)
  const hops = (segments: readonly TwinSegment[]): number =>
    segments.reduce((sum, { type, asns }) => sum + (type === 2 ? asns.length : 1), 0)
  if (path.some((segment) => segment.type > 2)) return undefined
  let lead = hops(path) - hops(tail)
  if (lead < 0) return path
  const head: TwinSegment[] = []
  for (const segment of path) {
    if (lead <= 0) break
    head.push(segment.type === 2 ? { type: 2, asns: segment.asns.slice(0, lead) } : segment)
    lead -= segment.type === 2 ? segment.asns.length : 1
  }
  return [...head, ...tail]
}

const BRACKETS = [[], ['{', '}'], [], ['(', ')'], ['[', ']']]

const pathText = (segments: readonly TwinSegment[]): string =>
  segments
    .map(({ type, asns }) => {
      const [open = '', close = ''] = BRACKETS[type] ?? []
      return `${open}${asns.join(' ')}${close}`
    })
    .join(' ')

function isUsed(
  path: readonly TwinSegment[],
  nextHop: string,
  values: ReadonlyMap<number, Uint8Array>,
  session: TwinSession,
): boolean {
  const { own, internal, peerAsn } = session
  if (path.some(({ asns }) => asns.includes(own.asn)) || nextHop === own.address) return false
  if (!internal) {
    const isForeign = path.some((segment) => segment.type > 2)
    return !isForeign && path[0]?.type === 2 && path[0].asns[0] === peerAsn
  }
  const clusters: readonly string[] = hexOf(values.get(10) ?? []).match(/.{8}/g) ?? []
  return hexOf(values.get(9) ?? []) !== own.routerId && !clusters.includes(own.routerId)
}
