import type { ResolvedPeer } from './config.ts'
import type { SocketOptions } from './ports.ts'

/** A peer's configuration as it is in force: with the AS that its OPEN said, and the drain of the whole speaker. */
export class PeerSettings {
  #given: ResolvedPeer
  #inForce: ResolvedPeer
  #isSpeakerDrained = false

  constructor(given: ResolvedPeer) {
    this.#given = given
    this.#inForce = given
  }

  /** As it was configured. */
  get given(): ResolvedPeer {
    return this.#given
  }

  get inForce(): ResolvedPeer {
    return this.#inForce
  }

  /** @param isAnotherPeer forget the AS that the former one said */
  replace(given: ResolvedPeer, isAnotherPeer: boolean): void {
    this.#given = given
    this.#update(isAnotherPeer ? given.asn : this.#inForce.asn)
  }

  /** @returns whether that is news */
  learnAsn(asn: number): boolean {
    if (this.#inForce.asn === asn) return false
    this.#update(asn)
    return true
  }

  /** @returns whether the peer's drain is another one now */
  drain(isSpeakerDrained: boolean): boolean {
    const before = this.#inForce.drain
    this.#isSpeakerDrained = isSpeakerDrained
    this.#update(this.#inForce.asn)
    return this.#inForce.drain !== before
  }

  /** @param peerAddress of an `interface` peer not the configured one */
  socketOptions(peerAddress: string): SocketOptions {
    const { password, ttlSecurity } = this.#inForce
    return { peerAddress, password, ttlSecurityHops: ttlSecurity }
  }

  #update(asn: number): void {
    this.#inForce = { ...this.#given, asn, drain: this.#given.drain || this.#isSpeakerDrained }
  }
}
