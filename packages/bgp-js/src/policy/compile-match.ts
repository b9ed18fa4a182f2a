import { Address, Prefix } from '@margay/net'
import { Origin, type PathAttributes } from '../wire/path-attributes.ts'
import { asPathLength, asPathText, neighborAs, originAs } from './as-path-facts.ts'
import { AsPathRegex } from './as-path-regex.ts'
import { carries } from './community-pattern.ts'
import { type CompiledSets, lengthRange, PrefixSet } from './compiled-sets.ts'
import type { ListMatch, NumberMatch, PolicyMatch } from './policy.ts'
import type { PolicyPeer, PolicyRoute, RouteSource } from './policy-route.ts'

/** RFC 4271 §5.1.5 leaves the default open; everybody has this one. */
export const DEFAULT_LOCAL_PREF = 100
/** Calico's priority p is the local preference MAX_PRIORITY − p. */
export const MAX_PRIORITY = 0x7fffffff

/** One route on its way through the rules: `attributes` as the rules so far have left them. */
export interface Candidate {
  readonly route: PolicyRoute
  readonly peer: PolicyPeer
  readonly prefix: Prefix
  attributes: PathAttributes
}

export type Condition = (candidate: Candidate) => boolean

type Field = Exclude<keyof PolicyMatch, 'matchOperator' | 'prefixLength'>
type Compilers = { readonly [K in Field]: (value: NonNullable<PolicyMatch[K]>, sets: CompiledSets) => Condition }

const ORIGINS = { igp: Origin.Igp, egp: Origin.Egp, incomplete: Origin.Incomplete } as const

const COMPILERS: Omit<Compilers, 'cidr' | 'not' | 'anyOf'> = {
  family: (name) => {
    const family = name === 'ipv4' ? 4 : 6
    return ({ route }) => route.family === family
  },
  prefixSets: (names, sets) => {
    const chosen = names.map((name) => sets.prefixSet(name))
    return ({ prefix }) => chosen.some((set) => set.has(prefix))
  },
  source: (value) => {
    const wanted = new Set<RouteSource | 'RemotePeers'>(typeof value === 'string' ? [value] : value)
    const peers = wanted.has('RemotePeers')
    return ({ route }) => wanted.has(route.source) || (peers && route.source !== 'local')
  },
  sourceAddress: (blocks) => inBlocks(blocks, ({ route }) => route.sourceAddress),
  interface: (pattern) => {
    const matches = compileWildcard(pattern)
    return ({ route }) => route.interfaceName !== undefined && matches(route.interfaceName)
  },
  peerType: (type) => (candidate) => candidate.peer.type === type,
  peerAddress: (blocks) => inBlocks(blocks, ({ peer }) => peer.address),
  peerAs: (list, sets) => {
    const has = sets.asns(list)
    return ({ peer }) => has(peer.asn)
  },
  communities: (match, sets) => {
    const compiled = (texts: readonly string[] | undefined): ((attributes: PathAttributes) => boolean)[] =>
      (texts ?? []).map((text) => {
        const matchers = sets.communities([text])
        return (attributes) => matchers.some((matcher) => carries(attributes, matcher))
      })
    return listCondition(match, compiled)
  },
  tags: (match) =>
    listCondition(match, (tags) =>
      (tags ?? []).map((tag) => (attributes: PathAttributes) => attributes.tags?.includes(tag) === true),
    ),
  asPathPrefix: (asns) => (candidate) => {
    const path = candidate.attributes.asPath
    const [first] = path
    if (asns.length === 0) return true
    const flat = first?.type === 'sequence' ? leadingSequence(path) : []
    return asns.every((asn, index) => flat[index] === asn)
  },
  asPath: (expression) => {
    const regex = new AsPathRegex(expression)
    return ({ attributes }) => regex.test(asPathText(attributes.asPath))
  },
  asPathLength: (match) => numberCondition(match, ({ attributes }) => asPathLength(attributes.asPath)),
  asPathContains: (list, sets) => {
    const has = sets.asns(list)
    return ({ attributes }) => attributes.asPath.some(({ asns }) => asns.some(has))
  },
  originAs: (list, sets) => asCondition(sets.asns(list), originAs),
  neighborAs: (list, sets) => asCondition(sets.asns(list), neighborAs),
  localPref: (match) => numberCondition(match, ({ attributes }) => attributes.localPref ?? DEFAULT_LOCAL_PREF),
  priority: (match) =>
    numberCondition(match, ({ attributes }) => MAX_PRIORITY - (attributes.localPref ?? DEFAULT_LOCAL_PREF)),
  med: (match) => numberCondition(match, ({ attributes }) => attributes.med),
  nextHop: (blocks) => inBlocks(blocks, ({ attributes }) => attributes.nextHop),
  origin:
    (name) =>
    ({ attributes }) =>
      attributes.origin === ORIGINS[name],
  rpki: (value) => {
    const states = typeof value === 'string' ? [value] : value
    return ({ route }) => states.includes(route.validation ?? 'notFound')
  },
}

/** @throws {RangeError | AddressError} for a match that `readPolicy` would not take */
export function compileMatch(match: PolicyMatch, sets: CompiledSets): Condition {
  const conditions: Condition[] = []
  if (match.cidr !== undefined || match.prefixLength !== undefined) conditions.push(prefixCondition(match))
  for (const [field, compiler] of Object.entries(COMPILERS)) {
    const value = match[field as keyof typeof COMPILERS]
    // The table pairs each field with the compiler of its type; iteration can't say so.
    if (value !== undefined)
      conditions.push((compiler as (value: unknown, sets: CompiledSets) => Condition)(value, sets))
  }
  if (match.anyOf !== undefined) {
    const any = match.anyOf.map((item) => compileMatch(item, sets))
    conditions.push((candidate) => any.some((condition) => condition(candidate)))
  }
  if (match.not !== undefined) {
    const inner = compileMatch(match.not, sets)
    conditions.push((candidate) => !inner(candidate))
  }
  return (candidate) => conditions.every((condition) => condition(candidate))
}

function prefixCondition({ cidr, matchOperator = 'In', prefixLength }: PolicyMatch): Condition {
  const { min = 0, max = 128 } = prefixLength ?? {}
  const fits = ({ prefix }: Candidate): boolean => prefix.length >= min && prefix.length <= max
  if (cidr === undefined) return fits
  const block = Prefix.parse(cidr)
  const isEqual = ({ prefix }: Candidate): boolean => prefix.equals(block)
  const isIn = ({ prefix }: Candidate): boolean => block.contains(prefix)
  const inner = matchOperator.endsWith('Equal') ? isEqual : isIn
  const negated = matchOperator.startsWith('Not')
  return (candidate) => candidate.route.family === block.family && (inner(candidate) && fits(candidate)) !== negated
}

function inBlocks(blocks: readonly string[], addressOf: (candidate: Candidate) => string): Condition {
  const set = new PrefixSet(blocks.map((prefix) => ({ prefix, ...lengths(prefix) })))
  return (candidate) => {
    const address = Address.tryParse(addressOf(candidate))
    return address !== undefined && set.has(Prefix.host(address))
  }
}

/** Any length from the block's own down: its hosts are all in. */
function lengths(prefix: string): { minLength: number } {
  const { length } = Prefix.parse(prefix)
  return { minLength: lengthRange(length, length, undefined).min }
}

function listCondition(
  { any, all, none }: ListMatch,
  compile: (texts: readonly string[] | undefined) => ((attributes: PathAttributes) => boolean)[],
): Condition {
  const [ofAny, ofAll, ofNone] = [compile(any), compile(all), compile(none)]
  return ({ attributes }) =>
    (any === undefined || ofAny.some((has) => has(attributes))) &&
    ofAll.every((has) => has(attributes)) &&
    !ofNone.some((has) => has(attributes))
}

function numberCondition(match: NumberMatch, valueOf: (candidate: Candidate) => number | undefined): Condition {
  const { min = -Infinity, max = Infinity } = typeof match === 'number' ? { min: match, max: match } : match
  return (candidate) => {
    const value = valueOf(candidate)
    return value !== undefined && value >= min && value <= max
  }
}

function asCondition(
  has: (asn: number) => boolean,
  asOf: (path: PathAttributes['asPath']) => number | undefined,
): Condition {
  return ({ attributes }) => {
    const asn = asOf(attributes.asPath)
    return asn !== undefined && has(asn)
  }
}

function leadingSequence(path: PathAttributes['asPath']): readonly number[] {
  const end = path.findIndex(({ type }) => type !== 'sequence')
  return (end === -1 ? path : path.slice(0, end)).flatMap(({ asns }) => asns)
}

/** `*` stands for any characters. Without going back further than the last `*`: a square of the length at worst. */
function compileWildcard(pattern: string): (text: string) => boolean {
  const parts = pattern.split('*')
  const [first = '', ...rest] = parts
  const last = rest.pop()
  if (last === undefined) return (text) => text === pattern
  return (text) => {
    if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false
    let at = first.length
    for (const part of rest) {
      const found = text.indexOf(part, at)
      if (found === -1) return false
      at = found + part.length
    }
    return at <= text.length - last.length
  }
}
