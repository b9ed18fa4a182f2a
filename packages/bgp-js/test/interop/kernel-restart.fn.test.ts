import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { Bird } from './bird.ts'
import type { DaemonProcess, DaemonSetup } from './daemon.ts'
import { eventually } from './eventually.ts'
import { Frr } from './frr.ts'
import { type Link, NamespaceStar } from './namespace-pair.ts'
import { SpeakerChild } from './speaker-child.ts'

const [OURS, THEIRS] = ['10.20.0.0/24', '10.50.0.0/24']
const setup: DaemonSetup = { asn: 65001, ourAsn: 65002, routerId: '192.0.2.1', networks: [THEIRS], kernel: true }

/** Echo requests from a namespace, fifty a second, until it is stopped. */
class PacketStream {
  readonly #child
  #output = ''

  constructor(namespace: string, address: string) {
    this.#child = spawn('ip', ['netns', 'exec', namespace, 'ping', '-q', '-i', '0.02', address])
    this.#child.stdout.on('data', (chunk: Buffer) => {
      this.#output += chunk.toString()
    })
  }

  /** @returns how many were sent, and how many were not answered */
  async stop(): Promise<{ sent: number; lost: number }> {
    const closed = once(this.#child, 'close')
    this.#child.kill('SIGINT')
    await closed
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(this.#output) ?? []
    return { sent: Number(sent), lost: Number(sent) - Number(received) }
  }
}

const configFor = (link: Link, more: object = {}): object => ({
  asn: 65002,
  routerId: '192.0.2.2',
  listen: { address: '0.0.0.0', port: 179 },
  networks: [OURS],
  neighbors: [{ address: link.theirs.ipv4, asn: 65001, connectRetry: 1 }],
  ...more,
})

/** Both tables filled, and the daemon's kernel knows the way to us. */
async function converged(speaker: SpeakerChild, daemon: DaemonProcess): Promise<void> {
  const shownRoute = (): string =>
    execFileSync('ip', ['-n', daemon.link.namespace, 'route', 'show', OURS], { encoding: 'utf8' })
  await eventually(
    'converged',
    async () => {
      const [peer] = await speaker.peers()
      const isWhole =
        peer?.state === 'Established' && peer.prefixes.ipv4.accepted === 1 && peer.prefixes.ipv4.stale === 0
      return isWhole && peer.prefixes.ipv4.advertised === 1 && shownRoute() !== ''
    },
    { describe: async () => `${shownRoute()}\n${speaker.log}\n${daemon.log}` },
  )
}

describe.for([
  { name: 'BIRD', make: (link: Link) => new Bird(link, setup) },
  { name: 'FRR', make: (link: Link) => new Frr(link, setup) },
])('$name, its kernel routes and a stream of packets over them (RFC 4724)', ({ make }) => {
  test('it is killed and comes back, then we are: no packet and no route is lost', async () => {
    using star = new NamespaceStar(1)
    const link = star.links[0] as Link
    execFileSync('ip', ['-n', star.ours, 'addr', 'add', '10.20.0.1/24', 'dev', 'lo'])
    await using daemon = make(link)
    await daemon.start()
    await using first = await SpeakerChild.start(star.ours, configFor(link))
    await converged(first, daemon)
    const stream = new PacketStream(link.namespace, '10.20.0.1')

    await daemon.kill()
    await eventually('the loss is seen', async () => (await first.peers())[0]?.flaps === 1)
    await daemon.start()
    await converged(first, daemon)
    expect(await first.deletes()).toEqual([])

    await first.kill()
    const gracefulRestart = { restarting: true, forwardingPreserved: true }
    await using second = await SpeakerChild.start(star.ours, configFor(link, { gracefulRestart }))
    await converged(second, daemon)
    const { sent, lost } = await stream.stop()
    expect(lost, `of ${sent}`).toBe(0)
    expect(sent).toBeGreaterThan(20)
  })
})
