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
  /** The speaker stops. */
  close?(): void
}
