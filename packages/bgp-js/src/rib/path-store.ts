import { grown } from './columns.ts'

const FIRST_CAPACITY = 256

/** Bits of {@link PathStore.flags}. */
export const PathFlag = {
  /** In the set of best paths of equal cost. */
  Multipath: 1,
  /** Kept for a peer that is away longer than its restart time (RFC 9494): last choice. */
  LlgrStale: 2,
} as const

/**
 * The paths of one family, all peers' together, as columns: a path is its row number, 0 is none. Two lists run through
 * them: the paths of one prefix, and those of one peer.
 */
export class PathStore {
  prefix = new Uint32Array(FIRST_CAPACITY)
  nextOfPrefix = new Uint32Array(FIRST_CAPACITY)
  nextOfPeer = new Uint32Array(FIRST_CAPACITY)
  previousOfPeer = new Uint32Array(FIRST_CAPACITY)
  /** Index of the AdjRibIn that holds it. */
  peer = new Uint16Array(FIRST_CAPACITY)
  /** Path identifier that the peer gave it (RFC 7911). */
  pathId = new Uint32Array(FIRST_CAPACITY)
  /** Attribute set as it came. */
  received = new Uint32Array(FIRST_CAPACITY)
  /** Attribute set after import; 0 for a path that was refused. */
  accepted = new Uint32Array(FIRST_CAPACITY)
  /** Why it was refused; an index into the reasons of import. */
  refusal = new Uint8Array(FIRST_CAPACITY)
  generation = new Uint16Array(FIRST_CAPACITY)
  flags = new Uint8Array(FIRST_CAPACITY)
  #firstFree = 0
  #end = 1

  allocate(): number {
    if (this.#firstFree !== 0) {
      const path = this.#firstFree
      this.#firstFree = this.nextOfPrefix[path] as number
      return path
    }
    const path = this.#end++
    if (path >= this.prefix.length) this.#grow()
    return path
  }

  free(path: number): void {
    this.accepted[path] = 0
    this.flags[path] = 0
    this.nextOfPrefix[path] = this.#firstFree
    this.#firstFree = path
  }

  #grow(): void {
    const length = this.#end
    this.prefix = grown(this.prefix, length)
    this.nextOfPrefix = grown(this.nextOfPrefix, length)
    this.nextOfPeer = grown(this.nextOfPeer, length)
    this.previousOfPeer = grown(this.previousOfPeer, length)
    this.peer = grown(this.peer, length)
    this.pathId = grown(this.pathId, length)
    this.received = grown(this.received, length)
    this.accepted = grown(this.accepted, length)
    this.refusal = grown(this.refusal, length)
    this.generation = grown(this.generation, length)
    this.flags = grown(this.flags, length)
  }
}
