import type { Bus, TableBatch } from '@margay/bus'
import { CLUSTER_TABLES, type ClusterTables } from '@margay/model'
import type { Dataplane } from './dataplane/dataplane.ts'
import type { SyncTracker } from './sync-tracker.ts'
import type { AgentTopics } from './topics.ts'

/** What is done with the changes of each cluster table. */
export type BatchHandlers = { readonly [N in keyof ClusterTables]: (batch: TableBatch<ClusterTables[N]>) => void }

/**
 * Hands each cluster table's changes to the dataplane, one batch at a time, and tells the sync tracker when the kernel
 * has them. `inSync` resolves when a whole snapshot of every table has been handed in: nothing is programmed before.
 */
export class ClusterWatcher {
  readonly inSync: Promise<void>
  readonly #bus: Bus<AgentTopics>
  readonly #dataplane: Dataplane
  readonly #sync: SyncTracker
  readonly #waitingFor = new Set<string>(CLUSTER_TABLES)
  readonly #resolveInSync: () => void

  constructor(bus: Bus<AgentTopics>, dataplane: Dataplane, sync: SyncTracker) {
    this.#bus = bus
    this.#dataplane = dataplane
    this.#sync = sync
    const { promise, resolve } = Promise.withResolvers<void>()
    this.inSync = promise
    this.#resolveInSync = resolve
  }

  /** The tables whose first snapshot is not here yet. */
  get waitingFor(): string[] {
    return [...this.#waitingFor]
  }

  /** Follows every table until the process ends. */
  async run(handlers: BatchHandlers): Promise<void> {
    await Promise.all(
      CLUSTER_TABLES.map((name) => this.#follow(name, handlers[name] as (batch: TableBatch<unknown>) => void)),
    )
  }

  async #follow(name: (typeof CLUSTER_TABLES)[number], handle: (batch: TableBatch<unknown>) => void): Promise<void> {
    for await (const batch of this.#bus.table(name).subscribe()) {
      const { handled, programmed } = this.#dataplane.submit(() => handle(batch))
      const { watermark } = batch
      // The dataplane has logged why a batch failed; what was programmed of it is not all, so nothing is promised.
      const failed = (): void => undefined
      if (watermark !== undefined) void programmed.then(() => this.#sync.advance(name, watermark), failed)
      await handled.catch(failed)
      if (!batch.inSync || !this.#waitingFor.delete(name)) continue
      if (this.#waitingFor.size === 0) this.#resolveInSync()
    }
  }
}
