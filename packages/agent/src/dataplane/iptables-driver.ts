import type { IpSetFailure, IpSets, IptablesTable } from 'node-iptables'
import type { Logger } from 'pino'
import { type Driver, PartialFailure } from './dataplane.ts'

/** Runs one table: reads the kernel again after each refresh interval, and repairs what somebody else changed. */
export class IptablesDriver implements Driver {
  readonly name: string
  readonly critical = true
  readonly #table: IptablesTable
  readonly #log: Logger
  #refreshIntervalMs: number
  #nextRefresh = 0

  constructor(options: { name: string; table: IptablesTable; log: Logger; refreshIntervalMs: number }) {
    this.name = options.name
    this.#table = options.table
    this.#log = options.log
    this.#refreshIntervalMs = options.refreshIntervalMs
  }

  setRefreshInterval(intervalMs: number): void {
    this.#refreshIntervalMs = intervalMs
    this.#nextRefresh = Math.min(this.#nextRefresh, performance.now() + intervalMs)
  }

  nextRun(): number {
    return this.#nextRefresh
  }

  async apply(): Promise<void> {
    const isRefresh = performance.now() >= this.#nextRefresh
    if (isRefresh) this.#table.markStale()
    if (!this.#table.dirty) return
    const { restores, writtenChains, deletedChains, repairedHooks, failures, stillReferenced } =
      await this.#table.apply()
    if (restores > 0) {
      this.#log.info({ table: this.name, writtenChains, deletedChains, repairedHooks }, 'programmed iptables')
    }
    if (stillReferenced.length > 0)
      this.#log.warn({ table: this.name, chains: stillReferenced }, 'foreign rules use our chains')
    if (failures.length > 0) {
      const errors = failures.map(({ error }) => error)
      throw new PartialFailure(errors, failures.map(({ chain, error }) => `${chain}: ${error.message}`).join('; '))
    }
    if (isRefresh) this.#nextRefresh = performance.now() + this.#refreshIntervalMs
  }
}

/** Makes and fills sets, before the rules that use them. */
export class IpSetCreateDriver implements Driver {
  readonly name = 'ipsets'
  readonly critical = true
  readonly #ipSets: IpSets
  #refreshIntervalMs: number
  #nextRefresh = 0

  constructor(ipSets: IpSets, refreshIntervalMs: number) {
    this.#ipSets = ipSets
    this.#refreshIntervalMs = refreshIntervalMs
  }

  setRefreshInterval(intervalMs: number): void {
    this.#refreshIntervalMs = intervalMs
    this.#nextRefresh = Math.min(this.#nextRefresh, performance.now() + intervalMs)
  }

  nextRun(): number {
    return this.#nextRefresh
  }

  async apply(): Promise<void> {
    const isRefresh = performance.now() >= this.#nextRefresh
    if (isRefresh) this.#ipSets.markStale()
    const { failures } = await this.#ipSets.applyCreates()
    if (failures.length > 0) throw failureOf(failures)
    if (isRefresh) this.#nextRefresh = performance.now() + this.#refreshIntervalMs
  }
}

/** Destroys sets, after the rules that used them have gone. */
export class IpSetDeleteDriver implements Driver {
  readonly name = 'ipset deletion'
  readonly critical = false
  readonly #ipSets: IpSets

  constructor(ipSets: IpSets) {
    this.#ipSets = ipSets
  }

  async apply(): Promise<void> {
    const { failures } = await this.#ipSets.applyDeletes()
    if (failures.length > 0) throw failureOf(failures)
  }
}

function failureOf(failures: readonly IpSetFailure[]): PartialFailure {
  return new PartialFailure(
    failures.map(({ error }) => error),
    failures.map(({ set, error }) => `${set}: ${error.message}`).join('; '),
  )
}
