import { type AsPathSegment, type LargeCommunity, Origin, type PathAttributes } from '../wire/path-attributes.ts'
import { isPrivateAs, prependAs } from './as-path-facts.ts'
import {
  type CommunityMatcher,
  matchesExtended,
  matchesLarge,
  matchesStandard,
  parseExactCommunity,
} from './community-pattern.ts'
import { type Candidate, DEFAULT_LOCAL_PREF, MAX_PRIORITY } from './compile-match.ts'
import type { CompiledSets } from './compiled-sets.ts'
import type { PolicyAction } from './policy.ts'

/** What an action makes of the attributes; the same object when that is nothing. */
export type Change = (attributes: PathAttributes, candidate: Candidate) => PathAttributes

/**
 * Tags that an export policy leaves for the speaker, which sets the next hop behind it; nobody else can set them.
 * They stand for "our own address", "as it is" and "as the policy has set it".
 */
export const NextHopTag = { self: 'margay:next-hop-self', keep: 'margay:next-hop-keep' } as const
export const RESERVED_TAG_PREFIX = 'margay:'

export type Direction = 'import' | 'export'

type Union<T> = T extends T ? keyof T : never
type Name = Union<PolicyAction>
type Value<K extends Name> = Extract<PolicyAction, Record<K, unknown>>[K]
type Compilers = { readonly [K in Name]: (value: Value<K>, sets: CompiledSets, direction: Direction) => Change }

const MAX_U32 = 0xffffffff
const ORIGINS = { igp: Origin.Igp, egp: Origin.Egp, incomplete: Origin.Incomplete } as const

const COMPILERS: Compilers = {
  setLocalPref: (value) => setNumber('localPref', () => value),
  addLocalPref: (value) => setNumber('localPref', (old = DEFAULT_LOCAL_PREF) => old + value),
  subtractLocalPref: (value) => setNumber('localPref', (old = DEFAULT_LOCAL_PREF) => old - value),
  setPriority: (value) => setNumber('localPref', () => MAX_PRIORITY - value),
  setMed: (value) => setNumber('med', () => value),
  addMed: (value) => setNumber('med', (old = 0) => old + value),
  subtractMed: (value) => setNumber('med', (old = 0) => old - value),
  removeMed: () => (attributes) => {
    const { med, ...rest } = attributes
    return med === undefined ? attributes : rest
  },
  setNextHop: (value, _, direction) => setNextHop(value, direction),
  addCommunities: (texts) => {
    const added = byKind(texts)
    return unlessSame((attributes) => ({
      ...attributes,
      ...standard([...(attributes.communities ?? []), ...added.standard]),
      ...large([...(attributes.largeCommunities ?? []), ...added.large]),
      ...extended([...(attributes.extendedCommunities ?? []), ...added.extended]),
    }))
  },
  removeCommunities: (texts, sets) => removeCommunities(sets.communities(texts)),
  setCommunities: (texts) => {
    const values = byKind(texts).standard
    return (attributes) => ({ ...without(attributes, 'communities'), ...standard(values) })
  },
  setLargeCommunities: (texts) => {
    const values = byKind(texts).large
    return (attributes) => ({ ...without(attributes, 'largeCommunities'), ...large(values) })
  },
  setExtendedCommunities: (texts) => {
    const values = byKind(texts).extended
    return (attributes) => ({ ...without(attributes, 'extendedCommunities'), ...extended(values) })
  },
  prepend:
    ({ asn, count = 1 }) =>
    (attributes, { peer }) => {
      const asns = Array.from({ length: count }, () => (asn === 'own' ? peer.localAsn : asn))
      return { ...attributes, asPath: prependAs(attributes.asPath, asns) }
    },
  prependAsPath: (asns) => (attributes) => ({ ...attributes, asPath: prependAs(attributes.asPath, asns) }),
  setAsPath: (asns) => (attributes) => ({
    ...attributes,
    asPath: asns.length === 0 ? [] : [{ type: 'sequence', asns: [...asns] }],
  }),
  removePrivateAs: () => changeAsns((asns) => asns.filter((asn) => !isPrivateAs(asn))),
  replacePrivateAs: (value) =>
    changeAsns((asns, { peer }) =>
      asns.map((asn) => (isPrivateAs(asn) ? (value === 'own' ? peer.localAsn : value) : asn)),
    ),
  setOrigin: (name) => (attributes) => ({ ...attributes, origin: ORIGINS[name] }),
  addTags: (tags) => changeTags((old) => [...old, ...tags]),
  removeTags: (tags) => changeTags((old) => old.filter((tag) => !tags.includes(tag))),
  setTags: (tags) => changeTags(() => tags),
}

export function compileAction(action: PolicyAction, sets: CompiledSets, direction: Direction): Change {
  const [entry] = Object.entries(action)
  const compiler = entry === undefined ? undefined : COMPILERS[entry[0] as Name]
  if (entry === undefined || compiler === undefined) throw new RangeError('an action has one known field')
  // The table pairs each name with the compiler of its value's type; a look-up by name can't say so.
  return (compiler as (value: unknown, sets: CompiledSets, direction: Direction) => Change)(entry[1], sets, direction)
}

/** Numbers stay within 32 bits: what would leave them stops at the end. */
function setNumber(field: 'localPref' | 'med', change: (old: number | undefined) => number): Change {
  return (attributes) => {
    const value = Math.min(Math.max(change(attributes[field]), 0), MAX_U32)
    return attributes[field] === value ? attributes : { ...attributes, [field]: value }
  }
}

function setNextHop(value: string, direction: Direction): Change {
  const marked = (tag: string): Change => {
    const mark = changeTags((old) => [...old.filter((item) => !item.startsWith(RESERVED_TAG_PREFIX)), tag])
    return direction === 'export' ? mark : (attributes) => attributes
  }
  if (value === 'self') return marked(NextHopTag.self)
  if (value === 'unchanged') return marked(NextHopTag.keep)
  const keep = marked(NextHopTag.keep)
  return (attributes, candidate) => {
    const { nextHopLinkLocal: _, ...rest } = attributes
    return keep({ ...rest, nextHop: value }, candidate)
  }
}

function removeCommunities(matchers: ReturnType<CompiledSets['communities']>): Change {
  const stays = <T>(list: readonly T[] | undefined, matches: (matcher: CommunityMatcher, item: T) => boolean): T[] =>
    (list ?? []).filter((item) => !matchers.some((matcher) => matches(matcher, item)))
  return unlessSame(({ communities, largeCommunities, extendedCommunities, ...rest }) => ({
    ...rest,
    ...standard(stays(communities, matchesStandard)),
    ...large(stays(largeCommunities, matchesLarge)),
    ...extended(stays(extendedCommunities, matchesExtended)),
  }))
}

/** For changes that only add or only take away communities: keeps the object when their number stays. */
function unlessSame(change: (attributes: PathAttributes) => PathAttributes): Change {
  const count = ({ communities, largeCommunities, extendedCommunities }: PathAttributes): number =>
    (communities?.length ?? 0) + (largeCommunities?.length ?? 0) + (extendedCommunities?.length ?? 0)
  return (attributes) => {
    const changed = change(attributes)
    return count(changed) === count(attributes) ? attributes : changed
  }
}

/** Each kind apart, as the attributes have them. */
function byKind(texts: readonly string[]): { standard: number[]; large: LargeCommunity[]; extended: string[] } {
  const found = { standard: [] as number[], large: [] as LargeCommunity[], extended: [] as string[] }
  for (const community of texts.map(parseExactCommunity)) {
    if (community.kind === 'standard') found.standard.push(community.value)
    else if (community.kind === 'large') found.large.push(community.value)
    else found.extended.push(community.value)
  }
  return found
}

function without(
  attributes: PathAttributes,
  field: 'communities' | 'largeCommunities' | 'extendedCommunities',
): PathAttributes {
  const { [field]: removed, ...rest } = attributes
  return removed === undefined ? attributes : rest
}

// Each value once, in the order of the first time; an empty list is no attribute.
const standard = (list: readonly number[]): Pick<PathAttributes, 'communities'> =>
  list.length === 0 ? {} : { communities: [...new Set(list)] }
const extended = (list: readonly string[]): Pick<PathAttributes, 'extendedCommunities'> =>
  list.length === 0 ? {} : { extendedCommunities: [...new Set(list)] }
function large(list: NonNullable<PathAttributes['largeCommunities']>): Pick<PathAttributes, 'largeCommunities'> {
  const byText = new Map(list.map((item) => [item.join(':'), item]))
  return byText.size === 0 ? {} : { largeCommunities: [...byText.values()] }
}

function changeTags(change: (old: readonly string[]) => readonly string[]): Change {
  return (attributes) => {
    const { tags: old = [], ...rest } = attributes
    const tags = [...new Set(change(old))]
    if (tags.length === old.length && tags.every((tag, index) => tag === old[index])) return attributes
    return tags.length === 0 ? rest : { ...rest, tags }
  }
}

/** Segments that become empty go. */
function changeAsns(change: (asns: readonly number[], candidate: Candidate) => readonly number[]): Change {
  return (attributes, candidate) => {
    const asPath = attributes.asPath.flatMap((segment): AsPathSegment[] => {
      const asns = change(segment.asns, candidate)
      return asns.length === 0 ? [] : [{ type: segment.type, asns }]
    })
    return { ...attributes, asPath }
  }
}
