import type { Family } from '@margay/net'
import type { NlriBlock } from './nlri.ts'

export const Origin = { Igp: 0, Egp: 1, Incomplete: 2 } as const
export type Origin = (typeof Origin)[keyof typeof Origin]

/** One AS_PATH segment (RFC 4271 §4.3, RFC 5065 §3). */
export interface AsPathSegment {
  readonly type: 'set' | 'sequence' | 'confedSequence' | 'confedSet'
  readonly asns: readonly number[]
}

export interface Aggregator {
  readonly asn: number
  readonly address: string
}

/** global:local1:local2, each 32 bits (RFC 8092). */
export type LargeCommunity = readonly [global: number, local1: number, local2: number]

/** An attribute this speaker does not know: kept as it came. */
export interface OpaqueAttribute {
  readonly flags: number
  readonly code: number
  readonly value: Uint8Array
}

/** Next hop of a route; `linkLocal` is the second address of a 32-octet IPv6 next hop (RFC 2545 §3). */
export interface NextHop {
  readonly address: string
  readonly linkLocal?: string
}

/**
 * The path attributes of a route, shared by every prefix that came with them. Immutable: change a copy. AS numbers have
 * four octets whatever the session carries; 32-bit values are unsigned numbers; addresses are canonical text.
 */
export interface PathAttributes {
  readonly origin: Origin
  readonly asPath: readonly AsPathSegment[]
  /** Address of the next router; `0.0.0.0` or `::` for "this speaker" in routes that it originates. */
  readonly nextHop: string
  readonly nextHopLinkLocal?: string
  readonly med?: number
  readonly localPref?: number
  readonly atomicAggregate?: true
  readonly aggregator?: Aggregator
  readonly communities?: readonly number[]
  readonly largeCommunities?: readonly LargeCommunity[]
  /** Each community as 16 hexadecimal digits (RFC 4360). */
  readonly extendedCommunities?: readonly string[]
  readonly originatorId?: string
  readonly clusterList?: readonly string[]
  /** AS that a route may only go down from (OTC, RFC 9234 §5). */
  readonly onlyToCustomer?: number
  readonly opaque?: readonly OpaqueAttribute[]
  /** Marks that policies set and match; they never leave this speaker. */
  readonly tags?: readonly string[]
  /** Codes of known attributes that came with the Partial bit: once set it stays set (RFC 4271 §4.3). */
  readonly partialCodes?: readonly number[]
}

/** Prefixes of one family that an UPDATE announces, and where they go. */
export interface ReachablePrefixes {
  readonly family: Family
  readonly nextHop: NextHop
  readonly nlri: NlriBlock
}

/** Prefixes of one family that an UPDATE withdraws. */
export interface UnreachablePrefixes {
  readonly family: Family
  readonly nlri: NlriBlock
}

/** What the attribute codecs read out of one UPDATE: each field by the codec that owns it. */
export interface DecodedAttributes {
  origin?: Origin
  asPath?: AsPathSegment[]
  nextHop?: string
  med?: number
  localPref?: number
  atomicAggregate?: true
  aggregator?: Aggregator
  communities?: number[]
  originatorId?: string
  clusterList?: string[]
  mpReach?: ReachablePrefixes | 'unsupported'
  mpUnreach?: UnreachablePrefixes | 'unsupported'
  extendedCommunities?: string[]
  as4Path?: AsPathSegment[]
  as4Aggregator?: Aggregator
  largeCommunities?: LargeCommunity[]
  onlyToCustomer?: number
}

/** AS_TRANS: stands for a four-octet AS number where two octets are all there is (RFC 6793 §9). */
export const AS_TRANS = 23456

export const WellKnownCommunity = {
  GracefulShutdown: 0xffff0000,
  LlgrStale: 0xffff0006,
  NoLlgr: 0xffff0007,
  Blackhole: 0xffff029a,
  NoExport: 0xffffff01,
  NoAdvertise: 0xffffff02,
  NoExportSubconfed: 0xffffff03,
  NoPeer: 0xffffff04,
} as const
