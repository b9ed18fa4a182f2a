import { type Family, Prefix, PrefixTrie } from '@margay/net'
import type { PathAttributes } from '../wire/path-attributes.ts'
import type { PeerKind } from './path.ts'

/** A route as a policy sees it. */
export interface PolicyRoute {
  readonly family: Family
  /** `10.0.0.0/24` */
  readonly prefix: string
  readonly attributes: PathAttributes
  /** Where this speaker has it from. */
  readonly source: 'local' | PeerKind
  readonly sourceAddress: string
}

/** The peer that a policy works for. */
export interface PolicyPeer {
  readonly address: string
  readonly asn: number
  readonly type: 'iBGP' | 'eBGP'
}

/**
 * A pure function from a route to the route that goes on, or undefined to refuse it. Only `attributes` of the answer is
 * looked at; answer the same object when nothing changes. Import sees what was received; export sees what LocRib holds,
 * before the speaker's own changes (AS prepended, next hop).
 */
export type RoutePolicy = (route: PolicyRoute, peer: PolicyPeer) => Pick<PolicyRoute, 'attributes'> | undefined

/** One line of a prefix list: the prefix itself, or what lies inside it within the given lengths. */
export interface PrefixRule {
  readonly action: 'accept' | 'reject'
  readonly prefix: string
  readonly minLength?: number
  readonly maxLength?: number
}

/** The declarative form: first matching rule decides, `default` (reject) otherwise. */
export interface PrefixListPolicy {
  readonly rules: readonly PrefixRule[]
  readonly default?: 'accept' | 'reject'
}

/** A policy ready for use. */
export interface CompiledPolicy {
  /** False: all routes with the same attributes from the same source get the same answer. */
  readonly dependsOnPrefix: boolean
  /** @returns attributes to go on with, the same object when nothing changed; undefined to refuse the route */
  evaluate(route: PolicyRoute, peer: PolicyPeer): PathAttributes | undefined
}

/** @throws {AddressError} for a rule whose prefix is none */
export function compilePolicy(policy: RoutePolicy | PrefixListPolicy): CompiledPolicy {
  const decide = typeof policy === 'function' ? policy : prefixListPolicy(policy)
  return { dependsOnPrefix: true, evaluate: (route, peer) => decide(route, peer)?.attributes }
}

function prefixListPolicy(policy: PrefixListPolicy): RoutePolicy {
  const trie = new PrefixTrie<{ rule: PrefixRule; order: number; length: number }[]>()
  for (const [order, rule] of policy.rules.entries()) {
    const prefix = Prefix.parse(rule.prefix)
    const rules = trie.get(prefix) ?? []
    rules.push({ rule, order, length: prefix.length })
    trie.set(prefix, rules)
  }
  return (route) => {
    const prefix = Prefix.parse(route.prefix)
    let first: { rule: PrefixRule; order: number } | undefined
    for (const [, rules] of trie.covering(prefix)) {
      for (const item of rules) {
        if (matches(item.rule, item.length, prefix.length) && (first === undefined || item.order < first.order)) {
          first = item
        }
      }
    }
    return (first?.rule.action ?? policy.default ?? 'reject') === 'accept' ? route : undefined
  }
}

/** A rule without lengths means the prefix itself; with a least length alone, everything from there down. */
function matches(rule: PrefixRule, ruleLength: number, length: number): boolean {
  const least = rule.minLength ?? ruleLength
  const most = rule.maxLength ?? (rule.minLength === undefined ? ruleLength : 128)
  return length >= least && length <= most
}
