import type { Family, Prefix } from '@margay/net'
import type { PathAttributes } from '../wire/path-attributes.ts'

/** Where this speaker has a route from. `confederation`: an external peer inside our own confederation (RFC 5065). */
export type RouteSource = 'local' | 'external' | 'internal' | 'confederation'

/** RFC 6811 §2. */
export type ValidationState = 'valid' | 'invalid' | 'notFound'

/** A route as a policy sees it. */
export interface PolicyRoute {
  readonly family: Family
  /** `10.0.0.0/24` */
  readonly prefix: string
  /** The same, read already: spares policies reading it. */
  readonly prefixValue?: Prefix
  readonly attributes: PathAttributes
  readonly source: RouteSource
  /** Address of the peer it came from; `local` for our own. */
  readonly sourceAddress: string
  /** What RPKI says of its prefix and origin AS; absent counts as `notFound`. */
  readonly validation?: ValidationState
  /** The interface that the route leaves by, where that is known. */
  readonly interfaceName?: string | undefined
}

/** The peer that a policy works for. */
export interface PolicyPeer {
  readonly address: string
  readonly asn: number
  readonly type: 'iBGP' | 'eBGP'
  /** This speaker's AS towards the peer. */
  readonly localAsn: number
}

/**
 * A pure function from a route to the route that goes on, or undefined to refuse it. Only `attributes` of the answer is
 * looked at; answer the same object when nothing changes. Import sees what was received; export sees what LocRib holds,
 * before the speaker's own changes (AS prepended, next hop).
 */
export type RoutePolicy = (route: PolicyRoute, peer: PolicyPeer) => Pick<PolicyRoute, 'attributes'> | undefined
