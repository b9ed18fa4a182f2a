import type { FamilyName } from '../wire/address-family.ts'
import type { RouteSource, ValidationState } from './policy-route.ts'

type Verdict = 'accept' | 'reject'

/** A number, or an inclusive range of numbers. */
export type NumberMatch = number | { readonly min?: number; readonly max?: number }

/** AS numbers: `65001`, `"64512-65534"`, `"set:NAME"`. */
export type AsMatch = number | string

/**
 * A community or a pattern of communities: `65001:100`, `no-export`, `65001:1:2` (large), `rt:65001:99`, `ro:…`,
 * `ext:0002fde900000063`; any number but that of `ext` may be `*`; `set:NAME` stands for the patterns of a set.
 */
type CommunityPattern = string

/** Texts, all three conditions together; each list is about the route's whole list. */
export interface ListMatch {
  readonly any?: readonly string[]
  readonly all?: readonly string[]
  readonly none?: readonly string[]
}

/** A prefix itself, or what lies inside it within the given lengths (a least length alone: everything from there down). */
export type PrefixSetEntry =
  | string
  | { readonly prefix: string; readonly minLength?: number; readonly maxLength?: number }

/** Every condition given must hold. An empty match matches all. */
export interface PolicyMatch {
  readonly family?: FamilyName
  readonly cidr?: string
  /** How the route's prefix stands to `cidr`; default `In`. Routes of the other family match none of the four. */
  readonly matchOperator?: 'Equal' | 'NotEqual' | 'In' | 'NotIn'
  /** Length of the prefix; together with `In` and `NotIn` it is part of what is in. */
  readonly prefixLength?: { readonly min?: number; readonly max?: number }
  /** The prefix is in one of these sets. */
  readonly prefixSets?: readonly string[]
  /** `RemotePeers`: from any peer. */
  readonly source?: RouteSource | 'RemotePeers' | readonly (RouteSource | 'RemotePeers')[]
  /** CIDR blocks: the peer that the route came from. */
  readonly sourceAddress?: readonly string[]
  /** Name of the interface, `*` stands for any characters. */
  readonly interface?: string
  readonly peerType?: 'iBGP' | 'eBGP'
  /** CIDR blocks: the peer that the policy works for. */
  readonly peerAddress?: readonly string[]
  readonly peerAs?: readonly AsMatch[]
  readonly communities?: ListMatch
  readonly tags?: ListMatch
  /** The path begins with these ASes. */
  readonly asPathPrefix?: readonly number[]
  /** A regular expression over the path's text, `_` stands for a border between ASes. */
  readonly asPath?: string
  readonly asPathLength?: NumberMatch
  readonly asPathContains?: readonly AsMatch[]
  /** The AS that the route began in; a path that ends in an AS_SET has none. */
  readonly originAs?: readonly AsMatch[]
  /** The first AS of the path. */
  readonly neighborAs?: readonly AsMatch[]
  /** A route without one counts as 100. */
  readonly localPref?: NumberMatch
  /** 2147483647 − local preference. */
  readonly priority?: NumberMatch
  /** A route without one never matches. */
  readonly med?: NumberMatch
  /** CIDR blocks. */
  readonly nextHop?: readonly string[]
  readonly origin?: 'igp' | 'egp' | 'incomplete'
  readonly rpki?: ValidationState | readonly ValidationState[]
  readonly not?: PolicyMatch
  readonly anyOf?: readonly PolicyMatch[]
}

/** One change of a route: an object with a single field. */
export type PolicyAction =
  | { readonly setLocalPref: number }
  | { readonly addLocalPref: number }
  | { readonly subtractLocalPref: number }
  | { readonly setPriority: number }
  | { readonly setMed: number }
  | { readonly addMed: number }
  | { readonly subtractMed: number }
  | { readonly removeMed: true }
  | { readonly setNextHop: string }
  | { readonly addCommunities: readonly string[] }
  | { readonly removeCommunities: readonly CommunityPattern[] }
  | { readonly setCommunities: readonly string[] }
  | { readonly setLargeCommunities: readonly string[] }
  | { readonly setExtendedCommunities: readonly string[] }
  | { readonly prepend: { readonly asn: number | 'own'; readonly count?: number } }
  | { readonly prependAsPath: readonly number[] }
  | { readonly setAsPath: readonly number[] }
  | { readonly removePrivateAs: true }
  | { readonly replacePrivateAs: number | 'own' }
  | { readonly setOrigin: 'igp' | 'egp' | 'incomplete' }
  | { readonly addTags: readonly string[] }
  | { readonly removeTags: readonly string[] }
  | { readonly setTags: readonly string[] }

/** `next`: make the changes and go on to the following rule, which sees them. */
export interface PolicyRule {
  readonly name?: string
  readonly match?: PolicyMatch
  readonly actions?: readonly PolicyAction[]
  readonly then: Verdict | 'next'
}

export interface PolicySets {
  readonly prefixSets?: Readonly<Record<string, readonly PrefixSetEntry[]>>
  readonly communitySets?: Readonly<Record<string, readonly CommunityPattern[]>>
  readonly asSets?: Readonly<Record<string, readonly AsMatch[]>>
}

/** The first rule that matches and does not say `next` decides; `default` (reject) where none does. */
export interface Policy {
  readonly sets?: PolicySets
  readonly rules: readonly PolicyRule[]
  readonly default?: Verdict
}

/** One line of a prefix list: the prefix itself, or what lies inside it within the given lengths. */
export interface PrefixRule {
  readonly action: Verdict
  readonly prefix: string
  readonly minLength?: number
  readonly maxLength?: number
}

/** A policy that is about prefixes alone: first matching rule decides, `default` (reject) otherwise. */
export interface PrefixListPolicy {
  readonly rules: readonly PrefixRule[]
  readonly default?: Verdict
}
