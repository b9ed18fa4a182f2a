import { expect, test } from 'vitest'
import { Bird } from './bird.ts'
import { eventually } from './eventually.ts'
import { type Link, NamespaceStar } from './namespace-pair.ts'
import { SpeakerChild } from './speaker-child.ts'

test('BIRD over an IPv6 session: both families, next hops of each', async () => {
  using star = new NamespaceStar(1)
  const link = star.links[0] as Link
  const networks = ['10.50.0.0/24', 'fd50::/48']
  await using bird = new Bird(link, { asn: 65001, ourAsn: 65002, routerId: '192.0.2.1', networks, transport: 'ipv6' })
  await bird.start()
  await using speaker = await SpeakerChild.start(star.ours, {
    asn: 65002,
    routerId: '192.0.2.2',
    listen: [
      { address: link.ours.ipv6, port: 179 },
      { address: link.ours.ipv4, port: 179 },
    ],
    networks: ['10.20.0.0/24', 'fd20::/48'],
    nextHop: { ipv4: link.ours.ipv4 },
    neighbors: [{ address: link.theirs.ipv6, asn: 65001, connectRetry: 2 }],
  })
  await eventually('their routes are here', async () => (await speaker.learned()).length === 2, {
    describe: async () => `${speaker.log}\n${bird.log}`,
  })
  const [peer] = await speaker.peers()
  expect(peer).toMatchObject({ address: link.theirs.ipv6, localAddress: link.ours.ipv6, state: 'Established' })
  const four = await eventually('IPv4', async () => (await bird.route('10.20.0.0/24')) || undefined)
  expect(four).toContain(link.ours.ipv4)
  const six = await eventually('IPv6', async () => (await bird.route('fd20::/48')) || undefined)
  expect(six).toContain(link.ours.ipv6)
  const { locRib } = await speaker.routes({ prefix: 'fd50::/48' })
  expect(locRib[0]?.paths[0]?.attributes.nextHop).toBe(link.theirs.ipv6)
})
