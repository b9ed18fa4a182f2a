import type { Socket } from 'node:net'

/** Connections in a row that one peer may open, and how long it takes to earn another one. */
const BURST = 8
const EARN_MS = 250

/** Bounds how often a peer's connections are taken: each costs a session, an OPEN and up to a second of lingering. */
export class AcceptGuard {
  #tokens = BURST
  #countedAtMs = 0

  /** @returns whether one more may be taken now */
  admit(nowMs: number): boolean {
    const earned = Math.floor((nowMs - this.#countedAtMs) / EARN_MS)
    if (earned > 0) {
      this.#tokens = Math.min(BURST, this.#tokens + earned)
      this.#countedAtMs += earned * EARN_MS
    }
    if (this.#tokens === 0) return false
    this.#tokens--
    return true
  }
}

/** Closes with a reset: nothing lingers in the kernel for a connection that nobody wants. */
export function refuse(socket: Socket): void {
  socket.on('error', () => undefined)
  socket.resetAndDestroy()
}
