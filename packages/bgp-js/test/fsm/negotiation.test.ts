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

const sender: Capability = {
  name: 'addPath',
  families: [
    { family: 4, send: true, receive: false },
    { family: 6, send: true, receive: true },
  ],
}
const withCapabilities = (mine: readonly Capability[], theirs: readonly Capability[]) =>
  negotiate(
    { ...local, capabilities: [...ours, ...mine] },
    { ...open, capabilities: [...ours.filter((item) => item.name !== 'fourOctetAs'), ...theirs] },
  )

test('ADD-PATH goes where one end sends and the other receives (RFC 7911 §4)', () => {
  const receiver: Capability = {
    name: 'addPath',
    families: [
      { family: 4, send: true, receive: true },
      { family: 6, send: false, receive: true },
    ],
  }
  const found = withCapabilities([sender], [receiver])
  expect(found.addPath).toEqual({ send: [4, 6], receive: [] })
  expect(found.wire.addPath).toEqual(found.addPath)
  expect(withCapabilities([receiver], [sender]).addPath).toEqual({ send: [], receive: [4, 6] })
  expect(withCapabilities([sender], []).addPath).toEqual({ send: [], receive: [] })
})

test('extended next hops and enhanced refresh need both ends (RFC 8950 §4, RFC 7313 §3.1)', () => {
  const mine: Capability[] = [{ name: 'extendedNextHop', ipv4OverIpv6: true }, { name: 'enhancedRefresh' }]
  expect(withCapabilities(mine, mine)).toMatchObject({ extendedNextHop: true, enhancedRefresh: true })
  expect(withCapabilities(mine, [])).toMatchObject({ extendedNextHop: false, enhancedRefresh: false })
  expect(withCapabilities([], mine)).toMatchObject({ extendedNextHop: false, enhancedRefresh: false })
  const useless: Capability[] = [{ name: 'extendedNextHop', ipv4OverIpv6: false }]
  expect(withCapabilities(mine, useless).extendedNextHop).toBe(false)
})

test('long-lived graceful restart counts only beside graceful restart (RFC 9494 §3)', () => {
  const families = [{ family: 4 as const, forwardingPreserved: true, staleTimeSeconds: 3600 }]
  const longLived: Capability = { name: 'longLivedGracefulRestart', families }
  expect(withCapabilities([longLived], [longLived]).peerLongLived).toEqual(families)
  expect(withCapabilities([], [longLived]).peerLongLived).toEqual([])
  const alone = negotiate({ ...local, capabilities: [...ours, longLived] }, { ...open, capabilities: [longLived] })
  expect(alone.peerLongLived).toEqual([])
})

// RFC 9234 §4.2, table 2: value of the peer for each role of ours.
test.for([
  ['provider', 3],
  ['customer', 0],
  ['rs', 2],
  ['rs-client', 1],
  ['peer', 4],
] as const)('role %s goes with the peer value %d and no other (RFC 9234 §4.2)', ([role, good]) => {
  const end = { ...local, role: { role, strict: false } }
  for (const value of [0, 1, 2, 3, 4, 5, 255]) {
    const meet = (): unknown => negotiate(end, { ...open, capabilities: [{ name: 'role', value }] })
    if (value === good) expect(meet()).toHaveProperty('peerRole')
    else expect(meet).toThrow(expect.objectContaining({ notification: { code: 2, subcode: 11 } }))
  }
})

test('a peer without a role: taken, but not in strict mode (RFC 9234 §4.2)', () => {
  const role = (strict: boolean) => ({ ...local, role: { role: 'customer' as const, strict } })
  expect(negotiate(role(false), open).peerRole).toBe('provider')
  expect(() => negotiate(role(true), open)).toThrow(expect.objectContaining({ notification: { code: 2, subcode: 11 } }))
})

test('several roles: the same one twice is one, different ones are refused (RFC 9234 §4.2)', () => {
  const roles = (...values: number[]) => ({
    ...open,
    capabilities: values.map((value): Capability => ({ name: 'role', value })),
  })
  const end = { ...local, role: { role: 'customer' as const, strict: true } }
  expect(negotiate(end, roles(0, 0)).peerRole).toBe('provider')
  for (const mine of [end, local]) {
    expect(() => negotiate(mine, roles(0, 4))).toThrow(
      expect.objectContaining({ notification: { code: 2, subcode: 11 } }),
    )
  }
  // Roles are for external peers.
  expect(negotiate({ ...local, peerAsn: 65001 }, { ...roles(0, 4), asn: 65001 }).peerRole).toBe(undefined)
})

test.for([
  ['external takes another AS', 'external', 65002, true],
  ['external refuses our AS', 'external', 65001, false],
  ['external refuses the AS we pose as', 'external', 65050, false],
  ['external refuses a member of the confederation', 'external', 65010, false],
  ['a list takes its own', [65002, 65003], 65003, true],
  ['a list refuses others', [65002, 65003], 65004, false],
  ['AS 0 is nobody (RFC 7607)', 'external', 0, false],
] as const)('peer AS: %s', ([, peerAsn, asn, taken]) => {
  const end: LocalEnd = { ...local, asn: 65050, ownAsn: 65001, memberAsns: [65010], peerAsn }
  const meet = (): unknown => negotiate(end, { ...open, asn })
  if (taken) expect(meet()).toMatchObject({ peerAsn: asn, kind: 'external' })
  else expect(meet).toThrow(expect.objectContaining({ notification: { code: 2, subcode: 2 } }))
})

test('a member AS of our confederation: LOCAL_PREF is let in, identifiers may be equal (RFC 5065 §4)', () => {
  const end: LocalEnd = { ...local, memberAsns: [65010], peerAsn: 65010 }
  const found = negotiate(end, { ...open, asn: 65010, routerId: local.routerId })
  expect(found).toMatchObject({ kind: 'confederation', wire: { internal: true } })
})

test('an internal peer with our own identifier is refused, an external one is not (RFC 6286)', () => {
  const same = { ...open, routerId: local.routerId }
  expect(() => negotiate({ ...local, peerAsn: 65001 }, { ...same, asn: 65001 })).toThrow(
    expect.objectContaining({ notification: { code: 2, subcode: 3 } }),
  )
  expect(negotiate(local, same).peerRouterId).toBe(local.routerId)
})

test('a four-octet peer says AS_TRANS in the old field', () => {
  const far = { ...local, peerAsn: 4_200_000_000 }
  const capabilities: Capability[] = [{ name: 'fourOctetAs', asn: 4_200_000_000 }]
  expect(negotiate(far, { ...open, asn: 23456, capabilities }).peerAsn).toBe(4_200_000_000)
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
