import type { Family } from '@margay/net'
import type { Negotiated } from '../fsm/negotiation.ts'
import type { SessionState } from '../fsm/state.ts'
import type { PeerKind } from '../rib/path.ts'
import { type FamilyName, familyName } from '../wire/address-family.ts'
import type { Capability } from '../wire/capabilities/capability.ts'
import type { BgpRole } from '../wire/capabilities/role.ts'
import { MAX_MESSAGE_OCTETS } from '../wire/header.ts'
import { CeaseSubcode } from '../wire/notification-names.ts'
import type { PrefixLimit } from './config.ts'
import type { MessageCounters } from './message-counters.ts'
import type { Peer } from './peer.ts'
import type { StateChange } from './peer-history.ts'
import type { HoldReason } from './peer-holds.ts'
import { describeProblem } from './peer-problem.ts'
import type { SessionError } from './session-error.ts'

/** Prefixes of one family. */
export interface PrefixCounts {
  /** What the peer announced, refused ones included. */
  readonly received: number
  readonly accepted: number
  readonly advertised: number
  /** Of `received`, those that outlive a session that ended (RFC 4724). */
  readonly stale: number
  /** Prefixes whose latest state the peer was not sent yet. */
  readonly pending: number
  /** How long it took from the start of the session until the whole table was sent; undefined until it is. */
  readonly convergenceSeconds: number | undefined
}

/** What both ends agreed on in their OPENs. */
export interface NegotiatedStatus {
  readonly families: readonly FamilyName[]
  /** Families whose paths we send, and receive, with path identifiers (RFC 7911). */
  readonly addPath: { readonly send: readonly FamilyName[]; readonly receive: readonly FamilyName[] }
  readonly fourOctetAs: boolean
  readonly routeRefresh: boolean
  readonly enhancedRefresh: boolean
  readonly extendedMessages: boolean
  /** IPv4 routes with IPv6 next hops (RFC 8950). */
  readonly extendedNextHop: boolean
  /** What the peer is to us (RFC 9234). */
  readonly peerRole: BgpRole | undefined
  /** RFC 8538. */
  readonly notificationRestart: boolean
  /** RFC 9494. */
  readonly longLivedFamilies: readonly FamilyName[]
}

/** What there is to know about one peer. Plain data; no secrets. */
export interface PeerStatus {
  readonly address: string
  readonly asn: number
  readonly type: 'iBGP' | 'eBGP'
  readonly peerKind: PeerKind
  readonly description: string | undefined
  /** Where the peer is: of an `interface` peer the neighbour that was found. */
  readonly remoteAddress: string | undefined
  readonly state: SessionState
  /** ISO time of the last change of state. */
  readonly since: string
  /** Seconds since the session was established; undefined while it is not. */
  readonly uptimeSeconds: number | undefined
  readonly adminDown: boolean
  /** In a sentence why the session is not Established; undefined when it is. */
  readonly problem: string | undefined
  /** What keeps it down beside its configuration; without a time until it is released. */
  readonly heldBy: readonly { readonly reason: HoldReason; readonly remainingSeconds: number | undefined }[]
  /** Routes go out as a last resort (RFC 8326). */
  readonly drained: boolean
  /** The last 32 changes, the oldest first. */
  readonly stateHistory: readonly StateChange[]
  readonly routerId: string | undefined
  readonly localAddress: string | undefined
  readonly initiator: 'local' | 'remote' | undefined
  /** Families agreed on; empty while the session is not up. */
  readonly families: readonly FamilyName[]
  readonly prefixes: Readonly<Record<FamilyName, PrefixCounts>>
  readonly limits: Readonly<Partial<Record<FamilyName, PrefixLimit>>>
  readonly lastError: SessionError | undefined
  /** The last NOTIFICATION that we sent. */
  readonly lastErrorSent: SessionError | undefined
  /** The last NOTIFICATION that the peer sent. */
  readonly lastErrorReceived: SessionError | undefined
  /** Undefined where BFD does not watch the peer. */
  readonly bfd: { readonly up: boolean } | undefined
  readonly timers: {
    readonly configuredHoldTimeSeconds: number
    /** Negotiated; undefined before OPEN was exchanged. */
    readonly holdTimeSeconds: number | undefined
    readonly keepaliveSeconds: number | undefined
    readonly connectRetrySeconds: number
    readonly holdRemainingSeconds: number | undefined
    readonly connectRetryRemainingSeconds: number | undefined
    readonly idleHoldRemainingSeconds: number | undefined
  }
  /** Undefined before OPEN was exchanged. */
  readonly negotiated: NegotiatedStatus | undefined
  readonly capabilities: { readonly local: readonly Capability[]; readonly remote: readonly Capability[] }
  readonly messages: MessageCounters
  /** Times an established session ended. */
  readonly flaps: number
  readonly gracefulRestart: {
    /** The peer offers it. */
    readonly peerOffers: boolean
    /** Families whose routes are kept while the peer restarts. */
    readonly retainedFamilies: readonly FamilyName[]
    readonly restartRemainingSeconds: number | undefined
  }
}

/** What a status needs beside the peer. */
export interface StatusSurroundings {
  readonly localAsn: number
  readonly now: Date
  isBfdUp(address: string): boolean
}

export function peerStatus(peer: Peer, surroundings: StatusSurroundings): PeerStatus {
  return { ...identity(peer, surroundings), ...course(peer, surroundings), ...details(peer, surroundings) }
}

type Identity = 'address' | 'asn' | 'type' | 'peerKind' | 'description' | 'remoteAddress' | 'limits' | 'drained'

function identity(peer: Peer, { localAsn }: StatusSurroundings): Pick<PeerStatus, Identity> {
  const { config } = peer
  return {
    address: config.address,
    asn: config.asn,
    type: config.asn === localAsn ? 'iBGP' : 'eBGP',
    peerKind: peer.kind,
    description: config.description,
    remoteAddress: peer.remoteAddress,
    limits: config.maxPrefixes,
    drained: config.drain,
  }
}

type Course = 'state' | 'since' | 'uptimeSeconds' | 'adminDown' | 'problem' | 'heldBy' | 'stateHistory' | 'flaps'
type Errors = 'lastError' | 'lastErrorSent' | 'lastErrorReceived'

function course(peer: Peer, { now }: StatusSurroundings): Pick<PeerStatus, Course | Errors> {
  const { config, session, history } = peer
  const stateMs = Math.max(0, now.getTime() - peer.stateSince.getTime())
  return {
    state: session.state,
    since: peer.stateSince.toISOString(),
    uptimeSeconds: session.state === 'Established' ? Math.floor(stateMs / 1000) : undefined,
    adminDown: config.adminDown,
    problem: problemOf(peer, stateMs),
    heldBy: peer.heldBy.map(({ reason, remainingMs }) => ({ reason, remainingSeconds: seconds(remainingMs) })),
    stateHistory: history.changes.slice(),
    flaps: peer.flaps,
    lastError: history.lastError,
    lastErrorSent: history.lastErrorSent,
    lastErrorReceived: history.lastErrorReceived,
  }
}

function problemOf(peer: Peer, stateMs: number): string | undefined {
  const { config, session, history } = peer
  const lastUp = history.changes.findLast((change) => change.to === 'Established')
  const isOpen = (error: SessionError | undefined): error is SessionError =>
    error !== undefined && (lastUp === undefined || error.at >= lastUp.at)
  // Collisions are settled, not suffered.
  const notification = [history.lastErrorSent, history.lastErrorReceived]
    .filter(isOpen)
    .filter(({ code, subcode }) => code !== 6 || subcode !== CeaseSubcode.ConnectionCollisionResolution)
    .toSorted((a, b) => Date.parse(b.at) - Date.parse(a.at))[0]
  const host = peer.remoteAddress
  return describeProblem({
    state: session.state,
    stateMs,
    adminDown: config.adminDown,
    holds: peer.heldBy,
    remote: host === undefined ? undefined : endpointText(host, config.port),
    interface: config.interface,
    isPassive: peer.isPassive,
    hasPassword: config.password !== undefined,
    lastError: isOpen(history.lastError) ? history.lastError : undefined,
    lastNotification: notification,
    nextAttemptMs: session.remainingMs('idleHold'),
  })
}

const endpointText = (host: string, port: number): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

type Detail = Exclude<keyof PeerStatus, Identity | Course | Errors>

function details(peer: Peer, surroundings: StatusSurroundings): Pick<PeerStatus, Detail> {
  const { config, session } = peer
  const { negotiated } = session
  const up = session.state === 'Established'
  return {
    routerId: negotiated?.peerRouterId,
    localAddress: session.connection?.localAddress,
    initiator: session.initiator,
    families: up ? (negotiated?.families ?? []).map(familyName) : [],
    prefixes: { ipv4: prefixCounts(peer, 4), ipv6: prefixCounts(peer, 6) },
    bfd: config.bfd === undefined ? undefined : { up: surroundings.isBfdUp(config.address) },
    timers: timers(peer),
    negotiated: negotiated === undefined ? undefined : negotiatedStatus(negotiated),
    capabilities: { local: peer.localCapabilities(), remote: negotiated?.peerCapabilities ?? [] },
    messages: { in: { ...peer.counters.in }, out: { ...peer.counters.out } },
    gracefulRestart: {
      peerOffers: negotiated?.peerGracefulRestart !== undefined,
      retainedFamilies: peer.routes.stale.retained.map(familyName),
      restartRemainingSeconds: seconds(peer.routes.stale.restartRemainingMs),
    },
  }
}

function negotiatedStatus(negotiated: Negotiated): NegotiatedStatus {
  const { addPath, wire, routeRefresh, enhancedRefresh, extendedNextHop, peerRole, notificationRestart } = negotiated
  return {
    families: negotiated.families.map(familyName),
    addPath: { send: addPath.send.map(familyName), receive: addPath.receive.map(familyName) },
    fourOctetAs: wire.fourOctetAs,
    routeRefresh,
    enhancedRefresh,
    extendedMessages: negotiated.maxOctets > MAX_MESSAGE_OCTETS,
    extendedNextHop,
    peerRole,
    notificationRestart,
    longLivedFamilies: negotiated.peerLongLived.map((item) => familyName(item.family)),
  }
}

function prefixCounts(peer: Peer, family: Family): PrefixCounts {
  const convergedMs = peer.routes.membership(family)?.convergedMs
  const convergenceSeconds = convergedMs === undefined ? undefined : Math.round(convergedMs) / 1000
  return { ...peer.routes.adjRibIn[family].counts, ...peer.routes.counts(family), convergenceSeconds }
}

function timers(peer: Peer): PeerStatus['timers'] {
  const { config, session } = peer
  return {
    configuredHoldTimeSeconds: config.holdTime,
    holdTimeSeconds: session.negotiated?.holdTimeSeconds,
    keepaliveSeconds: session.negotiated?.keepaliveSeconds,
    connectRetrySeconds: config.connectRetry,
    holdRemainingSeconds: seconds(session.remainingMs('hold')),
    connectRetryRemainingSeconds: seconds(session.remainingMs('connectRetry')),
    idleHoldRemainingSeconds: seconds(session.remainingMs('idleHold')),
  }
}

const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : Math.ceil(ms / 1000))
