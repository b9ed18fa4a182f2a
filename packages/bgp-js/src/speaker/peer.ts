import type { Socket } from 'node:net'
import { Address, type Family } from '@margay/net'
import type { NotificationFields } from '../errors.ts'
import { resolveCollision } from '../fsm/collision.ts'
import type { LocalEnd, Negotiated } from '../fsm/negotiation.ts'
import type { SessionState } from '../fsm/state.ts'
import type { AttributeSet } from '../rib/attribute-store.ts'
import type { Capability } from '../wire/capabilities/capability.ts'
import type { RouteRefreshMessage } from '../wire/messages/route-refresh.ts'
import { encodeRouteRefresh } from '../wire/messages/route-refresh.ts'
import { CeaseSubcode, NotificationCode } from '../wire/notification-names.ts'
import type { AttributeCache, RouteUpdate } from '../wire/resolve-update.ts'
import type { ResolvedPeer } from './config.ts'
import { Connection } from './connection.ts'
import type { SpeakerContext } from './context.ts'
import { type MessageCounters, newMessageCounters } from './message-counters.ts'
import { PeerRoutes } from './peer-routes.ts'
import type { Clock, SocketOptions } from './ports.ts'
import { Session, type SessionEnd, type SessionHost } from './session.ts'
import type { SessionError } from './session-error.ts'

/** A session that held this long was no flap: the backoff starts over. */
const STEADY_MS = 30_000
/** Up to this many failures in a row, a peer that comes by itself cuts our waiting in Idle short. */
const FORGIVEN_FAILURES = 3
/**
 * While we keep routes for a peer that restarts (RFC 4724) it is tried every one to two seconds, however long it is away:
 * it may wait for us to dial, and its own selection waits for us.
 */
const EXPECTED_BACK_FAILURES = 2
/** With graceful restart a new connection means that the peer is a new process, unless it is a late collision. */
const COLLISION_WINDOW_MS = 5000

/** One configured peer: its sessions (two during a collision), and its routes. */
export class Peer implements SessionHost {
  readonly counters: MessageCounters = newMessageCounters()
  readonly routes: PeerRoutes
  readonly #context: SpeakerContext
  #config: ResolvedPeer
  #primary: Session
  #secondary: Session | undefined
  readonly #dials = new Map<Session, () => void>()
  #failures = 0
  #flaps = 0
  #lastError: SessionError | undefined
  #stateSince: Date
  #upSinceMs = 0
  #stopped = true

  constructor(context: SpeakerContext, config: ResolvedPeer) {
    this.#context = context
    this.#config = config
    this.routes = new PeerRoutes(context, config)
    this.#primary = new Session(this)
    this.#stateSince = context.clock.date()
  }

  get config(): ResolvedPeer {
    return this.#config
  }

  get session(): Session {
    return this.#primary
  }

  get stateSince(): Date {
    return this.#stateSince
  }

  get flaps(): number {
    return this.#flaps
  }

  get lastError(): SessionError | undefined {
    return this.#lastError
  }

  start(): void {
    this.#stopped = false
    if (this.#config.adminDown) return
    this.#primary.handle({ type: this.isPassive ? 'ManualStartWithPassiveTcpEstablishment' : 'ManualStart' })
  }

  /** Ends the session with `notification` and stays down. */
  stop(notification: NotificationFields): void {
    this.#stopped = true
    this.#secondary?.handle({ type: 'ManualStop', notification })
    this.#primary.handle({ type: 'ManualStop', notification })
  }

  /** Ends without a NOTIFICATION, so that a peer with graceful restart keeps our routes. */
  abandon(): void {
    this.#stopped = true
    this.#secondary?.abandon()
    this.#primary.abandon()
  }

  /** The peer is no longer configured. */
  remove(): void {
    this.stop({ code: NotificationCode.Cease, subcode: CeaseSubcode.PeerDeconfigured })
    this.routes.close()
    this.#context.restart.peerGone(this.#config.address)
  }

  /** Takes a new configuration; only what OPEN or TCP depend on costs the session. */
  reconfigure(config: ResolvedPeer): void {
    const before = this.#config
    this.#config = config
    if (sessionFields(before) === sessionFields(config)) {
      this.routes.reconfigure(config)
      return
    }
    this.stop({ code: NotificationCode.Cease, subcode: CeaseSubcode.OtherConfigurationChange })
    this.routes.reconfigure(config)
    this.start()
  }

  /** An incoming connection from this peer's address. */
  accept(socket: Socket): void {
    const { state } = this.#primary
    if (this.#stopped || this.#config.adminDown) {
      refuse(socket)
      return
    }
    if (state === 'Established' && this.#isNewProcess()) {
      this.#primary.handle({ type: 'TcpConnectionFails', detail: 'the peer opened a new connection' })
    }
    if (this.#primary.state === 'Idle' && this.#primary.isIdleHolding && this.failures <= FORGIVEN_FAILURES) {
      this.#primary.handle({ type: 'AutomaticStartWithPassiveTcpEstablishment' })
    }
    switch (this.#primary.state) {
      case 'Active':
        this.#primary.connected(this.#connection(socket, 'remote'))
        return
      // Our own attempt goes on beside it: both ends then settle the collision by the same rule (RFC 4271 §6.8). To cut
      // ours off would show the peer a connection that dies for no reason, which one with graceful restart may take for
      // a restart of ours.
      case 'Connect':
      case 'OpenSent':
      case 'OpenConfirm': {
        this.#endSecondary()
        this.#secondary = new Session(this, 'Active')
        this.#secondary.connected(this.#connection(socket, 'remote'))
        return
      }
      case 'Idle':
      case 'Established':
        refuse(socket)
    }
  }

  /** Asks the peer to send its routes again (RFC 2918). @returns whether it understands such a request */
  requestRefresh(): boolean {
    const negotiated = this.#primary.negotiated
    if (this.#primary.state !== 'Established' || negotiated?.routeRefresh !== true) return false
    for (const family of negotiated.families) this.#primary.send(encodeRouteRefresh(family), 'routeRefresh')
    return true
  }

  startSending(family: Family): void {
    this.routes.startSending(family)
  }

  // SessionHost: what sessions ask and tell.

  get clock(): Clock {
    return this.#context.clock
  }

  get failures(): number {
    return this.#isExpectedBack ? Math.min(this.#failures, EXPECTED_BACK_FAILURES) : this.#failures
  }

  get isPassive(): boolean {
    return this.#config.passive
  }

  get connectRetryMs(): number {
    return this.#config.connectRetry * 1000
  }

  get attributes(): AttributeCache<AttributeSet> {
    return this.#context.locRib.attributes
  }

  localEnd(): LocalEnd {
    const { asn, routerId } = this.#context.config
    const { holdTime, keepalive } = this.#config
    return {
      asn,
      routerId,
      peerAsn: this.#config.asn,
      holdTimeSeconds: holdTime,
      keepaliveSeconds: keepalive,
      capabilities: this.localCapabilities(),
    }
  }

  localCapabilities(): Capability[] {
    const { config, restart } = this.#context
    const families = this.#config.families.map((name): Family => (name === 'ipv4' ? 4 : 6))
    const { restartTimeSeconds, forwardingPreserved } = config.gracefulRestart
    const capabilities: Capability[] = [
      ...families.map((family): Capability => ({ name: 'multiprotocol', family })),
      { name: 'routeRefresh' },
      { name: 'extendedMessages' },
    ]
    if (this.#config.gracefulRestart) {
      capabilities.push({
        name: 'gracefulRestart',
        restarting: restart.isRunning,
        notification: true,
        restartTimeSeconds,
        families: families.map((family) => ({ family, forwardingPreserved })),
      })
    }
    capabilities.push({ name: 'fourOctetAs', asn: config.asn })
    return capabilities
  }

  dial(session: Session): void {
    const { address, port, sourceAddress } = this.#config
    const cancel = this.#context.dialer.dial({
      host: address,
      port,
      localAddress: sourceAddress ?? this.#listeningAddress(),
      options: this.socketOptions(),
      onConnected: (socket) => {
        this.#dials.delete(session)
        session.connected(this.#connection(socket, 'local'))
      },
      onFailed: (reason) => {
        this.#dials.delete(session)
        this.#context.restart.connectFailed(address)
        session.handle({ type: 'TcpConnectionFails', detail: reason })
      },
    })
    this.#dials.set(session, cancel)
  }

  cancelDial(session: Session): void {
    this.#dials.get(session)?.()
    this.#dials.delete(session)
  }

  socketOptions(): SocketOptions | undefined {
    const { address, password, ttlSecurity } = this.#config
    if (password === undefined && ttlSecurity === undefined) return undefined
    return { peerAddress: address, password, ttlSecurityHops: ttlSecurity }
  }

  settleCollision(session: Session, negotiated: Negotiated): boolean {
    const other = session === this.#primary ? this.#secondary : this.#primary
    if (other === undefined) return true
    if (other.state === 'Established') return false
    // RFC 4271 §6.8 looks at connections in OpenConfirm: only there is the other end known.
    if (other.state !== 'OpenConfirm') return true
    const { asn, routerId } = this.#context.config
    const remote = { routerId: negotiated.peerRouterId, asn: negotiated.peerAsn }
    const verdict = resolveCollision({ routerId, asn }, remote)
    const kept = verdict === 'keepLocallyInitiated' ? 'local' : 'remote'
    // Two from the same end: the newer one is the one that the peer still knows about.
    const keepsThis = session.initiator === other.initiator ? session === this.#secondary : session.initiator === kept
    if (keepsThis) other.handle({ type: 'OpenCollisionDump' })
    return keepsThis
  }

  onStateChange(session: Session, from: SessionState, reason: string): void {
    if (session === this.#secondary) {
      const fields = { peer: this.#config.address, from, to: session.state, collision: true }
      this.#context.log.debug(fields, reason)
      // Its own timers would have it dial again, beside the session that won.
      if (session.state === 'Idle' || session.state === 'Active') {
        this.#secondary = undefined
        session.abandon()
      }
      return
    }
    if (session !== this.#primary) return
    if ((session.state === 'Idle' || session.state === 'Active') && this.#secondary !== undefined) this.#promote()
    const date = this.clock.date()
    this.#stateSince = date
    const to = this.#primary.state
    const fields = { peer: this.#config.address, from, to }
    this.#context.log.debug(fields, reason)
    this.#context.emit({ type: 'stateChange', ...fields, reason, at: date.toISOString() })
  }

  onFailure(): void {
    this.#failures++
  }

  onError(error: SessionError): void {
    this.#lastError = error
  }

  onInternalError(error: unknown): void {
    this.#context.log.error({ peer: this.#config.address, error }, 'internal error: session is reset')
  }

  onUp(session: Session): void {
    if (session === this.#secondary) this.#promote()
    this.#endSecondary()
    this.#upSinceMs = this.clock.now()
    const { address, asn } = this.#config
    if (session.negotiated !== undefined) this.routes.sessionUp(session, session.negotiated)
    this.#context.log.info({ peer: address, asn }, 'session established')
    this.#context.emit({ type: 'sessionUp', peer: address, asn, at: this.clock.date().toISOString() })
  }

  onDown(_: Session, end: SessionEnd): void {
    if (this.clock.now() - this.#upSinceMs >= STEADY_MS) this.#failures = 0
    this.#flaps++
    this.routes.sessionDown(end)
    const { address, asn } = this.#config
    const reason = end.event.detail ?? end.event.type
    const error = this.#lastError
    this.#context.log.info({ peer: address, asn, error }, `session ended: ${reason}`)
    this.#context.emit({ type: 'sessionDown', peer: address, asn, at: this.clock.date().toISOString(), reason, error })
  }

  onUpdate(session: Session, update: RouteUpdate<AttributeSet>): void {
    const family = this.routes.receive(update)
    if (family === undefined) return
    const limit = this.#config.maxPrefixes ?? 0
    session.handle({
      type: 'AutomaticStop',
      notification: {
        code: NotificationCode.Cease,
        subcode: CeaseSubcode.MaximumNumberOfPrefixesReached,
        // RFC 4486 §4: AFI, SAFI, limit
        data: Uint8Array.of(0, family === 4 ? 1 : 2, 1, limit >>> 24, limit >>> 16, limit >>> 8, limit),
      },
      detail: `more than ${limit} IPv${family} prefixes`,
    })
  }

  onRouteRefresh(_: Session, message: RouteRefreshMessage): void {
    if (message.family !== undefined && message.subtype === 0) this.routes.resend(message.family)
  }

  onWritable(session: Session): void {
    if (session === this.#primary) this.routes.writable()
  }

  /** Lets the collision's other session go: it is told so and does not start again. */
  #endSecondary(): void {
    this.#secondary?.handle({ type: 'OpenCollisionDump' })
    this.#secondary?.abandon()
    this.#secondary = undefined
  }

  #promote(): void {
    const former = this.#primary
    if (this.#secondary === undefined) return
    this.#primary = this.#secondary
    this.#secondary = undefined
    if (former.state === 'Idle' || former.state === 'Active') former.abandon()
    else former.handle({ type: 'OpenCollisionDump' })
    // What the loser left behind must not start it again.
    former.abandon()
  }

  get #isExpectedBack(): boolean {
    return this.routes.stale.restartRemainingMs !== undefined
  }

  #isNewProcess(): boolean {
    const graceful = this.#primary.negotiated?.peerGracefulRestart !== undefined
    return graceful && this.clock.now() - this.#upSinceMs > COLLISION_WINDOW_MS
  }

  #connection(socket: Socket, initiator: 'local' | 'remote'): Connection {
    const connection = new Connection(socket, initiator, this.#context.work)
    this.#context.track(connection)
    return connection
  }

  /** The listening address where it is one address of the peer's family: peers know us by it. */
  #listeningAddress(): string | undefined {
    const { family } = Address.parse(this.#config.address)
    return this.#context.config.listen
      .map((listen) => Address.parse(listen.address))
      .find((address) => address.family === family && address.value !== 0n)
      ?.toString()
  }
}

/** Closes with a reset: nothing lingers in the kernel for a connection that nobody wants. */
export function refuse(socket: Socket): void {
  socket.on('error', () => undefined)
  socket.resetAndDestroy()
}

/** The settings that a running session was built on. */
function sessionFields(config: ResolvedPeer): string {
  const { import: _, export: __, maxPrefixes: ___, nextHopSelf: ____, description: ______, ...rest } = config
  const { nextHopUnchanged: _______, nextHop: ________, ...fields } = rest
  return JSON.stringify(fields)
}
