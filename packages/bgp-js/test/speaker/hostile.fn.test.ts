import { connect, type Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { Speaker } from '../../src/index.ts'
import { encodeKeepalive } from '../../src/wire/messages/keepalive.ts'
import { eventually } from '../interop/eventually.ts'
import { hex, MANDATORY, message, NLRI_10, update } from '../wire/hex.ts'
import { established, freshAddress, PORT, peer, RawPeer, reaches, Speakers, statusOf } from './loopback.ts'
import { ManualClock } from './manual-clock.ts'

const ATTACKER_ASN = 65001
/** Short, so that a friend that is held up loses its session. Both ends and the attack share one event loop with it. */
const FRIEND_HOLD_SECONDS = 9

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** A speaker with a friend whose session must come through, and an address that the attack comes from. */
async function world(speakers: Speakers) {
  const [us, friendAddress, attacker] = [freshAddress(), freshAddress(), freshAddress()]
  const target = await speakers.start(us, 65100, {
    neighbors: [
      peer(friendAddress, 65200, { holdTime: FRIEND_HOLD_SECONDS }),
      peer(attacker, ATTACKER_ASN, { passive: true, gracefulRestart: false }),
    ],
  })
  const friend = await speakers.start(friendAddress, 65200, {
    networks: ['10.200.0.0/16'],
    neighbors: [peer(us, 65100, { holdTime: FRIEND_HOLD_SECONDS })],
  })
  await reaches(target, '10.200.0.0/16', `${friendAddress} [65200] ${friendAddress}`)
  const unharmed = async (): Promise<void> => {
    const probe = `10.${1 + Math.floor(performance.now() % 190)}.9.0/24`
    friend.originate(probe)
    await reaches(target, probe, `${friendAddress} [65200] ${friendAddress}`)
    expect(statusOf(target, friendAddress)).toMatchObject({ state: 'Established', flaps: 0 })
    expect(statusOf(friend, us)).toMatchObject({ state: 'Established', flaps: 0 })
  }
  return { us, attacker, friendAddress, target, friend, unharmed }
}

/** The attacker is let in again at once only so often; between attempts its penalty has to run out. */
const connectWhenLetIn = async (from: string, to: string): Promise<RawPeer> =>
  eventually('let in', async () => {
    const raw = await RawPeer.connect(from, to)
    await eventually('answered', async () => raw.closed || raw.received.length > 0)
    if (!raw.closed) return raw
    return undefined
  })

test('garbage gets the right NOTIFICATION and hurts nobody else', async () => {
  await using speakers = new Speakers()
  const { us, attacker, unharmed } = await world(speakers)
  const attacks: [Uint8Array, number, number][] = [
    [new TextEncoder().encode('GET / HTTP/1.1\r\nHost: speaker\r\n\r\n'), 1, 1],
    [hex(`${'ff'.repeat(16)}ffff02`), 1, 2],
    [message(1, '03 fde9 005a c0000202 00'), 2, 1],
    [message(4, ''), 5, 1],
    [message(1, '04 fde9 0001 c0000202 00'), 2, 6],
  ]
  for (const [octets, code, subcode] of attacks) {
    // oxlint-disable-next-line no-await-in-loop -- one attack after the other
    using raw = await connectWhenLetIn(attacker, us)
    raw.send(octets)
    // oxlint-disable-next-line no-await-in-loop -- one attack after the other
    expect(await raw.gets('notification')).toMatchObject({ code, subcode })
    // oxlint-disable-next-line no-await-in-loop -- one attack after the other
    await raw.isClosed()
  }
  await unharmed()
})

test('lying lengths inside an established session', async () => {
  await using speakers = new Speakers()
  const { us, attacker, target, unharmed } = await world(speakers)
  using raw = await RawPeer.establish(attacker, us, ATTACKER_ASN)
  await established(target, attacker)
  raw.send(update({ attributes: MANDATORY, nlri: NLRI_10 }))
  await reaches(target, '10.0.0.0/24', `${attacker} [65001] 10.9.1.1`)
  raw.send(update({ attributes: `${MANDATORY} c0 08 05 fde9004d00`, nlri: NLRI_10 }))
  await reaches(target, '10.0.0.0/24', undefined)
  expect(statusOf(target, attacker)).toMatchObject({ state: 'Established', flaps: 0 })
  raw.send(message(2, 'ffff 0000'))
  expect(await raw.gets('notification')).toMatchObject({ code: 3, subcode: 1 })
  await raw.isClosed()
  await unharmed()
})

test('a thousand mutated UPDATEs over many sessions: the friend never notices', async () => {
  await using speakers = new Speakers()
  const { us, attacker, target, unharmed } = await world(speakers)
  const good = update({ attributes: `${MANDATORY} c0 08 04 fde9004d c0 20 0c ${'01'.repeat(12)}`, nlri: NLRI_10 })
  let seed = 7
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed % below
  }
  let raw: RawPeer | undefined
  let sessions = 0
  for (let count = 0; count < 1000 && sessions < 5; count++) {
    if (raw === undefined || raw.closed) {
      // oxlint-disable-next-line no-await-in-loop -- after a reset
      raw = await RawPeer.connect(attacker, us)
      // oxlint-disable-next-line no-await-in-loop -- after a reset
      if (!raw.closed) raw = await RawPeer.establish(attacker, us, ATTACKER_ASN).catch(() => undefined)
      sessions++
    }
    const octets = good.slice()
    for (let edits = 1 + random(3); edits > 0; edits--) octets[19 + random(octets.length - 19)] = random(256)
    raw?.send(octets)
    // oxlint-disable-next-line no-await-in-loop -- lets the socket breathe
    if (count % 50 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  raw?.socket.destroy()
  expect(statusOf(target, attacker).messages.in.update).toBeGreaterThan(0)
  await unharmed()
})

test('a peer that never reads costs bounded memory, and the others get their routes', async () => {
  await using speakers = new Speakers()
  const { us, attacker, target, friend, friendAddress, unharmed } = await world(speakers)
  using raw = await RawPeer.establish(attacker, us, ATTACKER_ASN)
  await established(target, attacker)
  raw.socket.pause()
  const prefixes = Array.from({ length: 20_000 }, (_, n) => `11.${n >> 8}.${n & 255}.0/24`)
  const heap = (): number => process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
  const flood = async (med: number): Promise<void> => {
    // A different attribute for each prefix: one UPDATE each.
    friend.replaceOriginated(
      prefixes.map((prefix, n) => ({ prefix, attributes: { med: med * 100_000 + n, communities: [`${med}:${n}`] } })),
    )
    const last = `11.${19_999 >> 8}.${19_999 & 255}.0/24`
    await eventually(`flood ${med}`, async () => {
      const path = target.routes({ prefix: last }).locRib[0]?.paths[0]
      return path?.attributes.med === med * 100_000 + 19_999
    })
  }
  await flood(1)
  await flood(2)
  collectGarbage()
  const before = heap()
  for (let round = 3; round < 9; round++) {
    // oxlint-disable-next-line no-await-in-loop -- one flood after the other
    await flood(round)
  }
  collectGarbage()
  expect(statusOf(target, attacker).prefixes.ipv4.pending).toBeLessThanOrEqual(20_010)
  // Six more floods would be some 60 MB of UPDATEs in a queue of messages.
  expect(heap() - before).toBeLessThan(30 * 1024 * 1024)
  expect(statusOf(target, friendAddress).prefixes.ipv4.accepted).toBe(20_000)
  await unharmed()
}, 180_000)

test('a peer that sends an octet at a time, and one that says nothing, hold nobody up', async () => {
  await using speakers = new Speakers()
  const { us, attacker, target, unharmed } = await world(speakers)
  using mute = await RawPeer.connect(attacker, us)
  using slow = await RawPeer.connect(attacker, us)
  await mute.gets('open')
  for (const octet of encodeKeepalive().subarray(0, 10)) {
    slow.send(Uint8Array.of(octet))
    // oxlint-disable-next-line no-await-in-loop -- slowly
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(['OpenSent', 'OpenConfirm']).toContain(statusOf(target, attacker).state)
  await unharmed()
})

test('10,000 connections from strangers are closed at once', async () => {
  await using speakers = new Speakers()
  const { us, target, unharmed } = await world(speakers)
  const stranger = freshAddress()
  let closed = 0
  const one = async (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect({ host: us, port: PORT, localAddress: stranger })
      socket.on('error', () => undefined)
      socket.on('close', () => {
        closed++
        resolve()
      })
    })
  for (let batch = 0; batch < 50; batch++) {
    // oxlint-disable-next-line no-await-in-loop -- 200 at a time
    await Promise.all(Array.from({ length: 200 }, one))
  }
  expect(closed).toBe(10_000)
  expect(target.peers()).toHaveLength(2)
  await unharmed()
})

test("10,000 connections from a peer's own address: two are held, and memory stays", async () => {
  await using speakers = new Speakers()
  const { us, attacker, target, unharmed } = await world(speakers)
  const open = new Set<Socket>()
  const one = async (): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect({ host: us, port: PORT, localAddress: attacker })
      socket.on('error', () => undefined)
      socket.on('connect', () => open.add(socket))
      socket.on('data', () => resolve())
      socket.on('close', () => {
        open.delete(socket)
        resolve()
      })
    })
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  for (let batch = 0; batch < 50; batch++) {
    // oxlint-disable-next-line no-await-in-loop -- 200 at a time
    await Promise.all(Array.from({ length: 200 }, one))
  }
  // Eight at once and four a second: all others cost no session.
  expect(statusOf(target, attacker).messages.out.open).toBeLessThan(100)
  // Each that is replaced lingers for a second at most.
  await eventually('two are left', async () => open.size <= 2, { describe: async () => open.size })
  collectGarbage()
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(16 * 1024 * 1024)
  expect(target.peers()).toHaveLength(2)
  for (const socket of open) socket.destroy()
  await unharmed()
})

test('who connects and says nothing is let go after 30 seconds', async () => {
  const [us, them] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const clock = new ManualClock()
  const speaker = await speakers.start(us, 65001, { neighbors: [peer(them, 65002, { passive: true })] }, { clock })
  using mute = await RawPeer.connect(them, us)
  await mute.gets('open')
  clock.advance(29_999)
  expect(statusOf(speaker, them).state).toBe('OpenSent')
  clock.advance(2)
  expect(await mute.gets('notification')).toMatchObject({ code: 4, subcode: 0 })
  await mute.isClosed()
})

test('who asks for no hold time must still finish: OpenConfirm ends after 30 seconds', async () => {
  const [us, them] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const clock = new ManualClock()
  const neighbors = [peer(them, 65002, { passive: true, holdTime: 0 })]
  const speaker = await speakers.start(us, 65001, { neighbors }, { clock })
  using lazy = await RawPeer.connect(them, us)
  lazy.sendOpen(them, 65002)
  await lazy.gets('keepalive')
  clock.advance(29_999)
  expect(statusOf(speaker, them).state).toBe('OpenConfirm')
  clock.advance(2)
  expect(await lazy.gets('notification')).toMatchObject({ code: 4, subcode: 0 })
})

test('a peer that flaps 100 times a second gets a handful of sessions in a minute', async () => {
  const [us, them] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const clock = new ManualClock()
  const speaker = await speakers.start(us, 65001, { neighbors: [peer(them, 65002, { passive: true })] }, { clock })
  for (let flap = 0; flap < 300; flap++) {
    const socket = connect({ host: us, port: PORT, localAddress: them })
    socket.on('error', () => undefined)
    socket.write('nonsense that is no BGP marker')
    socket.resume()
    // oxlint-disable-next-line no-await-in-loop -- one after the other
    await new Promise((resolve) => socket.on('close', resolve))
    clock.advance(10)
  }
  // Three at once, then one each time the penalty of 4, 8, 16 seconds is over: none of those in three seconds.
  expect(statusOf(speaker, them).messages.out.open).toBeLessThanOrEqual(5)
  expect(statusOf(speaker, them)).toMatchObject({ state: 'Idle', flaps: 0 })
})

test('a peer that flaps is made to wait longer and longer', async () => {
  await using speakers = new Speakers()
  const { us, attacker, target, unharmed } = await world(speakers)
  const flap = async (speaker: Speaker): Promise<boolean> => {
    const raw = await RawPeer.connect(attacker, us)
    raw.send(new TextEncoder().encode('nonsense that is no BGP marker'))
    await raw.isClosed()
    return (statusOf(speaker, attacker).timers.idleHoldRemainingSeconds ?? 0) > 4
  }
  await eventually('a penalty of more than four seconds', async () => flap(target))
  const outcome = await RawPeer.connect(attacker, us)
  await outcome.isClosed()
  expect(outcome.received).toEqual([])
  expect(statusOf(target, attacker).state).toBe('Idle')
  await unharmed()
})
