import { Prefix } from '@margay/net'
import { expect, test } from 'vitest'
import type { Policy } from '../../src/index.ts'
import type { Vrp } from '../../src/rpki/rtr-pdu.ts'
import { FakeCache } from '../rpki/fake-cache.ts'
import { freshAddress, peer, reaches, Speakers, statusOf } from './loopback.ts'

const vrp = (prefix: string, asn: number): Vrp => ({ prefix: Prefix.parse(prefix), maxLength: 24, asn })
const noInvalid: Policy = { rules: [{ match: { rpki: 'invalid' }, then: 'reject' }], default: 'accept' }
const onlyValid: Policy = { rules: [{ match: { rpki: 'valid' }, then: 'accept' }] }

/** One speaker announces two prefixes; the other judges them by a cache, and passes what it likes on to a third. */
async function line(speakers: Speakers, cache: FakeCache, policies: { import?: Policy; export?: Policy }) {
  const [a, b, c] = [freshAddress(), freshAddress(), freshAddress()]
  await speakers.start(a, 65_001, { networks: ['10.1.0.0/16', '10.2.0.0/16'], neighbors: [peer(b, 65_002)] })
  const judge = await speakers.start(b, 65_002, {
    neighbors: [
      peer(a, 65_001, policies.import === undefined ? {} : { import: policies.import }),
      peer(c, 65_003, policies.export === undefined ? {} : { export: policies.export }),
    ],
    rpki: { caches: [{ address: '127.0.0.1', port: cache.port }] },
  })
  const last = await speakers.start(c, 65_003, { neighbors: [peer(b, 65_002)] })
  return { judge, last, direct: `${a} [65001] ${a}`, onwards: `${b} [65002 65001] ${b}`, a }
}

test('import: a route goes when its origin becomes invalid, and comes back, on the running session', async () => {
  await using cache = await FakeCache.start([])
  await using speakers = new Speakers()
  const { judge, last, direct, onwards, a } = await line(speakers, cache, { import: noInvalid })
  await reaches(judge, '10.1.0.0/16', direct)
  await reaches(last, '10.1.0.0/16', onwards)
  cache.publish([vrp('10.1.0.0/16', 65_099)])
  await reaches(judge, '10.1.0.0/16', undefined)
  await reaches(last, '10.1.0.0/16', undefined)
  expect(judge.routes({ prefix: '10.1.0.0/16' }).adjRibIn).toMatchObject([{ refused: 'policy' }])
  await reaches(judge, '10.2.0.0/16', direct)
  cache.publish([vrp('10.1.0.0/16', 65_099), vrp('10.1.0.0/16', 65_001)])
  await reaches(judge, '10.1.0.0/16', direct)
  await reaches(last, '10.1.0.0/16', onwards)
  expect(statusOf(judge, a)).toMatchObject({ state: 'Established', flaps: 0 })
})

test('export: what is announced follows the cache', async () => {
  await using cache = await FakeCache.start([vrp('10.1.0.0/16', 65_001)])
  await using speakers = new Speakers()
  const { judge, last, direct, onwards } = await line(speakers, cache, { export: onlyValid })
  await reaches(last, '10.1.0.0/16', onwards)
  await reaches(judge, '10.2.0.0/16', direct)
  await reaches(last, '10.2.0.0/16', undefined)
  cache.publish([vrp('10.2.0.0/16', 65_001)])
  await reaches(last, '10.2.0.0/16', onwards)
  await reaches(last, '10.1.0.0/16', undefined)
})
