import type { DaemonName } from './dialects.ts'
import type { LiveCheck } from './live-checks.ts'
import * as check from './live-checks.ts'

/** A check of its own, the file with the tests, or why this version of the daemon has nothing to check. */
export type Cell = LiveCheck | { readonly in: string } | Without

export interface Without {
  readonly why: string
  /** What proves it. */
  readonly check?: LiveCheck
}

/** A row: one feature with every daemon. */
export interface Feature {
  readonly name: string
  readonly rfc: string
  readonly cells: Readonly<Record<DaemonName, Cell>>
}

const all = (cell: Cell): Feature['cells'] => ({ BIRD: cell, FRR: cell, GoBGP: cell, ExaBGP: cell, OpenBGPD: cell })
const peers = all({ in: 'interop/peers.fn' })
const security = all({ in: 'interop/tcp-security.fn' })
const noTable = { why: 'has no table and passes nothing on' }
const noText = { why: 'neither sends a text nor says that it got one' }
const noExtended = { why: 'has no extended messages', check: check.lacks('extendedMessages') }
const noRole = { why: 'has no roles', check: check.lacks('role') }
const exabgpRefresh = { why: '4.2.21 ends its own session when a peer with RFC 7313 asks (TypeError in new_update)' }
const openbgpdRefresh = { why: '7.7 discards every request as "AID not negotiated" (openbgpd-portable issue 46)' }

/** Every feature that the daemons of Debian 12 share with us: BIRD 2.0.12, FRR 8.4, GoBGP 3.10, ExaBGP 4.2, OpenBGPD 7.7. */
export const features: readonly Feature[] = [
  { name: 'IPv4 and IPv6 routes, both ways', rfc: '4271, 4760, 6793', cells: peers },
  { name: 'withdrawals, both ways', rfc: '4271', cells: peers },
  { name: 'several paths to them', rfc: '7911', cells: all(check.addPathToThem) },
  { name: 'several paths from them', rfc: '7911', cells: all(check.addPathFromThem) },
  { name: 'communities through us', rfc: '1997, 4360, 8092', cells: all(check.communitiesThroughUs) },
  {
    name: 'communities through them',
    rfc: '1997, 4360, 8092',
    cells: { ...all(check.communitiesThroughThem), ExaBGP: noTable },
  },
  {
    name: 'unknown transitive attribute through us',
    rfc: '4271 §5',
    cells: { ...all(check.unknownThroughUs), FRR: check.unknownThroughUsAndThem },
  },
  {
    name: 'unknown transitive attribute through them',
    rfc: '4271 §5',
    cells: { ...all(check.unknownThroughThem), ExaBGP: noTable },
  },
  {
    name: 'messages over 4,096 octets from us',
    rfc: '8654',
    cells: { ...all(check.longFromUs), GoBGP: noExtended, OpenBGPD: noExtended },
  },
  {
    name: 'messages over 4,096 octets from them',
    rfc: '8654',
    cells: { ...all(check.longFromThem), GoBGP: noExtended, OpenBGPD: noExtended },
  },
  {
    name: 'enhanced route refresh',
    rfc: '7313',
    cells: {
      ...all(check.enhancedRefresh),
      GoBGP: { why: 'does not offer it', check: check.lacks('enhancedRefresh') },
      ExaBGP: exabgpRefresh,
      OpenBGPD: openbgpdRefresh,
    },
  },
  {
    name: 'they send again when we ask',
    rfc: '2918',
    cells: { ...all(check.weAskForRefresh), ExaBGP: exabgpRefresh, OpenBGPD: openbgpdRefresh },
  },
  {
    name: 'we send again when they ask',
    rfc: '2918',
    cells: {
      ...all(check.theyAskForRefresh),
      GoBGP: { why: 'its softresetin reads its own Adj-RIB-In again, and asks nobody' },
    },
  },
  { name: 'roles', rfc: '9234', cells: { ...all(check.roles), GoBGP: noRole, ExaBGP: noRole } },
  { name: 'private AS numbers removed', rfc: '6996', cells: all(check.privateAsRemoved) },
  { name: 'drained', rfc: '8326', cells: all(check.drained) },
  {
    name: 'shutdown text from them',
    rfc: '9003',
    cells: { ...all(check.theirShutdownText), ExaBGP: noText },
  },
  { name: 'our limit of prefixes', rfc: '4486', cells: all(check.ourLimit) },
  {
    name: 'their limit of prefixes',
    rfc: '4486',
    cells: { ...all(check.theirLimit), ExaBGP: { why: 'has no limit' } },
  },
  { name: 'TCP MD5', rfc: '2385', cells: security },
  { name: 'GTSM', rfc: '5082', cells: security },
  // The last one of a session.
  {
    name: 'shutdown text from us',
    rfc: '9003',
    cells: { ...all(check.ourShutdownText), ExaBGP: noText },
  },
]
