import { expect, test } from 'vitest'
import { describeProblem, type ProblemFacts } from '../../src/speaker/peer-problem.ts'
import type { SessionError } from '../../src/speaker/session-error.ts'

const at = '2026-01-01T00:00:00.000Z'
const FACTS: ProblemFacts = {
  state: 'Active',
  stateMs: 5000,
  adminDown: false,
  holds: [],
  remote: '10.0.0.2:179',
  interface: undefined,
  isPassive: false,
  hasPassword: false,
  lastError: undefined,
  lastNotification: undefined,
  nextAttemptMs: undefined,
}
const local = (text: string): SessionError => ({ direction: 'local', name: 'Connection failed', text, at })

test.for<readonly [string | undefined, Partial<ProblemFacts>]>([
  [undefined, { state: 'Established', lastError: local('reset') }],
  ['administratively down', { adminDown: true, state: 'Idle', lastError: local('reset') }],
  ['held by maxPrefixes for 40 s', { state: 'Idle', holds: [{ reason: 'maxPrefixes', remainingMs: 39_001 }] }],
  ['held by maxPrefixes until it is cleared', { holds: [{ reason: 'maxPrefixes', remainingMs: undefined }] }],
  ['held by BFD, which lost the peer, until it is back', { holds: [{ reason: 'bfd', remainingMs: undefined }] }],
  ['no TCP answer from 10.0.0.2:179', { state: 'Connect' }],
  ['no TCP answer from 10.0.0.2:179 (a wrong MD5 key looks the same)', { state: 'Connect', hasPassword: true }],
  ['10.0.0.2:179 refuses TCP connections', { lastError: local('connect ECONNREFUSED 10.0.0.2:179') }],
  ['no TCP answer from 10.0.0.2:179', { state: 'Connect', lastError: local('connect ETIMEDOUT 10.0.0.2:179') }],
  ['the connection to 10.0.0.2:179 failed: closed by the peer', { lastError: local('closed by the peer') }],
  ['waiting for the peer to dial', { isPassive: true }],
  ['no neighbour was found on eth0', { remote: undefined, interface: 'eth0', isPassive: true }],
  ['connected, but the peer has sent no OPEN yet', { state: 'OpenSent' }],
  ['OPEN was exchanged, but the peer has not confirmed it with a KEEPALIVE yet', { state: 'OpenConfirm' }],
  [
    'we said OPEN Message Error/Bad Peer AS: peer says AS 65003, configured 65002; next attempt in 3 s',
    {
      state: 'Idle',
      nextAttemptMs: 2500,
      lastError: {
        direction: 'sent',
        code: 2,
        subcode: 2,
        name: 'OPEN Message Error/Bad Peer AS',
        text: 'peer says AS 65003, configured 65002',
        at,
      },
    },
  ],
  [
    'waiting for the peer to dial; before that: the peer said Cease/Administrative Shutdown: see you',
    {
      isPassive: true,
      lastError: { direction: 'received', name: 'Cease/Administrative Shutdown', text: 'see you', at },
    },
  ],
  [
    'we said OPEN Message Error/Bad Peer AS: theirs; since then: 10.0.0.2:179 resets TCP connections',
    {
      lastNotification: { direction: 'sent', name: 'OPEN Message Error/Bad Peer AS', text: 'theirs', at },
      lastError: local('read ECONNRESET'),
    },
  ],
  ['not started', { state: 'Idle' }],
])('%s', ([expected, facts]) => {
  expect(describeProblem({ ...FACTS, ...facts })).toBe(expected)
})
