import { expect, test } from 'vitest'
import {
  type BmpPeer,
  encodeInitiation,
  encodePeerDown,
  encodePeerUp,
  encodeRouteMonitoring,
  encodeStatistics,
  encodeTermination,
} from '../../src/bmp/bmp-message.ts'
import { hex, toHex } from '../wire/hex.ts'

const at = new Date(1_700_000_000_250)
const peer: BmpPeer = { address: '192.0.2.1', asn: 4_200_000_001, routerId: '10.0.0.1' }
const KEEPALIVE = 'ffffffffffffffffffffffffffffffff 0013 04'

/** Behind type and flags of the peer. */
const REST_OF_PEER = `
  0000000000000000                  # distinguisher
  000000000000000000000000 c0000201 # 192.0.2.1
  fa56ea01                          # AS 4200000001
  0a000001                          # 10.0.0.1
  6553f100 0003d090                 # 1700000000 s, 250000 us`

const expectOctets = (octets: Uint8Array, golden: string): void => expect(toHex(octets)).toBe(toHex(hex(golden)))

test('Initiation (RFC 7854 §4.3)', () => {
  expectOctets(
    encodeInitiation('node-1', 'margay'),
    `03 0000001a 04   # version 3, 26 octets, Initiation
     0001 0006 6d6172676179   # sysDescr
     0002 0006 6e6f64652d31   # sysName`,
  )
})

test('Termination (RFC 7854 §4.5)', () => {
  expectOctets(encodeTermination(0, 'bye'), '03 00000013 05 0000 0003 627965 0001 0002 0000')
})

test('Peer Up with both OPENs as they were (RFC 7854 §4.10)', () => {
  const octets = encodePeerUp({
    peer,
    local: { address: '192.0.2.2', port: 179 },
    remotePort: 40000,
    sentOpen: hex(KEEPALIVE),
    receivedOpen: hex('aa bb'),
    at,
  })
  expectOctets(
    octets,
    `03 00000059 03
     00 00 ${REST_OF_PEER}
     000000000000000000000000 c0000202 # local address
     00b3 9c40                         # ports
     ${KEEPALIVE}
     aabb`,
  )
})

test('Route Monitoring: an IPv6 peer of an instance, after policy, two-octet AS numbers (RFC 7854 §4.2)', () => {
  const six: BmpPeer = { ...peer, address: '2001:db8::1', distinguisher: 0x0000fde900000007n, twoOctetAs: true }
  expectOctets(
    encodeRouteMonitoring(six, 'post', hex(KEEPALIVE), at),
    `03 00000043 00
     01 e0                             # RD instance; V, L, A
     0000fde900000007
     20010db8000000000000000000000001
     fa56ea01 0a000001 6553f100 0003d090
     ${KEEPALIVE}`,
  )
  expect(toHex(encodeRouteMonitoring(peer, 'pre', hex(KEEPALIVE), at)).slice(12, 16)).toBe('0000')
  expect(toHex(encodeRouteMonitoring(peer, 'post', hex(KEEPALIVE), at)).slice(12, 16)).toBe('0040')
})

test.for([
  { reason: { kind: 'localNotification', notification: hex(KEEPALIVE) }, tail: `01 ${KEEPALIVE}` },
  { reason: { kind: 'localEvent', event: 10 }, tail: '02 000a' },
  { reason: { kind: 'remoteNotification', notification: hex(KEEPALIVE) }, tail: `03 ${KEEPALIVE}` },
  { reason: { kind: 'remoteClosed' }, tail: '04' },
  { reason: { kind: 'deconfigured' }, tail: '05' },
] as const)('Peer Down: $reason.kind (RFC 7854 §4.9)', ({ reason, tail }) => {
  const length = (48 + hex(tail).length).toString(16).padStart(8, '0')
  expectOctets(encodePeerDown({ peer, reason, at }), `03 ${length} 02 00 00 ${REST_OF_PEER}\n${tail}`)
})

test('Statistics: what is given, by type; counters of 4 and gauges of 8 octets (RFC 7854 §4.8)', () => {
  const values = { adjRibInRoutes: 2 ** 32 + 5, rejectedPrefixes: 2 ** 32 + 1, duplicateUpdates: 9 }
  expectOctets(
    encodeStatistics({ peer, at, values }),
    `03 00000050 01 00 00 ${REST_OF_PEER}
     00000003
     0000 0004 00000001
     0007 0008 0000000100000005
     000d 0004 00000009`,
  )
})
