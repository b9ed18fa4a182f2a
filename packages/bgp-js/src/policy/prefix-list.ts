import { Prefix, PrefixTrie } from '@margay/net'
import type { CompiledPolicy } from './compile-policy.ts'
import { lengthRange } from './compiled-sets.ts'
import type { Policy, PrefixListPolicy, PrefixRule } from './policy.ts'
import type { PolicyRoute } from './policy-route.ts'

/** Rules of a prefix list say `action`, those of a policy `then`. */
export function isPrefixList(policy: Policy | PrefixListPolicy): policy is PrefixListPolicy {
  const [first] = policy.rules
  return first !== undefined && 'action' in first
}

export const prefixOf = (route: PolicyRoute): Prefix => route.prefixValue ?? Prefix.parse(route.prefix)

/** Finds the first matching rule in time of the prefix's length, however long the list. */
export function compilePrefixList(policy: PrefixListPolicy): CompiledPolicy {
  const trie = new PrefixTrie<{ rule: PrefixRule; order: number; min: number; max: number }[]>()
  for (const [order, rule] of policy.rules.entries()) {
    const prefix = Prefix.parse(rule.prefix)
    const rules = trie.get(prefix) ?? []
    rules.push({ rule, order, ...lengthRange(prefix.length, rule.minLength, rule.maxLength) })
    trie.set(prefix, rules)
  }
  const evaluate: CompiledPolicy['evaluate'] = (route) => {
    const prefix = prefixOf(route)
    let first: { rule: PrefixRule; order: number } | undefined
    for (const [, rules] of trie.covering(prefix)) {
      for (const item of rules) {
        const fits = prefix.length >= item.min && prefix.length <= item.max
        if (fits && (first === undefined || item.order < first.order)) first = item
      }
    }
    return (first?.rule.action ?? policy.default ?? 'reject') === 'accept' ? route.attributes : undefined
  }
  return { evaluate, dependsOnPrefix: true, dependsOnPeer: false, dependsOnSource: false }
}
