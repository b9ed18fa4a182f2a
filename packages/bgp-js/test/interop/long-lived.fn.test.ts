import { expect, test } from 'vitest'
import { Bird } from './bird.ts'
import { eventually } from './eventually.ts'
import { type Link, NamespaceStar } from './namespace-pair.ts'
import { SpeakerChild } from './speaker-child.ts'

/** LLGR_STALE (RFC 9494 §4) in BIRD's words. */
const STALE = '(65535,6)'

test("BIRD and we keep the other end's routes beyond the restart time, as a last resort (RFC 9494)", async () => {
  using star = new NamespaceStar(1)
  const link = star.links[0] as Link
  await using bird = new Bird(link, {
    asn: 65001,
    ourAsn: 65002,
    routerId: '192.0.2.1',
    networks: ['10.50.0.0/24'],
    extra: 'graceful restart time 1; long lived graceful restart on; long lived stale time 600;',
  })
  await bird.start()
  const config = {
    asn: 65002,
    routerId: '192.0.2.2',
    listen: { address: '0.0.0.0', port: 179 },
    networks: ['10.20.0.0/24'],
    gracefulRestart: { restartTimeSeconds: 1 },
    neighbors: [
      {
        address: link.theirs.ipv4,
        asn: 65001,
        connectRetry: 1,
        longLivedGracefulRestart: { staleTimeSeconds: 600 },
      },
    ],
  }
  const first = await SpeakerChild.start(star.ours, config)
  await eventually(
    'up',
    async () => (await first.learned()).length === 1 && (await bird.route('10.20.0.0/24')) !== '',
    {
      describe: async () => `${first.log}\n${bird.log}`,
    },
  )
  await first.kill()
  await eventually('our route is stale there', async () => (await bird.route('10.20.0.0/24')).includes(STALE), {
    describe: async () => `${await bird.route('10.20.0.0/24')}\n${bird.log}`,
  })

  const restarting = { ...config, gracefulRestart: { restartTimeSeconds: 1, restarting: true } }
  await using second = await SpeakerChild.start(star.ours, restarting)
  await eventually('it is fresh again', async () => !(await bird.route('10.20.0.0/24')).includes(STALE), {
    describe: async () => `${await bird.route('10.20.0.0/24')}\n${second.log}\n${bird.log}`,
  })
  await eventually('its route is here', async () => (await second.learned()).length === 1)
  await bird.kill()
  await eventually(
    'its restart time is over',
    async () => {
      const [peer] = await second.peers()
      return peer?.state !== 'Established' && peer?.gracefulRestart.restartRemainingSeconds === undefined
    },
    { describe: async () => second.log },
  )
  expect((await second.peers())[0]?.prefixes.ipv4).toMatchObject({ accepted: 1, stale: 1 })
  expect(await second.deletes()).toEqual([])
})
