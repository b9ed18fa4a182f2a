import { closeSync, writeSync } from 'node:fs'
import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import { NetlinkError } from './errors.ts'
import { check, sys } from './libc.ts'
import { OUTSTANDING_LIMIT, type ReaderCommand, type ReaderReport } from './reader-protocol.ts'

const EFD_CLOEXEC = 0o2000000

/** Who gets what is read from a socket. */
export interface DatagramSink {
  /** `datagram` is a view that stays valid. */
  datagram: (datagram: Uint8Array) => void
  /** The kernel dropped messages. */
  overrun: () => void
  /** No more will come. */
  failed: (error: NetlinkError) => void
}

interface Subscription {
  readonly sink: DatagramSink
  readonly outstanding: Int32Array
  readonly removed: PromiseWithResolvers<void>
}

/** One thread that reads all event sockets of this process. It lives while there is one. */
class ReaderThread {
  readonly #bell: number
  readonly #port: MessagePort
  readonly #worker: Worker
  readonly #subscriptions = new Map<number, Subscription>()
  readonly #ended = Promise.withResolvers<void>()
  readonly #ring = (): void => {
    writeSync(this.#bell, new Uint8Array(new BigUint64Array([1n]).buffer))
  }

  constructor() {
    this.#bell = check(sys.eventfd(0, EFD_CLOEXEC), 'start the reader thread')
    const { port1, port2 } = new MessageChannel()
    this.#port = port1
    this.#worker = new Worker(new URL('./reader-worker.ts', import.meta.url), {
      workerData: { port: port2, bell: this.#bell },
      transferList: [port2],
      name: 'netlink-reader',
      // Options of the main program (--input-type, --inspect-brk …) are not for this thread.
      execArgv: [],
    })
    port1.on('message', (report: ReaderReport) => this.#take(report))
    this.#worker.on('error', (cause) => this.#died(cause))
    this.#worker.on('exit', () => {
      process.off('exit', this.#ring)
      closeSync(this.#bell)
      port1.close()
      this.#ended.resolve()
    })
    // Whoever ends the process should not have to wait until the thread looks up by itself.
    process.on('exit', this.#ring)
  }

  get idle(): boolean {
    return this.#subscriptions.size === 0
  }

  add(id: number, fd: number, sink: DatagramSink): void {
    const outstanding = new Int32Array(new SharedArrayBuffer(4))
    this.#subscriptions.set(id, { sink, outstanding, removed: Promise.withResolvers() })
    this.#tell({ do: 'add', id, fd, outstanding })
  }

  /** @returns once the thread does not use the descriptor any more */
  async remove(id: number): Promise<void> {
    const subscription = this.#subscriptions.get(id)
    if (subscription === undefined) return
    this.#tell({ do: 'remove', id })
    await subscription.removed.promise
  }

  /** @returns once the thread is gone */
  async stop(): Promise<void> {
    this.#tell({ do: 'stop' })
    await this.#ended.promise
  }

  #tell(command: ReaderCommand): void {
    this.#port.postMessage(command, [])
    this.#ring()
  }

  #take(report: ReaderReport): void {
    const subscription = this.#subscriptions.get(report.id)
    if (subscription === undefined) return
    const { sink, outstanding, removed } = subscription
    if (report.kind === 'datagrams') {
      let start = 0
      for (const length of report.lengths) {
        sink.datagram(report.bytes.subarray(start, start + length))
        start += length
      }
      const before = Atomics.sub(outstanding, 0, report.bytes.length)
      if (before >= OUTSTANDING_LIMIT) this.#ring()
    } else if (report.kind === 'overrun') sink.overrun()
    else if (report.kind === 'failed') sink.failed(NetlinkError.fromErrno(report.errno, 'read events'))
    else {
      this.#subscriptions.delete(report.id)
      removed.resolve()
    }
  }

  #died(cause: unknown): void {
    for (const { sink, removed } of this.#subscriptions.values()) {
      sink.failed(new NetlinkError('NETLINK_CLOSED', 'read events', 'the reader thread died', { cause }))
      removed.resolve()
    }
    this.#subscriptions.clear()
    if (thread === this) thread = undefined
  }
}

let thread: ReaderThread | undefined
let nextId = 1

/**
 * Has the reader thread read datagrams from `fd`, which is ours from now on.
 * @returns a function that stops it and closes `fd`
 */
export function readDatagrams(fd: number, sink: DatagramSink): () => Promise<void> {
  thread ??= new ReaderThread()
  const owner = thread
  const id = nextId++
  owner.add(id, fd, sink)
  return async () => {
    await owner.remove(id)
    sys.close(fd)
    if (!owner.idle || thread !== owner) return
    thread = undefined
    await owner.stop()
  }
}
