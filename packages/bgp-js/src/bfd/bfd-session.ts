import { BFD_DIAGNOSTICS, type BfdDiagnostic, type BfdPacket, type BfdState } from './bfd-packet.ts'

/** What one end wants of a session. */
export interface BfdTimers {
  /** Least time between two packets that we like to send. */
  readonly minTxMs: number
  /** Least time between two packets that we can take. */
  readonly minRxMs: number
  /** How many of our packets may be lost in a row before the other end gives up, 1 to 255. */
  readonly multiplier: number
}

export interface BfdSessionOptions extends BfdTimers {
  readonly localDiscriminator: number
  /** Sends nothing before the other end has sent something (RFC 5880 §6.1). */
  readonly passive: boolean
  /** 0 up to 1. */
  readonly random: () => number
}

/** Without a session that is up nobody sends faster than this (RFC 5880 §6.8.3). */
const SLOW_TX_MS = 1000
const US = 1000

/**
 * One end of a BFD session in asynchronous mode (RFC 5880 §6.8): the state variables of §6.8.1 and what packets and time
 * do to them. It holds no clock and no socket: every call is given the time (ms that never jump back) and gives back the
 * packets that are to go out. Authentication, echo and demand mode are not offered; demand mode of the other end is obeyed.
 */
export class BfdSession {
  readonly localDiscriminator: number
  readonly #passive: boolean
  readonly #random: () => number
  #wanted: BfdTimers

  #state: BfdState = 'Down'
  #remoteState: BfdState = 'Down'
  #remoteDiscriminator = 0
  #localDiagnostic: BfdDiagnostic = 'noDiagnostic'
  #remoteDiagnostic = 0
  #desiredMinTxMs = 0
  #requiredMinRxMs: number
  /** RFC 5880 §6.8.1 starts it at 1 microsecond. */
  #remoteMinRxMs = 1 / US
  #remoteMinTxMs = SLOW_TX_MS
  #remoteMultiplier = 0
  #remoteDemand = false

  #polling = false
  /** Values that a Poll Sequence is still making known: what went before them holds until then (§6.8.3). */
  #txBeforePoll: number | undefined
  #rxBeforePoll: number | undefined

  #lastSentAt = Number.NEGATIVE_INFINITY
  #nextSendAt: number
  #receivedAt: number | undefined

  constructor(options: BfdSessionOptions, now: number) {
    this.localDiscriminator = options.localDiscriminator
    this.#passive = options.passive
    this.#random = options.random
    this.#wanted = options
    this.#requiredMinRxMs = options.minRxMs
    this.#desiredMinTxMs = this.#wantedTxMs()
    this.#nextSendAt = now
  }

  get state(): BfdState {
    return this.#state
  }

  get remoteState(): BfdState {
    return this.#remoteState
  }

  get remoteDiscriminator(): number {
    return this.#remoteDiscriminator
  }

  /** Why the state last changed. */
  get localDiagnostic(): BfdDiagnostic {
    return this.#localDiagnostic
  }

  /** What the other end said of its last change. */
  get remoteDiagnostic(): BfdDiagnostic {
    return BFD_DIAGNOSTICS[this.#remoteDiagnostic] ?? 'noDiagnostic'
  }

  get isPolling(): boolean {
    return this.#polling
  }

  /** Agreed time between our packets, before jitter (§6.8.7). */
  get transmitIntervalMs(): number {
    return Math.max(this.#txBeforePoll ?? this.#desiredMinTxMs, this.#remoteMinRxMs)
  }

  /** Silence for longer than this ends the session (§6.8.4); 0 before the first packet. */
  get detectionTimeMs(): number {
    return this.#remoteMultiplier * Math.max(this.#rxBeforePoll ?? this.#requiredMinRxMs, this.#remoteMinTxMs)
  }

  /** When {@link advance} has something to do; Infinity: not before a packet comes. */
  get wakeAt(): number {
    return Math.min(this.#maySend ? this.#nextSendAt : Number.POSITIVE_INFINITY, this.#detectAt)
  }

  isDetectionDue(now: number): boolean {
    return now >= this.#detectAt
  }

  /**
   * Takes a packet that was found to be for this session (§6.8.6).
   * @returns the answer to a Poll, to go out at once
   */
  receive(packet: BfdPacket, now: number): BfdPacket | undefined {
    this.#remoteDiscriminator = packet.myDiscriminator
    this.#remoteState = packet.state
    this.#remoteDiagnostic = packet.diagnostic
    this.#remoteDemand = packet.demand
    const interval = this.transmitIntervalMs
    this.#remoteMinRxMs = packet.requiredMinRxUs / US
    this.#remoteMinTxMs = packet.desiredMinTxUs / US
    this.#remoteMultiplier = packet.detectMultiplier
    if (packet.final && this.#polling) this.#endPoll()
    if (this.transmitIntervalMs !== interval) this.#scheduleAfterLast(now)
    if (this.#state === 'AdminDown') return undefined
    this.#receivedAt = now
    this.#follow(packet.state, now)
    return packet.poll ? this.#packet({ final: true }) : undefined
  }

  /** Does what time brings: ends a silent session, sends what is due. @returns packets that are to go out */
  advance(now: number): BfdPacket[] {
    if (this.isDetectionDue(now)) this.#expire(now)
    if (!this.#maySend || now < this.#nextSendAt) return []
    this.#lastSentAt = now
    this.#nextSendAt = now + this.#jittered()
    return [this.#packet({ final: false })]
  }

  /** Gives the session other timers; it stays up. */
  configure(timers: BfdTimers, now: number): void {
    const minRxMs = this.#requiredMinRxMs
    this.#wanted = timers
    if (timers.minRxMs !== minRxMs) {
      // A shorter time counts only once the other end knows that it has to send that fast.
      if (timers.minRxMs < minRxMs && this.#state === 'Up') this.#rxBeforePoll ??= minRxMs
      this.#requiredMinRxMs = timers.minRxMs
      this.#polling = true
    }
    this.#setDesiredMinTx(now)
  }

  /** Takes the session down on purpose: the other end is told, and does not take it for a failure. */
  adminDown(now: number): void {
    this.#changeState('AdminDown', 'administrativelyDown', now)
  }

  /** Ends {@link adminDown}. */
  adminUp(now: number): void {
    if (this.#state === 'AdminDown') this.#changeState('Down', 'noDiagnostic', now)
  }

  get #detectAt(): number {
    if (this.#receivedAt === undefined) return Number.POSITIVE_INFINITY
    return this.#receivedAt + this.detectionTimeMs
  }

  get #maySend(): boolean {
    if (this.#passive && this.#remoteDiscriminator === 0) return false
    if (this.#remoteMinRxMs === 0) return false
    const isDemandActive = this.#remoteDemand && this.#state === 'Up' && this.#remoteState === 'Up'
    return !isDemandActive || this.#polling
  }

  #follow(received: BfdState, now: number): void {
    const signaled = 'neighborSignaledSessionDown'
    if (received === 'AdminDown') {
      if (this.#state !== 'Down') this.#changeState('Down', signaled, now)
    } else if (this.#state === 'Down') {
      if (received === 'Down') this.#changeState('Init', 'noDiagnostic', now)
      else if (received === 'Init') this.#changeState('Up', 'noDiagnostic', now)
    } else if (this.#state === 'Init') {
      if (received !== 'Down') this.#changeState('Up', 'noDiagnostic', now)
    } else if (received === 'Down') {
      this.#changeState('Down', signaled, now)
    }
  }

  /** Nothing came for the detection time: whoever is there now is a stranger. */
  #expire(now: number): void {
    this.#receivedAt = undefined
    this.#remoteDiscriminator = 0
    this.#remoteMinRxMs = 1 / US
    this.#remoteDemand = false
    this.#remoteState = 'Down'
    if (this.#state === 'Init' || this.#state === 'Up') this.#changeState('Down', 'controlDetectionTimeExpired', now)
  }

  #changeState(state: BfdState, diagnostic: BfdDiagnostic, now: number): void {
    if (this.#state === state) return
    this.#state = state
    this.#localDiagnostic = diagnostic
    this.#setDesiredMinTx(now)
    // What only a session that is up may put off, counts now.
    if (state !== 'Up') this.#txBeforePoll = this.#rxBeforePoll = undefined
    // The other end is to know at once (§6.8.7).
    this.#nextSendAt = now
  }

  #setDesiredMinTx(now: number): void {
    const wanted = this.#wantedTxMs()
    const before = this.#desiredMinTxMs
    if (wanted === before) return
    if (wanted > before && this.#state === 'Up') this.#txBeforePoll ??= before
    this.#desiredMinTxMs = wanted
    this.#polling = true
    this.#scheduleAfterLast(now)
  }

  #wantedTxMs(): number {
    return this.#state === 'Up' ? this.#wanted.minTxMs : Math.max(SLOW_TX_MS, this.#wanted.minTxMs)
  }

  #endPoll(): void {
    this.#polling = false
    this.#txBeforePoll = undefined
    this.#rxBeforePoll = undefined
  }

  #scheduleAfterLast(now: number): void {
    this.#nextSendAt = Math.max(now, this.#lastSentAt + this.#jittered())
  }

  /** 75 to 100 % of the interval; at most 90 % when one lost packet is one too many (§6.8.7). */
  #jittered(): number {
    const spread = this.#wanted.multiplier === 1 ? 0.15 : 0.25
    return this.transmitIntervalMs * (0.75 + spread * this.#random())
  }

  #packet({ final }: { final: boolean }): BfdPacket {
    return {
      diagnostic: BFD_DIAGNOSTICS.indexOf(this.#localDiagnostic),
      state: this.#state,
      poll: this.#polling && !final,
      final,
      controlPlaneIndependent: false,
      demand: false,
      detectMultiplier: this.#wanted.multiplier,
      myDiscriminator: this.localDiscriminator,
      yourDiscriminator: this.#remoteDiscriminator,
      desiredMinTxUs: Math.round(this.#desiredMinTxMs * US),
      requiredMinRxUs: Math.round(this.#requiredMinRxMs * US),
      requiredMinEchoRxUs: 0,
    }
  }
}
