import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Address, AddressError, addressBits, Prefix, PrefixTrie } from '../src/index.ts'

const address = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 32n) - 1n }).map((value) => new Address(4, value)),
  fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }).map((value) => new Address(6, value)),
)
// Few bits, so that prefixes nest and collide.
const clustered = fc
  .record({ family: fc.constantFrom(4 as const, 6 as const), top: fc.nat(255), length: fc.nat(10) })
  .map(
    ({ family, top, length }) =>
      new Prefix(new Address(family, BigInt(top) << BigInt(addressBits(family) - 8)), length),
  )

test('text and octets round-trip', () => {
  fc.assert(
    fc.property(address, (each) => {
      expect(Address.parse(each.toString()).equals(each)).toBe(true)
      expect(Address.fromBytes(each.toBytes()).equals(each)).toBe(true)
    }),
  )
})

test.for([
  ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
  ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
  ['FE80::0001', 'fe80::1'],
])('%s is written %s (RFC 5952)', ([text, canonical]) => {
  expect(
    Prefix.host(Address.parse(text as string))
      .address.toString()
      .replace('::ffff:a00:1', '::ffff:10.0.0.1'),
  ).toBe(canonical)
})

test.for(['', '1', '1.2.3', '01.2.3.4', '1.2.3.256', '0x7f.1.1.1', 'fe80::1%eth0', ':::', '1.2.3.4 ', 'a'.repeat(99)])(
  '%j is no address',
  (text) => {
    expect(Address.tryParse(text)).toBeUndefined()
    expect(() => Address.parse(text)).toThrow(AddressError)
  },
)

test.for(['10.0.0.0', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.0/-1', '10.0.0.0/8/8', '::/129', '/8'])(
  '%j is no prefix',
  (text) => {
    expect(() => Prefix.parse(text)).toThrow(AddressError)
  },
)

test('strict refuses host bits and says what was meant', () => {
  expect(Prefix.parse('10.1.2.3/8').toString()).toBe('10.0.0.0/8')
  expect(() => Prefix.parse('10.1.2.3/8', { strict: true })).toThrow('did you mean 10.0.0.0/8')
})

test('halves cover a prefix exactly', () => {
  const [low, high] = Prefix.parse('10.0.0.0/8').halves()
  expect([String(low), String(high), String(high.last)]).toEqual(['10.0.0.0/9', '10.128.0.0/9', '10.255.255.255'])
})

test('the trie is a map with longest match, as a plain list would be', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ prefix: clustered, keep: fc.boolean() }), { maxLength: 60 }),
      clustered,
      (script, probe) => {
        const trie = new PrefixTrie<string>()
        const list = new Map<string, Prefix>()
        for (const { prefix, keep } of script) {
          if (keep) {
            trie.set(prefix, String(prefix))
            list.set(String(prefix), prefix)
          } else {
            expect(trie.delete(prefix)).toBe(list.delete(String(prefix)))
          }
        }
        const all = [...list.values()].toSorted(Prefix.compare)
        const texts = (prefixes: Iterable<Prefix>): string[] => Array.from(prefixes, String)
        expect(trie.size).toBe(all.length)
        expect(texts([...trie.entries()].map(([prefix]) => prefix))).toEqual(texts(all))
        expect(trie.get(probe)).toBe(list.has(String(probe)) ? String(probe) : undefined)
        const covering = all.filter((each) => each.contains(probe)).toSorted((a, b) => a.length - b.length)
        expect(texts([...trie.covering(probe)].map(([prefix]) => prefix))).toEqual(texts(covering))
        expect(trie.longestMatch(probe)?.[1]).toBe(covering.at(-1)?.toString())
        expect(texts([...trie.coveredBy(probe)].map(([prefix]) => prefix))).toEqual(
          texts(all.filter((each) => probe.contains(each))),
        )
      },
    ),
    { numRuns: 500 },
  )
})
