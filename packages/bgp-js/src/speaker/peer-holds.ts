import type { Clock, ClockTimer } from './ports.ts'

/** What keeps a peer down beside its configuration. */
export type HoldReason = 'maxPrefixes' | 'bfd'

/** Reasons why a peer has to stay Idle; each ends by itself, by its time or not at all. */
export class PeerHolds {
  readonly #clock: Clock
  readonly #onFree: () => void
  readonly #holds = new Map<HoldReason, ClockTimer | undefined>()

  /** @param onFree called when the last reason is gone */
  constructor(clock: Clock, onFree: () => void) {
    this.#clock = clock
    this.#onFree = onFree
  }

  get isHeld(): boolean {
    return this.#holds.size > 0
  }

  get reasons(): readonly HoldReason[] {
    return [...this.#holds.keys()]
  }

  /** @param forMs undefined: until released */
  hold(reason: HoldReason, forMs?: number): void {
    this.#holds.get(reason)?.cancel()
    this.#holds.set(reason, forMs === undefined ? undefined : this.#clock.setTimeout(() => this.release(reason), forMs))
  }

  release(reason: HoldReason): void {
    if (!this.#holds.has(reason)) return
    this.#holds.get(reason)?.cancel()
    this.#holds.delete(reason)
    if (!this.isHeld) this.#onFree()
  }

  /** Ends every reason without a word: the peer is stopped. */
  clear(): void {
    for (const timer of this.#holds.values()) timer?.cancel()
    this.#holds.clear()
  }
}
