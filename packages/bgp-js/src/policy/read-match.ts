import type { ConfigReader } from '../config-reader.ts'
import { parseAsPathRegex } from './as-path-regex-parser.ts'
import type { ListMatch, PolicyMatch } from './policy.ts'
import type { SetNames } from './read-policy.ts'
import {
  asMatches,
  asNumbers,
  communities,
  filled,
  numberMatch,
  oneOf,
  optional,
  prefixText,
  range,
  texts,
} from './read-values.ts'

/** How deep `not` and `anyOf` may nest. */
const MAX_DEPTH = 8
const MAX_INTERFACE = 64
const SOURCES = ['local', 'external', 'internal', 'confederation', 'RemotePeers'] as const
const STATES = ['valid', 'invalid', 'notFound'] as const
const OPERATORS = ['Equal', 'NotEqual', 'In', 'NotIn'] as const

export function readMatch(reader: ConfigReader, sets: SetNames, depth = 0): PolicyMatch {
  const match: PolicyMatch = {
    ...optional('family', oneOf(reader, 'family', ['ipv4', 'ipv6'])),
    ...prefixFields(reader, sets),
    ...peerFields(reader, sets),
    ...optional('communities', listMatch(reader, 'communities', { patterns: sets.communitySets })),
    ...optional('tags', listMatch(reader, 'tags', {})),
    ...pathFields(reader, sets),
    ...optional('localPref', numberMatch(reader, 'localPref')),
    ...optional('priority', numberMatch(reader, 'priority', 0x7fffffff)),
    ...optional('med', numberMatch(reader, 'med')),
    ...optional('nextHop', blocks(reader, 'nextHop')),
    ...optional('origin', oneOf(reader, 'origin', ['igp', 'egp', 'incomplete'])),
    ...optional('rpki', oneOrMore(reader, 'rpki', STATES)),
    ...nested(reader, sets, depth),
  }
  reader.refuseUnknown()
  return match
}

function prefixFields(reader: ConfigReader, sets: SetNames): Partial<PolicyMatch> {
  const cidr = reader.raw('cidr') === undefined ? undefined : prefixText(reader, 'cidr', reader.raw('cidr'))
  const matchOperator = oneOf(reader, 'matchOperator', OPERATORS)
  if (matchOperator !== undefined && !reader.has('cidr')) reader.problem('matchOperator', 'needs a cidr')
  const prefixSets = filled(reader, 'prefixSets', (item, name) => {
    if (typeof item === 'string' && sets.prefixSets.has(item)) return item
    reader.problem(name, `there is no set ${String(item)}`)
    return undefined
  })
  return {
    ...optional('cidr', cidr),
    ...optional('matchOperator', matchOperator),
    ...optional('prefixLength', range(reader, 'prefixLength', 128)),
    ...optional('prefixSets', prefixSets),
  }
}

function peerFields(reader: ConfigReader, sets: SetNames): Partial<PolicyMatch> {
  return {
    ...optional('source', oneOrMore(reader, 'source', SOURCES)),
    ...optional('sourceAddress', blocks(reader, 'sourceAddress')),
    ...optional('interface', reader.text('interface', MAX_INTERFACE)),
    ...optional('peerType', oneOf(reader, 'peerType', ['iBGP', 'eBGP'])),
    ...optional('peerAddress', blocks(reader, 'peerAddress')),
    ...optional('peerAs', ases(reader, 'peerAs', sets)),
  }
}

function pathFields(reader: ConfigReader, sets: SetNames): Partial<PolicyMatch> {
  const asPath = reader.text('asPath', 256)
  try {
    if (asPath !== undefined) parseAsPathRegex(asPath)
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    reader.problem('asPath', `is no expression: ${error.message}`)
  }
  return {
    ...optional('asPathPrefix', asNumbers(reader, 'asPathPrefix')),
    ...optional('asPath', asPath),
    ...optional('asPathLength', numberMatch(reader, 'asPathLength')),
    ...optional('asPathContains', ases(reader, 'asPathContains', sets)),
    ...optional('originAs', ases(reader, 'originAs', sets)),
    ...optional('neighborAs', ases(reader, 'neighborAs', sets)),
  }
}

function nested(reader: ConfigReader, sets: SetNames, depth: number): Partial<PolicyMatch> {
  const not = reader.child('not')
  const anyOf = reader.children('anyOf')
  const inner = [...(not === undefined ? [] : [not]), ...anyOf]
  if (inner.length > 0 && depth >= MAX_DEPTH) {
    reader.problem(not === undefined ? 'anyOf' : 'not', `is nested deeper than ${MAX_DEPTH}`)
    return {}
  }
  if (reader.has('anyOf') && anyOf.length === 0) reader.problem('anyOf', 'must not be empty')
  return {
    ...optional('not', not === undefined ? undefined : readMatch(not, sets, depth + 1)),
    ...optional('anyOf', reader.has('anyOf') ? anyOf.map((item) => readMatch(item, sets, depth + 1)) : undefined),
  }
}

function listMatch(
  reader: ConfigReader,
  field: 'communities' | 'tags',
  { patterns }: { patterns?: ReadonlySet<string> },
): ListMatch | undefined {
  const child = reader.child(field)
  if (child === undefined) return undefined
  const read = (name: keyof ListMatch): string[] | undefined => {
    if (child.raw(name) === undefined) return undefined
    if (child.list(name).length === 0) child.problem(name, 'must not be empty')
    return patterns === undefined ? texts(child, name) : communities(child, name, { patterns: true, sets: patterns })
  }
  const match = {
    ...optional('any', read('any')),
    ...optional('all', read('all')),
    ...optional('none', read('none')),
  }
  if (Object.keys(match).length === 0) child.problem('any', ', all or none must be given')
  child.refuseUnknown()
  return match
}

function blocks(reader: ConfigReader, field: string): string[] | undefined {
  return filled(reader, field, (item, name) => prefixText(reader, name, item))
}

function ases(reader: ConfigReader, field: string, sets: SetNames): ReturnType<typeof asMatches> | undefined {
  if (reader.raw(field) === undefined) return undefined
  if (Array.isArray(reader.raw(field)) && reader.list(field).length === 0) reader.problem(field, 'must not be empty')
  return asMatches(reader, field, sets.asSets)
}

function oneOrMore<T extends string>(reader: ConfigReader, field: string, words: readonly T[]): T | T[] | undefined {
  if (!Array.isArray(reader.raw(field))) return oneOf(reader, field, words)
  return filled(reader, field, (item, name) => {
    const word = words.find((each) => each === item)
    if (word === undefined) reader.problem(name, `must be one of ${words.map((each) => `"${each}"`).join(', ')}`)
    return word
  })
}
