import { expect, test } from 'vitest'
import type { SocketOptions } from '../../src/index.ts'
import { eventually } from '../interop/eventually.ts'
import { established, freshAddress, peer, RawPeer, reaches, Speakers, statusOf } from './loopback.ts'
import { ManualClock } from './manual-clock.ts'

const here = (address: string): string => `${address.split('.').slice(0, 2).join('.')}.0.0/16`

test('peers out of a prefix come up, exchange routes, and are gone with their session', async () => {
  const [hub, a, b] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const center = await speakers.start(hub, 65001, { dynamicNeighbors: [{ prefix: here(hub), asn: 'external' }] })
  const one = await speakers.start(a, 65002, {
    networks: ['10.2.0.0/16'],
    neighbors: [peer(hub, 65001, { gracefulRestart: false })],
  })
  const other = await speakers.start(b, 65003, { neighbors: [peer(hub, 65001, { gracefulRestart: false })] })
  await reaches(center, '10.2.0.0/16', `${a} [65002] ${a}`)
  await reaches(other, '10.2.0.0/16', `${hub} [65001 65002] ${hub}`)
  expect(statusOf(center, a)).toMatchObject({ asn: 65002, type: 'eBGP', initiator: 'remote' })
  await one.stop()
  await reaches(center, '10.2.0.0/16', undefined)
  await eventually('forgotten', async () => center.peers().length === 1)
  await established(center, b)
})

test('one whose AS is not allowed is refused and forgotten, and so is a stranger out of no prefix', async () => {
  const [hub, a] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const center = await speakers.start(hub, 65001, {
    dynamicNeighbors: [{ prefix: `${a}/32`, asn: [65002, 65003] }],
  })
  const wrong = await RawPeer.connect(a, hub)
  wrong.sendOpen(a, 65004)
  expect(await wrong.gets('notification')).toMatchObject({ code: 2, subcode: 2 })
  using stranger = await RawPeer.connect(freshAddress(), hub)
  await stranger.isClosed()
  expect(stranger.received).toEqual([])
  await eventually('forgotten', async () => center.peers().length === 0)
  using right = await RawPeer.establish(a, hub, 65003)
  await established(center, a)
  expect(statusOf(center, a).asn).toBe(65003)
  expect(right.closed).toBe(false)
})

test('routes of one that restarts are kept, and it with them, until its time is over (RFC 4724)', async () => {
  const [hub, a] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const clock = new ManualClock()
  const center = await speakers.start(hub, 65001, { dynamicNeighbors: [{ prefix: here(hub), asn: 65002 }] }, { clock })
  const one = await speakers.start(a, 65002, { networks: ['10.2.0.0/16'], neighbors: [peer(hub, 65001)] })
  await reaches(center, '10.2.0.0/16', `${a} [65002] ${a}`)
  await one.stop({ graceful: true })
  await eventually('the loss is seen', async () => statusOf(center, a).state !== 'Established')
  clock.advance(60_000)
  await Promise.resolve()
  expect(statusOf(center, a)).toMatchObject({ state: 'Active', prefixes: { ipv4: { stale: 1 } } })
  clock.advance(60_100)
  await eventually('forgotten', async () => center.peers().length === 0)
  await reaches(center, '10.2.0.0/16', undefined)
})

test('no more than the limit; room is made by who leaves', async () => {
  const hub = freshAddress()
  const spokes = Array.from({ length: 5 }, () => freshAddress())
  await using speakers = new Speakers()
  const center = await speakers.start(hub, 65001, {
    dynamicNeighbors: [{ prefix: here(hub), asn: 'internal', limit: 4, gracefulRestart: false }],
  })
  const raws = await Promise.all(spokes.slice(0, 4).map(async (address) => RawPeer.establish(address, hub, 65001)))
  await eventually('four', async () => center.peers().filter((status) => status.state === 'Established').length === 4)
  const fifth = spokes[4] as string
  using refused = await RawPeer.connect(fifth, hub)
  await refused.isClosed()
  raws[0]?.socket.destroy()
  await eventually('room', async () => center.peers().length === 3)
  using taken = await RawPeer.establish(fifth, hub, 65001)
  await established(center, fifth)
  expect(taken.closed).toBe(false)
  for (const raw of raws) raw.socket.destroy()
})

test('a key by prefix is set on the listening socket, and stays when one of its peers goes', async () => {
  const [hub, a] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const applied: SocketOptions[] = []
  const socketOptions = { open: () => 0, apply: (_: number, options: SocketOptions) => void applied.push(options) }
  const prefix = here(hub)
  const center = await speakers.start(
    hub,
    65001,
    { dynamicNeighbors: [{ prefix, asn: 'external', password: 'secret', gracefulRestart: false }] },
    { socketOptions },
  )
  const raw = await RawPeer.establish(a, hub, 65002)
  await established(center, a)
  raw.socket.destroy()
  await eventually('forgotten', async () => center.peers().length === 0)
  expect(applied).toEqual([
    { peerAddress: prefix, password: 'secret', ttlSecurityHops: undefined },
    // The connection itself: a TTL limit, where there is one, is not inherited from the listener.
    { peerAddress: a, password: 'secret', ttlSecurityHops: undefined },
  ])
})
