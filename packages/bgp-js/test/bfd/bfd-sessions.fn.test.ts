import { execFileSync, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { openNetns, withNetns } from '@margay/netlink'
import { linuxBfdSockets, openDatagramSocket } from '@margay/sockets'
import { describe, expect, test } from 'vitest'
import { type BfdService, type BfdSessionConfig, type BfdStateChange, createBfdService } from '../../src/index.ts'
import { eventually } from '../interop/eventually.ts'
import { type Link, NamespaceStar } from '../interop/namespace-pair.ts'
import { BirdBfd, FrrBfd } from './bfd-daemons.ts'

const FAST = { minTxMs: 50, minRxMs: 50, multiplier: 3 }
/** How much later than the detection time a loss may be seen on a machine that is busy. */
const SLACK_MS = 100

/** A BFD service whose sockets are in a namespace. */
class End implements AsyncDisposable {
  readonly service: BfdService
  readonly changes = new Map<number, BfdStateChange[]>()

  constructor(namespace: string) {
    this.service = createBfdService({
      sockets: {
        open: (options) => {
          using netns = openNetns(namespace)
          return withNetns(netns, () => linuxBfdSockets.open(options))
        },
        prioritize: linuxBfdSockets.prioritize,
      },
    })
  }

  add(config: Omit<BfdSessionConfig, keyof typeof FAST> & Partial<BfdSessionConfig>): number {
    const changes: BfdStateChange[] = []
    const id = this.service.addSession({ ...FAST, ...config }, (change) => changes.push(change))
    this.changes.set(id, changes)
    return id
  }

  last(id: number): BfdStateChange | undefined {
    return this.changes.get(id)?.at(-1)
  }

  /** All sessions are up and have agreed upon 50 ms × 3. */
  async settled(): Promise<void> {
    await eventually(
      'up at full speed',
      async () =>
        (await this.service.sessions()).every(
          ({ state, detectionTimeMs, transmitIntervalMs }) =>
            state === 'Up' && detectionTimeMs === 150 && transmitIntervalMs === 50,
        ),
      { describe: async () => [await this.service.sessions(), await this.service.discarded()] },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service.close()
  }
}

const linkOf = (star: NamespaceStar): Link => star.links[0] as Link
const cut = (star: NamespaceStar): number => {
  execFileSync('ip', ['-n', star.ours, 'link', 'set', 'p1', 'down'])
  return Date.now()
}

test.for(['ipv4', 'ipv6'] as const)('two services over %s: up, and both see a cut link in time', async (family) => {
  using star = new NamespaceStar(1)
  const link = linkOf(star)
  await using one = new End(star.ours)
  await using two = new End(link.namespace)
  const here = one.add({ local: link.ours[family], remote: link.theirs[family] })
  const there = two.add({ local: link.theirs[family], remote: link.ours[family], interface: 'up0' })
  await one.settled()
  await two.settled()

  const before = Date.now()
  const at = cut(star)
  for (const [end, id] of [
    [one, here],
    [two, there],
  ] as const) {
    await eventually('Down is seen', async () => end.last(id)?.state === 'Down')
    const change = end.last(id)
    expect(change?.diagnostic).toBe('controlDetectionTimeExpired')
    expect(change?.at).toBeGreaterThan(before)
    expect(change?.at).toBeLessThan(at + 150 + SLACK_MS)
  }
  expect((await two.service.sessions())[0]).toMatchObject({
    flaps: 1,
    remoteDiscriminator: 0,
    transmitIntervalMs: 1000,
  })
})

test('two services over link-local addresses', async () => {
  using star = new NamespaceStar(1)
  const link = linkOf(star)
  for (const [namespace, device, address] of [
    [star.ours, 'p1', 'fe80::9:2'],
    [link.namespace, 'up0', 'fe80::9:1'],
  ] as const) {
    execFileSync('ip', ['-n', namespace, 'addr', 'add', `${address}/64`, 'dev', device, 'nodad'])
  }
  await using one = new End(star.ours)
  await using two = new End(link.namespace)
  one.add({ local: 'fe80::9:2', remote: 'fe80::9:1%p1' })
  two.add({ local: 'fe80::9:1', remote: 'fe80::9:2', interface: 'up0' })
  await one.settled()
  await two.settled()
  expect(() => one.add({ local: 'fe80::9:2', remote: 'fe80::9:3' })).toThrow('interface must be given')
})

test('a main thread that is busy for a second is no reason for an alarm at 50 ms × 3', async () => {
  using star = new NamespaceStar(1)
  const link = linkOf(star)
  await using one = new End(star.ours)
  await using two = new End(link.namespace)
  one.add({ local: link.ours.ipv4, remote: link.theirs.ipv4 })
  two.add({ local: link.theirs.ipv4, remote: link.ours.ipv4 })
  await one.settled()
  await two.settled()
  const [before] = await one.service.sessions()

  const end = performance.now() + 1000
  while (performance.now() < end);

  for (const { service } of [one, two]) expect(await service.sessions()).toMatchObject([{ state: 'Up', flaps: 0 }])
  const [after] = await one.service.sessions()
  expect((after?.received ?? 0) - (before?.received ?? 0)).toBeGreaterThan(15)
})

test('a session that is removed is no failure to the other end, and can be made again', async () => {
  using star = new NamespaceStar(1)
  const link = linkOf(star)
  await using one = new End(star.ours)
  await using two = new End(link.namespace)
  const here = one.add({ local: link.ours.ipv4, remote: link.theirs.ipv4 })
  const there = two.add({ local: link.theirs.ipv4, remote: link.ours.ipv4 })
  await one.settled()
  await two.settled()
  one.service.removeSession(here)
  // The same place at once: the thread has not closed the socket before yet.
  const again = one.add({ local: link.ours.ipv4, remote: link.theirs.ipv4 })
  expect(() => one.add({ local: link.ours.ipv4, remote: link.theirs.ipv4 })).toThrow('already')
  await eventually('told', async () => two.changes.get(there)?.some(({ remoteState }) => remoteState === 'AdminDown'))
  const told = two.changes.get(there)?.find(({ remoteState }) => remoteState === 'AdminDown')
  expect(told).toMatchObject({ state: 'Down', diagnostic: 'neighborSignaledSessionDown' })
  await one.settled()
  await two.settled()
  expect(one.last(here)?.state).toBe('Up')
  expect(one.last(again)?.state).toBe('Up')
})

test('a closed service answers what was asked before, and nothing after', async () => {
  using star = new NamespaceStar(1)
  const link = linkOf(star)
  await using one = new End(star.ours)
  const two = new End(link.namespace)
  const here = one.add({ local: link.ours.ipv4, remote: link.theirs.ipv4 })
  two.add({ local: link.theirs.ipv4, remote: link.ours.ipv4 })
  await one.settled()
  const asked = two.service.sessions()
  const closed = two.service.close()
  expect(await asked).toHaveLength(1)
  await closed
  await expect(two.service.sessions()).rejects.toThrow(expect.objectContaining({ code: 'BGP_CLOSED' }))
  expect(() => two.add({ local: link.theirs.ipv4, remote: link.ours.ipv4 })).toThrow('closed')
  // It said goodbye.
  await eventually('AdminDown is heard', async () => one.last(here)?.state === 'Down')
  expect(one.last(here)).toMatchObject({ remoteState: 'AdminDown', diagnostic: 'neighborSignaledSessionDown' })
})

test('timers that change on a live session do not end it (Poll Sequence)', async () => {
  using star = new NamespaceStar(1)
  const link = linkOf(star)
  await using one = new End(star.ours)
  await using two = new End(link.namespace)
  const here = one.add({ local: link.ours.ipv6, remote: link.theirs.ipv6 })
  two.add({ local: link.theirs.ipv6, remote: link.ours.ipv6 })
  await one.settled()
  await two.settled()
  one.service.updateSession(here, { minTxMs: 200, minRxMs: 100, multiplier: 5 })
  await eventually('agreed', async () => (await two.service.sessions())[0]?.detectionTimeMs === 1000)
  await eventually('agreed', async () => (await one.service.sessions())[0]?.detectionTimeMs === 300)
  expect((await two.service.sessions())[0]).toMatchObject({ transmitIntervalMs: 100, flaps: 0 })
  one.service.updateSession(here, FAST)
  await one.settled()
  await two.settled()
  expect((await two.service.sessions())[0]?.flaps).toBe(0)
})

test('strangers cost a counter; packets from farther than the link are dropped by the kernel', async () => {
  using star = new NamespaceStar(1)
  const link = linkOf(star)
  await using one = new End(star.ours)
  one.add({ local: link.ours.ipv4, remote: '10.9.1.77' })
  const down = Buffer.from('20400318'.concat('00000009', '00000000', '000f4240', '0000c350', '00000000'), 'hex')
  const stray = Buffer.from('20c00318'.concat('00000009', '00000001', '000f4240', '0000c350', '00000000'), 'hex')
  const send = async (ttl: number, packets: readonly Buffer[]): Promise<void> => {
    using netns = openNetns(link.namespace)
    const fd = withNetns(netns, () => openDatagramSocket({ local: link.theirs.ipv4, port: 0, ttl }))
    const socket = createSocket('udp4')
    socket.bind({ fd })
    for (const packet of packets) {
      await new Promise((resolve) => socket.send(packet, 3784, link.ours.ipv4, resolve))
    }
    socket.close()
  }
  await send(254, [down, stray, Buffer.from('2040')])
  await send(255, [down, stray, Buffer.from('2040')])
  await eventually('all three counted', async () => (await one.service.discarded()).badLength === 1)
  expect(await one.service.discarded()).toMatchObject({ unknownPeer: 1, unknownDiscriminator: 1, badLength: 1 })
  expect(await one.service.sessions()).toMatchObject([{ remote: '10.9.1.77', state: 'Down', received: 0 }])
})

test('a flood of well-formed packets from a stranger on the link does not end a session', async () => {
  using star = new NamespaceStar(1)
  const link = linkOf(star)
  const stranger = '10.9.1.77'
  execFileSync('ip', ['-n', link.namespace, 'addr', 'add', `${stranger}/24`, 'dev', 'up0'])
  await using one = new End(star.ours)
  await using two = new End(link.namespace)
  one.add({ local: link.ours.ipv4, remote: link.theirs.ipv4 })
  two.add({ local: link.theirs.ipv4, remote: link.ours.ipv4 })
  await one.settled()
  await two.settled()
  const flood = `
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
s.bind(('${stranger}', 0))
packet = bytes.fromhex('204003180000000900000000000f42400000c35000000000')
end = time.time() + 1
while time.time() < end:
    for _ in range(100): s.sendto(packet, ('${link.ours.ipv4}', 3784))
`
  const child = spawn('ip', ['netns', 'exec', link.namespace, 'python3', '-c', flood], { stdio: 'ignore' })
  expect(await once(child, 'exit')).toEqual([0, null])
  expect((await one.service.discarded()).unknownPeer).toBeGreaterThan(1000)
  for (const { service } of [one, two]) expect(await service.sessions()).toMatchObject([{ state: 'Up', flaps: 0 }])
})

test('a session that can not be is refused by name', async () => {
  using star = new NamespaceStar(1)
  await using one = new End(star.ours)
  const bad = { local: '10.9.1.2', remote: 'fe80::1', minTxMs: 0, multiplier: 256 }
  expect(() => one.add(bad)).toThrow(/remote must be of the same family.*interface.*minTxMs.*multiplier/)
  expect(() => one.add({ local: '192.0.2.99', remote: '192.0.2.98' })).toThrow('EADDRNOTAVAIL')
})

describe.for([
  { name: 'BIRD', Daemon: BirdBfd },
  { name: 'FRR', Daemon: FrrBfd },
])('$name', ({ Daemon }) => {
  test('single hop and multihop, IPv4 and IPv6, at 50 ms × 3; steady; a cut is seen in time', async () => {
    using star = new NamespaceStar(1)
    const link = linkOf(star)
    // Multihop sessions run between other addresses of the same two ends.
    const far = { ours: '10.8.0.2', theirs: '10.8.0.1' }
    execFileSync('ip', ['-n', star.ours, 'addr', 'add', `${far.ours}/32`, 'dev', 'lo'])
    execFileSync('ip', ['-n', star.ours, 'route', 'add', far.theirs, 'via', link.theirs.ipv4])
    execFileSync('ip', ['-n', link.namespace, 'addr', 'add', `${far.theirs}/32`, 'dev', 'lo'])
    execFileSync('ip', ['-n', link.namespace, 'route', 'add', far.ours, 'via', link.ours.ipv4])
    const pairs = [
      { local: link.ours.ipv4, remote: link.theirs.ipv4, interface: 'p1' },
      { local: link.ours.ipv6, remote: link.theirs.ipv6, interface: 'p1' },
      { local: far.ours, remote: far.theirs, multihop: true },
    ]
    await using daemon = new Daemon(
      link.namespace,
      pairs.map(({ local, remote, multihop }) => ({
        address: local,
        local: remote,
        ...(multihop === true ? { multihop } : {}),
      })),
    )
    await daemon.start()
    await using end = new End(star.ours)
    const ids = pairs.map((pair) => end.add(pair))
    await end.settled().catch((error: unknown) => {
      throw new Error(daemon.log, { cause: error })
    })
    for (const { local } of pairs) await eventually(`${local} is up there`, async () => daemon.isUp(local))

    const busy = performance.now() + 1000
    while (performance.now() < busy);
    const steady = (await end.service.sessions()).map(({ state, flaps }) => [state, flaps])
    expect(steady, JSON.stringify([...end.changes])).toEqual(pairs.map(() => ['Up', 0]))

    const at = cut(star)
    for (const id of ids) {
      await eventually('Down is seen', async () => end.last(id)?.state === 'Down')
      expect(end.last(id)?.at).toBeLessThan(at + 150 + SLACK_MS)
    }
    for (const { local } of pairs) await eventually(`${local} is down there`, async () => !(await daemon.isUp(local)))
    execFileSync('ip', ['-n', star.ours, 'link', 'set', 'p1', 'up'])
    execFileSync('ip', ['-n', star.ours, 'addr', 'replace', `${link.ours.ipv6}/64`, 'dev', 'p1', 'nodad'])
    execFileSync('ip', ['-n', star.ours, 'route', 'replace', far.theirs, 'via', link.theirs.ipv4])
    await end.settled()
  })
})
