import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { Address, Prefix } from '@margay/net'
import { expect, test } from 'vitest'
import {
  openConntrack,
  openNetns,
  openRoute,
  type RouteEvent,
  udpSocketIn,
  watchNflog,
  watchRoute,
} from '../src/index.ts'
import { scratchNetns } from './scratch-netns.ts'

/** For waits that a loaded machine may stretch. */
const PATIENT = { timeout: 30_000 }
const INDEX = new URL('../src/index.ts', import.meta.url).href

/** The next event that `wanted` likes. */
async function nextEvent<T>(watch: AsyncIterable<T>, wanted: (event: T) => boolean): Promise<T> {
  const events = watch[Symbol.asyncIterator]()
  for (;;) {
    const { value, done } = await events.next()
    if (done === true) throw new Error('no more events')
    if (wanted(value)) return value
  }
}

test('links, addresses, routes and neighbours of one namespace as they change', async () => {
  using scratch = scratchNetns()
  using other = scratchNetns()
  await using route = openRoute({ netns: scratch.name })
  await using elsewhere = openRoute({ netns: other.name })
  await using watch = watchRoute({
    netns: scratch.name,
    groups: ['link', 'address', 'ipv4-route', 'ipv6-route', 'neighbour'],
  })
  await elsewhere.addLink({ kind: 'bridge', name: 'wrong', up: true })
  await route.addLink({ kind: 'bridge', name: 'br0', up: true })
  const created = await nextEvent(watch, (event) => event.type === 'link')
  expect(created).toMatchObject({ type: 'link', change: 'new', link: { name: 'br0', kind: 'bridge' } })
  const index = created.type === 'link' ? created.link.index : 0
  scratch.ip('addr', 'add', '10.0.0.1/24', 'dev', 'br0')
  const added = await nextEvent(watch, (event) => event.type === 'address' && event.address.address.family === 4)
  expect(added).toMatchObject({ change: 'new', address: { index, length: 24 } })
  for (const text of ['10.5.0.0/16', 'fd05::/64']) {
    const dst = Prefix.parse(text)
    const isIt = (event: RouteEvent): boolean => event.type === 'route' && event.route.dst.equals(dst)
    await route.addRoute({ dst, type: 'blackhole', protocol: 80 })
    expect(await nextEvent(watch, isIt)).toMatchObject({ change: 'new', route: { type: 'blackhole', protocol: 80 } })
    await route.deleteRoute({ dst })
    expect(await nextEvent(watch, isIt)).toMatchObject({ change: 'deleted' })
  }
  await route.addNeighbour({ index, address: Address.parse('10.0.0.9'), mac: '02:00:00:00:00:09' })
  const neighbour = await nextEvent(
    watch,
    (event) => event.type === 'neighbour' && event.neighbour.address.toString() === '10.0.0.9',
  )
  expect(neighbour).toMatchObject({ change: 'new', neighbour: { mac: '02:00:00:00:00:09', state: 'permanent' } })
  // A port that leaves its bridge is not a deleted link.
  await route.addLink({ kind: 'veth', name: 'p0', peer: { name: 'p1' }, master: index })
  await route.setLink('p0', { master: 0 })
  await route.deleteLink('br0')
  const deleted = await nextEvent(watch, (event) => event.type === 'link' && event.change === 'deleted')
  expect(deleted).toMatchObject({ link: { name: 'br0' } })
})

test('many watches share one thread; closing ends the loop and frees everything', async () => {
  using scratch = scratchNetns()
  await using route = openRoute({ netns: scratch.name })
  // Node starts its four threads for file work with the first such call.
  await stat('/proc/self')
  const files = readdirSync('/proc/self/fd').length
  const threads = readdirSync('/proc/self/task').length
  const watches = Array.from({ length: 10 }, () => watchRoute({ netns: scratch.name, groups: ['link'] }))
  await route.addLink({ kind: 'bridge', name: 'br0' })
  for (const watch of watches) {
    expect(await nextEvent(watch, (event) => event.type === 'link')).toMatchObject({ link: { name: 'br0' } })
  }
  const running = readdirSync('/proc/self/task').length
  expect(running).toBeGreaterThan(threads)
  expect(running).toBeLessThan(threads + 4)
  const ended = Promise.all(watches.map(async (watch) => await watch[Symbol.asyncIterator]().next()))
  await Promise.all(watches.map(async (watch) => await watch.close()))
  expect((await ended).every((result) => result.done === true)).toBe(true)
  await expect.poll(() => readdirSync('/proc/self/fd').length, PATIENT).toBeLessThanOrEqual(files)
  await expect.poll(() => readdirSync('/proc/self/task').length, PATIENT).toBeLessThanOrEqual(threads)
})

test('a reader that is far behind is told so and nothing grows', async () => {
  using scratch = scratchNetns()
  await using route = openRoute({ netns: scratch.name })
  await using watch = watchRoute({ netns: scratch.name, groups: ['ipv4-route'] })
  const base = Address.parse('10.0.0.0')
  const changes = (op: 'add' | 'delete'): Parameters<typeof route.applyRoutes>[0] =>
    Array.from({ length: 60_000 }, (_, i) => ({ op, route: { dst: Prefix.host(base.plus(i)), type: 'blackhole' } }))
  await route.applyRoutes(changes('add'))
  await route.applyRoutes(changes('delete'))
  expect(await nextEvent(watch, (event) => event.type === 'overrun')).toEqual({ type: 'overrun' })
  const dst = Prefix.parse('10.200.0.0/16')
  await route.addRoute({ dst, type: 'blackhole' })
  const after = await nextEvent(watch, (event) => event.type === 'route' && event.route.dst.equals(dst))
  expect(after).toMatchObject({ change: 'new' })
})

test.for([
  { how: 'process.exit()', end: 'process.exit(7)', status: 7 },
  { how: 'an uncaught exception', end: 'throw new Error("x")', status: 1 },
  { how: 'closing the watch', end: 'await watch.close()', status: 0 },
])('$how ends a process that watches', ({ end, status }) => {
  const script = `
    import { watchRoute } from ${JSON.stringify(INDEX)}
    const watch = watchRoute({ groups: ['link'] })
    const pending = watch[Symbol.asyncIterator]().next()
    await new Promise((go) => setTimeout(go, 100))
    ${end}`
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    timeout: 50_000,
  })
  // Killed for not ending, it would have no status.
  expect(result.status, result.stderr).toBe(status)
})

test('conntrack: connections are listed and forgotten by address', async () => {
  using scratch = scratchNetns()
  using handle = openNetns(scratch.name)
  await using route = openRoute({ netns: handle })
  await route.setLink('lo', { up: true })
  // Tracking begins with the first rule that asks for it.
  scratch.run('iptables-nft', '-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'NEW')
  scratch.run('ip6tables-nft', '-A', 'INPUT', '-m', 'conntrack', '--ctstate', 'NEW')
  await using conntrack = openConntrack({ netns: handle })
  expect(await conntrack.connections()).toEqual([])
  for (const host of ['127.0.0.1', '::1']) {
    const receiver = udpSocketIn(handle, { host, port: 0 })
    const sender = udpSocketIn(handle, { host, port: 0 })
    sender.send('x', receiver.address().port, host)
    await once(receiver, 'message')
    const [connection] = await conntrack.connections(({ original }) => original.source.toString() === host)
    expect(connection).toMatchObject({ original: { protocol: 17, destinationPort: receiver.address().port } })
    expect(connection?.reply.sourcePort).toBe(receiver.address().port)
    receiver.close()
    sender.close()
  }
  expect(await conntrack.flushAddress(Address.parse('10.0.0.1'))).toBe(0)
  expect(await conntrack.flushAddress(Address.parse('127.0.0.1'))).toBe(1)
  expect((await conntrack.connections()).map((connection) => connection.family)).toEqual([6])
  expect(await conntrack.flush(() => true)).toBe(1)
  expect(scratch.run('conntrack', '-L')).toBe('')
})

test('NFLOG: prefix, mark, devices and payload of logged packets; a busy group is named', async () => {
  using scratch = scratchNetns()
  using handle = openNetns(scratch.name)
  await using route = openRoute({ netns: handle })
  await route.setLink('lo', { up: true })
  scratch.run('iptables-nft', '-t', 'mangle', '-A', 'OUTPUT', '-j', 'MARK', '--set-mark', '0x12')
  scratch.run(
    'iptables-nft',
    '-A',
    'INPUT',
    '-p',
    'udp',
    '-j',
    'NFLOG',
    '--nflog-group',
    '9',
    '--nflog-prefix',
    'why: x',
  )
  await using watch = await watchNflog({ group: 9, netns: handle })
  await expect(watchNflog({ group: 9, netns: handle })).rejects.toMatchObject({
    code: 'NETLINK_EPERM',
    request: 'read NFLOG group 9',
  })
  const sender = udpSocketIn(handle, { host: '127.0.0.1', port: 0 })
  sender.send('payload', 4242, '127.0.0.1')
  const packet = await nextEvent(watch, () => true)
  expect(packet).toMatchObject({ type: 'packet', family: 4, prefix: 'why: x', mark: 0x12, inDevice: 1, hook: 1 })
  expect(packet.type === 'packet' ? Buffer.from(packet.payload).toString('latin1') : '').toContain('payload')
  for (let i = 0; i < 5000; i++) sender.send(`${i}`, 4242, '127.0.0.1')
  let seen = 0
  for await (const event of watch) {
    if (event.type === 'overrun') throw new Error('lost some')
    if (++seen === 5000) break
  }
  sender.close()
})
