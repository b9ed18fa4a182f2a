import type { PathAttributes } from '../wire/path-attributes.ts'

/** What import has to know of the session that a route came over. */
export interface ImportContext {
  readonly localAsn: number
  readonly peerAsn: number
  readonly kind: 'external' | 'internal'
  readonly routerId: string
  readonly clusterId: string
  readonly localAddress: string
  /** How often our own AS may stand in a path. */
  readonly allowOwnAs: number
  readonly enforceFirstAs: boolean
}

/** Why the protocol refuses a route before any policy sees it. */
export type ImportRefusal = 'asLoop' | 'firstAsMismatch' | 'originatorLoop' | 'clusterLoop' | 'nextHopIsSelf'

/**
 * RFC 4271 §9.1.2 (loops), §5.1.3 (own next hop), §6.3 (first AS); RFC 4456 §8.
 * @returns undefined when the route may go on
 */
export function refuseImport(attributes: PathAttributes, context: ImportContext): ImportRefusal | undefined {
  let own = 0
  for (const segment of attributes.asPath) for (const asn of segment.asns) if (asn === context.localAsn) own++
  if (own > context.allowOwnAs) return 'asLoop'
  if (context.kind === 'external' && context.enforceFirstAs) {
    const first = attributes.asPath[0]
    if (first?.type !== 'sequence' || first.asns[0] !== context.peerAsn) return 'firstAsMismatch'
  }
  if (attributes.nextHop === context.localAddress) return 'nextHopIsSelf'
  if (context.kind === 'external') return undefined
  if (attributes.originatorId === context.routerId) return 'originatorLoop'
  if (attributes.clusterList?.includes(context.clusterId) === true) return 'clusterLoop'
  return undefined
}
