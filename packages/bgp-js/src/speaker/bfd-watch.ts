import { BfdPeers } from '../bfd/bfd-peers.ts'
import { type BfdService, type BfdSocketPort, createBfdService } from '../bfd/bfd-service.ts'
import type { Peer } from './peer.ts'
import type { PeerObserver } from './peer-observer.ts'
import type { Log } from './ports.ts'

/**
 * Has BFD watch the peers that want it, from the first session on: then both addresses are known. It goes on while the
 * session is down, for it says when the peer is back.
 */
export class BfdWatch implements PeerObserver {
  readonly #sockets: BfdSocketPort
  readonly #log: Log
  readonly #followed = new Map<string, Peer>()
  #service: BfdService | undefined
  #peers: BfdPeers | undefined

  constructor(sockets: BfdSocketPort, log: Log) {
    this.#sockets = sockets
    this.#log = log
  }

  up(peer: Peer): void {
    const { bfd, address, interface: device } = peer.config
    const local = peer.session.connection?.localAddress
    const remote = peer.remoteAddress
    if (bfd === undefined || local === undefined || remote === undefined) return
    this.#followed.set(address, peer)
    try {
      this.#start().follow(address, { ...bfd, local, remote, ...(device === undefined ? {} : { interface: device }) })
    } catch (error) {
      this.#log.error({ peer: address, error: String(error) }, 'BFD session could not be made')
    }
  }

  reconfigured(peer: Peer): void {
    if (peer.config.bfd === undefined) this.removed(peer)
    else if (peer.session.state === 'Established') this.up(peer)
  }

  removed(peer: Peer): void {
    this.#peers?.unfollow(peer.config.address)
    this.#followed.delete(peer.config.address)
  }

  isUp(address: string): boolean {
    return this.#peers?.isUp(address) === true
  }

  close(): void {
    this.#peers?.close()
    void this.#service?.close()
    this.#service = undefined
    this.#peers = undefined
    this.#followed.clear()
  }

  #start(): BfdPeers {
    if (this.#peers !== undefined) return this.#peers
    this.#service = createBfdService({
      sockets: this.#sockets,
      onFatal: (error) => {
        this.#log.error({ error: error.message }, 'the BFD thread failed: no peer is watched any more')
        // Whom it lost may try without it.
        this.#peers?.close()
        this.#peers = undefined
      },
    })
    this.#peers = new BfdPeers(this.#service, {
      onDown: (address, reason) => this.#followed.get(address)?.bfdDown(reason),
      onUp: (address) => this.#followed.get(address)?.bfdUp(),
    })
    return this.#peers
  }
}
