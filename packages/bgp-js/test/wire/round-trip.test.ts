import { Address, Prefix } from '@margay/net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BgpError, BgpMessageError } from '../../src/errors.ts'
import { pathLength } from '../../src/wire/as4-path.ts'
import { MessageFramer } from '../../src/wire/framing.ts'
import { decodeMessage } from '../../src/wire/message.ts'
import { encodeOpen } from '../../src/wire/messages/open.ts'
import { encodeAnnouncements, encodeWithdrawals } from '../../src/wire/messages/update.ts'
import type { AsPathSegment, PathAttributes } from '../../src/wire/path-attributes.ts'
import { keyOfPrefix, prefixText } from '../../src/wire/prefix-key.ts'
import { resolveUpdate } from '../../src/wire/resolve-update.ts'
import { NO_CACHE } from './no-cache.ts'

const u32 = fc.nat(0xffffffff)
const ipv4 = fc.nat(0xffffffff).map((value) => new Address(4, BigInt(value)).toString())
const hostV4 = fc.integer({ min: 1, max: 0xdfffffff }).map((value) => new Address(4, BigInt(value)).toString())
const hostV6 = fc.bigInt({ min: 1n, max: (0xffn << 120n) - 1n }).map((value) => new Address(6, value).toString())
const prefix = fc.oneof(
  fc.tuple(u32, fc.nat(32)).map(([value, length]) => new Prefix(new Address(4, BigInt(value)), length)),
  fc
    .tuple(fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }), fc.nat(128))
    .map(([value, length]) => new Prefix(new Address(6, value), length)),
)

const segment: fc.Arbitrary<AsPathSegment> = fc.record({
  type: fc.constantFrom('set', 'sequence'),
  asns: fc.array(u32, { minLength: 1, maxLength: 20 }),
})

const attributes = (nextHop: fc.Arbitrary<string>): fc.Arbitrary<PathAttributes> =>
  fc.record(
    {
      origin: fc.constantFrom(0, 1, 2),
      asPath: fc.array(segment, { maxLength: 4 }),
      nextHop,
      med: u32,
      localPref: u32,
      atomicAggregate: fc.constant(true),
      aggregator: fc.record({ asn: u32, address: ipv4 }),
      communities: fc.array(u32, { minLength: 1, maxLength: 80 }),
      largeCommunities: fc.array(fc.tuple(u32, u32, u32), { minLength: 1, maxLength: 30 }),
      originatorId: ipv4,
      clusterList: fc.array(ipv4, { minLength: 1, maxLength: 5 }),
      extendedCommunities: fc.array(
        fc.uint8Array({ minLength: 8, maxLength: 8 }).map((o) => Buffer.from(o).toString('hex')),
        {
          minLength: 1,
          maxLength: 5,
        },
      ),
      opaque: fc
        .uniqueArray(
          fc.record({
            code: fc.integer({ min: 40, max: 255 }),
            flags: fc.constant(0xe0),
            value: fc.uint8Array({ maxLength: 300 }),
          }),
          { minLength: 1, maxLength: 3, selector: (item) => item.code },
        )
        .map((items) => items.toSorted((a, b) => a.code - b.code)),
    },
    { requiredKeys: ['origin', 'asPath', 'nextHop'] },
  )

test('a prefix is the same after its key', () => {
  fc.assert(
    fc.property(prefix, (original) => {
      const key = keyOfPrefix(original)
      expect(prefixText(key)).toBe(original.toString())
      expect(keyOfPrefix(Prefix.parse(prefixText(key)))).toBe(key)
    }),
  )
})

test.for([4, 6] as const)(
  'IPv%d announcements: what is encoded comes back, in messages of at most 4,096 octets',
  (family) => {
    const session = { fourOctetAs: true, internal: true }
    const keys = fc
      .uniqueArray(
        prefix.filter((item) => item.family === family),
        { minLength: 1, maxLength: 900, selector: String },
      )
      .map((items) => items.map(keyOfPrefix))
    fc.assert(
      fc.property(attributes(family === 4 ? hostV4 : hostV6), keys, (route, announced) => {
        const messages = encodeAnnouncements({ family, attributes: route, keys: announced }, session, 4096) ?? []
        const back = messages.map((octets) => {
          expect(octets.length).toBeLessThanOrEqual(4096)
          const framer = new MessageFramer()
          framer.push(octets)
          const decoded = decodeMessage(framer.next() ?? octets, session)
          if (decoded.type !== 'update') throw new Error('no UPDATE')
          const update = resolveUpdate(decoded, session, [4, 6], NO_CACHE)
          expect(update.problems).toEqual([])
          expect(update.announced.map((item) => item.attributes)).toEqual([route])
          return update.announced.flatMap((item) => item.nlri.keys)
        })
        expect(back.flat()).toEqual(announced)
      }),
      { numRuns: 60 },
    )
  },
)

test('withdrawals come back', () => {
  const session = { fourOctetAs: true, internal: true }
  fc.assert(
    fc.property(fc.uniqueArray(prefix, { maxLength: 500, selector: String }), (prefixes) => {
      for (const family of [4, 6] as const) {
        const keys = prefixes.filter((item) => item.family === family).map(keyOfPrefix)
        const back = encodeWithdrawals(family, keys, 1000).flatMap((octets) => {
          const decoded = decodeMessage(octets, session)
          if (decoded.type !== 'update') throw new Error('no UPDATE')
          return resolveUpdate(decoded, session, [4, 6], NO_CACHE).withdrawn.flatMap((item) => item.nlri.keys)
        })
        expect(back).toEqual(keys)
      }
    }),
  )
})

test('a two-octet session gives four-octet paths back through AS4_PATH (RFC 6793)', () => {
  const session = { fourOctetAs: false, internal: true }
  fc.assert(
    fc.property(attributes(hostV4), (route) => {
      const keys = [keyOfPrefix(Prefix.parse('10.0.0.0/8'))]
      const [octets] = encodeAnnouncements({ family: 4, attributes: route, keys }, session, 4096) ?? []
      if (octets === undefined) return
      const decoded = decodeMessage(octets, session)
      if (decoded.type !== 'update') throw new Error('no UPDATE')
      const back = resolveUpdate(decoded, session, [4], NO_CACHE).announced[0]?.attributes
      const flat = (path: readonly AsPathSegment[] = []): number[] => path.flatMap((item) => item.asns)
      if (route.aggregator !== undefined && route.aggregator.asn <= 0xffff) return
      expect(flat(back?.asPath)).toEqual(flat(route.asPath))
      expect(pathLength(back?.asPath ?? [])).toBe(pathLength(route.asPath))
      expect(back?.aggregator).toEqual(route.aggregator)
    }),
  )
})

test('AS4_PATH shorter than AS_PATH: the two-octet hops in front stay (RFC 6793 4.2.3)', () => {
  const session = { fourOctetAs: false, internal: false }
  const body = '0000 0020 40010100 4002 08 02 03 0064 5ba0 00c8 400304 0a090101 c011 0a 02 02 fa56ea01 000000c8'
  const octets = Buffer.from(body.replaceAll(' ', ''), 'hex')
  octets.writeUInt16BE(octets.length - 4, 2)
  const header = Buffer.concat([Buffer.alloc(16, 0xff), Buffer.from([0, 0, 2])])
  const message = Buffer.concat([header, octets, Buffer.from('180a0000', 'hex')])
  message.writeUInt16BE(message.length, 16)
  const decoded = decodeMessage(message, session)
  if (decoded.type !== 'update') throw new Error('no UPDATE')
  const { announced } = resolveUpdate(decoded, session, [4], NO_CACHE)
  expect(announced[0]?.attributes.asPath).toEqual([{ type: 'sequence', asns: [100, 4_200_000_001, 200] }])
})

const header = (type: number, body: Uint8Array): Uint8Array => {
  const message = new Uint8Array(19 + body.length).fill(0xff, 0, 16)
  message[16] = message.length >>> 8
  message[17] = message.length
  message[18] = type
  message.set(body, 19)
  return message
}

/** Feeds octets the whole way in. Whatever happens must be a value or our own error. */
function swallow(octets: Uint8Array, session: { fourOctetAs: boolean; internal: boolean }): void {
  const framer = new MessageFramer()
  framer.push(octets)
  try {
    for (let next = framer.next(); next !== undefined; next = framer.next()) {
      const decoded = decodeMessage(next, session)
      if (decoded.type === 'update') resolveUpdate(decoded, session, [4, 6], NO_CACHE)
    }
  } catch (error) {
    if (!(error instanceof BgpMessageError)) throw error
    expect(error).toBeInstanceOf(BgpError)
    expect(error.notification.code).toBeGreaterThan(0)
  }
}

const anySession = fc.record({ fourOctetAs: fc.boolean(), internal: fc.boolean() })

test('any octets: a value or our error', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.uint8Array({ maxLength: 400 }),
      anySession,
      (type, body, session) => {
        swallow(header(type, body), session)
        swallow(body, session)
      },
    ),
    { numRuns: 3000 },
  )
})

test('good messages with a few octets changed: a value or our error', () => {
  const session = { fourOctetAs: true, internal: true }
  const good = fc.oneof(
    fc.tuple(attributes(hostV4), fc.array(prefix, { minLength: 1, maxLength: 20 })).map(([route, prefixes]) => {
      const keys = prefixes.filter((item) => item.family === 4).map(keyOfPrefix)
      return encodeAnnouncements({ family: 4, attributes: route, keys }, session, 4096)?.[0]
    }),
    fc.tuple(attributes(hostV6), fc.array(prefix, { minLength: 1, maxLength: 20 })).map(([route, prefixes]) => {
      const keys = prefixes.filter((item) => item.family === 6).map(keyOfPrefix)
      return encodeAnnouncements({ family: 6, attributes: route, keys }, session, 4096)?.[0]
    }),
    fc.constant(
      encodeOpen({
        asn: 65001,
        holdTimeSeconds: 90,
        routerId: '192.0.2.1',
        capabilities: [
          { name: 'multiprotocol', family: 6 },
          { name: 'fourOctetAs', asn: 65001 },
          {
            name: 'gracefulRestart',
            restarting: false,
            notification: true,
            restartTimeSeconds: 9,
            families: [{ family: 4, forwardingPreserved: true }],
          },
        ],
      }),
    ),
  )
  const changes = fc.array(fc.tuple(fc.nat(4095), fc.nat(255)), { minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(good, changes, anySession, fc.nat(30), (octets, edits, facts, cut) => {
      if (octets === undefined) return
      const mutated = octets.slice(0, octets.length - Math.min(cut, octets.length - 19))
      mutated[16] = mutated.length >>> 8
      mutated[17] = mutated.length
      for (const [at, value] of edits) mutated[19 + (at % (mutated.length - 18))] = value
      swallow(mutated, facts)
    }),
    { numRuns: 3000 },
  )
})
