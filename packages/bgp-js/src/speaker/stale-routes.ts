import type { Family } from '@margay/net'
import type { GracefulRestartCapability } from '../fsm/negotiation.ts'
import type { AdjRibIn } from '../rib/adj-rib-in.ts'
import { FAMILIES } from '../wire/address-family.ts'
import { LazyTimer } from './lazy-timer.ts'
import type { Clock } from './ports.ts'
import type { SlicedTask, WorkLoop } from './work-loop.ts'

const SWEEP_SLICE = 500

/**
 * What becomes of a peer's routes when its session ends: kept as stale while the peer restarts (RFC 4724 §4.2), dropped
 * otherwise; swept in slices either way.
 */
export class StaleRoutes implements SlicedTask {
  readonly #adjRibIn: AdjRibIn
  readonly #work: WorkLoop
  readonly #restartTimer: LazyTimer
  readonly #stalePathTimer: LazyTimer
  readonly #retained = new Set<Family>()
  readonly #sweeping = new Set<Family>()

  constructor(clock: Clock, work: WorkLoop, adjRibIn: AdjRibIn) {
    this.#adjRibIn = adjRibIn
    this.#work = work
    this.#restartTimer = new LazyTimer(clock, () => this.dropAll())
    this.#stalePathTimer = new LazyTimer(clock, () => this.dropAll())
  }

  /** Families whose stale routes are kept. */
  get retained(): readonly Family[] {
    return [...this.#retained]
  }

  /** Milliseconds until a peer that does not come back loses its routes. */
  get restartRemainingMs(): number | undefined {
    return this.#restartTimer.remainingMs
  }

  /** The session ended. @param retain families whose routes stay for now */
  sessionDown(retain: readonly Family[], restartTimeSeconds: number): void {
    this.#stalePathTimer.stop()
    for (const family of FAMILIES) {
      const generation = this.#adjRibIn.beginGeneration(family)
      if (retain.includes(family)) {
        this.#retained.add(family)
        // Of two restarts in a row, what was stale before is gone now.
        this.#sweep(family, generation - 1)
      } else {
        this.#retained.delete(family)
        this.#sweep(family)
      }
    }
    if (retain.length > 0) this.#restartTimer.start(restartTimeSeconds * 1000)
  }

  /** The peer is back: only families whose forwarding state it kept stay, until End-of-RIB or for a bounded time. */
  sessionUp(capability: GracefulRestartCapability | undefined, families: readonly Family[], stalePathMs: number): void {
    this.#restartTimer.stop()
    for (const family of this.retained) {
      const offer = capability?.families.find((item) => item.family === family)
      if (offer?.forwardingPreserved !== true || !families.includes(family)) this.endOfRib(family)
    }
    if (this.#retained.size > 0) this.#stalePathTimer.start(stalePathMs)
  }

  /** The peer has sent all of `family`: what it did not send again is gone. */
  endOfRib(family: Family): void {
    if (!this.#retained.delete(family)) return
    if (this.#retained.size === 0) this.#stalePathTimer.stop()
    this.#sweep(family)
  }

  dropAll(): void {
    for (const family of this.retained) this.endOfRib(family)
  }

  /** The peer is no longer configured: timers end, every route goes. */
  close(): void {
    this.#restartTimer.stop()
    this.sessionDown([], 0)
  }

  run(): boolean {
    for (const family of this.#sweeping) {
      if (this.#adjRibIn.sweep(family, SWEEP_SLICE)) this.#sweeping.delete(family)
    }
    return this.#sweeping.size > 0
  }

  #sweep(family: Family, below?: number): void {
    this.#adjRibIn.startSweep(family, below)
    this.#sweeping.add(family)
    this.#work.schedule(this)
  }
}
