import type { SessionState } from '../fsm/state.ts'
import type { SessionError } from './session-error.ts'

/** One change of a peer's state. Plain data. */
export interface StateChange {
  /** ISO time. */
  readonly at: string
  readonly from: SessionState
  readonly to: SessionState
  readonly reason: string
}

const KEPT = 32

/** What a peer went through lately. */
export class PeerHistory {
  readonly #changes: StateChange[] = []
  #lastError: SessionError | undefined
  #lastSent: SessionError | undefined
  #lastReceived: SessionError | undefined

  /** The last 32 changes, the oldest first. */
  get changes(): readonly StateChange[] {
    return this.#changes
  }

  get lastError(): SessionError | undefined {
    return this.#lastError
  }

  /** The last NOTIFICATION that we sent. */
  get lastErrorSent(): SessionError | undefined {
    return this.#lastSent
  }

  /** The last NOTIFICATION that the peer sent. */
  get lastErrorReceived(): SessionError | undefined {
    return this.#lastReceived
  }

  changed(change: StateChange): void {
    this.#changes.push(change)
    if (this.#changes.length > KEPT) this.#changes.shift()
  }

  failed(error: SessionError): void {
    this.#lastError = error
    if (error.direction === 'sent') this.#lastSent = error
    if (error.direction === 'received') this.#lastReceived = error
  }
}
