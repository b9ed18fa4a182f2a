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
export { MrtUpdateLog, type MrtUpdateLogOptions, writeMrtFile } from './mrt/mrt-file.ts'
export { decodeMrtRecord, readMrt } from './mrt/mrt-reader.ts'
export {
  MrtError,
  type MrtMessage,
  type MrtPeer,
  type MrtPeerIndexTable,
  type MrtRecord,
  type MrtRib,
  type MrtRibEntry,
  type MrtSession,
  type MrtStateChange,
  type MrtUnknown,
} from './mrt/mrt-record.ts'
export { MrtTable } from './mrt/mrt-table.ts'
export { encodeMrtRecord, type WritableMrtRecord } from './mrt/mrt-writer.ts'
export { type RibRoutes, ribRoutesOf, updateOfRibEntry } from './mrt/rib-attributes.ts'
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
export { NOT_ADVERTISED_TEXT, type NotAdvertised, type NotAdvertisedReason } from './speaker/advertisement.ts'
export type {
  AddPathConfig,
  BfdConfig,
  BmpStationConfig,
  ConfederationConfig,
  DynamicNeighborsConfig,
  GracefulRestartConfig,
  ListenConfig,
  MaxPrefixesConfig,
  MrtUpdatesConfig,
  PeerConfig,
  PrefixLimitConfig,
  SessionConfig,
  SpeakerConfig,
} from './speaker/config.ts'
export type { SpeakerEvent } from './speaker/context.ts'
export type { MemoryCounts } from './speaker/memory-counts.ts'
export type { OriginatedRoute } from './speaker/originated-routes.ts'
export type { StateChange } from './speaker/peer-history.ts'
export type {
  Clock,
  ClockTimer,
  Log,
  NeighborDiscoveryPort,
  SocketOptions,
  SocketOptionsPort,
  SpeakerPorts,
} from './speaker/ports.ts'
export type {
  ExplainedCandidate,
  PrefixExplanation,
  RefusedRoute,
  RouteExplanation,
} from './speaker/route-explanation.ts'
export type {
  AdjRibInView,
  AdjRibOutView,
  LocRibView,
  PathView,
  RoutesQuery,
  RoutesView,
  RouteTable,
} from './speaker/routes-view.ts'
export { type RunningSpeaker, runSpeaker } from './speaker/run-speaker.ts'
export type { SessionError } from './speaker/session-error.ts'
export { createSpeaker, type Speaker, type StopOptions } from './speaker/speaker.ts'
export type { PeerDetail, SpeakerCounts, TableCounts } from './speaker/speaker-views.ts'
export type { NegotiatedStatus, PeerStatus, PrefixCounts } from './speaker/status.ts'
export type { FamilyName } from './wire/address-family.ts'
export type { BgpRole } from './wire/capabilities/role.ts'
export type { AsPathSegment, LargeCommunity, PathAttributes } from './wire/path-attributes.ts'
