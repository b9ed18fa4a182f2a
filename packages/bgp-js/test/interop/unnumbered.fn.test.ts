import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, writeFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { listenIn, openNetns, withNetns } from '@margay/netlink'
import { linuxNeighborDiscovery, type RouterDiscoveryTimes } from '@margay/sockets'
import { expect, test } from 'vitest'
import { eventually } from './eventually.ts'
import { type Link, NamespaceStar } from './namespace-pair.ts'
import { NamespacedDaemons } from './namespaced-daemons.ts'
import { SpeakerChild } from './speaker-child.ts'

/** FRR with zebra, which finds its neighbor by router advertisements. */
class UnnumberedFrr extends NamespacedDaemons {
  readonly #extra: string

  constructor(namespace: string, options: { passive?: boolean; ttlSecurity?: number } = {}) {
    super(namespace)
    const hops = options.ttlSecurity
    this.#extra = [
      ...(options.passive === true ? [' neighbor up0 passive'] : []),
      ...(hops === undefined ? [] : [` neighbor up0 ttl-security hops ${hops}`]),
    ].join('\n')
  }

  async start(): Promise<void> {
    chmodSync(this.directory, 0o777)
    writeFileSync(this.#file('zebra.conf'), '')
    writeFileSync(
      this.#file('bgpd.conf'),
      `router bgp 65001
 bgp router-id 192.0.2.1
 no bgp ebgp-requires-policy
 neighbor up0 interface remote-as external
 no bgp network import-check
 neighbor up0 timers connect 1
${this.#extra}
 address-family ipv4 unicast
  network 10.50.0.0/24
 exit-address-family
 address-family ipv6 unicast
  network fd50::/48
  neighbor up0 activate
 exit-address-family
exit
`,
    )
    await this.#run('zebra')
    await this.#run('bgpd')
  }

  /** The address that it believes its neighbor has. */
  async neighbor(): Promise<string> {
    const shown = await this.#vtysh('bgpd', 'show bgp neighbors up0')
    return /BGP neighbor on up0: (\S+),/.exec(shown)?.[1] ?? ''
  }

  async route(prefix: string): Promise<string> {
    const family = prefix.includes(':') ? 'ipv6' : 'ipv4'
    return this.#vtysh('bgpd', `show bgp ${family} unicast ${prefix}`)
  }

  async #run(daemon: string): Promise<void> {
    const shared = ['-z', this.#file('zserv'), '--vty_socket', this.directory, '-P', '0', '--log', 'stdout']
    const own = ['-f', this.#file(`${daemon}.conf`), '-i', this.#file(`${daemon}.pid`)]
    this.spawn(`/usr/lib/frr/${daemon}`, [...own, ...shared])
    await eventually(`${daemon} answers`, async () => this.#vtysh(daemon, 'show version').catch(() => undefined), {
      describe: async () => this.log,
    })
  }

  async #vtysh(daemon: string, command: string): Promise<string> {
    return this.ask('vtysh', ['--vty_socket', this.directory, '-d', daemon, '-c', command])
  }

  #file(name: string): string {
    return join(this.directory, name)
  }
}

const linkLocal = async (namespace: string, device: string): Promise<string> =>
  eventually('a link-local address', async () => {
    const shown = execFileSync('ip', ['-n', namespace, '-j', '-6', 'addr', 'show', 'dev', device], { encoding: 'utf8' })
    const [link] = JSON.parse(shown) as { addr_info: { scope: string; local: string; tentative?: boolean }[] }[]
    return link?.addr_info.find(({ scope, tentative }) => scope === 'link' && tentative !== true)?.local
  })

function watch(
  namespace: string,
  device: string,
  found: (string | undefined)[],
  times: RouterDiscoveryTimes = {},
): () => void {
  using netns = openNetns(namespace)
  return withNetns(netns, () => linuxNeighborDiscovery.watch(device, (address) => found.push(address), times))
}

test('FRR finds us and we find FRR on a link without addresses; its OPEN comes over link-local', async () => {
  using star = new NamespaceStar(1)
  const link = star.links[0] as Link
  const theirs = await linkLocal(link.namespace, 'up0')
  const ours = await linkLocal(star.ours, 'p1')
  await using frr = new UnnumberedFrr(link.namespace)
  await frr.start()
  const server = createServer()
  const connected = once(server, 'connection')
  await listenIn(star.ours, server, { host: '::', port: 179 })

  const found: (string | undefined)[] = []
  const stop = watch(star.ours, 'p1', found)
  try {
    await eventually('we find it', async () => found.length > 0, { describe: async () => frr.log })
    expect(found).toEqual([theirs])
    await eventually('it finds us', async () => (await frr.neighbor()) === ours, {
      describe: async () => `${await frr.neighbor()} ${frr.log}`,
    })
    const [socket] = (await connected) as [Socket]
    expect(socket.remoteAddress?.split('%')[0]).toBe(theirs)
    const [octets] = (await once(socket, 'data')) as [Buffer]
    // An OPEN of AS 65001.
    expect(octets.subarray(16, 22).toString('hex')).toMatch(/^....0104fde9$/)
    socket.destroy()
  } finally {
    stop()
    server.close()
  }
})

test.for([
  { who: 'FRR connects', passive: true, theirsPassive: false, hops: {} },
  { who: 'we connect', passive: false, theirsPassive: true, hops: {} },
  { who: 'FRR connects, GTSM', passive: true, theirsPassive: false, hops: { ttlSecurity: 1 } },
  { who: 'we connect, GTSM', passive: false, theirsPassive: true, hops: { ttlSecurity: 1 } },
])('a whole session with FRR, routes of both families both ways: $who', async ({ passive, theirsPassive, hops }) => {
  using star = new NamespaceStar(1)
  const link = star.links[0] as Link
  const theirs = await linkLocal(link.namespace, 'up0')
  const ours = await linkLocal(star.ours, 'p1')
  await using frr = new UnnumberedFrr(link.namespace, { passive: theirsPassive, ...hops })
  await frr.start()
  await using speaker = await SpeakerChild.start(star.ours, {
    asn: 65002,
    routerId: '192.0.2.2',
    listen: { address: '::', port: 179 },
    networks: ['10.20.0.0/24', 'fd20::/48'],
    neighbors: [{ interface: 'p1', asn: 'external', connectRetry: 2, extendedNextHop: true, passive, ...hops }],
  })
  const describe = async (): Promise<string> => `${speaker.log}\n${frr.log}`
  await eventually('its routes are here', async () => (await speaker.learned()).length === 2, { describe })
  expect((await speaker.learned()).toSorted()).toEqual(['10.50.0.0/24', 'fd50::/48'])
  for (const prefix of ['10.20.0.0/24', 'fd20::/48']) {
    await eventually(`${prefix} is there`, async () => (await frr.route(prefix)).includes(ours), {
      describe: async () => `${await frr.route(prefix)}\n${await describe()}`,
    })
  }
  const initiator = passive ? 'remote' : 'local'
  expect(await speaker.peers()).toMatchObject([
    { address: 'p1', state: 'Established', type: 'eBGP', localAddress: `${ours}%p1`, initiator },
  ])
  for (const prefix of ['10.50.0.0/24', 'fd50::/48']) {
    const { locRib } = await speaker.routes({ prefix })
    expect(JSON.stringify(locRib[0]?.paths[0]?.attributes)).toContain(theirs)
  }
})

test('two of us find each other; what comes from farther than the link, or is malformed, finds nobody', async () => {
  using star = new NamespaceStar(1)
  const link = star.links[0] as Link
  const theirs = await linkLocal(link.namespace, 'up0')
  const ours = await linkLocal(star.ours, 'p1')
  const found: (string | undefined)[] = []
  const stops = [watch(star.ours, 'p1', found)]
  try {
    // From other addresses, so that each would be a neighbor of its own.
    const bad = [
      { source: 'fe80::bad:1', hops: 254, packet: `86${'00'.repeat(15)}` },
      { source: 'fe80::bad:2', hops: 255, packet: `86${'00'.repeat(14)}` },
      { source: 'fe80::bad:3', hops: 255, packet: `8601${'00'.repeat(14)}` },
      { source: 'fe80::bad:4', hops: 255, packet: `86${'00'.repeat(15)}0100${'00'.repeat(6)}` },
      { source: 'fd09:1::1', hops: 255, packet: `86${'00'.repeat(15)}` },
    ]
    const script = `
import socket, sys, json
for one in json.loads(sys.argv[1]):
    s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    scope = socket.if_nametoindex('up0')
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, one['hops'])
    s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, scope)
    s.bind((one['source'], 0, 0, scope))
    s.sendto(bytes.fromhex(one['packet']), ('ff02::1', 0, 0, scope))
`
    const address = (verb: string): void => {
      for (const { source } of bad.slice(0, 4)) {
        execFileSync('ip', ['-n', link.namespace, 'addr', verb, `${source}/64`, 'dev', 'up0', 'nodad'])
      }
    }
    address('add')
    execFileSync('ip', ['netns', 'exec', link.namespace, 'python3', '-c', script, JSON.stringify(bad)])
    address('del')
    const foundThere: (string | undefined)[] = []
    stops.push(watch(link.namespace, 'up0', foundThere))
    await eventually('found here', async () => found.length > 0)
    await eventually('found there', async () => foundThere.length > 0)
    // What is bad came first.
    expect(found).toEqual([theirs])
    expect(foundThere).toEqual([ours])
  } finally {
    for (const stop of stops) stop()
  }
})

test('a router that falls silent is gone, and found again', async () => {
  using star = new NamespaceStar(1)
  const link = star.links[0] as Link
  const theirs = await linkLocal(link.namespace, 'up0')
  await linkLocal(star.ours, 'p1')
  const found: (string | undefined)[] = []
  const stop = watch(star.ours, 'p1', found, { lostMs: 1000 })
  const times = { advertiseMs: 200 }
  try {
    const silence = watch(link.namespace, 'up0', [], times)
    await eventually('found', async () => found.length === 1)
    silence()
    await eventually('gone', async () => found.length === 2)
    const again = watch(link.namespace, 'up0', [], times)
    await eventually('found again', async () => found.length === 3)
    again()
    expect(found).toEqual([theirs, undefined, theirs])
  } finally {
    stop()
  }
})
