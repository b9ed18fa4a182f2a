import type { BgpRole } from '../wire/capabilities/role.ts'
import { type AsPathSegment, type PathAttributes, WellKnownCommunity } from '../wire/path-attributes.ts'
import { type LocalAs, prependAs } from './as-path.ts'
import type { PeerKind } from './path.ts'

/** What import has to know of the session that a route came over. */
export interface ImportContext {
  readonly localAsn: number
  readonly peerAsn: number
  readonly kind: PeerKind
  readonly routerId: string
  readonly clusterId: string
  readonly localAddress: string
  /** How often our own AS may stand in a path. */
  readonly allowOwnAs: number
  readonly enforceFirstAs: boolean
  /** AS that this session shows instead of our own. */
  readonly localAs?: LocalAs | undefined
  /** AS of the whole confederation that we are a member of (RFC 5065). */
  readonly confederationId?: number | undefined
  /** Our role towards the peer (RFC 9234 §4): `provider` means that it is our customer. */
  readonly role?: BgpRole | undefined
}

/** Every reason for which a received route is not used. */
export const IMPORT_REFUSALS = [
  'asLoop',
  'firstAsMismatch',
  'confederationFromOutside',
  'originatorLoop',
  'clusterLoop',
  'nextHopIsSelf',
  'routeLeak',
  'noPolicy',
  'policy',
] as const

export type ImportRefusal = (typeof IMPORT_REFUSALS)[number]

/**
 * RFC 4271 §9.1.2 (loops), §5.1.3 (own next hop), §6.3 (first AS); RFC 4456 §8; RFC 5065 §4; RFC 9234 §5.
 * @returns undefined when the route may go on
 */
export function refuseImport(attributes: PathAttributes, context: ImportContext): ImportRefusal | undefined {
  const { asPath } = attributes
  if (countOwn(asPath, context) > context.allowOwnAs) return 'asLoop'
  if (context.kind === 'external' && asPath.some(isConfederation)) return 'confederationFromOutside'
  if (context.kind !== 'internal' && context.enforceFirstAs && !startsWithPeer(asPath, context)) {
    return 'firstAsMismatch'
  }
  if (attributes.nextHop === context.localAddress) return 'nextHopIsSelf'
  if (context.kind === 'external') return isRouteLeak(attributes, context) ? 'routeLeak' : undefined
  if (attributes.originatorId === context.routerId) return 'originatorLoop'
  if (attributes.clusterList?.includes(context.clusterId) === true) return 'clusterLoop'
  return undefined
}

/** What import changes in every route of a session before policy sees it: the same object when nothing. */
export function normalizeImport(attributes: PathAttributes, context: ImportContext): PathAttributes {
  if (context.kind !== 'external') return attributes
  let result = attributes
  const { localAs, role } = context
  if (localAs?.prependOnImport === true) result = { ...result, asPath: prependAs(result.asPath, localAs.asn) }
  // RFC 9234 §5, ingress 3
  if (result.onlyToCustomer === undefined && (role === 'customer' || role === 'peer' || role === 'rs-client')) {
    result = { ...result, onlyToCustomer: context.peerAsn }
  }
  // RFC 8326 §4.2: routes of a session that is about to go are the last choice.
  if (result.communities?.includes(WellKnownCommunity.GracefulShutdown) === true) result = { ...result, localPref: 0 }
  return result
}

function countOwn(asPath: readonly AsPathSegment[], context: ImportContext): number {
  let own = 0
  const { localAsn, confederationId, localAs } = context
  for (const segment of asPath) {
    for (const asn of segment.asns) {
      if (asn === localAsn || asn === confederationId || asn === localAs?.asn) own++
    }
  }
  return own
}

const isConfederation = (segment: AsPathSegment): boolean =>
  segment.type === 'confedSequence' || segment.type === 'confedSet'

function startsWithPeer(asPath: readonly AsPathSegment[], { kind, peerAsn }: ImportContext): boolean {
  const first = asPath[0]
  const expected = kind === 'confederation' ? 'confedSequence' : 'sequence'
  return first?.type === expected && first.asns[0] === peerAsn
}

/** RFC 9234 §5, ingress 1 and 2. */
function isRouteLeak({ onlyToCustomer }: PathAttributes, { role, peerAsn }: ImportContext): boolean {
  if (onlyToCustomer === undefined) return false
  if (role === 'provider' || role === 'rs') return true
  return role === 'peer' && onlyToCustomer !== peerAsn
}
