import type { Policy, PolicyAction, PolicyMatch, PolicySets } from '../../src/policy/policy.ts'
import type { PolicyPeer, PolicyRoute } from '../../src/policy/policy-route.ts'
import type { PathAttributes } from '../../src/wire/path-attributes.ts'

export const PEER: PolicyPeer = { address: '10.9.0.1', asn: 65_002, type: 'eBGP', localAsn: 65_001 }

/** A route that came from an external peer. */
export function routeOf(attributes: Partial<PathAttributes> = {}, more: Partial<PolicyRoute> = {}): PolicyRoute {
  const prefix = more.prefix ?? '10.1.2.0/24'
  return {
    prefix,
    family: prefix.includes(':') ? 6 : 4,
    source: 'external',
    sourceAddress: '10.9.0.1',
    ...more,
    attributes: {
      origin: 0,
      asPath: [{ type: 'sequence', asns: [65_002, 64_999, 65_010] }],
      nextHop: '10.9.0.1',
      ...attributes,
    },
  }
}

/** Accepts what `match` takes, rejects the rest. */
export const only = (match: PolicyMatch, sets: PolicySets = {}): Policy => ({
  sets,
  rules: [{ match, then: 'accept' }],
  default: 'reject',
})

/** Does `actions` to everything. */
export const doing = (...actions: readonly PolicyAction[]): Policy => ({ rules: [{ actions, then: 'accept' }] })
