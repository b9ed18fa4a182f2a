import type { Socket } from 'node:net'
import { BgpMessageError } from '../errors.ts'
import { MessageFramer } from '../wire/framing.ts'
import type { SlicedTask, WorkLoop } from './work-loop.ts'

/** Who opened the TCP connection. */
export type Initiator = 'local' | 'remote'

/** What a connection tells its session. */
export interface ConnectionHandler {
  /** One whole message, a view. */
  onMessage(message: Uint8Array): void
  onFramingError(error: BgpMessageError): void
  onClosed(reason: string): void
  /** Everything written so far, or part of it, went to the kernel. `empty`: nothing waits any more. */
  onFlushed(empty: boolean): void
}

/** Above this much unsent, table changes wait (keepalives and the like don't). */
const HIGH_WATER_OCTETS = 256 * 1024
/** Messages of one peer in a row before others get their turn. */
const MESSAGES_PER_SLICE = 256
/** And so long: one message may withdraw a thousand prefixes. */
const SLICE_MS = 4
/** What is dealt with at once when nothing else waits. */
const SMALL_OCTETS = 4096
/** How long a closing connection may take to hand over its NOTIFICATION. */
const LINGER_MS = 1000

/** A TCP connection that carries BGP messages. Reads no more from the socket than it has dealt with. */
export class Connection implements SlicedTask {
  readonly initiator: Initiator
  readonly localAddress: string
  readonly localPort: number
  /** With the zone of a link-local one. */
  readonly remoteAddress: string
  readonly remotePort: number
  /** Resolves when the socket is gone. */
  readonly closed: Promise<void>
  readonly #socket: Socket
  readonly #work: WorkLoop
  readonly #framer = new MessageFramer()
  #handler: ConnectionHandler | undefined
  #unflushed = 0
  #isHeldBack = false
  #endReason: string | undefined

  /** @param socket connected; owned by this from here on */
  constructor(socket: Socket, initiator: Initiator, work: WorkLoop) {
    this.#socket = socket
    this.#work = work
    this.initiator = initiator
    this.localAddress = plainAddress(socket.localAddress ?? '')
    this.remoteAddress = plainAddress(socket.remoteAddress ?? '')
    this.localPort = socket.localPort ?? 0
    this.remotePort = socket.remotePort ?? 0
    this.closed = new Promise((resolve) => socket.once('close', () => resolve()))
    socket.setNoDelay(true)
    socket.on('data', (chunk) => this.#received(chunk))
    socket.on('error', (error) => this.#ended(error.message))
    // The peer's FIN ends the session even if ours could go on sending (RFC 4271 event 18).
    socket.on('end', () => this.#ended('closed by the peer'))
    socket.on('close', () => this.#ended('connection closed'))
    socket.pause()
  }

  /** Starts to deliver to `handler`. */
  open(handler: ConnectionHandler): void {
    this.#handler = handler
    this.#socket.resume()
  }

  /** Lets what the peer sends lie for a while. */
  holdBack(): void {
    this.#isHeldBack = true
  }

  release(): void {
    if (!this.#isHeldBack) return
    this.#isHeldBack = false
    this.#work.schedule(this)
  }

  /** Descriptor of the socket, for options that Node can't set; undefined once it is closed. */
  get fd(): number | undefined {
    const fd = (this.#socket as Socket & { _handle?: { fd?: number } })._handle?.fd
    return fd === undefined || fd < 0 ? undefined : fd
  }

  /** The kernel has not taken everything that was written. */
  get hasUnsent(): boolean {
    return this.#socket.writableLength > 0
  }

  get isCongested(): boolean {
    return this.#socket.writableLength > HIGH_WATER_OCTETS
  }

  /** Octets that the peer sent and that nobody has looked at yet. */
  get hasUnreadInput(): boolean {
    return this.#framer.pendingOctets > 0 && this.#socket.isPaused()
  }

  set maxOctets(value: number) {
    this.#framer.maxOctets = value
  }

  write(message: Uint8Array): void {
    if (this.#handler === undefined || !this.#socket.writable) return
    this.#unflushed++
    this.#socket.write(message, () => {
      this.#unflushed--
      this.#handler?.onFlushed(this.#unflushed === 0)
    })
  }

  /** Lets what `body` writes go out in as few packets as possible. */
  corked(body: () => void): void {
    this.#socket.cork()
    try {
      body()
    } finally {
      this.#socket.uncork()
    }
  }

  /** Closes after what was written has gone out, within a second; the handler hears nothing more. */
  close(): void {
    if (this.#handler === undefined) {
      this.#socket.destroy()
      return
    }
    this.#handler = undefined
    const linger = setTimeout(() => this.#socket.destroy(), LINGER_MS)
    this.#socket.once('close', () => clearTimeout(linger))
    // Octets that nobody reads would turn our FIN into a reset, and the NOTIFICATION would be lost.
    this.#socket.resume()
    this.#socket.end()
  }

  /** One slice of received messages. */
  run(): boolean {
    const until = performance.now() + SLICE_MS
    for (let count = 0; count < MESSAGES_PER_SLICE && performance.now() < until; count++) {
      const handler = this.#handler
      if (handler === undefined || this.#isHeldBack) return false
      let message: Uint8Array | undefined
      try {
        message = this.#framer.next()
      } catch (error) {
        if (!(error instanceof BgpMessageError)) throw error
        handler.onFramingError(error)
        return false
      }
      if (message === undefined) {
        if (this.#endReason === undefined) this.#socket.resume()
        else this.#closed(this.#endReason)
        return false
      }
      handler.onMessage(message)
    }
    return true
  }

  #received(chunk: Uint8Array): void {
    if (this.#handler === undefined) return
    this.#framer.push(chunk)
    this.#socket.pause()
    // A keepalive is not worth another turn of the event loop.
    if (chunk.length <= SMALL_OCTETS) this.#work.runNow(this)
    else this.#work.schedule(this)
  }

  /** Messages that came before the end count: they are taken in turn, then the loss of the connection. */
  #ended(reason: string): void {
    this.#endReason ??= reason
    this.#work.schedule(this)
  }

  #closed(reason: string): void {
    const handler = this.#handler
    this.#handler = undefined
    this.#socket.destroy()
    handler?.onClosed(reason)
  }
}

/** `::ffff:10.0.0.1` as a dual-stack socket shows it is `10.0.0.1`. */
export const plainAddress = (address: string): string =>
  address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
