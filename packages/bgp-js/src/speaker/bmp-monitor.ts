import { BmpClient, type BmpSnapshotPeer, type BmpStationStatus } from '../bmp/bmp-client.ts'
import type { BmpPeer, BmpPeerDownReason, BmpPeerUp } from '../bmp/bmp-message.ts'
import type { AttributeSet } from '../rib/attribute-store.ts'
import type { LocRib } from '../rib/loc-rib.ts'
import { FAMILIES } from '../wire/address-family.ts'
import { HEADER_OCTETS, MessageType } from '../wire/header.ts'
import { encodeNotification } from '../wire/messages/notification.ts'
import { encodeAnnouncements, encodeWithdrawals } from '../wire/messages/update.ts'
import type { PathAttributes } from '../wire/path-attributes.ts'
import type { PrefixKey } from '../wire/prefix-key.ts'
import type { RouteUpdate } from '../wire/resolve-update.ts'
import type { BmpStationConfig } from './config.ts'
import type { Peer } from './peer.ts'
import type { PeerObserver } from './peer-observer.ts'
import type { Clock, ClockTimer, Log } from './ports.ts'
import type { SessionEnd } from './session.ts'
import { withoutZone } from './session-facts.ts'
import { type TableSide, tableUpdates } from './table-updates.ts'

/** A message that nobody was sent: what RFC 7854 §4.9 event codes stand for where there was no NOTIFICATION. */
const NO_EVENT = 0
const MAX_OCTETS = 4096

/** What a monitor reads of its speaker. */
export interface MonitoredSpeaker {
  readonly asn: number
  readonly routerId: string
  readonly clock: Clock
  readonly log: Log
  readonly locRib: LocRib
  peers(): Iterable<Peer>
}

/** Tells one monitoring station of every peer and its routes, before import policy, after it, or both (RFC 7854). */
export class BmpMonitor implements PeerObserver {
  readonly #speaker: MonitoredSpeaker
  readonly #sides: readonly TableSide[]
  readonly #client: BmpClient
  readonly #statsMs: number
  #statsTimer: ClockTimer | undefined

  constructor(config: Required<BmpStationConfig>, speaker: MonitoredSpeaker) {
    const { clock, log } = speaker
    this.#speaker = speaker
    this.#sides = config.policy === 'both' ? ['pre', 'post'] : [config.policy]
    this.#statsMs = config.statsSeconds * 1000
    this.#client = new BmpClient({
      host: config.address,
      port: config.port,
      sysName: speaker.routerId,
      sysDescr: `margay bgp-js, AS ${speaker.asn}`,
      snapshot: () => this.#snapshot(),
      clock,
      log,
    })
  }

  start(): void {
    this.#client.start()
    this.#armStats()
  }

  close(): void {
    this.#statsTimer?.cancel()
    void this.#client.stop()
  }

  status(): BmpStationStatus {
    return this.#client.status()
  }

  up(peer: Peer): void {
    const event = this.#peerUp(peer)
    if (event !== undefined) this.#client.peerUp(event)
  }

  down(peer: Peer, end: SessionEnd): void {
    const at = this.#speaker.clock.date()
    this.#client.peerDown({ peer: bmpPeer(peer, end.negotiated), reason: reasonOf(end), at })
  }

  received(peer: Peer, message: Uint8Array): void {
    const { negotiated } = peer.session
    if (negotiated === undefined || !this.#sides.includes('pre') || message[18] !== MessageType.Update) return
    if (message.length === HEADER_OCTETS + 4) return
    this.#client.routes(bmpPeer(peer, negotiated), 'pre', Uint8Array.from(message))
  }

  /** After policy the prefixes of one UPDATE may have gone different ways: each set of attributes is an UPDATE again. */
  imported(peer: Peer, update: RouteUpdate<AttributeSet>): void {
    const { negotiated } = peer.session
    if (negotiated === undefined || !this.#sides.includes('post')) return
    const { wire } = negotiated
    const about = bmpPeer(peer, negotiated)
    for (const { family, nlri } of [...update.withdrawn, ...update.announced]) {
      const { accepted, refused } = this.#sort(peer, family, nlri.keys)
      const messages = encodeWithdrawals(family, refused, MAX_OCTETS)
      for (const [attributes, keys] of accepted) {
        messages.push(
          ...(encodeAnnouncements({ family, attributes, keys }, { ...wire, internal: true }, MAX_OCTETS) ?? []),
        )
      }
      for (const message of messages) this.#client.routes(about, 'post', message)
    }
  }

  #sort(peer: Peer, family: 4 | 6, keys: readonly PrefixKey[]) {
    const table = peer.routes.adjRibIn[family]
    const { prefixes } = this.#speaker.locRib.family(family)
    const accepted = new Map<PathAttributes, PrefixKey[]>()
    const refused: PrefixKey[] = []
    for (const key of keys) {
      const prefix = prefixes.findKey(key)
      const attributes = prefix === 0 ? undefined : table.ofPrefix(prefix)[0]?.attributes
      if (attributes === undefined) refused.push(key)
      else accepted.set(attributes, [...(accepted.get(attributes) ?? []), key])
    }
    return { accepted, refused }
  }

  *#snapshot(): Generator<BmpSnapshotPeer> {
    for (const peer of this.#speaker.peers()) {
      const up = this.#peerUp(peer)
      if (up === undefined) continue
      const side = (which: TableSide): Iterable<Uint8Array> =>
        this.#sides.includes(which) ? this.#table(peer, which) : []
      yield { up, families: peer.session.negotiated?.families ?? [], pre: side('pre'), post: side('post') }
    }
  }

  *#table(peer: Peer, side: TableSide): Generator<Uint8Array> {
    const { negotiated } = peer.session
    if (negotiated === undefined) return
    const { locRib } = this.#speaker
    const options = { side, store: locRib.attributes, wire: negotiated.wire }
    for (const family of FAMILIES) yield* tableUpdates(locRib.family(family), peer.routes.adjRibIn[family], options)
  }

  #peerUp(peer: Peer): BmpPeerUp | undefined {
    const { negotiated, connection, opens } = peer.session
    if (peer.session.state !== 'Established' || negotiated === undefined || connection === undefined) return undefined
    return {
      peer: bmpPeer(peer, negotiated),
      local: { address: withoutZone(connection.localAddress), port: connection.localPort },
      remotePort: connection.remotePort,
      sentOpen: opens.sent,
      receivedOpen: opens.received,
      at: peer.stateSince,
    }
  }

  #armStats(): void {
    this.#statsTimer = this.#speaker.clock.setTimeout(() => {
      for (const peer of this.#speaker.peers()) this.#sendStats(peer)
      this.#armStats()
    }, this.#statsMs)
  }

  #sendStats(peer: Peer): void {
    const { negotiated } = peer.session
    if (negotiated === undefined || peer.session.state !== 'Established') return
    const counts = FAMILIES.map((family) => peer.routes.adjRibIn[family].counts)
    const sum = (of: 'received' | 'accepted'): number => counts.reduce((total, each) => total + each[of], 0)
    const values = { adjRibInRoutes: sum('received'), locRibRoutes: sum('accepted') }
    this.#client.stats({ peer: bmpPeer(peer, negotiated), at: this.#speaker.clock.date(), values })
  }
}

function bmpPeer(peer: Peer, negotiated: SessionEnd['negotiated']): BmpPeer {
  return {
    address: withoutZone(peer.remoteAddress ?? peer.config.address),
    asn: negotiated.peerAsn,
    routerId: negotiated.peerRouterId,
    twoOctetAs: !negotiated.wire.fourOctetAs,
  }
}

function reasonOf({ event }: SessionEnd): BmpPeerDownReason {
  if (event.received !== undefined) {
    return { kind: 'remoteNotification', notification: encodeNotification(event.received) }
  }
  if (event.notification !== undefined) {
    return { kind: 'localNotification', notification: encodeNotification(event.notification) }
  }
  if (event.type === 'TcpConnectionFails') return { kind: 'remoteClosed' }
  return { kind: 'localEvent', event: NO_EVENT }
}
