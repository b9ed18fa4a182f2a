import type { PeerKind } from '../rib/path.ts'

/** How a peer's AS stands to ours (RFC 5065). @param members the other member ASes of our confederation */
export function kindOfAsn(ownAsn: number, members: readonly number[], peerAsn: number): PeerKind {
  if (peerAsn === ownAsn) return 'internal'
  return members.includes(peerAsn) ? 'confederation' : 'external'
}
