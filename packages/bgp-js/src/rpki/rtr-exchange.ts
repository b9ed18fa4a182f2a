import { RtrError, RtrErrorCode } from './rtr-error.ts'
import type { ReceivedPdu, RtrPdu, RtrTimers, RtrVersion, Vrp } from './rtr-pdu.ts'
import { vrpKey } from './vrp-table.ts'

/** What a cache's answer changed. */
export interface VrpChanges {
  readonly added: readonly Vrp[]
  readonly removed: readonly Vrp[]
}

/** What the owner of the connection is to do. */
export type RtrEffect =
  | { readonly do: 'send'; readonly pdu: RtrPdu }
  | { readonly do: 'synced'; readonly changes: VrpChanges; readonly timers: RtrTimers }
  /** Dial again: at once with the version that the cache speaks, or after a pause. */
  | { readonly do: 'reconnect'; readonly reason: string; readonly atOnce: boolean }

/** RFC 8210 §6; version 0 has no others. */
export const DEFAULT_TIMERS: RtrTimers = { refresh: 3600, retry: 600, expire: 7200 }
const LIMITS = { refresh: [1, 86_400], retry: [1, 7200], expire: [600, 172_800] } as const

/** What is being collected between Cache Response and End of Data. */
interface Answer {
  readonly isFull: boolean
  readonly session: number
  readonly added: Map<string, Vrp>
  readonly removed: Map<string, Vrp>
}

/** One side of the RPKI-to-router protocol, a router's: values in, effects out. Its data outlive connections. */
export class RtrExchange {
  #version: RtrVersion = 1
  /** Some PDU of this connection has shown which version both speak (RFC 8210 §7). */
  #negotiated = false
  #vrps = new Map<string, Vrp>()
  #state: { readonly session: number; readonly serial: number } | undefined
  #asked: 'reset' | 'serial' | undefined
  #answer: Answer | undefined

  get version(): RtrVersion {
    return this.#version
  }

  /** An answer is being waited for. */
  get isAsking(): boolean {
    return this.#asked !== undefined
  }

  get session(): number | undefined {
    return this.#state?.session
  }

  get serial(): number | undefined {
    return this.#state?.serial
  }

  vrps(): Iterable<Vrp> {
    return this.#vrps.values()
  }

  get size(): number {
    return this.#vrps.size
  }

  connected(): RtrEffect[] {
    this.#negotiated = false
    this.#answer = undefined
    this.#asked = undefined
    return this.refresh()
  }

  /** Asks for what is new; nothing while an answer is on its way. */
  refresh(): RtrEffect[] {
    if (this.#asked !== undefined) return []
    if (this.#state === undefined) return this.#reset()
    this.#asked = 'serial'
    return [{ do: 'send', pdu: { type: 'serialQuery', ...this.#state } }]
  }

  /** The data are too old to be used (RFC 8210 §6). @returns what was there */
  expire(): VrpChanges {
    const removed = [...this.#vrps.values()]
    this.#vrps = new Map()
    this.#state = undefined
    return { added: [], removed }
  }

  /** @throws {RtrError} when the cache breaks the protocol: report it, then close */
  receive({ version, pdu }: ReceivedPdu): RtrEffect[] {
    if (pdu.type === 'errorReport') return this.#errorReport(version, pdu)
    // A cache that has not been asked may not know our version yet (RFC 8210 §7).
    if (pdu.type === 'serialNotify' && !this.#negotiated) return []
    this.#agreeOn(version)
    switch (pdu.type) {
      case 'serialNotify':
        return pdu.session === this.#state?.session && pdu.serial === this.#state.serial ? [] : this.refresh()
      case 'cacheResponse':
        return this.#begin(pdu.session)
      case 'prefix':
        this.#collect(pdu.vrp, pdu.announce)
        return []
      case 'routerKey':
        return []
      case 'endOfData':
        return this.#finish(pdu)
      case 'cacheReset':
        if (this.#asked !== 'serial') throw unexpected(pdu)
        return this.#reset()
      case 'serialQuery':
      case 'resetQuery':
        throw unexpected(pdu)
    }
  }

  #reset(): RtrEffect[] {
    this.#asked = 'reset'
    this.#state = undefined
    return [{ do: 'send', pdu: { type: 'resetQuery' } }]
  }

  #agreeOn(version: number): void {
    if (version !== this.#version) {
      if (this.#negotiated || version !== 0) throw new RtrError(RtrErrorCode.UnexpectedVersion, `version ${version}`)
      this.#version = 0
    }
    this.#negotiated = true
  }

  #errorReport(version: number, { code, text }: RtrPdu & { type: 'errorReport' }): RtrEffect[] {
    const canGoDown = code === RtrErrorCode.UnsupportedVersion && this.#version === 1 && version === 0
    if (canGoDown) this.#version = 0
    return [{ do: 'reconnect', reason: `Error Report ${code} ${JSON.stringify(text)}`, atOnce: canGoDown }]
  }

  #begin(session: number): RtrEffect[] {
    if (this.#asked === undefined || this.#answer !== undefined) throw unexpected({ type: 'cacheResponse', session })
    if (this.#asked === 'serial' && session !== this.#state?.session) {
      // RFC 8210 §5.5: another session knows nothing of our serial number.
      this.#state = undefined
      return [{ do: 'reconnect', reason: `session ${session}, not ours`, atOnce: true }]
    }
    this.#answer = { isFull: this.#asked === 'reset', session, added: new Map(), removed: new Map() }
    return []
  }

  #collect(vrp: Vrp, announce: boolean): void {
    const answer = this.#answer
    if (answer === undefined) throw unexpected({ type: 'prefix', announce, vrp })
    const key = vrpKey(vrp)
    const isThere = answer.added.has(key) || (!answer.isFull && this.#vrps.has(key) && !answer.removed.has(key))
    if (announce) {
      if (isThere) throw new RtrError(RtrErrorCode.DuplicateAnnouncement, key)
      if (!answer.removed.delete(key)) answer.added.set(key, vrp)
    } else {
      if (!isThere) throw new RtrError(RtrErrorCode.WithdrawalOfUnknown, key)
      if (!answer.added.delete(key)) answer.removed.set(key, vrp)
    }
  }

  #finish(pdu: RtrPdu & { type: 'endOfData' }): RtrEffect[] {
    const answer = this.#answer
    if (answer === undefined || pdu.session !== answer.session) throw unexpected(pdu)
    const changes = answer.isFull ? this.#replace(answer.added) : this.#merge(answer)
    this.#state = { session: pdu.session, serial: pdu.serial }
    this.#answer = undefined
    this.#asked = undefined
    return [{ do: 'synced', changes, timers: within(pdu.timers ?? DEFAULT_TIMERS) }]
  }

  #replace(next: Map<string, Vrp>): VrpChanges {
    const previous = this.#vrps
    this.#vrps = next
    return {
      added: [...next].filter(([key]) => !previous.has(key)).map(([, vrp]) => vrp),
      removed: [...previous].filter(([key]) => !next.has(key)).map(([, vrp]) => vrp),
    }
  }

  #merge({ added, removed }: Answer): VrpChanges {
    for (const key of removed.keys()) this.#vrps.delete(key)
    for (const [key, vrp] of added) this.#vrps.set(key, vrp)
    return { added: [...added.values()], removed: [...removed.values()] }
  }
}

/** Values outside RFC 8210 §6's limits are taken to the nearest of them. */
function within(timers: RtrTimers): RtrTimers {
  const clamp = (name: keyof RtrTimers): number => Math.min(Math.max(timers[name], LIMITS[name][0]), LIMITS[name][1])
  return { refresh: clamp('refresh'), retry: clamp('retry'), expire: clamp('expire') }
}

const unexpected = ({ type }: RtrPdu): RtrError => new RtrError(RtrErrorCode.CorruptData, `${type} at this point`)
