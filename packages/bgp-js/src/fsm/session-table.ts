import type {
  Guarded,
  SessionAction,
  SessionEventName,
  SessionFacts,
  SessionState,
  StateRow,
  TimerName,
  Transition,
} from './state.ts'

const start = (timer: TimerName): SessionAction => ({ do: 'start', timer })
const stop = (timer: 'connectRetry' | 'delayOpen' | 'idleHold'): SessionAction => ({ do: 'stop', timer })
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
  actions: [stop('idleHold'), start('connectRetry'), { do: 'dial' }],
  reason: 'started',
}
const LISTEN: Transition = {
  next: 'Active',
  actions: [{ do: 'stopTimers' }],
  reason: 'waiting for the peer to connect',
}
const SEND_OPEN: readonly SessionAction[] = [stop('connectRetry'), { do: 'sendOpen' }, start('hold')]
/** A connection is there: OPEN goes out at once, or waits for the peer's (RFC 4271 §8.2.2, events 16 and 17). */
const tcpUp = (state: 'Connect' | 'Active'): Guarded => ({
  given: 'delayOpen',
  ifSo: { next: state, actions: [stop('connectRetry'), start('delayOpen')], reason: 'waiting for OPEN' },
  otherwise: { next: 'OpenSent', actions: SEND_OPEN, reason: 'TCP connection established' },
})
const DELAY_IS_OVER: Transition = {
  next: 'OpenSent',
  actions: [stop('delayOpen'), ...SEND_OPEN],
  reason: 'no OPEN while ours was delayed',
}
const OPEN_BEFORE_OURS: Transition = {
  next: 'OpenConfirm',
  actions: [
    stop('connectRetry'),
    stop('delayOpen'),
    { do: 'sendOpen' },
    { do: 'sendKeepalive' },
    start('keepalive'),
    start('hold'),
  ],
  reason: 'OPEN accepted',
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
  AutomaticStartWithDampPeerOscillations: DIAL,
  ManualStartWithPassiveTcpEstablishment: LISTEN,
  AutomaticStartWithPassiveTcpEstablishment: LISTEN,
  AutomaticStartWithDampPeerOscillationsAndPassiveTcpEstablishment: LISTEN,
  IdleHoldTimerExpires: { next: 'Idle', actions: [{ do: 'startAgain' }], reason: 'idle hold time is over' },
  // The RFC ignores it; here it also ends the IdleHoldTimer, which would start the session again.
  ManualStop: { next: 'Idle', actions: [{ do: 'stopTimers' }], reason: 'stopped' },
} satisfies StateRow

/** What Connect and Active do with messages: there is a connection only while OPEN is delayed. */
const UNEXPECTED_BEFORE_OPEN = fault('unexpected event before OPEN')
const BEFORE_OPEN = {
  ManualStop: {
    given: 'delayOpenTimerRuns',
    // SendNOTIFICATIONwithoutOPEN is on.
    ifSo: halt('stopped', NOTIFY_FROM_EVENT),
    otherwise: halt('stopped'),
  },
  AutomaticStop: {
    given: 'delayOpenTimerRuns',
    ifSo: fault('stopped by itself', NOTIFY_FROM_EVENT),
    otherwise: fault('stopped by itself'),
  },
  HoldTimerExpires: UNEXPECTED_BEFORE_OPEN,
  KeepaliveTimerExpires: UNEXPECTED_BEFORE_OPEN,
  DelayOpenTimerExpires: DELAY_IS_OVER,
  IdleHoldTimerExpires: UNEXPECTED_BEFORE_OPEN,
  BgpOpen: UNEXPECTED_BEFORE_OPEN,
  BgpOpenWithDelayOpenTimerRunning: OPEN_BEFORE_OURS,
  BgpHeaderErr: fault('message header error', NOTIFY_FROM_EVENT),
  BgpOpenMsgErr: fault('OPEN refused', NOTIFY_FROM_EVENT),
  OpenCollisionDump: fault('connection collision'),
  NotifMsgVerErr: {
    given: 'delayOpenTimerRuns',
    ifSo: WRONG_VERSION,
    otherwise: fault('the peer wants another BGP version'),
  },
  NotifMsg: fault('NOTIFICATION received'),
  KeepAliveMsg: UNEXPECTED_BEFORE_OPEN,
  UpdateMsg: UNEXPECTED_BEFORE_OPEN,
  UpdateMsgErr: UNEXPECTED_BEFORE_OPEN,
  RouteRefreshMsg: UNEXPECTED_BEFORE_OPEN,
  SendHoldTimerExpires: UNEXPECTED_BEFORE_OPEN,
} satisfies StateRow

const CONNECT = {
  ...BEFORE_OPEN,
  ConnectRetryTimerExpires: {
    next: 'Connect',
    actions: [{ do: 'dropTcp' }, start('connectRetry'), stop('delayOpen'), { do: 'dial' }],
    reason: 'no answer in time, dialing again',
  },
  TcpCrInvalid: { next: 'Connect', actions: [], reason: 'connection rejected' },
  TcpCrAcked: tcpUp('Connect'),
  TcpConnectionConfirmed: tcpUp('Connect'),
  // The RFC goes to Idle unless the DelayOpenTimer runs, where a peer that dials us would be refused; other speakers
  // stay reachable in Active until the next attempt always.
  TcpConnectionFails: {
    next: 'Active',
    actions: [stop('delayOpen'), { do: 'dropTcp' }, { do: 'countFailure' }, start('connectRetry')],
    reason: 'TCP connection failed',
  },
} satisfies StateRow

const ACTIVE = {
  ...BEFORE_OPEN,
  ConnectRetryTimerExpires: { ...DIAL, reason: 'connect retry' },
  TcpCrInvalid: { next: 'Active', actions: [], reason: 'connection rejected' },
  TcpCrAcked: tcpUp('Active'),
  TcpConnectionConfirmed: tcpUp('Active'),
  TcpConnectionFails: fault('TCP connection failed'),
} satisfies StateRow

const UNEXPECTED_IN_OPEN_SENT = fault('unexpected event in OpenSent', notify(5, 1))
const OPEN_SENT = {
  ConnectRetryTimerExpires: UNEXPECTED_IN_OPEN_SENT,
  KeepaliveTimerExpires: UNEXPECTED_IN_OPEN_SENT,
  DelayOpenTimerExpires: UNEXPECTED_IN_OPEN_SENT,
  IdleHoldTimerExpires: UNEXPECTED_IN_OPEN_SENT,
  BgpOpenWithDelayOpenTimerRunning: UNEXPECTED_IN_OPEN_SENT,
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
  ConnectRetryTimerExpires: UNEXPECTED_IN_OPEN_CONFIRM,
  DelayOpenTimerExpires: UNEXPECTED_IN_OPEN_CONFIRM,
  IdleHoldTimerExpires: UNEXPECTED_IN_OPEN_CONFIRM,
  BgpOpenWithDelayOpenTimerRunning: UNEXPECTED_IN_OPEN_CONFIRM,
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
  ConnectRetryTimerExpires: UNEXPECTED_IN_ESTABLISHED,
  DelayOpenTimerExpires: UNEXPECTED_IN_ESTABLISHED,
  IdleHoldTimerExpires: UNEXPECTED_IN_ESTABLISHED,
  BgpOpenWithDelayOpenTimerRunning: UNEXPECTED_IN_ESTABLISHED,
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

const PLAIN: SessionFacts = { delayOpen: false, delayOpenTimerRuns: false }

/** @returns the transition, or undefined when the state ignores the event */
export function transition(
  state: SessionState,
  event: SessionEventName,
  facts: SessionFacts = PLAIN,
): Transition | undefined {
  const answer = SESSION_TABLE[state][event]
  if (answer === undefined || !('given' in answer)) return answer
  return facts[answer.given] ? answer.ifSo : answer.otherwise
}
