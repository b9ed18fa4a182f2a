import { Address, type Family, Prefix } from '@margay/net'
import type { ValidationState } from '../policy/policy-route.ts'
import type { FamilyRib, LocRib } from '../rib/loc-rib.ts'
import { type RouteAttributes, viewAttributes } from '../rib/route-attributes.ts'
import type { Validate } from '../rib/route-view.ts'
import { type FamilyName, familyName } from '../wire/address-family.ts'
import type { PathAttributes } from '../wire/path-attributes.ts'
import { keyOfPrefix, prefixText } from '../wire/prefix-key.ts'
import { type NotAdvertisedReason, whyNotAdvertised } from './advertisement.ts'
import type { Peer } from './peer.ts'
import { adjRibOutViews, type PathView } from './routes-view.ts'

/** A candidate of the decision process. */
export interface ExplainedCandidate extends PathView {
  /** Kept for a peer that is away (RFC 9494). */
  readonly stale: boolean
  /** What RPKI says; undefined where no cache is configured. */
  readonly rpki: ValidationState | undefined
}

/** A route that import refused: no candidate. */
export interface RefusedRoute {
  readonly peer: string
  readonly pathId?: number
  /** Why, for example `asLoop` or `policy`. */
  readonly refused: string
  readonly rpki: ValidationState | undefined
  /** As received. */
  readonly attributes: RouteAttributes
}

/** Everything that this speaker knows of one prefix and does with it. */
export interface PrefixExplanation {
  readonly prefix: string
  readonly family: FamilyName
  /** The best first; empty where nothing is usable. */
  readonly candidates: readonly ExplainedCandidate[]
  readonly refused: readonly RefusedRoute[]
  /** With the attributes as they were sent. */
  readonly advertisedTo: readonly {
    readonly peer: string
    readonly pathId?: number
    readonly attributes: RouteAttributes | undefined
  }[]
  readonly notAdvertisedTo: readonly { readonly peer: string; readonly reason: NotAdvertisedReason }[]
}

/** Why a destination goes where it goes. Plain data. */
export interface RouteExplanation {
  /** What was asked for, in canonical form. */
  readonly query: string
  /** The prefix itself; undefined where no peer and nobody here has it. */
  readonly exact: PrefixExplanation | undefined
  /** The longest prefix around it that has a best path, where that is another one. */
  readonly longestMatch: PrefixExplanation | undefined
}

/** What an explanation reads of a speaker. */
export interface ExplainedTables {
  readonly locRib: LocRib
  readonly peers: readonly Peer[]
  readonly validate: Validate | undefined
}

/** @param target an address or a prefix @throws {AddressError} for a text that is neither */
export function explainRoute(tables: ExplainedTables, target: string): RouteExplanation {
  const query = parseTarget(target)
  const rib = tables.locRib.family(query.family)
  const exact = rib.prefixes.findKey(keyOfPrefix(query))
  const longest = longestMatch(rib, query)
  return {
    query: query.toString(),
    exact: exact === 0 ? undefined : explainPrefix(tables, rib, exact),
    longestMatch: longest === 0 || longest === exact ? undefined : explainPrefix(tables, rib, longest),
  }
}

function parseTarget(target: string): Prefix {
  if (target.includes('/')) return Prefix.parse(target)
  const address = Address.parse(target)
  return new Prefix(address, address.family === 4 ? 32 : 128)
}

/** One look-up for each length: the tables have no order of their own. */
function longestMatch(rib: FamilyRib, query: Prefix): number {
  for (let length = query.length; length >= 0; length--) {
    const prefix = rib.prefixes.findKey(keyOfPrefix(around(query, rib.family, length)))
    if (prefix !== 0 && rib.best(prefix) !== 0) return prefix
  }
  return 0
}

function around({ address }: Prefix, family: Family, length: number): Prefix {
  const hostBits = BigInt((family === 4 ? 32 : 128) - length)
  return new Prefix(new Address(family, (address.value >> hostBits) << hostBits), length)
}

function explainPrefix(tables: ExplainedTables, rib: FamilyRib, prefix: number): PrefixExplanation {
  const text = prefixText(rib.prefixes.keyOf(prefix))
  const rpki = (attributes: PathAttributes): ValidationState | undefined => tables.validate?.(text, attributes)
  const candidates = rib.explain(prefix).map(
    ({ source, pathId, isBest, inMultipath, reason, stale, attributes }): ExplainedCandidate => ({
      learnedFrom: source.id,
      source: source.kind,
      ...(pathId === 0 ? {} : { pathId }),
      best: isBest,
      multipath: inMultipath,
      reason,
      stale,
      rpki: source.kind === 'local' ? undefined : rpki(attributes),
      attributes: viewAttributes(attributes),
    }),
  )
  const refused = tables.peers.flatMap((peer) => refusedRoutes(peer, rib.family, prefix, rpki))
  return { prefix: text, family: familyName(rib.family), candidates, refused, ...advertisement(tables, rib, prefix) }
}

function refusedRoutes(
  peer: Peer,
  family: Family,
  prefix: number,
  rpki: (attributes: PathAttributes) => ValidationState | undefined,
): RefusedRoute[] {
  const routes: RefusedRoute[] = []
  for (const { pathId, refused, received } of peer.routes.adjRibIn[family].ofPrefix(prefix)) {
    if (refused === undefined) continue
    const about = { peer: peer.config.address, ...(pathId === 0 ? {} : { pathId }) }
    routes.push({ ...about, refused, rpki: rpki(received), attributes: viewAttributes(received) })
  }
  return routes
}

function advertisement(
  { peers }: ExplainedTables,
  rib: FamilyRib,
  prefix: number,
): Pick<PrefixExplanation, 'advertisedTo' | 'notAdvertisedTo'> {
  const advertisedTo = adjRibOutViews(
    rib,
    peers,
    false,
  )(prefix).map(({ peer, pathId, attributes }) => ({
    peer,
    ...(pathId === undefined ? {} : { pathId }),
    attributes,
  }))
  const notAdvertisedTo = peers.flatMap((peer) => {
    const reason = whyNotAdvertised(peer, rib, prefix)
    return reason === undefined ? [] : [{ peer: peer.config.address, reason }]
  })
  return { advertisedTo, notAdvertisedTo }
}
