import { BgpMessageError, type NotificationFields } from '../errors.ts'
import { backoffMs, jittered } from '../fsm/backoff.ts'
import { keepaliveFor, type LocalEnd, type Negotiated, negotiate } from '../fsm/negotiation.ts'
import { transition } from '../fsm/session-table.ts'
import type { SessionAction, SessionEventName, SessionState, TimerName } from '../fsm/state.ts'
import type { AttributeSet } from '../rib/attribute-store.ts'
import type { WireSession } from '../wire/attribute-codec.ts'
import { MessageType } from '../wire/header.ts'
import { type BgpMessage, decodeMessage } from '../wire/message.ts'
import { encodeKeepalive } from '../wire/messages/keepalive.ts'
import { encodeNotification, type NotificationMessage } from '../wire/messages/notification.ts'
import { encodeOpen, type OpenMessage } from '../wire/messages/open.ts'
import type { RouteRefreshMessage } from '../wire/messages/route-refresh.ts'
import { CeaseSubcode, NotificationCode } from '../wire/notification-names.ts'
import { type AttributeCache, type RouteUpdate, resolveUpdate } from '../wire/resolve-update.ts'
import type { Connection, ConnectionHandler, Initiator } from './connection.ts'
import { LazyTimer, tickBefore } from './lazy-timer.ts'
import type { MessageCounters } from './message-counters.ts'
import type { Clock } from './ports.ts'
import { localError, receivedError, type SessionError, sentError } from './session-error.ts'

/** An event with what it brings. */
export interface SessionEvent {
  readonly type: SessionEventName
  /** The NOTIFICATION to send, for events that call for one. */
  readonly notification?: NotificationFields
  /** In words, for logs and status. */
  readonly detail?: string
  readonly open?: OpenMessage
  readonly update?: RouteUpdate<AttributeSet>
  readonly routeRefresh?: RouteRefreshMessage
  readonly received?: NotificationMessage
}

/** How a session ended, for what is to become of the routes. */
export interface SessionEnd {
  readonly event: SessionEvent
  readonly negotiated: Negotiated
}

/** The peer that a session belongs to. */
export interface SessionHost {
  readonly clock: Clock
  readonly counters: MessageCounters
  readonly failures: number
  readonly isPassive: boolean
  /** Something keeps the peer down: a session that is Idle stays so. */
  readonly isHeld: boolean
  readonly attributes: AttributeCache<AttributeSet>
  /** In seconds; `delayOpen` 0 for none. */
  readonly config: { readonly connectRetry: number; readonly delayOpen: number }
  localEnd(): LocalEnd
  dial(session: Session): void
  cancelDial(session: Session): void
  /** A good OPEN came. @returns whether this session may go on (RFC 4271 §6.8) */
  settleCollision(session: Session, negotiated: Negotiated): boolean
  onStateChange(session: Session, from: SessionState, reason: string): void
  onFailure(): void
  onError(error: SessionError): void
  onInternalError(error: unknown): void
  onUp(session: Session): void
  onDown(session: Session, end: SessionEnd): void
  /** A whole message came over the Established session; a view. */
  onMessage(message: Uint8Array): void
  onUpdate(session: Session, update: RouteUpdate<AttributeSet>): void
  onRouteRefresh(session: Session, message: RouteRefreshMessage): void
  onWritable(session: Session): void
}

/**
 * RFC 4271 §8.2.2: a "large value" while OPEN is awaited. Who connected to us has it ready; it is not waited for long.
 */
const OPEN_WAIT_MS: Readonly<Record<Initiator, number>> = { local: 240_000, remote: 30_000 }
const IDLE_HOLD = { firstMs: 1000, capMs: 30_000 }
const FIRST_RETRY_MS = 1000
/** RFC 9687 §5: 8 minutes, or twice the hold time if that is more. */
const MIN_SEND_HOLD_MS = 480_000
/** How much later than its hold time a silent peer goes, so that what it sent in time is read. */
const LAST_CALL_MS = 100
const OUT_OF_RESOURCES: NotificationFields = {
  code: NotificationCode.Cease,
  subcode: CeaseSubcode.OutOfResources,
}
const NOTHING = new Uint8Array(0)
const BEFORE_OPEN: WireSession = { fourOctetAs: false, internal: false }

/** One run of the state machine: interprets the table's actions on a real connection and real timers. */
export class Session implements ConnectionHandler {
  readonly #host: SessionHost
  readonly #timers: Record<TimerName, LazyTimer>
  readonly #sendHold: LazyTimer
  readonly #queue: SessionEvent[] = []
  #running = false
  /** The hold time is over, and the sockets are read once more. */
  #isLastCall = false
  #state: SessionState
  #connection: Connection | undefined
  #negotiated: Negotiated | undefined
  #opens: { readonly sent: Uint8Array; readonly received: Uint8Array } = { sent: NOTHING, received: NOTHING }

  /** @param initial `Active` for one that an incoming connection is about to get */
  constructor(host: SessionHost, initial: 'Idle' | 'Active' = 'Idle') {
    this.#host = host
    this.#state = initial
    const timer = (type: SessionEventName): LazyTimer => new LazyTimer(host.clock, () => this.handle({ type }))
    this.#timers = {
      connectRetry: timer('ConnectRetryTimerExpires'),
      keepalive: timer('KeepaliveTimerExpires'),
      hold: new LazyTimer(host.clock, () => this.#holdExpired()),
      delayOpen: timer('DelayOpenTimerExpires'),
      idleHold: timer('IdleHoldTimerExpires'),
    }
    this.#sendHold = timer('SendHoldTimerExpires')
  }

  get state(): SessionState {
    return this.#state
  }

  get negotiated(): Negotiated | undefined {
    return this.#negotiated
  }

  get connection(): Connection | undefined {
    return this.#connection
  }

  /** Both OPENs, as they went over the wire; empty before. */
  get opens(): { readonly sent: Uint8Array; readonly received: Uint8Array } {
    return this.#opens
  }

  get initiator(): Initiator | undefined {
    return this.#connection?.initiator
  }

  remainingMs(timer: TimerName): number | undefined {
    return this.#timers[timer].remainingMs
  }

  get isIdleHolding(): boolean {
    return this.#timers.idleHold.isRunning
  }

  /** Starts again by itself, unless the peer is held: events 6 and 7 of RFC 4271. */
  startAgain(): void {
    if (this.#host.isHeld) return
    this.#timers.idleHold.stop()
    this.handle({
      type: this.#host.isPassive
        ? 'AutomaticStartWithDampPeerOscillationsAndPassiveTcpEstablishment'
        : 'AutomaticStartWithDampPeerOscillations',
    })
  }

  /** Gives the session a connection that came about. */
  connected(connection: Connection): void {
    this.#host.cancelDial(this)
    this.#connection = connection
    connection.open(this)
    this.handle({ type: connection.initiator === 'local' ? 'TcpCrAcked' : 'TcpConnectionConfirmed' })
  }

  /** Runs `event`, or queues it behind the one that runs. */
  handle(event: SessionEvent): void {
    this.#queue.push(event)
    if (this.#running) return
    this.#running = true
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#run(next)
    } finally {
      this.#running = false
    }
  }

  /** Writes an encoded message of an Established session. */
  send(message: Uint8Array, kind: 'routeRefresh'): void {
    this.#host.counters.out[kind]++
    this.#write(message)
  }

  /** Writes whole UPDATEs of an Established session. */
  sendUpdates(octets: Uint8Array, messages: number): void {
    this.#host.counters.out.update += messages
    this.#write(octets)
  }

  /** Another keepalive time of our own; the hold time stays as agreed. */
  changeKeepalive(configuredSeconds: number | undefined): void {
    if (this.#negotiated === undefined) return
    const keepaliveSeconds = keepaliveFor(this.#negotiated.holdTimeSeconds, configuredSeconds)
    this.#negotiated = { ...this.#negotiated, keepaliveSeconds }
    if (this.#timers.keepalive.isRunning) this.#startTimer('keepalive')
  }

  /** Ends without a word: the connection closes, timers stop, no event runs (graceful restart of our own process). */
  abandon(): void {
    for (const timer of Object.values(this.#timers)) timer.stop()
    this.#host.cancelDial(this)
    this.#dropTcp()
    this.#state = 'Idle'
  }

  onMessage(message: Uint8Array): void {
    try {
      if (message[18] === MessageType.Open) this.#opens = { ...this.#opens, received: Uint8Array.from(message) }
      const decoded = decodeMessage(message, this.#negotiated?.wire ?? BEFORE_OPEN)
      if (this.#state === 'Established') this.#host.onMessage(message)
      this.#dispatch(decoded)
    } catch (error) {
      if (!(error instanceof BgpMessageError)) {
        // A fault of our own: this session ends, the others go on.
        this.#host.onInternalError(error)
        this.handle({ type: 'AutomaticStop', notification: OUT_OF_RESOURCES, detail: 'internal error' })
        return
      }
      this.handle({ type: eventOfError(error), notification: error.notification, detail: error.message })
    }
  }

  onFramingError(error: BgpMessageError): void {
    this.handle({ type: 'BgpHeaderErr', notification: error.notification, detail: error.message })
  }

  onClosed(reason: string): void {
    this.#connection = undefined
    this.handle({ type: 'TcpConnectionFails', detail: reason })
  }

  onFlushed(empty: boolean): void {
    if (empty) this.#sendHold.stop()
    else this.#sendHold.start(this.#sendHoldMs())
    if (this.#state === 'Established') this.#host.onWritable(this)
  }

  #dispatch(message: BgpMessage): void {
    this.#host.counters.in[message.type]++
    switch (message.type) {
      case 'open':
        this.#receivedOpen(message)
        return
      case 'update':
        this.handle(
          this.#state === 'Established' && this.#negotiated !== undefined
            ? {
                type: 'UpdateMsg',
                update: resolveUpdate(message, this.#negotiated.wire, this.#negotiated.families, this.#host.attributes),
              }
            : { type: 'UpdateMsg' },
        )
        return
      case 'keepalive':
        this.handle({ type: 'KeepAliveMsg' })
        return
      case 'routeRefresh':
        this.handle({ type: 'RouteRefreshMsg', routeRefresh: message })
        return
      case 'notification':
        this.handle({
          type: message.code === 2 && message.subcode === 1 ? 'NotifMsgVerErr' : 'NotifMsg',
          received: message,
        })
    }
  }

  #receivedOpen(open: OpenMessage): void {
    const isDelayed = this.#timers.delayOpen.isRunning
    const type = isDelayed ? 'BgpOpenWithDelayOpenTimerRunning' : 'BgpOpen'
    if (this.#state !== 'OpenSent' && !isDelayed) {
      this.handle({ type, open })
      return
    }
    const negotiated = negotiate(this.#host.localEnd(), open)
    if (!this.#host.settleCollision(this, negotiated)) {
      this.handle({ type: 'OpenCollisionDump' })
      return
    }
    this.#negotiated = negotiated
    if (this.#connection !== undefined) this.#connection.maxOctets = negotiated.maxOctets
    this.handle({ type, open })
  }

  /**
   * A hold timer that ran out while the peer's messages wait for us is our fault, not the peer's. They may wait in the
   * kernel: a process that was not scheduled for that long runs its timers before it reads its sockets.
   */
  #holdExpired(): void {
    if (this.#connection?.hasUnreadInput === true) {
      this.#timers.hold.start(1000)
    } else if (this.#state === 'Established' && !this.#isLastCall) {
      this.#isLastCall = true
      this.#timers.hold.start(LAST_CALL_MS)
    } else {
      this.handle({ type: 'HoldTimerExpires' })
    }
  }

  #run(event: SessionEvent): void {
    const row = transition(this.#state, event.type, {
      delayOpen: this.#host.config.delayOpen > 0,
      delayOpenTimerRuns: this.#timers.delayOpen.isRunning,
    })
    if (row === undefined) return
    const from = this.#state
    this.#noteError(event, row.actions)
    this.#state = row.next
    const { negotiated } = this
    for (const action of row.actions) this.#act(action, event, negotiated)
    if (row.next === 'Idle' || row.next === 'Active') this.#negotiated = undefined
    if (from !== row.next) this.#host.onStateChange(this, from, event.detail ?? row.reason)
  }

  #act(action: SessionAction, event: SessionEvent, negotiated: Negotiated | undefined): void {
    switch (action.do) {
      case 'start':
        this.#startTimer(action.timer)
        return
      case 'stop':
        this.#timers[action.timer].stop()
        return
      case 'stopTimers':
        for (const timer of Object.values(this.#timers)) timer.stop()
        return
      case 'dial':
        this.#host.dial(this)
        return
      case 'startAgain':
        this.startAgain()
        return
      case 'dropTcp':
        this.#host.cancelDial(this)
        this.#dropTcp()
        return
      case 'sendOpen':
        this.#sendOpen()
        return
      case 'sendKeepalive':
        this.#host.counters.out.keepalive++
        this.#write(encodeKeepalive())
        return
      case 'sendNotification':
        this.#sendNotification(action.fields ?? event.notification)
        return
      case 'countFailure':
        this.#host.onFailure()
        return
      case 'processUpdate':
        if (event.update !== undefined) this.#host.onUpdate(this, event.update)
        return
      case 'processRouteRefresh':
        if (event.routeRefresh !== undefined) this.#host.onRouteRefresh(this, event.routeRefresh)
        return
      case 'sessionUp':
        this.#host.onUp(this)
        return
      case 'sessionDown':
        if (negotiated !== undefined) this.#host.onDown(this, { event, negotiated })
    }
  }

  #startTimer(timer: TimerName): void {
    if (timer === 'hold') this.#isLastCall = false
    const { clock, failures, config } = this.#host
    const connectRetryMs = config.connectRetry * 1000
    const delays: Record<TimerName, () => number> = {
      connectRetry: () =>
        this.#state === 'Connect'
          ? connectRetryMs
          : backoffMs(failures, { firstMs: FIRST_RETRY_MS, capMs: connectRetryMs }, clock.random()),
      idleHold: () => backoffMs(failures, IDLE_HOLD, clock.random()),
      delayOpen: () => config.delayOpen * 1000,
      hold: () => this.#holdMs(),
      keepalive: () => this.#keepaliveMs(),
    }
    const delay = delays[timer]()
    // Hold time 0: neither timer runs (RFC 4271 §4.2).
    if (delay === 0) this.#timers[timer].stop()
    else this.#timers[timer].start(delay)
  }

  /** Without a hold time there is none in Established; before, nobody may stay for ever. */
  #holdMs(): number {
    const agreed = (this.#negotiated?.holdTimeSeconds ?? 0) * 1000
    if (agreed > 0 || this.#state === 'Established') return agreed
    return OPEN_WAIT_MS[this.initiator ?? 'local']
  }

  /** Keepalives of all sessions go out on common ticks, early rather than late. */
  #keepaliveMs(): number {
    const { clock } = this.#host
    const intervalMs = (this.#negotiated?.keepaliveSeconds ?? 0) * 1000
    if (intervalMs === 0) return 0
    const now = clock.now()
    return Math.max(1, tickBefore(now + jittered(intervalMs, clock.random())) - now)
  }

  #sendOpen(): void {
    const { asn, holdTimeSeconds, routerId, capabilities } = this.#host.localEnd()
    const open = encodeOpen({ asn, holdTimeSeconds, routerId, capabilities })
    this.#opens = { ...this.#opens, sent: open }
    this.#host.counters.out.open++
    this.#write(open)
  }

  #sendNotification(fields: NotificationFields | undefined): void {
    if (fields === undefined || this.#connection === undefined) return
    const outgoing = this.#negotiated?.notificationRestart === true ? hardened(fields) : fields
    this.#host.counters.out.notification++
    this.#write(encodeNotification(outgoing))
  }

  #noteError(event: SessionEvent, actions: readonly SessionAction[]): void {
    const error = errorOf(event, actions, this.#host.clock)
    if (error !== undefined) this.#host.onError(error)
  }

  #write(message: Uint8Array): void {
    if (this.#connection === undefined) return
    this.#connection.write(message)
    // What the kernel took at once holds nobody up: no timer is made for a keepalive.
    if (this.#connection.hasUnsent && !this.#sendHold.isRunning) this.#sendHold.start(this.#sendHoldMs())
  }

  #sendHoldMs(): number {
    return Math.max(MIN_SEND_HOLD_MS, 2000 * (this.#negotiated?.holdTimeSeconds ?? 0))
  }

  #dropTcp(): void {
    this.#sendHold.stop()
    this.#connection?.close()
    this.#connection = undefined
  }
}

/** RFC 4271 §8.1.5: which event a bad message is. */
function eventOfError(error: BgpMessageError): SessionEventName {
  if (error.notification.code === NotificationCode.MessageHeaderError) return 'BgpHeaderErr'
  return error.notification.code === NotificationCode.OpenMessageError ? 'BgpOpenMsgErr' : 'UpdateMsgErr'
}

/** RFC 8538 §3: where a Cease would make the peer keep our routes, and it should not, it goes inside a Hard Reset. */
function hardened(fields: NotificationFields): NotificationFields {
  const final: readonly number[] = [
    CeaseSubcode.MaximumNumberOfPrefixesReached,
    CeaseSubcode.AdministrativeShutdown,
    CeaseSubcode.PeerDeconfigured,
  ]
  if (fields.code !== NotificationCode.Cease || !final.includes(fields.subcode)) return fields
  const data = Uint8Array.of(fields.code, fields.subcode, ...(fields.data ?? []))
  return { code: NotificationCode.Cease, subcode: CeaseSubcode.HardReset, data }
}

/** What an event says went wrong: the NOTIFICATION that came, the one that is to go out, or a connection that is lost. */
function errorOf(event: SessionEvent, actions: readonly SessionAction[], clock: Clock): SessionError | undefined {
  if (event.received !== undefined) return receivedError(event.received, clock.date())
  const sends = actions.find((action) => action.do === 'sendNotification')
  const fields = sends?.fields ?? event.notification
  if (sends !== undefined && fields !== undefined) return sentError(fields, event.detail ?? '', clock.date())
  if (event.type !== 'TcpConnectionFails') return undefined
  return localError(event.detail ?? 'TCP failed', clock.date())
}
