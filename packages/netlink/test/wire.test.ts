import { Address, Prefix } from '@margay/net'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addressRequest, decodeAddress } from '../src/addresses.ts'
import { Attributes, MessageWriter, walkAttributes } from '../src/attributes.ts'
import { NetlinkError } from '../src/errors.ts'
import { decodeLink, newLinkRequests } from '../src/links.ts'
import { Nlm, readVerdict, splitMessages } from '../src/message.ts'
import { decodeForwardingEntry, decodeNeighbour } from '../src/neighbours.ts'
import type { NetlinkRequest } from '../src/netlink-socket.ts'
import { decodeAnyRoute, decodeRoute, type Route, routeRequest } from '../src/routes.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const fromHex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text.replaceAll(/\s|;.*$/gm, ''), 'hex'))

function encode(request: NetlinkRequest | undefined): Uint8Array {
  const writer = new MessageWriter(8)
  if (request === undefined) throw new Error('no request')
  writer.message(request.type, (request.flags ?? 0) | Nlm.F_REQUEST, 7, request.fill)
  return writer.bytes()
}

// By hand from linux/rtnetlink.h, for a little-endian machine.
describe('messages, octet by octet', () => {
  test('ip route add 10.1.0.0/16 via 10.0.0.1 dev 3 table 1000', () => {
    const route = { dst: Prefix.parse('10.1.0.0/16'), gateway: Address.parse('10.0.0.1'), oif: 3, table: 1000 }
    expect(hex(encode(routeRequest('add', route)))).toBe(
      hex(
        fromHex(`
          3c000000 1800 0106 07000000 00000000 ; length 60, RTM_NEWROUTE, REQUEST|CREATE|EXCL, sequence 7
          02 10 00 00 00 04 00 01 00000000     ; AF_INET, /16, table in its attribute, static, universe, unicast
          0800 0100 0a010000                   ; RTA_DST
          0800 0f00 e8030000                   ; RTA_TABLE
          0800 0400 03000000                   ; RTA_OIF
          0800 0500 0a000001                   ; RTA_GATEWAY`),
      ),
    )
  })

  test('an IPv4 route over an IPv6 next hop: RTA_VIA', () => {
    const route = { dst: Prefix.parse('0.0.0.0/0'), gateway: Address.parse('fe80::1'), oif: 2 }
    expect(hex(encode(routeRequest('replace', route)))).toBe(
      hex(
        fromHex(`
          3c000000 1800 0105 07000000 00000000
          02 00 00 00 fe 04 00 01 00000000
          0800 0400 02000000
          1600 1200 0a00 fe800000000000000000000000000001 0000 ; RTA_VIA: AF_INET6, address, padding`),
      ),
    )
  })

  test('ip link add a type veth peer name b', () => {
    expect(hex(encode(newLinkRequests({ kind: 'veth', name: 'a', peer: { name: 'b' } })[0]))).toBe(
      hex(
        fromHex(`
          58000000 1000 0106 07000000 00000000
          00 00 0000 00000000 00000000 00000000
          0600 0300 6100 0000                  ; IFLA_IFNAME
          3000 1280                            ; IFLA_LINKINFO
            0900 0100 7665746800 000000        ; IFLA_INFO_KIND
            2000 0280                          ; IFLA_INFO_DATA
              1c00 0180                        ; VETH_INFO_PEER
                00 00 0000 00000000 00000000 00000000
                0600 0300 6200 0000`),
      ),
    )
  })

  test('ip addr add fd00::1/64 dev 2 nodad', () => {
    const entry = { address: Address.parse('fd00::1'), length: 64, noDad: true }
    expect(hex(encode(addressRequest('add', 2, entry)))).toBe(
      hex(
        fromHex(`
          48000000 1400 0106 07000000 00000000
          0a 40 00 00 02000000
          1400 0200 fd000000000000000000000000000001
          1400 0100 fd000000000000000000000000000001
          0800 0800 02000000`),
      ),
    )
  })

  test('an error with the extended ack behind a capped header', () => {
    const bytes = fromHex(`
      40000000 0200 0003 07000000 00000000 ; NLMSG_ERROR, CAPPED|ACK_TLVS
      efffffff                             ; -17
      20000000 1800 0506 07000000 00000000 ; header of the request
      1a00 0100 4e6578742068696e7420697320776f726e206f7574 00 0000`)
    const [message] = splitMessages(bytes)
    expect(readVerdict(message as NonNullable<typeof message>)).toEqual({ errno: 17, extack: 'Next hint is worn out' })
  })
})

const address4 = fc.nat(0xffffffff).map((value) => new Address(4, BigInt(value)))
const address6 = fc.bigInt(0n, (1n << 128n) - 1n).map((value) => new Address(6, value))
const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined })
const gateway = address6.map((address) => ({ gateway: address }))
const hop = fc
  .tuple(
    fc.record({ oif: fc.integer({ min: 1, max: 99 }), weight: fc.integer({ min: 1, max: 256 }) }),
    optional(gateway),
  )
  .map(([device, via]) => ({ ...device, ...via }))

const route: fc.Arbitrary<Route> = fc
  .record({
    address: fc.oneof(address4, address6),
    bits: fc.nat(128),
    table: fc.integer({ min: 1, max: 0xffffffff }),
    protocol: fc.integer({ min: 1, max: 255 }),
    priority: optional(fc.nat(0xffffffff)),
    mtu: optional(fc.nat(65535)),
    type: fc.constantFrom('unicast', 'blackhole', 'unreachable', 'prohibit', 'throw', 'local'),
    hops: fc.array(hop, { minLength: 1, maxLength: 40 }),
    single: fc.boolean(),
  })
  .map(({ address, bits, hops, single, priority, mtu, ...rest }) => ({
    dst: new Prefix(address, Math.min(bits, address.family === 4 ? 32 : 128)),
    ...rest,
    ...(priority === undefined ? {} : { priority }),
    ...(mtu === undefined ? {} : { mtu }),
    ...(single ? { oif: 3, gateway: Address.parse('fe80::1') } : { multipath: hops }),
  }))

describe('properties', () => {
  test('a route read back is the route written', () => {
    fc.assert(
      fc.property(route, (written) => {
        const [message] = splitMessages(encode(routeRequest('add', written)))
        const read = decodeRoute(message as NonNullable<typeof message>)
        expect(JSON.parse(JSON.stringify(read))).toMatchObject(JSON.parse(JSON.stringify(written)) as object)
      }),
    )
  })

  test('attributes of any size read back, whatever the buffer was', () => {
    const attribute = fc.tuple(fc.integer({ min: 1, max: 0x3fff }), fc.uint8Array({ maxLength: 300 }))
    fc.assert(
      fc.property(fc.array(attribute, { maxLength: 30 }), fc.integer({ min: 1, max: 600 }), (list, capacity) => {
        const writer = new MessageWriter(capacity)
        for (const [type, bytes] of list) writer.attribute(type, bytes)
        const read = [...walkAttributes(writer.bytes())].map(({ type, bytes }) => [type, [...bytes]])
        expect(read).toEqual(list.map(([type, bytes]) => [type, [...bytes]]))
      }),
    )
  })

  const DECODERS = {
    decodeLink,
    decodeAddress,
    decodeRoute,
    decodeAnyRoute,
    decodeNeighbour,
    decodeForwardingEntry,
    readVerdict,
  }
  test.for(Object.entries(DECODERS))('any bytes: %s returns or throws our error', ([_name, decode]) => {
    const noise = fc.uint8Array({ maxLength: 200 })
    // Bytes that begin like a real message and then go wrong reach deeper.
    const damaged = fc
      .tuple(route, fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { maxLength: 4 }), fc.nat(400))
      .map(([valid, changes, length]) => {
        const bytes = encode(routeRequest('add', valid)).slice(16)
        for (const [place, value] of changes) bytes[place % bytes.length] = value
        return bytes.subarray(0, length)
      })
    fc.assert(
      fc.property(fc.oneof(noise, damaged), fc.constantFrom(2, 3), fc.nat(0xffff), (body, type, flags) => {
        try {
          decode({ type, flags, sequence: 1, port: 0, body })
        } catch (error) {
          if (!(error instanceof NetlinkError)) throw error
        }
      }),
      { numRuns: 500 },
    )
  })

  test('any bytes: splitting a datagram', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        try {
          for (const message of splitMessages(bytes)) expect(message.body.length).toBeLessThanOrEqual(bytes.length)
        } catch (error) {
          if (!(error instanceof NetlinkError)) throw error
        }
      }),
    )
  })
})

test('numbers of too few octets are refused, texts end at their zero', () => {
  const writer = new MessageWriter().attribute(1, Uint8Array.of(1, 2)).attribute(2, Uint8Array.of(97, 0, 98))
  const attributes = new Attributes(writer.bytes())
  expect(() => attributes.u32(1)).toThrow(expect.objectContaining({ code: 'NETLINK_BAD_MESSAGE' }))
  expect(attributes.text(2)).toBe('a')
  expect(attributes.u32(9)).toBeUndefined()
})
