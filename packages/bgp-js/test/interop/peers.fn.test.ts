import { describe, expect, test } from 'vitest'
import { Bird } from './bird.ts'
import type { Daemon, DaemonSetup } from './daemon.ts'
import { eventually } from './eventually.ts'
import { ExaBgp } from './exabgp.ts'
import { Frr } from './frr.ts'
import { GoBgp } from './gobgp.ts'
import { type Link, NamespaceStar } from './namespace-pair.ts'
import { OpenBgpd } from './openbgpd.ts'
import { SpeakerChild } from './speaker-child.ts'

const OUR_ASN = 4_200_000_002
const THEIR_ASN = 4_200_000_001
const OURS = ['10.20.0.0/24', 'fd20::/48']
const THEIRS = ['10.50.0.0/24', '10.51.0.0/16', 'fd50::/48']

const setup: DaemonSetup = { asn: THEIR_ASN, ourAsn: OUR_ASN, routerId: '192.0.2.1', networks: THEIRS }

const configFor = (link: Link, more: object = {}): object => ({
  asn: OUR_ASN,
  routerId: '192.0.2.2',
  listen: { address: '0.0.0.0', port: 179 },
  networks: OURS,
  nextHop: { ipv6: link.ours.ipv6 },
  neighbors: [{ address: link.theirs.ipv4, asn: THEIR_ASN, connectRetry: 2 }],
  ...more,
})

const daemons: { name: string; make: (link: Link) => Daemon & { log: string } }[] = [
  { name: 'BIRD', make: (link) => new Bird(link, setup) },
  { name: 'FRR', make: (link) => new Frr(link, setup) },
  { name: 'GoBGP', make: (link) => new GoBgp(link, setup) },
  { name: 'ExaBGP', make: (link) => new ExaBgp(link, setup) },
  { name: 'OpenBGPD', make: (link) => new OpenBgpd(link, setup) },
]

async function exchange(speaker: SpeakerChild, daemon: Daemon & { log: string }): Promise<void> {
  const describeBoth = async (): Promise<string> =>
    `${JSON.stringify((await speaker.peers())[0]?.lastError)}\n${speaker.log}\n${daemon.log}`
  await eventually(
    `their routes are here`,
    async () => {
      const learned = await speaker.learned()
      return THEIRS.every((prefix) => learned.includes(prefix))
    },
    { describe: describeBoth },
  )
  for (const prefix of OURS) {
    // oxlint-disable-next-line no-await-in-loop -- two
    await eventually(`${prefix} is there`, async () => (await daemon.route(prefix)) !== '', { describe: describeBoth })
  }
}

describe.for(daemons)('$name', ({ make }) => {
  test('IPv4 and IPv6 routes go both ways, with 4-octet AS numbers and communities', async () => {
    using star = new NamespaceStar(1)
    const link = star.links[0] as Link
    await using daemon = make(link)
    await daemon.start()
    await using speaker = await SpeakerChild.start(star.ours, configFor(link, { networks: [] }))
    await speaker.originate('10.20.0.0/24', {
      communities: ['65002:5', '65002:6'],
      largeCommunities: ['65002:1:2'],
      med: 7,
    })
    await speaker.originate('fd20::/48', {})
    await exchange(speaker, daemon)

    const shown = await daemon.route('10.20.0.0/24')
    expect(shown).toContain(String(OUR_ASN))
    expect(shown).toMatch(/65002[:,]5/)
    expect(shown).toMatch(/65002[:,] ?1[:,] ?2/)
    expect(shown).toContain(link.ours.ipv4)
    expect(await daemon.route('fd20::/48')).toContain(link.ours.ipv6)

    const { locRib } = await speaker.routes({ prefix: '10.50.0.0/24' })
    expect(locRib[0]?.paths[0]?.attributes).toMatchObject({
      asPath: String(THEIR_ASN),
      nextHop: link.theirs.ipv4,
      communities: ['65001:77'],
      largeCommunities: ['65001:7:8'],
      extendedCommunities: ['0002fde900000063'],
    })
    const six = await speaker.routes({ prefix: 'fd50::/48' })
    // OpenBGPD 7.7 takes the IPv6 address of the loopback interface for a session over IPv4.
    const nextHop = daemon.name === 'OpenBGPD' ? '::1' : link.theirs.ipv6
    expect(six.locRib[0]?.paths[0]?.attributes.nextHop).toBe(nextHop)
    const [peer] = await speaker.peers()
    expect(peer).toMatchObject({
      state: 'Established',
      type: 'eBGP',
      families: ['ipv4', 'ipv6'],
      routerId: '192.0.2.1',
    })
    expect(peer?.prefixes).toMatchObject({
      ipv4: { accepted: 2, advertised: 1 },
      ipv6: { accepted: 1, advertised: 1 },
    })
  })

  test('withdrawals go both ways', async () => {
    using star = new NamespaceStar(1)
    const link = star.links[0] as Link
    await using daemon = make(link)
    await daemon.start()
    await using speaker = await SpeakerChild.start(star.ours, configFor(link))
    await exchange(speaker, daemon)

    for (const prefix of OURS) {
      await speaker.withdraw(prefix)
      await eventually(`${prefix} is gone there`, async () => (await daemon.route(prefix)) === '')
    }
    for (const prefix of ['10.50.0.0/24', 'fd50::/48']) {
      await daemon.withdraw(prefix)
      await eventually(`${prefix} is gone here`, async () => !(await speaker.learned()).includes(prefix))
    }
    await daemon.announce('10.50.0.0/24')
    await eventually('it is back', async () => (await speaker.learned()).includes('10.50.0.0/24'))
    expect((await speaker.peers())[0]).toMatchObject({ state: 'Established', flaps: 0 })
  })

  test('a peer that was killed and started again is up again, and its routes are back', async () => {
    using star = new NamespaceStar(1)
    const link = star.links[0] as Link
    await using daemon = make(link)
    await daemon.start()
    await using speaker = await SpeakerChild.start(star.ours, configFor(link))
    await exchange(speaker, daemon)

    await daemon.kill()
    await eventually('the loss is seen', async () => (await speaker.peers())[0]?.flaps === 1)
    await daemon.start()
    await eventually(
      'the session is up again and nothing is stale',
      async () => {
        const [peer] = await speaker.peers()
        return peer?.state === 'Established' && peer.prefixes.ipv4.stale === 0 && peer.prefixes.ipv6.stale === 0
      },
      { describe: async () => `${speaker.log}\n${daemon.log}` },
    )
    await exchange(speaker, daemon)
  })
})

// ExaBGP has no table that could keep a route.
describe.for(daemons.filter(({ name }) => name !== 'ExaBGP'))('$name', ({ make }) => {
  test('it keeps our routes while we are killed and come back (graceful restart)', async () => {
    using star = new NamespaceStar(1)
    const link = star.links[0] as Link
    await using daemon = make(link)
    await daemon.start()
    const first = await SpeakerChild.start(star.ours, configFor(link))
    await exchange(first, daemon)
    await first.kill()

    let missing = 0
    const watch = async (): Promise<void> => {
      if ((await daemon.route('10.20.0.0/24')) === '') missing++
      if ((await daemon.route('fd20::/48')) === '') missing++
    }
    for (let round = 0; round < 10; round++) await watch()
    expect(missing).toBe(0)

    await using second = await SpeakerChild.start(
      star.ours,
      configFor(link, { gracefulRestart: { restarting: true, forwardingPreserved: true } }),
    )
    await eventually(
      'we are up again and have its routes',
      async () => {
        await watch()
        return (await second.learned()).length === THEIRS.length
      },
      { describe: async () => `${second.log}\n${daemon.log}` },
    )
    for (let round = 0; round < 10; round++) await watch()
    expect(missing).toBe(0)
    expect((await second.peers())[0]?.prefixes).toMatchObject({ ipv4: { advertised: 1 }, ipv6: { advertised: 1 } })
  })
})
