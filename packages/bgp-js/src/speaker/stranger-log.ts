import type { Clock, Log } from './ports.ts'

/** Strangers are counted and named in the log at most this often. */
const PAUSE_MS = 10_000

/** Tells of connections from addresses that are no peers, without letting them fill the log. */
export class StrangerLog {
  readonly #clock: Clock
  readonly #log: Log
  #count = 0
  #toldAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  refused(address: string | undefined): void {
    this.#count++
    const now = this.#clock.now()
    if (now - this.#toldAt < PAUSE_MS) return
    this.#toldAt = now
    this.#log.warn({ address, refused: this.#count }, 'connection from an address that is no peer refused')
  }
}
