import type { AttributeSet } from '../rib/attribute-store.ts'
import type { RouteUpdate } from '../wire/resolve-update.ts'
import type { Peer } from './peer.ts'
import type { SessionEnd } from './session.ts'

/** Follows the sessions of every peer: BFD, monitoring stations, dumps. */
export interface PeerObserver {
  /** A session is Established; its routes are not in yet. */
  up?(peer: Peer): void
  /** It is over; its routes are still there. */
  down?(peer: Peer, end: SessionEnd): void
  /** The peer has another configuration. */
  reconfigured?(peer: Peer): void
  /** It is no peer any more. */
  removed?(peer: Peer): void
  /** A whole message came over the Established session; a view. */
  received?(peer: Peer, message: Uint8Array): void
  /** What the UPDATE said is in the peer's table. */
  imported?(peer: Peer, update: RouteUpdate<AttributeSet>): void
  /** The speaker starts. */
  start?(): void
  /** The speaker stops. */
  close?(): void
}
