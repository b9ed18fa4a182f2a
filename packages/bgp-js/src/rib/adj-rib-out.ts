import type { Family } from '@margay/net'
import type { PathAttributes } from '../wire/path-attributes.ts'
import type { PrefixKey } from '../wire/prefix-key.ts'
import { sameAttributes } from './attribute-interner.ts'

/** What to send next. `announce` shares one entry among prefixes of equal attributes. */
export interface OutgoingBatch {
  readonly announce: ReadonlyMap<PathAttributes, PrefixKey[]>
  readonly withdraw: readonly PrefixKey[]
  /** The initial table is out: an End-of-RIB marker is due. */
  readonly endOfRib: boolean
}

/** What a prefix is to look like at the peer; undefined: not at all. */
export type ExportOf = (key: PrefixKey) => PathAttributes | undefined

/**
 * What one peer was sent of one family, and what is still to be sent. Waiting changes are prefixes, not messages: a
 * peer that reads slowly gets the latest state of each, and the memory for it is bounded by the table.
 */
export class AdjRibOut {
  readonly family: Family
  readonly #sent = new Map<PrefixKey, PathAttributes>()
  readonly #changed = new Set<PrefixKey>()
  /** Walks of the whole table that are under way. */
  #walk: Iterator<PrefixKey> | undefined
  #resend: Iterator<PrefixKey> | undefined
  #endOfRibDue = false

  constructor(family: Family) {
    this.family = family
  }

  get advertised(): number {
    return this.#sent.size
  }

  /** Prefixes that wait for their turn; a walk under way counts as one. */
  get pending(): number {
    return this.#changed.size + Number(this.#walk !== undefined) + Number(this.#resend !== undefined)
  }

  get hasWork(): boolean {
    return this.pending > 0 || this.#endOfRibDue
  }

  /** The session came up: everything in `table` is due, then End-of-RIB. */
  sendAll(table: Iterator<PrefixKey>): void {
    this.#walk = table
    this.#endOfRibDue = true
  }

  /** Policy changed: looks at every prefix again and sends what differs. */
  reexport(table: Iterator<PrefixKey>): void {
    this.#walk = table
    for (const key of this.#sent.keys()) this.#changed.add(key)
  }

  /** The peer asked for everything again (RFC 2918 §4), whether it differs or not. */
  resendAll(table: Iterator<PrefixKey>): void {
    this.#resend = table
  }

  markChanged(key: PrefixKey): void {
    this.#changed.add(key)
  }

  sent(key: PrefixKey): PathAttributes | undefined {
    return this.#sent.get(key)
  }

  keys(): IterableIterator<PrefixKey> {
    return this.#sent.keys()
  }

  /** The peer will never get these: their attributes fit no message. @returns those it has to be told to forget */
  refuse(keys: readonly PrefixKey[]): PrefixKey[] {
    return keys.filter((key) => this.#sent.delete(key))
  }

  /** Takes the next changes, looking at `limit` prefixes at most. */
  take(limit: number, exportOf: ExportOf): OutgoingBatch {
    const announce = new Map<PathAttributes, PrefixKey[]>()
    const withdraw: PrefixKey[] = []
    let left = limit
    const visit = (key: PrefixKey, force: boolean): void => {
      left--
      this.#settle(key, exportOf(key), force, announce, withdraw)
    }
    for (const key of this.#changed) {
      if (left <= 0) break
      this.#changed.delete(key)
      visit(key, false)
    }
    this.#walk = step(
      this.#walk,
      () => left > 0,
      (key) => visit(key, false),
    )
    this.#resend = step(
      this.#resend,
      () => left > 0,
      (key) => visit(key, true),
    )
    const endOfRib = this.#endOfRibDue && this.#walk === undefined && left > 0
    if (endOfRib) this.#endOfRibDue = false
    return { announce, withdraw, endOfRib }
  }

  #settle(
    key: PrefixKey,
    wanted: PathAttributes | undefined,
    force: boolean,
    announce: Map<PathAttributes, PrefixKey[]>,
    withdraw: PrefixKey[],
  ): void {
    const sent = this.#sent.get(key)
    if (wanted === undefined) {
      if (sent !== undefined) withdraw.push(key)
      this.#sent.delete(key)
      return
    }
    if (!force && sent !== undefined && sameAttributes(sent, wanted)) return
    this.#sent.set(key, wanted)
    const group = announce.get(wanted)
    if (group === undefined) announce.set(wanted, [key])
    else group.push(key)
  }
}

/** Moves a walk on while `more()`; undefined once it is over. */
function step(
  walk: Iterator<PrefixKey> | undefined,
  more: () => boolean,
  visit: (key: PrefixKey) => void,
): Iterator<PrefixKey> | undefined {
  while (walk !== undefined && more()) {
    const next = walk.next()
    if (next.done === true) return undefined
    visit(next.value)
  }
  return walk
}
