import type { Clock, ClockTimer } from './ports.ts'

/** What keeps a peer down beside its configuration. */
export type HoldReason = 'maxPrefixes' | 'bfd'

/** One reason that holds now. */
export interface Hold {
  readonly reason: HoldReason
  /** Undefined: until somebody releases it. */
  readonly remainingMs: number | undefined
}

interface Held {
  readonly timer: ClockTimer
  readonly untilMs: number
}

/** Reasons why a peer has to stay Idle; each ends by itself, by its time or not at all. */
export class PeerHolds {
  readonly #clock: Clock
  readonly #onFree: () => void
  readonly #holds = new Map<HoldReason, Held | undefined>()

  /** @param onFree called when the last reason is gone */
  constructor(clock: Clock, onFree: () => void) {
    this.#clock = clock
    this.#onFree = onFree
  }

  get isHeld(): boolean {
    return this.#holds.size > 0
  }

  get all(): readonly Hold[] {
    const now = this.#clock.now()
    return [...this.#holds].map(([reason, held]) => ({
      reason,
      remainingMs: held === undefined ? undefined : Math.max(0, held.untilMs - now),
    }))
  }

  /** @param forMs undefined: until released */
  hold(reason: HoldReason, forMs?: number): void {
    this.#holds.get(reason)?.timer.cancel()
    this.#holds.set(reason, forMs === undefined ? undefined : this.#endAfter(reason, forMs))
  }

  release(reason: HoldReason): void {
    if (!this.#holds.has(reason)) return
    this.#holds.get(reason)?.timer.cancel()
    this.#holds.delete(reason)
    if (!this.isHeld) this.#onFree()
  }

  /** Ends every reason without a word: the peer is stopped. */
  clear(): void {
    for (const held of this.#holds.values()) held?.timer.cancel()
    this.#holds.clear()
  }

  #endAfter(reason: HoldReason, forMs: number): Held {
    const timer = this.#clock.setTimeout(() => this.release(reason), forMs)
    return { timer, untilMs: this.#clock.now() + forMs }
  }
}
