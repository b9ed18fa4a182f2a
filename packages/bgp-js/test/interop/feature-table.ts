import { DAEMONS, type DaemonName } from './dialects.ts'
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
const noConfederation = { why: 'has no confederations' }
const noBfd = { why: 'has no BFD' }
const noLongLived = { why: 'does not offer it', check: check.lacks('longLivedGracefulRestart') }
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
  { name: 'another AS of ours', rfc: '7705', cells: all({ in: 'interop/capabilities.fn' }) },
  { name: 'outside of our confederation', rfc: '5065', cells: all({ in: 'interop/capabilities.fn' }) },
  {
    name: 'another member of our confederation',
    rfc: '5065',
    cells: {
      BIRD: { in: 'interop/capabilities.fn' },
      FRR: { in: 'interop/capabilities.fn' },
      GoBGP: { why: 'has confederations; left to BIRD and FRR' },
      ExaBGP: noConfederation,
      OpenBGPD: noConfederation,
    },
  },
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
  {
    name: 'GTSM',
    rfc: '5082',
    cells: { ...security, ExaBGP: { why: 'its Python has no IP_MINTTL: what it takes is not checked' } },
  },
  {
    name: 'they are killed and started again',
    rfc: '4724',
    cells: peers,
  },
  {
    name: 'we are killed and start again: they keep our routes',
    rfc: '4724',
    cells: { ...peers, ExaBGP: noTable },
  },
  {
    name: 'both are killed in turn: no packet is lost',
    rfc: '4724',
    cells: {
      ...all({ in: 'interop/kernel-restart.fn' }),
      GoBGP: { why: 'gives routes to a kernel by zebra alone' },
      ExaBGP: noTable,
      OpenBGPD: { why: 'offers restart for End-of-RIB alone, and takes its kernel routes along' },
    },
  },
  {
    name: 'long-lived graceful restart offered',
    rfc: '9494',
    cells: {
      BIRD: check.longLivedOffered,
      FRR: check.longLivedOffered,
      GoBGP: check.longLivedOffered,
      ExaBGP: noLongLived,
      OpenBGPD: noLongLived,
    },
  },
  {
    name: 'long-lived graceful restart, both roles',
    rfc: '9494',
    cells: {
      BIRD: { in: 'interop/long-lived.fn' },
      FRR: { why: 'keeps nothing beyond the restart time unless told to by a global option' },
      GoBGP: { why: 'checked as far as the offer' },
      ExaBGP: noLongLived,
      OpenBGPD: noLongLived,
    },
  },
  {
    name: 'IPv6 next hops of IPv4 routes',
    rfc: '8950',
    cells: {
      BIRD: { in: 'interop/extended-next-hop.fn' },
      FRR: { in: 'interop/extended-next-hop.fn' },
      GoBGP: { in: 'interop/extended-next-hop.fn' },
      ExaBGP: { in: 'interop/extended-next-hop.fn' },
      OpenBGPD: { why: 'does not offer it', check: check.lacks('extendedNextHop') },
    },
  },
  { name: 'route reflection', rfc: '4456', cells: all({ in: 'interop/reflection.fn' }) },
  {
    name: 'BFD',
    rfc: '5880, 5881',
    cells: {
      BIRD: { in: 'bfd/bfd-sessions.fn' },
      FRR: { in: 'bfd/bfd-sessions.fn' },
      GoBGP: noBfd,
      ExaBGP: noBfd,
      OpenBGPD: noBfd,
    },
  },
  // The last one of a session.
  {
    name: 'shutdown text from us',
    rfc: '9003',
    cells: { ...all(check.ourShutdownText), ExaBGP: noText },
  },
]

/** The table as README has it. */
export function featureTable(): string {
  const text = (cell: Cell): string => {
    if (typeof cell === 'function') return '✓'
    return 'in' in cell ? `\`${cell.in}\`` : `– ${cell.why}`
  }
  const row = (words: readonly string[]): string => `| ${words.join(' | ')} |`
  const heads = ['feature', 'RFC', ...DAEMONS]
  const rows = features.map(({ name, rfc, cells }) => [name, rfc, ...DAEMONS.map((daemon) => text(cells[daemon]))])
  return [heads, heads.map(() => '---'), ...rows].map(row).join('\n')
}
