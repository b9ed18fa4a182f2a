import { randomInt } from 'node:crypto'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { Address } from '@margay/net'
import { withoutZone } from '../wire/zoneless.ts'
import { type BfdPacket, decodeBfdPacket, encodeBfdPacket } from './bfd-packet.ts'
import { BfdSession, type BfdTimers } from './bfd-session.ts'
import type {
  BfdDiscards,
  BfdSessionOrder,
  BfdSessionStatus,
  BfdStateChange,
  BfdWorkerStatus,
} from './bfd-worker-protocol.ts'

/** RFC 5881 §4, RFC 5883 §5. */
export const BFD_PORT = { singleHop: 3784, multihop: 4784 } as const
/** A session that was taken away goes on saying AdminDown for the detection time (RFC 5880 §6.8.16), at most this long. */
const MAX_FAREWELL_MS = 3000
const MAX_SLEEP_MS = 60_000

interface Running {
  readonly order: BfdSessionOrder
  readonly session: BfdSession
  readonly socket: Socket
  timer: NodeJS.Timeout | undefined
  flaps: number
  received: number
  sent: number
  sendErrors: number
  lastStateChangeAt: number | undefined
}

interface Receiver {
  readonly socket: Socket
  readonly byRemote: Map<string, Running>
}

/** Sessions, their sockets and their timers: what runs inside the worker. Nothing that comes in can make a session. */
export class BfdEndpoint {
  readonly #onState: (id: number, change: BfdStateChange) => void
  readonly #byId = new Map<number, Running>()
  readonly #byDiscriminator = new Map<number, Running>()
  readonly #receivers = new Map<string, Receiver>()
  readonly #farewells = new Set<Running>()
  readonly #discarded: { -readonly [Reason in keyof BfdDiscards]: number } = {
    badVersion: 0,
    badLength: 0,
    zeroDetectMultiplier: 0,
    multipoint: 0,
    zeroMyDiscriminator: 0,
    zeroYourDiscriminator: 0,
    authenticated: 0,
    unknownDiscriminator: 0,
    unknownPeer: 0,
  }

  constructor(onState: (id: number, change: BfdStateChange) => void) {
    this.#onState = onState
  }

  add(order: BfdSessionOrder): void {
    const session = new BfdSession(
      { ...order, localDiscriminator: this.#freeDiscriminator(), random: Math.random },
      performance.now(),
    )
    const running: Running = {
      order,
      session,
      socket: adopt(order.sendFd, order.local),
      timer: undefined,
      flaps: 0,
      received: 0,
      sent: 0,
      sendErrors: 0,
      lastStateChangeAt: undefined,
    }
    this.#receiver(order).byRemote.set(order.remote, running)
    this.#byId.set(order.id, running)
    this.#byDiscriminator.set(session.localDiscriminator, running)
    this.#run(running)
  }

  configure(id: number, timers: BfdTimers): void {
    const running = this.#byId.get(id)
    if (running === undefined) return
    running.session.configure(timers, performance.now())
    this.#run(running)
  }

  /** Says goodbye (AdminDown), so that the other end does not take it for a failure. */
  remove(id: number): void {
    const running = this.#byId.get(id)
    if (running === undefined) return
    const { order, session } = running
    this.#byId.delete(id)
    this.#byDiscriminator.delete(session.localDiscriminator)
    const receiver = this.#receivers.get(order.receiver)
    receiver?.byRemote.delete(order.remote)
    if (receiver?.byRemote.size === 0) {
      receiver.socket.close()
      this.#receivers.delete(order.receiver)
    }
    const { transmitIntervalMs } = session
    session.adminDown(performance.now())
    this.#farewells.add(running)
    this.#run(running)
    setTimeout(() => this.#end(running), Math.min(order.multiplier * transmitIntervalMs, MAX_FAREWELL_MS)).unref()
  }

  status(): BfdWorkerStatus {
    return {
      sessions: [...this.#byId.values()].map(sessionStatus),
      discarded: { ...this.#discarded },
    }
  }

  /** Ends everything at once, with one AdminDown each; resolves when it has gone out. */
  async close(): Promise<void> {
    for (const id of this.#byId.keys()) this.remove(id)
    // A datagram is handed to the kernel in the turn after the one that sent it.
    await new Promise((resolve) => setImmediate(resolve))
    for (const running of this.#farewells) this.#end(running)
  }

  #end(running: Running): void {
    if (!this.#farewells.delete(running)) return
    clearTimeout(running.timer)
    running.socket.close()
  }

  #receiver({ receiver: name, receiveFd, local }: BfdSessionOrder): Receiver {
    const known = this.#receivers.get(name)
    if (known !== undefined) return known
    const receiver: Receiver = { socket: adopt(receiveFd ?? -1, local), byRemote: new Map() }
    receiver.socket.on('message', (bytes, from) => this.#received(receiver, bytes, from))
    this.#receivers.set(name, receiver)
    return receiver
  }

  /** Demultiplexing of RFC 5880 §6.3 and §6.8.6. */
  #received(receiver: Receiver, bytes: Uint8Array, from: RemoteInfo): void {
    const packet = decodeBfdPacket(bytes)
    if (typeof packet === 'string') {
      this.#discarded[packet]++
      return
    }
    const running = this.#sessionFor(receiver, packet, from.address)
    if (running === undefined) {
      this.#discarded[packet.yourDiscriminator === 0 ? 'unknownPeer' : 'unknownDiscriminator']++
      return
    }
    running.received++
    this.#changing(running, (now) => {
      const answer = running.session.receive(packet, now)
      if (answer !== undefined) this.#send(running, answer)
    })
  }

  #sessionFor(receiver: Receiver, packet: BfdPacket, source: string): Running | undefined {
    if (packet.yourDiscriminator === 0) return receiver.byRemote.get(withoutZone(source))
    const running = this.#byDiscriminator.get(packet.yourDiscriminator)
    if (running === undefined || this.#receivers.get(running.order.receiver) !== receiver) return undefined
    // On one link TTL 255 keeps strangers out and only the discriminator counts; farther away the address must fit too.
    return running.order.multihop && withoutZone(source) !== running.order.remote ? undefined : running
  }

  #run(running: Running): void {
    this.#changing(running, (now) => {
      for (const packet of running.session.advance(now)) this.#send(running, packet)
    })
  }

  /** Lets `body` work on the session, tells of a new state, sends what has become due and sets the timer. */
  #changing(running: Running, body: (now: number) => void): void {
    const { session, order } = running
    const { state: before, remoteState: remoteBefore } = session
    const now = performance.now()
    body(now)
    this.#setTimer(running, now)
    if (!this.#byId.has(order.id)) return
    const { state, remoteState, localDiagnostic: diagnostic } = session
    const at = Date.now()
    if (state !== before) {
      running.lastStateChangeAt = at
      if (before === 'Up') running.flaps++
    }
    const isTurn = remoteState !== remoteBefore && [remoteState, remoteBefore].includes('AdminDown')
    if (state !== before || isTurn) this.#onState(order.id, { state, diagnostic, remoteState, at })
  }

  #setTimer(running: Running, now: number): void {
    clearTimeout(running.timer)
    const { wakeAt } = running.session
    if (wakeAt === Number.POSITIVE_INFINITY) return
    // The other end may ask for times that a timer can't hold.
    running.timer = setTimeout(() => this.#wake(running), Math.min(Math.max(0, wakeAt - now), MAX_SLEEP_MS))
  }

  #wake(running: Running): void {
    if (!running.session.isDetectionDue(performance.now())) {
      this.#run(running)
      return
    }
    // If it was this thread that was late, the packet that keeps the session up waits in the socket: read it first.
    setImmediate(() => {
      if (this.#byId.has(running.order.id) || this.#farewells.has(running)) this.#run(running)
    })
  }

  #send(running: Running, packet: BfdPacket): void {
    const { remote, multihop } = running.order
    running.sent++
    const port = multihop ? BFD_PORT.multihop : BFD_PORT.singleHop
    running.socket.send(encodeBfdPacket(packet), port, remote, (error) => {
      if (error !== null) running.sendErrors++
    })
  }

  #freeDiscriminator(): number {
    for (;;) {
      const candidate = randomInt(1, 2 ** 32)
      if (!this.#byDiscriminator.has(candidate)) return candidate
    }
  }
}

/** A bound descriptor as a socket, which owns it. */
function adopt(fd: number, local: string): Socket {
  const family = Address.parse(local).family
  const socket = createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    // Only literal addresses are used: asking the resolver would cost a turn of the loop per packet.
    lookup: (address, _options, done) => done(null, address, family),
  })
  // ICMP errors of earlier packets: the detection time tells what they mean.
  socket.on('error', () => undefined)
  socket.bind({ fd })
  return socket
}

function sessionStatus({ order, session, ...counters }: Running): BfdSessionStatus {
  return {
    id: order.id,
    local: order.local,
    remote: order.remote,
    interface: order.interface,
    multihop: order.multihop,
    state: session.state,
    remoteState: session.remoteState,
    localDiscriminator: session.localDiscriminator,
    remoteDiscriminator: session.remoteDiscriminator,
    diagnostic: session.localDiagnostic,
    remoteDiagnostic: session.remoteDiagnostic,
    transmitIntervalMs: session.transmitIntervalMs,
    detectionTimeMs: session.detectionTimeMs,
    lastStateChangeAt: counters.lastStateChangeAt,
    flaps: counters.flaps,
    received: counters.received,
    sent: counters.sent,
    sendErrors: counters.sendErrors,
  }
}
