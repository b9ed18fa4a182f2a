import { expect, test } from 'vitest'
import type { Capability } from '../../src/wire/capabilities/capability.ts'
import { encodeKeepalive } from '../../src/wire/messages/keepalive.ts'
import { encodeNotification } from '../../src/wire/messages/notification.ts'
import { eventually } from '../interop/eventually.ts'
import { established, freshAddress, peer, RawListener, RawPeer, Speakers, statusOf } from './loopback.ts'
import { ManualClock } from './manual-clock.ts'

const ASN = 65002
const HOLD_BACK_MS = 1000

/** A speaker in the middle of a collision: `outgoing` it dialed, `incoming` the peer did; nobody has sent an OPEN yet. */
async function collision(speakers: Speakers, listener: RawListener, us: string, them: string) {
  const clock = new ManualClock()
  const speaker = await speakers.start(us, 65001, { neighbors: [peer(them, ASN)] }, { clock })
  const outgoing = await eventually('it dials', async () => listener.accepted[0])
  await outgoing.gets('open')
  const incoming = await RawPeer.connect(them, us)
  await incoming.gets('open')
  return { clock, speaker, outgoing, incoming }
}

/** How often the speaker connected: what a connection of the test's own finds before it in the backlog. */
async function dials(listener: RawListener, from: string, them: string): Promise<number> {
  using last = await RawPeer.connect(from, them)
  const { localPort } = last.socket
  return eventually('accepted', async () => {
    const index = listener.accepted.findIndex((raw) => raw.socket.remotePort === localPort)
    return index === -1 ? undefined : index
  })
}

test('an incoming connection that lost does not dial: the peer would take it for a restart of ours', async () => {
  const [us, them, other] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  await using listener = await RawListener.on(them)
  const { clock, speaker, outgoing, incoming } = await collision(speakers, listener, us, them)
  using _ = incoming
  await outgoing.establish(them, ASN)
  await established(speaker, them)
  expect(await incoming.gets('notification')).toMatchObject({ code: 6, subcode: 7 })
  await incoming.isClosed()
  clock.advance(60_000)
  expect(await dials(listener, other, them)).toBe(1)
  expect(statusOf(speaker, them)).toMatchObject({ state: 'Established', initiator: 'local', flaps: 0 })
})

test('an incoming connection that the peer closes does not dial either', async () => {
  const [us, them, other] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  await using listener = await RawListener.on(them)
  const { clock, speaker, outgoing, incoming } = await collision(speakers, listener, us, them)
  incoming.socket.end()
  await incoming.isClosed()
  await outgoing.establish(them, ASN)
  await established(speaker, them)
  clock.advance(60_000)
  expect(await dials(listener, other, them)).toBe(1)
  expect(statusOf(speaker, them)).toMatchObject({ state: 'Established', initiator: 'local', flaps: 0 })
})

test('an outgoing connection that lost does not dial again', async () => {
  const [us, them, other] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  await using listener = await RawListener.on(them)
  const { clock, speaker, outgoing, incoming } = await collision(speakers, listener, us, them)
  using _ = incoming
  const isUp = incoming.establish(them, ASN)
  // The peer never answers on the connection that we dialed: its own waits a second for that.
  clock.advance(HOLD_BACK_MS)
  await isUp
  await established(speaker, them)
  expect(await outgoing.gets('notification')).toMatchObject({ code: 6, subcode: 7 })
  clock.advance(60_000)
  expect(await dials(listener, other, them)).toBe(1)
  expect(statusOf(speaker, them)).toMatchObject({ state: 'Established', initiator: 'remote', flaps: 0 })
})

test('the peer comes up on its own connection only after it has answered on ours', async () => {
  const [us, them] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  await using listener = await RawListener.on(them)
  const { speaker, outgoing, incoming } = await collision(speakers, listener, us, them)
  using _ = incoming
  incoming.sendOpen(them, ASN)
  incoming.send(encodeKeepalive())
  // Somebody who came later has been dealt with: it was not read for want of time.
  using stranger = await RawPeer.connect(freshAddress(), us)
  await stranger.isClosed()
  expect(statusOf(speaker, them)).toMatchObject({ state: 'OpenSent', messages: { in: { open: 0 } } })
  outgoing.sendOpen(them, ASN)
  // The identifier of the peer is the higher one: its connection goes on.
  expect(await outgoing.gets('notification')).toMatchObject({ code: 6, subcode: 7 })
  await established(speaker, them)
  expect(statusOf(speaker, them)).toMatchObject({ initiator: 'remote', flaps: 0 })
})

const RESTART: Capability = {
  name: 'gracefulRestart',
  restarting: false,
  notification: true,
  restartTimeSeconds: 60,
  families: [{ family: 4, forwardingPreserved: true }],
}

/** An Established session that is old enough for a new connection to mean a new process. */
async function settled(speakers: Speakers, us: string, them: string, capabilities: readonly Capability[]) {
  const clock = new ManualClock()
  const speaker = await speakers.start(us, 65001, { neighbors: [peer(them, ASN, { passive: true })] }, { clock })
  const first = await RawPeer.establish(them, us, ASN, capabilities)
  await established(speaker, them)
  clock.advance(10_000)
  return { clock, speaker, first }
}

test('a late connection out of a backlog does not end the session that is up (RFC 4724 5)', async () => {
  const [us, them] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const { speaker, first } = await settled(speakers, us, them, [RESTART])
  const late = await RawPeer.connect(them, us)
  late.sendOpen(them, ASN, [RESTART])
  late.send(encodeNotification({ code: 6, subcode: 7 }))
  late.socket.end()
  await late.isClosed()
  expect(late.received.map((item) => item.type)).toContain('open')
  first.send(encodeKeepalive())
  await eventually('alive', async () => statusOf(speaker, them).messages.in.keepalive >= 2)
  expect(statusOf(speaker, them)).toMatchObject({ state: 'Established', flaps: 0 })
  expect(first.closed).toBe(false)
})

test('a new process of the peer takes the session over once it is up (RFC 4724 5)', async () => {
  const [us, them] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const { speaker, first } = await settled(speakers, us, them, [RESTART])
  using second = await RawPeer.establish(them, us, ASN, [RESTART])
  await first.isClosed()
  await established(speaker, them)
  expect(statusOf(speaker, them)).toMatchObject({ flaps: 1, initiator: 'remote' })
  expect(second.closed).toBe(false)
})

test('without graceful restart a second connection is refused (RFC 4271 6.8)', async () => {
  const [us, them] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const { speaker, first } = await settled(speakers, us, them, [])
  using second = await RawPeer.connect(them, us)
  await second.isClosed()
  expect(second.received).toEqual([])
  expect(first.closed).toBe(false)
  expect(statusOf(speaker, them)).toMatchObject({ state: 'Established', flaps: 0 })
})
