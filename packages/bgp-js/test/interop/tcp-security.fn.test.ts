import { execFileSync } from 'node:child_process'
import { describe, expect, test } from 'vitest'
import type { PeerConfig } from '../../src/index.ts'
import { Bird } from './bird.ts'
import type { DaemonProcess, DaemonSetup } from './daemon.ts'
import { eventually } from './eventually.ts'
import { ExaBgp } from './exabgp.ts'
import { Frr } from './frr.ts'
import { GoBgp } from './gobgp.ts'
import { type Link, NamespaceStar } from './namespace-pair.ts'
import { OpenBgpd } from './openbgpd.ts'
import { SpeakerChild } from './speaker-child.ts'

const setup = { asn: 65001, ourAsn: 65002, routerId: '192.0.2.1', networks: ['10.50.0.0/24', 'fd50::/48'] }

type Make = (link: Link, more: Partial<DaemonSetup>) => DaemonProcess
const bird: Make = (link, more) => new Bird(link, { ...setup, ...more })
const frr: Make = (link, more) => new Frr(link, { ...setup, ...more })
const gobgp: Make = (link, more) => new GoBgp(link, { ...setup, ...more })
const exabgp: Make = (link, more) => new ExaBgp(link, { ...setup, ...more })
const openbgpd: Make = (link, more) => new OpenBgpd(link, { ...setup, ...more })

interface Meeting {
  readonly theirs?: Partial<DaemonSetup>
  readonly ours?: object
  /** One router between the two. */
  readonly apart?: boolean
}

/** A daemon and our speaker, each told how to protect its TCP. */
class Encounter implements AsyncDisposable {
  readonly #star: NamespaceStar
  readonly namespaces: readonly string[]
  readonly daemon: DaemonProcess
  #speaker: SpeakerChild | undefined
  readonly #config: object
  readonly #awaited: string

  constructor(make: Make, { theirs = {}, ours = {}, apart = false }: Meeting) {
    this.#star = new NamespaceStar(apart ? 2 : 1)
    const [near, far] = this.#star.links as [Link, Link]
    if (apart) joinThrough(this.#star.ours, near, far)
    const link = apart ? far : near
    const transport = theirs.transport ?? 'ipv4'
    this.#awaited = transport === 'ipv4' ? '10.50.0.0/24' : 'fd50::/48'
    this.namespaces = [apart ? near.namespace : this.#star.ours, link.namespace]
    this.daemon = make(link, apart ? { ...theirs, ourAddress: near.theirs.ipv4 } : theirs)
    this.#config = {
      asn: 65002,
      routerId: '192.0.2.2',
      // Accepting and connecting are two ways in: GTSM and MD5 must hold on both.
      listen: { address: '::', port: 179 },
      networks: ['10.20.0.0/24'],
      neighbors: [{ address: link.theirs[transport], asn: 65001, connectRetry: 2, ...ours }],
    }
  }

  async start(): Promise<void> {
    await this.daemon.start()
    this.#speaker = await SpeakerChild.start(this.namespaces[0] as string, this.#config)
  }

  async state(): Promise<string> {
    return (await this.#speaker?.peers())?.[0]?.state ?? ''
  }

  async established(): Promise<void> {
    const describeAll = async (): Promise<string> => `${this.#speaker?.log}\n${this.daemon.log}`
    await eventually('Established', async () => (await this.state()) === 'Established', { describe: describeAll })
    await eventually('its route is here', async () => (await this.#speaker?.learned())?.includes(this.#awaited), {
      describe: describeAll,
    })
  }

  /** Segments that both kernels dropped for a reason of `names`. */
  dropped(names: readonly string[]): number {
    const counts = this.namespaces.map((namespace) => netstat(namespace, names))
    return counts.reduce((sum, count) => sum + count, 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#speaker?.kill()
    await this.daemon[Symbol.asyncDispose]()
    this.#star[Symbol.dispose]()
  }
}

function netstat(namespace: string, names: readonly string[]): number {
  const text = execFileSync('ip', ['netns', 'exec', namespace, 'cat', '/proc/net/netstat'], { encoding: 'utf8' })
  const [heads = [], values = []] = text.split('\n').map((line) => line.split(' '))
  return names.reduce((sum, name) => sum + Number(values[heads.indexOf(name)] ?? Number.NaN), 0)
}

function joinThrough(router: string, near: Link, far: Link): void {
  const run = (namespace: string, ...words: string[]): unknown =>
    execFileSync('ip', ['netns', 'exec', namespace, ...words], { stdio: 'pipe' })
  run(router, 'sysctl', '-qw', 'net.ipv4.ip_forward=1')
  run(near.namespace, 'ip', 'route', 'add', 'default', 'via', near.ours.ipv4)
  run(far.namespace, 'ip', 'route', 'add', 'default', 'via', far.ours.ipv4)
}

const MD5_DROPS = ['TCPMD5NotFound', 'TCPMD5Unexpected', 'TCPMD5Failure']
const TTL_DROPS = ['TCPMinTTLDrop']

/** Enough attempts, seen by the kernel and refused, and no session came of them. */
async function neverEstablishes(encounter: Encounter, drops: readonly string[], attempts: number): Promise<void> {
  const seen = new Set<string>()
  await eventually(
    `${attempts} segments dropped`,
    async () => {
      seen.add(await encounter.state())
      return encounter.dropped(drops) >= attempts
    },
    { describe: async () => `${[...seen].join(' ')}, dropped: ${encounter.dropped(drops)}\n${encounter.daemon.log}` },
  )
  expect([...seen]).not.toContain('Established')
}

describe.for([
  { name: 'BIRD', make: bird },
  { name: 'FRR', make: frr },
  { name: 'GoBGP', make: gobgp },
  { name: 'ExaBGP', make: exabgp },
  { name: 'OpenBGPD', make: openbgpd },
])('TCP MD5 (RFC 2385) with $name', ({ make }) => {
  test.for(['ipv4', 'ipv6'] as const)('the right key, over %s', async (transport) => {
    await using encounter = new Encounter(make, {
      theirs: { transport, password: 'open-sesame' },
      ours: { password: 'open-sesame' },
    })
    await encounter.start()
    await encounter.established()
    expect(encounter.dropped(MD5_DROPS)).toBe(0)
  })

  test('they connect to us: the listening socket has the key', async () => {
    await using encounter = new Encounter(make, {
      theirs: { password: 'k1' },
      ours: { password: 'k1', passive: true },
    })
    await encounter.start()
    await encounter.established()
  })

  test.for([
    { what: 'another key', theirs: { password: 'right' }, ours: { password: 'wrong' } },
    { what: 'no key of ours', theirs: { password: 'right' }, ours: {} },
    { what: 'no key of theirs', theirs: {}, ours: { password: 'right' } },
  ])('$what: never up', async ({ theirs, ours }) => {
    await using encounter = new Encounter(make, { theirs, ours })
    await encounter.start()
    await neverEstablishes(encounter, MD5_DROPS, 2)
  })
})

describe.for([
  { name: 'BIRD', make: bird },
  { name: 'FRR', make: frr },
  { name: 'GoBGP', make: gobgp },
  { name: 'OpenBGPD', make: openbgpd },
])('GTSM (RFC 5082) with $name', ({ make }) => {
  test.for(['ipv4', 'ipv6'] as const)('both on one link, over %s', async (transport) => {
    await using encounter = new Encounter(make, {
      theirs: { transport, ttlSecurityHops: 1 },
      ours: { ttlSecurity: 1 },
    })
    await encounter.start()
    await encounter.established()
  })

  test('they connect to us', async () => {
    await using encounter = new Encounter(make, {
      theirs: { ttlSecurityHops: 1 },
      ours: { ttlSecurity: 1, passive: true },
    })
    await encounter.start()
    await encounter.established()
  })

  test('a peer that does not send with 255: never up', async () => {
    await using encounter = new Encounter(make, { ours: { ttlSecurity: 1 } })
    await encounter.start()
    await neverEstablishes(encounter, TTL_DROPS, 2)
  })

  test('a peer behind a router, allowed two hops', async () => {
    await using encounter = new Encounter(make, {
      apart: true,
      theirs: { ttlSecurityHops: 2 },
      ours: { ttlSecurity: 2 },
    })
    await encounter.start()
    await encounter.established()
  })

  test('a peer behind a router, allowed one hop: never up', async () => {
    await using encounter = new Encounter(make, {
      apart: true,
      theirs: { ttlSecurityHops: 2 },
      ours: { ttlSecurity: 1 },
    })
    await encounter.start()
    await neverEstablishes(encounter, TTL_DROPS, 2)
  })
})

test.for(['ipv4', 'ipv6'] as const)(
  'a key changed at both ends of a live session keeps it, over %s',
  async (family) => {
    using star = new NamespaceStar(1)
    const link = star.links[0] as Link
    const ends = [
      { namespace: star.ours, asn: 65001, theirAsn: 65002, own: link.ours, other: link.theirs },
      { namespace: link.namespace, asn: 65002, theirAsn: 65001, own: link.theirs, other: link.ours },
    ] as const
    const neighbor = (end: (typeof ends)[number], password: string): PeerConfig => ({
      address: end.other[family],
      asn: end.theirAsn,
      connectRetry: 1,
      password,
    })
    await using speakers = new AsyncDisposableStack()
    const [one, two] = await Promise.all(
      ends.map(async (end) => {
        const { asn, own, namespace } = end
        const listen = { address: '::', port: 179 }
        const config = { asn, routerId: own.ipv4, listen, neighbors: [neighbor(end, 'the first key')] }
        return speakers.use(await SpeakerChild.start(namespace, { ...config, nextHop: own }))
      }),
    )
    if (one === undefined || two === undefined) throw new Error('two speakers were started')
    await one.originate('10.20.0.0/24')
    await eventually('a route with the first key', async () => (await two.learned()).includes('10.20.0.0/24'))

    await one.updatePeer(neighbor(ends[0], 'the second key'))
    await one.originate('10.21.0.0/24')
    const drops = (): number => netstat(link.namespace, MD5_DROPS)
    await eventually('the keys differ', async () => drops() > 0)
    expect(await two.learned()).toEqual(['10.20.0.0/24'])
    await two.updatePeer(neighbor(ends[1], 'the second key'))
    await eventually('a route with the second key', async () => (await two.learned()).includes('10.21.0.0/24'))
    for (const speaker of [one, two]) expect(await speaker.peers()).toMatchObject([{ state: 'Established', flaps: 0 }])
  },
)
