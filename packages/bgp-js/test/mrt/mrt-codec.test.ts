import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeMrtRecord,
  encodeMrtRecord,
  MrtError,
  type MrtRecord,
  MrtTable,
  readMrt,
  ribRoutesOf,
  updateOfRibEntry,
  type WritableMrtRecord,
} from '../../src/index.ts'
import { hex, MANDATORY, message, ORIGIN_IGP, toHex, update } from '../wire/hex.ts'

const session = {
  peerAsn: 4_200_000_001,
  localAsn: 65002,
  interfaceIndex: 0,
  peerAddress: '192.0.2.1',
  localAddress: '192.0.2.2',
}
const timeUs = 1_700_000_000_250_000
const keepalive = message(4, '')

const GOLDENS: readonly { name: string; record: WritableMrtRecord; golden: string }[] = [
  {
    name: 'BGP4MP_ET MESSAGE_AS4 (RFC 6396 §4.4.3, §3)',
    record: { kind: 'message', timeUs, ...session, addPath: false, local: false, message: keepalive },
    golden: `
      6553f100 0011 0004 0000002b  # 1700000000, BGP4MP_ET, MESSAGE_AS4, 43 octets
      0003d090                     # 250000 us
      fa56ea01 0000fdea 0000 0001  # peer AS, local AS, interface, IPv4
      c0000201 c0000202
      ffffffffffffffffffffffffffffffff 0013 04`,
  },
  {
    name: 'BGP4MP_ET STATE_CHANGE_AS4 over IPv6 (RFC 6396 §4.4.4)',
    record: {
      kind: 'stateChange',
      timeUs,
      ...session,
      peerAddress: '2001:db8::1',
      localAddress: '2001:db8::2',
      from: 'OpenConfirm',
      to: 'Established',
    },
    golden: `
      6553f100 0011 0005 00000034
      0003d090
      fa56ea01 0000fdea 0000 0002
      20010db8000000000000000000000001
      20010db8000000000000000000000002
      0005 0006`,
  },
  {
    name: 'PEER_INDEX_TABLE (RFC 6396 §4.3.1)',
    record: {
      kind: 'peerIndexTable',
      timeUs: 1_700_000_000_000_000,
      collectorId: '10.0.0.9',
      viewName: 'all',
      peers: [
        { routerId: '10.0.0.1', address: '192.0.2.1', asn: 65001 },
        { routerId: '10.0.0.2', address: '2001:db8::1', asn: 4_200_000_001 },
      ],
    },
    golden: `
      6553f100 000d 0001 00000031
      0a000009 0003 616c6c 0002
      02 0a000001 c0000201 0000fde9
      03 0a000002 20010db8000000000000000000000001 fa56ea01`,
  },
  {
    name: 'RIB_IPV4_UNICAST (RFC 6396 §4.3.2)',
    record: {
      kind: 'rib',
      timeUs: 1_700_000_000_000_000,
      sequence: 7,
      prefix: '10.1.128.0/17',
      entries: [{ peerIndex: 1, originatedAt: 1_600_000_000, attributes: hex(ORIGIN_IGP) }],
    },
    golden: `
      6553f100 000d 0002 00000016
      00000007 11 0a0180 0001
      0001 5f5e1000 0004 ${ORIGIN_IGP}`,
  },
  {
    name: 'RIB_IPV6_UNICAST with path identifiers (RFC 8050 §4)',
    record: {
      kind: 'rib',
      timeUs: 1_700_000_000_000_000,
      sequence: 0,
      prefix: '2001:db8::/32',
      entries: [{ peerIndex: 0, originatedAt: 1, pathId: 9, attributes: hex(ORIGIN_IGP) }],
    },
    golden: `
      6553f100 000d 000a 0000001b
      00000000 20 20010db8 0001
      0000 00000001 00000009 0004 ${ORIGIN_IGP}`,
  },
]

test.for(GOLDENS)('golden: $name', ({ record, golden }) => {
  expect(toHex(encodeMrtRecord(record))).toBe(toHex(hex(golden)))
  const read = record.kind === 'message' ? { ...record, fourOctetAs: true } : record
  expect(decodeMrtRecord(hex(golden))).toEqual(read)
})

describe('what others write', () => {
  test('two-octet AS numbers, whole seconds', () => {
    const octets = hex('00000001 0010 0001 00000023 fde9 fdea 0003 0001 c0000201 c0000202' + toHex(keepalive))
    expect(decodeMrtRecord(octets)).toMatchObject({
      kind: 'message',
      timeUs: 1_000_000,
      peerAsn: 65001,
      localAsn: 65002,
      interfaceIndex: 3,
      fourOctetAs: false,
      addPath: false,
      message: keepalive,
    })
  })

  test('path identifiers in messages, our own messages', () => {
    const body = `fa56ea01 0000fdea 0000 0001 c0000201 c0000202 ${toHex(keepalive)}`
    const read = (subtype: string): MrtRecord => decodeMrtRecord(hex(`00000001 0010 ${subtype} 00000027 ${body}`))
    expect(read('0009')).toMatchObject({ addPath: true, local: false, fourOctetAs: true })
    expect(read('000b')).toMatchObject({ addPath: true, local: true, fourOctetAs: true })
    expect(read('0007')).toMatchObject({ addPath: false, local: true, fourOctetAs: true })
  })

  test('unknown types and subtypes are handed over', () => {
    expect(decodeMrtRecord(hex('00000001 0030 0002 00000002 abcd'))).toEqual({
      kind: 'unknown',
      timeUs: 1_000_000,
      type: 48,
      subtype: 2,
      body: hex('abcd'),
    })
    expect(decodeMrtRecord(hex('00000001 000d 0006 00000000'))).toMatchObject({ kind: 'unknown', subtype: 6 })
  })
})

async function all(source: Iterable<Uint8Array>): Promise<MrtRecord[]> {
  const records: MrtRecord[] = []
  for await (const record of readMrt(source)) records.push(record)
  return records
}

describe('streams', () => {
  const octets = Buffer.concat(GOLDENS.map(({ record }) => encodeMrtRecord(record)))

  test.for([1, 7, 64, 1 << 16])('in pieces of %i octets', async (size) => {
    const pieces = Array.from({ length: Math.ceil(octets.length / size) }, (_, index) =>
      octets.subarray(index * size, (index + 1) * size),
    )
    expect((await all(pieces)).map(({ kind }) => kind)).toEqual(GOLDENS.map(({ record }) => record.kind))
  })

  test('errors name the offset of the record', async () => {
    const first = encodeMrtRecord((GOLDENS[0] as (typeof GOLDENS)[0]).record)
    const failure = async (rest: Uint8Array): Promise<unknown> =>
      all([first, rest]).then(
        () => undefined,
        (error: unknown) => error,
      )
    const at = { code: 'BGP_BAD_MRT', offset: first.length }
    expect(await failure(first.subarray(0, 20))).toMatchObject({ ...at, message: expect.stringContaining('20 octets') })
    expect(await failure(hex('00000001 0010 0005 00000004 00000000'))).toMatchObject(at)
    expect(await failure(hex('00000001 000d 0002 00000007 00000000 21 0000'))).toMatchObject(at)
    expect(await failure(hex('00000001 0010 0005 ffffffff'))).toMatchObject(at)
    expect(await failure(Buffer.concat([hex('00000001 000d 0001 00000009 0a000001 0000 0000 ff')]))).toMatchObject(at)
  })
})

test('any octets give a record or an MrtError', () => {
  const head = fc.constantFrom('000d0001', '000d0002', '000d0004', '000d000a', '00100001', '00100005', '00110004')
  fc.assert(
    fc.property(head, fc.uint8Array({ maxLength: 80 }), (kind, body) => {
      const length = body.length.toString(16).padStart(8, '0')
      try {
        decodeMrtRecord(hex(`00000001 ${kind} ${length} ${toHex(body)}`))
      } catch (error) {
        expect(error).toBeInstanceOf(MrtError)
      }
    }),
    { numRuns: 3000 },
  )
})

describe('tables out of UPDATEs', () => {
  const REACH = '80 0e 1c 0002 01 10 20010db8000000000000000000000001 00 30 fd0000000001'
  const CUT = '80 0e 11 10 20010db8000000000000000000000001'

  test('the attributes of each family, and back', () => {
    const both = update({ attributes: `${REACH} ${MANDATORY}`, nlri: '18 0a0000 11 0a0180' })
    const [six, four] = ribRoutesOf(both)
    expect(six?.prefixes).toEqual(['fd00:0:1::/48'])
    expect(toHex(six?.attributes ?? hex(''))).toBe(toHex(hex(`${CUT} ${MANDATORY}`)))
    expect(four?.prefixes).toEqual(['10.0.0.0/24', '10.1.128.0/17'])
    expect(toHex(four?.attributes ?? hex(''))).toBe(toHex(hex(MANDATORY)))
    expect(toHex(updateOfRibEntry('fd00:0:1::/48', six?.attributes ?? hex('')))).toBe(
      toHex(update({ attributes: `${REACH} ${MANDATORY}` })),
    )
    expect(toHex(updateOfRibEntry('10.0.0.0/24', four?.attributes ?? hex('')))).toBe(
      toHex(update({ attributes: MANDATORY, nlri: '18 0a0000' })),
    )
  })

  test('withdrawals announce nothing', () => {
    expect(ribRoutesOf(update({ withdrawn: '18 0a0000', attributes: '80 0f 03 0002 01' }))).toEqual([])
  })

  test('a record for each prefix, an entry for each peer', () => {
    const table = new MrtTable()
    const one = table.addPeer({ routerId: '10.0.0.1', address: '192.0.2.1', asn: 65001 })
    const two = table.addPeer({ routerId: '10.0.0.2', address: '192.0.2.2', asn: 65002 })
    table.add(one, update({ attributes: MANDATORY, nlri: '18 0a0000 18 0a0001' }), 5)
    table.add(two, update({ attributes: MANDATORY, nlri: '18 0a0001' }), 6)
    const records = [...table.records({ timeUs: 0, collectorId: '10.0.0.9', viewName: '' })]
    expect(records.map((record) => (record.kind === 'rib' ? [record.prefix, record.entries.length] : []))).toEqual([
      [],
      ['10.0.0.0/24', 1],
      ['10.0.1.0/24', 2],
    ])
    expect(records[2]).toMatchObject({ sequence: 1, entries: [{ peerIndex: 0, originatedAt: 5 }, { peerIndex: 1 }] })
  })
})
