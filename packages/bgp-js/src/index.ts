export type { BfdDiagnostic, BfdState } from './bfd/bfd-packet.ts'
export { type BfdPeerEvents, BfdPeers, type BfdSessions } from './bfd/bfd-peers.ts'
export {
  type BfdService,
  type BfdSessionConfig,
  type BfdSocketOptions,
  type BfdSocketPort,
  createBfdService,
} from './bfd/bfd-service.ts'
export type { BfdTimers } from './bfd/bfd-session.ts'
export type { BfdDiscards, BfdSessionStatus, BfdStateChange } from './bfd/bfd-worker-protocol.ts'
export {
  BmpClient,
  type BmpClientOptions,
  type BmpFeed,
  type BmpSnapshotPeer,
  type BmpStationStatus,
} from './bmp/bmp-client.ts'
export type {
  BmpPeer,
  BmpPeerDown,
  BmpPeerDownReason,
  BmpPeerUp,
  BmpPolicy,
  BmpStatistic,
  BmpStats,
} from './bmp/bmp-message.ts'
export { BgpConfigError, BgpError, type BgpErrorCode, BgpMessageError, type ConfigProblem } from './errors.ts'
export type { SessionState } from './fsm/state.ts'
export type { Policy, PolicyAction, PolicyMatch, PolicyRule, PrefixListPolicy, PrefixRule } from './policy/policy.ts'
export type { PolicyPeer, PolicyRoute, RoutePolicy } from './policy/policy-route.ts'
export type { BestPathReason } from './rib/decision.ts'
export type { LocRibBatch, LocRibChange, LocRibSubscription } from './rib/loc-rib-subscription.ts'
export {
  formatCommunity,
  type OriginateAttributes,
  parseCommunity,
  parseLargeCommunity,
  type RouteAttributes,
} from './rib/route-attributes.ts'
export { type RpkiConfig, type RpkiPorts, RpkiValidator } from './rpki/rpki-validator.ts'
export type { RpkiCacheConfig, RpkiCacheStatus } from './rpki/rtr-client.ts'
export { routeOriginAs } from './rpki/vrp-table.ts'
export type { GracefulRestartConfig, ListenConfig, PeerConfig, SpeakerConfig } from './speaker/config.ts'
export type { SpeakerEvent } from './speaker/context.ts'
export type { OriginatedRoute } from './speaker/originated-routes.ts'
export type { Clock, ClockTimer, Log, SocketOptions, SocketOptionsPort, SpeakerPorts } from './speaker/ports.ts'
export type {
  AdjRibInView,
  AdjRibOutView,
  LocRibView,
  PathView,
  RoutesQuery,
  RoutesView,
} from './speaker/routes-view.ts'
export { type RunningSpeaker, runSpeaker } from './speaker/run-speaker.ts'
export type { SessionError } from './speaker/session-error.ts'
export { createSpeaker, type Speaker, type StopOptions } from './speaker/speaker.ts'
export type { PeerStatus, PrefixCounts } from './speaker/status.ts'
export type { FamilyName } from './wire/address-family.ts'
export type { AsPathSegment, LargeCommunity, PathAttributes } from './wire/path-attributes.ts'
