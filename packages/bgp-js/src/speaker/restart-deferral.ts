import type { Family } from '@margay/net'
import type { Negotiated } from '../fsm/negotiation.ts'
import { FAMILIES } from '../wire/address-family.ts'
import type { Clock, ClockTimer } from './ports.ts'

/** How long a peer may take to come up at all before the deferral does without it. */
const CONNECT_GRACE_SECONDS = 10
/** Attempts to connect after which a peer counts as dead. */
const DEAD_AFTER_FAILURES = 2

/** A peer that may have routes for us, and the families that it is configured for. */
export interface ExpectedPeer {
  readonly id: string
  readonly families: readonly Family[]
}

/**
 * The selection deferral of a restarting speaker (RFC 4724 §4.1). It waits, family by family, for End-of-RIB from those
 * peers alone that are up, offer graceful restart for the family, and don't restart themselves; never for a peer that is
 * dead, and never longer than the restart time.
 */
export class RestartDeferral {
  readonly #clock: Clock
  readonly #onSettled: (family: Family) => void
  readonly #waitingFor = new Map<Family, Set<string>>()
  readonly #up = new Set<string>()
  readonly #failures = new Map<string, number>()
  #timers: ClockTimer[] = []

  /** @param onSettled called once per family when its selection may begin */
  constructor(clock: Clock, onSettled: (family: Family) => void) {
    this.#clock = clock
    this.#onSettled = onSettled
  }

  isPending(family: Family): boolean {
    return this.#waitingFor.has(family)
  }

  get isRunning(): boolean {
    return this.#waitingFor.size > 0
  }

  begin(peers: readonly ExpectedPeer[], restartTimeSeconds: number): void {
    for (const family of FAMILIES) {
      const expected = peers.filter((peer) => peer.families.includes(family))
      this.#waitingFor.set(family, new Set(expected.map((peer) => peer.id)))
    }
    const graceMs = Math.min(CONNECT_GRACE_SECONDS, restartTimeSeconds) * 1000
    this.#timers = [
      this.#clock.setTimeout(() => this.#forgetAbsent(), graceMs),
      this.#clock.setTimeout(() => this.end(), restartTimeSeconds * 1000),
    ]
    this.#settle()
  }

  peerUp(peer: string, negotiated: Negotiated): void {
    this.#up.add(peer)
    const offer = negotiated.peerGracefulRestart
    for (const family of FAMILIES) {
      const carried = negotiated.families.includes(family)
      const offered = offer?.families.some((item) => item.family === family) ?? false
      if (!carried || !offered || offer?.restarting === true) this.#done(peer, family)
    }
  }

  /** Its session ended again, or it was taken out of the configuration. */
  peerGone(peer: string): void {
    this.#up.delete(peer)
    for (const family of FAMILIES) this.#done(peer, family)
  }

  connectFailed(peer: string): void {
    const failures = (this.#failures.get(peer) ?? 0) + 1
    this.#failures.set(peer, failures)
    if (failures >= DEAD_AFTER_FAILURES) this.peerGone(peer)
  }

  endOfRib(peer: string, family: Family): void {
    this.#done(peer, family)
  }

  /** Ends it for every family, whoever is missing. */
  end(): void {
    for (const waiting of this.#waitingFor.values()) waiting.clear()
    this.#settle()
  }

  /** Ends it without settling anything: the speaker stops. */
  cancel(): void {
    for (const timer of this.#timers) timer.cancel()
    this.#waitingFor.clear()
  }

  #forgetAbsent(): void {
    for (const waiting of this.#waitingFor.values()) {
      for (const peer of waiting) if (!this.#up.has(peer)) waiting.delete(peer)
    }
    this.#settle()
  }

  #done(peer: string, family: Family): void {
    if (this.#waitingFor.get(family)?.delete(peer) === true) this.#settle()
  }

  #settle(): void {
    for (const [family, waiting] of this.#waitingFor) {
      if (waiting.size > 0) continue
      this.#waitingFor.delete(family)
      this.#onSettled(family)
    }
    if (!this.isRunning) for (const timer of this.#timers) timer.cancel()
  }
}
