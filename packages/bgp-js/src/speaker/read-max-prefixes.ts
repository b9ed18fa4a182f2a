import type { ConfigReader } from '../config-reader.ts'
import type { PrefixLimit, ResolvedSession } from './config.ts'

const MAX_U32 = 0xffffffff
const DEFAULT_WARN_AT_PERCENT = 75

/** `maxPrefixes` in its three shapes: a number, one limit for both families, or a limit per family. */
export function readMaxPrefixes(reader: ConfigReader): ResolvedSession['maxPrefixes'] {
  const value = reader.raw('maxPrefixes')
  if (value === undefined) return {}
  const child = typeof value === 'object' ? reader.child('maxPrefixes') : undefined
  if (child === undefined || !(child.has('ipv4') || child.has('ipv6'))) {
    const limit = readLimit(reader, 'maxPrefixes')
    return { ipv4: limit, ipv6: limit }
  }
  const limits = {
    ...(child.has('ipv4') ? { ipv4: readLimit(child, 'ipv4') } : {}),
    ...(child.has('ipv6') ? { ipv6: readLimit(child, 'ipv6') } : {}),
  }
  child.refuseUnknown()
  return limits
}

function readLimit(reader: ConfigReader, field: string): PrefixLimit {
  const plain = { warnAtPercent: DEFAULT_WARN_AT_PERCENT, action: 'restart', restartAfterSeconds: undefined } as const
  if (typeof reader.raw(field) !== 'object') {
    return { limit: reader.integer(field, { min: 1, max: MAX_U32 }), ...plain }
  }
  const child = reader.child(field)
  if (child === undefined) return { limit: MAX_U32, ...plain }
  const action = child.has('action') ? child.choice('action', ['restart', 'warn', 'shutdown'] as const) : 'restart'
  const limit: PrefixLimit = {
    limit: child.integer('limit', { min: 1, max: MAX_U32 }),
    warnAtPercent: child.integer('warnAtPercent', { min: 1, max: 100, default: DEFAULT_WARN_AT_PERCENT }),
    action: action ?? 'restart',
    restartAfterSeconds: child.has('restartAfterSeconds')
      ? child.integer('restartAfterSeconds', { min: 1, max: 86_400 })
      : undefined,
  }
  if (limit.restartAfterSeconds !== undefined && limit.action !== 'restart') {
    child.problem('restartAfterSeconds', `contradicts action "${limit.action}"`)
  }
  child.refuseUnknown()
  return limit
}
