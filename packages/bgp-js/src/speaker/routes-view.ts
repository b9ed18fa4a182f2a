import type { Family } from '@margay/net'
import { Prefix } from '@margay/net'
import type { AdjRibIn } from '../rib/adj-rib-in.ts'
import type { BestPathReason } from '../rib/decision.ts'
import type { FamilyRib, LocRib } from '../rib/loc-rib.ts'
import type { PathSource, RibPath } from '../rib/path.ts'
import { type RouteAttributes, viewAttributes } from '../rib/route-attributes.ts'
import { FAMILIES, type FamilyName, familyName } from '../wire/address-family.ts'
import { familyOfKey, keyOfPrefix, type PrefixKey, prefixText } from '../wire/prefix-key.ts'
import { decodeRouteAttributes } from '../wire/resolve-update.ts'
import type { Peer } from './peer.ts'

/** Which routes to show. */
export interface RoutesQuery {
  /** One prefix exactly; default all. */
  readonly prefix?: string
  readonly family?: FamilyName
  /** Address of a peer: its tables alone, and no LocRib. */
  readonly peer?: string
  /** Most entries of each table; default 10,000. */
  readonly limit?: number
}

/** One candidate of a prefix. */
export interface PathView {
  readonly learnedFrom: string
  readonly source: PathSource['kind']
  /** RFC 7911; absent on sessions without. */
  readonly pathId?: number
  readonly best: boolean
  readonly multipath: boolean
  /** The step of the decision process that settled it. */
  readonly reason: BestPathReason
  readonly attributes: RouteAttributes
}

/** A prefix of LocRib, the best path first. */
export interface LocRibView {
  readonly prefix: string
  readonly family: FamilyName
  readonly paths: readonly PathView[]
}

export interface AdjRibInView {
  readonly peer: string
  readonly prefix: string
  readonly family: FamilyName
  /** RFC 7911; absent on sessions without. */
  readonly pathId?: number
  readonly stale: boolean
  /** As received. */
  readonly received: RouteAttributes
  /** After policy; undefined with `refused`. */
  readonly accepted: RouteAttributes | undefined
  /** Why it is not used. */
  readonly refused: string | undefined
}

export interface AdjRibOutView {
  readonly peer: string
  readonly prefix: string
  readonly family: FamilyName
  /** RFC 7911; absent on sessions without. */
  readonly pathId?: number
  readonly attributes: RouteAttributes | undefined
  /** Why the best path is not announced to the peer (only when one prefix is asked for). */
  readonly notAnnounced: string | undefined
}

/** Plain data. */
export interface RoutesView {
  readonly locRib: readonly LocRibView[]
  readonly adjRibIn: readonly AdjRibInView[]
  readonly adjRibOut: readonly AdjRibOutView[]
  /** A table had more than `limit` entries. */
  readonly truncated: boolean
}

const DEFAULT_LIMIT = 10_000

/** @throws {AddressError} for a prefix that is none */
export function viewRoutes(locRib: LocRib, peers: Iterable<Peer>, query: RoutesQuery): RoutesView {
  const key = query.prefix === undefined ? undefined : keyOfPrefix(Prefix.parse(query.prefix))
  const limit = query.limit ?? DEFAULT_LIMIT
  const chosen = [...peers].filter((peer) => query.peer === undefined || peer.config.address === query.peer)
  let truncated = false
  const bounded = <T>(items: Iterable<T>): T[] => {
    const taken: T[] = []
    for (const item of items) {
      if (taken.length >= limit) {
        truncated = true
        break
      }
      taken.push(item)
    }
    return taken
  }
  const families = FAMILIES.filter((family) => query.family === undefined || familyName(family) === query.family)
  return {
    locRib: query.peer === undefined ? bounded(locRibViews(locRib, families, key)) : [],
    adjRibIn: bounded(adjRibInViews(locRib, chosen, families, key)),
    adjRibOut: bounded(adjRibOutViews(locRib, chosen, families, key)),
    truncated,
  }
}

function* locRibViews(locRib: LocRib, families: readonly Family[], key: PrefixKey | undefined): Generator<LocRibView> {
  for (const family of families) {
    const rib = locRib.family(family)
    for (const prefix of prefixNumbers(rib, key)) {
      const paths = rib.explain(prefix).map(
        ({ source, pathId, isBest, inMultipath, reason, attributes }): PathView => ({
          learnedFrom: source.id,
          source: source.kind,
          ...(pathId === 0 ? {} : { pathId }),
          best: isBest,
          multipath: inMultipath,
          reason,
          attributes: viewAttributes(attributes),
        }),
      )
      if (paths.length > 0) yield { prefix: textOf(rib, prefix), family: familyName(family), paths }
    }
  }
}

function* adjRibInViews(
  locRib: LocRib,
  peers: readonly Peer[],
  families: readonly Family[],
  key: PrefixKey | undefined,
): Generator<AdjRibInView> {
  for (const peer of peers) {
    for (const family of families) {
      for (const path of pathsOf(locRib.family(family), peer.routes.adjRibIn[family], key)) {
        yield {
          peer: peer.config.address,
          prefix: prefixText(path.key),
          family: familyName(family),
          ...(path.pathId === 0 ? {} : { pathId: path.pathId }),
          stale: path.stale,
          received: viewAttributes(path.received),
          accepted: path.attributes === undefined ? undefined : viewAttributes(path.attributes),
          refused: path.refused,
        }
      }
    }
  }
}

function* adjRibOutViews(
  locRib: LocRib,
  peers: readonly Peer[],
  families: readonly Family[],
  key: PrefixKey | undefined,
): Generator<AdjRibOutView> {
  for (const peer of peers) {
    for (const family of families) {
      const membership = peer.routes.membership(family)
      if (membership === undefined) continue
      const rib = locRib.family(family)
      for (const prefix of prefixNumbers(rib, key)) {
        const sent = membership.group.sentTo(membership.member, prefix)
        const about = { peer: peer.config.address, prefix: textOf(rib, prefix), family: familyName(family) }
        for (const { pathId, block } of sent) {
          const attributes = viewAttributes(decodeRouteAttributes(block, block.nextHop, membership.wire))
          yield { ...about, ...(pathId === 0 ? {} : { pathId }), attributes, notAnnounced: undefined }
        }
        if (sent.length > 0 || key === undefined) continue
        const notAnnounced = peer.routes.explainExport(family, prefix)
        if (notAnnounced !== undefined) yield { ...about, attributes: undefined, notAnnounced }
      }
    }
  }
}

const textOf = (rib: FamilyRib, prefix: number): string => prefixText(rib.prefixes.keyOf(prefix))

/** The prefix that is asked for, or every number that may name one. */
function* prefixNumbers(rib: FamilyRib, key: PrefixKey | undefined): Generator<number> {
  if (key === undefined) {
    for (let prefix = 1; prefix < rib.prefixes.end; prefix++) yield prefix
  } else if (familyOfKey(key) === rib.family) {
    const prefix = rib.prefixes.findKey(key)
    if (prefix !== 0) yield prefix
  }
}

function* pathsOf(rib: FamilyRib, table: AdjRibIn, key: PrefixKey | undefined): Generator<RibPath> {
  if (key !== undefined) {
    for (const prefix of prefixNumbers(rib, key)) yield* table.ofPrefix(prefix)
    return
  }
  for (let path = table.first; path !== 0; path = rib.paths.nextOfPeer[path] as number) yield table.view(path)
}
