import type { Peer } from './peer.ts'
import type { Clock, ClockTimer } from './ports.ts'

/** How often a peer is looked at whose routes are kept without a time that is known. */
const REVIEW_MS = 10_000

/** Takes out peers that were not listed once nothing is left of them: no session, no penalty, no retained route. */
export class SpentPeers {
  readonly #clock: Clock
  readonly #remove: (peer: Peer) => unknown
  readonly #reviews = new Map<Peer, ClockTimer>()

  /** @param remove called with a peer of which nothing is left */
  constructor(clock: Clock, remove: (peer: Peer) => unknown) {
    this.#clock = clock
    this.#remove = remove
  }

  /** The peer's state is another one: it is looked at, but not in the middle of the change. */
  changed(peer: Peer): void {
    queueMicrotask(() => this.#review(peer))
  }

  /** The peer is gone. */
  forget(peer: Peer): void {
    this.#reviews.get(peer)?.cancel()
    this.#reviews.delete(peer)
  }

  close(): void {
    for (const peer of this.#reviews.keys()) this.forget(peer)
  }

  #review(peer: Peer): void {
    this.forget(peer)
    if (peer.isSpent) {
      this.#remove(peer)
      return
    }
    const { stale } = peer.routes
    if (peer.session.state !== 'Active' || stale.retained.length === 0) return
    const afterMs = (stale.restartRemainingMs ?? REVIEW_MS) + 1
    this.#reviews.set(
      peer,
      this.#clock.setTimeout(() => this.#review(peer), afterMs),
    )
  }
}
