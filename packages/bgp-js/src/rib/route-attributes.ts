import type { Family } from '@margay/net'
import { Address } from '@margay/net'
import { type LargeCommunity, Origin, type PathAttributes, WellKnownCommunity } from '../wire/path-attributes.ts'

/** Path attributes for people and programs: plain data, communities as text, absent when unset. */
export interface RouteAttributes {
  readonly origin: 'igp' | 'egp' | 'incomplete'
  /** AS_PATH as text: `64512 65001 {65010 65011}`. */
  readonly asPath: string
  readonly nextHop: string
  readonly nextHopLinkLocal?: string
  readonly med?: number
  readonly localPref?: number
  readonly atomicAggregate?: true
  readonly aggregator?: { readonly asn: number; readonly address: string }
  /** `64512:100`, or the name of a well-known one. */
  readonly communities?: readonly string[]
  /** `64512:1:2` */
  readonly largeCommunities?: readonly string[]
  /** 16 hexadecimal digits each. */
  readonly extendedCommunities?: readonly string[]
  readonly originatorId?: string
  readonly clusterList?: readonly string[]
  /** Attributes carried without being understood, value in hexadecimal. */
  readonly opaque?: readonly { readonly code: number; readonly flags: number; readonly value: string }[]
}

/** What a route that this speaker originates may carry; everything has a default. */
export interface OriginateAttributes {
  readonly origin?: RouteAttributes['origin']
  /** Default: the address of this speaker in each session. */
  readonly nextHop?: string
  readonly med?: number
  readonly localPref?: number
  readonly communities?: readonly string[]
  readonly largeCommunities?: readonly string[]
}

const ORIGINS = ['igp', 'egp', 'incomplete'] as const
const BRACKETS = { sequence: '', set: '{}', confedSequence: '()', confedSet: '[]' } as const
const WELL_KNOWN: Readonly<Record<string, number>> = {
  'graceful-shutdown': WellKnownCommunity.GracefulShutdown,
  'llgr-stale': WellKnownCommunity.LlgrStale,
  'no-llgr': WellKnownCommunity.NoLlgr,
  blackhole: WellKnownCommunity.Blackhole,
  'no-export': WellKnownCommunity.NoExport,
  'no-advertise': WellKnownCommunity.NoAdvertise,
  'no-export-subconfed': WellKnownCommunity.NoExportSubconfed,
  'no-peer': WellKnownCommunity.NoPeer,
}
const NAME_OF = new Map(Object.entries(WELL_KNOWN).map(([name, value]) => [value, name]))

export function viewAttributes(attributes: PathAttributes): RouteAttributes {
  const { origin, asPath, communities, largeCommunities, opaque, partialCodes: _, ...plain } = attributes
  return {
    ...plain,
    origin: ORIGINS[origin],
    asPath: asPathText(asPath),
    ...(communities === undefined ? {} : { communities: communities.map(formatCommunity) }),
    ...(largeCommunities === undefined ? {} : { largeCommunities: largeCommunities.map((item) => item.join(':')) }),
    ...(opaque === undefined
      ? {}
      : {
          opaque: opaque.map(({ code, flags, value }) => ({ code, flags, value: Buffer.from(value).toString('hex') })),
        }),
  }
}

/** @throws {RangeError} for a community or next hop that is none; `family` decides which next hops are right */
export function originatedAttributes(attributes: OriginateAttributes, family: Family): PathAttributes {
  const { origin = 'igp', nextHop, communities, largeCommunities, med, localPref } = attributes
  if (nextHop !== undefined && Address.tryParse(nextHop)?.family !== family) {
    throw new RangeError(`${nextHop} is no IPv${family} next hop`)
  }
  return {
    origin: { igp: Origin.Igp, egp: Origin.Egp, incomplete: Origin.Incomplete }[origin],
    asPath: [],
    nextHop: nextHop ?? (family === 4 ? '0.0.0.0' : '::'),
    ...(med === undefined ? {} : { med }),
    ...(localPref === undefined ? {} : { localPref }),
    ...(communities === undefined || communities.length === 0 ? {} : { communities: communities.map(parseCommunity) }),
    ...(largeCommunities === undefined || largeCommunities.length === 0
      ? {}
      : { largeCommunities: largeCommunities.map(parseLargeCommunity) }),
  }
}

function asPathText(path: PathAttributes['asPath']): string {
  return path
    .map((segment) => {
      const [open = '', close = ''] = BRACKETS[segment.type]
      return `${open}${segment.asns.join(' ')}${close}`
    })
    .join(' ')
}

/** `64512:100` or a well-known name (`no-export`). @throws {RangeError} */
export function parseCommunity(text: string): number {
  const known = WELL_KNOWN[text]
  if (known !== undefined) return known
  const [high = 0, low = 0] = parts(text, 2, 0xffff)
  return high * 0x10000 + low
}

export const formatCommunity = (value: number): string =>
  NAME_OF.get(value) ?? `${Math.floor(value / 0x10000)}:${value % 0x10000}`

/** `64512:1:2` @throws {RangeError} */
export function parseLargeCommunity(text: string): LargeCommunity {
  const [global = 0, local1 = 0, local2 = 0] = parts(text, 3, 0xffffffff)
  return [global, local1, local2]
}

function parts(text: string, count: number, max: number): number[] {
  const numbers = text.split(':').map((part) => (/^\d{1,10}$/.test(part) ? Number(part) : Number.NaN))
  if (numbers.length !== count || numbers.some((value) => !(value <= max))) {
    throw new RangeError(`${JSON.stringify(text)} is no community of ${count} numbers`)
  }
  return numbers
}
