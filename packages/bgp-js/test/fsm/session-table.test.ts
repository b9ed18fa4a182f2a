import { expect, test } from 'vitest'
import { transition } from '../../src/fsm/session-table.ts'
import type { SessionAction, SessionEventName, SessionState } from '../../src/fsm/state.ts'

// Written from RFC 4271 §8.2.2 (with RFC 4724, RFC 9687 and the two choices that DESIGN.md names), not from the code.
// RELEASE: stop all timers, drop TCP. FAULT: RELEASE, count, start the idle hold timer. LOST: the same with the routes.
const RELEASE = 'stopTimers dropTcp'
const FAULT = `${RELEASE} countFailure start:idleHold`
const LOST = `${RELEASE} sessionDown countFailure start:idleHold`

const rows: readonly [SessionState, SessionEventName, SessionState, string][] = [
  ['Idle', 'ManualStart', 'Connect', 'start:connectRetry dial'],
  ['Idle', 'AutomaticStart', 'Connect', 'start:connectRetry dial'],
  ['Idle', 'ManualStartWithPassiveTcpEstablishment', 'Active', 'stopTimers'],
  ['Idle', 'AutomaticStartWithPassiveTcpEstablishment', 'Active', 'stopTimers'],
  ['Idle', 'ManualStop', 'Idle', 'stopTimers'],
  ['Idle', 'AutomaticStop', 'Idle', 'stopTimers'],

  ['Connect', 'ManualStop', 'Idle', RELEASE],
  ['Connect', 'AutomaticStop', 'Idle', RELEASE],
  ['Connect', 'ConnectRetryTimerExpires', 'Connect', 'dropTcp start:connectRetry dial'],
  ['Connect', 'TcpCrAcked', 'OpenSent', 'stop:connectRetry sendOpen start:hold'],
  ['Connect', 'TcpConnectionConfirmed', 'OpenSent', 'stop:connectRetry sendOpen start:hold'],
  ['Connect', 'TcpConnectionFails', 'Active', 'dropTcp countFailure start:connectRetry'],

  ['Active', 'ManualStop', 'Idle', RELEASE],
  ['Active', 'AutomaticStop', 'Idle', RELEASE],
  ['Active', 'ConnectRetryTimerExpires', 'Connect', 'start:connectRetry dial'],
  ['Active', 'TcpCrAcked', 'OpenSent', 'stop:connectRetry sendOpen start:hold'],
  ['Active', 'TcpConnectionConfirmed', 'OpenSent', 'stop:connectRetry sendOpen start:hold'],
  ['Active', 'TcpConnectionFails', 'Idle', FAULT],

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

const states: readonly SessionState[] = ['Idle', 'Connect', 'Active', 'OpenSent', 'OpenConfirm', 'Established']
// Exhaustive by type: a new event has to be listed here.
const everyEvent: Record<SessionEventName, true> = {
  ManualStart: true,
  ManualStop: true,
  AutomaticStart: true,
  ManualStartWithPassiveTcpEstablishment: true,
  AutomaticStartWithPassiveTcpEstablishment: true,
  ConnectRetryTimerExpires: true,
  HoldTimerExpires: true,
  KeepaliveTimerExpires: true,
  TcpCrAcked: true,
  TcpConnectionConfirmed: true,
  TcpConnectionFails: true,
  BgpOpen: true,
  BgpHeaderErr: true,
  BgpOpenMsgErr: true,
  OpenCollisionDump: true,
  AutomaticStop: true,
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

test('these are all transitions there are: everything else is ignored', () => {
  const listed = new Set(rows.map(([state, event]) => `${state} ${event}`))
  const real = all.filter((item) => item.found !== undefined).map((item) => `${item.state} ${item.event}`)
  expect(new Set(real)).toEqual(listed)
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
