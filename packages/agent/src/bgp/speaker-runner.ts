import { isDeepStrictEqual } from 'node:util'
import type { Bus } from '@margay/bus'
import { createSpeaker, type PeerConfig, type SocketOptionsPort, type Speaker } from 'bgp-js'
import type { Logger } from 'pino'
import { DESIRED_BGP_KEY, type SpeakerTopics } from '../topics.ts'
import type { DesiredBgp, DesiredPeer } from './desired-bgp.ts'

const RESTART_TIME_SECONDS = 120
const STATUS_INTERVAL_MS = 1_000
const RETRY_MS = 2_000

/** Makes one bgp-js speaker do what the bus says, and says on the bus what it learns. */
export class SpeakerRunner {
  readonly #bus: Bus<SpeakerTopics>
  readonly #log: Logger
  readonly #socketOptions: SocketOptionsPort
  #restarting: boolean
  #speaker: Speaker | undefined
  #current: DesiredBgp | undefined
  #peers = new Map<string, DesiredPeer>()

  constructor(options: {
    bus: Bus<SpeakerTopics>
    log: Logger
    restarting: boolean
    socketOptions: SocketOptionsPort
  }) {
    this.#bus = options.bus
    this.#log = options.log
    this.#restarting = options.restarting
    this.#socketOptions = options.socketOptions
  }

  async run(): Promise<void> {
    setInterval(() => this.#publishPeers(), STATUS_INTERVAL_MS).unref()
    for await (const { upserts } of this.#bus.table('speakerDesired').subscribe()) {
      for (const [key, desired] of upserts) if (key === DESIRED_BGP_KEY) await this.#follow(desired)
    }
  }

  async #follow(desired: DesiredBgp): Promise<void> {
    try {
      if (this.#current === undefined || !sameSpeaker(this.#current, desired)) await this.#restart(desired)
      this.#followPeers(desired)
      this.#speaker?.replaceOriginated(desired.originated.map((prefix) => ({ prefix })))
      this.#current = desired
    } catch (error) {
      this.#log.error({ err: error }, 'the speaker cannot run as configured: trying again')
      setTimeout(() => {
        const latest = this.#bus.table('speakerDesired').get(DESIRED_BGP_KEY)
        if (latest !== undefined) void this.#follow(latest)
      }, RETRY_MS)
    }
    this.#publishPeers()
  }

  /** A new speaker: the AS, the identifier or the port are others. */
  async #restart(desired: DesiredBgp): Promise<void> {
    await this.#speaker?.stop({ text: 'reconfigured' })
    this.#speaker = undefined
    this.#peers.clear()
    const { asn, routerId, clusterId, listenPort, localAddresses } = desired
    const usable = desired.peers.filter((peer) => this.#isUsable(peer, desired))
    const speaker = createSpeaker(
      {
        asn,
        routerId,
        ...(clusterId === undefined ? {} : { clusterId }),
        listen: localAddresses.map((address) => ({ address, port: listenPort })),
        networks: desired.originated,
        neighbors: usable.map(peerConfig),
        gracefulRestart: {
          restarting: this.#restarting,
          forwardingPreserved: true,
          restartTimeSeconds: RESTART_TIME_SECONDS,
        },
        multipath: true,
      },
      { log: this.#log, socketOptions: this.#socketOptions },
    )
    this.#peers = new Map(usable.map((peer) => [peer.address, peer]))
    await speaker.start()
    this.#restarting = false
    this.#speaker = speaker
    speaker.onEvent((event) => {
      this.#log.info(event, 'BGP session')
      // The state is read after the event has been dealt with.
      setImmediate(() => this.#publishPeers())
    })
    void this.#publishRoutes(speaker)
    this.#log.info({ asn, routerId, peers: desired.peers.length }, 'the speaker runs')
  }

  #followPeers(desired: DesiredBgp): void {
    const speaker = this.#speaker
    if (speaker === undefined) return
    const usable = desired.peers.filter((peer) => this.#isUsable(peer, desired))
    const wanted = new Map(usable.map((peer) => [peer.address, peer]))
    for (const address of this.#peers.keys()) if (!wanted.has(address)) speaker.removePeer(address)
    for (const [address, peer] of wanted) {
      const old = this.#peers.get(address)
      if (old === undefined) speaker.addPeer(peerConfig(peer))
      else if (!isDeepStrictEqual(old, peer)) speaker.updatePeer(peerConfig(peer))
    }
    this.#peers = wanted
  }

  /** One peer that the speaker does not take (a multicast address, say) must not cost the others their sessions. */
  #isUsable(peer: DesiredPeer, { asn, routerId }: DesiredBgp): boolean {
    if (isDeepStrictEqual(this.#peers.get(peer.address), peer)) return true
    try {
      const ports = { log: this.#log, socketOptions: this.#socketOptions }
      createSpeaker({ asn, routerId, listen: [], networks: [], neighbors: [peerConfig(peer)] }, ports)
      return true
    } catch (error) {
      this.#log.error({ peer: peer.address, error: String(error) }, 'a BGP peer cannot be used')
      return false
    }
  }

  async #publishRoutes(speaker: Speaker): Promise<void> {
    const table = this.#bus.table('speakerRoutes')
    // What an earlier speaker published and this one does not is gone once this one has settled.
    const stale = new Set([...table.entries()].map(([prefix]) => prefix))
    for await (const { changes, inSync } of speaker.subscribe()) {
      for (const change of changes) {
        stale.delete(change.prefix)
        if (change.type === 'upsert') table.set(change.prefix, change)
        else table.delete(change.prefix)
      }
      if (!inSync) continue
      for (const prefix of stale) table.delete(prefix)
      stale.clear()
      table.markInSync()
    }
  }

  #publishPeers(): void {
    const table = this.#bus.table('speakerPeers')
    const statuses = (this.#speaker?.peers() ?? []).flatMap((status) => {
      const peer = this.#peers.get(status.address)
      return peer === undefined ? [] : [[status.address, { ...status, kind: peer.kind }] as const]
    })
    table.replace(new Map(statuses), { same: isDeepStrictEqual })
  }
}

function peerConfig(peer: DesiredPeer): PeerConfig {
  return {
    address: peer.address,
    port: peer.port,
    asn: peer.asn,
    passive: peer.passive,
    description: peer.kind,
    families: [peer.family === 4 ? 'ipv4' : 'ipv6'],
    routeReflectorClient: peer.routeReflectorClient,
    ...(peer.localAddress === undefined ? {} : { sourceAddress: peer.localAddress }),
    ...(peer.nextHop === 'self' ? { nextHopSelf: true } : {}),
    ...(peer.nextHop === 'keep' ? { nextHopUnchanged: true } : {}),
  }
}

function sameSpeaker(a: DesiredBgp, b: DesiredBgp): boolean {
  const identity = ({ asn, routerId, clusterId, listenPort, localAddresses }: DesiredBgp): unknown[] => [
    asn,
    routerId,
    clusterId,
    listenPort,
    localAddresses,
  ]
  return isDeepStrictEqual(identity(a), identity(b))
}
