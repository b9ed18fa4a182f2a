import { CLUSTER_TABLES } from '@margay/model'

/** Remembers up to which resourceVersion each table has been programmed, and lets people wait for one. */
export class SyncTracker {
  readonly #programmed = new Map<string, bigint>()
  #waiters: { readonly target: bigint; readonly resolve: () => void }[] = []

  /** Says that the kernel has everything of `table` up to `watermark`. */
  advance(table: string, watermark: string): void {
    if (!/^\d+$/.test(watermark)) return
    const version = BigInt(watermark)
    if (version <= (this.#programmed.get(table) ?? -1n)) return
    this.#programmed.set(table, version)
    const { programmed } = this
    for (const { target, resolve } of this.#waiters) if (target <= programmed) resolve()
    this.#waiters = this.#waiters.filter(({ target }) => target > programmed)
  }

  /** The resourceVersion up to which all tables are programmed; -1 before the first. */
  get programmed(): bigint {
    return CLUSTER_TABLES.map((table) => this.#programmed.get(table) ?? -1n).reduce((a, b) => (a < b ? a : b))
  }

  /** @returns whether `target` was reached within `timeoutMs`, and before `signal` fired */
  async wait(target: bigint, timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (this.programmed >= target) return true
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const waiter = { target, resolve: () => resolve(true) }
    this.#waiters.push(waiter)
    const giveUp = (): void => resolve(false)
    const timer = setTimeout(giveUp, timeoutMs)
    signal?.addEventListener('abort', giveUp, { once: true })
    const reached = await promise
    clearTimeout(timer)
    signal?.removeEventListener('abort', giveUp)
    this.#waiters = this.#waiters.filter((each) => each !== waiter)
    return reached
  }
}
