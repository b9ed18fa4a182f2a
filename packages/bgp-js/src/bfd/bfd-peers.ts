import { isDeepStrictEqual } from 'node:util'
import { type Clock, type ClockTimer, systemClock } from '../speaker/ports.ts'
import type { BfdSessionConfig } from './bfd-service.ts'
import type { BfdTimers } from './bfd-session.ts'
import type { BfdStateChange } from './bfd-worker-protocol.ts'

/** What of the service the peers need. */
export interface BfdSessions {
  addSession(config: BfdSessionConfig, onState: (change: BfdStateChange) => void): number
  updateSession(id: number, timers: BfdTimers): void
  removeSession(id: number): void
}

/** What happens to the sessions of BGP peers. */
export interface BfdPeerEvents {
  /** The path to the peer is gone: its BGP session is to end with Cease/10 (RFC 9384). */
  onDown(address: string, reason: string): void
  /** The path is there, or nobody judges it any more; 30 s after a loss at the latest. */
  onUp(address: string): void
}

interface Followed {
  readonly id: number
  config: BfdSessionConfig
  isUp: boolean
  /** Runs from `onDown` to `onUp`. */
  lost: ClockTimer | undefined
}

/**
 * A peer that BFD lost and does not find again within this time may try without: it may have come back without BFD, and
 * nothing is lost by an attempt to connect to one that is gone.
 */
const GIVE_UP_MS = 30_000

/** One BFD session for each BGP peer that wants one, by the peer's address. */
export class BfdPeers {
  readonly #service: BfdSessions
  readonly #events: BfdPeerEvents
  readonly #clock: Clock
  readonly #peers = new Map<string, Followed>()

  constructor(service: BfdSessions, events: BfdPeerEvents, clock: Clock = systemClock) {
    this.#service = service
    this.#events = events
    this.#clock = clock
  }

  isUp(address: string): boolean {
    return this.#peers.get(address)?.isUp === true
  }

  /**
   * Has `address` watched as `config` says. Other timers keep the session; anything else that differs makes a new one.
   * @throws {BgpConfigError} @throws what the socket port throws, for example for a local address that is not there
   */
  follow(address: string, config: BfdSessionConfig): void {
    const known = this.#peers.get(address)
    if (known !== undefined && isDeepStrictEqual(placeOf(known.config), placeOf(config))) {
      if (!isDeepStrictEqual(known.config, config)) this.#service.updateSession(known.id, config)
      known.config = config
      return
    }
    this.unfollow(address)
    const id = this.#service.addSession(config, (change) => this.#changed(address, change))
    this.#peers.set(address, { id, config, isUp: false, lost: undefined })
  }

  /** Watches `address` no more; that is no loss of the peer. */
  unfollow(address: string): void {
    const known = this.#peers.get(address)
    if (known === undefined) return
    this.#peers.delete(address)
    this.#service.removeSession(known.id)
    this.#release(address, known)
  }

  close(): void {
    for (const address of this.#peers.keys()) this.unfollow(address)
  }

  #changed(address: string, { state, diagnostic, remoteState }: BfdStateChange): void {
    const peer = this.#peers.get(address)
    if (peer === undefined) return
    const wasUp = peer.isUp
    peer.isUp = state === 'Up'
    if (peer.isUp) {
      if (!this.#release(address, peer) && !wasUp) this.#events.onUp(address)
      // BFD taken down on purpose at the other end says nothing about the path (RFC 5882 §3.2).
    } else if (remoteState === 'AdminDown') {
      this.#release(address, peer)
    } else if (wasUp) {
      peer.lost = this.#clock.setTimeout(() => this.#release(address, peer), GIVE_UP_MS)
      this.#events.onDown(address, `BFD: ${diagnostic}`)
    }
  }

  /** @returns whether the peer was lost */
  #release(address: string, peer: Followed): boolean {
    if (peer.lost === undefined) return false
    peer.lost.cancel()
    peer.lost = undefined
    this.#events.onUp(address)
    return true
  }
}

/** Everything but the timers. */
const placeOf = ({ local, remote, interface: device, multihop, passive }: BfdSessionConfig): unknown => [
  local,
  remote,
  device,
  multihop === true,
  passive === true,
]
