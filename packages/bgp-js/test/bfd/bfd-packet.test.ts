import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type BfdPacket, decodeBfdPacket, encodeBfdPacket } from '../../src/bfd/bfd-packet.ts'
import { hex, toHex } from '../wire/hex.ts'

const GOLDEN = `
  20        # version 1, no diagnostic
  c8        # Up, C
  03        # detect multiplier
  18        # 24 octets
  12345678  # my discriminator
  9abcdef0  # your discriminator
  0000c350  # desired min TX: 50 ms
  0007a120  # required min RX: 500 ms
  00000000  # no echo`

const golden: BfdPacket = {
  diagnostic: 0,
  state: 'Up',
  poll: false,
  final: false,
  controlPlaneIndependent: true,
  demand: false,
  detectMultiplier: 3,
  myDiscriminator: 0x12345678,
  yourDiscriminator: 0x9abcdef0,
  desiredMinTxUs: 50_000,
  requiredMinRxUs: 500_000,
  requiredMinEchoRxUs: 0,
}

test('golden packet, both ways (RFC 5880 §4.1)', () => {
  expect(decodeBfdPacket(hex(GOLDEN))).toEqual(golden)
  expect(toHex(encodeBfdPacket(golden))).toBe(toHex(hex(GOLDEN)))
})

test('flags and diagnostic have their places', () => {
  const packet: BfdPacket = { ...golden, diagnostic: 7, state: 'AdminDown', poll: true, controlPlaneIndependent: false }
  expect(toHex(encodeBfdPacket(packet)).slice(0, 4)).toBe('2720')
  expect(toHex(encodeBfdPacket({ ...packet, state: 'Down', poll: false, final: true })).slice(2, 4)).toBe('50')
  expect(toHex(encodeBfdPacket({ ...packet, state: 'Init', poll: false, demand: true })).slice(2, 4)).toBe('82')
})

// RFC 5880 §6.8.6, in its order.
test.for([
  { why: 'version 0', at: 0, octet: 0x00, reason: 'badVersion' },
  { why: 'version 2', at: 0, octet: 0x40, reason: 'badVersion' },
  { why: 'a length of 23', at: 3, octet: 23, reason: 'badLength' },
  { why: 'a length above the payload', at: 3, octet: 25, reason: 'badLength' },
  { why: 'A with a length of 24', at: 1, octet: 0xc4, reason: 'badLength' },
  { why: 'detect multiplier 0', at: 2, octet: 0, reason: 'zeroDetectMultiplier' },
  { why: 'the M bit', at: 1, octet: 0xc1, reason: 'multipoint' },
] as const)('discarded: $why', ({ at, octet, reason }) => {
  const bytes = hex(GOLDEN)
  bytes[at] = octet
  expect(decodeBfdPacket(bytes)).toBe(reason)
})

test('discarded: discriminators that are zero', () => {
  const decode = (change: Partial<BfdPacket>): unknown => decodeBfdPacket(encodeBfdPacket({ ...golden, ...change }))
  expect(decode({ myDiscriminator: 0 })).toBe('zeroMyDiscriminator')
  expect(decode({ yourDiscriminator: 0 })).toBe('zeroYourDiscriminator')
  expect(decode({ yourDiscriminator: 0, state: 'Init' })).toBe('zeroYourDiscriminator')
  expect(decode({ yourDiscriminator: 0, state: 'Down' })).toMatchObject({ state: 'Down' })
  expect(decode({ yourDiscriminator: 0, state: 'AdminDown' })).toMatchObject({ state: 'AdminDown' })
})

test('discarded: authentication that no session of ours uses', () => {
  const bytes = Uint8Array.from([...hex(GOLDEN), 1, 5, 1, 0x61, 0x62])
  bytes[1] = 0xc4
  bytes[3] = bytes.length
  expect(decodeBfdPacket(bytes)).toBe('authenticated')
})

test('octets behind the length are ignored', () => {
  expect(decodeBfdPacket(Uint8Array.from([...hex(GOLDEN), 0xff]))).toEqual(golden)
})

const u32 = fc.nat(0xffffffff)
const discriminator = fc.integer({ min: 1, max: 0xffffffff })

test('what is encoded is decoded', () => {
  const packets = fc.record({
    diagnostic: fc.nat(31),
    state: fc.constantFrom('AdminDown' as const, 'Down' as const, 'Init' as const, 'Up' as const),
    poll: fc.boolean(),
    final: fc.boolean(),
    controlPlaneIndependent: fc.boolean(),
    demand: fc.boolean(),
    detectMultiplier: fc.integer({ min: 1, max: 255 }),
    myDiscriminator: discriminator,
    yourDiscriminator: discriminator,
    desiredMinTxUs: u32,
    requiredMinRxUs: u32,
    requiredMinEchoRxUs: u32,
  })
  fc.assert(
    fc.property(packets, (packet) => {
      expect(decodeBfdPacket(encodeBfdPacket(packet))).toEqual(packet)
    }),
  )
})

test('any octets give a packet or a reason', () => {
  const nearly = fc
    .tuple(fc.uint8Array({ minLength: 22, maxLength: 30 }), fc.constantFrom(0x20, 0x40), fc.nat(30))
    .map(([bytes, first, length]) => Uint8Array.from([first, bytes[1] ?? 0, bytes[2] ?? 0, length, ...bytes.slice(4)]))
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), nearly), (bytes) => {
      const decoded = decodeBfdPacket(bytes)
      if (typeof decoded === 'string') return
      expect(toHex(encodeBfdPacket(decoded)).slice(8)).toBe(toHex(bytes.slice(4, 24)))
    }),
    { numRuns: 2000 },
  )
})
