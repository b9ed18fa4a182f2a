import type { Direction, Protocol } from '@margay/model'
import type { Prefix } from '@margay/net'

/** How an IP set's members look: `10.0.0.1`, `10.0.0.0/8`, or `10.0.0.1,tcp:80`. */
export type IpSetKind = 'ip' | 'net' | 'ipPort'

/**
 * One way to be allowed; every given condition must hold. Neutral of the dataplane: a renderer makes iptables rules of
 * it, per IP version. Members of sets and prefixes are of both versions; a rule whose `peerNet` is of the other one is
 * not rendered.
 */
export interface RulePlan {
  readonly protocol?: Protocol
  /** Destination ports, inclusive ranges; absent: all. */
  readonly ports?: readonly { readonly first: number; readonly last: number }[]
  /** An `ipPort` set that holds destination address and port (named ports). */
  readonly destinationPortSet?: string
  /** The peer (source of ingress, destination of egress) is in this set. */
  readonly peerSet?: string
  readonly peerNet?: Prefix
}

/** What one policy allows in one direction. */
export interface PolicyPlan {
  /** `DIRECTION/NAMESPACE/NAME`. */
  readonly id: string
  readonly direction: Direction
  readonly namespace: string
  readonly name: string
  readonly rules: readonly RulePlan[]
}

/**
 * One direction of one endpoint: the ids of its policies, in order. `isolated` false means that no policy selects it,
 * and all is allowed; isolated without policies means that nothing is.
 */
export interface DirectionPlan {
  readonly isolated: boolean
  readonly policies: readonly string[]
}

export interface EndpointPlan {
  /** The pod's `namespace/name`. */
  readonly id: string
  readonly ingress: DirectionPlan
  readonly egress: DirectionPlan
}

/** Where the compiler puts what changed. Calls come in an order that is safe to apply as they come. */
export interface PlanSink {
  ipSetAdded(id: string, kind: IpSetKind, members: ReadonlySet<string>): void
  ipSetMembersChanged(id: string, added: readonly string[], removed: readonly string[]): void
  ipSetRemoved(id: string): void
  policyUpdated(plan: PolicyPlan): void
  policyRemoved(id: string): void
  endpointUpdated(plan: EndpointPlan): void
  endpointRemoved(id: string): void
}
