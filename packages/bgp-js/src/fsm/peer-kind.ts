/** How a peer's AS stands to ours: `confederation` is another member AS of our confederation (RFC 5065). */
export type PeerKind = 'internal' | 'external' | 'confederation'

/** @param members the other member ASes of our confederation */
export function kindOfAsn(ownAsn: number, members: readonly number[], peerAsn: number): PeerKind {
  if (peerAsn === ownAsn) return 'internal'
  return members.includes(peerAsn) ? 'confederation' : 'external'
}
