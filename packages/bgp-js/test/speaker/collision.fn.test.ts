import { expect, test } from 'vitest'
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
