import { expect, test } from 'vitest'
import type { BgpConfigError, SpeakerConfig } from '../../src/index.ts'
import { eventually } from '../interop/eventually.ts'
import { established, freshAddress, ipv6Of, PORT, peer, reaches, Speakers, statusOf } from './loopback.ts'

const base = (a: string, more: Partial<SpeakerConfig>): SpeakerConfig => ({
  asn: 65001,
  routerId: a,
  listen: { address: a, port: PORT },
  nextHop: { ipv6: ipv6Of(a) },
  ...more,
})

test('neighbors and networks come, go and change; sessions that need not end go on', async () => {
  const [a, b, c, d] = [freshAddress(), freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const us = await speakers.start(a, 65001, {
    networks: ['10.1.0.0/16', '10.2.0.0/16'],
    neighbors: [peer(b, 65002), peer(c, 65003)],
  })
  const [kept, leaving, coming] = await Promise.all([
    speakers.start(b, 65002, { neighbors: [peer(a, 65001)] }),
    speakers.start(c, 65003, { neighbors: [peer(a, 65001)] }),
    speakers.start(d, 65004, { neighbors: [peer(a, 65001)] }),
  ])
  us.originate('10.9.0.0/16')
  await reaches(kept, '10.2.0.0/16', `${a} [65001] ${a}`)
  await reaches(leaving, '10.2.0.0/16', `${a} [65001] ${a}`)
  us.reconfigure(
    base(a, {
      networks: ['10.2.0.0/16', '10.3.0.0/16'],
      neighbors: [
        peer(b, 65002, { export: { rules: [{ actions: [{ setMed: 7 }], then: 'accept' }] } }),
        peer(d, 65004),
      ],
      drain: true,
    }),
  )
  await reaches(kept, '10.3.0.0/16', `${a} [65001] ${a}`)
  await reaches(kept, '10.1.0.0/16', undefined)
  await reaches(coming, '10.3.0.0/16', `${a} [65001] ${a}`)
  await reaches(leaving, '10.2.0.0/16', undefined)
  expect(us.peers().map(({ address }) => address)).toEqual([b, d])
  await eventually('the new policy, drained', async () => {
    const attributes = kept.routes({ prefix: '10.9.0.0/16' }).locRib[0]?.paths[0]?.attributes
    return attributes?.med === 7 && attributes.communities?.includes('graceful-shutdown')
  })
  expect(statusOf(us, b).flaps).toBe(0)
})

test('what is wrong or fixed is named, and nothing changes', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const us = await speakers.start(a, 65001, { neighbors: [peer(b, 65002)] })
  const fields = (config: unknown): unknown => {
    try {
      return us.reconfigure(config as SpeakerConfig)
    } catch (error) {
      return (error as BgpConfigError).problems.map(({ field }) => field)
    }
  }
  expect(fields(base(a, { asn: 65009, multipath: true }))).toEqual(['asn', 'multipath'])
  expect(fields(base(a, { neighbors: [peer(b, 0)], drian: true } as never))).toEqual(['neighbors[0].asn', 'drian'])
  expect(us.peers().map(({ address }) => address)).toEqual([b])
  expect(fields(base(a, {}))).toBe(undefined)
  expect(us.peers()).toEqual([])
})

test('who came unlisted and is listed now gets what the list says', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const dynamicNeighbors = [{ prefix: `${b}/32`, asn: 65002 }]
  const us = await speakers.start(a, 65001, { dynamicNeighbors })
  const them = await speakers.start(b, 65002, { neighbors: [peer(a, 65001)] })
  await established(them, a)
  us.reconfigure(base(a, { dynamicNeighbors, neighbors: [peer(b, 65002, { description: 'listed' })] }))
  await eventually('up as the listed one', async () => {
    const [status, ...others] = us.peers()
    return others.length === 0 && status?.description === 'listed' && status.state === 'Established'
  })
})
