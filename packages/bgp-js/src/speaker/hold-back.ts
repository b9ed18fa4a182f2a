import type { Clock, ClockTimer } from './ports.ts'
import type { Session } from './session.ts'

/** How long the peer's connection waits until the peer has seen ours. */
const HOLD_BACK_MS = 1000

/**
 * Two connections, and the peer may not have taken ours out of its backlog yet. Were its own to come up first, a peer
 * with graceful restart would take ours for a restart of ours and end the session (RFC 4724 §5). So what it sends on its
 * own waits until it has answered on ours, a second at most.
 */
export class HoldBack {
  readonly #clock: Clock
  #timer: ClockTimer | undefined
  #held: Session | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Holds `theirs` back where `ours` is a connection of ours that nobody has answered on. */
  consider(ours: Session, theirs: Session | undefined): void {
    const isUnanswered = ours.state === 'OpenSent' && ours.initiator === 'local'
    if (!isUnanswered || theirs?.state !== 'OpenSent' || this.#held !== undefined) return
    this.#held = theirs
    theirs.connection?.holdBack()
    this.#timer = this.#clock.setTimeout(() => this.end(), HOLD_BACK_MS)
  }

  end(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#held?.connection?.release()
    this.#held = undefined
  }
}
