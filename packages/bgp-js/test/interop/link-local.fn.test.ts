import { expect, test } from 'vitest'
import { Bird } from './bird.ts'
import { eventually } from './eventually.ts'
import { linkLocalOf } from './link-local.ts'
import { type Link, NamespaceStar } from './namespace-pair.ts'
import { SpeakerChild } from './speaker-child.ts'

const isUp = async (speaker: SpeakerChild): Promise<true> =>
  eventually('the session is up', async () => (await speaker.peers())[0]?.state === 'Established', {
    describe: async () => speaker.log,
  })

async function world(star: NamespaceStar) {
  const link = star.links[0] as Link
  const ours = await linkLocalOf(star.ours, 'p1')
  const theirs = await linkLocalOf(link.namespace, 'up0')
  const base = { listen: { address: '::', port: 179 }, nextHop: link.ours }
  return { link, ours, theirs, us: { asn: 65002, routerId: '192.0.2.2', networks: ['10.20.0.0/24'], ...base } }
}

test('a session over link-local addresses: who dials and who accepts know each other by address and zone', async () => {
  using star = new NamespaceStar(1)
  const { link, ours, theirs, us } = await world(star)
  const neighbors = [{ address: `${theirs}%p1`, asn: 65001, passive: true }]
  await using speaker = await SpeakerChild.start(star.ours, { ...us, neighbors })
  await using other = await SpeakerChild.start(link.namespace, {
    asn: 65001,
    routerId: '192.0.2.1',
    listen: { address: '::', port: 179 },
    neighbors: [{ address: `${ours.toUpperCase()}%up0`, asn: 65002, connectRetry: 1 }],
  })
  await isUp(speaker)
  await isUp(other)
  expect(await speaker.peers()).toMatchObject([{ address: `${theirs}%p1`, initiator: 'remote', asn: 65001 }])
  expect(await other.peers()).toMatchObject([{ address: `${ours}%up0`, initiator: 'local' }])
  expect((await speaker.routes({ peer: `${theirs}%p1` })).adjRibIn).toEqual([])
})

test('an interface peer takes whoever connects on its link, and dials whom discovery finds', async () => {
  using star = new NamespaceStar(1)
  const { link, ours, us } = await world(star)
  const neighbors = [{ interface: 'p1', asn: 'external' }]
  await using speaker = await SpeakerChild.start(star.ours, { ...us, neighbors })
  const other = (asn: number): object => ({
    asn,
    routerId: '192.0.2.1',
    listen: [],
    neighbors: [{ interface: 'up0', asn: 65002, connectRetry: 1 }],
  })
  const same = await SpeakerChild.start(link.namespace, other(65002), { up0: ours })
  await eventually('our own AS is refused', async () => (await same.peers())[0]?.lastError?.subcode === 2)
  await same.kill()
  await using dialer = await SpeakerChild.start(link.namespace, other(65001), { up0: ours })
  await isUp(speaker)
  await isUp(dialer)
  expect(await speaker.peers()).toMatchObject([{ address: 'p1', asn: 65001, type: 'eBGP', initiator: 'remote' }])
  expect(await dialer.peers()).toMatchObject([{ address: 'up0', initiator: 'local' }])
})

test('BIRD by its link-local address, as a listed peer and as whoever is on the link', async () => {
  using star = new NamespaceStar(1)
  const { link, ours, theirs, us } = await world(star)
  const networks = ['10.50.0.0/24']
  const setup = { asn: 65001, ourAsn: 65002, routerId: '192.0.2.1', networks, neighbor: `${ours}%up0` }
  await using bird = new Bird(link, setup)
  await bird.start()
  for (const who of [{ address: `${theirs}%p1`, passive: true }, { interface: 'p1' }]) {
    const neighbors = [{ ...who, asn: 65001 }]
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await using speaker = await SpeakerChild.start(star.ours, { ...us, neighbors })
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await eventually('its route is here', async () => (await speaker.learned()).includes('10.50.0.0/24'), {
      describe: async () => `${speaker.log}\n${bird.log}`,
    })
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await eventually('ours is there', async () => (await bird.route('10.20.0.0/24')) !== '')
  }
})
