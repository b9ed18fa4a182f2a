import { inspect } from 'node:util'
import { linuxSocketOptions } from '@margay/sockets'
import { expect, test } from 'vitest'
import { createSpeaker, type Log, runSpeaker, type SpeakerConfig, type SpeakerPorts } from '../../src/index.ts'
import { eventually } from '../interop/eventually.ts'
import { freshAddress, PORT, peer, RawPeer, reaches, statusOf } from './loopback.ts'

const SECRET = 'hunter2-of-the-peers'
const OTHER = 'hunter3-of-the-peers'
const LONG = `${SECRET}${'x'.repeat(81 - SECRET.length)}`

/** Whatever is shown to anybody. */
class Witness {
  readonly #seen: string[] = []

  readonly log: Log = {
    debug: (fields, message) => this.show(fields, message),
    info: (fields, message) => this.show(fields, message),
    warn: (fields, message) => this.show(fields, message),
    error: (fields, message) => this.show(fields, message),
  }

  show(...things: readonly unknown[]): void {
    for (const thing of things) {
      this.#seen.push(inspect(thing, { depth: 20, showHidden: true }), String(thing), JSON.stringify(thing) ?? '')
    }
  }

  /** What `body` throws, shown. */
  refusal(body: () => unknown): void {
    try {
      body()
    } catch (error) {
      this.show(error, (error as Error).message, (error as Error).stack, { ...(error as object) })
      return
    }
    throw new Error('was not refused')
  }

  expectNoSecret(): void {
    expect(this.#seen.length).toBeGreaterThan(10)
    expect(this.#seen.filter((text) => text.includes('hunter'))).toEqual([])
  }
}

const ports = (log: Log): SpeakerPorts & { log: Log } => ({ log, socketOptions: linuxSocketOptions })

test('kube-router 1816886c: a key is in no log line, event, status, dump, answer or inspection while sessions come and go', async () => {
  const [us, them, stranger] = [freshAddress(), freshAddress(), freshAddress()]
  const witness = new Witness()
  const config = {
    asn: 65001,
    routerId: us,
    http: '127.0.0.1:0',
    listen: { address: us, port: PORT },
    networks: ['10.1.0.0/16'],
    neighbors: [
      peer(them, 65002, { password: SECRET, connectRetry: 1 }),
      peer(freshAddress(), 65003, { password: SECRET, connectRetry: 1 }),
    ],
    dynamicNeighbors: [{ prefix: '10.77.0.0/16', asn: 65004, password: SECRET }],
  }
  const running = await runSpeaker(config, ports(witness.log))
  const { speaker } = running
  speaker.onEvent((event) => witness.show(event))
  const other = createSpeaker(
    {
      asn: 65002,
      routerId: them,
      listen: { address: them, port: PORT },
      networks: ['10.2.0.0/16'],
      neighbors: [peer(us, 65001, { password: SECRET, connectRetry: 1 })],
    },
    ports(witness.log),
  )
  await other.start()
  try {
    await reaches(speaker, '10.2.0.0/16', `${them} [65002] ${them}`)
    using raw = await RawPeer.connect(stranger, us)
    await raw.isClosed()
    speaker.updatePeer(peer(them, 65002, { password: OTHER, connectRetry: 1 }))
    other.updatePeer(peer(us, 65001, { password: OTHER, connectRetry: 1 }))
    speaker.addPeer(peer(stranger, 65005, { password: SECRET }))
    witness.refusal(() => speaker.addPeer(peer(stranger, 65005, { password: SECRET })))
    witness.refusal(() => speaker.addPeer(peer(freshAddress(), 65005, { password: LONG })))
    witness.refusal(() => speaker.updatePeer(peer(stranger, 0, { password: SECRET })))
    speaker.updatePeer(peer(them, 65002, { password: OTHER, connectRetry: 1, holdTime: 30 }))
    await eventually('up again', async () => statusOf(speaker, them).state === 'Established')
    for (const path of ['healthz', 'peers', 'routes', 'routes?prefix=10.2.0.0/16', 'nothing']) {
      const answer = await fetch(`http://127.0.0.1:${running.http?.port}/${path}`)
      witness.show(await answer.text())
    }
    witness.show(speaker, speaker.peers(), speaker.routes(), speaker.memoryCounts(), running, other)
    speaker.removePeer(stranger)
  } finally {
    await Promise.all([running.stop(), other.stop()])
  }
  witness.show(speaker, other)
  witness.expectNoSecret()
})

test('what is refused is named, its value is not', async () => {
  const witness = new Witness()
  const base: SpeakerConfig = { asn: 65001, routerId: '192.0.2.1' }
  const neighbors: readonly object[] = [
    { address: '192.0.2.2', asn: 65002, password: LONG },
    { address: '192.0.2.2', asn: 65002, password: '' },
    { address: '192.0.2.2', asn: 65002, password: [SECRET] },
    { address: '192.0.2.2', asn: 65002, password: { key: SECRET } },
    { address: 'nobody', asn: -1, password: SECRET, other: true },
    { address: '192.0.2.2', asn: 65002, passwords: SECRET },
    { prefix: 'nothing', asn: 65002, password: SECRET },
  ]
  for (const neighbor of neighbors) {
    const config = { ...base, neighbors: [neighbor] } as SpeakerConfig
    witness.refusal(() => createSpeaker(config, ports(witness.log)))
    witness.refusal(() =>
      createSpeaker({ ...base, dynamicNeighbors: [neighbor] } as unknown as SpeakerConfig, ports(witness.log)),
    )
    // Without a way to set keys.
    witness.refusal(() => createSpeaker(config))
  }
  witness.expectNoSecret()
})

test('a key that the kernel refuses: the error that is logged has no key in it', async () => {
  const [us, them] = [freshAddress(), freshAddress()]
  const witness = new Witness()
  const failing: SpeakerPorts = {
    log: witness.log,
    socketOptions: {
      open: (family) => linuxSocketOptions.open(family),
      apply: (fd, options) => {
        if (options.password !== undefined) throw new Error(`setsockopt on ${fd} failed: EINVAL`)
      },
    },
  }
  const speaker = createSpeaker(
    {
      asn: 65001,
      routerId: us,
      listen: [],
      neighbors: [peer(them, 65002, { password: SECRET, connectRetry: 1 })],
    },
    failing,
  )
  speaker.onEvent((event) => witness.show(event))
  await speaker.start()
  await eventually('a failure', async () => statusOf(speaker, them).lastError !== undefined)
  witness.show(speaker.peers(), speaker)
  await speaker.stop()
  witness.expectNoSecret()
})
