/** One session that an update group feeds. */
export interface GroupMember {
  /** Index of the peer's routes in tables: what came from it does not go back. */
  readonly peerIndex: number
  /** Address of the peer: it does not get routes whose next hop it is itself (RFC 4271 §5.1.3). */
  readonly address: string
  /** Its socket holds so much already that more would only cost memory. */
  readonly isCongested: boolean
  /** Whole UPDATEs; the buffer is shared with other members. */
  send(octets: Buffer, messages: number): void
  /** The whole table has gone out: End-of-RIB is due (RFC 4724 §2); or a refresh begins, or is over (RFC 7313 §4). */
  sendMark(kind: GroupMark): void
}

export type GroupMark = 'endOfRib' | 'beginningOfRefresh' | 'endOfRefresh'
