import type { Clock, ClockTimer } from './ports.ts'

/** Timers of more than this may be late by {@link TICK_MS}: hundreds of sessions then wake the process a few times a second. */
const COARSE_MS = 2000
const TICK_MS = 250

/** The last tick that is not behind `deadlineMs`, for what may be early and must not be late. */
export const tickBefore = (deadlineMs: number): number => Math.floor(deadlineMs / TICK_MS) * TICK_MS

/** A timer that is pushed back far more often than it fires: restarting it only moves a number. */
export class LazyTimer {
  readonly #clock: Clock
  readonly #onExpire: () => void
  #deadline: number | undefined
  #timer: ClockTimer | undefined
  #timerAt = 0

  constructor(clock: Clock, onExpire: () => void) {
    this.#clock = clock
    this.#onExpire = onExpire
  }

  get isRunning(): boolean {
    return this.#deadline !== undefined
  }

  /** Milliseconds left, undefined when it does not run. */
  get remainingMs(): number | undefined {
    return this.#deadline === undefined ? undefined : Math.max(0, this.#deadline - this.#clock.now())
  }

  start(delayMs: number): void {
    this.#deadline = this.#clock.now() + delayMs
    if (this.#timer !== undefined && this.#timerAt <= this.#deadline) return
    this.#timer?.cancel()
    this.#arm(delayMs)
  }

  stop(): void {
    this.#deadline = undefined
    this.#timer?.cancel()
    this.#timer = undefined
  }

  #arm(delayMs: number): void {
    const now = this.#clock.now()
    this.#timerAt = now + delayMs
    if (delayMs >= COARSE_MS) this.#timerAt = Math.ceil(this.#timerAt / TICK_MS) * TICK_MS
    this.#timer = this.#clock.setTimeout(() => this.#fired(), this.#timerAt - now)
  }

  #fired(): void {
    this.#timer = undefined
    if (this.#deadline === undefined) return
    const left = this.#deadline - this.#clock.now()
    // A millisecond of rounding between the two clocks is not worth another round.
    if (left > 1) {
      this.#arm(left)
      return
    }
    this.#deadline = undefined
    this.#onExpire()
  }
}
