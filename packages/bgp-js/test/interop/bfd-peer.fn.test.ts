import { execFileSync } from 'node:child_process'
import { openNetns, withNetns } from '@margay/netlink'
import { linuxBfdSockets } from '@margay/sockets'
import { expect, test } from 'vitest'
import { type BfdService, createBfdService } from '../../src/index.ts'
import { eventually } from './eventually.ts'
import { type Link, NamespaceStar } from './namespace-pair.ts'
import { SpeakerChild } from './speaker-child.ts'

const FAST = { minTxMs: 50, minRxMs: 50, multiplier: 3 }
/** Far below the hold time of 90 s: nothing but BFD can end a session so soon. */
const SOON_MS = 2000

/** BFD of the other end, so that the test knows when it is up. */
function serviceIn(namespace: string): BfdService {
  return createBfdService({
    sockets: {
      ...linuxBfdSockets,
      open: (options) => {
        using netns = openNetns(namespace)
        return withNetns(netns, () => linuxBfdSockets.open(options))
      },
    },
  })
}

test('BFD ends the session of a peer that is gone, lets it up again, and is taken away without harm', async () => {
  using star = new NamespaceStar(1)
  const link = star.links[0] as Link
  const configFor = (asn: number, own: string, other: string, more: object = {}): object => ({
    asn,
    routerId: own,
    listen: { address: own, port: 179 },
    neighbors: [{ address: other, asn: asn === 65001 ? 65002 : 65001, connectRetry: 1, ...more }],
  })
  const bfd = serviceIn(link.namespace)
  const up = { bfd: FAST }
  await using one = await SpeakerChild.start(star.ours, configFor(65001, link.ours.ipv4, link.theirs.ipv4, up))
  await using two = await SpeakerChild.start(link.namespace, configFor(65002, link.theirs.ipv4, link.ours.ipv4))
  try {
    let state = ''
    const local = { local: link.theirs.ipv4, remote: link.ours.ipv4, ...FAST }
    const id = bfd.addSession(local, (change) => {
      state = change.state
    })
    const established = async (): Promise<void> => {
      await eventually('up', async () => (await one.peers())[0]?.state === 'Established', {
        describe: async () => one.log,
      })
      await eventually('BFD is up', async () => state === 'Up', {
        describe: async () => [await bfd.sessions(), one.log, await one.peers()],
      })
    }
    await established()
    await eventually('the status says so', async () => (await one.peers())[0]?.bfd?.up === true)

    execFileSync('ip', ['-n', star.ours, 'link', 'set', 'p1', 'down'])
    const cutAt = Date.now()
    await eventually('down', async () => (await one.peers())[0]?.state !== 'Established')
    expect(Date.now() - cutAt).toBeLessThan(SOON_MS)
    expect(JSON.stringify((await one.peers())[0]?.lastError)).toContain('BFD')
    expect((await one.peers())[0]).toMatchObject({
      bfd: { up: false },
      problem: expect.stringMatching(/^held by BFD/),
      heldBy: [{ reason: 'bfd' }],
    })
    // It has no BFD, and would find out by its hold timer.
    expect((await two.peers())[0]?.state).toBe('Established')
    execFileSync('ip', ['-n', star.ours, 'link', 'set', 'p1', 'up'])
    await established()

    const { flaps } = (await one.peers())[0] ?? {}
    bfd.removeSession(id)
    await one.originate('10.20.0.0/24')
    await eventually('the session goes on', async () => (await two.learned()).includes('10.20.0.0/24'))
    expect((await one.peers())[0]).toMatchObject({ state: 'Established', flaps })
  } finally {
    await bfd.close()
  }
})
