import { expect, test, vi } from 'vitest'
import { createSpeaker, type SocketOptions, type SpeakerEvent } from '../../src/index.ts'
import { PeerRoutes } from '../../src/speaker/peer-routes.ts'
import { encodeRouteRefresh, RefreshSubtype } from '../../src/wire/messages/route-refresh.ts'
import { eventually } from '../interop/eventually.ts'
import { message } from '../wire/hex.ts'
import { established, freshAddress, PORT, peer, RawPeer, reaches, Speakers, statusOf } from './loopback.ts'
import { ManualClock } from './manual-clock.ts'

const ASN = 65002

test('roles that fit bring the session up, others end in 2/11 (RFC 9234 4.2)', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const one = await speakers.start(a, 65001, { neighbors: [peer(b, 65002, { role: 'provider', roleStrict: true })] })
  const other = await speakers.start(b, 65002, { neighbors: [peer(a, 65001, { role: 'customer' })] })
  await established(one, b)
  expect(statusOf(one, b).capabilities.remote).toContainEqual({ name: 'role', value: 3 })
  other.updatePeer(peer(a, 65001, { role: 'peer' }))
  const name = 'OPEN Message Error/Role Mismatch'
  await eventually('refused', async () => statusOf(one, b).lastError?.name === name)
  other.updatePeer(peer(a, 65001))
  await eventually('the strict end refuses no role', async () => {
    const { text } = statusOf(one, b).lastError ?? {}
    return text?.includes('says no role')
  })
  other.updatePeer(peer(a, 65001, { role: 'customer' }))
  one.clearPeer(b)
  await established(one, b)
})

test('DelayOpen: our OPEN waits for the peer, and goes out with it or when the time is over (RFC 4271 8.2.2)', async () => {
  const [us, them] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const clock = new ManualClock()
  const neighbors = [peer(them, ASN, { passive: true, delayOpen: 20 })]
  const speaker = await speakers.start(us, 65001, { neighbors }, { clock })
  using early = await RawPeer.connect(them, us)
  // Nothing marks that it was accepted but the timer; the status shows the state alone.
  await eventually('accepted', async () => clock.pending > 0)
  clock.advance(19_999)
  expect(early.received).toEqual([])
  expect(statusOf(speaker, them).state).toBe('Active')
  await early.establish(them, ASN)
  expect(early.received.map((item) => item.type).slice(0, 2)).toEqual(['open', 'keepalive'])
  await established(speaker, them)
  early.socket.destroy()
  await eventually('down', async () => statusOf(speaker, them).state === 'Idle')
  using late = await RawPeer.connect(them, us)
  const before = clock.pending
  await eventually('accepted', async () => clock.pending > before || statusOf(speaker, them).state === 'Active')
  await eventually('waiting', async () => {
    clock.advance(20_000)
    return late.received.length > 0
  })
  expect(late.received[0]?.type).toBe('open')
})

test('DelayOpen at the end that dials: the OPEN of the other one is enough; at both: the time is over first', async () => {
  const [a, b, c] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const clock = new ManualClock()
  const neighbors = [peer(b, 65002, { delayOpen: 200 }), peer(c, 65003, { delayOpen: 200 })]
  await speakers.start(b, 65002, { neighbors: [peer(a, 65001, { passive: true })] })
  const slow = await speakers.start(c, 65003, { neighbors: [peer(a, 65001, { passive: true, delayOpen: 1 })] })
  const one = await speakers.start(a, 65001, { neighbors }, { clock })
  await established(one, b)
  // The clock of `one` stands: it is the other end's second that was over.
  await established(slow, a)
  expect(statusOf(one, c)).toMatchObject({ initiator: 'local', flaps: 0 })
})

test('DelayOpen: a bad OPEN is refused though ours was never sent', async () => {
  const [us, them] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  await speakers.start(us, 65001, { neighbors: [peer(them, ASN, { passive: true, delayOpen: 20 })] })
  using raw = await RawPeer.connect(them, us)
  raw.sendOpen(them, 64999)
  expect(await raw.gets('notification')).toMatchObject({ code: 2, subcode: 2 })
  await raw.isClosed()
  expect(raw.received.map((item) => item.type)).toEqual(['notification'])
})

test('marks of a refresh reach the routes of a peer that agreed on them (RFC 7313 4)', async () => {
  const [us, them] = [freshAddress(), freshAddress()]
  const calls: string[] = []
  const [begin, end, resend] = [
    vi.spyOn(PeerRoutes.prototype, 'beginRefresh'),
    vi.spyOn(PeerRoutes.prototype, 'endRefresh'),
    vi.spyOn(PeerRoutes.prototype, 'resend'),
  ].map((spy, index) =>
    spy.mockImplementation((family) => void calls.push(`${['begin', 'end', 'resend'][index]} ${family}`)),
  )
  try {
    await using speakers = new Speakers()
    const speaker = await speakers.start(us, 65001, { neighbors: [peer(them, ASN, { passive: true })] })
    using raw = await RawPeer.establish(them, us, ASN, [{ name: 'routeRefresh' }, { name: 'enhancedRefresh' }])
    await established(speaker, them)
    raw.send(encodeRouteRefresh(6, RefreshSubtype.BeginningOfRefresh))
    raw.send(message(5, '0001 07 01'))
    raw.send(message(5, '0001 01 80'))
    raw.send(encodeRouteRefresh(6, RefreshSubtype.EndOfRefresh))
    raw.send(encodeRouteRefresh(4))
    await eventually('all came', async () => calls.length >= 3)
    expect(calls).toEqual(['begin 6', 'end 6', 'resend 4'])
    raw.send(message(5, '0001 01 01 00'))
    expect(await raw.gets('notification')).toMatchObject({ code: 7, subcode: 1 })
  } finally {
    for (const spy of [begin, end, resend]) spy?.mockRestore()
  }
})

test('marks of a refresh that were not agreed on are ignored', async () => {
  const [us, them] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const begin = vi.spyOn(PeerRoutes.prototype, 'beginRefresh')
  try {
    const speaker = await speakers.start(us, 65001, { neighbors: [peer(them, ASN, { passive: true })] })
    using raw = await RawPeer.establish(them, us, ASN)
    await established(speaker, them)
    raw.send(encodeRouteRefresh(4, RefreshSubtype.BeginningOfRefresh))
    await eventually('seen', async () => statusOf(speaker, them).messages.in.routeRefresh === 1)
    expect(begin).not.toHaveBeenCalled()
    expect(statusOf(speaker, them).state).toBe('Established')
  } finally {
    begin.mockRestore()
  }
})

const networks = (count: number): string[] => Array.from({ length: count }, (_, index) => `10.${index}.0.0/16`)

test('maxPrefixes: a warning once, Cease/1, and up again after its time', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const one = await speakers.start(a, 65001, {
    networks: networks(8),
    neighbors: [peer(b, 65002, { connectRetry: 1 })],
  })
  const maxPrefixes = { ipv4: { limit: 10, warnAtPercent: 80, restartAfterSeconds: 2 } }
  const other = await speakers.start(b, 65002)
  const events: string[] = []
  other.onEvent((event: SpeakerEvent) => {
    if (event.type === 'prefixLimit') events.push(`${event.family} ${event.level} ${event.received}/${event.limit}`)
  })
  other.addPeer(peer(a, 65001, { maxPrefixes, passive: true }))
  await eventually('warned', async () => events.length === 1)
  one.originate('10.50.0.0/16')
  await eventually('nine', async () => statusOf(other, a).prefixes.ipv4.received === 9)
  one.originate('10.51.0.0/16')
  one.originate('10.52.0.0/16')
  await eventually('ended', async () => statusOf(other, a).lastError?.subcode === 1)
  expect(events[0]).toBe('ipv4 warning 8/10')
  expect(events.at(-1)).toMatch(/^ipv4 exceeded 11\/10$/)
  expect(events).toHaveLength(2)
  const endedAt = performance.now()
  one.withdraw('10.52.0.0/16')
  await established(other, a)
  expect(performance.now() - endedAt).toBeGreaterThan(1_500)
})

test('maxPrefixes: shutdown holds until it is cleared, warn does not end anything', async () => {
  const [a, b, c] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const one = await speakers.start(a, 65001, {
    networks: networks(3),
    neighbors: [peer(b, 65002, { connectRetry: 1 }), peer(c, 65003)],
  })
  const clock = new ManualClock()
  const shut = { limit: 2, action: 'shutdown' } as const
  const strict = await speakers.start(
    b,
    65002,
    { neighbors: [peer(a, 65001, { maxPrefixes: shut, passive: true })] },
    { clock },
  )
  const mild = await speakers.start(c, 65003, {
    neighbors: [peer(a, 65001, { maxPrefixes: { limit: 2, action: 'warn' } })],
  })
  await eventually('ended', async () => statusOf(strict, a).lastError?.subcode === 1)
  clock.advance(3_600_000)
  using refused = await RawPeer.connect(a, b)
  await refused.isClosed()
  expect(statusOf(strict, a).state).toBe('Idle')
  one.withdraw('10.2.0.0/16')
  strict.clearPeer(a)
  await established(strict, a)
  await reaches(mild, '10.1.0.0/16', `${a} [65001] ${a}`)
  expect(statusOf(mild, a).flaps).toBe(0)
})

test('local-as and confederation: OPEN says who the peer knows us as (RFC 7705 3, RFC 5065 4)', async () => {
  const [a, b, c, d] = [freshAddress(), freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const confederation = { identifier: 64900, members: [65001, 65010] }
  const center = await speakers.start(a, 65001, {
    confederation,
    neighbors: [peer(b, 65002), peer(c, 65010), peer(d, 65004, { localAs: 64950 })],
  })
  await speakers.start(b, 65002, { neighbors: [peer(a, 64900)] })
  await speakers.start(c, 65010, {
    confederation,
    neighbors: [peer(a, 65001)],
  })
  await speakers.start(d, 65004, { neighbors: [peer(a, 64950)] })
  await Promise.all([established(center, b), established(center, c), established(center, d)])
})

test('a change of what OPEN does not carry leaves the session alone; keys go to live sockets', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const applied: [number, SocketOptions][] = []
  const socketOptions = {
    open: () => 0,
    apply: (fd: number, options: SocketOptions) => void applied.push([fd, options]),
  }
  const one = await speakers.start(a, 65001, { neighbors: [peer(b, 65002, { passive: true })] }, { socketOptions })
  await speakers.start(b, 65002, { networks: networks(3), neighbors: [peer(a, 65001)] })
  await reaches(one, '10.2.0.0/16', `${b} [65002] ${b}`)
  const more = {
    passive: true,
    description: 'other',
    connectRetry: 3,
    port: 9,
    sourceAddress: a,
    keepalive: 7,
    delayOpen: 5,
    maxPrefixes: 100,
    allowOwnAs: 1,
    enforceFirstAs: false,
    drain: true,
    ttlSecurity: 1,
    password: 'secret',
  }
  one.updatePeer(peer(b, 65002, more))
  expect(statusOf(one, b)).toMatchObject({ state: 'Established', flaps: 0, timers: { keepaliveSeconds: 7 } })
  const options = { peerAddress: b, password: 'secret', ttlSecurityHops: 1 }
  expect(applied.map((item) => item[1])).toEqual([options, options])
  expect(new Set(applied.map(([fd]) => fd)).size).toBe(2)
  expect(applied.every(([fd]) => fd > 2)).toBe(true)
  applied.length = 0
  one.updatePeer(peer(b, 65002, { passive: true }))
  expect(applied.map((item) => item[1].password)).toEqual([undefined, undefined])
  one.updatePeer(peer(b, 65002, { passive: true, maxPrefixes: 2 }))
  await eventually('judged at once', async () => statusOf(one, b).lastError?.subcode === 1)
})

test('drain reaches every peer, those that come later too, and none twice (RFC 8326)', async () => {
  const [a, b, c] = [freshAddress(), freshAddress(), freshAddress()]
  const seen: string[] = []
  const spy = vi.spyOn(PeerRoutes.prototype, 'reconfigure').mockImplementation((config) => {
    seen.push(`${config.address} ${config.drain}`)
  })
  try {
    const neighbors = [peer(b, 65002), peer(c, 65003, { drain: true })]
    const speaker = createSpeaker({ asn: 65001, routerId: a, listen: { address: a, port: PORT }, neighbors })
    speaker.drain()
    speaker.addPeer(peer(freshAddress(), 65004))
    expect(seen).toEqual([`${b} true`, expect.stringMatching(/ true$/)])
    seen.length = 0
    speaker.undrain()
    expect(seen).toEqual([`${b} false`, expect.stringMatching(/ false$/)])
    await speaker.stop()
  } finally {
    spy.mockRestore()
  }
})

test('BFD ends the session with Cease/10 and keeps it down (RFC 9384)', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const clock = new ManualClock()
  const one = await speakers.start(a, 65001, { neighbors: [peer(b, 65002)] }, { clock })
  const other = await speakers.start(b, 65002, { neighbors: [peer(a, 65001, { connectRetry: 1 })] })
  await established(one, b)
  await established(other, a)
  one.bfdDown(b, 'control detection time expired')
  await eventually('told', async () => statusOf(other, a).lastError?.name === 'Cease/BFD Down')
  expect(statusOf(one, b).lastError?.text).toBe('BFD down: control detection time expired')
  await eventually(
    'the peer tried again',
    async () => statusOf(other, a).messages.out.open > 1 || statusOf(other, a).lastError?.direction === 'local',
  )
  // Damping would have it start again after a second.
  clock.advance(60_000)
  expect(statusOf(one, b).state).toBe('Idle')
  one.bfdUp(b)
  await established(one, b)
  expect(statusOf(one, b).flaps).toBe(1)
})

test('a peer that reads nothing loses its session after eight minutes (RFC 9687)', async () => {
  const [us, them] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const clock = new ManualClock()
  const neighbors = [peer(them, ASN, { passive: true, holdTime: 0 })]
  const speaker = await speakers.start(us, 65001, { neighbors }, { clock })
  using stuck = await RawPeer.establish(them, us, ASN)
  await established(speaker, them)
  stuck.socket.pause()
  const communities = Array.from({ length: 250 }, (_, index) => `65001:${index}`)
  for (let index = 0; index < 20_000; index++) {
    speaker.originate(`10.${index >> 8}.${index & 255}.0/24`, { med: index, communities })
  }
  let before = -1
  await eventually('nothing goes out any more', async () => {
    const { update } = statusOf(speaker, them).messages.out
    const isStuck = update === before && update > 0
    before = update
    return isStuck
  })
  expect(statusOf(speaker, them).prefixes.ipv4.pending).toBeGreaterThan(0)
  clock.advance(479_000)
  expect(statusOf(speaker, them).state).toBe('Established')
  clock.advance(2000)
  await eventually('it is over', async () => statusOf(speaker, them).state !== 'Established')
  expect(statusOf(speaker, them).lastError).toMatchObject({ direction: 'sent', code: 8, subcode: 0 })
})
