import type { Policy, PrefixListPolicy } from '../policy/policy.ts'
import type { RoutePolicy } from '../policy/policy-route.ts'
import type { FamilyName } from '../wire/address-family.ts'

/** Where the speaker listens. */
export interface ListenConfig {
  /** Default `0.0.0.0`; `::` listens for both families. */
  readonly address?: string
  /** Default 179; 0 lets the kernel choose. */
  readonly port?: number
}

/** RFC 4724 and RFC 8538. */
export interface GracefulRestartConfig {
  /** This process replaces one whose peers may still hold its routes: sets the R bit and defers route selection. */
  readonly restarting?: boolean
  /** The forwarding state of the routes was kept over the restart: sets the F bits. Default true. */
  readonly forwardingPreserved?: boolean
  /** How long peers should wait for us to come back, and the bound on our own deferral. Default 120. */
  readonly restartTimeSeconds?: number
  /** How long a peer that is back may take to send its routes again. Default 360. */
  readonly stalePathSeconds?: number
}

/** One peer. Plain data but for policies given as functions. */
export interface PeerConfig {
  readonly address: string
  /** Port to dial; default 179. */
  readonly port?: number
  readonly asn: number
  readonly description?: string
  /** Never dial, wait for the peer. */
  readonly passive?: boolean
  /** Stay down until changed. */
  readonly adminDown?: boolean
  /** Seconds: 0 or at least 3; default 90. */
  readonly holdTime?: number
  /** Seconds; default a third of the hold time. */
  readonly keepalive?: number
  /** Longest pause between two attempts to connect, seconds; default 15. */
  readonly connectRetry?: number
  /** Local address to dial from; default the listening address where it is a specific one. */
  readonly sourceAddress?: string
  /** Default both. */
  readonly families?: readonly FamilyName[]
  readonly routeReflectorClient?: boolean
  /** Announce our own address as next hop to an internal peer; `force` does it for reflected routes too. */
  readonly nextHopSelf?: boolean | 'force'
  /** Leave the next hop alone towards an external peer. */
  readonly nextHopUnchanged?: boolean
  /** Our own address for the family that the session itself does not run over. */
  readonly nextHop?: { readonly ipv4?: string; readonly ipv6?: string }
  /** How often our own AS may stand in a received path; default 0. */
  readonly allowOwnAs?: number
  /** An external peer's AS must come first in its paths; default true (false for route servers). */
  readonly enforceFirstAs?: boolean
  /** Most prefixes of a family that are taken before the session is ended (Cease/1). */
  readonly maxPrefixes?: number
  /** Default true. */
  readonly gracefulRestart?: boolean
  /** GTSM: number of hops the peer may be away, 1 to 254. Needs the socketOptions port. */
  readonly ttlSecurity?: number
  /** TCP MD5 key. Needs the socketOptions port. Never shown in status or logs. */
  readonly password?: string
  readonly import?: RoutePolicy | Policy | PrefixListPolicy
  readonly export?: RoutePolicy | Policy | PrefixListPolicy
}

/** The whole speaker. */
export interface SpeakerConfig {
  readonly asn: number
  /** BGP identifier in dotted decimal. */
  readonly routerId: string
  /** Default: the routerId. */
  readonly clusterId?: string
  /** One or several; default `0.0.0.0` port 179. An empty list: dial only. */
  readonly listen?: ListenConfig | readonly ListenConfig[]
  /** Prefixes to originate. */
  readonly networks?: readonly string[]
  readonly neighbors?: readonly PeerConfig[]
  readonly gracefulRestart?: GracefulRestartConfig
  /** Offer every next hop of equal cost. */
  readonly multipath?: boolean
  readonly alwaysCompareMed?: boolean
  readonly defaultLocalPref?: number
  /** Our own address for a family where a session gives none. */
  readonly nextHop?: { readonly ipv4?: string; readonly ipv6?: string }
  /** RFC 8212: external peers without a policy give and get nothing. Default false: cluster meshes rely on it. */
  readonly ebgpRequiresPolicy?: boolean
}

/** {@link PeerConfig} with defaults filled in. */
export type ResolvedPeer = Readonly<
  Required<
    Omit<
      PeerConfig,
      'description' | 'keepalive' | 'sourceAddress' | 'maxPrefixes' | 'ttlSecurity' | 'password' | 'import' | 'export'
    >
  > &
    Pick<
      PeerConfig,
      'description' | 'keepalive' | 'sourceAddress' | 'maxPrefixes' | 'ttlSecurity' | 'password' | 'import' | 'export'
    >
>

/** {@link SpeakerConfig} with defaults filled in. */
export interface ResolvedSpeaker extends Readonly<Required<Omit<SpeakerConfig, 'listen' | 'neighbors'>>> {
  readonly listen: readonly Required<ListenConfig>[]
  readonly neighbors: readonly ResolvedPeer[]
  readonly gracefulRestart: Required<GracefulRestartConfig>
}
