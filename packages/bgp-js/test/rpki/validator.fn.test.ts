import { Prefix } from '@margay/net'
import { expect, test } from 'vitest'
import { type RpkiConfig, RpkiValidator } from '../../src/rpki/rpki-validator.ts'
import type { Vrp } from '../../src/rpki/rtr-pdu.ts'
import { silentLog, systemClock } from '../../src/speaker/ports.ts'
import { eventually } from '../interop/eventually.ts'
import { ManualClock } from '../speaker/manual-clock.ts'
import { FakeCache } from './fake-cache.ts'

const vrp = (prefix: string, asn: number): Vrp => ({ prefix: Prefix.parse(prefix), maxLength: 24, asn })
const A = vrp('10.1.0.0/16', 65_001)
const B = vrp('10.2.0.0/16', 65_002)
const [IN_A, IN_B] = [Prefix.parse('10.1.0.0/24'), Prefix.parse('10.2.0.0/24')]

/** A validator, and every prefix that it said had changed. */
class Rig implements Disposable {
  readonly clock = new ManualClock()
  readonly changed: string[] = []
  readonly validator: RpkiValidator

  constructor(caches: RpkiConfig['caches'], clock = undefined as typeof systemClock | undefined) {
    const onChange = (prefixes: readonly Prefix[]): void => void this.changed.push(...prefixes.map(String))
    this.validator = new RpkiValidator({ caches }, { clock: clock ?? this.clock, log: silentLog, onChange })
    this.validator.start()
  }

  async until(what: string, probe: () => boolean | undefined): Promise<void> {
    await eventually(what, async () => probe() === true, { describe: async () => this.validator.status() })
  }

  [Symbol.dispose](): void {
    this.validator.stop()
  }
}

const at = (cache: FakeCache, preference = 0) => ({ address: '127.0.0.1', port: cache.port, preference })

test('learns a table, follows it, and names the prefixes that changed', async () => {
  await using cache = await FakeCache.start([A])
  using rig = new Rig([at(cache)])
  await rig.until('the table', () => rig.validator.size === 1)
  expect(rig.validator.validate(IN_A, 65_001)).toBe('valid')
  cache.publish([B])
  await rig.until('the next table', () => rig.validator.validate(IN_B, 65_002) === 'valid')
  expect(rig.validator.validate(IN_A, 65_001)).toBe('notFound')
  expect(rig.changed).toEqual(['10.1.0.0/16', '10.1.0.0/16', '10.2.0.0/16'])
  expect(rig.validator.status()).toMatchObject([
    { connected: true, inUse: true, session: 7, serial: 1, vrps: 1, version: 1 },
  ])
  expect(cache.queries.map(({ type }) => type)).toEqual(['resetQuery', 'serialQuery'])
})

test('asks again when the refresh interval is over, and for all after a Cache Reset', async () => {
  await using cache = await FakeCache.start([A])
  using rig = new Rig([at(cache)])
  await rig.until('the table', () => rig.validator.size === 1)
  cache.session = 8
  rig.clock.advance(3_600_000)
  await rig.until('the other session', () => rig.validator.status()[0]?.session === 8)
  expect(cache.queries.map(({ type }) => type)).toEqual(['resetQuery', 'serialQuery', 'resetQuery'])
})

test('a cache that is gone: data stay until they expire; it is dialled until it is back', async () => {
  await using cache = await FakeCache.start([A])
  using rig = new Rig([at(cache)])
  await rig.until('the table', () => rig.validator.size === 1)
  const { port } = cache
  await cache[Symbol.asyncDispose]().catch(() => undefined)
  await rig.until('the end of the connection', () => rig.validator.status()[0]?.connected === false)
  expect(rig.validator.validate(IN_A, 65_001)).toBe('valid')
  for (let second = 0; second < 7200; second += 600) rig.clock.advance(600_000)
  await rig.until('expiry', () => rig.validator.size === 0)
  expect(rig.validator.validate(IN_A, 65_001)).toBe('notFound')
  await using again = await FakeCache.start([B], port)
  await rig.until('the table', () => {
    rig.clock.advance(600_000)
    return rig.validator.validate(IN_B, 65_002) === 'valid'
  })
  expect(again.queries[0]?.type).toBe('resetQuery')
})

test('the most preferred cache that has data is used', async () => {
  await using first = await FakeCache.start([A])
  await using second = await FakeCache.start([B])
  first.script = () => [{ type: 'errorReport', code: 2, pdu: new Uint8Array(0), text: 'no data yet' }]
  using rig = new Rig([at(second, 2), at(first, 1)])
  await rig.until('the second table', () => rig.validator.validate(IN_B, 65_002) === 'valid')
  first.script = undefined
  await rig.until('the first table', () => {
    rig.clock.advance(1000)
    return rig.validator.validate(IN_A, 65_001) === 'valid'
  })
  expect(rig.validator.validate(IN_B, 65_002)).toBe('notFound')
  expect(rig.validator.status()).toMatchObject([
    { port: first.port, inUse: true },
    { port: second.port, inUse: false },
  ])
})

test('a cache that speaks version 0 alone', async () => {
  await using cache = await FakeCache.start([A])
  cache.version = 0
  using rig = new Rig([at(cache)])
  await rig.until('the table', () => {
    rig.clock.advance(0)
    return rig.validator.size === 1
  })
  expect(rig.validator.status()[0]?.version).toBe(0)
})

test('a cache that breaks the protocol is told so and dialled again', async () => {
  await using cache = await FakeCache.start([A])
  cache.script = (pdu) =>
    pdu.type === 'resetQuery'
      ? [
          { type: 'cacheResponse', session: 7 },
          { type: 'prefix', announce: false, vrp: A },
        ]
      : undefined
  using rig = new Rig([at(cache)])
  await rig.until('the Error Report', () => cache.queries.at(-1)?.type === 'errorReport')
  expect(cache.queries.at(-1)).toMatchObject({ code: 6 })
  cache.script = undefined
  await rig.until('the table', () => {
    rig.clock.advance(1000)
    return rig.validator.size === 1
  })
})

test('a cache that never answers is given up', async () => {
  await using cache = await FakeCache.start([A])
  cache.script = () => []
  using rig = new Rig([at(cache)])
  await rig.until('the question', () => cache.queries.length === 1)
  rig.clock.advance(60_000)
  expect(rig.validator.status()).toMatchObject([{ connected: false, lastError: 'no answer' }])
})

test('a full table is taken in slices: the event loop turns in between', async () => {
  const many = Array.from({ length: 20_000 }, (_, n) => vrp(`10.${n >> 8}.${n & 255}.0/24`, 65_001))
  await using cache = await FakeCache.start(many)
  using rig = new Rig([at(cache)], systemClock)
  const sizes = new Set<number>()
  await new Promise<void>((resolve) => {
    const look = (): void => {
      sizes.add(rig.validator.size)
      if (rig.validator.size === many.length) resolve()
      else setImmediate(look)
    }
    look()
  })
  expect(sizes.size).toBeGreaterThan(5)
})
