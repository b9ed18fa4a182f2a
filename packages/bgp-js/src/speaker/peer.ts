import type { Socket } from 'node:net'
import type { Family } from '@margay/net'
import type { NotificationFields } from '../errors.ts'
import { resolveCollision } from '../fsm/collision.ts'
import type { LocalEnd, Negotiated } from '../fsm/negotiation.ts'
import type { SessionState } from '../fsm/state.ts'
import { canonicalAddress } from '../peer-address.ts'
import type { AttributeSet } from '../rib/attribute-store.ts'
import type { PeerKind } from '../rib/path.ts'
import type { Capability } from '../wire/capabilities/capability.ts'
import type { RouteRefreshMessage } from '../wire/messages/route-refresh.ts'
import { encodeRouteRefresh, RefreshSubtype } from '../wire/messages/route-refresh.ts'
import { CeaseSubcode, NotificationCode } from '../wire/notification-names.ts'
import type { AttributeCache, RouteUpdate } from '../wire/resolve-update.ts'
import { AcceptGuard, refuse } from './accept-guard.ts'
import type { ResolvedPeer } from './config.ts'
import { Connection } from './connection.ts'
import type { SpeakerContext } from './context.ts'
import { HoldBack } from './hold-back.ts'
import { listeningAddress, localCapabilities, localEndFor } from './local-end.ts'
import { type MessageCounters, newMessageCounters } from './message-counters.ts'
import { changeEffects } from './peer-changes.ts'
import { PeerHistory } from './peer-history.ts'
import { type Hold, PeerHolds } from './peer-holds.ts'
import { localAsnFor, peerKind } from './peer-kind.ts'
import { PeerRoutes } from './peer-routes.ts'
import { PeerSettings } from './peer-settings.ts'
import type { Clock, SocketOptions } from './ports.ts'
import { crossingFields, limitNotification, PrefixLimits } from './prefix-limits.ts'
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
/** A connection that comes this soon after the session is up is the late end of a collision, not a new process. */
const COLLISION_WINDOW_MS = 5000
/** One configured peer: its sessions (two during a collision), and its routes. */
export class Peer implements SessionHost {
  readonly counters: MessageCounters = newMessageCounters()
  readonly routes: PeerRoutes
  /** The last changes of state, and the last errors by direction. */
  readonly history = new PeerHistory()
  readonly #context: SpeakerContext
  readonly #onChange: (peer: Peer) => void
  readonly #holds: PeerHolds
  readonly #limits = new PrefixLimits()
  readonly #guard = new AcceptGuard()
  readonly #settings: PeerSettings
  readonly #holdBack: HoldBack
  /** Who is at the other end of an `interface` peer's link, as discovery says. */
  #neighbor: string | undefined
  #primary: Session
  #secondary: Session | undefined
  readonly #dials = new Map<Session, () => void>()
  #failures = 0
  #flaps = 0
  #stateSince: Date
  #upSinceMs = 0
  #stopped = true

  /** @param onChange called after each change of state */
  constructor(context: SpeakerContext, config: ResolvedPeer, onChange: (peer: Peer) => void = () => undefined) {
    this.#context = context
    this.#settings = new PeerSettings(config)
    this.#holdBack = new HoldBack(context.clock)
    this.#onChange = onChange
    this.routes = new PeerRoutes(context, config)
    this.#holds = new PeerHolds(context.clock, () => this.#freed())
    this.#primary = new Session(this)
    this.#stateSince = context.clock.date()
  }

  get config(): ResolvedPeer {
    return this.#settings.inForce
  }

  /** What the peer is to us, by the AS that it has or is said to have. */
  get kind(): PeerKind {
    return peerKind(this.#context.config, this.config)
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
    return this.history.lastError
  }

  /** What keeps the peer down beside its configuration. */
  get heldBy(): readonly Hold[] {
    return this.#holds.all
  }

  /** Where the peer is: of an `interface` peer the neighbour of the session, or the one to dial. */
  get remoteAddress(): string | undefined {
    if (this.config.interface === undefined) return this.config.address
    return this.#primary.connection?.remoteAddress ?? this.#neighbor
  }

  /** There is no connection, nobody waits for one, and no route is kept: nothing would be lost with this peer. */
  get isSpent(): boolean {
    const isWaiting = this.#primary.state === 'Active' && this.#primary.connection === undefined
    return isWaiting && this.#secondary === undefined && this.routes.stale.retained.length === 0
  }

  start(): void {
    this.#stopped = false
    if (this.config.adminDown || this.isHeld) return
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
    this.#holdBack.end()
    this.#holds.clear()
  }

  /** The peer is no longer configured. */
  remove(): void {
    this.stop({ code: NotificationCode.Cease, subcode: CeaseSubcode.PeerDeconfigured })
    this.#holdBack.end()
    this.#holds.clear()
    for (const observer of this.#context.observers) observer.removed?.(this)
    this.routes.close()
    this.#context.restart.peerGone(this.config.address)
  }

  /** Takes a new configuration; what it costs is for {@link changeEffects} to say. */
  reconfigure(given: ResolvedPeer): void {
    const effects = changeEffects(this.#settings.given, given)
    if (effects.has('session')) {
      const subcode = given.adminDown ? CeaseSubcode.AdministrativeShutdown : CeaseSubcode.OtherConfigurationChange
      this.stop({ code: NotificationCode.Cease, subcode })
      this.#settings.replace(given, true)
      this.routes.reconfigure(this.config)
      this.start()
      return
    }
    this.#settings.replace(given, false)
    if (effects.has('routes')) this.routes.reconfigure(this.config)
    if (effects.has('socket')) this.#applySocketOptions()
    if (effects.has('keepalive')) this.#primary.changeKeepalive(given.keepalive)
    if (effects.has('limits')) this.#checkLimits(this.#primary)
    if (effects.has('dial')) this.#dialAnew()
    for (const observer of this.#context.observers) observer.reconfigured?.(this)
  }

  /** The whole speaker is drained, or no longer (RFC 8326). */
  drain(isDrained: boolean): void {
    if (this.#settings.drain(isDrained)) this.routes.reconfigure(this.config)
  }

  /** Lets a peer go on that `maxPrefixes` keeps down, and forgives its failures. */
  clear(): void {
    this.#failures = 0
    this.#holds.release('maxPrefixes')
    if (this.#primary.isIdleHolding && !this.#stopped) this.#primary.startAgain()
  }

  /** BFD says that the peer is gone (RFC 5882, RFC 9384): ends the session and stays down until {@link bfdUp}. */
  bfdDown(reason: string): void {
    this.#holds.hold('bfd')
    this.#end({ code: NotificationCode.Cease, subcode: CeaseSubcode.BfdDown }, `BFD down: ${reason}`)
  }

  bfdUp(): void {
    this.#holds.release('bfd')
  }

  /** Discovery says who is at the other end of the link; undefined: nobody. */
  neighborFound(address: string | undefined): void {
    const zoned = address === undefined || address.includes('%') ? address : `${address}%${this.config.interface}`
    const found = zoned === undefined ? undefined : canonicalAddress(zoned)
    if (found === this.#neighbor) return
    this.#neighbor = found
    this.#dialAnew()
  }

  /** An incoming connection from this peer's address. */
  accept(socket: Socket): void {
    if (!this.#mayAccept(socket)) {
      refuse(socket)
      this.#primary.handle({ type: 'TcpCrInvalid' })
      return
    }
    if (this.#primary.state === 'Idle') {
      this.#primary.handle({ type: 'AutomaticStartWithPassiveTcpEstablishment' })
    }
    const connection = this.#connection(socket, 'remote')
    if (this.#primary.state === 'Active' && this.#primary.connection === undefined) {
      this.#primary.connected(connection)
      return
    }
    // Our own attempt goes on beside it: both ends then settle the collision by the same rule (RFC 4271 §6.8). To cut
    // ours off would show the peer a connection that dies for no reason, which one with graceful restart may take for
    // a restart of ours. Beside an Established session it is the peer's new process, once it has come up (RFC 4724 §5).
    this.#endSecondary()
    this.#secondary = new Session(this, 'Active')
    this.#secondary.connected(connection)
    this.#holdBack.consider(this.#primary, this.#secondary)
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
    return this.config.passive || (this.config.interface !== undefined && this.#neighbor === undefined)
  }

  get isHeld(): boolean {
    return this.#holds.isHeld
  }

  get attributes(): AttributeCache<AttributeSet> {
    return this.#context.locRib.attributes
  }

  localEnd(): LocalEnd {
    return localEndFor(this.#context.config, this.config, this.#context.restart.isRunning)
  }

  localCapabilities(): Capability[] {
    return localCapabilities(this.#context.config, this.config, this.#context.restart.isRunning)
  }

  dial(session: Session): void {
    const { address, port, sourceAddress } = this.config
    const cancel = this.#context.dialer.dial({
      host: this.config.interface === undefined ? address : (this.#neighbor ?? ''),
      port,
      localAddress: sourceAddress ?? listeningAddress(this.#context.config, address),
      options: this.socketOptions(),
      onConnected: (socket) => {
        this.#dials.delete(session)
        session.connected(this.#connection(socket, 'local'))
        this.#holdBack.consider(this.#primary, this.#secondary)
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
    const { password, ttlSecurity } = this.config
    if (password === undefined && ttlSecurity === undefined) return undefined
    // Who is at the other end of the link is to be found first: an option belongs to an address.
    if (this.remoteAddress === undefined) return undefined
    return this.#settings.socketOptions(this.remoteAddress)
  }

  settleCollision(session: Session, negotiated: Negotiated): boolean {
    const other = session === this.#primary ? this.#secondary : this.#primary
    if (other === undefined) return true
    if (other.state === 'Established') return session === this.#secondary && this.#offersRestart
    // RFC 4271 §6.8 looks at connections in OpenConfirm: only there is the other end known.
    if (other.state !== 'OpenConfirm') return true
    const { config } = this.#context
    const local = { routerId: config.routerId, asn: localAsnFor(config, this.config) }
    const remote = { routerId: negotiated.peerRouterId, asn: negotiated.peerAsn }
    const kept = resolveCollision(local, remote) === 'keepLocallyInitiated' ? 'local' : 'remote'
    // Two from the same end: the newer one is the one that the peer still knows about.
    const keepsThis = session.initiator === other.initiator ? session === this.#secondary : session.initiator === kept
    if (keepsThis) other.handle({ type: 'OpenCollisionDump' })
    return keepsThis
  }

  onStateChange(session: Session, from: SessionState, reason: string): void {
    if (session === this.#secondary) {
      const fields = { peer: this.config.address, from, to: session.state, collision: true }
      this.#context.log.debug(fields, reason)
      // Its own timers would have it dial again, beside the session that won.
      if (session.state === 'Idle' || session.state === 'Active') {
        this.#secondary = undefined
        session.abandon()
      }
      this.#onChange(this)
      return
    }
    if (session !== this.#primary) return
    if (session.state !== 'OpenSent') this.#holdBack.end()
    if ((session.state === 'Idle' || session.state === 'Active') && this.#secondary !== undefined) this.#promote()
    const date = this.clock.date()
    this.#stateSince = date
    const to = this.#primary.state
    const fields = { peer: this.config.address, from, to }
    this.history.changed({ at: date.toISOString(), from, to, reason })
    this.#context.log.debug(fields, reason)
    this.#context.emit({ type: 'stateChange', ...fields, reason, at: date.toISOString() })
    this.#onChange(this)
  }

  onFailure(): void {
    this.#failures++
  }

  onError(error: SessionError): void {
    this.history.failed(error)
  }

  onInternalError(error: unknown): void {
    this.#context.log.error({ peer: this.config.address, error }, 'internal error: session is reset')
  }

  onUp(session: Session): void {
    if (session === this.#secondary) {
      if (this.#primary.state === 'Established') {
        this.#primary.handle({ type: 'TcpConnectionFails', detail: 'the peer opened a new connection' })
      }
      this.#promote()
    }
    this.#endSecondary()
    this.#upSinceMs = this.clock.now()
    if (session.negotiated !== undefined) {
      // A peer whose AS was left open has said it.
      if (this.#settings.learnAsn(session.negotiated.peerAsn)) this.routes.reconfigure(this.config)
      this.routes.sessionUp(session, session.negotiated)
    }
    const { address, asn } = this.config
    this.#context.log.info({ peer: address, asn }, 'session established')
    for (const observer of this.#context.observers) observer.up?.(this)
    this.#context.emit({ type: 'sessionUp', peer: address, asn, at: this.clock.date().toISOString() })
  }

  onDown(_: Session, end: SessionEnd): void {
    if (this.clock.now() - this.#upSinceMs >= STEADY_MS) this.#failures = 0
    this.#flaps++
    this.#limits.reset()
    for (const observer of this.#context.observers) observer.down?.(this, end)
    this.routes.sessionDown(end)
    const { address, asn } = this.config
    const reason = end.event.detail ?? end.event.type
    const error = this.lastError
    this.#context.log.info({ peer: address, asn, error }, `session ended: ${reason}`)
    this.#context.emit({ type: 'sessionDown', peer: address, asn, at: this.clock.date().toISOString(), reason, error })
  }

  onMessage(message: Uint8Array): void {
    for (const observer of this.#context.observers) observer.received?.(this, message)
  }

  onUpdate(session: Session, update: RouteUpdate<AttributeSet>): void {
    this.routes.receive(update)
    for (const observer of this.#context.observers) observer.imported?.(this, update)
    this.#checkLimits(session)
  }

  onRouteRefresh(session: Session, { family, subtype }: RouteRefreshMessage): void {
    const negotiated = session.negotiated
    if (family === undefined || negotiated?.families.includes(family) !== true) return
    if (subtype === RefreshSubtype.Request) this.routes.resend(family)
    // Marks that were not agreed on mean nothing, and values that RFC 7313 does not know neither.
    else if (!negotiated.enhancedRefresh) return
    else if (subtype === RefreshSubtype.BeginningOfRefresh) this.routes.beginRefresh(family)
    else if (subtype === RefreshSubtype.EndOfRefresh) this.routes.endRefresh(family)
  }

  onWritable(session: Session): void {
    if (session === this.#primary) this.routes.writable()
  }

  /** RFC 4271 §6.8: beside an Established session a connection is refused, but see RFC 4724 §5. */
  #mayAccept(socket: Socket): boolean {
    const { state } = this.#primary
    if (this.#stopped || this.config.adminDown || this.isHeld) return false
    const session = this.#primary.connection
    if (this.config.interface !== undefined && session !== undefined) {
      if (canonicalAddress(session.remoteAddress) !== canonicalAddress(socket.remoteAddress ?? '')) return false
    }
    if (state === 'Established') {
      const isLate = this.clock.now() - this.#upSinceMs <= COLLISION_WINDOW_MS
      if (isLate || !this.#offersRestart) return false
    }
    if (state === 'Idle' && !(this.#primary.isIdleHolding && this.failures <= FORGIVEN_FAILURES)) return false
    return this.#guard.admit(this.clock.now())
  }

  /** Lets the collision's other session go: it is told so and does not start again. */
  #endSecondary(): void {
    this.#holdBack.end()
    this.#secondary?.handle({ type: 'OpenCollisionDump' })
    this.#secondary?.abandon()
    this.#secondary = undefined
  }

  #promote(): void {
    const former = this.#primary
    if (this.#secondary === undefined) return
    this.#holdBack.end()
    this.#primary = this.#secondary
    this.#secondary = undefined
    if (former.state === 'Idle' || former.state === 'Active') former.abandon()
    else former.handle({ type: 'OpenCollisionDump' })
    // What the loser left behind must not start it again.
    former.abandon()
  }

  #checkLimits(session: Session): void {
    if (session.state !== 'Established') return
    const { maxPrefixes, address } = this.config
    const received = (family: Family): number => this.routes.adjRibIn[family].counts.received
    for (const crossing of this.#limits.check(maxPrefixes, received, this.clock.now())) {
      const fields = crossingFields(address, crossing)
      this.#context.log.warn(fields, `prefix limit: ${crossing.level}`)
      this.#context.emit({ type: 'prefixLimit', ...fields, at: this.clock.date().toISOString() })
      const { action, restartAfterSeconds } = crossing.limit
      if (crossing.level === 'warning' || action === 'warn') continue
      const forMs = restartAfterSeconds === undefined ? undefined : restartAfterSeconds * 1000
      // Without a time of its own a restart is for the damping.
      if (action === 'shutdown' || forMs !== undefined) this.#holds.hold('maxPrefixes', forMs)
      const detail = `more than ${crossing.limit.limit} IPv${crossing.family} prefixes`
      this.#end(limitNotification(crossing), detail)
    }
  }

  #end(notification: NotificationFields, detail: string): void {
    this.#secondary?.handle({ type: 'AutomaticStop', notification, detail })
    this.#primary.handle({ type: 'AutomaticStop', notification, detail })
  }

  /** Nothing holds the peer down any more; what is left of the damping is kept. */
  #freed(): void {
    if (this.#stopped || this.config.adminDown) return
    if (this.#primary.state === 'Idle' && !this.#primary.isIdleHolding) this.#primary.startAgain()
  }

  /** Starts over with other ways to connect, where there is no connection to lose. */
  #dialAnew(): void {
    const { state, connection } = this.#primary
    const isOnItsWay = state === 'Connect' || state === 'Active'
    if (this.#stopped || !isOnItsWay || connection !== undefined) return
    this.#primary.handle({ type: 'ManualStop' })
    this.start()
  }

  #applySocketOptions(): void {
    const options = this.#settings.socketOptions(this.remoteAddress ?? this.config.address)
    for (const session of [this.#primary, this.#secondary]) {
      if (session?.connection !== undefined) this.#context.dialer.applyTo(session.connection, options)
    }
  }

  get #isExpectedBack(): boolean {
    return this.routes.stale.restartRemainingMs !== undefined
  }

  get #offersRestart(): boolean {
    return this.#primary.negotiated?.peerGracefulRestart !== undefined
  }

  #connection(socket: Socket, initiator: 'local' | 'remote'): Connection {
    const connection = new Connection(socket, initiator, this.#context.work)
    this.#context.track(connection)
    return connection
  }
}
