import type { ConfigReader } from '../config-reader.ts'
import type { Direction } from './compile-actions.ts'
import type { Policy, PolicyRule, PolicySets, PrefixListPolicy, PrefixRule, PrefixSetEntry } from './policy.ts'
import type { RoutePolicy } from './policy-route.ts'
import { readAction } from './read-action.ts'
import { readMatch } from './read-match.ts'
import { asMatches, communities, oneOf, optional, prefixText } from './read-values.ts'

/** Most characters of a name. */
const MAX_NAME = 100
const VERDICTS = ['accept', 'reject'] as const

/**
 * Reads field `field` of a configuration as a policy in any of its forms; undefined when it is not there. Everything
 * that is wrong becomes a problem of the reader.
 */
export function readPolicy(
  reader: ConfigReader,
  field: Direction,
): RoutePolicy | Policy | PrefixListPolicy | undefined {
  const value = reader.raw(field)
  if (typeof value === 'function') return value as RoutePolicy
  const policy = reader.child(field)
  if (policy === undefined) return undefined
  if (!policy.has('rules')) policy.problem('rules', 'is missing')
  const rules = policy.children('rules')
  const isPrefixList = rules[0]?.has('action') === true
  const read = isPrefixList
    ? { rules: rules.map(readPrefixRule) }
    : { ...readSets(policy), rules: rules.map((rule) => readRule(rule, field, setNames(policy))) }
  const fallback = oneOf(policy, 'default', VERDICTS)
  policy.refuseUnknown()
  return { ...read, default: fallback ?? 'reject' }
}

/** What sets there are, by kind: for references to them. */
export type SetNames = Readonly<Record<keyof PolicySets, ReadonlySet<string>>>

function setNames(policy: ConfigReader): SetNames {
  const sets = policy.raw('sets') as Record<string, unknown> | undefined
  const names = (kind: keyof PolicySets): Set<string> => {
    const value = typeof sets === 'object' && sets !== null ? sets[kind] : undefined
    return new Set(typeof value === 'object' && value !== null ? Object.keys(value) : [])
  }
  return { prefixSets: names('prefixSets'), communitySets: names('communitySets'), asSets: names('asSets') }
}

function readSets(policy: ConfigReader): { sets?: PolicySets } {
  const sets = policy.child('sets')
  if (sets === undefined) return {}
  const named = <T>(kind: keyof PolicySets, read: (list: ConfigReader, name: string) => T): Record<string, T> => {
    const child = sets.child(kind)
    const result = Object.fromEntries((child?.names() ?? []).map((name) => [name, read(child as ConfigReader, name)]))
    child?.refuseUnknown()
    return result
  }
  const result: PolicySets = {
    prefixSets: named('prefixSets', readPrefixSet),
    communitySets: named('communitySets', (list, name) => communities(list, name, { patterns: true })),
    asSets: named('asSets', (list, name) => asMatches(list, name, undefined)),
  }
  sets.refuseUnknown()
  return { sets: result }
}

function readPrefixSet(list: ConfigReader, name: string): PrefixSetEntry[] {
  return list.list(name).flatMap((item, index): PrefixSetEntry[] => {
    if (typeof item !== 'object' || item === null) {
      const prefix = prefixText(list, `${name}[${index}]`, item)
      return prefix === undefined ? [] : [prefix]
    }
    const entry = list.item(name, index)
    const range = readPrefixRange(entry)
    entry.refuseUnknown()
    return [range]
  })
}

function readRule(rule: ConfigReader, direction: Direction, sets: SetNames): PolicyRule {
  const then = oneOf(rule, 'then', [...VERDICTS, 'next'])
  if (!rule.has('then')) rule.problem('then', 'is missing')
  const match = rule.child('match')
  const result: PolicyRule = {
    ...optional('name', rule.text('name', MAX_NAME)),
    ...optional('match', match === undefined ? undefined : readMatch(match, sets)),
    actions: rule.children('actions').flatMap((action) => readAction(action, direction, sets) ?? []),
    then: then ?? 'reject',
  }
  if (then === 'reject' && rule.list('actions').length > 0)
    rule.problem('actions', 'change nothing when a rule rejects')
  rule.refuseUnknown()
  return result
}

function readPrefixRule(rule: ConfigReader): PrefixRule {
  const action = oneOf(rule, 'action', VERDICTS)
  if (!rule.has('action')) rule.problem('action', 'must be "accept" or "reject"')
  const result = { action: action ?? 'reject', ...readPrefixRange(rule) }
  rule.refuseUnknown()
  return result
}

function readPrefixRange(reader: ConfigReader): Exclude<PrefixSetEntry, string> {
  const prefix = prefixText(reader, 'prefix', reader.raw('prefix')) ?? '0.0.0.0/0'
  const bits = prefix.includes(':') ? 128 : 32
  const length = (field: 'minLength' | 'maxLength'): number | undefined =>
    reader.raw(field) === undefined ? undefined : reader.integer(field, { min: 0, max: bits })
  return { prefix, ...optional('minLength', length('minLength')), ...optional('maxLength', length('maxLength')) }
}
