import type { Family } from '@margay/net'
import { expect, test } from 'vitest'
import { canonicalAddress, parseZoned } from '../../src/peer-address.ts'
import { AcceptGuard } from '../../src/speaker/accept-guard.ts'
import type { PrefixLimit } from '../../src/speaker/config.ts'
import { DynamicNeighbors } from '../../src/speaker/dynamic-neighbors.ts'
import { MalformedLog } from '../../src/speaker/malformed-log.ts'
import { PeerHistory } from '../../src/speaker/peer-history.ts'
import { PeerHolds } from '../../src/speaker/peer-holds.ts'
import { silentLog } from '../../src/speaker/ports.ts'
import { limitNotification, PrefixLimits } from '../../src/speaker/prefix-limits.ts'
import { localError, receivedError, sentError } from '../../src/speaker/session-error.ts'
import { parseSpeakerConfig } from '../../src/speaker/validate-config.ts'
import type { AttributeProblem } from '../../src/wire/attribute-list.ts'
import { ManualClock } from './manual-clock.ts'

test('of 10,000 connections at once a handful is let in, then four a second', () => {
  const guard = new AcceptGuard()
  const admitted = (nowMs: number, count: number): number =>
    Array.from({ length: count }, () => guard.admit(nowMs)).filter(Boolean).length
  expect(admitted(0, 10_000)).toBe(8)
  expect(admitted(249, 100)).toBe(0)
  expect(admitted(1000, 10_000)).toBe(4)
  expect(admitted(1_000_000, 10_000)).toBe(8)
})

const limit = (more: Partial<PrefixLimit> = {}): PrefixLimit => ({
  limit: 10,
  warnAtPercent: 80,
  action: 'restart',
  restartAfterSeconds: undefined,
  ...more,
})

test('a limit is told at its warning and beyond it, once per crossing', () => {
  const limits = new PrefixLimits()
  let now = 0
  const at = (ipv4: number, ipv6 = 0): string[] =>
    limits
      .check(
        { ipv4: limit(), ipv6: limit({ limit: 100 }) },
        (family: Family) => (family === 4 ? ipv4 : ipv6),
        (now += 10_000),
      )
      .map((crossing) => `${crossing.family} ${crossing.level} ${crossing.received}`)
  expect(at(7)).toEqual([])
  expect(at(8)).toEqual(['4 warning 8'])
  expect(at(9)).toEqual([])
  expect(at(10, 80)).toEqual(['6 warning 80'])
  expect(at(11, 80)).toEqual(['4 exceeded 11'])
  expect(at(12, 80)).toEqual([])
  expect(at(9, 80)).toEqual([])
  expect(at(11, 80)).toEqual(['4 exceeded 11'])
  expect(at(3, 0)).toEqual([])
  expect(at(8, 101)).toEqual(['4 warning 8', '6 exceeded 101'])
})

test('a peer that hovers about its warning is told of once in ten seconds, a limit that ends the session at once', () => {
  const limits = new PrefixLimits()
  const told: string[] = []
  const check = (count: number, nowMs: number): void => {
    for (const { level, received } of limits.check({ ipv4: limit() }, () => count, nowMs))
      told.push(`${nowMs} ${level} ${received}`)
  }
  for (let now = 0; now < 20_001; now += 100) check(now % 200 === 0 ? 8 : 7, now)
  check(11, 20_100)
  expect(told).toEqual(['0 warning 8', '10000 warning 8', '20000 warning 8', '20100 exceeded 11'])
})

test('malformed attributes: the first is told at once, then one line in ten seconds says how many', () => {
  const clock = new ManualClock()
  const lines: object[] = []
  const malformed = new MalformedLog(clock, { ...silentLog, warn: (fields) => lines.push(fields) })
  const problem: AttributeProblem = {
    code: 8,
    message: 'bad',
    severity: 'treat-as-withdraw',
    notification: { code: 3, subcode: 5 },
  }
  for (let count = 0; count < 1001; count++) {
    malformed.note('10.0.0.1', problem)
    clock.advance(10)
  }
  expect(lines).toMatchObject([
    { peer: '10.0.0.1', attribute: 8, malformedSoFar: 1 },
    { peer: '10.0.0.1', attribute: 8, malformedSoFar: 1001 },
  ])
})

test('Cease/1 says family and limit (RFC 4486 §4)', () => {
  const crossing = { family: 6, received: 9, limit: limit({ limit: 0x01020304 }), level: 'exceeded' } as const
  expect(limitNotification(crossing)).toEqual({
    code: 6,
    subcode: 1,
    data: Uint8Array.of(0, 2, 1, 1, 2, 3, 4),
  })
})

test('holds end by time or by release; the last one frees the peer', () => {
  const clock = new ManualClock()
  let freed = 0
  const holds = new PeerHolds(clock, () => freed++)
  holds.hold('maxPrefixes', 5000)
  holds.hold('bfd')
  clock.advance(5000)
  expect([holds.isHeld, holds.all.map((each) => each.reason), freed]).toEqual([true, ['bfd'], 0])
  holds.release('bfd')
  holds.release('bfd')
  expect([holds.isHeld, freed]).toEqual([false, 1])
  holds.hold('maxPrefixes', 5000)
  holds.clear()
  clock.advance(10_000)
  expect([holds.isHeld, freed, clock.pending]).toEqual([false, 1, 0])
})

test('32 changes are kept, and the last error of each direction', () => {
  const history = new PeerHistory()
  const date = new Date(0)
  for (let n = 0; n < 100; n++) {
    history.changed({ at: date.toISOString(), from: 'Idle', to: 'Connect', reason: String(n) })
  }
  expect(history.changes.map((change) => Number(change.reason))).toEqual(Array.from({ length: 32 }, (_, n) => 68 + n))
  history.failed(sentError({ code: 4, subcode: 0 }, '', date))
  history.failed(receivedError({ type: 'notification', code: 6, subcode: 10, data: new Uint8Array(0) }, date))
  history.failed(localError('reset', date))
  expect(history.lastErrorSent?.name).toBe('Hold Timer Expired')
  expect(history.lastErrorReceived?.name).toBe('Cease/BFD Down')
  expect(history.lastError?.direction).toBe('local')
})

test.for([
  ['FE80::0:1%eth0', 'fe80::1%eth0'],
  ['10.0.0.1', '10.0.0.1'],
  ['2001:db8::1%eth0', undefined],
  ['10.0.0.1%eth0', undefined],
  ['fe80::1%', undefined],
  ['fe80::1%a/b', undefined],
  ['fe80::1%eth0%eth1', undefined],
  ['eth0', undefined],
])('the address %s is %s', ([text, expected]) => {
  expect(canonicalAddress(text as string)).toBe(expected)
})

test('a zone is told apart from the address', () => {
  expect(parseZoned('fe80::1%br-lan.7')).toMatchObject({ zone: 'br-lan.7', address: { family: 6 } })
  expect(parseZoned('fe80::1')?.zone).toBe(undefined)
})

test('dynamic neighbours: the longest prefix, up to its limit, keys by prefix', () => {
  const { dynamicNeighbors } = parseSpeakerConfig(
    {
      asn: 65001,
      routerId: '192.0.2.1',
      dynamicNeighbors: [
        { prefix: '10.0.0.0/8', asn: 'external', limit: 2 },
        { prefix: '10.1.0.0/16', asn: [65002, 65003], password: 'secret' },
      ],
    },
    { hasSocketOptions: true, hasBfdSockets: true },
  )
  const dynamic = new DynamicNeighbors(dynamicNeighbors)
  expect(dynamic.admit('10.1.0.1')).toMatchObject({
    address: '10.1.0.1',
    passive: true,
    asn: 0,
    asnRule: [65002, 65003],
  })
  expect(dynamic.admit('10.2.0.1')).toMatchObject({ asn: 0, asnRule: 'external' })
  expect(dynamic.admit('10.2.0.2')).toBeDefined()
  expect(dynamic.admit('10.2.0.3')).toBe(undefined)
  expect(dynamic.admit('11.0.0.1')).toBe(undefined)
  dynamic.remove('10.2.0.1')
  expect([dynamic.has('10.2.0.1'), dynamic.has('10.2.0.2')]).toEqual([false, true])
  expect(dynamic.admit('10.2.0.3')).toBeDefined()
  expect(dynamic.socketOptions()).toEqual([
    { peerAddress: '10.1.0.0/16', password: 'secret', ttlSecurityHops: undefined },
  ])
})
