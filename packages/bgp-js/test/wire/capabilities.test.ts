import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BgpMessageError } from '../../src/errors.ts'
import { ByteReader } from '../../src/wire/byte-reader.ts'
import { ByteWriter } from '../../src/wire/byte-writer.ts'
import type { Capability } from '../../src/wire/capabilities/capability.ts'
import { decodeCapabilities, encodeCapability } from '../../src/wire/capabilities/registry.ts'
import { decodeMessage } from '../../src/wire/message.ts'
import { encodeRouteRefresh, RefreshSubtype } from '../../src/wire/messages/route-refresh.ts'
import { hex, message, toHex } from './hex.ts'

const decode = (text: string): Capability[] => decodeCapabilities(new ByteReader(hex(text), { code: 2, subcode: 0 }))
const encode = (capability: Capability): string => {
  const writer = new ByteWriter()
  encodeCapability(writer, capability)
  return toHex(writer.finish())
}

const golden: readonly [string, string, Capability][] = [
  [
    'ADD-PATH, RFC 7911 §4',
    `45 08        # code 69
     0001 01 03   # IPv4 unicast, send and receive
     0002 01 01   # IPv6 unicast, receive`,
    {
      name: 'addPath',
      families: [
        { family: 4, send: true, receive: true },
        { family: 6, send: false, receive: true },
      ],
    },
  ],
  [
    'Extended Next Hop, RFC 8950 §4',
    '05 06 0001 0001 0002 # IPv4 unicast over IPv6',
    { name: 'extendedNextHop', ipv4OverIpv6: true },
  ],
  ['Enhanced Route Refresh, RFC 7313 §3.1', '46 00', { name: 'enhancedRefresh' }],
  [
    'Long-Lived Graceful Restart, RFC 9494 §3',
    `47 0e
     0001 01 80 015180  # F, 86,400 s
     0002 01 00 ffffff`,
    {
      name: 'longLivedGracefulRestart',
      families: [
        { family: 4, forwardingPreserved: true, staleTimeSeconds: 86_400 },
        { family: 6, forwardingPreserved: false, staleTimeSeconds: 0xffffff },
      ],
    },
  ],
  ['BGP Role, RFC 9234 §4.1', '09 01 03', { name: 'role', value: 3 }],
  ['FQDN', '49 0a 05 6e6f646531 03 6c616e', { name: 'fqdn', hostname: 'node1', domain: 'lan' }],
  ['Software Version', '4b 05 04 6269 7264', { name: 'softwareVersion', version: 'bird' }],
]

test.for(golden)('%s', ([, octets, capability]) => {
  expect(decode(octets)).toEqual([capability])
  expect(encode(capability)).toBe(toHex(hex(octets)))
})

test.for([
  ['ADD-PATH with Send/Receive 0: not understood (RFC 7911 §4)', '45 04 0001 01 00', []],
  ['ADD-PATH with Send/Receive 4', '45 04 0001 01 04', []],
  ['ADD-PATH cut short', '45 03 0001 01', []],
  ['ADD-PATH for VPN routes', '45 04 0001 80 03', [{ name: 'addPath', families: [] }]],
  [
    'Extended Next Hop for VPN routes',
    '05 06 0001 0080 0002',
    [{ name: 'extendedNextHop', ipv4OverIpv6: false }] as Capability[],
  ],
  ['Extended Next Hop of five octets', '05 05 0001 0001 00', []],
  ['LLGR cut short', '47 06 0001 01 80 0151', []],
  ['a Role of two octets', '09 02 0003', []],
  ['a Role of none', '09 00', []],
  ['FQDN whose host name length lies', '49 02 ff 61', []],
  ['FQDN without a domain', '49 03 02 6161', []],
  ['FQDN with octets behind it', '49 04 00 00 6161', []],
  ['GoBGP 08a001e0: Software Version whose length lies', '4b 02 40 61', []],
  ['control characters in a name', '4b 04 03 0a1b61', [{ name: 'softwareVersion', version: '  a' }]],
] as const)('tolerated: %s', ([, octets, expected]) => {
  expect(decode(octets)).toEqual(expected)
})

test('any octets: capabilities, or our error', () => {
  const codes = fc.constantFrom(1, 2, 5, 6, 9, 64, 65, 69, 70, 71, 73, 75, 200)
  fc.assert(
    fc.property(codes, fc.uint8Array({ maxLength: 40 }), fc.integer({ min: -2, max: 2 }), (code, value, lie) => {
      const octets = Uint8Array.of(code, Math.max(0, value.length + lie), ...value)
      try {
        expect(decodeCapabilities(new ByteReader(octets, { code: 2, subcode: 0 })).length).toBeLessThan(40)
      } catch (error) {
        if (!(error instanceof BgpMessageError)) throw error
      }
    }),
    { numRuns: 2000 },
  )
})

test('marks of a refresh, RFC 7313 §3.2', () => {
  expect(toHex(encodeRouteRefresh(4, RefreshSubtype.BeginningOfRefresh).subarray(19))).toBe('00010101')
  expect(toHex(encodeRouteRefresh(6, RefreshSubtype.EndOfRefresh).subarray(19))).toBe('00020201')
})

const session = { fourOctetAs: true, internal: false }
test.for([
  ['too short', '000101', true],
  ['empty', '', true],
  ['BoRR with octets behind it', '00010101 00', true],
  ['EoRR with octets behind it', '00010201 00', true],
  ['a request with an ORF list (RFC 5291)', '00010001 01 80 0000', false],
  ['a mark of no meaning', '0001ff01', false],
] as const)('ROUTE-REFRESH %s: 7/1 with the whole message, RFC 7313 §5', ([, body, isError]) => {
  const octets = message(5, body)
  if (isError) {
    expect(() => decodeMessage(octets, session)).toThrow(
      expect.objectContaining({ notification: { code: 7, subcode: 1, data: octets } }),
    )
  } else {
    expect(decodeMessage(octets, session)).toMatchObject({ type: 'routeRefresh', family: 4 })
  }
})
