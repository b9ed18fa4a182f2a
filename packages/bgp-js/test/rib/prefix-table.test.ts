import { Prefix } from '@margay/net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DirtyQueue } from '../../src/rib/dirty-queue.ts'
import { PrefixTable } from '../../src/rib/prefix-table.ts'
import { writeNlri } from '../../src/wire/nlri.ts'
import { keyOfPrefix, prefixText } from '../../src/wire/prefix-key.ts'

const ipv4 = fc
  .tuple(fc.constantFrom('10.0.0.0', '10.255.3.128', '255.255.255.255', '0.0.0.0'), fc.integer({ min: 0, max: 32 }))
  .map(([address, length]) => Prefix.parse(`${address}/${length}`))
const ipv6 = fc
  .tuple(
    fc.constantFrom('::', 'fd00::1', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff', '2001:db8:1:2:3:4:5:6'),
    fc.integer({ min: 0, max: 128 }),
  )
  .map(([address, length]) => Prefix.parse(`${address}/${length}`))

test.for([
  [4, ipv4],
  [6, ipv6],
] as const)(
  'IPv%d: numbers stand for prefixes as a Map of texts says, through any coming and going',
  ([family, prefix]) => {
    fc.assert(
      fc.property(fc.array(fc.tuple(prefix, fc.boolean()), { maxLength: 600 }), (steps) => {
        const table = new PrefixTable(family)
        const model = new Map<string, number>()
        for (const [item, add] of steps) {
          const key = keyOfPrefix(item)
          const text = prefixText(key)
          if (add && !model.has(text)) {
            const number = table.internKey(key)
            expect([...model.values()]).not.toContain(number)
            table.retain(number)
            model.set(text, number)
          } else if (!add && model.has(text)) {
            table.release(model.get(text) as number)
            model.delete(text)
          }
          expect(table.findKey(key)).toBe(model.get(text) ?? 0)
        }
        expect(table.size).toBe(model.size)
        for (const [text, number] of model) {
          expect(prefixText(table.keyOf(number))).toBe(text)
          const octets = new Uint8Array(20)
          const end = writeNlri(octets, 1, table.keyOf(number))
          expect(table.find(octets, 1)).toBe(number)
          expect(table.nlriLength(number)).toBe(end - 1)
        }
      }),
      { numRuns: 60 },
    )
  },
)

test('host bits on the wire name the same prefix', () => {
  const table = new PrefixTable(4)
  const number = table.intern(Uint8Array.of(12, 10, 0x1f), 0)
  expect(table.find(Uint8Array.of(12, 10, 0x10), 0)).toBe(number)
  expect(prefixText(table.keyOf(number))).toBe('10.16.0.0/12')
})

test('a queue holds each prefix once, in order, and retains it', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer({ min: 0, max: 200 })), { maxLength: 500 }), (steps) => {
      const table = new PrefixTable(4)
      const queue = new DirtyQueue(table)
      const model = new Set<string>()
      for (const step of steps) {
        if (step === null) {
          const [first] = model
          const taken = queue.take()
          expect(taken === 0 ? undefined : prefixText(table.keyOf(taken))).toBe(first)
          if (taken !== 0) table.release(taken)
          if (first !== undefined) model.delete(first)
        } else {
          queue.mark(table.internKey(keyOfPrefix(Prefix.parse(`10.0.${step}.0/24`))))
          model.add(`10.0.${step}.0/24`)
        }
        expect(queue.size).toBe(model.size)
        expect(table.size).toBe(model.size)
      }
      queue.clear()
      expect(table.size).toBe(0)
    }),
  )
})
