import { Address, Prefix } from '@margay/net'
import { describe, expect, test } from 'vitest'
import { type NetlinkError, openNetns, openRoute, type Route, RouteProtocol } from '../src/index.ts'
import { scratchNetns } from './scratch-netns.ts'

const failure = async (work: Promise<unknown>): Promise<NetlinkError> =>
  await work.then(
    () => expect.unreachable('it should have failed'),
    (error: unknown) => error as NetlinkError,
  )

const indexOf = async (route: ReturnType<typeof openRoute>, name: string): Promise<number> => {
  const link = await route.link(name)
  if (link === undefined) throw new Error(`no link ${name}`)
  return link.index
}

describe('links', () => {
  test('a veth pair across two namespaces, made in one step, as ip shows it', async () => {
    using here = scratchNetns()
    using there = scratchNetns()
    using target = openNetns(there.name)
    await using route = openRoute({ netns: here.name })
    await route.addLink({
      kind: 'veth',
      name: 'host0',
      mtu: 1400,
      mac: 'ee:ee:ee:ee:ee:ee',
      up: true,
      alias: 'pod default/a',
      group: 77,
      peer: { name: 'eth0', netns: target, mac: '02:00:00:00:00:05', mtu: 1400 },
    })
    expect(here.ipJson('link', 'show', 'host0')[0]).toMatchObject({
      ifname: 'host0',
      mtu: 1400,
      address: 'ee:ee:ee:ee:ee:ee',
      ifalias: 'pod default/a',
      linkinfo: { info_kind: 'veth' },
      group: '77',
    })
    expect(there.ipJson('link', 'show', 'eth0')[0]).toMatchObject({ address: '02:00:00:00:00:05', mtu: 1400 })
    expect(await route.link('host0')).toMatchObject({ kind: 'veth', up: true, group: 77, alias: 'pod default/a' })
    expect((await route.link('lo'))?.up).toBe(false)
    expect(await route.link('nothing')).toBeUndefined()
    await using inside = openRoute({ netns: target })
    await inside.setLink('eth0', { up: true })
    expect(await route.link('host0')).toMatchObject({ carrier: true, operState: 'up' })
    await route.deleteLink('host0')
    expect((await inside.links()).map((link) => link.name)).toEqual(['lo'])
  })

  test('a bridge with ports, vxlan, macvlan and ifb, as ip shows them', async () => {
    using scratch = scratchNetns()
    await using route = openRoute({ netns: scratch.name })
    await route.addLink({ kind: 'bridge', name: 'br0', up: true, bridge: { stp: false, multicastSnooping: false } })
    await route.addLink({ kind: 'ifb', name: 'ifb7' })
    await route.addLink({ kind: 'veth', name: 'a', peer: { name: 'b' } })
    const local = Address.parse('192.0.2.1')
    const vxlan = { id: 4096, local, port: 4790, learning: false, device: await indexOf(route, 'a') }
    await route.addLink({ kind: 'vxlan', name: 'vx0', vxlan, ipv6AddressGeneration: 'none' })
    await route.addLink({ kind: 'macvlan', name: 'mv0', lower: await indexOf(route, 'a'), macvlan: 'private' })
    await route.setLink('b', { master: await indexOf(route, 'br0') })
    const shown = new Map(scratch.ipJson('link', 'show').map((link) => [link['ifname'] as string, link] as const))
    expect(shown.get('vx0')).toMatchObject({
      inet6_addr_gen_mode: 'none',
      linkinfo: {
        info_kind: 'vxlan',
        info_data: { id: 4096, local: '192.0.2.1', port: 4790, link: 'a', learning: false },
      },
    })
    expect(shown.get('br0')).toMatchObject({ linkinfo: { info_data: { stp_state: 0, mcast_snooping: 0 } } })
    expect(shown.get('mv0')).toMatchObject({ link: 'a', linkinfo: { info_data: { mode: 'private' } } })
    expect(shown.get('b')).toMatchObject({ master: 'br0' })
    expect(shown.get('ifb7')).toMatchObject({ linkinfo: { info_kind: 'ifb' } })
    expect(await route.link('vx0')).toMatchObject({
      vxlan: { id: 4096, port: 4790, learning: false, device: vxlan.device },
    })
    expect((await route.link('vx0'))?.vxlan?.local?.toString()).toBe('192.0.2.1')
    expect(await route.link('br0')).toMatchObject({ bridge: { stp: false, multicastSnooping: false } })
    expect(await route.link('mv0')).toMatchObject({ macvlan: 'private', lower: vxlan.device })
    expect((await route.links({ statistics: true }))[0]?.statistics).toMatchObject({ rxPackets: 0 })
    await route.setLink('b', { master: 0 })
    expect((await route.link('b'))?.master).toBeUndefined()
  })

  test('a whole group is deleted in one request', async () => {
    using scratch = scratchNetns()
    await using route = openRoute({ netns: scratch.name })
    for (let i = 0; i < 20; i++) await route.addLink({ kind: 'veth', name: `g${i}`, group: 9, peer: { group: 9 } })
    expect(await route.links()).toHaveLength(41)
    await route.deleteLinkGroup(9)
    expect(await route.links()).toHaveLength(1)
  })

  test('failures are the kernel’s own, named, with what was asked', async () => {
    using scratch = scratchNetns()
    await using route = openRoute({ netns: scratch.name })
    await route.addLink({ kind: 'bridge', name: 'br0' })
    const twice = await failure(route.addLink({ kind: 'bridge', name: 'br0' }))
    expect(twice).toMatchObject({
      code: 'NETLINK_EEXIST',
      errno: 17,
      errnoName: 'EEXIST',
      request: 'add bridge link br0',
    })
    // This kernel may have been built without the device; then it says so by name.
    const unknown = await failure(route.addLink({ kind: 'nosuchkind', name: 'x' }))
    expect(unknown).toMatchObject({ code: 'NETLINK_EOPNOTSUPP', extack: 'Unknown device type' })
    expect(await failure(route.deleteLink('gone'))).toMatchObject({ code: 'NETLINK_ENODEV' })
    expect(await failure(route.setLink('br0', { mtu: 10 }))).toMatchObject({ extack: expect.stringContaining('mtu') })
    for (const [bad, field] of [
      [route.addLink({ kind: 'bridge', name: 'sixteen-octets-x' }), 'name'],
      [route.addLink({ kind: 'bridge', name: 'a b' }), 'name'],
      [route.addLink({ kind: 'bridge', name: 'x', mac: 'zz' }), 'mac'],
      [route.addLink({ kind: 'veth', name: 'x', peer: { name: '' } }), 'peer.name'],
      [route.addLink({ kind: 'vxlan', name: 'x', vxlan: { id: 1 << 24 } }), 'vxlan.id'],
      [route.deleteLinkGroup(0), 'group'],
      [route.setLink(0, { up: true }), 'link'],
    ] as const) {
      expect(await failure(bad)).toMatchObject({ code: 'NETLINK_BAD_INPUT', field })
    }
  })
})

describe('addresses', () => {
  test('add, list, replace, delete for both families', async () => {
    using scratch = scratchNetns()
    await using route = openRoute({ netns: scratch.name })
    await route.addLink({ kind: 'bridge', name: 'br0', up: true })
    const index = await indexOf(route, 'br0')
    const v4 = { address: Address.parse('10.1.2.3'), length: 24, broadcast: Address.parse('10.1.2.255') }
    const v6 = { address: Address.parse('fd00::5'), length: 64, noDad: true }
    await route.addAddress(index, v4)
    await route.addAddress(index, v6)
    await route.addAddress(index, { address: Address.parse('10.9.9.9'), length: 32, scope: 'link' })
    const shown = scratch.ipJson('addr', 'show', 'br0')[0]?.['addr_info'] as unknown[]
    expect(shown).toContainEqual(
      expect.objectContaining({ local: '10.1.2.3', prefixlen: 24, broadcast: '10.1.2.255', scope: 'global' }),
    )
    expect(shown).toContainEqual(expect.objectContaining({ local: 'fd00::5', prefixlen: 64, nodad: true }))
    expect(shown).toContainEqual(expect.objectContaining({ local: '10.9.9.9', prefixlen: 32, scope: 'link' }))
    const listed = await route.addresses({ index, family: 4 })
    expect(listed.map((entry) => `${entry.address}/${entry.length}`).toSorted()).toEqual(['10.1.2.3/24', '10.9.9.9/32'])
    expect(await failure(route.addAddress(index, v4))).toMatchObject({ code: 'NETLINK_EEXIST' })
    await route.replaceAddress(index, v4)
    await route.deleteAddress(index, v4)
    await route.deleteAddress(index, v6)
    expect(await failure(route.deleteAddress(index, v4))).toMatchObject({
      code: 'NETLINK_EADDRNOTAVAIL',
      request: `delete address 10.1.2.3/24 on link ${index}`,
    })
    const left = await route.addresses({ index })
    expect(left.filter((entry) => !entry.address.isLinkLocal).map((entry) => entry.address.toString())).toEqual([
      '10.9.9.9',
    ])
  })
})

describe('routes', () => {
  test('every shape of route, as ip shows it and as we read it back', async () => {
    using scratch = scratchNetns()
    await using route = openRoute({ netns: scratch.name })
    await route.addLink({ kind: 'bridge', name: 'br0', up: true })
    await route.addLink({ kind: 'bridge', name: 'br1', up: true })
    const oif = await indexOf(route, 'br0')
    const other = await indexOf(route, 'br1')
    await route.addAddress(oif, { address: Address.parse('10.0.0.1'), length: 24 })
    await route.addAddress(oif, { address: Address.parse('fd00::1'), length: 64, noDad: true })
    const gateway = Address.parse('10.0.0.254')
    const gateway6 = Address.parse('fd00::fe')
    const wanted: [Route, Record<string, unknown>][] = [
      [
        { dst: Prefix.parse('10.1.0.0/16'), gateway },
        { dst: '10.1.0.0/16', gateway: '10.0.0.254', dev: 'br0' },
      ],
      [
        { dst: Prefix.parse('0.0.0.0/0'), gateway, mtu: 1400 },
        { dst: 'default', metrics: [{ mtu: 1400 }] },
      ],
      [
        { dst: Prefix.parse('10.2.0.1/32'), oif, protocol: 80 },
        { dst: '10.2.0.1', scope: 'link', protocol: '80' },
      ],
      [
        { dst: Prefix.parse('10.3.0.0/26'), type: 'blackhole', protocol: RouteProtocol.bird },
        { type: 'blackhole', protocol: 'bird' },
      ],
      [
        { dst: Prefix.parse('10.4.0.0/16'), type: 'unreachable', priority: 900 },
        { type: 'unreachable', metric: 900 },
      ],
      [{ dst: Prefix.parse('10.5.0.0/16'), type: 'prohibit' }, { type: 'prohibit' }],
      [{ dst: Prefix.parse('10.6.0.0/16'), type: 'throw', table: 100 }, { type: 'throw' }],
      [
        { dst: Prefix.parse('10.7.0.0/16'), gateway: Address.parse('172.16.0.1'), oif, onlink: true },
        { gateway: '172.16.0.1', flags: ['onlink'] },
      ],
      [{ dst: Prefix.parse('10.8.0.0/16'), gateway: gateway6, oif }, { via: { family: 'inet6', host: 'fd00::fe' } }],
      [
        { dst: Prefix.parse('10.9.0.0/16'), multipath: [{ gateway, weight: 3 }, { oif: other }] },
        {
          nexthops: [
            { gateway: '10.0.0.254', dev: 'br0', weight: 3, flags: [] },
            { dev: 'br1', weight: 1, flags: [] },
          ],
        },
      ],
      [
        { dst: Prefix.parse('10.10.0.0/16'), oif, prefSource: Address.parse('10.0.0.1'), table: 70000 },
        { prefsrc: '10.0.0.1' },
      ],
      [
        { dst: Prefix.parse('fd01::/48'), gateway: gateway6, oif },
        { dst: 'fd01::/48', gateway: 'fd00::fe' },
      ],
      [
        { dst: Prefix.parse('fd02::1/128'), oif, priority: 512 },
        { dst: 'fd02::1', metric: 512 },
      ],
      [
        { dst: Prefix.parse('fd03::/64'), type: 'blackhole' },
        { dst: 'fd03::/64', type: 'blackhole' },
      ],
      [
        {
          dst: Prefix.parse('fd04::/64'),
          multipath: [
            { gateway: gateway6, oif },
            { gateway: Address.parse('fd00::fd'), oif },
          ],
        },
        {
          nexthops: [
            expect.objectContaining({ gateway: 'fd00::fe' }),
            expect.objectContaining({ gateway: 'fd00::fd' }),
          ],
        },
      ],
    ]
    for (const [entry, shown] of wanted) {
      await route.addRoute(entry)
      const family = `-${entry.dst.family}`
      const list = scratch.ipJson(family, 'route', 'show', 'table', `${entry.table ?? 254}`)
      expect(list, entry.dst.toString()).toContainEqual(expect.objectContaining(shown))
      const filter = { family: entry.dst.family, table: entry.table ?? 254 }
      const read = (await route.routes(filter)).find((each) => each.dst.equals(entry.dst))
      for (const key of [
        'protocol',
        'table',
        'priority',
        'oif',
        'mtu',
        'onlink',
        'type',
        'multipath',
        'gateway',
        'prefSource',
      ] as const) {
        if (entry[key] === undefined) continue
        const simple = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
        const want =
          key === 'multipath'
            ? entry.multipath?.map((hop) => expect.objectContaining(simple(hop) as object))
            : simple(entry[key])
        expect(simple(read?.[key]), `${entry.dst} ${key}`).toEqual(want)
      }
    }
    expect((await route.routes({ protocol: 80 })).map((each) => each.dst.toString())).toEqual(['10.2.0.1/32'])
    expect(await route.routes({ table: 4242 })).toEqual([])
    expect((await route.lookupRoute(Address.parse('10.1.7.7')))?.gateway?.toString()).toBe('10.0.0.254')
    for (const [entry] of wanted) await route.deleteRoute(entry)
    for (const [entry] of wanted) {
      expect(await failure(route.deleteRoute(entry)), entry.dst.toString()).toMatchObject({ code: 'NETLINK_ESRCH' })
    }
  })

  test('replace, and errors with the extended ack', async () => {
    using scratch = scratchNetns()
    await using route = openRoute({ netns: scratch.name })
    const dst = Prefix.parse('10.1.0.0/16')
    const nowhere = await failure(route.addRoute({ dst, gateway: Address.parse('192.0.2.1') }))
    expect(nowhere).toMatchObject({
      code: 'NETLINK_ENETUNREACH',
      extack: 'Nexthop has invalid gateway',
      request: 'add route 10.1.0.0/16 via 192.0.2.1',
    })
    expect(nowhere.message).toBe('add route 10.1.0.0/16 via 192.0.2.1: ENETUNREACH (Nexthop has invalid gateway)')
    await route.addRoute({ dst, type: 'blackhole' })
    expect(await failure(route.addRoute({ dst, type: 'blackhole' }))).toMatchObject({ code: 'NETLINK_EEXIST' })
    await route.replaceRoute({ dst, type: 'unreachable' })
    expect((await route.routes({ family: 4, table: 254 })).map((each) => each.type)).toEqual(['unreachable'])
    const bad = route.addRoute({ dst, prefSource: Address.parse('::1') })
    expect(await failure(bad)).toMatchObject({ code: 'NETLINK_BAD_INPUT', field: 'prefSource' })
  })

  test('thousands in one call, each with its own verdict', async () => {
    using scratch = scratchNetns()
    await using route = openRoute({ netns: scratch.name })
    const base = Address.parse('10.0.0.0')
    const changes = Array.from({ length: 5000 }, (_, i) => ({
      op: 'add' as const,
      route: { dst: Prefix.host(base.plus(i)), type: 'blackhole' as const },
    }))
    const bad = { op: 'add' as const, route: { dst: Prefix.parse('11.0.0.0/8'), gateway: Address.parse('192.0.2.1') } }
    const illegal = { op: 'add' as const, route: { dst: Prefix.parse('12.0.0.0/8'), table: -1 } }
    const results = await route.applyRoutes([...changes, bad, illegal, changes[17] as (typeof changes)[0]])
    expect(results.slice(0, 5000).every((result) => result === undefined)).toBe(true)
    expect(results.slice(5000).map((result) => result?.code)).toEqual([
      'NETLINK_ENETUNREACH',
      'NETLINK_BAD_INPUT',
      'NETLINK_EEXIST',
    ])
    expect(results[5002]?.request).toBe('add route blackhole 10.0.0.17/32')
    expect(await route.routes({ family: 4 })).toHaveLength(5000)
    const again = await route.applyRoutes(changes)
    expect(again.every((result) => result?.code === 'NETLINK_EEXIST')).toBe(true)
    const gone = await route.applyRoutes(changes.map((change) => ({ ...change, op: 'delete' as const })))
    expect(gone.every((result) => result === undefined)).toBe(true)
    expect(await route.routes({ family: 4 })).toEqual([])
  })
})

describe('neighbours', () => {
  test('permanent, proxy and forwarding entries', async () => {
    using scratch = scratchNetns()
    await using route = openRoute({ netns: scratch.name })
    await route.addLink({ kind: 'bridge', name: 'br0', up: true })
    await route.addLink({ kind: 'vxlan', name: 'vx0', up: true, vxlan: { id: 7, learning: false } })
    const index = await indexOf(route, 'br0')
    const vxlan = await indexOf(route, 'vx0')
    const entry = { index, address: Address.parse('10.0.0.9'), mac: '02:00:00:00:00:09' }
    const six = { index, address: Address.parse('fe80::9'), mac: '02:00:00:00:00:09' }
    const proxy = { index, address: Address.parse('fd00::9'), proxy: true }
    await route.addNeighbour(entry)
    await route.addNeighbour(six)
    await route.addNeighbour(proxy)
    expect(scratch.ipJson('neigh', 'show')).toContainEqual(
      expect.objectContaining({ dst: '10.0.0.9', lladdr: entry.mac, state: ['PERMANENT'] }),
    )
    expect(scratch.ipJson('-6', 'neigh', 'show', 'proxy')).toContainEqual(expect.objectContaining({ dst: 'fd00::9' }))
    const arp = await route.neighbours({ index, family: 4 })
    expect(arp.filter((each) => !each.address.isMulticast)).toMatchObject([{ mac: entry.mac, state: 'permanent' }])
    expect((await route.neighbours({ proxy: true, family: 6 })).map((each) => each.address.toString())).toEqual([
      'fd00::9',
    ])
    expect(await failure(route.addNeighbour(entry))).toMatchObject({ code: 'NETLINK_EEXIST' })
    await route.replaceNeighbour({ ...entry, mac: '02:00:00:00:00:0a' })
    await route.deleteNeighbour(entry)
    await route.deleteNeighbour(proxy)
    expect(await failure(route.deleteNeighbour(entry))).toMatchObject({ code: 'NETLINK_ENOENT' })

    const remote = { index: vxlan, mac: '66:00:00:00:00:01', destination: Address.parse('192.0.2.7') }
    const flood = { index: vxlan, mac: '00:00:00:00:00:00', destination: Address.parse('192.0.2.8') }
    await route.addForwardingEntry(remote)
    await route.appendForwardingEntry(flood)
    await route.appendForwardingEntry({ ...flood, destination: Address.parse('192.0.2.9') })
    const shown = scratch.run('bridge', 'fdb', 'show', 'dev', 'vx0')
    expect(shown).toContain('66:00:00:00:00:01 dst 192.0.2.7 self permanent')
    expect(shown).toContain('00:00:00:00:00:00 dst 192.0.2.9 self permanent')
    expect(await route.forwardingEntries({ index: vxlan })).toHaveLength(3)
    await route.deleteForwardingEntry(remote)
    expect(await route.forwardingEntries({ index: vxlan })).toHaveLength(2)
  })
})
