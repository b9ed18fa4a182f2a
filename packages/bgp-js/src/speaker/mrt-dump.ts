import { type MrtUpdateLog, writeMrtFile } from '../mrt/mrt-file.ts'
import type { MrtSession } from '../mrt/mrt-record.ts'
import { MrtTable } from '../mrt/mrt-table.ts'
import type { LocRib } from '../rib/loc-rib.ts'
import { FAMILIES } from '../wire/address-family.ts'
import type { Peer } from './peer.ts'
import type { PeerObserver } from './peer-observer.ts'
import type { Clock } from './ports.ts'
import { withoutZone } from './session-facts.ts'
import { tableUpdates } from './table-updates.ts'

const FOUR_OCTETS = { fourOctetAs: true, internal: true } as const

/** Writes every message of every Established session, and every change of state, into rotating files (RFC 6396). */
export class MrtRecorder implements PeerObserver {
  readonly #log: MrtUpdateLog
  readonly #localAsn: number
  readonly #clock: Clock

  constructor(log: MrtUpdateLog, speaker: { readonly asn: number; readonly clock: Clock }) {
    this.#log = log
    this.#localAsn = speaker.asn
    this.#clock = speaker.clock
  }

  up(peer: Peer): void {
    this.#log.write({ kind: 'stateChange', ...this.#about(peer), from: 'OpenConfirm', to: 'Established' })
  }

  down(peer: Peer): void {
    this.#log.write({ kind: 'stateChange', ...this.#about(peer), from: 'Established', to: 'Idle' })
  }

  received(peer: Peer, message: Uint8Array): void {
    const { negotiated } = peer.session
    // BGP4MP_MESSAGE_AS4 is what is written: a session with two-octet numbers can't be.
    if (negotiated?.wire.fourOctetAs !== true) return
    const addPath = negotiated.addPath.receive.length > 0
    this.#log.write({ kind: 'message', ...this.#about(peer), addPath, local: false, message: Uint8Array.from(message) })
  }

  close(): void {
    void this.#log.close()
  }

  #about(peer: Peer): MrtSession & { readonly timeUs: number } {
    const { connection, negotiated } = peer.session
    return {
      timeUs: this.#clock.date().getTime() * 1000,
      peerAsn: negotiated?.peerAsn ?? peer.config.asn,
      localAsn: this.#localAsn,
      interfaceIndex: 0,
      peerAddress: withoutZone(peer.remoteAddress ?? peer.config.address),
      localAddress: withoutZone(connection?.localAddress ?? '0.0.0.0'),
    }
  }
}

/**
 * Writes the tables of all peers, as they came, as TABLE_DUMP_V2 (RFC 6396 §4.3).
 * @throws what the file system throws
 */
export async function dumpTables(
  path: string,
  speaker: { readonly routerId: string; readonly clock: Clock; readonly locRib: LocRib; peers(): Iterable<Peer> },
): Promise<void> {
  const { locRib, clock, routerId } = speaker
  const timeMs = clock.date().getTime()
  const table = new MrtTable()
  for (const peer of speaker.peers()) {
    const { negotiated } = peer.session
    const asn = negotiated?.peerAsn ?? peer.config.asn
    const address = withoutZone(peer.remoteAddress ?? peer.config.address)
    const index = table.addPeer({ routerId: negotiated?.peerRouterId ?? '0.0.0.0', address, asn })
    const options = { side: 'pre', store: locRib.attributes, wire: FOUR_OCTETS } as const
    for (const family of FAMILIES) {
      for (const update of tableUpdates(locRib.family(family), peer.routes.adjRibIn[family], options)) {
        table.add(index, update, Math.floor(timeMs / 1000))
      }
    }
  }
  await writeMrtFile(path, table.records({ timeUs: timeMs * 1000, collectorId: routerId, viewName: '' }))
}
