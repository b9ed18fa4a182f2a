import type { FamilyName, NotAdvertised, PeerDetail, PrefixCounts, RouteExplanation } from 'bgp-js'
import type { RoutesPage } from '../../src/bgp/speaker-client.ts'

export const NOW = new Date('2026-03-01T12:00:00.000Z')

const counts = (received = 0, accepted = 0, advertised = 0, more: Partial<PrefixCounts> = {}): PrefixCounts => ({
  received,
  accepted,
  advertised,
  stale: 0,
  pending: 0,
  convergenceSeconds: undefined,
  ...more,
})
const nothingWithheld: NotAdvertised = {
  locRib: 0,
  advertised: 0,
  sampled: 0,
  complete: true,
  reasons: {},
  summary: undefined,
}
const noMessages = { open: 0, update: 0, notification: 0, keepalive: 0, routeRefresh: 0 }

/** A peer that was never up. */
const DOWN: PeerDetail = {
  address: '10.0.0.3',
  asn: 65003,
  type: 'eBGP',
  peerKind: 'external',
  description: undefined,
  remoteAddress: '10.0.0.3',
  state: 'Active',
  since: '2026-03-01T11:59:30.000Z',
  uptimeSeconds: undefined,
  adminDown: false,
  problem: 'no TCP answer from 10.0.0.3:179 (a wrong MD5 key looks the same)',
  heldBy: [],
  drained: false,
  stateHistory: [],
  routerId: undefined,
  localAddress: undefined,
  initiator: undefined,
  families: [],
  prefixes: { ipv4: counts(), ipv6: counts() },
  limits: {},
  lastError: undefined,
  lastErrorSent: undefined,
  lastErrorReceived: undefined,
  bfd: undefined,
  timers: {
    configuredHoldTimeSeconds: 90,
    holdTimeSeconds: undefined,
    keepaliveSeconds: undefined,
    connectRetrySeconds: 15,
    holdRemainingSeconds: undefined,
    connectRetryRemainingSeconds: undefined,
    idleHoldRemainingSeconds: undefined,
  },
  negotiated: undefined,
  capabilities: { local: [], remote: [] },
  messages: { in: noMessages, out: noMessages },
  flaps: 0,
  gracefulRestart: { peerOffers: false, retainedFamilies: [], restartRemainingSeconds: undefined },
  notAdvertised: { ipv4: nothingWithheld, ipv6: nothingWithheld },
}

const BOTH: readonly FamilyName[] = ['ipv4', 'ipv6']

const UP: PeerDetail = {
  ...DOWN,
  address: '10.0.0.2',
  asn: 65002,
  description: 'upstream',
  remoteAddress: '10.0.0.2',
  localAddress: '10.0.0.1',
  initiator: 'local',
  state: 'Established',
  since: '2026-02-27T09:00:00.000Z',
  uptimeSeconds: 183_600,
  problem: undefined,
  stateHistory: [
    { at: '2026-02-27T08:59:59.900Z', from: 'Idle', to: 'Connect', reason: 'started' },
    { at: '2026-02-27T09:00:00.000Z', from: 'OpenConfirm', to: 'Established', reason: 'established' },
  ],
  routerId: '192.0.2.2',
  families: BOTH,
  prefixes: {
    ipv4: counts(950_000, 949_998, 12, { pending: 3, convergenceSeconds: 0.25 }),
    ipv6: counts(200, 200, 0, { convergenceSeconds: 0.25 }),
  },
  limits: { ipv4: { limit: 1_000_000, warnAtPercent: 75, action: 'restart', restartAfterSeconds: undefined } },
  lastErrorReceived: {
    direction: 'received',
    code: 6,
    subcode: 2,
    name: 'Cease/Administrative Shutdown',
    text: 'work on the rack',
    at: '2026-02-27T08:55:00.000Z',
  },
  bfd: { up: true },
  timers: { ...DOWN.timers, holdTimeSeconds: 30, keepaliveSeconds: 10 },
  negotiated: {
    families: BOTH,
    addPath: { send: [], receive: ['ipv4'] },
    fourOctetAs: true,
    routeRefresh: true,
    enhancedRefresh: false,
    extendedMessages: true,
    extendedNextHop: false,
    peerRole: 'provider',
    notificationRestart: true,
    longLivedFamilies: [],
  },
  messages: {
    in: { open: 1, update: 120_345, notification: 0, keepalive: 18_360, routeRefresh: 0 },
    out: { open: 1, update: 4, notification: 0, keepalive: 18_361, routeRefresh: 2 },
  },
  flaps: 1,
  gracefulRestart: { peerOffers: true, retainedFamilies: [], restartRemainingSeconds: undefined },
  notAdvertised: {
    ipv4: nothingWithheld,
    ipv6: {
      locRib: 200_000,
      advertised: 0,
      sampled: 1000,
      complete: false,
      reasons: { noOwnNextHop: 200, policy: 800 },
      summary: 'of 1000 sampled routes: 800 policy (refused by the export policy)',
    },
  },
}

const UNKNOWN_AS: PeerDetail = {
  ...DOWN,
  address: 'fe80::1%eth1',
  asn: 0,
  drained: true,
  state: 'Idle',
  since: '2026-01-10T12:00:00.000Z',
  problem: 'administratively down',
}

export const PEERS = [UP, DOWN, UNKNOWN_AS] as const

const attributes = { origin: 'igp', asPath: '65002 65010', nextHop: '10.0.0.2', med: 5, localPref: 200 } as const
const worse = { ...attributes, asPath: '65003 65004 65010', nextHop: '10.0.0.3', communities: ['65001:7', 'no-export'] }

export const PAGE: RoutesPage = {
  locRib: [
    {
      prefix: '10.1.0.0/16',
      family: 'ipv4',
      paths: [
        {
          learnedFrom: '10.0.0.2',
          source: 'external',
          best: true,
          multipath: true,
          reason: 'AsPathLength',
          attributes,
        },
        {
          learnedFrom: '10.0.0.3',
          source: 'external',
          pathId: 4,
          best: false,
          multipath: false,
          reason: 'AsPathLength',
          attributes: worse,
        },
      ],
    },
    {
      prefix: '2001:db8::/32',
      family: 'ipv6',
      paths: [
        {
          learnedFrom: 'local',
          source: 'local',
          best: true,
          multipath: true,
          reason: 'OnlyPath',
          attributes: { origin: 'incomplete', asPath: '', nextHop: '::' },
        },
      ],
    },
  ],
  adjRibIn: [
    {
      peer: '10.0.0.2',
      prefix: '10.1.0.0/16',
      family: 'ipv4',
      stale: true,
      received: attributes,
      accepted: attributes,
      refused: undefined,
    },
    {
      peer: '10.0.0.3',
      prefix: '10.2.0.0/16',
      family: 'ipv4',
      pathId: 4,
      stale: false,
      received: worse,
      accepted: undefined,
      refused: 'asLoop',
    },
  ],
  adjRibOut: [
    { peer: '10.0.0.3', prefix: '10.1.0.0/16', family: 'ipv4', attributes, notAnnounced: undefined },
    { peer: '10.0.0.2', prefix: '10.1.0.0/16', family: 'ipv4', attributes: undefined, notAnnounced: 'cameFromPeer' },
  ],
  next: null,
}

export const EXPLANATION: RouteExplanation = {
  query: '10.1.2.3/32',
  exact: undefined,
  longestMatch: {
    prefix: '10.1.0.0/16',
    family: 'ipv4',
    candidates: (PAGE.locRib[0]?.paths ?? []).map((path) => ({ ...path, stale: !path.best, rpki: 'valid' as const })),
    refused: [{ peer: '10.0.0.4', refused: 'policy', rpki: 'invalid', attributes: worse }],
    advertisedTo: [{ peer: '10.0.0.3', attributes: worse }],
    notAdvertisedTo: [{ peer: '10.0.0.2', reason: 'cameFromPeer' }],
  },
}
