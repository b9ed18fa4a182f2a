import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import type { PeerConfig } from '../../src/index.ts'
import { encodeKeepalive } from '../../src/wire/messages/keepalive.ts'
import { encodeRouteRefresh } from '../../src/wire/messages/route-refresh.ts'
import { eventually } from '../interop/eventually.ts'
import { hex, MANDATORY, message, NLRI_10, update } from '../wire/hex.ts'
import { established, freshAddress, peer, RawPeer, reaches, Speakers, statusOf } from './loopback.ts'
import { ManualClock } from './manual-clock.ts'

const ATTACKER_ASN = 65001
const FRIEND_HOLD_SECONDS = 9

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void
const heapOctets = (): number => {
  collectGarbage()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

/** A speaker with a friend that must not notice, and an attacker that is up. */
async function world(
  speakers: Speakers,
  attackerConfig: Partial<PeerConfig> = {},
  networks: readonly string[] = [],
  friendConfig: Partial<PeerConfig> = {},
) {
  const [us, friendAddress, attacker] = [freshAddress(), freshAddress(), freshAddress()]
  const target = await speakers.start(us, 65100, {
    networks,
    neighbors: [
      peer(friendAddress, 65200, { holdTime: FRIEND_HOLD_SECONDS, ...friendConfig }),
      peer(attacker, ATTACKER_ASN, { passive: true, gracefulRestart: false, ...attackerConfig }),
    ],
  })
  const friend = await speakers.start(friendAddress, 65200, {
    neighbors: [peer(us, 65100, { holdTime: FRIEND_HOLD_SECONDS })],
  })
  await established(target, friendAddress)
  const raw = await RawPeer.establish(attacker, us, ATTACKER_ASN, [
    { name: 'routeRefresh' },
    { name: 'enhancedRefresh' },
    { name: 'extendedMessages' },
  ])
  await established(target, attacker)
  let probes = 0
  /** A route of the friend's gets through, and its session is the first one. */
  const unharmed = async (): Promise<void> => {
    const probe = `10.250.${probes++}.0/24`
    friend.originate(probe)
    await reaches(target, probe, `${friendAddress} [65200] ${friendAddress}`)
    expect(statusOf(target, friendAddress)).toMatchObject({ state: 'Established', flaps: 0 })
    expect(statusOf(friend, us)).toMatchObject({ state: 'Established', flaps: 0 })
  }
  const taken = async (kind: 'update' | 'keepalive' | 'routeRefresh', count: number): Promise<true> =>
    eventually(`${count} ${kind}s are taken`, async () => statusOf(target, attacker).messages.in[kind] >= count, {
      describe: async () => statusOf(target, attacker).messages.in,
    })
  return { us, attacker, friendAddress, target, friend, raw, unharmed, taken }
}

const nlri24 = (n: number): string => `18 ${(0x0b0000 + n).toString(16).padStart(6, '0')}`
const communities = (count: number, first: number): string =>
  `d0 08 ${(count * 4).toString(16).padStart(4, '0')} ${Array.from({ length: count }, (_, n) => (first * 20_000 + n).toString(16).padStart(8, '0')).join('')}`

test('a million prefixes beyond the limit: Cease/1 early, tables as before, nobody else notices', async () => {
  await using speakers = new Speakers()
  const { target, attacker, raw, unharmed } = await world(speakers, { maxPrefixes: 1000 })
  const before = target.memoryCounts()
  for (let n = 0; n < 1_000_000 && !raw.closed; n += 1000) {
    const nlri = Array.from({ length: 1000 }, (_, index) => {
      const prefix = (0x0b00_0000 + n + index).toString(16).padStart(8, '0')
      return `20 ${prefix}`
    }).join('')
    // 800 of five octets each are as many as a message holds.
    for (const part of [nlri.slice(0, 500 * 11), nlri.slice(500 * 11)])
      raw.send(update({ attributes: MANDATORY, nlri: part }))
    if (n % 20_000 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  expect(await raw.gets('notification')).toMatchObject({ code: 6, subcode: 1 })
  await raw.isClosed()
  await eventually('the tables are as before', async () => {
    const { attributeSets, prefixes } = target.memoryCounts()
    return attributeSets <= before.attributeSets && prefixes.ipv4 <= before.prefixes.ipv4 + 1
  })
  expect(statusOf(target, attacker).prefixes.ipv4.received).toBe(0)
  await unharmed()
})

test('messages of 65,535 octets full of communities: what a route costs is a small multiple of its octets', async () => {
  await using speakers = new Speakers()
  const limit = 200
  // The friend lives in this process too, and would hold them as well.
  const nothing = { export: { rules: [], default: 'reject' as const } }
  const { target, attacker, raw, unharmed, taken } = await world(speakers, { maxPrefixes: limit }, [], nothing)
  const before = heapOctets()
  for (let n = 0; n < limit; n++) {
    const octets = update({ attributes: `${MANDATORY} ${communities(16_300, n)}`, nlri: nlri24(n) })
    expect(octets.length).toBeGreaterThan(65_000)
    raw.send(octets)
  }
  await taken('update', limit)
  const octetsPerRoute = (heapOctets() - before) / limit
  // Octets as a key and numbers of eight octets: some 200 kB for each of them. maxPrefixes is what bounds it.
  expect(octetsPerRoute).toBeLessThan(5 * 65_535)
  expect(statusOf(target, attacker).prefixes.ipv4.received).toBe(limit)
  await unharmed()
  raw.send(update({ attributes: MANDATORY, nlri: nlri24(limit) }))
  expect(await raw.gets('notification')).toMatchObject({ code: 6, subcode: 1 })
  await eventually('all of it is gone', async () => target.memoryCounts().attributeSets <= 2)
}, 60_000)

test('a flood of route refreshes costs a replay or two, read or not', async () => {
  await using speakers = new Speakers()
  const networks = Array.from({ length: 5000 }, (_, n) => `11.${n >> 8}.${n & 255}.0/24`)
  const { target, attacker, raw, unharmed, taken } = await world(speakers, {}, networks)
  await eventually('the table is there', async () => statusOf(target, attacker).prefixes.ipv4.pending === 0)
  const sent = (): number => statusOf(target, attacker).messages.out.update
  const table = sent()
  const requests = Buffer.concat(Array.from({ length: 5000 }, () => encodeRouteRefresh(4)))
  raw.send(requests)
  await taken('routeRefresh', 5000)
  await eventually('the last replay is over', async () => statusOf(target, attacker).prefixes.ipv4.pending === 0)
  // How often the event loop turns while requests come in decides how many are told apart: some, not thousands.
  expect((sent() - table) / table).toBeLessThan(100)
  expect(statusOf(target, attacker).messages.out.routeRefresh).toBeLessThan(200)
  await unharmed()
  raw.socket.pause()
  const before = heapOctets()
  for (let round = 1; round <= 20; round++) {
    raw.send(requests)
    await taken('routeRefresh', 5000 + 5000 * round)
  }
  // A mark for each would be 100,000 writes that wait.
  expect(heapOctets() - before).toBeLessThan(8 * 1024 * 1024)
  await unharmed()
}, 60_000)

test('one prefix announced and withdrawn at full speed: what the others hear is the sum of it', async () => {
  await using speakers = new Speakers()
  const { target, attacker, friendAddress, friend, us, raw, unharmed, taken } = await world(speakers)
  const flap = Buffer.concat([
    update({ attributes: MANDATORY, nlri: NLRI_10 }),
    update({ withdrawn: NLRI_10 }),
    update({ attributes: `${MANDATORY} c0 08 04 fde90001`, nlri: NLRI_10 }),
  ])
  const flaps = Buffer.concat(Array.from({ length: 10_000 }, () => flap))
  raw.send(flaps)
  await taken('update', 30_000)
  await reaches(friend, '10.0.0.0/24', `${us} [65100 65001] ${us}`)
  expect(statusOf(target, friendAddress).messages.out.update).toBeLessThan(3000)
  expect(statusOf(target, attacker)).toMatchObject({ state: 'Established', prefixes: { ipv4: { received: 1 } } })
  await unharmed()
})

test('a flood of keepalives, and of routes that are there already, reaches nobody', async () => {
  await using speakers = new Speakers()
  const { target, friendAddress, friend, us, raw, unharmed, taken } = await world(speakers)
  const route = update({ attributes: MANDATORY, nlri: NLRI_10 })
  raw.send(route)
  await reaches(friend, '10.0.0.0/24', `${us} [65100 65001] ${us}`)
  const told = statusOf(target, friendAddress).messages.out.update
  raw.send(Buffer.concat(Array.from({ length: 50_000 }, () => encodeKeepalive())))
  raw.send(Buffer.concat(Array.from({ length: 50_000 }, () => route)))
  await taken('keepalive', 50_000)
  await taken('update', 50_000)
  expect(statusOf(target, friendAddress).messages.out.update).toBe(told)
  await unharmed()
})

test('malformed attributes at full speed are a line or two in the log, and each is a withdrawal', async () => {
  const lines: string[] = []
  const warn = (_: object, text: string): unknown => lines.push(text)
  const silent = (): void => undefined
  const [us, attacker] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const neighbors = [peer(attacker, ATTACKER_ASN, { passive: true, gracefulRestart: false })]
  const log = { debug: silent, info: silent, warn, error: warn }
  const target = await speakers.start(us, 65100, { neighbors }, { log })
  using raw = await RawPeer.establish(attacker, us, ATTACKER_ASN)
  await established(target, attacker)
  const bad = update({ attributes: `${MANDATORY} c0 08 05 fde9004d00`, nlri: NLRI_10 })
  raw.send(Buffer.concat(Array.from({ length: 20_000 }, () => bad)))
  await eventually('all are taken', async () => statusOf(target, attacker).messages.in.update === 20_000)
  expect(lines.filter((line) => line.startsWith('malformed')).length).toBeLessThan(4)
  expect(statusOf(target, attacker)).toMatchObject({ state: 'Established', prefixes: { ipv4: { received: 0 } } })
})

test('octets of a message that never ends are no sign of life: the hold timer runs out', async () => {
  const [us, attacker] = [freshAddress(), freshAddress()]
  await using speakers = new Speakers()
  const clock = new ManualClock()
  const neighbors = [peer(attacker, ATTACKER_ASN, { passive: true, gracefulRestart: false })]
  const target = await speakers.start(us, 65100, { neighbors }, { clock })
  using raw = await RawPeer.establish(attacker, us, ATTACKER_ASN)
  await established(target, attacker)
  const long = message(2, '00'.repeat(200))
  const octetsIn = (n: number): void => raw.send(hex(Buffer.from(long.subarray(n, n + 1)).toString('hex')))
  for (let second = 0; second < 89; second++) {
    octetsIn(second)
    await new Promise((resolve) => setImmediate(resolve))
    clock.advance(1000)
  }
  expect(statusOf(target, attacker).state).toBe('Established')
  clock.advance(2000)
  expect(await raw.gets('notification')).toMatchObject({ code: 4, subcode: 0 })
  await raw.isClosed()
})

test('a full socket holds up nobody in its group, and hears the last of everything when it reads again', async () => {
  await using speakers = new Speakers()
  const [us, sourceAddress, slow, quick] = [freshAddress(), freshAddress(), freshAddress(), freshAddress()]
  const external = { passive: true, gracefulRestart: false }
  const target = await speakers.start(us, 65100, {
    neighbors: [peer(sourceAddress, 65200), peer(slow, 65001, external), peer(quick, 65002, external)],
  })
  const source = await speakers.start(sourceAddress, 65200, { neighbors: [peer(us, 65100)] })
  using slowPeer = await RawPeer.establish(slow, us, 65001)
  using quickPeer = await RawPeer.establish(quick, us, 65002)
  await established(target, slow)
  await established(target, quick)
  await established(target, sourceAddress)
  slowPeer.socket.pause()
  // Communities go on to external peers, so that each prefix is a message of its own.
  const flood = (round: number): void =>
    source.replaceOriginated(
      Array.from({ length: 20_000 }, (_, n) => ({
        prefix: `11.${n >> 8}.${n & 255}.0/24`,
        attributes: { communities: [`${round}:${n}`] },
      })),
    )
  const heard = (raw: RawPeer): number =>
    raw.received.reduce((sum, item) => sum + (item.type === 'update' ? item.nlri.count : 0), 0)
  const rounds = 8
  for (let round = 1; round <= rounds; round++) {
    flood(round)
    const last = async (): Promise<boolean> => {
      const [route] = target.routes({ prefix: '11.78.31.0/24' }).locRib
      return route?.paths[0]?.attributes.communities?.[0] === `${round}:19999`
    }
    await eventually(`round ${round}`, last)
    await eventually('the quick one has it', async () => statusOf(target, quick).prefixes.ipv4.pending === 0)
  }
  expect(statusOf(target, slow).prefixes.ipv4.pending).toBeGreaterThan(0)
  expect(statusOf(target, slow).prefixes.ipv4.pending).toBeLessThanOrEqual(20_010)
  slowPeer.socket.resume()
  await eventually('the slow one has caught up', async () => statusOf(target, slow).prefixes.ipv4.pending === 0)
  await eventually('and has read the last round', async () => {
    const final = slowPeer.received.findLast((item) => item.type === 'update' && item.nlri.count > 0)
    if (final?.type !== 'update') return false
    const { octets, start, end } = final.attributes
    return Buffer.from(octets.subarray(start, end)).includes(Buffer.of(0xc0, 8, 4, 0, rounds))
  })
  // What it missed meanwhile it was told once.
  expect(heard(slowPeer)).toBeLessThan(heard(quickPeer))
  expect(statusOf(target, slow)).toMatchObject({ state: 'Established', flaps: 0 })
}, 120_000)
