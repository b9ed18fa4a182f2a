import { expect, test } from 'vitest'
import { Bird } from './bird.ts'
import { eventually } from './eventually.ts'
import { Frr } from './frr.ts'
import { type Link, NamespaceStar } from './namespace-pair.ts'
import { SpeakerChild } from './speaker-child.ts'

/** LLGR_STALE (RFC 9494 §4) in the daemons' words. */
const STALE = /65535[,:]6|llgr.?stale/i

const setup = { asn: 65001, ourAsn: 65002, routerId: '192.0.2.1', networks: ['10.50.0.0/24'] }
const birdWords = 'graceful restart time 1; long lived graceful restart on; long lived stale time 600;'
const frrWords = ' bgp graceful-restart restart-time 1\n bgp long-lived-graceful-restart stale-time 600'

test.for([
  { name: 'BIRD', make: (link: Link) => new Bird(link, { ...setup, extra: birdWords }) },
  { name: 'FRR', make: (link: Link) => new Frr(link, { ...setup, extra: frrWords }) },
])(
  "$name and we keep the other end's routes beyond the restart time, as a last resort (RFC 9494)",
  async ({ make }) => {
    using star = new NamespaceStar(1)
    const link = star.links[0] as Link
    await using daemon = make(link)
    await daemon.start()
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
      async () => (await first.learned()).length === 1 && (await daemon.route('10.20.0.0/24')) !== '',
      {
        describe: async () => `${first.log}\n${daemon.log}`,
      },
    )
    await first.kill()
    await eventually('our route is stale there', async () => STALE.test(await daemon.route('10.20.0.0/24')), {
      describe: async () => `${await daemon.route('10.20.0.0/24')}\n${daemon.log}`,
    })

    const restarting = { ...config, gracefulRestart: { restartTimeSeconds: 1, restarting: true } }
    await using second = await SpeakerChild.start(star.ours, restarting)
    await eventually('it is fresh again', async () => !STALE.test(await daemon.route('10.20.0.0/24')), {
      describe: async () => `${await daemon.route('10.20.0.0/24')}\n${second.log}\n${daemon.log}`,
    })
    await eventually('its route is here', async () => (await second.learned()).length === 1)
    await daemon.kill()
    await eventually(
      'its restart time is over',
      async () => {
        const [peer] = await second.peers()
        return peer?.state !== 'Established' && peer?.gracefulRestart.restartRemainingSeconds === undefined
      },
      { describe: async () => second.log },
    )
    expect((await second.peers())[0]?.prefixes.ipv4.stale).toBeGreaterThan(0)
    expect(await second.learned()).toEqual(['10.50.0.0/24'])
    expect(await second.deletes()).toEqual([])
  },
)
