import type { Family } from '@margay/net'
import { Prefix } from '@margay/net'
import type { BestPathReason } from '../rib/decision.ts'
import type { LocRib } from '../rib/loc-rib.ts'
import { type RouteAttributes, viewAttributes } from '../rib/route-attributes.ts'
import { FAMILIES, type FamilyName, familyName } from '../wire/address-family.ts'
import { keyOfPrefix, type PrefixKey, prefixText } from '../wire/prefix-key.ts'
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
  readonly source: 'local' | 'external' | 'internal'
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
    adjRibIn: bounded(adjRibInViews(chosen, families, key)),
    adjRibOut: bounded(adjRibOutViews(chosen, families, key)),
    truncated,
  }
}

function* locRibViews(locRib: LocRib, families: readonly Family[], key: PrefixKey | undefined): Generator<LocRibView> {
  for (const family of families) {
    for (const candidate of key === undefined ? locRib.keys(family) : [key]) {
      const ranked = locRib.explain(candidate)
      if (ranked.length === 0 || (key !== undefined && familyKeyDiffers(family, key))) continue
      const paths = ranked.map(
        ({ path, isBest, inMultipath, reason }): PathView => ({
          learnedFrom: path.source.id,
          source: path.source.kind,
          best: isBest,
          multipath: inMultipath,
          reason,
          attributes: viewAttributes(path.attributes),
        }),
      )
      yield { prefix: prefixText(candidate), family: familyName(family), paths }
    }
  }
}

function* adjRibInViews(
  peers: readonly Peer[],
  families: readonly Family[],
  key: PrefixKey | undefined,
): Generator<AdjRibInView> {
  for (const peer of peers) {
    const { adjRibIn } = peer.routes
    for (const family of families) {
      for (const candidate of key === undefined ? adjRibIn.keys(family) : [key]) {
        const path = adjRibIn.get(candidate)
        if (path === undefined || (key !== undefined && familyKeyDiffers(family, key))) continue
        yield {
          peer: peer.config.address,
          prefix: prefixText(candidate),
          family: familyName(family),
          stale: adjRibIn.isStale(path),
          received: viewAttributes(path.received),
          accepted: path.attributes === undefined ? undefined : viewAttributes(path.attributes),
          refused: path.refused,
        }
      }
    }
  }
}

function* adjRibOutViews(
  peers: readonly Peer[],
  families: readonly Family[],
  key: PrefixKey | undefined,
): Generator<AdjRibOutView> {
  for (const peer of peers) {
    for (const family of families) {
      const out = peer.routes.out(family)
      for (const candidate of key === undefined ? out.keys() : [key]) {
        if (key !== undefined && familyKeyDiffers(family, key)) continue
        const sent = out.sent(candidate)
        const notAnnounced = sent === undefined ? peer.routes.explainExport(candidate) : undefined
        if (sent === undefined && notAnnounced === undefined) continue
        yield {
          peer: peer.config.address,
          prefix: prefixText(candidate),
          family: familyName(family),
          attributes: sent === undefined ? undefined : viewAttributes(sent),
          notAnnounced,
        }
      }
    }
  }
}

const familyKeyDiffers = (family: Family, key: PrefixKey): boolean => (family === 4) !== (typeof key === 'number')
