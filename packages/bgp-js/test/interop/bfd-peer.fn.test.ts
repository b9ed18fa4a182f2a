import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { eventually } from './eventually.ts'
import { type Link, NamespaceStar } from './namespace-pair.ts'
import { SpeakerChild } from './speaker-child.ts'

const FAST = { minTxMs: 50, minRxMs: 50, multiplier: 3 }
/** Far below the hold time of 90 s: nothing but BFD can end a session so soon. */
const SOON_MS = 2000

test('BFD ends the session of a peer that is gone, and lets it up again when it is back', async () => {
  using star = new NamespaceStar(1)
  const link = star.links[0] as Link
  await using speakers = new AsyncDisposableStack()
  const start = async (namespace: string, asn: number, own: string, other: string): Promise<SpeakerChild> => {
    const neighbors = [{ address: other, asn: asn === 65001 ? 65002 : 65001, connectRetry: 1 }]
    const config = { asn, routerId: own, listen: { address: own, port: 179 }, neighbors }
    const bfd = [{ local: own, remote: other, ...FAST }]
    return speakers.use(await SpeakerChild.start(namespace, config, { bfd }))
  }
  const one = await start(star.ours, 65001, link.ours.ipv4, link.theirs.ipv4)
  const two = await start(link.namespace, 65002, link.theirs.ipv4, link.ours.ipv4)
  const both = [one, two]
  const up = async (): Promise<void> => {
    for (const speaker of both) {
      await eventually('up', async () => (await speaker.peers())[0]?.state === 'Established', {
        describe: async () => speaker.log,
      })
      await eventually('BFD is up', async () => (await speaker.bfdSessions())[0]?.detectionTimeMs === 150, {
        describe: async () => speaker.bfdSessions(),
      })
    }
  }
  await up()

  execFileSync('ip', ['-n', star.ours, 'link', 'set', 'p1', 'down'])
  const cutAt = Date.now()
  for (const speaker of both) {
    await eventually('down', async () => (await speaker.peers())[0]?.state !== 'Established')
    const [peer] = await speaker.peers()
    expect(JSON.stringify(peer?.lastError)).toContain('BFD')
  }
  expect(Date.now() - cutAt).toBeLessThan(SOON_MS)
  execFileSync('ip', ['-n', star.ours, 'link', 'set', 'p1', 'up'])
  await up()
})
