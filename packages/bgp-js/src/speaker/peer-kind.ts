import { kindOfAsn } from '../fsm/peer-kind.ts'
import type { PeerKind } from '../rib/path.ts'
import type { ResolvedPeer, ResolvedSpeaker } from './config.ts'

type SpeakerAsns = Pick<ResolvedSpeaker, 'asn' | 'confederation'>

/** What a peer is to us. One whose AS is not known yet is external. */
export const peerKind = (speaker: SpeakerAsns, peer: Pick<ResolvedPeer, 'asn'>): PeerKind =>
  kindOfAsn(speaker.asn, speaker.confederation?.members ?? [], peer.asn)

/**
 * The AS that we are to a peer, as OPEN says it: the one we pose as (RFC 7705 §3), to those outside a confederation its
 * identifier (RFC 5065 §4), else our own.
 */
export function localAsnFor(speaker: SpeakerAsns, peer: Pick<ResolvedPeer, 'asn' | 'localAs'>): number {
  if (peerKind(speaker, peer) !== 'external') return speaker.asn
  return peer.localAs ?? speaker.confederation?.identifier ?? speaker.asn
}
