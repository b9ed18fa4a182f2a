import { Socket } from 'node:net'
import type { Family } from '@margay/net'
import { type Clock, type ClockTimer, type Log, silentLog, systemClock } from '../speaker/ports.ts'
import { encodeEndOfRib } from '../wire/messages/update.ts'
import {
  type BmpPeer,
  type BmpPeerDown,
  type BmpPeerUp,
  type BmpPolicy,
  type BmpStats,
  BmpTerminationReason,
  encodeInitiation,
  encodePeerDown,
  encodePeerUp,
  encodeRouteMonitoring,
  encodeStatistics,
  encodeTermination,
} from './bmp-message.ts'

/** What the speaker tells of its peers, as it happens. */
export interface BmpFeed {
  peerUp(event: BmpPeerUp): void
  peerDown(event: BmpPeerDown): void
  /** @param update one whole UPDATE, not changed afterwards */
  routes(peer: BmpPeer, policy: BmpPolicy, update: Uint8Array): void
  stats(stats: BmpStats): void
}

/** A peer that is up, and its tables as UPDATEs. These are read while time passes: they are to say what holds then. */
export interface BmpSnapshotPeer {
  readonly up: BmpPeerUp
  readonly families: readonly Family[]
  readonly pre: Iterable<Uint8Array>
  readonly post: Iterable<Uint8Array>
}

export interface BmpClientOptions {
  readonly host: string
  readonly port: number
  readonly sysName: string
  readonly sysDescr: string
  /** Peers that are up now; asked for each time a station has been reached. */
  readonly snapshot: () => Iterable<BmpSnapshotPeer>
  /** RFC 7854 §3.2; default 30 s, doubled up to 720 s. */
  readonly backoff?: { readonly firstMs: number; readonly lastMs: number }
  /** A station for which more than this waits is dropped. */
  readonly maxBufferedOctets?: number
  readonly clock?: Clock
  readonly log?: Log
}

/** Plain data about one station. */
export interface BmpStationStatus {
  readonly host: string
  readonly port: number
  readonly state: 'waiting' | 'connecting' | 'dumping' | 'live' | 'stopped'
  readonly connects: number
  /** Times it was dropped because it did not read. */
  readonly dropped: number
  readonly bufferedOctets: number
}

/** The dump of a table waits while more than this is unsent. */
const DUMP_HIGH_WATER_OCTETS = 256 * 1024
/** Messages of a dump in a row before others get their turn. */
const DUMP_SLICE = 200
const DEFAULT_MAX_BUFFERED = 16 * 1024 * 1024
const CONNECT_TIMEOUT_MS = 10_000

/** Tells one monitoring station of our peers and their routes (RFC 7854). It never makes the speaker wait. */
export class BmpClient implements BmpFeed {
  readonly #options: BmpClientOptions
  readonly #clock: Clock
  readonly #log: Log
  #state: BmpStationStatus['state'] = 'stopped'
  #socket: Socket | undefined
  #timer: ClockTimer | undefined
  /** Peers that this station was told are up. */
  readonly #announced = new Set<string>()
  #failures = 0
  #connects = 0
  #dropped = 0

  constructor(options: BmpClientOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#log = options.log ?? silentLog
  }

  start(): void {
    if (this.#state === 'stopped') this.#connect()
  }

  /** Ends the connection with a Termination; resolves when it is closed, after a second at most. */
  async stop(text = ''): Promise<void> {
    this.#timer?.cancel()
    const socket = this.#socket
    this.#state = 'stopped'
    this.#socket = undefined
    if (socket === undefined || socket.connecting) {
      socket?.destroy()
      return
    }
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
    const linger = this.#clock.setTimeout(() => socket.destroy(), 1000)
    socket.end(encodeTermination(BmpTerminationReason.AdministrativelyClosed, text))
    await closed
    linger.cancel()
  }

  status(): BmpStationStatus {
    const { host, port } = this.#options
    return {
      host,
      port,
      state: this.#state,
      connects: this.#connects,
      dropped: this.#dropped,
      bufferedOctets: this.#socket?.writableLength ?? 0,
    }
  }

  peerUp(event: BmpPeerUp): void {
    if (!this.#isConnected) return
    this.#announced.add(keyOf(event.peer))
    this.#write(encodePeerUp(event))
  }

  peerDown(event: BmpPeerDown): void {
    if (this.#announced.delete(keyOf(event.peer))) this.#write(encodePeerDown(event))
  }

  routes(peer: BmpPeer, policy: BmpPolicy, update: Uint8Array): void {
    // A peer that the dump has not come to yet: it will tell what holds then.
    if (!this.#announced.has(keyOf(peer))) return
    this.#write(encodeRouteMonitoring(peer, policy, update, this.#clock.date()))
  }

  stats(stats: BmpStats): void {
    if (this.#announced.has(keyOf(stats.peer))) this.#write(encodeStatistics(stats))
  }

  get #isConnected(): boolean {
    return this.#state === 'dumping' || this.#state === 'live'
  }

  #connect(): void {
    const { host, port } = this.#options
    const socket = new Socket()
    this.#state = 'connecting'
    this.#socket = socket
    this.#announced.clear()
    socket.setTimeout(CONNECT_TIMEOUT_MS, () => socket.destroy(new Error('no answer')))
    socket.on('error', (error) => this.#log.warn({ host, port, error: error.message }, 'BMP station'))
    socket.on('close', () => this.#closed(socket))
    // A station says nothing (RFC 7854 §3.2): reading is for its FIN.
    socket.resume()
    socket.connect({ host, port }, () => {
      socket.setTimeout(0)
      socket.setKeepAlive(true, 30_000)
      this.#connects++
      this.#state = 'dumping'
      this.#log.info({ host, port }, 'BMP station reached')
      this.#write(encodeInitiation(this.#options.sysName, this.#options.sysDescr))
      void this.#dump(socket)
    })
  }

  #closed(socket: Socket): void {
    if (this.#socket !== socket) return
    this.#socket = undefined
    this.#announced.clear()
    // One that took the whole table is no failure: it starts over.
    this.#failures = this.#state === 'live' ? 0 : this.#failures + 1
    this.#state = 'waiting'
    const { firstMs, lastMs } = this.#options.backoff ?? { firstMs: 30_000, lastMs: 720_000 }
    const wait = Math.min(lastMs, firstMs * 2 ** Math.max(0, this.#failures - 1))
    this.#timer = this.#clock.setTimeout(() => this.#connect(), wait * (0.75 + 0.25 * this.#clock.random()))
  }

  async #dump(socket: Socket): Promise<void> {
    let count = 0
    for (const octets of this.#dumpMessages()) {
      this.#write(octets)
      if (++count % DUMP_SLICE === 0) await new Promise((resolve) => setImmediate(resolve))
      if (this.#socket === socket && socket.writableLength > DUMP_HIGH_WATER_OCTETS) await drained(socket)
      if (this.#socket !== socket || socket.destroyed) return
    }
    this.#state = 'live'
  }

  /** Peer Up and tables of every peer, End-of-RIB behind each table. */
  *#dumpMessages(): Generator<Uint8Array> {
    for (const { up, families, pre, post } of this.#options.snapshot()) {
      const { peer } = up
      const key = keyOf(peer)
      if (!this.#announced.has(key)) {
        this.#announced.add(key)
        yield encodePeerUp(up)
      }
      for (const policy of ['pre', 'post'] as const) {
        const updates = policy === 'pre' ? pre : post
        for (const update of concat(updates, families)) {
          // It went down while the dump was under way.
          if (!this.#announced.has(key)) break
          yield encodeRouteMonitoring(peer, policy, update, this.#clock.date())
        }
      }
    }
  }

  #write(octets: Uint8Array): void {
    const socket = this.#socket
    if (socket === undefined || socket.destroyed) return
    socket.write(octets)
    if (socket.writableLength <= (this.#options.maxBufferedOctets ?? DEFAULT_MAX_BUFFERED)) return
    const { host, port } = this.#options
    this.#dropped++
    this.#state = 'dumping'
    this.#log.warn({ host, port, octets: socket.writableLength }, 'BMP station does not read: dropped')
    socket.destroy()
  }
}

const keyOf = ({ address, distinguisher }: BmpPeer): string => `${distinguisher ?? 0n} ${address}`

function* concat(updates: Iterable<Uint8Array>, families: readonly Family[]): Generator<Uint8Array> {
  yield* updates
  for (const family of families) yield encodeEndOfRib(family)
}

/** Resolves when `socket` has room again or is gone. */
async function drained(socket: Socket): Promise<void> {
  await new Promise<void>((resolve) => {
    const done = (): void => {
      socket.off('drain', done)
      socket.off('close', done)
      resolve()
    }
    socket.on('drain', done)
    socket.on('close', done)
    if (socket.destroyed) done()
  })
}
