import type { Prefix } from '@margay/net'
import type { PathAttributes } from '../wire/path-attributes.ts'
import { type Change, compileAction, type Direction } from './compile-actions.ts'
import { type Candidate, type Condition, compileMatch } from './compile-match.ts'
import { CompiledSets } from './compiled-sets.ts'
import type { Policy, PolicyMatch, PolicyRule, PrefixListPolicy } from './policy.ts'
import type { PolicyPeer, PolicyRoute, RoutePolicy } from './policy-route.ts'
import { compilePrefixList, isPrefixList, prefixOf } from './prefix-list.ts'

/** A policy ready for use. */
export interface CompiledPolicy {
  /** The attributes that the route goes on with (the same object when nothing changes); undefined refuses it. */
  evaluate(route: PolicyRoute, peer: PolicyPeer): PathAttributes | undefined
  /** Routes with equal attributes, source and family may fare differently by their prefix: answers can't be kept. */
  readonly dependsOnPrefix: boolean
  /** It looks at the peer that it works for. */
  readonly dependsOnPeer: boolean
  /** It looks at where a route came from or leaves by, besides its attributes. */
  readonly dependsOnSource: boolean
}

interface CompiledRule {
  readonly matches: Condition
  readonly changes: readonly Change[]
  readonly then: PolicyRule['then']
}

/**
 * A policy that was found right by `readPolicy`, in any of its three forms. `direction`: only an export policy can tell
 * the speaker what to do with the next hop (see `NextHopTag`).
 * @throws {RangeError | AddressError} for a policy that `readPolicy` would not take
 */
export function compilePolicy(
  policy: RoutePolicy | Policy | PrefixListPolicy,
  direction: Direction = 'import',
): CompiledPolicy {
  if (typeof policy === 'function') {
    const evaluate: CompiledPolicy['evaluate'] = (route, peer) => policy(route, peer)?.attributes
    return { evaluate, dependsOnPrefix: true, dependsOnPeer: true, dependsOnSource: true }
  }
  if (isPrefixList(policy)) return compilePrefixList(policy)
  const sets = new CompiledSets(policy.sets ?? {})
  const rules = policy.rules.map((rule): CompiledRule => {
    const changes = (rule.actions ?? []).map((action) => compileAction(action, sets, direction))
    return { matches: compileMatch(rule.match ?? {}, sets), changes, then: rule.then }
  })
  const matches = policy.rules.map(({ match }) => match ?? {})
  return {
    evaluate: evaluator(rules, policy.default ?? 'reject'),
    dependsOnPrefix: matches.some((match) => uses(match, ['cidr', 'prefixLength', 'prefixSets', 'rpki'])),
    dependsOnPeer: matches.some((match) => uses(match, ['peerType', 'peerAddress', 'peerAs'])),
    dependsOnSource: matches.some((match) => uses(match, ['source', 'sourceAddress', 'interface'])),
  }
}

function evaluator(rules: readonly CompiledRule[], fallback: 'accept' | 'reject'): CompiledPolicy['evaluate'] {
  return (route, peer) => {
    const candidate = new LazyCandidate(route, peer)
    for (const { matches, changes, then } of rules) {
      if (!matches(candidate)) continue
      if (then === 'reject') return undefined
      for (const change of changes) candidate.attributes = change(candidate.attributes, candidate)
      if (then === 'accept') return candidate.attributes
    }
    return fallback === 'accept' ? candidate.attributes : undefined
  }
}

/** Reads the prefix's text only for a rule that asks. */
class LazyCandidate implements Candidate {
  readonly route: PolicyRoute
  readonly peer: PolicyPeer
  attributes: PathAttributes
  #prefix: Prefix | undefined

  constructor(route: PolicyRoute, peer: PolicyPeer) {
    this.route = route
    this.peer = peer
    this.attributes = route.attributes
  }

  get prefix(): Prefix {
    this.#prefix ??= prefixOf(this.route)
    return this.#prefix
  }
}

function uses(match: PolicyMatch, fields: readonly (keyof PolicyMatch)[]): boolean {
  const inner = [...(match.anyOf ?? []), ...(match.not === undefined ? [] : [match.not])]
  return fields.some((field) => match[field] !== undefined) || inner.some((item) => uses(item, fields))
}
