import { expect, test } from 'vitest'
import { transition } from '../../src/fsm/session-table.ts'
import type { SessionAction, SessionEventName, SessionState } from '../../src/fsm/state.ts'

// Written from RFC 4271 §8.2.2 (with RFC 4724, RFC 9687 and the two choices that DESIGN.md names), not from the code.
// RELEASE: stop all timers, drop TCP. FAULT: RELEASE, count, start the idle hold timer. LOST: the same with the routes.
const RELEASE = 'stopTimers dropTcp'
const FAULT = `${RELEASE} countFailure start:idleHold`
const LOST = `${RELEASE} sessionDown countFailure start:idleHold`

const DIAL = 'stop:idleHold start:connectRetry dial'
const SEND_OPEN = 'stop:connectRetry sendOpen start:hold'
const OPEN_BEFORE_OURS = 'stop:connectRetry stop:delayOpen sendOpen sendKeepalive start:keepalive start:hold'

const rows: readonly [SessionState, SessionEventName, SessionState, string][] = [
  ['Idle', 'ManualStart', 'Connect', DIAL],
  ['Idle', 'ManualStop', 'Idle', 'stopTimers'],
  ['Idle', 'AutomaticStart', 'Connect', DIAL],
  ['Idle', 'ManualStartWithPassiveTcpEstablishment', 'Active', 'stopTimers'],
  ['Idle', 'AutomaticStartWithPassiveTcpEstablishment', 'Active', 'stopTimers'],
  ['Idle', 'AutomaticStartWithDampPeerOscillations', 'Connect', DIAL],
  ['Idle', 'AutomaticStartWithDampPeerOscillationsAndPassiveTcpEstablishment', 'Active', 'stopTimers'],
  ['Idle', 'IdleHoldTimerExpires', 'Idle', 'startAgain'],

  ['Connect', 'ManualStop', 'Idle', RELEASE],
  ['Connect', 'AutomaticStop', 'Idle', FAULT],
  ['Connect', 'ConnectRetryTimerExpires', 'Connect', 'dropTcp start:connectRetry stop:delayOpen dial'],
  ['Connect', 'HoldTimerExpires', 'Idle', FAULT],
  ['Connect', 'KeepaliveTimerExpires', 'Idle', FAULT],
  ['Connect', 'DelayOpenTimerExpires', 'OpenSent', `stop:delayOpen ${SEND_OPEN}`],
  ['Connect', 'IdleHoldTimerExpires', 'Idle', FAULT],
  ['Connect', 'TcpCrInvalid', 'Connect', ''],
  ['Connect', 'TcpCrAcked', 'OpenSent', SEND_OPEN],
  ['Connect', 'TcpConnectionConfirmed', 'OpenSent', SEND_OPEN],
  ['Connect', 'TcpConnectionFails', 'Active', 'stop:delayOpen dropTcp countFailure start:connectRetry'],
  ['Connect', 'BgpOpen', 'Idle', FAULT],
  ['Connect', 'BgpOpenWithDelayOpenTimerRunning', 'OpenConfirm', OPEN_BEFORE_OURS],
  ['Connect', 'BgpHeaderErr', 'Idle', `notify ${FAULT}`],
  ['Connect', 'BgpOpenMsgErr', 'Idle', `notify ${FAULT}`],
  ['Connect', 'OpenCollisionDump', 'Idle', FAULT],
  ['Connect', 'NotifMsgVerErr', 'Idle', FAULT],
  ['Connect', 'NotifMsg', 'Idle', FAULT],
  ['Connect', 'KeepAliveMsg', 'Idle', FAULT],
  ['Connect', 'UpdateMsg', 'Idle', FAULT],
  ['Connect', 'UpdateMsgErr', 'Idle', FAULT],
  ['Connect', 'RouteRefreshMsg', 'Idle', FAULT],
  ['Connect', 'SendHoldTimerExpires', 'Idle', FAULT],

  ['Active', 'ManualStop', 'Idle', RELEASE],
  ['Active', 'AutomaticStop', 'Idle', FAULT],
  ['Active', 'ConnectRetryTimerExpires', 'Connect', DIAL],
  ['Active', 'HoldTimerExpires', 'Idle', FAULT],
  ['Active', 'KeepaliveTimerExpires', 'Idle', FAULT],
  ['Active', 'DelayOpenTimerExpires', 'OpenSent', `stop:delayOpen ${SEND_OPEN}`],
  ['Active', 'IdleHoldTimerExpires', 'Idle', FAULT],
  ['Active', 'TcpCrInvalid', 'Active', ''],
  ['Active', 'TcpCrAcked', 'OpenSent', SEND_OPEN],
  ['Active', 'TcpConnectionConfirmed', 'OpenSent', SEND_OPEN],
  ['Active', 'TcpConnectionFails', 'Idle', FAULT],
  ['Active', 'BgpOpen', 'Idle', FAULT],
  ['Active', 'BgpOpenWithDelayOpenTimerRunning', 'OpenConfirm', OPEN_BEFORE_OURS],
  ['Active', 'BgpHeaderErr', 'Idle', `notify ${FAULT}`],
  ['Active', 'BgpOpenMsgErr', 'Idle', `notify ${FAULT}`],
  ['Active', 'OpenCollisionDump', 'Idle', FAULT],
  ['Active', 'NotifMsgVerErr', 'Idle', FAULT],
  ['Active', 'NotifMsg', 'Idle', FAULT],
  ['Active', 'KeepAliveMsg', 'Idle', FAULT],
  ['Active', 'UpdateMsg', 'Idle', FAULT],
  ['Active', 'UpdateMsgErr', 'Idle', FAULT],
  ['Active', 'RouteRefreshMsg', 'Idle', FAULT],
  ['Active', 'SendHoldTimerExpires', 'Idle', FAULT],

  ['OpenSent', 'ConnectRetryTimerExpires', 'Idle', `notify:5/1 ${FAULT}`],
  ['OpenSent', 'KeepaliveTimerExpires', 'Idle', `notify:5/1 ${FAULT}`],
  ['OpenSent', 'DelayOpenTimerExpires', 'Idle', `notify:5/1 ${FAULT}`],
  ['OpenSent', 'IdleHoldTimerExpires', 'Idle', `notify:5/1 ${FAULT}`],
  ['OpenSent', 'BgpOpenWithDelayOpenTimerRunning', 'Idle', `notify:5/1 ${FAULT}`],
  ['OpenSent', 'ManualStop', 'Idle', `notify ${RELEASE}`],
  ['OpenSent', 'AutomaticStop', 'Idle', `notify ${FAULT}`],
  ['OpenSent', 'HoldTimerExpires', 'Idle', `notify:4/0 ${FAULT}`],
  ['OpenSent', 'TcpConnectionFails', 'Active', `${RELEASE} countFailure start:connectRetry`],
  ['OpenSent', 'BgpOpen', 'OpenConfirm', 'stop:connectRetry sendKeepalive start:keepalive start:hold'],
  ['OpenSent', 'BgpHeaderErr', 'Idle', `notify ${FAULT}`],
  ['OpenSent', 'BgpOpenMsgErr', 'Idle', `notify ${FAULT}`],
  ['OpenSent', 'OpenCollisionDump', 'Idle', `notify:6/7 ${FAULT}`],
  ['OpenSent', 'NotifMsgVerErr', 'Idle', `start:idleHold ${RELEASE}`],
  ['OpenSent', 'NotifMsg', 'Idle', FAULT],
  ['OpenSent', 'KeepAliveMsg', 'Idle', `notify:5/1 ${FAULT}`],
  ['OpenSent', 'UpdateMsg', 'Idle', `notify:5/1 ${FAULT}`],
  ['OpenSent', 'UpdateMsgErr', 'Idle', `notify:5/1 ${FAULT}`],
  ['OpenSent', 'RouteRefreshMsg', 'Idle', `notify:5/1 ${FAULT}`],
  ['OpenSent', 'SendHoldTimerExpires', 'Idle', `notify:8/0 ${FAULT}`],

  ['OpenConfirm', 'ConnectRetryTimerExpires', 'Idle', `notify:5/2 ${FAULT}`],
  ['OpenConfirm', 'DelayOpenTimerExpires', 'Idle', `notify:5/2 ${FAULT}`],
  ['OpenConfirm', 'IdleHoldTimerExpires', 'Idle', `notify:5/2 ${FAULT}`],
  ['OpenConfirm', 'BgpOpenWithDelayOpenTimerRunning', 'Idle', `notify:5/2 ${FAULT}`],
  ['OpenConfirm', 'ManualStop', 'Idle', `notify ${RELEASE}`],
  ['OpenConfirm', 'AutomaticStop', 'Idle', `notify ${FAULT}`],
  ['OpenConfirm', 'HoldTimerExpires', 'Idle', `notify:4/0 ${FAULT}`],
  ['OpenConfirm', 'KeepaliveTimerExpires', 'OpenConfirm', 'sendKeepalive start:keepalive'],
  ['OpenConfirm', 'TcpConnectionFails', 'Idle', FAULT],
  ['OpenConfirm', 'NotifMsgVerErr', 'Idle', `start:idleHold ${RELEASE}`],
  ['OpenConfirm', 'NotifMsg', 'Idle', FAULT],
  ['OpenConfirm', 'BgpOpen', 'Idle', `notify:5/2 ${FAULT}`],
  ['OpenConfirm', 'BgpHeaderErr', 'Idle', `notify ${FAULT}`],
  ['OpenConfirm', 'BgpOpenMsgErr', 'Idle', `notify ${FAULT}`],
  ['OpenConfirm', 'OpenCollisionDump', 'Idle', `notify:6/7 ${FAULT}`],
  ['OpenConfirm', 'KeepAliveMsg', 'Established', 'start:hold sessionUp'],
  ['OpenConfirm', 'UpdateMsg', 'Idle', `notify:5/2 ${FAULT}`],
  ['OpenConfirm', 'UpdateMsgErr', 'Idle', `notify:5/2 ${FAULT}`],
  ['OpenConfirm', 'RouteRefreshMsg', 'Idle', `notify:5/2 ${FAULT}`],
  ['OpenConfirm', 'SendHoldTimerExpires', 'Idle', `notify:8/0 ${FAULT}`],

  ['Established', 'ConnectRetryTimerExpires', 'Idle', `notify:5/3 ${LOST}`],
  ['Established', 'DelayOpenTimerExpires', 'Idle', `notify:5/3 ${LOST}`],
  ['Established', 'IdleHoldTimerExpires', 'Idle', `notify:5/3 ${LOST}`],
  ['Established', 'BgpOpenWithDelayOpenTimerRunning', 'Idle', `notify:5/3 ${LOST}`],
  ['Established', 'ManualStop', 'Idle', `notify ${RELEASE} sessionDown`],
  ['Established', 'AutomaticStop', 'Idle', `notify ${LOST}`],
  ['Established', 'HoldTimerExpires', 'Idle', `notify:4/0 ${LOST}`],
  ['Established', 'KeepaliveTimerExpires', 'Established', 'sendKeepalive start:keepalive'],
  ['Established', 'TcpConnectionFails', 'Idle', LOST],
  ['Established', 'NotifMsgVerErr', 'Idle', LOST],
  ['Established', 'NotifMsg', 'Idle', LOST],
  ['Established', 'BgpOpen', 'Idle', `notify:5/3 ${LOST}`],
  ['Established', 'BgpHeaderErr', 'Idle', `notify ${LOST}`],
  ['Established', 'BgpOpenMsgErr', 'Idle', `notify:5/3 ${LOST}`],
  ['Established', 'OpenCollisionDump', 'Idle', `notify:6/7 ${LOST}`],
  ['Established', 'KeepAliveMsg', 'Established', 'start:hold'],
  ['Established', 'UpdateMsg', 'Established', 'start:hold processUpdate'],
  ['Established', 'UpdateMsgErr', 'Idle', `notify ${LOST}`],
  ['Established', 'RouteRefreshMsg', 'Established', 'start:hold processRouteRefresh'],
  ['Established', 'SendHoldTimerExpires', 'Idle', `notify:8/0 ${LOST}`],
]

type Facts = Parameters<typeof transition>[2]
// §8.2.2, Connect and Active: the answers that depend on DelayOpen.
const delayed: readonly [SessionState, SessionEventName, Facts, SessionState, string][] = (
  ['Connect', 'Active'] as const
).flatMap((state) => {
  const on = { delayOpen: true, delayOpenTimerRuns: false }
  const running = { delayOpen: true, delayOpenTimerRuns: true }
  return [
    [state, 'TcpCrAcked', on, state, 'stop:connectRetry start:delayOpen'],
    [state, 'TcpConnectionConfirmed', on, state, 'stop:connectRetry start:delayOpen'],
    [state, 'NotifMsgVerErr', running, 'Idle', `start:idleHold ${RELEASE}`],
    [state, 'ManualStop', running, 'Idle', `notify ${RELEASE}`],
    [state, 'AutomaticStop', running, 'Idle', `notify ${FAULT}`],
  ]
})

const START: readonly SessionEventName[] = [
  'ManualStart',
  'AutomaticStart',
  'ManualStartWithPassiveTcpEstablishment',
  'AutomaticStartWithPassiveTcpEstablishment',
  'AutomaticStartWithDampPeerOscillations',
  'AutomaticStartWithDampPeerOscillationsAndPassiveTcpEstablishment',
]
// A second connection is a session of its own (§6.8): the one that has a connection ignores 15, 16 and 17.
const SECOND_CONNECTION: readonly SessionEventName[] = ['TcpCrInvalid', 'TcpCrAcked', 'TcpConnectionConfirmed']
const ignored: Readonly<Record<SessionState, readonly SessionEventName[]>> = {
  Idle: [
    'AutomaticStop',
    'ConnectRetryTimerExpires',
    'HoldTimerExpires',
    'KeepaliveTimerExpires',
    'DelayOpenTimerExpires',
    ...SECOND_CONNECTION,
    'TcpConnectionFails',
    'BgpOpen',
    'BgpOpenWithDelayOpenTimerRunning',
    'BgpHeaderErr',
    'BgpOpenMsgErr',
    'OpenCollisionDump',
    'NotifMsgVerErr',
    'NotifMsg',
    'KeepAliveMsg',
    'UpdateMsg',
    'UpdateMsgErr',
    'RouteRefreshMsg',
    'SendHoldTimerExpires',
  ],
  Connect: START,
  Active: START,
  OpenSent: [...START, ...SECOND_CONNECTION],
  OpenConfirm: [...START, ...SECOND_CONNECTION],
  Established: [...START, ...SECOND_CONNECTION],
}
const ignoredRows = Object.entries(ignored).flatMap(([state, events]) =>
  events.map((event) => [state as SessionState, event] as const),
)

const text = (action: SessionAction): string => {
  if (action.do === 'start' || action.do === 'stop') return `${action.do}:${action.timer}`
  if (action.do !== 'sendNotification') return action.do
  return action.fields === undefined ? 'notify' : `notify:${action.fields.code}/${action.fields.subcode}`
}

test.for(rows)('%s × %s → %s', ([state, event, next, actions]) => {
  const found = transition(state, event)
  expect(found?.next).toBe(next)
  // Whatever is started outlives a stopTimers only when it comes behind it.
  const order = (list: string): string => list.split(' ').toSorted().join(' ')
  expect(order(found?.actions.map(text).join(' ') ?? '')).toBe(order(actions))
  expect(found?.reason).not.toBe('')
})

test.for(delayed)('%s × %s, DelayOpen: %o → %s', ([state, event, facts, next, actions]) => {
  const found = transition(state, event, facts)
  expect(found?.next).toBe(next)
  const order = (list: string): string => list.split(' ').toSorted().join(' ')
  expect(order(found?.actions.map(text).join(' ') ?? '')).toBe(order(actions))
})

test.for(ignoredRows)('%s × %s is ignored', ([state, event]) => {
  expect(transition(state, event)).toBe(undefined)
})

const states: readonly SessionState[] = ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established']
// Exhaustive by type: a new event has to be listed here.
const everyEvent: Record<SessionEventName, true> = {
  ManualStart: true,
  ManualStop: true,
  AutomaticStart: true,
  ManualStartWithPassiveTcpEstablishment: true,
  AutomaticStartWithPassiveTcpEstablishment: true,
  AutomaticStartWithDampPeerOscillations: true,
  AutomaticStartWithDampPeerOscillationsAndPassiveTcpEstablishment: true,
  AutomaticStop: true,
  ConnectRetryTimerExpires: true,
  HoldTimerExpires: true,
  KeepaliveTimerExpires: true,
  DelayOpenTimerExpires: true,
  IdleHoldTimerExpires: true,
  TcpCrInvalid: true,
  TcpCrAcked: true,
  TcpConnectionConfirmed: true,
  TcpConnectionFails: true,
  BgpOpen: true,
  BgpOpenWithDelayOpenTimerRunning: true,
  BgpHeaderErr: true,
  BgpOpenMsgErr: true,
  OpenCollisionDump: true,
  NotifMsgVerErr: true,
  NotifMsg: true,
  KeepAliveMsg: true,
  UpdateMsg: true,
  UpdateMsgErr: true,
  RouteRefreshMsg: true,
  SendHoldTimerExpires: true,
}
const all = states.flatMap((state) =>
  (Object.keys(everyEvent) as SessionEventName[]).map((event) => ({ state, event, found: transition(state, event) })),
)

test('every pair of state and event is a row above, once', () => {
  const listed = [...rows, ...ignoredRows].map(([state, event]) => `${state} ${event}`)
  expect(listed.toSorted()).toEqual(all.map(({ state, event }) => `${state} ${event}`).toSorted())
})

test('a NOTIFICATION is written before TCP is dropped, and timers are started after all were stopped', () => {
  for (const { state, event, found } of all) {
    const names = found?.actions.map(text) ?? []
    const at = (predicate: (name: string) => boolean): number => names.findIndex(predicate)
    const notify = at((name) => name.startsWith('notify'))
    if (notify !== -1) expect(notify, `${state} ${event}`).toBeLessThan(at((name) => name === 'dropTcp'))
    const stopped = at((name) => name === 'stopTimers')
    const started = at((name) => name === 'start:idleHold')
    if (started !== -1) expect(started, `${state} ${event}`).toBeGreaterThan(stopped)
  }
})
