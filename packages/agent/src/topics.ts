import type { ClusterTopics } from '@margay/model'
import type { LocRibChange, PeerStatus } from 'bgp-js'
import type { DesiredBgp, PeerKind } from './bgp/desired-bgp.ts'

/** A best path as the speaker chose it. */
type BgpRoute = LocRibChange & { readonly type: 'upsert' }

interface BgpPeerStatus extends PeerStatus {
  /** Why it is a peer: Calico's words. */
  readonly kind: PeerKind
}

/** The topics between the agent and its speaker's thread. */
export interface SpeakerTopics {
  tables: {
    /** One entry, under {@link DESIRED_BGP_KEY}. From the agent to the speaker. */
    speakerDesired: DesiredBgp
    /** By prefix. From the speaker; in sync once the first route selection is over. */
    speakerRoutes: BgpRoute
    /** By peer address. From the speaker. */
    speakerPeers: BgpPeerStatus
  }
  events: Record<string, never>
}

export const DESIRED_BGP_KEY = 'speaker'

/** All topics of the agent's bus. */
export interface AgentTopics {
  tables: ClusterTopics['tables'] & SpeakerTopics['tables']
  events: Record<string, never>
}
