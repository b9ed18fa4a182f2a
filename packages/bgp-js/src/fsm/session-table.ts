import type { SessionAction, SessionEventName, SessionState, StateRow, Transition } from './state.ts'

const start = (timer: 'connectRetry' | 'hold' | 'keepalive' | 'idleHold'): SessionAction => ({ do: 'start', timer })
const stop = (timer: 'connectRetry' | 'keepalive'): SessionAction => ({ do: 'stop', timer })
const notify = (code: number, subcode: number): SessionAction => ({
  do: 'sendNotification',
  fields: { code, subcode },
})
const NOTIFY_FROM_EVENT: SessionAction = { do: 'sendNotification' }
const RELEASE: readonly SessionAction[] = [{ do: 'stopTimers' }, { do: 'dropTcp' }]

/** A fault: back to Idle, and start again by itself once the IdleHoldTimer has run out (RFC 4271 §8.1.2). */
const fault = (reason: string, ...before: SessionAction[]): Transition => ({
  next: 'Idle',
  actions: [...before, ...RELEASE, { do: 'countFailure' }, start('idleHold')],
  reason,
})
/** The same out of Established, where routes hang on the session. */
const lost = (reason: string, ...before: SessionAction[]): Transition => ({
  next: 'Idle',
  actions: [...before, ...RELEASE, { do: 'sessionDown' }, { do: 'countFailure' }, start('idleHold')],
  reason,
})
/** An administrative stop: no failure, no automatic start. */
const halt = (reason: string, ...before: SessionAction[]): Transition => ({
  next: 'Idle',
  actions: [...before, ...RELEASE],
  reason,
})

const DIAL: Transition = {
  next: 'Connect',
  actions: [start('connectRetry'), { do: 'dial' }],
  reason: 'started',
}
const LISTEN: Transition = {
  next: 'Active',
  actions: [{ do: 'stopTimers' }],
  reason: 'waiting for the peer to connect',
}
const TCP_UP: Transition = {
  next: 'OpenSent',
  actions: [stop('connectRetry'), { do: 'sendOpen' }, start('hold')],
  reason: 'TCP connection established',
}

/** RFC 4271 §8.2.2 does not count this one as a failure. */
const WRONG_VERSION: Transition = {
  next: 'Idle',
  actions: [...RELEASE, start('idleHold')],
  reason: 'the peer wants another BGP version',
}

const IDLE = {
  ManualStart: DIAL,
  AutomaticStart: DIAL,
  ManualStartWithPassiveTcpEstablishment: LISTEN,
  AutomaticStartWithPassiveTcpEstablishment: LISTEN,
  ManualStop: { next: 'Idle', actions: [{ do: 'stopTimers' }], reason: 'stopped' },
  AutomaticStop: { next: 'Idle', actions: [{ do: 'stopTimers' }], reason: 'stopped' },
} satisfies StateRow

const CONNECT = {
  ManualStop: halt('stopped'),
  AutomaticStop: halt('stopped'),
  ConnectRetryTimerExpires: {
    next: 'Connect',
    actions: [{ do: 'dropTcp' }, start('connectRetry'), { do: 'dial' }],
    reason: 'no answer in time, dialing again',
  },
  TcpCrAcked: TCP_UP,
  TcpConnectionConfirmed: TCP_UP,
  // The RFC goes to Idle, where a peer that dials us would be refused; staying reachable in Active until the next
  // attempt is what its DelayOpen branch does, and what other speakers do always.
  TcpConnectionFails: {
    next: 'Active',
    actions: [{ do: 'dropTcp' }, { do: 'countFailure' }, start('connectRetry')],
    reason: 'TCP connection failed',
  },
} satisfies StateRow

const ACTIVE = {
  ManualStop: halt('stopped'),
  AutomaticStop: halt('stopped'),
  ConnectRetryTimerExpires: { ...DIAL, reason: 'connect retry' },
  TcpCrAcked: TCP_UP,
  TcpConnectionConfirmed: TCP_UP,
  TcpConnectionFails: fault('TCP connection failed'),
} satisfies StateRow

const UNEXPECTED_IN_OPEN_SENT = fault('unexpected event in OpenSent', notify(5, 1))
const OPEN_SENT = {
  ManualStop: halt('stopped', NOTIFY_FROM_EVENT),
  AutomaticStop: fault('stopped by itself', NOTIFY_FROM_EVENT),
  HoldTimerExpires: fault('hold timer expired', notify(4, 0)),
  TcpConnectionFails: {
    next: 'Active',
    actions: [{ do: 'stopTimers' }, { do: 'dropTcp' }, { do: 'countFailure' }, start('connectRetry')],
    reason: 'TCP connection lost',
  },
  BgpOpen: {
    next: 'OpenConfirm',
    actions: [stop('connectRetry'), { do: 'sendKeepalive' }, start('keepalive'), start('hold')],
    reason: 'OPEN accepted',
  },
  BgpHeaderErr: fault('message header error', NOTIFY_FROM_EVENT),
  BgpOpenMsgErr: fault('OPEN refused', NOTIFY_FROM_EVENT),
  OpenCollisionDump: fault('connection collision', notify(6, 7)),
  NotifMsgVerErr: WRONG_VERSION,
  // A NOTIFICATION is never answered with one (RFC 4271 §6.4).
  NotifMsg: fault('NOTIFICATION received'),
  KeepAliveMsg: UNEXPECTED_IN_OPEN_SENT,
  UpdateMsg: UNEXPECTED_IN_OPEN_SENT,
  UpdateMsgErr: UNEXPECTED_IN_OPEN_SENT,
  RouteRefreshMsg: UNEXPECTED_IN_OPEN_SENT,
  SendHoldTimerExpires: fault('send hold timer expired', notify(8, 0)),
} satisfies StateRow

const UNEXPECTED_IN_OPEN_CONFIRM = fault('unexpected event in OpenConfirm', notify(5, 2))
const OPEN_CONFIRM = {
  ManualStop: halt('stopped', NOTIFY_FROM_EVENT),
  AutomaticStop: fault('stopped by itself', NOTIFY_FROM_EVENT),
  HoldTimerExpires: fault('hold timer expired', notify(4, 0)),
  KeepaliveTimerExpires: {
    next: 'OpenConfirm',
    actions: [{ do: 'sendKeepalive' }, start('keepalive')],
    reason: 'keepalive',
  },
  TcpConnectionFails: fault('TCP connection lost'),
  NotifMsgVerErr: WRONG_VERSION,
  NotifMsg: fault('NOTIFICATION received'),
  BgpOpen: UNEXPECTED_IN_OPEN_CONFIRM,
  BgpHeaderErr: fault('message header error', NOTIFY_FROM_EVENT),
  BgpOpenMsgErr: fault('OPEN refused', NOTIFY_FROM_EVENT),
  OpenCollisionDump: fault('connection collision', notify(6, 7)),
  KeepAliveMsg: { next: 'Established', actions: [start('hold'), { do: 'sessionUp' }], reason: 'established' },
  UpdateMsg: UNEXPECTED_IN_OPEN_CONFIRM,
  UpdateMsgErr: UNEXPECTED_IN_OPEN_CONFIRM,
  RouteRefreshMsg: UNEXPECTED_IN_OPEN_CONFIRM,
  SendHoldTimerExpires: fault('send hold timer expired', notify(8, 0)),
} satisfies StateRow

const UNEXPECTED_IN_ESTABLISHED = lost('unexpected event in Established', notify(5, 3))
const ESTABLISHED = {
  ManualStop: {
    next: 'Idle',
    actions: [NOTIFY_FROM_EVENT, ...RELEASE, { do: 'sessionDown' }],
    reason: 'stopped',
  },
  AutomaticStop: lost('stopped by itself', NOTIFY_FROM_EVENT),
  HoldTimerExpires: lost('hold timer expired', notify(4, 0)),
  KeepaliveTimerExpires: {
    next: 'Established',
    actions: [{ do: 'sendKeepalive' }, start('keepalive')],
    reason: 'keepalive',
  },
  TcpConnectionFails: lost('TCP connection lost'),
  NotifMsgVerErr: lost('NOTIFICATION received'),
  NotifMsg: lost('NOTIFICATION received'),
  BgpOpen: UNEXPECTED_IN_ESTABLISHED,
  BgpHeaderErr: lost('message header error', NOTIFY_FROM_EVENT),
  BgpOpenMsgErr: UNEXPECTED_IN_ESTABLISHED,
  OpenCollisionDump: lost('connection collision', notify(6, 7)),
  KeepAliveMsg: { next: 'Established', actions: [start('hold')], reason: 'keepalive' },
  UpdateMsg: { next: 'Established', actions: [start('hold'), { do: 'processUpdate' }], reason: 'update' },
  UpdateMsgErr: lost('malformed UPDATE', NOTIFY_FROM_EVENT),
  RouteRefreshMsg: {
    next: 'Established',
    actions: [start('hold'), { do: 'processRouteRefresh' }],
    reason: 'route refresh',
  },
  // RFC 9687 §3.2: the NOTIFICATION is tried, though a peer that reads nothing won't see it.
  SendHoldTimerExpires: lost('send hold timer expired', notify(8, 0)),
} satisfies StateRow

/** RFC 4271 §8.2.2 as data: state × event → what comes next. */
const SESSION_TABLE: Readonly<Record<SessionState, StateRow>> = {
  Idle: IDLE,
  Connect: CONNECT,
  Active: ACTIVE,
  OpenSent: OPEN_SENT,
  OpenConfirm: OPEN_CONFIRM,
  Established: ESTABLISHED,
}

/** @returns the transition, or undefined when the state ignores the event */
export const transition = (state: SessionState, event: SessionEventName): Transition | undefined =>
  SESSION_TABLE[state][event]
