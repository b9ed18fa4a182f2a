import type { Family } from '@margay/net'
import type { SessionState } from '../fsm/state.ts'
import { type FamilyName, familyName } from '../wire/address-family.ts'
import type { Capability } from '../wire/capabilities/capability.ts'
import type { MessageCounters } from './message-counters.ts'
import type { Peer } from './peer.ts'
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
}

/** What there is to know about one peer. Plain data; no secrets. */
export interface PeerStatus {
  readonly address: string
  readonly asn: number
  readonly type: 'iBGP' | 'eBGP'
  readonly description: string | undefined
  readonly state: SessionState
  /** ISO time of the last change of state. */
  readonly since: string
  /** Seconds since the session was established; undefined while it is not. */
  readonly uptimeSeconds: number | undefined
  readonly adminDown: boolean
  readonly routerId: string | undefined
  readonly localAddress: string | undefined
  readonly initiator: 'local' | 'remote' | undefined
  /** Families agreed on; empty while the session is not up. */
  readonly families: readonly FamilyName[]
  readonly prefixes: Readonly<Record<FamilyName, PrefixCounts>>
  readonly lastError: SessionError | undefined
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

export function peerStatus(peer: Peer, localAsn: number, now: Date): PeerStatus {
  const { config, session } = peer
  const { negotiated } = session
  const up = session.state === 'Established'
  return {
    address: config.address,
    asn: config.asn,
    type: config.asn === localAsn ? 'iBGP' : 'eBGP',
    description: config.description,
    state: session.state,
    since: peer.stateSince.toISOString(),
    uptimeSeconds: up ? Math.max(0, Math.floor((now.getTime() - peer.stateSince.getTime()) / 1000)) : undefined,
    adminDown: config.adminDown,
    routerId: negotiated?.peerRouterId,
    localAddress: session.connection?.localAddress,
    initiator: session.initiator,
    families: up ? (negotiated?.families ?? []).map(familyName) : [],
    prefixes: { ipv4: prefixCounts(peer, 4), ipv6: prefixCounts(peer, 6) },
    lastError: peer.lastError,
    timers: timers(peer),
    capabilities: { local: peer.localCapabilities(), remote: negotiated?.peerCapabilities ?? [] },
    messages: { in: { ...peer.counters.in }, out: { ...peer.counters.out } },
    flaps: peer.flaps,
    gracefulRestart: {
      peerOffers: negotiated?.peerGracefulRestart !== undefined,
      retainedFamilies: peer.routes.stale.retained.map(familyName),
      restartRemainingSeconds: seconds(peer.routes.stale.restartRemainingMs),
    },
  }
}

function prefixCounts(peer: Peer, family: Family): PrefixCounts {
  return { ...peer.routes.adjRibIn[family].counts, ...peer.routes.counts(family) }
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
