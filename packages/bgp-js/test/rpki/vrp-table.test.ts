import { Prefix } from '@margay/net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Vrp } from '../../src/rpki/rtr-pdu.ts'
import { routeOriginAs, VrpTable } from '../../src/rpki/vrp-table.ts'

const vrp = (prefix: string, maxLength: number, asn: number): Vrp => ({ prefix: Prefix.parse(prefix), maxLength, asn })

function tableOf(...vrps: readonly Vrp[]): VrpTable {
  const table = new VrpTable()
  for (const each of vrps) table.add(each)
  return table
}

const table = tableOf(
  vrp('10.0.0.0/16', 20, 65_001),
  vrp('10.0.0.0/16', 24, 65_002),
  vrp('10.0.0.0/8', 8, 65_003),
  vrp('192.0.2.0/24', 32, 0),
  vrp('2001:db8::/32', 48, 65_001),
)

test.for([
  ['10.0.0.0/16', 65_001, 'valid'],
  ['10.0.16.0/20', 65_001, 'valid'],
  ['10.0.16.0/21', 65_001, 'invalid'],
  ['10.0.16.0/24', 65_002, 'valid'],
  ['10.0.16.0/25', 65_002, 'invalid'],
  ['10.0.0.0/8', 65_003, 'valid'],
  ['10.0.0.0/16', 65_003, 'invalid'],
  ['10.0.0.0/7', 65_003, 'notFound'],
  ['11.0.0.0/16', 65_001, 'notFound'],
  ['10.0.0.0/16', undefined, 'invalid'],
  ['11.0.0.0/16', undefined, 'notFound'],
  ['192.0.2.0/24', 0, 'invalid'],
  ['192.0.2.0/24', 65_001, 'invalid'],
  ['2001:db8::/48', 65_001, 'valid'],
  ['2001:db8::/49', 65_001, 'invalid'],
] as const)('%s from AS %s: %s', ([prefix, asn, expected]) => {
  expect(table.validate(Prefix.parse(prefix), asn)).toBe(expected)
})

test('adding twice is adding once, removing takes out that one alone', () => {
  const own = tableOf(vrp('10.0.0.0/8', 8, 1), vrp('10.0.0.0/8', 8, 1), vrp('10.0.0.0/8', 9, 1))
  expect(own.size).toBe(2)
  own.remove(vrp('10.0.0.0/8', 9, 1))
  own.remove(vrp('10.0.0.0/8', 9, 1))
  expect(own.validate(Prefix.parse('10.0.0.0/9'), 1)).toBe('invalid')
  own.remove(vrp('10.0.0.0/8', 8, 1))
  expect([own.size, own.validate(Prefix.parse('10.0.0.0/8'), 1)]).toEqual([0, 'notFound'])
})

test.for([
  [[], 65_001],
  [[{ type: 'sequence', asns: [1, 2] }], 2],
  [
    [
      { type: 'sequence', asns: [1] },
      { type: 'set', asns: [2] },
    ],
    undefined,
  ],
  [[{ type: 'confedSequence', asns: [1] }], 65_001],
  [
    [
      { type: 'confedSequence', asns: [1] },
      { type: 'sequence', asns: [7] },
    ],
    7,
  ],
] as const)('origin of %j: %s', ([path, expected]) => {
  expect(routeOriginAs(path, 65_001)).toBe(expected)
})

const prefix = fc
  .tuple(fc.constantFrom(0, 64, 128), fc.constantFrom(8, 9, 10, 16, 24))
  .map(([b, length]) => Prefix.parse(`10.${b}.0.0/${length}`))
const asn = fc.constantFrom(0, 1, 2)
const anyVrp = fc.record({ prefix, maxLength: fc.constantFrom(24, 16, 10, 8), asn }).map((item) => ({
  ...item,
  maxLength: Math.max(item.maxLength, item.prefix.length),
}))

test('agrees with RFC 6811 §2.1 said plainly', () => {
  const steps = fc.array(fc.record({ vrp: anyVrp, add: fc.boolean() }), { maxLength: 12 })
  fc.assert(
    fc.property(steps, prefix, fc.option(asn, { nil: undefined }), (list, route, origin) => {
      const own = new VrpTable()
      const there = new Map<string, Vrp>()
      for (const { vrp: each, add } of list) {
        const key = JSON.stringify(each)
        if (add) {
          own.add(each)
          there.set(key, each)
        } else {
          own.remove(each)
          there.delete(key)
        }
      }
      const covering = [...there.values()].filter((each) => each.prefix.contains(route))
      const matches = covering.some((each) => each.asn === origin && origin !== 0 && route.length <= each.maxLength)
      expect(own.validate(route, origin)).toBe(matches ? 'valid' : covering.length > 0 ? 'invalid' : 'notFound')
      expect(own.size).toBe(there.size)
    }),
    { numRuns: 2000 },
  )
})
