import type { Negotiated } from '../fsm/negotiation.ts'
import { COUNTERPART } from '../fsm/role-check.ts'
import type { PolicyPeer } from '../policy/policy-route.ts'
import type { LocalAs } from '../rib/as-path.ts'
import type { PeerKind } from '../rib/path.ts'
import type { BgpRole } from '../wire/capabilities/role.ts'
import type { ResolvedPeer, ResolvedSpeaker } from './config.ts'

/** The AS that we pose as towards a peer (RFC 7705). */
export function localAsOf(config: ResolvedPeer): LocalAs | undefined {
  const { localAs, localAsNoPrepend, localAsReplace } = config
  if (localAs === undefined) return undefined
  return { asn: localAs, prependOnImport: !localAsNoPrepend, replacesOwn: localAsReplace }
}

/** Our own role towards the peer (RFC 9234), undefined where we have none. */
export const roleTowards = ({ peerRole }: Negotiated): BgpRole | undefined =>
  peerRole === undefined ? undefined : COUNTERPART[peerRole]

/** The peer as policies see it; our AS as it sees us. */
export function policyPeer(config: ResolvedPeer, kind: PeerKind, speaker: ResolvedSpeaker): PolicyPeer {
  const { address, asn, localAs } = config
  if (kind !== 'external') return { address, asn, type: 'iBGP', localAsn: speaker.asn }
  return { address, asn, type: 'eBGP', localAsn: localAs ?? speaker.confederation?.identifier ?? speaker.asn }
}

export const withoutZone = (address: string): string => address.split('%', 1)[0] as string
