import type { PeerAsRule } from '../fsm/negotiation.ts'
import type { Policy, PrefixListPolicy } from '../policy/policy.ts'
import type { RoutePolicy } from '../policy/policy-route.ts'
import type { RemovePrivateAs } from '../rib/as-path.ts'
import type { RpkiConfig } from '../rpki/rpki-validator.ts'
import type { FamilyName } from '../wire/address-family.ts'
import type { BgpRole } from '../wire/capabilities/role.ts'

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

/** ADD-PATH towards one peer (RFC 7911); both directions are off by default. */
export interface AddPathConfig {
  /** Most paths of one prefix; `true` for all. */
  readonly send?: boolean | number
  readonly receive?: boolean
}

/** What happens at a limit of prefixes. */
export interface PrefixLimitConfig {
  readonly limit: number
  /** An event at this part of the limit, once per crossing. Default 75. */
  readonly warnAtPercent?: number
  /**
   * `restart` (default): Cease/1, and up again after `restartAfterSeconds`, or the usual backoff without it; `shutdown`:
   * Cease/1, and down until `clearPeer`; `warn`: an event alone.
   */
  readonly action?: 'restart' | 'warn' | 'shutdown'
  readonly restartAfterSeconds?: number
}

/** One limit for each family alike, or one per family. */
export type MaxPrefixesConfig =
  | number
  | PrefixLimitConfig
  | { readonly ipv4?: number | PrefixLimitConfig; readonly ipv6?: number | PrefixLimitConfig }

/** BFD (RFC 5880) that watches the path to one peer. Needs the bfdSockets port. */
export interface BfdConfig {
  /** Least time between two packets of ours, milliseconds; default 300. */
  readonly minTxMs?: number
  /** Least time between two packets that we take, milliseconds; default 300. */
  readonly minRxMs?: number
  /** Packets in a row that may be lost; default 3. */
  readonly multiplier?: number
  /** The peer may be several hops away (RFC 5883). Default false. */
  readonly multihop?: boolean
}

/** What peers of every kind share: all but who they are. Plain data but for policies given as functions. */
export interface SessionConfig {
  readonly description?: string
  /** Stay down until changed. */
  readonly adminDown?: boolean
  /** Take the node out of the way softly: routes go out with GRACEFUL_SHUTDOWN and local preference 0 (RFC 8326). */
  readonly drain?: boolean
  /** The AS that we pose as towards this external peer (RFC 7705). */
  readonly localAs?: number
  /** Leave `localAs` out of the paths that come from the peer. */
  readonly localAsNoPrepend?: boolean
  /** Put `localAs` alone on the paths that go to the peer, not our own AS behind it. */
  readonly localAsReplace?: boolean
  /** Seconds: 0 or at least 3; default 90. */
  readonly holdTime?: number
  /** Seconds; default a third of the hold time. */
  readonly keepalive?: number
  /** Private AS numbers in paths to this external peer: taken out, or replaced by our own (RFC 6996). Default false. */
  readonly removePrivateAs?: RemovePrivateAs
  /** DelayOpenTime of RFC 4271 §8.1.1, seconds: how long our OPEN waits for the peer's. Default 0, not at all. */
  readonly delayOpen?: number
  /** Default both. */
  readonly families?: readonly FamilyName[]
  readonly addPath?: AddPathConfig
  /** Offer IPv6 next hops for IPv4 routes (RFC 8950). Default false; true for an `interface` peer. */
  readonly extendedNextHop?: boolean
  /** Our role towards this external peer (RFC 9234). */
  readonly role?: BgpRole
  /** Refuse a peer that says no role. */
  readonly roleStrict?: boolean
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
  /** Most prefixes of a family that are taken. */
  readonly maxPrefixes?: MaxPrefixesConfig
  /** Default true. */
  readonly gracefulRestart?: boolean
  /** Ask the peer to keep our routes this long when graceful restart is over, and keep its own (RFC 9494). */
  readonly longLivedGracefulRestart?: { readonly staleTimeSeconds: number }
  /** GTSM: number of hops the peer may be away, 1 to 254. Needs the socketOptions port. */
  readonly ttlSecurity?: number
  /** TCP MD5 key. Needs the socketOptions port. Never shown in status or logs. */
  readonly password?: string
  /** End the session as soon as BFD loses the peer (RFC 9384). */
  readonly bfd?: BfdConfig
  readonly import?: RoutePolicy | Policy | PrefixListPolicy
  readonly export?: RoutePolicy | Policy | PrefixListPolicy
}

/** One peer. */
export interface PeerConfig extends SessionConfig {
  /** A link-local one needs its zone: `fe80::1%eth0`. Left out with `interface`. */
  readonly address?: string
  /** Instead of an address: whoever speaks BGP on this link by its link-local address. */
  readonly interface?: string
  /** With `interface` also `external`, any AS but ours, or `internal`. */
  readonly asn: number | 'external' | 'internal'
  /** Port to dial; default 179. */
  readonly port?: number
  /** Never dial, wait for the peer. */
  readonly passive?: boolean
  /** Longest pause between two attempts to connect, seconds; default 15. */
  readonly connectRetry?: number
  /** Local address to dial from; default the listening address where it is a specific one. */
  readonly sourceAddress?: string
}

/** Peers that are not listed: whoever connects from a prefix. */
export interface DynamicNeighborsConfig extends SessionConfig {
  readonly prefix: string
  /** Most peers at once; default 100. */
  readonly limit?: number
  readonly asn: number | readonly number[] | 'external' | 'internal'
}

/** RFC 5065. `asn` of the speaker is then its member AS. */
export interface ConfederationConfig {
  /** The AS that the confederation is to everybody else. */
  readonly identifier: number
  /** The other member ASes. */
  readonly members: readonly number[]
}

/** A monitoring station (RFC 7854). */
export interface BmpStationConfig {
  readonly address: string
  readonly port: number
  /** Routes before import policy, after it, or both. Default `pre`. */
  readonly policy?: 'pre' | 'post' | 'both'
  /** How often it gets statistics; default 60. */
  readonly statsSeconds?: number
}

/** A record of all messages that come, in rotating files (RFC 6396). */
export interface MrtUpdatesConfig {
  readonly directory: string
  /** A new file after so long; default 900. */
  readonly rotateSeconds?: number
}

/** The whole speaker. */
export interface SpeakerConfig {
  readonly asn: number
  /** BGP identifier in dotted decimal. */
  readonly routerId: string
  /** Default: the routerId. */
  readonly clusterId?: string
  readonly confederation?: ConfederationConfig
  /** One or several; default `0.0.0.0` port 179. An empty list: dial only. */
  readonly listen?: ListenConfig | readonly ListenConfig[]
  /** Prefixes to originate. */
  readonly networks?: readonly string[]
  readonly neighbors?: readonly PeerConfig[]
  readonly dynamicNeighbors?: readonly DynamicNeighborsConfig[]
  readonly gracefulRestart?: GracefulRestartConfig
  /** Offer every next hop of equal cost. */
  readonly multipath?: boolean
  readonly alwaysCompareMed?: boolean
  readonly defaultLocalPref?: number
  /** Our own address for a family where a session gives none. */
  readonly nextHop?: { readonly ipv4?: string; readonly ipv6?: string }
  /** RFC 8212: external peers without a policy give and get nothing. Default false: cluster meshes rely on it. */
  readonly ebgpRequiresPolicy?: boolean
  /** Start drained (RFC 8326): what is announced is a last resort for every peer. Default false. */
  readonly drain?: boolean
  /** Caches for origin validation (RFC 8210), which policies match as `validation`. */
  readonly rpki?: RpkiConfig
  /** Stations that are told of every peer and its routes. */
  readonly bmp?: readonly BmpStationConfig[]
  readonly mrtUpdates?: MrtUpdatesConfig
}

/** {@link PrefixLimitConfig} with defaults filled in. */
export interface PrefixLimit {
  readonly limit: number
  readonly warnAtPercent: number
  readonly action: 'restart' | 'warn' | 'shutdown'
  readonly restartAfterSeconds: number | undefined
}

type OptionalInSession =
  | 'description'
  | 'keepalive'
  | 'localAs'
  | 'role'
  | 'longLivedGracefulRestart'
  | 'ttlSecurity'
  | 'password'
  | 'import'
  | 'export'
type Resolved<T> = Required<Omit<T, OptionalInSession | 'addPath' | 'maxPrefixes' | 'bfd'>> & {
  readonly [K in OptionalInSession & keyof T]?: NonNullable<T[K]>
}

/** {@link SessionConfig} with defaults filled in. */
export interface ResolvedSession extends Resolved<SessionConfig> {
  /** `send`: most paths of one prefix; 0 for none. */
  readonly addPath: { readonly send: number; readonly receive: boolean }
  readonly maxPrefixes: Readonly<Partial<Record<FamilyName, PrefixLimit>>>
  readonly bfd?: Required<BfdConfig>
}

/** {@link PeerConfig} with defaults filled in. */
export interface ResolvedPeer extends ResolvedSession {
  /** Canonical, with the zone of a link-local one; the interface's name for a peer without an address. Unique. */
  readonly address: string
  readonly interface?: string
  /** 0 until the first OPEN of a peer whose AS `asnRule` leaves open. */
  readonly asn: number
  readonly asnRule: PeerAsRule
  readonly port: number
  readonly passive: boolean
  readonly connectRetry: number
  readonly sourceAddress?: string
}

/** {@link DynamicNeighborsConfig} with defaults filled in; `template` is every such peer but for its address. */
export interface ResolvedDynamicNeighbors {
  readonly prefix: string
  readonly limit: number
  readonly template: Omit<ResolvedPeer, 'address'>
}

/** {@link SpeakerConfig} with defaults filled in. */
export interface ResolvedSpeaker
  extends Readonly<
    Required<
      Omit<SpeakerConfig, 'listen' | 'neighbors' | 'dynamicNeighbors' | 'confederation' | 'rpki' | 'bmp' | 'mrtUpdates'>
    >
  > {
  readonly confederation?: ConfederationConfig
  readonly listen: readonly Required<ListenConfig>[]
  readonly neighbors: readonly ResolvedPeer[]
  readonly rpki?: RpkiConfig
  readonly bmp: readonly Required<BmpStationConfig>[]
  readonly mrtUpdates?: Required<MrtUpdatesConfig>
  readonly dynamicNeighbors: readonly ResolvedDynamicNeighbors[]
  readonly gracefulRestart: Required<GracefulRestartConfig>
}
