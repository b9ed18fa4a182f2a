import type { AttributeProblem } from '../wire/attribute-list.ts'
import type { Clock, Log } from './ports.ts'

/** A peer can send malformed attributes as fast as its line is; one line in this time says how many there were. */
const LOG_EVERY_MS = 10_000

/** Tells of the malformed attributes that a peer's sessions survive: the first at once, then at most one in ten seconds. */
export class MalformedLog {
  readonly #clock: Clock
  readonly #log: Log
  #count = 0
  #loggedAtMs = Number.NEGATIVE_INFINITY

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  note(peer: string, { code, severity, message }: AttributeProblem): void {
    this.#count++
    const now = this.#clock.now()
    if (now - this.#loggedAtMs < LOG_EVERY_MS) return
    this.#loggedAtMs = now
    this.#log.warn({ peer, attribute: code, severity, malformedSoFar: this.#count }, `malformed attribute: ${message}`)
  }
}
