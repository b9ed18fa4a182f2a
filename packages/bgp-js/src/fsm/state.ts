import type { NotificationFields } from '../errors.ts'

/** Session states (RFC 4271 §8.2.2). */
export type SessionState = 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established'

/** `delayOpen` is the DelayOpenTimer, `idleHold` the IdleHoldTimer of DampPeerOscillations (RFC 4271 §8.1.1). */
export type TimerName = 'connectRetry' | 'hold' | 'keepalive' | 'delayOpen' | 'idleHold'

/**
 * Events of RFC 4271 §8.1 by their names there and in their order; `BgpOpenWithDelayOpenTimerRunning` is event 20.
 * DampPeerOscillations is always on: what starts a session by itself after a fault is event 6, 7 or 13. Left out is
 * TcpConnectionValid (14): a listener shows only connections that are whole. Added: ROUTE-REFRESH (RFC 2918) and the
 * send hold timer (RFC 9687, event 29).
 */
export type SessionEventName =
  | 'ManualStart'
  | 'ManualStop'
  | 'AutomaticStart'
  | 'ManualStartWithPassiveTcpEstablishment'
  | 'AutomaticStartWithPassiveTcpEstablishment'
  | 'AutomaticStartWithDampPeerOscillations'
  | 'AutomaticStartWithDampPeerOscillationsAndPassiveTcpEstablishment'
  | 'AutomaticStop'
  | 'ConnectRetryTimerExpires'
  | 'HoldTimerExpires'
  | 'KeepaliveTimerExpires'
  | 'DelayOpenTimerExpires'
  | 'IdleHoldTimerExpires'
  | 'TcpCrInvalid'
  | 'TcpCrAcked'
  | 'TcpConnectionConfirmed'
  | 'TcpConnectionFails'
  | 'BgpOpen'
  | 'BgpOpenWithDelayOpenTimerRunning'
  | 'BgpHeaderErr'
  | 'BgpOpenMsgErr'
  | 'OpenCollisionDump'
  | 'NotifMsgVerErr'
  | 'NotifMsg'
  | 'KeepAliveMsg'
  | 'UpdateMsg'
  | 'UpdateMsgErr'
  | 'RouteRefreshMsg'
  | 'SendHoldTimerExpires'

/** What an answer may depend on beside state and event. */
export interface SessionFacts {
  /** The DelayOpen attribute (RFC 4271 §8.1.1): OPEN waits a while for the peer's. */
  readonly delayOpen: boolean
  readonly delayOpenTimerRuns: boolean
}

/** What the shell has to do, in order. The table holds no values: durations and messages are the shell's. */
export type SessionAction =
  | { readonly do: 'start'; readonly timer: TimerName }
  | { readonly do: 'stopTimers' }
  | { readonly do: 'stop'; readonly timer: TimerName }
  | { readonly do: 'dial' }
  /** Raises event 6 or 7, unless something holds the peer down. */
  | { readonly do: 'startAgain' }
  | { readonly do: 'dropTcp' }
  | { readonly do: 'sendOpen' }
  | { readonly do: 'sendKeepalive' }
  /** With the fields given here, or those that the event brought. */
  | { readonly do: 'sendNotification'; readonly fields?: NotificationFields }
  | { readonly do: 'countFailure' }
  | { readonly do: 'processUpdate' }
  | { readonly do: 'processRouteRefresh' }
  | { readonly do: 'sessionUp' }
  | { readonly do: 'sessionDown' }

export interface Transition {
  readonly next: SessionState
  readonly actions: readonly SessionAction[]
  /** Why, for logs and status. */
  readonly reason: string
}

/** An answer that depends on a fact. */
export interface Guarded {
  readonly given: keyof SessionFacts
  readonly ifSo: Transition
  readonly otherwise: Transition
}

/** A state's answers; an event that is absent is ignored, as RFC 4271 says for that state. */
export type StateRow = { readonly [E in SessionEventName]?: Transition | Guarded }
