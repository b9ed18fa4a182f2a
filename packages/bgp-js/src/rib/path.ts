import type { PathAttributes } from '../wire/path-attributes.ts'
import type { PrefixKey } from '../wire/prefix-key.ts'

/** Where a path came from. One object per session; a new session of the same peer brings a new one, same `id`. */
export interface PathSource {
  /** Peer address, or `local` for routes that this speaker originates. */
  readonly id: string
  readonly kind: 'local' | 'external' | 'internal'
  readonly asn: number
  /** BGP identifier that the peer announced. */
  readonly routerId: number
  /** Peer address as an integer: the last tie-break. */
  readonly addressValue: bigint
  /** The peer is a route reflector client of ours (RFC 4456). */
  readonly client: boolean
}

/** One path of one prefix. Replaced as a whole, but for `generation`, which AdjRibIn renews. */
export interface RibPath {
  readonly key: PrefixKey
  readonly source: PathSource
  /** As received. */
  readonly received: PathAttributes
  /** After import policy; undefined for a path that was refused. */
  readonly attributes: PathAttributes | undefined
  /** Why it was refused. */
  readonly refused: string | undefined
  /** Older than its AdjRibIn's generation: stale (RFC 4724 §4.2). */
  generation: number
}

/** A path that import let through. */
export type AcceptedPath = RibPath & { readonly attributes: PathAttributes }

export const isAccepted = (path: RibPath): path is AcceptedPath => path.attributes !== undefined
