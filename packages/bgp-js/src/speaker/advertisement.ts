import type { Family } from '@margay/net'
import type { ExportRefusal } from '../rib/export-rules.ts'
import type { FamilyRib } from '../rib/loc-rib.ts'
import type { Peer } from './peer.ts'

/** Why a peer is not sent a prefix. */
export type NotAdvertisedReason =
  | ExportRefusal
  | 'notEstablished'
  | 'familyNotNegotiated'
  | 'deferred'
  | 'noBestPath'
  | 'cameFromPeer'
  | 'nextHopIsPeer'
  | 'pending'

/** The same in words. */
export const NOT_ADVERTISED_TEXT: Readonly<Record<NotAdvertisedReason, string>> = {
  notEstablished: 'the session is not Established',
  familyNotNegotiated: 'the address family was not agreed on',
  deferred: 'route selection waits for the end of a graceful restart',
  noBestPath: 'there is no best path',
  cameFromPeer: 'the best path came from this peer',
  nextHopIsPeer: 'the next hop is the peer itself',
  pending: 'it is about to be sent',
  internalToInternal: 'from an internal peer, and neither is a route reflector client',
  noAdvertise: 'community no-advertise',
  noExport: 'community no-export',
  noPolicy: 'external peer without an export policy (RFC 8212)',
  policy: 'refused by the export policy',
  noOwnNextHop: 'no next hop of our own for this family: set nextHop',
  onlyToCustomer: 'only for customers (RFC 9234)',
  longLivedStale: 'stale for long, and the peer does not know what that is (RFC 9494)',
  attributesTooLong: 'the path attributes do not fit into a message',
}

/** How much of LocRib a peer is not sent, and why. */
export interface NotAdvertised {
  /** Prefixes that have a best path. */
  readonly locRib: number
  readonly advertised: number
  /** Prefixes that were looked at, at most about a thousand, spread over the table. */
  readonly sampled: number
  /** Every prefix was looked at: the counts are exact. */
  readonly complete: boolean
  /** Of those that were looked at and are not sent. */
  readonly reasons: Readonly<Partial<Record<NotAdvertisedReason, number>>>
  /** In words; undefined where nothing is held back. */
  readonly summary: string | undefined
}

const SAMPLE = 1000

/** @returns undefined when the peer is sent the prefix */
export function whyNotAdvertised(peer: Peer, rib: FamilyRib, prefix: number): NotAdvertisedReason | undefined {
  const { family } = rib
  const { state, negotiated } = peer.session
  if (state !== 'Established') return 'notEstablished'
  if (negotiated?.families.includes(family) !== true) return 'familyNotNegotiated'
  const membership = peer.routes.membership(family)
  if (membership === undefined) return 'deferred'
  if (membership.group.sentTo(membership.member, prefix).length > 0) return undefined
  if (rib.best(prefix) === 0) return 'noBestPath'
  return peer.routes.explainExport(family, prefix) ?? 'pending'
}

/** Looks at a bounded number of best paths, whatever the size of the table. */
export function sampleNotAdvertised(peer: Peer, rib: FamilyRib): NotAdvertised {
  const { end } = rib.prefixes
  const step = Math.max(1, Math.ceil((end - 1) / SAMPLE))
  const reasons: Partial<Record<NotAdvertisedReason, number>> = {}
  let sampled = 0
  for (let prefix = 1; prefix < end; prefix += step) {
    if (rib.best(prefix) === 0) continue
    sampled++
    const reason = whyNotAdvertised(peer, rib, prefix)
    if (reason !== undefined) reasons[reason] = (reasons[reason] ?? 0) + 1
  }
  const { advertised } = peer.routes.counts(rib.family)
  const facts = { locRib: rib.size, advertised, sampled, complete: step === 1, reasons }
  return { ...facts, summary: summaryOf(peer, rib.family, facts) }
}

function summaryOf(peer: Peer, family: Family, facts: Omit<NotAdvertised, 'summary'>): string | undefined {
  const { session } = peer
  if (session.state !== 'Established') return NOT_ADVERTISED_TEXT.notEstablished
  if (session.negotiated?.families.includes(family) !== true) return NOT_ADVERTISED_TEXT.familyNotNegotiated
  if (peer.routes.membership(family) === undefined) return NOT_ADVERTISED_TEXT.deferred
  if (facts.locRib === 0) return 'there are no routes to advertise'
  const counts = Object.entries(facts.reasons) as [NotAdvertisedReason, number][]
  if (counts.length === 0) return undefined
  const parts = counts
    .toSorted(([, a], [, b]) => b - a)
    .map(([reason, count]) => `${count} ${reason} (${NOT_ADVERTISED_TEXT[reason]})`)
  return `of ${facts.sampled} ${facts.complete ? 'routes' : 'sampled routes'}: ${parts.join(', ')}`
}
