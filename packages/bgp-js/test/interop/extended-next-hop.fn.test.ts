import { expect, test } from 'vitest'
import { Bird } from './bird.ts'
import type { DaemonSetup } from './daemon.ts'
import { eventually } from './eventually.ts'
import { ExaBgp } from './exabgp.ts'
import { Frr } from './frr.ts'
import { GoBgp } from './gobgp.ts'
import { type Link, NamespaceStar } from './namespace-pair.ts'
import { SpeakerChild } from './speaker-child.ts'

const setup: DaemonSetup = {
  asn: 65001,
  ourAsn: 65002,
  routerId: '192.0.2.1',
  networks: ['10.50.0.0/24'],
  transport: 'ipv6',
  extendedNextHop: true,
}

test.for([
  { name: 'BIRD', make: (link: Link) => new Bird(link, setup) },
  { name: 'FRR', make: (link: Link) => new Frr(link, setup) },
  { name: 'GoBGP', make: (link: Link) => new GoBgp(link, setup) },
  { name: 'ExaBGP', make: (link: Link) => new ExaBgp(link, setup) },
])('$name: IPv4 routes over IPv6 alone, both ways (RFC 8950)', async ({ make }) => {
  using star = new NamespaceStar(1)
  const link = star.links[0] as Link
  await using daemon = make(link)
  await daemon.start()
  await using speaker = await SpeakerChild.start(star.ours, {
    asn: 65002,
    routerId: '192.0.2.2',
    listen: { address: '::', port: 179 },
    networks: ['10.20.0.0/24'],
    neighbors: [{ address: link.theirs.ipv6, asn: 65001, connectRetry: 1, extendedNextHop: true }],
  })
  const describe = async (): Promise<string> => `${speaker.log}\n${daemon.log}`
  const path = await eventually(
    'their route is here',
    async () => (await speaker.routes({ prefix: '10.50.0.0/24' })).locRib[0]?.paths[0],
    { describe },
  )
  expect(path.attributes.nextHop).toBe(link.theirs.ipv6)
  const shown = await eventually('ours is there', async () => (await daemon.route('10.20.0.0/24')) || false, {
    describe,
  })
  expect(shown).toContain(link.ours.ipv6)
})
