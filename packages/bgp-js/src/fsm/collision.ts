import { ipv4Value } from '../wire/ip-text.ts'

/** Which of two connections between the same speakers goes on. */
export type CollisionVerdict = 'keepLocallyInitiated' | 'keepRemotelyInitiated'

/** One end of a session, as OPEN shows it. */
export interface SpeakerIdentity {
  readonly routerId: string
  readonly asn: number
}

/**
 * RFC 4271 §6.8: the connection of the speaker with the higher identifier goes on; of equal ones, that of the higher AS
 * (RFC 6286 §2.3).
 */
export function resolveCollision(local: SpeakerIdentity, remote: SpeakerIdentity): CollisionVerdict {
  const difference = ipv4Value(local.routerId) - ipv4Value(remote.routerId) || local.asn - remote.asn
  return difference < 0 ? 'keepRemotelyInitiated' : 'keepLocallyInitiated'
}
