import { expect, test } from 'vitest'
import { encodeKeepalive } from '../../src/wire/messages/keepalive.ts'
import { eventually } from '../interop/eventually.ts'
import { MANDATORY, NLRI_10, update } from '../wire/hex.ts'
import { best, established, freshAddress, peer, RawPeer, Speakers, statusOf } from './loopback.ts'
import { ManualClock } from './manual-clock.ts'

// Behaviour that bit other speakers; what they failed to parse is in wire/failure-cases.

const ASN = 65002

async function world(speakers: Speakers) {
  const [us, them] = [freshAddress(), freshAddress()]
  const clock = new ManualClock()
  const speaker = await speakers.start(us, 65001, { neighbors: [peer(them, ASN, { passive: true })] }, { clock })
  return { us, them, clock, speaker }
}

const restartOffer = (notification: boolean) =>
  ({
    name: 'gracefulRestart',
    restarting: false,
    notification,
    restartTimeSeconds: 120,
    families: [{ family: 4, forwardingPreserved: true }],
  }) as const

test.for([true, false])(
  'Cilium#26325: with the N bit %s a hold timer that expires keeps the routes as it says',
  async (keeps) => {
    await using speakers = new Speakers()
    const { us, them, clock, speaker } = await world(speakers)
    using raw = await RawPeer.establish(them, us, ASN, [restartOffer(keeps)])
    await established(speaker, them)
    raw.send(update({ attributes: MANDATORY.replace('0000fde9', '0000fdea'), nlri: NLRI_10 }))
    await eventually('the route', async () => best(speaker, '10.0.0.0/24') !== undefined)
    clock.advance(91_000)
    expect(await raw.gets('notification')).toMatchObject({ code: 4, subcode: 0 })
    await eventually('the routes are judged', async () => (best(speaker, '10.0.0.0/24') !== undefined) === keeps)
    expect(statusOf(speaker, them).prefixes.ipv4.stale).toBe(keeps ? 1 : 0)
    if (!keeps) return
    // A peer that stays dead does not keep them for ever.
    clock.advance(121_000)
    await eventually('the routes are gone', async () => best(speaker, '10.0.0.0/24') === undefined)
  },
)

test('hold timer under load: a process that was away reads its sockets before it gives up its peers', async () => {
  await using speakers = new Speakers()
  const { us, them, clock, speaker } = await world(speakers)
  using raw = await RawPeer.establish(them, us, ASN)
  await established(speaker, them)
  const taken = (): number => statusOf(speaker, them).messages.in.keepalive
  for (let round = 0; round < 20; round++) {
    const before = taken()
    raw.send(encodeKeepalive())
    // In the same turn of the event loop: the kernel has the message, the speaker has not.
    clock.advance(90_050)
    expect(statusOf(speaker, them).state).toBe('Established')
    await eventually('it is read', async () => taken() > before)
  }
  clock.advance(89_000)
  expect(statusOf(speaker, them)).toMatchObject({ state: 'Established', flaps: 0 })
  clock.advance(1200)
  expect(await raw.gets('notification')).toMatchObject({ code: 4, subcode: 0 })
})

test('hold timer under load: messages that wait to be dealt with are signs of life', async () => {
  await using speakers = new Speakers()
  const { us, them, clock, speaker } = await world(speakers)
  using raw = await RawPeer.establish(them, us, ASN)
  await established(speaker, them)
  const attributes = MANDATORY.replace('0000fde9', '0000fdea')
  const total = 20_000
  const messages = Array.from({ length: total }, (_, n) => {
    const prefixes = Array.from({ length: 40 }, (_, m) => `20 0b${(n * 40 + m).toString(16).padStart(6, '0')}`)
    return update({ attributes, nlri: prefixes.join('') })
  })
  raw.send(Buffer.concat(messages))
  const taken = (): number => statusOf(speaker, them).messages.in.update
  let absences = 0
  while (taken() < total && statusOf(speaker, them).state === 'Established') {
    // In the middle of it, as if the process had been away for as long as the hold time.
    if (taken() > 0) {
      clock.advance(90_050)
      absences++
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(absences).toBeGreaterThan(10)
  expect(statusOf(speaker, them)).toMatchObject({ state: 'Established', flaps: 0 })
}, 60_000)
