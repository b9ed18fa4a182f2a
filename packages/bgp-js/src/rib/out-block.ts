import type { EncodedAttributes } from '../wire/attribute-encoder.ts'

/** Attributes as peers of one update group get them, encoded once. */
export interface OutBlock extends EncodedAttributes {
  /** Names it in tables; never 0. */
  readonly id: number
  readonly nextHop: string
  /** Small number that equal next hops share. */
  readonly nextHopIndex: number
  /** False once nobody retained it: its id may name another one. */
  readonly isLive: boolean
}

interface StoredBlock extends OutBlock {
  readonly key: string
  isLive: boolean
  references: number
}

/** The blocks of one update group, found by what they encode. */
export class OutBlockStore {
  readonly #byKey = new Map<string, StoredBlock>()
  readonly #byId: (StoredBlock | undefined)[] = [undefined]
  readonly #freeIds: number[] = []
  readonly #nextHops = new Map<string, { readonly index: number; blocks: number }>()
  readonly #nextHopOf: string[] = []
  readonly #freeNextHops: number[] = []

  get(id: number): OutBlock {
    return this.#byId[id] as StoredBlock
  }

  get size(): number {
    return this.#byKey.size
  }

  nextHopAt(index: number): string {
    return this.#nextHopOf[index] as string
  }

  intern(encoded: EncodedAttributes, nextHop: string): OutBlock {
    const key = encoded.mpNextHop === undefined ? encoded.block : `${encoded.mpNextHop}|${encoded.block}`
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    const block: StoredBlock = {
      block: encoded.block,
      mpNextHop: encoded.mpNextHop,
      id: this.#freeIds.pop() ?? this.#byId.length,
      nextHop,
      nextHopIndex: this.#retainNextHop(nextHop),
      isLive: true,
      key,
      references: 0,
    }
    this.#byId[block.id] = block
    this.#byKey.set(key, block)
    return block
  }

  retain(id: number): void {
    ;(this.#byId[id] as StoredBlock).references++
  }

  release(id: number): void {
    ;(this.#byId[id] as StoredBlock).references--
    this.dropUnused(id)
  }

  /** Forgets a block that was made and that nobody retained. */
  dropUnused(id: number): void {
    const block = this.#byId[id] as StoredBlock
    if (block.references > 0) return
    block.isLive = false
    this.#byKey.delete(block.key)
    this.#byId[id] = undefined
    this.#freeIds.push(id)
    this.#releaseNextHop(block.nextHop)
  }

  #retainNextHop(nextHop: string): number {
    let known = this.#nextHops.get(nextHop)
    if (known === undefined) {
      known = { index: this.#freeNextHops.pop() ?? this.#nextHopOf.length, blocks: 0 }
      this.#nextHops.set(nextHop, known)
      this.#nextHopOf[known.index] = nextHop
    }
    known.blocks++
    return known.index
  }

  #releaseNextHop(nextHop: string): void {
    const known = this.#nextHops.get(nextHop)
    if (known === undefined || --known.blocks > 0) return
    this.#nextHops.delete(nextHop)
    this.#freeNextHops.push(known.index)
  }
}
