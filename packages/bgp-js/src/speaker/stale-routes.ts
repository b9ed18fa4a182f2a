import type { Family } from '@margay/net'
import type { GracefulRestartCapability } from '../fsm/negotiation.ts'
import type { AdjRibIn, PathWalk } from '../rib/adj-rib-in.ts'
import { FAMILIES } from '../wire/address-family.ts'
import { LazyTimer } from './lazy-timer.ts'
import type { Clock } from './ports.ts'
import type { SlicedTask, WorkLoop } from './work-loop.ts'

const SWEEP_SLICE = 500

/** What of a peer's routes outlives its session. */
export interface Retention {
  /** Kept for the restart time (RFC 4724 §4.2). */
  readonly families: readonly Family[]
  readonly restartTimeSeconds: number
  /** Kept after that for so long, as the last choice (RFC 9494 §4.2). */
  readonly longLivedSeconds: Readonly<Partial<Record<Family, number>>>
}

const NOTHING: Retention = { families: [], restartTimeSeconds: 0, longLivedSeconds: {} }

/**
 * What becomes of a peer's routes when its session ends: kept as stale while the peer restarts (RFC 4724 §4.2), then as
 * the last choice for peers that stay away (RFC 9494), dropped otherwise; swept in slices either way.
 */
export class StaleRoutes implements SlicedTask {
  readonly #tables: Readonly<Record<Family, AdjRibIn>>
  readonly #work: WorkLoop
  readonly #restartTimer: LazyTimer
  readonly #stalePathTimer: LazyTimer
  readonly #longLivedTimers: Readonly<Record<Family, LazyTimer>>
  readonly #retained = new Set<Family>()
  readonly #longLived = new Set<Family>()
  readonly #sweeping = new Set<Family>()
  readonly #marking = new Map<Family, PathWalk>()
  #retention = NOTHING
  #onGone: (() => void) | undefined

  constructor(clock: Clock, work: WorkLoop, tables: Readonly<Record<Family, AdjRibIn>>) {
    this.#tables = tables
    this.#work = work
    this.#restartTimer = new LazyTimer(clock, () => this.#restartTimeOver())
    this.#stalePathTimer = new LazyTimer(clock, () => this.dropAll())
    const longLivedTimer = (family: Family): LazyTimer => new LazyTimer(clock, () => this.endOfRib(family))
    this.#longLivedTimers = { 4: longLivedTimer(4), 6: longLivedTimer(6) }
  }

  /** Families whose stale routes are kept. */
  get retained(): readonly Family[] {
    return [...this.#retained]
  }

  /** Families whose stale routes have outlived the restart time (RFC 9494). */
  get longLived(): readonly Family[] {
    return [...this.#longLived]
  }

  /** Milliseconds until a peer that does not come back loses its routes. */
  get restartRemainingMs(): number | undefined {
    return this.#restartTimer.remainingMs
  }

  /** The session ended. */
  sessionDown(retention: Retention): void {
    this.#stalePathTimer.stop()
    this.#retention = retention
    for (const family of FAMILIES) {
      const generation = this.#tables[family].beginGeneration()
      if (retention.families.includes(family)) {
        this.#retained.add(family)
        // Of two restarts in a row, what was stale before is gone now.
        this.#sweep(family, (generation - 1) & 0xffff)
      } else {
        this.#forget(family)
        this.#sweep(family)
      }
    }
    if (retention.families.length === 0) return
    if (retention.restartTimeSeconds === 0) this.#restartTimeOver()
    else this.#restartTimer.start(retention.restartTimeSeconds * 1000)
  }

  /**
   * The peer is back: only families whose forwarding state it kept stay, until End-of-RIB or for a bounded time.
   * @param longLived families whose forwarding state the peer kept by its RFC 9494 capability
   */
  sessionUp(
    capability: GracefulRestartCapability | undefined,
    families: readonly Family[],
    stalePathMs: number,
    longLived: readonly Family[] = [],
  ): void {
    this.#restartTimer.stop()
    for (const family of this.retained) {
      const offer = capability?.families.find((item) => item.family === family)
      const isPreserved = offer?.forwardingPreserved === true || longLived.includes(family)
      if (!isPreserved || !families.includes(family)) this.endOfRib(family)
    }
    if (this.#retained.size > 0) this.#stalePathTimer.start(stalePathMs)
  }

  /** The peer has sent all of `family`: what it did not send again is gone. */
  endOfRib(family: Family): void {
    if (!this.#retained.has(family)) return
    this.#forget(family)
    if (this.#retained.size === 0) this.#stalePathTimer.stop()
    this.#sweep(family)
  }

  /** The peer begins to send everything again (RFC 7313 §4): what it has not sent by the end of it is gone. */
  beginRefresh(family: Family): void {
    this.#tables[family].beginGeneration()
  }

  endRefresh(family: Family): void {
    if (!this.#retained.has(family)) this.#sweep(family)
  }

  dropAll(): void {
    for (const family of this.retained) this.endOfRib(family)
  }

  /** The peer is no longer configured: timers end, every route goes. @param onGone called when the last has gone */
  close(onGone: () => void = () => undefined): void {
    this.#onGone = onGone
    this.#restartTimer.stop()
    this.sessionDown(NOTHING)
  }

  run(): boolean {
    for (const [family, walk] of this.#marking) this.#markSlice(family, walk)
    for (const family of this.#sweeping) {
      if (this.#tables[family].sweep(SWEEP_SLICE)) this.#sweeping.delete(family)
    }
    if (this.#sweeping.size > 0 || this.#marking.size > 0) return true
    this.#onGone?.()
    this.#onGone = undefined
    return false
  }

  /** RFC 9494 §4.2: families that are kept longer go on as the last choice, the others go. */
  #restartTimeOver(): void {
    for (const family of this.retained) {
      const seconds = this.#retention.longLivedSeconds[family] ?? 0
      if (seconds === 0) {
        this.endOfRib(family)
        continue
      }
      this.#longLived.add(family)
      this.#longLivedTimers[family].start(seconds * 1000)
      this.#marking.set(family, this.#tables[family].walk())
      this.#work.schedule(this)
    }
  }

  #markSlice(family: Family, walk: PathWalk): void {
    const table = this.#tables[family]
    for (let count = 0; count < SWEEP_SLICE; count++) {
      const path = table.step(walk)
      if (path === 0) {
        this.#marking.delete(family)
        return
      }
      if (table.isStale(path)) table.enterLongLived(path)
    }
  }

  #forget(family: Family): void {
    this.#retained.delete(family)
    this.#longLived.delete(family)
    this.#longLivedTimers[family].stop()
  }

  #sweep(family: Family, below?: number): void {
    this.#tables[family].startSweep(below)
    this.#sweeping.add(family)
    this.#work.schedule(this)
  }
}
