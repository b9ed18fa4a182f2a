import type { GroupTable, SentRoute, Withholding } from './best-path-out.ts'
import type { ExportRefusal, RouteExporter } from './export-rules.ts'
import type { FamilyRib } from './loc-rib.ts'
import type { OutBlock, OutBlockStore } from './out-block.ts'
import type { OutgoingPlan } from './outgoing-plan.ts'

/**
 * The table of one session with ADD-PATH (RFC 7911): the best paths of each prefix, as many as are asked for. A path is
 * named by its number in the RIB, so that it keeps its identifier while its attributes change.
 */
export class AddPathOut implements GroupTable {
  readonly #rib: FamilyRib
  readonly #blocks: OutBlockStore
  readonly #withholding: Withholding
  #maxPaths: number
  readonly #sent = new Map<number, Map<number, OutBlock>>()

  constructor(rib: FamilyRib, blocks: OutBlockStore, withholding: Withholding, maxPaths: number) {
    this.#rib = rib
    this.#blocks = blocks
    this.#withholding = withholding
    this.#maxPaths = maxPaths
  }

  get size(): number {
    return this.#sent.size
  }

  settle(prefix: number, exporter: RouteExporter, plan: OutgoingPlan): void {
    const before = this.#sent.get(prefix) ?? new Map<number, OutBlock>()
    const wanted = this.#wanted(prefix, exporter)
    for (const pathId of before.keys()) if (!wanted.has(pathId)) plan.add(prefix, pathId, undefined)
    for (const [pathId, block] of wanted) if (before.get(pathId) !== block) plan.add(prefix, pathId, block)
    this.#set(prefix, wanted)
  }

  replay(prefix: number, plan: OutgoingPlan): void {
    for (const { pathId, block } of this.sent(prefix)) plan.add(prefix, pathId, block)
  }

  sent(prefix: number): readonly SentRoute[] {
    return [...(this.#sent.get(prefix) ?? [])].map(([pathId, block]) => ({ pathId, block }))
  }

  /** Nothing is in the table that its one member does not get. */
  withheldCount(): number {
    return 0
  }

  isWithheld(): boolean {
    return false
  }

  explain(prefix: number, exporter: RouteExporter): ExportRefusal | undefined {
    const best = this.#rib.best(prefix)
    const exported = best === 0 ? undefined : exporter.export(best)
    if (typeof exported === 'object') this.#blocks.dropUnused(exported.id)
    return typeof exported === 'string' ? exported : undefined
  }

  limitPaths(maxPaths: number): void {
    this.#maxPaths = maxPaths
  }

  clone(withholding: Withholding): AddPathOut {
    const copy = new AddPathOut(this.#rib, this.#blocks, withholding, this.#maxPaths)
    for (const [prefix, routes] of this.#sent) copy.#set(prefix, new Map(routes))
    return copy
  }

  clear(): void {
    for (const prefix of this.#sent.keys()) this.#set(prefix, new Map())
  }

  #wanted(prefix: number, exporter: RouteExporter): Map<number, OutBlock> {
    const wanted = new Map<number, OutBlock>()
    for (const path of this.#rib.ranked(prefix, Number.POSITIVE_INFINITY)) {
      if (wanted.size >= this.#maxPaths) break
      const block = exporter.export(path)
      if (typeof block === 'string') continue
      const source = this.#rib.paths.peer[path] as number
      if (this.#withholding.from(source, block.nextHop).length === 0) wanted.set(path, block)
      else this.#blocks.dropUnused(block.id)
    }
    return wanted
  }

  #set(prefix: number, routes: Map<number, OutBlock>): void {
    const before = this.#sent.get(prefix)
    for (const block of routes.values()) this.#blocks.retain(block.id)
    for (const block of before?.values() ?? []) this.#blocks.release(block.id)
    if (routes.size > 0) this.#sent.set(prefix, routes)
    else this.#sent.delete(prefix)
    if (before === undefined && routes.size > 0) this.#rib.prefixes.retain(prefix)
    if (before !== undefined && routes.size === 0) this.#rib.prefixes.release(prefix)
  }
}
