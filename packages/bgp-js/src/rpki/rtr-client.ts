import { connect, type Socket } from 'node:net'
import type { Clock, ClockTimer, Log } from '../speaker/ports.ts'
import { RtrError } from './rtr-error.ts'
import { DEFAULT_TIMERS, type RtrEffect, RtrExchange, type VrpChanges } from './rtr-exchange.ts'
import { decodePdu, encodePdu, RtrFramer, type RtrPdu, type RtrTimers, type Vrp } from './rtr-pdu.ts'

/** Where a cache is, and how it stands to the others. */
export interface RpkiCacheConfig {
  readonly address: string
  /** Default 323. */
  readonly port?: number
  /** The cache with the lowest number that has data is used; default 0. */
  readonly preference?: number
}

/** A cache as status shows it. */
export interface RpkiCacheStatus {
  readonly address: string
  readonly port: number
  readonly preference: number
  readonly connected: boolean
  readonly version: number
  readonly session: number | undefined
  readonly serial: number | undefined
  readonly vrps: number
  /** Why the last connection ended. */
  readonly lastError: string | undefined
}

export interface RtrClientPorts {
  readonly clock: Clock
  readonly log: Log
}

const DEFAULT_PORT = 323
const FIRST_RETRY_MS = 1000
/** A cache that says nothing to a question for so long is given up. */
const ANSWER_MS = 60_000

/** The connection to one cache: dials, asks, dials again. What it has learned stays until it expires. */
export class RtrClient {
  readonly config: Required<RpkiCacheConfig>
  readonly #ports: RtrClientPorts
  readonly #onChange: (changes: VrpChanges) => void
  readonly #exchange = new RtrExchange()
  #socket: Socket | undefined
  #framer = new RtrFramer()
  #timers: RtrTimers = DEFAULT_TIMERS
  #retryMs = FIRST_RETRY_MS
  #connected = false
  #hasData = false
  #stopped = false
  #lastError: string | undefined
  /** Dial again, or ask again. */
  #next: ClockTimer | undefined
  #expiry: ClockTimer | undefined
  #answer: ClockTimer | undefined

  constructor(config: RpkiCacheConfig, ports: RtrClientPorts, onChange: (changes: VrpChanges) => void) {
    this.config = { port: DEFAULT_PORT, preference: 0, ...config }
    this.#ports = ports
    this.#onChange = onChange
  }

  /** It has given us a whole table that has not expired. */
  get hasData(): boolean {
    return this.#hasData
  }

  vrps(): Iterable<Vrp> {
    return this.#exchange.vrps()
  }

  status(): RpkiCacheStatus {
    const { version, session, serial, size } = this.#exchange
    const lastError = this.#lastError
    return { ...this.config, connected: this.#connected, version, session, serial, vrps: size, lastError }
  }

  start(): void {
    this.#dial()
  }

  stop(): void {
    this.#stopped = true
    for (const timer of [this.#next, this.#expiry, this.#answer]) timer?.cancel()
    this.#socket?.destroy()
  }

  #dial(): void {
    this.#framer = new RtrFramer()
    const { address, port } = this.config
    const socket = connect({ host: address, port, keepAlive: true })
    this.#socket = socket
    socket.on('connect', () => {
      this.#connected = true
      this.#perform(this.#exchange.connected())
    })
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', (error) => this.#end(error.message))
    socket.on('close', () => this.#end('closed'))
  }

  #receive(chunk: Buffer): void {
    const socket = this.#socket
    let current: Uint8Array | undefined
    try {
      for (const octets of this.#framer.push(chunk)) {
        current = octets
        this.#perform(this.#exchange.receive(decodePdu(octets)))
        if (this.#socket !== socket) return
      }
    } catch (error) {
      if (!(error instanceof RtrError)) throw error
      // RFC 8210 §5.10: an Error Report is not answered with one; those don't throw.
      const pdu = error.pdu.length > 0 ? error.pdu : (current ?? error.pdu)
      this.#send({ type: 'errorReport', code: error.errorCode, pdu, text: error.message })
      this.#end(error.message)
    }
  }

  #perform(effects: readonly RtrEffect[]): void {
    for (const effect of effects) {
      switch (effect.do) {
        case 'send':
          this.#send(effect.pdu)
          this.#answer?.cancel()
          this.#answer = this.#ports.clock.setTimeout(() => this.#end('no answer'), ANSWER_MS)
          break
        case 'synced':
          this.#synced(effect.changes, effect.timers)
          break
        case 'reconnect':
          if (effect.atOnce) this.#retryMs = 0
          this.#end(effect.reason)
          break
      }
    }
  }

  #send(pdu: RtrPdu): void {
    this.#socket?.write(encodePdu(pdu, this.#exchange.version))
  }

  #synced(changes: VrpChanges, timers: RtrTimers): void {
    this.#answer?.cancel()
    this.#timers = timers
    this.#retryMs = FIRST_RETRY_MS
    this.#lastError = undefined
    this.#hasData = true
    this.#expiry?.cancel()
    this.#expiry = this.#ports.clock.setTimeout(() => this.#expire(), timers.expire * 1000)
    this.#schedule(() => this.#perform(this.#exchange.refresh()), timers.refresh * 1000)
    this.#onChange(changes)
  }

  #expire(): void {
    this.#hasData = false
    this.#ports.log.warn({ cache: this.config.address }, 'RPKI data of this cache have expired')
    this.#onChange(this.#exchange.expire())
  }

  /** The connection is over: dials again, at first soon, then ever later up to the retry interval. */
  #end(reason: string): void {
    const socket = this.#socket
    if (socket === undefined || this.#stopped) return
    this.#socket = undefined
    this.#connected = false
    this.#lastError = reason
    this.#answer?.cancel()
    // What was written last (an Error Report) still goes out.
    socket.removeAllListeners().on('error', () => undefined)
    socket.end(() => socket.destroy())
    const waitMs = this.#retryMs
    this.#ports.log.warn({ cache: this.config.address, reason, waitMs }, 'RPKI cache lost')
    this.#retryMs = Math.min(Math.max(waitMs * 2, FIRST_RETRY_MS), this.#timers.retry * 1000)
    this.#schedule(() => this.#dial(), waitMs)
  }

  #schedule(callback: () => void, delayMs: number): void {
    this.#next?.cancel()
    this.#next = this.#ports.clock.setTimeout(callback, delayMs)
  }
}
