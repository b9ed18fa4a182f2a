import type { Clock, ClockTimer } from './ports.ts'

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
    this.#timerAt = this.#clock.now() + delayMs
    this.#timer = this.#clock.setTimeout(() => this.#fired(), delayMs)
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
