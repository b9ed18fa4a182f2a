import type { NotificationFields } from '../errors.ts'

/** Session states (RFC 4271 §8.2.2). */
export type SessionState = 'Idle' | 'Connect' | 'Active' | 'OpenSent' | 'OpenConfirm' | 'Established'

/** `idleHold` is the IdleHoldTimer of DampPeerOscillations; `sendHold` is RFC 9687. DelayOpen is not used. */
export type TimerName = 'connectRetry' | 'hold' | 'keepalive' | 'idleHold'

/**
 * Events of RFC 4271 §8.1 by their names there. Left out: the DelayOpen ones (12, 20), which need an optional attribute
 * that this speaker does not have, and TcpCrInvalid (15), because strangers are turned away before a session sees them.
 * `IdleHoldTimerExpires` (13) arrives as an automatic start. Added: ROUTE-REFRESH (RFC 2918) and the send hold timer
 * (RFC 9687, event 29).
 */
export type SessionEventName =
  | 'ManualStart'
  | 'ManualStop'
  | 'AutomaticStart'
  | 'ManualStartWithPassiveTcpEstablishment'
  | 'AutomaticStartWithPassiveTcpEstablishment'
  | 'ConnectRetryTimerExpires'
  | 'HoldTimerExpires'
  | 'KeepaliveTimerExpires'
  | 'TcpCrAcked'
  | 'TcpConnectionConfirmed'
  | 'TcpConnectionFails'
  | 'BgpOpen'
  | 'BgpHeaderErr'
  | 'BgpOpenMsgErr'
  | 'OpenCollisionDump'
  | 'AutomaticStop'
  | 'NotifMsgVerErr'
  | 'NotifMsg'
  | 'KeepAliveMsg'
  | 'UpdateMsg'
  | 'UpdateMsgErr'
  | 'RouteRefreshMsg'
  | 'SendHoldTimerExpires'

/** What the shell has to do, in order. The table holds no values: durations and messages are the shell's. */
export type SessionAction =
  | { readonly do: 'start'; readonly timer: TimerName }
  | { readonly do: 'stopTimers' }
  | { readonly do: 'stop'; readonly timer: TimerName }
  | { readonly do: 'dial' }
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

/** A state's answers; an event that is absent is ignored, as RFC 4271 says for that state. */
export type StateRow = { readonly [E in SessionEventName]?: Transition }
