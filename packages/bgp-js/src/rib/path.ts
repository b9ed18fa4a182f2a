import type { PathAttributes } from '../wire/path-attributes.ts'
import type { PrefixKey } from '../wire/prefix-key.ts'

/** How a peer stands to this speaker (RFC 4271 §1.1, RFC 5065). */
export type PeerKind = 'external' | 'internal' | 'confederation'

/** Where paths came from. A new session of the same peer may bring another one. */
export interface PathSource {
  /** Peer address, or `local` for routes that this speaker originates. */
  readonly id: string
  readonly kind: 'local' | PeerKind
  readonly asn: number
  /** BGP identifier that the peer announced. */
  readonly routerId: number
  /** Peer address as an integer: the last tie-break. */
  readonly addressValue: bigint
  /** Link that its link-local addresses belong to. */
  readonly zone?: string | undefined
  /** The peer is a route reflector client of ours (RFC 4456). */
  readonly client: boolean
}

/** One path of one prefix, as a view of the tables at the time of the call. */
export interface RibPath {
  readonly key: PrefixKey
  readonly source: PathSource
  /** Path identifier that the peer gave it (RFC 7911), 0 without. */
  readonly pathId: number
  /** As received. */
  readonly received: PathAttributes
  /** After import policy; undefined for a path that was refused. */
  readonly attributes: PathAttributes | undefined
  /** Why it was refused. */
  readonly refused: string | undefined
  /** The session it came over is gone, or the peer is sending everything again (RFC 4724, RFC 7313). */
  readonly stale: boolean
}
