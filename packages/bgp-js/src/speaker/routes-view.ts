import { type Family, Prefix } from '@margay/net'
import type { BestPathReason } from '../rib/decision.ts'
import type { FamilyRib, LocRib } from '../rib/loc-rib.ts'
import type { PathSource } from '../rib/path.ts'
import { type RouteAttributes, viewAttributes } from '../rib/route-attributes.ts'
import { FAMILIES, type FamilyName, familyName } from '../wire/address-family.ts'
import { familyOfKey, keyOfPrefix, type PrefixKey, prefixText } from '../wire/prefix-key.ts'
import { decodeRouteAttributes } from '../wire/resolve-update.ts'
import type { Peer } from './peer.ts'

/** The tables of a speaker, in the order of a route's way through it. */
export const ROUTE_TABLES = ['locRib', 'adjRibIn', 'adjRibOut'] as const

export type RouteTable = (typeof ROUTE_TABLES)[number]

/** Which routes to show. */
export interface RoutesQuery {
  /** One prefix exactly; default all. */
  readonly prefix?: string
  readonly family?: FamilyName
  /** Address of a peer: its tables alone, and no LocRib. */
  readonly peer?: string
  /** One table alone; default all. */
  readonly table?: RouteTable
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

/** What views read of a speaker. */
export interface ViewedTables {
  readonly locRib: LocRib
  readonly peers: readonly Peer[]
}

/** An entry of some table, and the cursor behind its prefix. */
export interface RouteEntry {
  readonly table: RouteTable
  readonly entry: LocRibView | AdjRibInView | AdjRibOutView
  readonly next: RouteCursor
}

/** A place in a walk over the tables; it stays good whatever happens to them. */
export interface RouteCursor {
  readonly table: RouteTable
  readonly family: Family
  /** Number of a prefix. */
  readonly from: number
}

const DEFAULT_LIMIT = 10_000
/** A walk gives its caller a chance to rest after so many prefixes. */
const STRETCH = 512

/** One table of one family. */
interface Section {
  readonly table: RouteTable
  readonly rib: FamilyRib
  readonly at: (prefix: number) => readonly RouteEntry['entry'][]
}

/** @throws {AddressError} for a prefix that is none */
export function viewRoutes(tables: ViewedTables, query: RoutesQuery): RoutesView {
  const limit = query.limit ?? DEFAULT_LIMIT
  const view: Record<RouteTable, RouteEntry['entry'][]> = { locRib: [], adjRibIn: [], adjRibOut: [] }
  let truncated = false
  for (const table of query.table === undefined ? ROUTE_TABLES : [query.table]) {
    for (const item of walkRoutes(tables, { ...query, table })) {
      if (item === undefined) continue
      truncated ||= view[table].length >= limit
      if (view[table].length >= limit) break
      view[table].push(item.entry)
    }
  }
  return { ...view, truncated } as RoutesView
}

/**
 * Every entry that the query asks for, whatever its `limit`, and `undefined` now and then, so that a long walk may be
 * taken in slices. The tables may change in between: what is there all the time is shown exactly once.
 * @throws {AddressError} for a prefix that is none
 */
export function walkRoutes(
  tables: ViewedTables,
  query: RoutesQuery,
  after?: RouteCursor,
): Generator<RouteEntry | undefined> {
  const key = query.prefix === undefined ? undefined : keyOfPrefix(Prefix.parse(query.prefix))
  return walkSections(sectionsOf(tables, query, key), key, after)
}

function* walkSections(
  sections: readonly Section[],
  key: PrefixKey | undefined,
  after: RouteCursor | undefined,
): Generator<RouteEntry | undefined> {
  let isBefore = after !== undefined
  for (const { table, rib, at } of sections) {
    const isHere = after?.table === table && after.family === rib.family
    if (isBefore && !isHere) continue
    isBefore = false
    const one = key === undefined ? undefined : prefixOf(rib, key)
    const end = (): number => (one === undefined ? rib.prefixes.end : one + 1)
    for (let prefix = Math.max(one ?? 1, isHere ? after.from : 1); prefix < end(); prefix++) {
      if (prefix !== 0) {
        const next = { table, family: rib.family, from: prefix + 1 }
        for (const entry of at(prefix)) yield { table, entry, next }
      }
      if (prefix % STRETCH === 0) yield undefined
    }
    yield undefined
  }
}

/** 0 where the table does not know it. */
const prefixOf = (rib: FamilyRib, key: PrefixKey): number =>
  familyOfKey(key) === rib.family ? rib.prefixes.findKey(key) : 0

function sectionsOf({ locRib, peers }: ViewedTables, query: RoutesQuery, key: PrefixKey | undefined): Section[] {
  const chosen = peers.filter((peer) => query.peer === undefined || peer.config.address === query.peer)
  const tables = ROUTE_TABLES.filter((table) => query.table === undefined || query.table === table)
  const families = FAMILIES.filter((family) => query.family === undefined || familyName(family) === query.family)
  return tables.flatMap((table) =>
    families.map((family): Section => {
      const rib = locRib.family(family)
      switch (table) {
        case 'locRib':
          return { table, rib, at: (prefix) => (query.peer === undefined ? locRibViews(rib, prefix) : []) }
        case 'adjRibIn':
          return { table, rib, at: adjRibInViews(rib, chosen) }
        case 'adjRibOut':
          return { table, rib, at: adjRibOutViews(rib, chosen, key !== undefined) }
        default:
          return table satisfies never
      }
    }),
  )
}

/** The candidates of one prefix, the best first. */
function locRibViews(rib: FamilyRib, prefix: number): LocRibView[] {
  const paths = rib.explain(prefix).map(
    ({ source, pathId, isBest, inMultipath, reason, attributes }): PathView => ({
      learnedFrom: source.id,
      source: source.kind,
      ...withPathId(pathId),
      best: isBest,
      multipath: inMultipath,
      reason,
      attributes: viewAttributes(attributes),
    }),
  )
  return paths.length === 0 ? [] : [{ prefix: textOf(rib, prefix), family: familyName(rib.family), paths }]
}

/** What the peers announced of a prefix. */
function adjRibInViews(rib: FamilyRib, peers: readonly Peer[]): (prefix: number) => AdjRibInView[] {
  const tables = new Map(
    peers.map((peer) => [peer.routes.adjRibIn[rib.family].peerIndex, peer.routes.adjRibIn[rib.family]] as const),
  )
  return (prefix) => {
    const views: AdjRibInView[] = []
    for (let path = rib.firstPath(prefix); path !== 0; path = rib.paths.nextOfPrefix[path] as number) {
      const table = tables.get(rib.paths.peer[path] as number)
      if (table === undefined) continue
      const { source, pathId, stale, received, attributes, refused } = table.view(path)
      views.push({
        peer: source.id,
        prefix: textOf(rib, prefix),
        family: familyName(rib.family),
        ...withPathId(pathId),
        stale,
        received: viewAttributes(received),
        accepted: attributes === undefined ? undefined : viewAttributes(attributes),
        refused,
      })
    }
    return views
  }
}

/** What the peers were sent of a prefix. @param explains say why of those that were sent nothing */
export function adjRibOutViews(
  rib: FamilyRib,
  peers: readonly Peer[],
  explains: boolean,
): (prefix: number) => AdjRibOutView[] {
  return (prefix) => {
    const views: AdjRibOutView[] = []
    for (const peer of peers) {
      const membership = peer.routes.membership(rib.family)
      if (membership === undefined) continue
      const sent = membership.group.sentTo(membership.member, prefix)
      if (sent.length === 0 && !explains) continue
      const about = { peer: peer.config.address, prefix: textOf(rib, prefix), family: familyName(rib.family) }
      for (const { pathId, block } of sent) {
        const attributes = viewAttributes(decodeRouteAttributes(block, block.nextHop, membership.wire))
        views.push({ ...about, ...withPathId(pathId), attributes, notAnnounced: undefined })
      }
      if (sent.length > 0) continue
      const notAnnounced = peer.routes.explainExport(rib.family, prefix)
      if (notAnnounced !== undefined) views.push({ ...about, attributes: undefined, notAnnounced })
    }
    return views
  }
}

const withPathId = (pathId: number): { readonly pathId?: number } => (pathId === 0 ? {} : { pathId })

const textOf = (rib: FamilyRib, prefix: number): string => prefixText(rib.prefixes.keyOf(prefix))
