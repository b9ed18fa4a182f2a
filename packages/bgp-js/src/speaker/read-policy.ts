import { Prefix } from '@margay/net'
import type { PrefixListPolicy, PrefixRule, RoutePolicy } from '../rib/policy.ts'
import type { ConfigReader } from './config-reader.ts'

/** A policy as configured: a function, or a prefix list whose every bad field is noted. */
export function readPolicy(
  reader: ConfigReader,
  field: 'import' | 'export',
): RoutePolicy | PrefixListPolicy | undefined {
  const value = reader.raw(field)
  if (typeof value === 'function') return value as RoutePolicy
  const child = reader.child(field)
  if (child === undefined) return undefined
  const rules = child.children('rules').map((rule): PrefixRule => {
    const parsed = readRule(rule)
    rule.refuseUnknown()
    return parsed
  })
  const fallback = child.raw('default')
  if (fallback !== undefined && fallback !== 'accept' && fallback !== 'reject') {
    child.problem('default', 'must be "accept" or "reject"')
  }
  child.refuseUnknown()
  return { rules, default: fallback === 'accept' ? 'accept' : 'reject' }
}

function readRule(rule: ConfigReader): PrefixRule {
  const action = rule.raw('action')
  if (action !== 'accept' && action !== 'reject') rule.problem('action', 'must be "accept" or "reject"')
  const text = rule.raw('prefix')
  const prefix = typeof text === 'string' ? text : ''
  if (Prefix.tryParse(prefix) === undefined) rule.problem('prefix', 'must be a CIDR block')
  const bits = prefix.includes(':') ? 128 : 32
  const min = rule.has('minLength') ? rule.integer('minLength', { min: 0, max: bits }) : undefined
  const max = rule.has('maxLength') ? rule.integer('maxLength', { min: 0, max: bits }) : undefined
  return {
    action: action === 'accept' ? 'accept' : 'reject',
    prefix,
    ...(min === undefined ? {} : { minLength: min }),
    ...(max === undefined ? {} : { maxLength: max }),
  }
}
