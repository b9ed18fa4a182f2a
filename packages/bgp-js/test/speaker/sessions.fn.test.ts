import { once } from 'node:events'
import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { type PolicyRoute, runSpeaker, type SpeakerEvent } from '../../src/index.ts'
import { silentLog } from '../../src/speaker/ports.ts'
import { eventually } from '../interop/eventually.ts'
import {
  best,
  established,
  freshAddress,
  ipv6Of,
  PORT,
  peer,
  RawPeer,
  reaches,
  Speakers,
  statusOf,
} from './loopback.ts'

test('three ASes in a row: routes are relayed, changed and withdrawn', async () => {
  const [a, b, c] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const left = await speakers.start(a, 65001, { networks: ['10.1.0.0/16', 'fd01::/48'], neighbors: [peer(b, 65002)] })
  await speakers.start(b, 65002, { neighbors: [peer(a, 65001), peer(c, 65003)] })
  const right = await speakers.start(c, 65003, { neighbors: [peer(b, 65002)] })
  await reaches(right, '10.1.0.0/16', `${b} [65002 65001] ${b}`)
  await reaches(right, 'fd01::/48', `${b} [65002 65001] ${ipv6Of(b)}`)
  left.originate('10.1.0.0/16', { communities: ['65001:5'] })
  await eventually('the community is there', async () => {
    const [route] = right.routes({ prefix: '10.1.0.0/16' }).locRib
    return route?.paths[0]?.attributes.communities?.includes('65001:5')
  })
  left.withdraw('10.1.0.0/16')
  await reaches(right, '10.1.0.0/16', undefined)
  await left.stop()
  await reaches(right, 'fd01::/48', undefined)
})

test('iBGP speakers do not pass on to each other what they learned, a reflector does', async () => {
  const [a, b, c] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  await speakers.start(a, 65001, { networks: ['10.1.0.0/16'], neighbors: [peer(b, 65001)] })
  const middle = await speakers.start(b, 65001, { neighbors: [peer(a, 65001), peer(c, 65001)] })
  const right = await speakers.start(c, 65001, { neighbors: [peer(b, 65001)] })
  await reaches(middle, '10.1.0.0/16', `${a} [] ${a}`)
  await established(right, b)
  expect(middle.routes({ prefix: '10.1.0.0/16', peer: c }).adjRibOut).toMatchObject([
    { notAnnounced: 'internalToInternal' },
  ])
  middle.updatePeer(peer(a, 65001, { routeReflectorClient: true }))
  await reaches(right, '10.1.0.0/16', `${b} [] ${a}`)
  middle.updatePeer(peer(a, 65001))
  await reaches(right, '10.1.0.0/16', undefined)
  middle.updatePeer(peer(c, 65001, { routeReflectorClient: true }))
  await reaches(right, '10.1.0.0/16', `${b} [] ${a}`)
  expect([statusOf(middle, a).flaps, statusOf(middle, c).flaps]).toEqual([0, 0])
})

test('both ends dial at the same instant: one session each, none is lost (RFC 4271 6.8)', async () => {
  await using speakers = new Speakers()
  const pairs = Array.from({ length: 20 }, () => [freshAddress(), freshAddress()] as const)
  const started = await Promise.all(
    pairs.map(async ([a, b]) => {
      const one = await speakers.start(a, 65001)
      const other = await speakers.start(b, 65002)
      return { a, b, one, other }
    }),
  )
  for (const { a, b, one, other } of started) {
    one.addPeer(peer(b, 65002))
    other.addPeer(peer(a, 65001))
  }
  for (const { a, b, one, other } of started) {
    // oxlint-disable-next-line no-await-in-loop -- each takes its time
    await Promise.all([established(one, b), established(other, a)])
  }
  for (const { a, b, one, other } of started) {
    expect(statusOf(one, b)).toMatchObject({ state: 'Established', flaps: 0 })
    expect(statusOf(other, a)).toMatchObject({ state: 'Established', flaps: 0 })
    expect(new Set([statusOf(one, b).initiator, statusOf(other, a).initiator])).toEqual(new Set(['local', 'remote']))
  }
})

test('100 peers that dial at once are all up, none by a second attempt', async () => {
  await using speakers = new Speakers()
  const hub = freshAddress()
  const spokes = Array.from({ length: 100 }, () => freshAddress())
  const neighbors = spokes.map((address) => peer(address, 65002, { passive: true }))
  const center = await speakers.start(hub, 65001, { neighbors })
  await Promise.all(spokes.map(async (address) => speakers.start(address, 65002, { neighbors: [peer(hub, 65001)] })))
  await eventually('all are up', async () => center.peers().every((status) => status.state === 'Established'))
  for (const status of center.peers()) expect(status).toMatchObject({ flaps: 0, messages: { out: { open: 1 } } })
})

test('peers come and go at run time, and are told why', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const one = await speakers.start(a, 65001, { networks: ['10.1.0.0/16'] })
  const other = await speakers.start(b, 65002, { neighbors: [peer(a, 65001, { passive: true })] })
  const events: SpeakerEvent[] = []
  other.onEvent((event) => events.push(event))
  one.addPeer(peer(b, 65002))
  expect(() => one.addPeer(peer(b, 65002))).toThrow(expect.objectContaining({ code: 'BGP_DUPLICATE_PEER' }))
  await reaches(other, '10.1.0.0/16', `${a} [65001] ${a}`)
  expect(one.removePeer(b)).toBe(true)
  expect(one.removePeer(b)).toBe(false)
  await reaches(other, '10.1.0.0/16', undefined)
  expect(statusOf(other, a).lastError).toMatchObject({
    direction: 'received',
    name: 'Cease/Hard Reset (Cease/Peer De-configured)',
  })
  expect(events.filter((event) => event.type !== 'stateChange').map((event) => event.type)).toEqual([
    'sessionUp',
    'sessionDown',
  ])
  expect(() => one.updatePeer(peer(b, 65002))).toThrow(expect.objectContaining({ code: 'BGP_UNKNOWN_PEER' }))
})

test('the wrong AS is refused with its name on both ends', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const one = await speakers.start(a, 65001, { neighbors: [peer(b, 65009)] })
  const other = await speakers.start(b, 65002, { neighbors: [peer(a, 65001, { passive: true })] })
  const name = 'OPEN Message Error/Bad Peer AS'
  await eventually('sent', async () => statusOf(one, b).lastError?.name === name)
  await eventually('received', async () => statusOf(other, a).lastError?.name === name)
  expect(statusOf(one, b).lastError).toMatchObject({ direction: 'sent', code: 2, subcode: 2 })
})

test('a shutdown text arrives (RFC 9003)', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const one = await speakers.start(a, 65001, { neighbors: [peer(b, 65002)] })
  const other = await speakers.start(b, 65002, { neighbors: [peer(a, 65001)] })
  await established(other, a)
  await one.stop({ text: 'maintenance: back at ten ☕' })
  await eventually('seen', async () => statusOf(other, a).lastError?.text === 'maintenance: back at ten ☕')
})

test('policies change without a session reset, import from what was received, export by the difference', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const networks = ['10.1.0.0/16', '10.2.0.0/16']
  const one = await speakers.start(a, 65001, { networks, neighbors: [peer(b, 65002)] })
  const other = await speakers.start(b, 65002, { neighbors: [peer(a, 65001)] })
  await reaches(other, '10.2.0.0/16', `${a} [65001] ${a}`)
  other.updatePeer(peer(a, 65001, { import: { rules: [{ action: 'accept', prefix: '10.1.0.0/16' }] } }))
  await reaches(other, '10.2.0.0/16', undefined)
  expect(statusOf(other, a).prefixes.ipv4).toMatchObject({ received: 2, accepted: 1 })
  expect(other.routes({ prefix: '10.2.0.0/16' }).adjRibIn).toMatchObject([{ refused: 'policy' }])
  other.updatePeer(peer(a, 65001))
  await reaches(other, '10.2.0.0/16', `${a} [65001] ${a}`)
  const tag = (route: PolicyRoute) =>
    route.prefix === '10.1.0.0/16' ? undefined : { attributes: { ...route.attributes, communities: [7] } }
  one.updatePeer(peer(b, 65002, { export: tag }))
  await reaches(other, '10.1.0.0/16', undefined)
  await eventually('tagged', async () => {
    const [route] = other.routes({ prefix: '10.2.0.0/16' }).locRib
    return route?.paths[0]?.attributes.communities?.[0] === '0:7'
  })
  expect(statusOf(other, a)).toMatchObject({ flaps: 0, state: 'Established' })
})

test('a policy that throws refuses the route and costs nothing else', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  await speakers.start(a, 65001, { networks: ['10.1.0.0/16', '10.2.0.0/16'], neighbors: [peer(b, 65002)] })
  const broken = (route: PolicyRoute) => {
    if (route.prefix === '10.1.0.0/16') throw new Error('broken policy')
    return route
  }
  const other = await speakers.start(b, 65002, { neighbors: [peer(a, 65001, { import: broken })] })
  await reaches(other, '10.2.0.0/16', `${a} [65001] ${a}`)
  expect(best(other, '10.1.0.0/16')).toBe(undefined)
  expect(statusOf(other, a).state).toBe('Established')
})

test('RFC 8212 as a switch: an external peer without policy gives and gets nothing', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const one = await speakers.start(a, 65001, {
    networks: ['10.1.0.0/16'],
    ebgpRequiresPolicy: true,
    neighbors: [peer(b, 65002)],
  })
  const other = await speakers.start(b, 65002, { networks: ['10.2.0.0/16'], neighbors: [peer(a, 65001)] })
  await eventually('received', async () => statusOf(one, b).prefixes.ipv4.received === 1)
  expect(one.routes({ prefix: '10.2.0.0/16' }).adjRibIn).toMatchObject([{ refused: 'noPolicy' }])
  expect(one.routes({ prefix: '10.1.0.0/16', peer: b }).adjRibOut).toMatchObject([{ notAnnounced: 'noPolicy' }])
  const open = { rules: [], default: 'accept' } as const
  one.updatePeer(peer(b, 65002, { import: open, export: open }))
  await reaches(other, '10.1.0.0/16', `${a} [65001] ${a}`)
  await reaches(one, '10.2.0.0/16', `${b} [65002] ${b}`)
})

test('too many prefixes: Cease/1 with family and limit, routes gone', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const networks = Array.from({ length: 11 }, (_, index) => `10.${index}.0.0/16`)
  const one = await speakers.start(a, 65001, { networks, neighbors: [peer(b, 65002, { connectRetry: 60 })] })
  const other = await speakers.start(b, 65002, { neighbors: [peer(a, 65001, { maxPrefixes: 10, passive: true })] })
  await eventually('sent', async () => statusOf(other, a).lastError?.direction === 'sent')
  expect(statusOf(other, a).lastError).toMatchObject({ code: 6, subcode: 1, text: 'more than 10 IPv4 prefixes' })
  await eventually('nothing is left', async () => statusOf(other, a).prefixes.ipv4.received === 0)
  await eventually('told', async () => statusOf(one, b).lastError?.name.includes('Maximum Number of Prefixes'))
})

test('hold time 0: no keepalives, the session holds', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const one = await speakers.start(a, 65001, { neighbors: [peer(b, 65002, { holdTime: 0 })] })
  await speakers.start(b, 65002, { neighbors: [peer(a, 65001)] })
  await established(one, b)
  expect(statusOf(one, b).timers).toMatchObject({ holdTimeSeconds: 0, keepaliveSeconds: 0 })
  expect(statusOf(one, b).timers.holdRemainingSeconds).toBe(undefined)
})

test('a peer that falls silent is dropped at its hold time: Hold Timer Expired', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const one = await speakers.start(a, 65001, { neighbors: [peer(b, 65002, { passive: true, holdTime: 3 })] })
  using raw = await RawPeer.establish(b, a, 65002)
  await established(one, b)
  expect(await raw.gets('notification')).toMatchObject({ code: 4, subcode: 0 })
  await raw.isClosed()
  expect(statusOf(one, b)).toMatchObject({ flaps: 1, lastError: { direction: 'sent', name: 'Hold Timer Expired' } })
})

test('50,000 prefixes are relayed with a short hold time, many to an UPDATE, and withdrawn again', async () => {
  const [a, b, c] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const quick = { holdTime: 9 }
  const left = await speakers.start(a, 65001, { neighbors: [peer(b, 65002, quick)] })
  const middle = await speakers.start(b, 65002, { neighbors: [peer(a, 65001, quick), peer(c, 65003, quick)] })
  const right = await speakers.start(c, 65003, { neighbors: [peer(b, 65002, quick)] })
  await Promise.all([established(left, b), established(right, b)])
  const prefixes = Array.from({ length: 50_000 }, (_, n) => `10.${n >> 8}.${n & 255}.0/24`)
  left.replaceOriginated(prefixes.map((prefix) => ({ prefix })))
  const count = (): number => statusOf(right, b).prefixes.ipv4.accepted
  await eventually('all are there', async () => count() === 50_000, { timeoutMs: 30_000 })
  expect(statusOf(middle, c).messages.out.update).toBeLessThan(1000)
  left.replaceOriginated([{ prefix: '10.0.0.0/24' }])
  await eventually('all but one are gone', async () => count() === 1, { timeoutMs: 30_000 })
  expect(statusOf(middle, a)).toMatchObject({ flaps: 0 })
  expect(statusOf(right, b)).toMatchObject({ flaps: 0 })
})

test('a graceful stop leaves our routes with the peer until we are back (RFC 4724)', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const networks = ['10.1.0.0/16', '10.2.0.0/16']
  const first = await speakers.start(a, 65001, { networks, neighbors: [peer(b, 65002)] })
  const other = await speakers.start(b, 65002, { networks: ['10.9.0.0/16'], neighbors: [peer(a, 65001)] })
  const changes: string[] = []
  void (async () => {
    for await (const batch of other.subscribe()) {
      changes.push(...batch.changes.map((change) => `${change.type} ${change.prefix}`))
    }
  })()
  await reaches(other, '10.2.0.0/16', `${a} [65001] ${a}`)
  await first.stop({ graceful: true })
  await eventually('the loss is seen', async () => statusOf(other, a).state !== 'Established')
  expect(statusOf(other, a)).toMatchObject({
    prefixes: { ipv4: { stale: 2 } },
    gracefulRestart: { retainedFamilies: ['ipv4', 'ipv6'] },
  })
  changes.length = 0
  const second = await speakers.start(a, 65001, {
    networks: ['10.1.0.0/16'],
    gracefulRestart: { restarting: true },
    neighbors: [peer(b, 65002)],
  })
  await reaches(other, '10.2.0.0/16', undefined)
  await reaches(second, '10.9.0.0/16', `${b} [65002] ${b}`)
  expect(statusOf(other, a)).toMatchObject({ state: 'Established', prefixes: { ipv4: { received: 1, stale: 0 } } })
  expect(changes).toEqual(['delete 10.2.0.0/16'])
})

test('a peer whose routes are kept for its return is tried every second or two, without ever longer pauses', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const first = await speakers.start(a, 65001, { networks: ['10.1.0.0/16'], neighbors: [peer(b, 65002)] })
  const other = await speakers.start(b, 65002, { neighbors: [peer(a, 65001)] })
  await reaches(other, '10.1.0.0/16', `${a} [65001] ${a}`)
  await first.stop({ graceful: true })
  // In its place: somebody who hangs up at once.
  const attempts: number[] = []
  const deaf = createServer((socket) => {
    attempts.push(performance.now())
    socket.destroy()
  })
  await once(deaf.listen(PORT, a), 'listening')
  await eventually('seven attempts', async () => attempts.length >= 7, { timeoutMs: 30_000 })
  const pauses = attempts.slice(1).map((at, index) => at - (attempts[index] ?? at))
  // Doubled after each failure, the sixth would be 15 seconds.
  expect(Math.max(...pauses)).toBeLessThan(8_000)
  expect(statusOf(other, a)).toMatchObject({ prefixes: { ipv4: { stale: 1 } } })
  deaf.close()
})

test('multipath: every equal next hop reaches the subscriber', async () => {
  const [a, b, c] = [freshAddress(), freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const one = await speakers.start(a, 65001, { multipath: true, neighbors: [peer(b, 65002), peer(c, 65003)] })
  for (const [address, asn] of [
    [b, 65002],
    [c, 65003],
  ] as const) {
    // oxlint-disable-next-line no-await-in-loop -- two
    await speakers.start(address, asn, { networks: ['10.7.0.0/16'], neighbors: [peer(a, 65001)] })
  }
  const hops = async (): Promise<readonly string[]> => {
    const subscription = one.subscribe()
    const { value } = await subscription.next()
    await subscription.return()
    const [change] = value?.changes ?? []
    return change?.type === 'upsert' ? change.nextHops : []
  }
  await eventually('both', async () => (await hops()).length === 2)
  expect(new Set(await hops())).toEqual(new Set([b, c]))
})

test('next hops that become unreachable and reachable again', async () => {
  const [a, b] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  await speakers.start(b, 65002, { networks: ['10.7.0.0/16'], neighbors: [peer(a, 65001)] })
  let reachable = true
  const { createSpeaker } = await import('../../src/index.ts')
  const one = createSpeaker(
    { asn: 65001, routerId: a, listen: { address: a, port: PORT }, neighbors: [peer(b, 65002)] },
    { isNextHopReachable: () => reachable },
  )
  await one.start()
  try {
    await reaches(one, '10.7.0.0/16', `${b} [65002] ${b}`)
    reachable = false
    one.nextHopsChanged()
    await reaches(one, '10.7.0.0/16', undefined)
    reachable = true
    one.nextHopsChanged()
    await reaches(one, '10.7.0.0/16', `${b} [65002] ${b}`)
  } finally {
    await one.stop()
  }
})

test('runSpeaker serves peers and routes over HTTP', async () => {
  const a = freshAddress()
  const running = await runSpeaker(
    { asn: 65001, routerId: a, listen: { address: a, port: PORT }, http: '127.0.0.1:0', networks: ['10.1.0.0/16'] },
    { log: silentLog },
  )
  try {
    const get = async (path: string): Promise<[number, unknown]> => {
      const response = await fetch(`http://127.0.0.1:${running.http?.port}${path}`)
      return [response.status, await response.json()]
    }
    expect(await get('/healthz')).toEqual([200, { status: 'ok', asn: 65001, routerId: a }])
    expect(await get('/peers')).toEqual([200, { peers: [] }])
    expect(await get('/routes?prefix=10.1.0.0/16')).toMatchObject([200, { locRib: [{ prefix: '10.1.0.0/16' }] }])
    for (const bad of ['/routes?prefix=x', '/routes?family=9', '/routes?limit=0']) {
      // oxlint-disable-next-line no-await-in-loop -- three
      expect((await get(bad))[0]).toBe(400)
    }
    expect((await get('/nothing'))[0]).toBe(404)
    const post = await fetch(`http://127.0.0.1:${running.http?.port}/peers`, { method: 'POST' })
    expect(post.status).toBe(405)
  } finally {
    await running.stop()
  }
})

test('an address that can not be bound is an error, and nothing keeps running', async () => {
  const a = freshAddress()
  await using speakers = new Speakers()
  await speakers.start(a, 65001)
  await expect(speakers.start(a, 65002)).rejects.toThrow(/EADDRINUSE/)
})
