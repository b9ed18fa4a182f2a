import { Address, Prefix } from '@margay/net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RtrError } from '../../src/rpki/rtr-error.ts'
import { decodePdu, encodePdu, RtrFramer, type RtrPdu, type RtrVersion } from '../../src/rpki/rtr-pdu.ts'

const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'))

const golden: readonly [string, RtrVersion, RtrPdu][] = [
  ['01 00 0007 0000000c 00000009', 1, { type: 'serialNotify', session: 7, serial: 9 }],
  ['01 01 0007 0000000c 00000009', 1, { type: 'serialQuery', session: 7, serial: 9 }],
  ['00 02 0000 00000008', 0, { type: 'resetQuery' }],
  ['01 03 0007 00000008', 1, { type: 'cacheResponse', session: 7 }],
  [
    '01 04 0000 00000014 01 18 1a 00 c0000200 0000fde9',
    1,
    { type: 'prefix', announce: true, vrp: { prefix: Prefix.parse('192.0.2.0/24'), maxLength: 26, asn: 65_001 } },
  ],
  [
    '01 06 0000 00000020 00 20 30 00 20010db8 00000000 00000000 00000000 0000fde9',
    1,
    { type: 'prefix', announce: false, vrp: { prefix: Prefix.parse('2001:db8::/32'), maxLength: 48, asn: 65_001 } },
  ],
  ['00 07 0007 0000000c 00000009', 0, { type: 'endOfData', session: 7, serial: 9 }],
  [
    '01 07 0007 00000018 00000009 00000e10 00000258 00001c20',
    1,
    { type: 'endOfData', session: 7, serial: 9, timers: { refresh: 3600, retry: 600, expire: 7200 } },
  ],
  ['01 08 0000 00000008', 1, { type: 'cacheReset' }],
  [
    `01 09 0100 00000022 ${'ab'.repeat(20)} 0000fde9 3059`,
    1,
    { type: 'routerKey', announce: true, asn: 65_001, ski: hex('ab'.repeat(20)), spki: hex('3059') },
  ],
  [
    '01 0a 0002 0000001a 00000008 0102000000000008 00000002 6e6f',
    1,
    { type: 'errorReport', code: 2, pdu: hex('0102000000000008'), text: 'no' },
  ],
]

test.for(golden)('%s', ([text, version, pdu]) => {
  expect(decodePdu(hex(text))).toEqual({ version, pdu })
  expect(encodePdu(pdu, version)).toEqual(hex(text))
})

test.for([
  ['02 02 0000 00000008', 4],
  ['01 05 0000 00000008', 5],
  ['00 09 0100 00000008', 5],
  ['01 02 0000 00000009 00', 0],
  ['01 03 0007 0000000a 0000', 0],
  ['01 04 0000 00000014 01 1a 18 00 c0000200 0000fde9', 0],
  ['01 04 0000 00000014 01 18 21 00 c0000200 0000fde9', 0],
  ['01 07 0007 0000000c 00000009', 0],
  ['01 0a 0002 00000010 00000008 00000000', 0],
] as const)('%s: error %i', ([text, errorCode]) => {
  const octets = hex(text)
  try {
    decodePdu(octets)
    expect.unreachable()
  } catch (error) {
    expect(error).toBeInstanceOf(RtrError)
    expect(error).toMatchObject({ errorCode, pdu: octets })
  }
})

const address = fc
  .tuple(fc.constantFrom(4, 16), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map(([length, octets]) => Address.fromBytes(octets.slice(0, length)))
const prefixPdu = fc
  .tuple(address, fc.nat(128), fc.nat(128), fc.nat(0xffffffff), fc.boolean())
  .map(([from, a, b, asn, announce]): RtrPdu => {
    const bits = from.family === 4 ? 32 : 128
    const [length, maxLength] = [Math.min(a, b, bits), Math.min(Math.max(a, b), bits)]
    return { type: 'prefix', announce, vrp: { prefix: new Prefix(from, length), maxLength, asn } }
  })

test('round trip through any cut of the stream', () => {
  fc.assert(
    fc.property(fc.array(prefixPdu), fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (pdus, cuts) => {
      const stream = Buffer.concat(pdus.map((pdu) => encodePdu(pdu, 1)))
      const framer = new RtrFramer()
      const found: RtrPdu[] = []
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const size = cuts[turn % cuts.length] ?? 1
        for (const octets of framer.push(stream.subarray(at, at + size))) found.push(decodePdu(octets).pdu)
        at += size
      }
      expect(found).toEqual(pdus)
    }),
  )
})

test('any octets are read or refused with our error', () => {
  const head = fc.tuple(fc.nat(2), fc.nat(11), fc.uint8Array({ maxLength: 60 })).map(([version, type, rest]) => {
    const octets = Uint8Array.from([version, type, 0, 0, 0, 0, 0, rest.length + 8, ...rest])
    return octets
  })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), head), (octets) => {
      try {
        for (const pdu of new RtrFramer().push(octets)) decodePdu(pdu)
      } catch (error) {
        expect(error).toBeInstanceOf(RtrError)
      }
    }),
    { numRuns: 5000 },
  )
})

test('a length that no PDU has ends the stream', () => {
  expect(() => new RtrFramer().push(hex('01 02 0000 00000007'))).toThrow(RtrError)
  expect(() => new RtrFramer().push(hex('01 04 0000 00010001'))).toThrow(RtrError)
})
