import { expect, test } from 'vitest'
import { backoffMs, jittered } from '../../src/fsm/backoff.ts'
import { resolveCollision } from '../../src/fsm/collision.ts'
import { type LocalEnd, negotiate } from '../../src/fsm/negotiation.ts'
import type { Capability } from '../../src/wire/capabilities/capability.ts'
import type { OpenMessage } from '../../src/wire/messages/open.ts'

const ours: readonly Capability[] = [
  { name: 'multiprotocol', family: 4 },
  { name: 'multiprotocol', family: 6 },
  { name: 'routeRefresh' },
  { name: 'extendedMessages' },
  { name: 'gracefulRestart', restarting: false, notification: true, restartTimeSeconds: 120, families: [] },
  { name: 'fourOctetAs', asn: 65001 },
]
const local: LocalEnd = {
  asn: 65001,
  peerAsn: 65002,
  routerId: '192.0.2.1',
  holdTimeSeconds: 90,
  keepaliveSeconds: undefined,
  capabilities: ours,
}
const open: OpenMessage = {
  type: 'open',
  asn: 65002,
  holdTimeSeconds: 30,
  routerId: '192.0.2.2',
  capabilities: [],
}

test('an OPEN without capabilities: IPv4 unicast, two-octet AS, no extras (RFC 4760, RFC 6793)', () => {
  expect(negotiate(local, open)).toMatchObject({
    wire: { fourOctetAs: false, internal: false },
    families: [4],
    holdTimeSeconds: 30,
    keepaliveSeconds: 10,
    routeRefresh: false,
    maxOctets: 4096,
    peerGracefulRestart: undefined,
    notificationRestart: false,
  })
})

test('an OPEN with all of them', () => {
  const capabilities = ours.map((item): Capability => (item.name === 'fourOctetAs' ? { ...item, asn: 65002 } : item))
  expect(negotiate(local, { ...open, capabilities })).toMatchObject({
    wire: { fourOctetAs: true },
    families: [4, 6],
    routeRefresh: true,
    maxOctets: 65535,
    notificationRestart: true,
  })
})

test.for([
  ['another AS', { asn: 65003 }, '2/2'],
  ['identifier 0.0.0.0', { routerId: '0.0.0.0' }, '2/3'],
  ['hold time 1', { holdTimeSeconds: 1 }, '2/6'],
  ['hold time 2', { holdTimeSeconds: 2 }, '2/6'],
  [
    'another AS in the capability',
    { capabilities: [{ name: 'fourOctetAs', asn: 4_200_000_000 }] as readonly Capability[] },
    '2/2',
  ],
] as const)('refused: %s', ([, change, expected]) => {
  const [code, subcode] = expected.split('/').map(Number)
  expect(() => negotiate(local, { ...open, ...change })).toThrow(
    expect.objectContaining({ notification: { code, subcode } }),
  )
})

test('an internal peer with our own identifier is refused, an external one is not (RFC 6286)', () => {
  const same = { ...open, routerId: local.routerId }
  expect(() => negotiate({ ...local, peerAsn: 65001 }, { ...same, asn: 65001 })).toThrow(
    expect.objectContaining({ notification: { code: 2, subcode: 3 } }),
  )
  expect(negotiate(local, same).peerRouterId).toBe(local.routerId)
})

test('a four-octet peer says AS_TRANS in the old field', () => {
  const big = { ...local, peerAsn: 4_200_000_000 }
  const capabilities: Capability[] = [{ name: 'fourOctetAs', asn: 4_200_000_000 }]
  expect(negotiate(big, { ...open, asn: 23456, capabilities }).peerAsn).toBe(4_200_000_000)
})

test.for([
  [0, 90, 0, 0],
  [90, 0, 0, 0],
  [3, 90, 3, 1],
  [180, 90, 90, 30],
])('hold times %d and %d: %d, keepalive %d', ([mine, theirs, hold, keepalive]) => {
  const negotiated = negotiate({ ...local, holdTimeSeconds: mine ?? 0 }, { ...open, holdTimeSeconds: theirs ?? 0 })
  expect(negotiated).toMatchObject({ holdTimeSeconds: hold, keepaliveSeconds: keepalive })
})

test('a configured keepalive is kept below a third of the hold time', () => {
  expect(negotiate({ ...local, keepaliveSeconds: 2 }, open).keepaliveSeconds).toBe(2)
  expect(negotiate({ ...local, keepaliveSeconds: 20 }, open).keepaliveSeconds).toBe(10)
})

test.for([
  ['192.0.2.1', 1, '192.0.2.2', 2, 'keepRemotelyInitiated'],
  ['192.0.2.2', 1, '192.0.2.1', 2, 'keepLocallyInitiated'],
  ['9.0.0.0', 1, '10.0.0.0', 2, 'keepRemotelyInitiated'],
  ['10.0.0.0', 2, '10.0.0.0', 1, 'keepLocallyInitiated'],
  ['10.0.0.0', 1, '10.0.0.0', 2, 'keepRemotelyInitiated'],
] as const)('collision of %s (AS %d) with %s (AS %d): %s', ([a, aAsn, b, bAsn, expected]) => {
  expect(resolveCollision({ routerId: a, asn: aAsn }, { routerId: b, asn: bAsn })).toBe(expected)
})

test('backoff doubles up to its cap, with up to a quarter off', () => {
  const limits = { firstMs: 1000, capMs: 30_000 }
  expect([0, 1, 2, 3, 5, 6, 60].map((failures) => backoffMs(failures, limits, 1))).toEqual([
    1000, 1000, 2000, 4000, 16_000, 30_000, 30_000,
  ])
  expect(backoffMs(2, limits, 0)).toBe(1500)
  expect(jittered(30_000, 0)).toBe(22_500)
})
