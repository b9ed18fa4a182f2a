import type { Family } from '@margay/net'
import { BgpMessageError } from '../errors.ts'
import type { WireSession } from './attribute-codec.ts'
import type { AttributeProblem } from './attribute-list.ts'
import type { UpdateMessage } from './messages/update.ts'
import {
  AS_TRANS,
  type AsPathSegment,
  type DecodedAttributes,
  type NextHop,
  type PathAttributes,
  type ReachablePrefixes,
  type UnreachablePrefixes,
} from './path-attributes.ts'
import type { PrefixKey } from './prefix-key.ts'

/** What an UPDATE says about routes. */
export interface RouteUpdate {
  readonly announced: readonly AnnouncedRoutes[]
  /** Explicit withdrawals, and announcements that RFC 7606 turns into such. */
  readonly withdrawn: readonly UnreachablePrefixes[]
  readonly endOfRib: Family | undefined
  /** What was malformed and survived (attribute discard, treat-as-withdraw). */
  readonly problems: readonly AttributeProblem[]
}

interface AnnouncedRoutes {
  readonly family: Family
  readonly attributes: PathAttributes
  readonly keys: readonly PrefixKey[]
}

/**
 * Draws the meaning out of an UPDATE (RFC 4271 §6.3, RFC 7606 §3, RFC 6793 §4.2.3).
 * @param families those agreed for the session; NLRI of others is ignored
 * @throws {BgpMessageError} where RFC 7606 leaves nothing but a session reset
 */
export function resolveUpdate(update: UpdateMessage, session: WireSession, families: readonly Family[]): RouteUpdate {
  const { attributes } = update.list
  const problems = [...update.list.problems, ...missingAttributes(update)]
  const reach = reachable(update)
  const unreach = unreachable(update)
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
  const announced = reach.filter(carried).map(
    (item): AnnouncedRoutes => ({
      family: item.family,
      attributes: pathAttributes(update, item.nextHop, session),
      keys: item.keys,
    }),
  )
  return { announced, withdrawn: unreach.filter(carried), endOfRib: endOfRib(update, attributes), problems }
}

function reachable(update: UpdateMessage): ReachablePrefixes[] {
  const { nextHop, mpReach } = update.list.attributes
  const found: ReachablePrefixes[] = []
  // 0.0.0.0 stands for a NEXT_HOP that is missing or malformed: then the prefixes are only ever withdrawn.
  if (update.nlri.length > 0) {
    found.push({ family: 4, nextHop: { address: nextHop ?? '0.0.0.0' }, keys: update.nlri })
  }
  if (mpReach !== undefined && mpReach !== 'unsupported' && mpReach.keys.length > 0) found.push(mpReach)
  return found
}

function unreachable(update: UpdateMessage): UnreachablePrefixes[] {
  const { mpUnreach } = update.list.attributes
  const found: UnreachablePrefixes[] = []
  if (update.withdrawn.length > 0) found.push({ family: 4, keys: update.withdrawn })
  if (mpUnreach !== undefined && mpUnreach !== 'unsupported' && mpUnreach.keys.length > 0) found.push(mpUnreach)
  return found
}

/** Mandatory attributes that are absent (RFC 4271 §6.3); RFC 7606 §3 d makes it treat-as-withdraw. */
function missingAttributes(update: UpdateMessage): AttributeProblem[] {
  const { attributes, problems } = update.list
  if (update.nlri.length === 0 && attributes.mpReach === undefined) return []
  const mandatory: [number, keyof DecodedAttributes][] = [
    [1, 'origin'],
    [2, 'asPath'],
  ]
  if (update.nlri.length > 0) mandatory.push([3, 'nextHop'])
  return mandatory
    .filter(([code, field]) => attributes[field] === undefined && !problems.some((known) => known.code === code))
    .map(([code, field]) => ({
      code,
      message: `${field} is missing`,
      severity: 'treat-as-withdraw',
      notification: { code: 3, subcode: 3, data: Uint8Array.of(code) },
    }))
}

/** RFC 4724 §2: an UPDATE with nothing in it, or with nothing but an empty MP_UNREACH_NLRI. */
function endOfRib(update: UpdateMessage, attributes: DecodedAttributes): Family | undefined {
  if (update.nlri.length > 0 || update.withdrawn.length > 0 || update.list.problems.length > 0) return undefined
  if (update.list.opaque.length > 0) return undefined
  const fields = Object.keys(attributes)
  if (fields.length === 0) return update.list.isEmpty ? 4 : undefined
  const { mpUnreach } = attributes
  if (fields.length > 1 || mpUnreach === undefined || mpUnreach === 'unsupported') return undefined
  return mpUnreach.keys.length === 0 ? mpUnreach.family : undefined
}

function pathAttributes(update: UpdateMessage, nextHop: NextHop, session: WireSession): PathAttributes {
  const { opaque, partialCodes } = update.list
  const { mpReach: _, mpUnreach: __, as4Path, as4Aggregator, nextHop: ___, ...known } = update.list.attributes
  const { origin, asPath } = known
  if (origin === undefined || asPath === undefined) {
    throw new BgpMessageError('mandatory attribute missing', { code: 3, subcode: 3 })
  }
  const merged = session.fourOctetAs ? {} : mergeFourOctet(asPath, known.aggregator, as4Path, as4Aggregator)
  return {
    ...known,
    origin,
    asPath,
    ...merged,
    nextHop: nextHop.address,
    ...(nextHop.linkLocal === undefined ? {} : { nextHopLinkLocal: nextHop.linkLocal }),
    ...(opaque.length === 0 ? {} : { opaque }),
    ...(partialCodes.length === 0 ? {} : { partialCodes }),
  }
}

/** RFC 6793 §4.2.3: puts the four-octet numbers back that a two-octet speaker could not carry. */
function mergeFourOctet(
  asPath: readonly AsPathSegment[],
  aggregator: PathAttributes['aggregator'],
  as4Path: readonly AsPathSegment[] | undefined,
  as4Aggregator: PathAttributes['aggregator'],
): Partial<PathAttributes> {
  // An AGGREGATOR that is not AS_TRANS is newer than the AS4 attributes: a two-octet speaker aggregated again.
  if (aggregator !== undefined && aggregator.asn !== AS_TRANS && as4Aggregator !== undefined) return {}
  const merged: { aggregator?: NonNullable<typeof aggregator>; asPath?: AsPathSegment[] } = {}
  if (aggregator !== undefined && as4Aggregator !== undefined) merged.aggregator = as4Aggregator
  if (as4Path !== undefined) {
    const leading = pathLength(asPath) - pathLength(as4Path)
    if (leading >= 0) merged.asPath = joinPaths(takeHops(asPath, leading), as4Path)
  }
  return merged
}

/** AS_PATH length as the decision process counts it: a set is one hop, confederation segments none (RFC 5065 §5.3). */
export function pathLength(segments: readonly AsPathSegment[]): number {
  let length = 0
  for (const segment of segments) {
    if (segment.type === 'sequence') length += segment.asns.length
    else if (segment.type === 'set') length += 1
  }
  return length
}

/** The leading segments that make up `hops` hops. */
function takeHops(segments: readonly AsPathSegment[], hops: number): AsPathSegment[] {
  const taken: AsPathSegment[] = []
  let left = hops
  for (const segment of segments) {
    if (segment.type.startsWith('confed')) {
      taken.push(segment)
      continue
    }
    if (left <= 0) break
    if (segment.type === 'set') {
      taken.push(segment)
      left -= 1
    } else {
      const asns = segment.asns.slice(0, left)
      taken.push({ type: 'sequence', asns })
      left -= asns.length
    }
  }
  return taken
}

function joinPaths(head: readonly AsPathSegment[], tail: readonly AsPathSegment[]): AsPathSegment[] {
  const last = head.at(-1)
  const first = tail[0]
  if (last?.type !== 'sequence' || first?.type !== 'sequence') return [...head, ...tail]
  return [...head.slice(0, -1), { type: 'sequence', asns: [...last.asns, ...first.asns] }, ...tail.slice(1)]
}
