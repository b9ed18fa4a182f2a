import type { Family } from '@margay/net'
import { BgpMessageError, type NotificationFields } from '../errors.ts'
import { mergeFourOctet } from './as4-path.ts'
import { Flag, type WireSession } from './attribute-codec.ts'
import { type EncodedAttributes, octetText } from './attribute-encoder.ts'
import { type AttributeList, type AttributeProblem, decodeAttributeList } from './attribute-list.ts'
import { ByteReader } from './byte-reader.ts'
import { ipv4Value } from './ip-text.ts'
import type { UpdateMessage } from './messages/update.ts'
import type { NlriBlock, OctetRange } from './nlri.ts'
import type {
  DecodedAttributes,
  NextHop,
  PathAttributes,
  ReachablePrefixes,
  UnreachablePrefixes,
} from './path-attributes.ts'

/** What an UPDATE says about routes. `T` is what the cache makes of attributes. */
export interface RouteUpdate<T = PathAttributes> {
  readonly announced: readonly AnnouncedRoutes<T>[]
  /** Explicit withdrawals, and announcements that RFC 7606 turns into such. */
  readonly withdrawn: readonly UnreachablePrefixes[]
  readonly endOfRib: Family | undefined
  /** What was malformed and survived (attribute discard, treat-as-withdraw). */
  readonly problems: readonly AttributeProblem[]
}

interface AnnouncedRoutes<T> {
  readonly family: Family
  readonly attributes: T
  readonly nlri: NlriBlock
}

/** Remembers attributes by the octets that they came in, so that the same octets are decoded once. */
export interface AttributeCache<T> {
  find(domain: CacheDomain, octets: string): T | undefined
  /** @param octets undefined for attributes that came damaged: they are not found again by what they came in */
  add(attributes: PathAttributes, domain: CacheDomain, octets: string | undefined): T
}

const LIST_ERROR: NotificationFields = { code: 3, subcode: 1 }
const NO_PROBLEMS: readonly AttributeProblem[] = []
const MP_REACH_NLRI = 14
const MP_UNREACH_NLRI = 15

/**
 * Draws the meaning out of an UPDATE (RFC 4271 §6.3, RFC 7606 §3, RFC 6793 §4.2.3).
 * @param families those agreed for the session; NLRI of others is ignored
 * @throws {BgpMessageError} where RFC 7606 leaves nothing but a session reset
 */
export function resolveUpdate<T>(
  update: UpdateMessage,
  session: WireSession,
  families: readonly Family[],
  cache: AttributeCache<T>,
): RouteUpdate<T> {
  const isPlain = update.nlri.count > 0 && !hasMpAttribute(update.attributes)
  const octets = isPlain ? rangeText(update.attributes) : undefined
  const known = octets === undefined || !families.includes(4) ? undefined : cache.find(cacheDomain(session), octets)
  if (known === undefined) return resolveSlowly(update, session, families, cache, octets)
  return {
    announced: [{ family: 4, attributes: known, nlri: update.nlri }],
    withdrawn: update.withdrawn.count === 0 ? [] : [{ family: 4, nlri: update.withdrawn }],
    endOfRib: undefined,
    problems: NO_PROBLEMS,
  }
}

type PlainDomain = 'i4' | 'i2' | 'e4' | 'e2'
/**
 * What the octets mean depends on the session that they came over. Routes of multiprotocol attributes have domains of
 * their own: their keys are not octets off the wire, and a peer could send octets that look like one.
 */
export type CacheDomain = PlainDomain | `mp-${PlainDomain}`

function cacheDomain(session: WireSession): PlainDomain {
  if (session.internal) return session.fourOctetAs ? 'i4' : 'i2'
  return session.fourOctetAs ? 'e4' : 'e2'
}

/** Where the attributes of a list begin and end; stops where the list breaks. */
function* attributeBounds(list: OctetRange): Generator<readonly [code: number, start: number, end: number]> {
  const { octets, end } = list
  for (let at = list.start; at + 3 <= end; ) {
    const start = at
    const code = octets[at + 1] as number
    at = attributeEnd(octets, at)
    yield [code, start, at]
  }
}

function attributeEnd(octets: Uint8Array, at: number): number {
  const length = octets[at + 2] as number
  const isExtended = ((octets[at] as number) & Flag.ExtendedLength) !== 0
  return isExtended ? at + 4 + ((length << 8) | (octets[at + 3] as number)) : at + 3 + length
}

function hasMpAttribute({ octets, start, end }: OctetRange): boolean {
  for (let at = start; at + 3 <= end; at = attributeEnd(octets, at)) {
    const code = octets[at + 1] as number
    if (code === MP_REACH_NLRI || code === MP_UNREACH_NLRI) return true
  }
  return false
}

function resolveSlowly<T>(
  update: UpdateMessage,
  session: WireSession,
  families: readonly Family[],
  cache: AttributeCache<T>,
  octets: string | undefined,
): RouteUpdate<T> {
  const list = decodeAttributeList(readerOf(update.attributes), session)
  const reach = reachable(update, list)
  const unreach = unreachable(update, list)
  const problems = [...list.problems, ...missingAttributes(update, list), ...unusableNextHops(list)]
  const fatal = problems.find((problem) => problem.severity === 'session-reset')
  const withdraws = problems.find((problem) => problem.severity === 'treat-as-withdraw')
  if (fatal !== undefined) throw new BgpMessageError(fatal.message, fatal.notification)
  // RFC 7606 §5.2: without NLRI in sight, what the broken attributes belonged to can't be known.
  if (withdraws !== undefined && reach.length === 0 && unreach.length === 0) {
    throw new BgpMessageError(withdraws.message, withdraws.notification)
  }
  const carried = (item: { family: Family }): boolean => families.includes(item.family)
  if (withdraws !== undefined) {
    return { announced: [], withdrawn: [...unreach, ...reach].filter(carried), endOfRib: undefined, problems }
  }
  const announced = reach.filter(carried).map((item): AnnouncedRoutes<T> => {
    const domain: CacheDomain = octets === undefined ? `mp-${cacheDomain(session)}` : cacheDomain(session)
    const key = problems.length > 0 ? undefined : (octets ?? mpCacheKey(update, item))
    const known = key === undefined ? undefined : cache.find(domain, key)
    const attributes = known ?? cache.add(pathAttributes(list, item.nextHop, session), domain, key)
    return { family: item.family, attributes, nlri: item.nlri }
  })
  return { announced, withdrawn: unreach.filter(carried), endOfRib: endOfRib(update, list), problems }
}

/** The next hop and the octets of all attributes but the multiprotocol ones: what routes of a family share. */
function mpCacheKey({ attributes }: UpdateMessage, { nextHop }: ReachablePrefixes): string {
  let key = `${nextHop.address} ${nextHop.linkLocal ?? ''} `
  for (const [code, start, end] of attributeBounds(attributes)) {
    if (code !== MP_REACH_NLRI && code !== MP_UNREACH_NLRI) key += rangeText({ octets: attributes.octets, start, end })
  }
  return key
}

function reachable(update: UpdateMessage, list: AttributeList): ReachablePrefixes[] {
  const { nextHop, mpReach } = list.attributes
  const found: ReachablePrefixes[] = []
  // 0.0.0.0 stands for a NEXT_HOP that is missing or malformed: then the prefixes are only ever withdrawn.
  if (update.nlri.count > 0) {
    found.push({ family: 4, nextHop: { address: nextHop ?? '0.0.0.0' }, nlri: update.nlri })
  }
  if (mpReach !== undefined && mpReach !== 'unsupported' && mpReach.nlri.count > 0) found.push(mpReach)
  return found
}

function unreachable(update: UpdateMessage, list: AttributeList): UnreachablePrefixes[] {
  const { mpUnreach } = list.attributes
  const found: UnreachablePrefixes[] = []
  if (update.withdrawn.count > 0) found.push({ family: 4, nlri: update.withdrawn })
  if (mpUnreach !== undefined && mpUnreach !== 'unsupported' && mpUnreach.nlri.count > 0) found.push(mpUnreach)
  return found
}

/** Mandatory attributes that are absent (RFC 4271 §6.3); RFC 7606 §3 d makes it treat-as-withdraw. */
function missingAttributes(update: UpdateMessage, list: AttributeList): AttributeProblem[] {
  const { attributes, problems } = list
  if (update.nlri.count === 0 && attributes.mpReach === undefined) return []
  const mandatory: [number, keyof DecodedAttributes][] = [
    [1, 'origin'],
    [2, 'asPath'],
  ]
  if (update.nlri.count > 0) mandatory.push([3, 'nextHop'])
  return mandatory
    .filter(([code, field]) => attributes[field] === undefined && !problems.some((known) => known.code === code))
    .map(([code, field]) => ({
      code,
      message: `${field} is missing`,
      severity: 'treat-as-withdraw',
      notification: { code: 3, subcode: 3, data: Uint8Array.of(code) },
    }))
}

/**
 * Next hops of MP_REACH_NLRI that are no host: `::` and `0.0.0.0` would stand for this speaker. Syntax is right, so the
 * prefixes can be named: treat-as-withdraw, as RFC 7606 §7.3 has it for NEXT_HOP.
 */
function unusableNextHops({ attributes: { mpReach } }: AttributeList): AttributeProblem[] {
  if (mpReach === undefined || mpReach === 'unsupported' || mpReach.nlri.count === 0) return []
  const address = hopAddress(mpReach.nextHop)
  const isMulticast = address.includes(':') ? /^ff[0-9a-f]{2}:/.test(address) : ipv4Value(address) >>> 28 >= 0xe
  if (!isMulticast && address !== '::' && address !== '0.0.0.0') return []
  const notification = { code: 3, subcode: 8, data: Uint8Array.of(MP_REACH_NLRI) }
  return [
    { code: MP_REACH_NLRI, message: `next hop ${address} is not a host`, severity: 'treat-as-withdraw', notification },
  ]
}

/** RFC 2545 §3 wants a global address; those who have none write zeros before the link-local one. */
const hopAddress = ({ address, linkLocal }: NextHop): string => (address === '::' ? (linkLocal ?? '::') : address)

/** RFC 4724 §2: an UPDATE with nothing in it, or with nothing but an empty MP_UNREACH_NLRI. */
function endOfRib(update: UpdateMessage, list: AttributeList): Family | undefined {
  if (update.nlri.count > 0 || update.withdrawn.count > 0 || list.problems.length > 0) return undefined
  if (list.opaque.length > 0) return undefined
  const fields = Object.keys(list.attributes)
  if (fields.length === 0) return list.isEmpty ? 4 : undefined
  const { mpUnreach } = list.attributes
  if (fields.length > 1 || mpUnreach === undefined || mpUnreach === 'unsupported') return undefined
  return mpUnreach.nlri.count === 0 ? mpUnreach.family : undefined
}

const readerOf = ({ octets, start, end }: OctetRange): ByteReader => new ByteReader(octets, LIST_ERROR, start, end)

/** Octets as Latin-1 text. Those of a socket are a Buffer, which makes it without another view. */
function rangeText({ octets, start, end }: OctetRange): string {
  if (octets instanceof Buffer) return octets.toString('latin1', start, end)
  return octetText(octets.subarray(start, end))
}

/** Reads back what `encodeRouteAttributes` made for a session. */
export function decodeRouteAttributes(
  encoded: EncodedAttributes,
  nextHop: string,
  session: WireSession,
): PathAttributes {
  const octets = Buffer.from(encoded.block, 'latin1')
  const list = decodeAttributeList(new ByteReader(octets, LIST_ERROR), { ...session, internal: true })
  return pathAttributes(list, { address: nextHop }, session)
}

function pathAttributes(list: AttributeList, nextHop: NextHop, session: WireSession): PathAttributes {
  const { attributes, opaque, partialCodes } = list
  const { origin, asPath } = attributes
  if (origin === undefined || asPath === undefined) {
    throw new BgpMessageError('mandatory attribute missing', { code: 3, subcode: 3 })
  }
  const result: Mutable<PathAttributes> & Record<string, unknown> = { origin, asPath, nextHop: hopAddress(nextHop) }
  for (const field of OPTIONAL_FIELDS) {
    const value = attributes[field]
    // Both sides have it under one name and of one type.
    if (value !== undefined) result[field] = value as never
  }
  if (!session.fourOctetAs) {
    const { as4Path, as4Aggregator } = attributes
    Object.assign(result, mergeFourOctet(asPath, attributes.aggregator, as4Path, as4Aggregator))
  }
  if (nextHop.linkLocal !== undefined) result.nextHopLinkLocal = nextHop.linkLocal
  if (opaque.length > 0) result.opaque = opaque
  if (partialCodes.length > 0) result.partialCodes = partialCodes
  return result
}

type OptionalField = Exclude<keyof DecodedAttributes & keyof PathAttributes, 'origin' | 'asPath' | 'nextHop'>

/** Those that codecs read and routes keep as they are. */
const OPTIONAL_FIELDS: readonly OptionalField[] = [
  'med',
  'localPref',
  'atomicAggregate',
  'aggregator',
  'communities',
  'originatorId',
  'clusterList',
  'extendedCommunities',
  'largeCommunities',
  'onlyToCustomer',
]

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
