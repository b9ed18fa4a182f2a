import { grown } from './columns.ts'
import type { ExportRefusal, RouteExporter } from './export-rules.ts'
import type { GroupMember } from './group-member.ts'
import type { FamilyRib } from './loc-rib.ts'
import type { OutBlock, OutBlockStore } from './out-block.ts'
import type { OutgoingPlan } from './outgoing-plan.ts'

/** A route as it was sent. */
export interface SentRoute {
  readonly pathId: number
  readonly block: OutBlock
}

/** Finds the members that a route must not go to. */
export interface Withholding {
  /** Members whose own route it is, or whose address is the next hop. */
  from(sourceIndex: number, nextHop: string): readonly GroupMember[]
}

/** AdjRibOut of an update group: what its members were sent of one family, and the way to what they should have. */
export interface GroupTable {
  /** Prefixes that the group sent. */
  readonly size: number
  /** Brings one prefix up to date: the table at once, the members through `plan`. */
  settle(prefix: number, exporter: RouteExporter, plan: OutgoingPlan): void
  /** Puts what the table says of a prefix into `plan`, for members that have nothing or may have something else. */
  replay(prefix: number, plan: OutgoingPlan, withdrawMissing: boolean): void
  sent(prefix: number): readonly SentRoute[]
  /** Prefixes that are not sent to `member`, although the group sent them. */
  withheldCount(member: GroupMember): number
  isWithheld(prefix: number, member: GroupMember): boolean
  /** Why nothing is sent of a prefix that has a best path. */
  explain(prefix: number, exporter: RouteExporter): ExportRefusal | undefined
  /** Most paths of a prefix that are sent from now on; without ADD-PATH it is always one. */
  limitPaths(maxPaths: number): void
  /** A table of its own with the same content. */
  clone(withholding: Withholding): GroupTable
  /** Gives back everything that it retains. */
  clear(): void
}

/** How many prefixes of one source go out with one next hop. */
interface Tally {
  readonly key: number
  prefixes: number
}

const FIRST_CAPACITY = 256

/** The table of sessions without ADD-PATH: the best path of each prefix. */
export class BestPathOut implements GroupTable {
  readonly #rib: FamilyRib
  readonly #blocks: OutBlockStore
  readonly #withholding: Withholding
  /** By prefix: block that was sent, 0 for none. */
  #block = new Uint32Array(FIRST_CAPACITY)
  /** By prefix: whose route it was. */
  #source = new Uint16Array(FIRST_CAPACITY)
  #size = 0
  /** Prefixes by source and next hop. */
  readonly #tallies = new Map<number, Tally>()
  #lastTally: Tally = { key: -1, prefixes: 0 }

  constructor(rib: FamilyRib, blocks: OutBlockStore, withholding: Withholding) {
    this.#rib = rib
    this.#blocks = blocks
    this.#withholding = withholding
  }

  get size(): number {
    return this.#size
  }

  settle(prefix: number, exporter: RouteExporter, plan: OutgoingPlan): void {
    const best = this.#rib.best(prefix)
    const exported = best === 0 ? undefined : exporter.export(best)
    const block = typeof exported === 'object' ? exported : undefined
    const source = block === undefined ? 0 : (this.#rib.paths.peer[best] as number)
    const blockBefore = this.#block[prefix] ?? 0
    const sourceBefore = this.#source[prefix] ?? 0
    if ((block?.id ?? 0) === blockBefore && source === sourceBefore) return
    const before = blockBefore === 0 ? undefined : this.#blocks.get(blockBefore)
    const withheldBefore = before === undefined ? undefined : this.#withheld(sourceBefore, before)
    if (block === undefined) {
      if (before !== undefined) plan.add(prefix, 0, undefined, withheldBefore)
    } else {
      const withheld = this.#withheld(source, block)
      if (block !== before) plan.add(prefix, 0, block, withheld)
      if (before !== undefined)
        this.#tellExceptions(prefix, plan, block === before ? block : undefined, withheld, withheldBefore ?? [])
    }
    this.#set(prefix, block, source)
  }

  replay(prefix: number, plan: OutgoingPlan, withdrawMissing: boolean): void {
    const id = this.#block[prefix] ?? 0
    if (id !== 0) {
      const block = this.#blocks.get(id)
      plan.add(prefix, 0, block, this.#withheld(this.#source[prefix] as number, block))
    } else if (withdrawMissing) {
      plan.add(prefix, 0, undefined)
    }
  }

  sent(prefix: number): readonly SentRoute[] {
    const id = this.#block[prefix] ?? 0
    return id === 0 ? [] : [{ pathId: 0, block: this.#blocks.get(id) }]
  }

  withheldCount(member: GroupMember): number {
    let count = 0
    for (const { key, prefixes } of this.#tallies.values()) {
      const nextHop = this.#blocks.nextHopAt(Math.floor(key / 0x10000))
      if (key % 0x10000 === member.peerIndex || nextHop === member.address) count += prefixes
    }
    return count
  }

  isWithheld(prefix: number, member: GroupMember): boolean {
    const id = this.#block[prefix] ?? 0
    return id !== 0 && this.#withheld(this.#source[prefix] as number, this.#blocks.get(id)).includes(member)
  }

  explain(prefix: number, exporter: RouteExporter): ExportRefusal | undefined {
    const best = this.#rib.best(prefix)
    const exported = best === 0 ? undefined : exporter.export(best)
    if (typeof exported === 'object') this.#blocks.dropUnused(exported.id)
    return typeof exported === 'string' ? exported : undefined
  }

  limitPaths(): void {}

  clone(withholding: Withholding): BestPathOut {
    const copy = new BestPathOut(this.#rib, this.#blocks, withholding)
    for (let prefix = 1; prefix < this.#block.length; prefix++) {
      const id = this.#block[prefix] as number
      if (id !== 0) copy.#set(prefix, this.#blocks.get(id), this.#source[prefix] as number)
    }
    return copy
  }

  clear(): void {
    for (let prefix = 1; prefix < this.#block.length; prefix++) {
      if (this.#block[prefix] !== 0) this.#set(prefix, undefined, 0)
    }
  }

  /**
   * Members for which the route is another one than for the rest.
   * @param unchanged the block where the rest hear nothing, because only the source is another one
   */
  #tellExceptions(
    prefix: number,
    plan: OutgoingPlan,
    unchanged: OutBlock | undefined,
    withheld: readonly GroupMember[],
    withheldBefore: readonly GroupMember[],
  ): void {
    for (const member of withheld) {
      if (!withheldBefore.includes(member)) plan.only(member).add(prefix, 0, undefined)
    }
    if (unchanged === undefined) return
    for (const member of withheldBefore) {
      if (!withheld.includes(member)) plan.only(member).add(prefix, 0, unchanged)
    }
  }

  #withheld(source: number, block: OutBlock): readonly GroupMember[] {
    return this.#withholding.from(source, block.nextHop)
  }

  #set(prefix: number, block: OutBlock | undefined, source: number): void {
    if (prefix >= this.#block.length) {
      this.#block = grown(this.#block, prefix + 1)
      this.#source = grown(this.#source, prefix + 1)
    }
    const before = this.#block[prefix] as number
    if (block !== undefined) this.#blocks.retain(block.id)
    if (before !== 0) {
      this.#count(this.#blocks.get(before), this.#source[prefix] as number, -1)
      this.#blocks.release(before)
    }
    this.#block[prefix] = block?.id ?? 0
    this.#source[prefix] = source
    if (block !== undefined) this.#count(block, source, 1)
    if (before === 0 && block !== undefined) this.#rib.prefixes.retain(prefix)
    if (before !== 0 && block === undefined) this.#rib.prefixes.release(prefix)
    this.#size += Number(block !== undefined) - Number(before !== 0)
  }

  #count(block: OutBlock, source: number, change: 1 | -1): void {
    const key = block.nextHopIndex * 0x10000 + source
    let tally = this.#lastTally
    if (tally.key !== key) {
      tally = this.#tallies.get(key) ?? { key, prefixes: 0 }
      this.#tallies.set(key, tally)
      this.#lastTally = tally
    }
    tally.prefixes += change
    if (tally.prefixes > 0) return
    this.#tallies.delete(key)
    this.#lastTally = { key: -1, prefixes: 0 }
  }
}
