import fc from 'fast-check'
import { expect, test } from 'vitest'
import { framed, u32 } from '../../fuzz/octets.ts'
import { Twin } from '../../fuzz/twin.ts'
import { prefixKey } from '../../fuzz/twin-nlri.ts'
import { encodeRouteAttributes } from '../../src/wire/attribute-encoder.ts'
import { nlriLength, writeNlri } from '../../src/wire/nlri.ts'
import { ipv4Key, ipv6Key } from '../../src/wire/prefix-key.ts'
import { UpdatePacker } from '../../src/wire/update-packer.ts'

const WIRE = { fourOctetAs: true, internal: false }

/** A twin with a session that has come up, with path identifiers or without. */
function receiver(addPath: boolean): Twin {
  const own = {
    asn: 65002,
    address: '',
    routerId: '00000000',
    peerAsn: 65001,
    receivesPaths: addPath,
    extendedNextHop: false,
  }
  const twin = new Twin(own)
  const families = [1, 4, 0, 1, 0, 1, 1, 4, 0, 2, 0, 1]
  const paths = addPath ? [69, 8, 0, 1, 1, 3, 0, 2, 1, 3] : []
  const capabilities = [...families, 65, 4, ...u32(65001), 6, 0, ...paths]
  const open = [4, 0xfd, 0xe9, 0, 90, 192, 0, 2, 1, capabilities.length + 2, 2, capabilities.length, ...capabilities]
  twin.feed(framed(1, open))
  twin.feed(framed(4, []))
  expect(twin.isUp).toBe(true)
  return twin
}

const nlri = fc.record({
  octets: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  length: fc.nat(128),
  pathId: fc.nat(3),
})
const run = fc.record({
  announces: fc.boolean(),
  family: fc.constantFrom(4 as const, 6 as const),
  communities: fc.constantFrom(0, 1, 100, 900),
  hop: fc.integer({ min: 1, max: 4 }),
  prefixes: fc.array(nlri, { maxLength: 40 }),
  endsMessage: fc.boolean(),
  finishes: fc.boolean(),
})

test.for([
  [false, 4096],
  [true, 4096],
  [false, 65_535],
  [true, 65_535],
] as const)('what is packed is what a naive reader gets: ADD-PATH %s, %i octets', ([addPath, maxOctets]) => {
  fc.assert(
    fc.property(fc.array(run, { minLength: 1, maxLength: 12 }), (runs) => {
      const twin = receiver(addPath)
      const packer = new UpdatePacker(maxOctets)
      const expected = new Map<string, string>()
      const drain = (): void => {
        const packed = packer.finish()
        const messages = packed.messages()
        expect(messages.length).toBe(packed.count)
        for (const message of messages) {
          expect(message.length).toBeLessThanOrEqual(maxOctets)
          twin.feed(message)
        }
      }
      for (const { announces, family, communities, hop, prefixes, endsMessage, finishes } of runs) {
        const afi = family === 4 ? 1 : 2
        const nextHop = family === 4 ? `10.0.0.${hop}` : `2001:db8::${hop}`
        const attributes = {
          origin: 0 as const,
          asPath: [{ type: 'sequence' as const, asns: [65001] }],
          nextHop,
          ...(communities === 0 ? {} : { communities: Array.from({ length: communities }, (_, n) => n) }),
        }
        if (announces) packer.announce(family, encodeRouteAttributes(attributes, family, WIRE))
        else packer.withdraw(family)
        for (const { octets, length, pathId } of prefixes) {
          const bits = family === 4 ? length % 33 : length
          const path = addPath ? pathId.toString(16).padStart(8, '0') : '00000000'
          const name = `${afi} ${prefixKey(afi, octets, bits, path)}`
          const value = Buffer.from(octets).readInt32BE(0)
          const key = family === 4 ? ipv4Key(value, bits) : ipv6Key(octets.subarray(0, Math.ceil(bits / 8)), bits)
          const at = packer.reserve(nlriLength(key) + (addPath ? 4 : 0))
          if (at === undefined) throw new Error('no room')
          if (addPath) packer.bytes.writeUInt32BE(pathId, at)
          writeNlri(packer.bytes, addPath ? at + 4 : at, key)
          if (announces) expected.set(name, `${nextHop} ${communities}`)
          else expected.delete(name)
        }
        if (endsMessage) packer.endMessage()
        if (finishes) drain()
      }
      drain()
      expect(twin.ended).toBe(undefined)
      const held = [...twin.table].map(([key, route]) => {
        const hop = Number.parseInt(route.nextHop.slice(-2), 16)
        return [key, `${key.startsWith('1') ? '10.0.0.' : '2001:db8::'}${hop} ${route.communities.length / 8}`] as const
      })
      expect(new Map(held)).toEqual(expected)
    }),
    { numRuns: 150 },
  )
})
