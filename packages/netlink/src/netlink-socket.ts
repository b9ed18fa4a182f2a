import { LITTLE_ENDIAN, MessageWriter, viewOf } from './attributes.ts'
import { NetlinkError } from './errors.ts'
import { check, lastErrno, onThread, Sock, setIntOption, sys } from './libc.ts'
import { type Message, Nlm, readVerdict, splitMessages } from './message.ts'
import { inNetns, type Netns } from './netns.ts'

const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11
const NETLINK_GET_STRICT_CHK = 12
const EAGAIN = 11
const EINTR = 4
const RECEIVE_OCTETS = 256 * 1024
const BATCH_OCTETS = 96 * 1024
const BATCH_MESSAGES = 512
const DUMP_ATTEMPTS = 10

/** One request: `fill` writes everything behind the netlink header. */
export interface NetlinkRequest {
  readonly type: number
  /** NLM_F_* flags besides NLM_F_REQUEST and NLM_F_ACK. */
  readonly flags?: number
  readonly fill: (writer: MessageWriter) => void
  /** What is asked, in words, for errors. Made only when something fails. */
  readonly describe: () => string
  /**
   * Send from the event loop's own thread (7 µs instead of 60): for what takes only locks that are never held long.
   * In a batch the first request decides for all.
   */
  readonly inline?: boolean
}

export interface NetlinkSocketOptions {
  /** NETLINK_ROUTE, NETLINK_NETFILTER … */
  readonly protocol: number
  readonly netns?: Netns | undefined
  /** Name of an error number that is private to the subsystem. */
  readonly errorName?: (errno: number) => string | undefined
}

/**
 * One netlink socket for requests and dumps, bound for its life to the namespace it was opened in.
 * Requests are served one after the other in the order of the calls; nothing blocks the event loop.
 */
export class NetlinkSocket implements AsyncDisposable {
  readonly #fd: number
  readonly #errorName: ((errno: number) => string | undefined) | undefined
  readonly #receiveBuffer = new Uint8Array(RECEIVE_OCTETS)
  #sequence = 1
  #tail: Promise<unknown> = Promise.resolve()
  #closed = false

  private constructor(fd: number, options: NetlinkSocketOptions) {
    this.#fd = fd
    this.#errorName = options.errorName
  }

  /** @throws {NetlinkError} the kernel's error, or NETLINK_NOT_A_NETNS. */
  static open(options: NetlinkSocketOptions): NetlinkSocket {
    return new NetlinkSocket(openNetlinkFd(options.protocol, options.netns), options)
  }

  /** Sends one request and waits for its verdict. @returns the messages that came before it. */
  async request(request: NetlinkRequest): Promise<Message[]> {
    return await this.#exclusive(async () => {
      const sequence = await this.#sendOne(request, Nlm.F_ACK)
      const messages: Message[] = []
      for (;;) {
        const datagram = (await this.#receive(false, request.describe)).slice()
        for (const message of splitMessages(datagram)) {
          if (message.sequence !== sequence) continue
          if (message.type !== Nlm.ERROR && message.type !== Nlm.DONE) {
            messages.push(message)
            continue
          }
          const failure = this.#failure(message, request)
          if (failure !== undefined) throw failure
          return messages
        }
      }
    })
  }

  /**
   * Reads a whole table, giving the event loop its turns. A dump that the kernel marks as interrupted (the table
   * changed meanwhile) is read again.
   * @param decode makes an entry of a message, whose body is a view into a buffer that is used again; undefined = none
   * @throws {NetlinkError} NETLINK_DUMP_INTERRUPTED when ten readings in a row were interrupted.
   */
  async dump<T>(request: NetlinkRequest, decode: (message: Message) => T | undefined): Promise<T[]> {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const entries: T[] = []
      const interrupted = await this.scan(request, (message) => {
        const entry = decode(message)
        if (entry !== undefined) entries.push(entry)
      })
      if (!interrupted) return entries
    }
    throw new NetlinkError('NETLINK_DUMP_INTERRUPTED', request.describe(), `changed during ${DUMP_ATTEMPTS} readings`)
  }

  /**
   * Reads a table message by message without keeping it.
   * @param visit must not keep the body: it is a view into a buffer that is used again
   * @returns whether the kernel said that the table changed meanwhile: something may be missing or have come twice
   */
  async scan(request: NetlinkRequest, visit: (message: Message) => void): Promise<boolean> {
    return await this.#exclusive(async () => {
      const sequence = await this.#sendOne(request, Nlm.F_DUMP)
      let interrupted = false
      // To the end also when `visit` throws: what is left unread would come in front of the next answer.
      let thrown: { readonly error: unknown } | undefined
      for (;;) {
        for (const message of splitMessages(await this.#receive(true, request.describe))) {
          if (message.sequence !== sequence) continue
          if ((message.flags & Nlm.F_DUMP_INTR) !== 0) interrupted = true
          if (message.type === Nlm.ERROR || message.type === Nlm.DONE) {
            const failure = this.#failure(message, request)
            if (failure !== undefined) throw failure
            if (thrown !== undefined) throw thrown.error
            return interrupted
          }
          try {
            if (thrown === undefined) visit(message)
          } catch (error) {
            thrown = { error }
          }
        }
      }
    })
  }

  /**
   * Sends many independent requests, hundreds per system call.
   * @returns one entry per request: undefined when it was done, or its error. One failure does not stop the others.
   */
  async batch(requests: readonly NetlinkRequest[]): Promise<(NetlinkError | undefined)[]> {
    return await this.#exclusive(async () => {
      const results: (NetlinkError | undefined)[] = Array.from({ length: requests.length })
      let start = 0
      while (start < requests.length) start = await this.#sendBatch(requests, start, results)
      return results
    })
  }

  /** Waits for the request under way, then closes. Later calls fail with NETLINK_CLOSED. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#tail
    sys.close(this.#fd)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Gives the descriptor away, which the caller closes from now on; this object is closed. */
  async release(): Promise<number> {
    if (this.#closed) throw new NetlinkError('NETLINK_CLOSED', '', 'this socket is closed')
    this.#closed = true
    await this.#tail
    return this.#fd
  }

  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new NetlinkError('NETLINK_CLOSED', '', 'this socket is closed')
    const result = this.#tail.then(() => {
      // Numbers inside one batch must not wrap.
      if (this.#sequence > 0x7fff0000) this.#sequence = 1
      return work()
    })
    // The chain only orders; each caller gets its own rejection through `result`.
    this.#tail = result.then(
      () => undefined,
      () => undefined,
    )
    return await result
  }

  /** @returns the sequence number that the replies will carry */
  async #sendOne(request: NetlinkRequest, mode: number): Promise<number> {
    const sequence = this.#nextSequence()
    const writer = new MessageWriter()
    writer.message(request.type, (request.flags ?? 0) | Nlm.F_REQUEST | mode, sequence, request.fill)
    await this.#send(writer.bytes(), request.inline ?? false, request.describe)
    return sequence
  }

  /** Sends requests from `start` on in one datagram, only the last asking for an ack. @returns the next start. */
  async #sendBatch(
    requests: readonly NetlinkRequest[],
    start: number,
    results: (NetlinkError | undefined)[],
  ): Promise<number> {
    const writer = new MessageWriter(BATCH_OCTETS)
    const firstSequence = this.#sequence
    let end = start
    let lastHeader = 0
    while (end < requests.length && end - start < BATCH_MESSAGES && writer.length < BATCH_OCTETS) {
      const request = requests[end] as NetlinkRequest
      lastHeader = writer.length
      writer.message(request.type, (request.flags ?? 0) | Nlm.F_REQUEST, this.#nextSequence(), request.fill)
      end++
    }
    const bytes = writer.bytes()
    const view = viewOf(bytes)
    view.setUint16(lastHeader + 6, view.getUint16(lastHeader + 6, LITTLE_ENDIAN) | Nlm.F_ACK, LITTLE_ENDIAN)
    const describe = (): string => `${end - start} requests, the first: ${requests[start]?.describe()}`
    await this.#send(bytes, requests[start]?.inline ?? false, describe)
    const lastSequence = this.#sequence - 1
    for (;;) {
      for (const message of splitMessages(await this.#receive(false, describe))) {
        const index = message.sequence - firstSequence
        if (message.type !== Nlm.ERROR || index < 0 || message.sequence > lastSequence) continue
        const request = requests[start + index] as NetlinkRequest
        results[start + index] = this.#failure(message, request)
        if (message.sequence === lastSequence) return end
      }
    }
  }

  #failure(message: Message, request: NetlinkRequest): NetlinkError | undefined {
    const { errno, extack } = readVerdict(message)
    if (errno <= 0) return undefined
    const name = this.#errorName?.(errno)
    if (name === undefined) return NetlinkError.fromErrno(errno, request.describe(), extack)
    return new NetlinkError(`NETLINK_${name}`, request.describe(), name, { errno, extack })
  }

  async #send(bytes: Uint8Array, inline: boolean, describe: () => string): Promise<void> {
    if (!inline && (await onThread('send', this.#fd, bytes, 0)) === bytes.length) return
    // In line: asked for, or the thread's send failed without effect, and only here its errno can be read.
    for (;;) {
      if (sys.send(this.#fd, bytes, bytes.length, 0) >= 0) return
      const errno = lastErrno()
      if (errno !== EINTR) throw NetlinkError.fromErrno(errno, describe())
    }
  }

  /**
   * The kernel answers a request before send() returns, so the first reply is there; the next part of a dump is made
   * inside recv(), which may wait for a lock and therefore runs on a thread.
   * @returns a view into the receive buffer.
   */
  async #receive(dumping: boolean, describe: () => string): Promise<Uint8Array> {
    const buffer = this.#receiveBuffer
    if (dumping) {
      const length = await onThread('recv', this.#fd, buffer, Sock.MSG_DONTWAIT)
      if (length > 0) return buffer.subarray(0, length)
    }
    for (;;) {
      const length = sys.recv(this.#fd, buffer, buffer.length, Sock.MSG_DONTWAIT)
      if (length > 0) return buffer.subarray(0, length)
      const errno = lastErrno()
      if (errno === EAGAIN) throw new NetlinkError('NETLINK_NO_REPLY', describe(), 'the kernel gave no reply')
      if (errno !== EINTR) throw NetlinkError.fromErrno(errno, describe())
    }
  }

  #nextSequence(): number {
    return this.#sequence++
  }
}

/** A netlink socket of `protocol`, made in `netns`, close-on-exec, with room for a storm of replies. */
export function openNetlinkFd(protocol: number, netns: Netns | undefined, groups = 0): number {
  const request = 'open a netlink socket'
  const fd = inNetns(netns, () => check(sys.socket(Sock.AF_NETLINK, Sock.RAW | Sock.CLOEXEC, protocol), request))
  try {
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK]) {
      setIntOption(fd, Sock.SOL_NETLINK, option, 1, request)
    }
    for (const [forced, plain] of [
      [Sock.SO_RCVBUFFORCE, Sock.SO_RCVBUF],
      [Sock.SO_SNDBUFFORCE, Sock.SO_SNDBUF],
    ] as const) {
      const octets = new Uint8Array(Int32Array.of(4 * 1024 * 1024).buffer)
      // Without CAP_NET_ADMIN in the first user namespace the sysctl's limit holds: smaller, still right.
      if (sys.setsockopt(fd, Sock.SOL_SOCKET, forced, octets, 4) < 0) {
        check(sys.setsockopt(fd, Sock.SOL_SOCKET, plain, octets, 4), request)
      }
    }
    const writer = new MessageWriter(12).u16(Sock.AF_NETLINK).u16(0).u32(0).u32(groups)
    check(sys.bind(fd, writer.bytes(), 12), request)
    return fd
  } catch (error) {
    sys.close(fd)
    throw error
  }
}
