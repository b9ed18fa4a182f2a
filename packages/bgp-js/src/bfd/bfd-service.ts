import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { Address } from '@margay/net'
import { BgpConfigError, BgpError, type ConfigProblem } from '../errors.ts'
import { withoutZone } from '../wire/zoneless.ts'
import { BFD_PORT } from './bfd-endpoint.ts'
import type { BfdTimers } from './bfd-session.ts'
import type {
  BfdCommand,
  BfdDiscards,
  BfdReport,
  BfdSessionStatus,
  BfdStateChange,
  BfdWorkerStatus,
} from './bfd-worker-protocol.ts'

/** A UDP socket as BFD needs it. */
export interface BfdSocketOptions {
  readonly local: string
  readonly port: number
  readonly interface?: string | undefined
  readonly ttl: number
  /** Only packets that come with this TTL may be let through (RFC 5881 §5). */
  readonly requiredTtl?: number | undefined
}

/** How the embedder makes sockets that Node can't: `openDatagramSocket` of `@margay/sockets` on Linux. */
export interface BfdSocketPort {
  /** @returns a bound descriptor, the service's from here on @throws with `code` ending in EADDRINUSE for a taken port */
  open(options: BfdSocketOptions): number
  /**
   * Lets a thread (by the kernel's number) run before ordinary ones, so that a machine that is busy causes no alarm.
   * It may throw: the service then does without.
   */
  prioritize?(threadId: number): void
}

/** A session to be. */
export interface BfdSessionConfig extends BfdTimers {
  readonly local: string
  /** `fe80::1%eth0` names the interface as well. */
  readonly remote: string
  /** The interface that the other end is on; needed for link-local addresses. */
  readonly interface?: string
  /** RFC 5883: the other end may be any number of hops away. */
  readonly multihop?: boolean
  readonly passive?: boolean
}

/** RFC 5881 §4. */
const SOURCE_PORTS = { first: 49152, last: 65535 } as const
const SOURCE_PORT_ATTEMPTS = 32
const MAX_TTL = 255
/** Within this the thread closes a socket that it was told to give up. */
const RELEASE_MS = 100
/** The fields are microseconds in 32 bits. */
const MAX_INTERVAL_MS = 4_294_967

interface Registered {
  readonly receiver: string
  readonly remote: string
  readonly onState: (change: BfdStateChange) => void
}

/** BFD sessions in a thread of their own. Make one with `createBfdService`. */
export class BfdService {
  readonly #sockets: BfdSocketPort
  readonly #worker: Worker
  readonly #sessions = new Map<number, Registered>()
  readonly #questions = new Map<number, PromiseWithResolvers<BfdWorkerStatus>>()
  /** Receiving sockets that the thread was told to give up, and when. */
  readonly #leftReceivers = new Map<string, number>()
  #nextId = 1
  #closing = false

  constructor(sockets: BfdSocketPort, onFatal: (error: Error) => void) {
    this.#sockets = sockets
    this.#worker = new Worker(new URL('./bfd-worker.ts', import.meta.url), { name: 'bfd', execArgv: [] })
    this.#worker.on('message', (report: BfdReport) => this.#take(report))
    this.#worker.on('error', onFatal)
    this.#worker.on('exit', () => this.#ended())
    // What nobody asks for any more must not keep the process alive.
    this.#worker.unref()
  }

  /**
   * Starts a session. `onState` hears of each change of state, in order.
   * @returns its id @throws {BgpConfigError} naming every bad field @throws what the socket port throws
   */
  addSession(config: BfdSessionConfig, onState: (change: BfdStateChange) => void): number {
    if (this.#closing) throw closedError()
    const { local, remote, device } = checkSession(config)
    const multihop = config.multihop === true
    const receiver = [local, device ?? '', multihop].join(' ')
    this.#refuseTwin(receiver, remote)
    const socket = {
      local,
      interface: device,
      ttl: MAX_TTL,
      ...(multihop ? {} : { requiredTtl: MAX_TTL }),
    }
    const port = multihop ? BFD_PORT.multihop : BFD_PORT.singleHop
    const sendFd = this.#openSender(socket)
    let receiveFd: number | undefined
    try {
      receiveFd = this.#openReceiver(receiver, { ...socket, port })
    } catch (error) {
      closeSync(sendFd)
      throw error
    }
    const id = this.#nextId++
    this.#sessions.set(id, { receiver, remote, onState })
    this.#tell({
      do: 'add',
      order: {
        ...timersOf(config),
        id,
        local,
        remote,
        interface: device,
        multihop,
        passive: config.passive === true,
        sendFd,
        receiver,
        receiveFd,
      },
    })
    return id
  }

  /** Gives a session other timers; it stays up (RFC 5880 §6.8.3). @throws {BgpConfigError} */
  updateSession(id: number, timers: BfdTimers): void {
    const problems: ConfigProblem[] = []
    checkTimers(timers, problems)
    if (problems.length > 0) throw new BgpConfigError(problems)
    this.#tell({ do: 'configure', id, timers: timersOf(timers) })
  }

  /** Ends a session; the other end is told that it was on purpose. `onState` hears nothing more. */
  removeSession(id: number): void {
    const session = this.#sessions.get(id)
    if (session === undefined) return
    this.#sessions.delete(id)
    this.#tell({ do: 'remove', id })
    if (!this.#isReceiving(session.receiver)) this.#leftReceivers.set(session.receiver, performance.now())
  }

  /** Status of every session, in order of their making. */
  async sessions(): Promise<readonly BfdSessionStatus[]> {
    return (await this.#status()).sessions
  }

  /** Packets thrown away since the start, by reason. */
  async discarded(): Promise<BfdDiscards> {
    return (await this.#status()).discarded
  }

  /** Ends every session and the thread. */
  async close(): Promise<void> {
    if (this.#closing) return
    this.#closing = true
    this.#sessions.clear()
    this.#worker.ref()
    const exited = once(this.#worker, 'exit')
    this.#tell({ do: 'close' })
    await exited
  }

  #isReceiving(receiver: string): boolean {
    return [...this.#sessions.values()].some((session) => session.receiver === receiver)
  }

  #refuseTwin(receiver: string, remote: string): void {
    for (const session of this.#sessions.values()) {
      if (session.receiver === receiver && session.remote === remote) {
        throw new BgpConfigError([{ field: 'remote', problem: `there is a session with ${remote} already` }])
      }
    }
  }

  /** @returns undefined when the thread has that socket */
  #openReceiver(receiver: string, socket: BfdSocketOptions): number | undefined {
    if (this.#isReceiving(receiver)) return undefined
    const deadline = (this.#leftReceivers.get(receiver) ?? Number.NEGATIVE_INFINITY) + RELEASE_MS
    this.#leftReceivers.delete(receiver)
    for (;;) {
      try {
        return this.#sockets.open(socket)
      } catch (error) {
        if (!isTaken(error) || performance.now() > deadline) throw error
        // The thread is about to close the one before.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1)
      }
    }
  }

  /** A source port that nobody has, kept for the life of the session (RFC 5881 §4). */
  #openSender(socket: Omit<BfdSocketOptions, 'port'>): number {
    for (let attempt = 1; ; attempt++) {
      try {
        return this.#sockets.open({ ...socket, port: randomInt(SOURCE_PORTS.first, SOURCE_PORTS.last + 1) })
      } catch (error) {
        if (!isTaken(error) || attempt === SOURCE_PORT_ATTEMPTS) throw error
      }
    }
  }

  async #status(): Promise<BfdWorkerStatus> {
    if (this.#closing) throw closedError()
    const question = this.#nextId++
    const waiting = Promise.withResolvers<BfdWorkerStatus>()
    this.#questions.set(question, waiting)
    this.#worker.ref()
    this.#tell({ do: 'status', question })
    return waiting.promise
  }

  #prioritize(threadId: number | undefined): void {
    if (threadId === undefined) return
    try {
      this.#sockets.prioritize?.(threadId)
    } catch {
      // Without the right to do so it runs as everybody does.
    }
  }

  #ended(): void {
    this.#closing = true
    for (const { reject } of this.#questions.values()) reject(closedError())
    this.#questions.clear()
  }

  #tell(command: BfdCommand): void {
    this.#worker.postMessage(command, [])
  }

  #take(report: BfdReport): void {
    switch (report.kind) {
      case 'state':
        this.#sessions.get(report.id)?.onState(report.change)
        return
      case 'started':
        this.#prioritize(report.threadId)
        return
      case 'status':
        this.#questions.get(report.question)?.resolve(report.status)
        this.#questions.delete(report.question)
        if (this.#questions.size === 0) this.#worker.unref()
    }
  }
}

/**
 * Starts the thread that BFD (RFC 5880, 5881, 5883) runs in.
 * @param onFatal called when that thread dies; default: throw
 */
export function createBfdService(options: {
  readonly sockets: BfdSocketPort
  readonly onFatal?: (error: Error) => void
}): BfdService {
  const onFatal = (error: Error): never => {
    throw error
  }
  return new BfdService(options.sockets, options.onFatal ?? onFatal)
}

const closedError = (): BgpError => new BgpError('BGP_CLOSED', 'the BFD service is closed')

const isTaken = (error: unknown): boolean => String((error as { code?: unknown }).code).endsWith('EADDRINUSE')

const timersOf = ({ minTxMs, minRxMs, multiplier }: BfdTimers): BfdTimers => ({ minTxMs, minRxMs, multiplier })

function checkSession(config: BfdSessionConfig): { local: string; remote: string; device: string | undefined } {
  const problems: ConfigProblem[] = []
  const local = Address.tryParse(withoutZone(config.local))
  const remote = Address.tryParse(withoutZone(config.remote))
  const device = config.interface ?? config.remote.split('%')[1]
  if (local === undefined) problems.push({ field: 'local', problem: 'must be an IP address' })
  if (remote === undefined) problems.push({ field: 'remote', problem: 'must be an IP address' })
  if (local !== undefined && remote !== undefined && local.family !== remote.family) {
    problems.push({ field: 'remote', problem: 'must be of the same family as local' })
  }
  if (remote?.family === 6 && remote.isLinkLocal && device === undefined) {
    problems.push({ field: 'interface', problem: 'must be given for a link-local address' })
  }
  checkTimers(config, problems)
  if (problems.length > 0) throw new BgpConfigError(problems)
  return { local: String(local), remote: String(remote), device }
}

function checkTimers(timers: BfdTimers, problems: ConfigProblem[]): void {
  for (const field of ['minTxMs', 'minRxMs'] as const) {
    const value = timers[field]
    if (!(value >= 1 && value <= MAX_INTERVAL_MS)) {
      problems.push({ field, problem: `must be 1 to ${MAX_INTERVAL_MS} milliseconds` })
    }
  }
  const { multiplier } = timers
  if (!Number.isInteger(multiplier) || multiplier < 1 || multiplier > 255) {
    problems.push({ field: 'multiplier', problem: 'must be an integer from 1 to 255' })
  }
}
