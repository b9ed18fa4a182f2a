import type { MrtPeer, MrtPeerIndexTable, MrtRib, MrtRibEntry } from './mrt-record.ts'
import { ribRoutesOf } from './rib-attributes.ts'

/** Gathers the tables of several peers out of UPDATEs and gives them out as TABLE_DUMP_V2 (RFC 6396 §4.3). */
export class MrtTable {
  readonly #peers: MrtPeer[] = []
  readonly #entries = new Map<string, MrtRibEntry[]>()

  /** @returns the peer's index */
  addPeer(peer: MrtPeer): number {
    return this.#peers.push(peer) - 1
  }

  /**
   * Adds what a whole UPDATE announces; four-octet AS numbers, no path identifiers.
   * @param originatedAt seconds since 1970 @throws {BgpMessageError}
   */
  add(peerIndex: number, update: Uint8Array, originatedAt: number): void {
    for (const { prefixes, attributes } of ribRoutesOf(update)) {
      // One block for all prefixes of the UPDATE.
      const entry = { peerIndex, originatedAt, attributes }
      for (const prefix of prefixes) {
        const known = this.#entries.get(prefix)
        if (known === undefined) this.#entries.set(prefix, [entry])
        else known.push(entry)
      }
    }
  }

  /** The peer index table, then a record for each prefix. */
  *records(head: { timeUs: number; collectorId: string; viewName: string }): Generator<MrtPeerIndexTable | MrtRib> {
    yield { kind: 'peerIndexTable', ...head, peers: this.#peers }
    let sequence = 0
    for (const [prefix, entries] of this.#entries) {
      yield { kind: 'rib', timeUs: head.timeUs, sequence: sequence++, prefix, entries }
    }
  }
}
