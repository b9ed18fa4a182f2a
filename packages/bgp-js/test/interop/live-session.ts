import { execFileSync } from 'node:child_process'
import type { PeerConfig, PeerStatus } from '../../src/index.ts'
import { type DaemonName, type Dialect, dialects } from './dialects.ts'
import { eventually } from './eventually.ts'
import { ExaBgp } from './exabgp.ts'
import { type Link, NamespaceStar } from './namespace-pair.ts'
import { SpeakerChild } from './speaker-child.ts'

export const [THEIR_ASN, OUR_ASN, THIRD_ASN] = [65_001, 65_002, 65_003]
/** On the link that the daemon and we share. */
const THIRD_ADDRESS = '10.9.1.3'
export const OUR_PREFIX = '10.20.0.0/24'
export const THEIR_PREFIX = '10.50.0.0/24'
/** Of a third speaker's, to us alone and to the daemon alone; with every kind of community and an unknown attribute. */
export const THROUGH_US = '10.61.0.0/24'
export const THROUGH_THEM = '10.62.0.0/24'
/** More communities than an UPDATE of 4,096 octets can hold, through the daemon and from us. */
export const LONG_THROUGH_THEM = '10.63.0.0/24'
export const LONG_OF_OURS = '10.64.0.0/24'
export const MANY_COMMUNITIES: readonly string[] = Array.from({ length: 1200 }, (_, index) => `65003:${index + 1}`)

const MARKS =
  'community [65003:1 65003:2] large-community [65003:2:3] extended-community [target:65003:9] attribute [0x63 0xc0 0x01020304]'

/** A daemon, our speaker, and a third speaker (ExaBGP) that both have a session with, on one link. */
export class LiveSession implements AsyncDisposable {
  readonly name: DaemonName
  readonly link: Link
  readonly dialect: Dialect
  readonly third: ExaBgp
  readonly #star = new NamespaceStar(1)
  #speaker: SpeakerChild | undefined

  constructor(name: DaemonName) {
    this.name = name
    this.link = this.#star.links[0] as Link
    execFileSync('ip', ['-n', this.#star.ours, 'addr', 'add', `${THIRD_ADDRESS}/24`, 'dev', 'p1'])
    this.dialect = dialects[name](this.link, {
      asn: THEIR_ASN,
      ourAsn: OUR_ASN,
      routerId: '192.0.2.1',
      networks: [THEIR_PREFIX],
      third: { address: THIRD_ADDRESS, asn: THIRD_ASN },
    })
    this.third = new ExaBgp(
      { namespace: this.#star.ours, theirs: { ipv4: THIRD_ADDRESS, ipv6: 'fd09:1::3' }, ours: this.link.ours },
      {
        asn: THIRD_ASN,
        ourAsn: OUR_ASN,
        routerId: '192.0.2.3',
        networks: [],
        third: { address: this.link.theirs.ipv4, asn: THEIR_ASN },
      },
    )
  }

  get speaker(): SpeakerChild {
    if (this.#speaker === undefined) throw new Error('not started')
    return this.#speaker
  }

  /** What `updatePeer` gets, with changes. */
  peer(more: Partial<PeerConfig> = {}): PeerConfig {
    const hasRoles = ['BIRD', 'FRR', 'OpenBGPD'].includes(this.name)
    return {
      address: this.link.theirs.ipv4,
      asn: THEIR_ASN,
      connectRetry: 1,
      addPath: { send: true, receive: true },
      longLivedGracefulRestart: { staleTimeSeconds: 600 },
      ...(hasRoles ? { role: 'peer' } : {}),
      ...more,
    }
  }

  async start(): Promise<void> {
    const { link } = this
    await this.dialect.daemon.start()
    this.#speaker = await SpeakerChild.start(this.#star.ours, {
      asn: OUR_ASN,
      routerId: '192.0.2.2',
      listen: { address: link.ours.ipv4, port: 179 },
      nextHop: { ipv6: link.ours.ipv6 },
      networks: [OUR_PREFIX],
      neighbors: [this.peer(), { address: THIRD_ADDRESS, asn: THIRD_ASN, passive: true }],
    })
    await this.third.start()
    this.#announceThirds()
    await this.untilUp()
    await this.until('the third speaker is up', async () => (await this.speaker.peers())[1]?.state === 'Established')
  }

  async status(): Promise<PeerStatus> {
    const [status] = await this.speaker.peers()
    if (status === undefined) throw new Error('no peer')
    return status
  }

  async untilUp(): Promise<void> {
    await this.until('Established', async () => (await this.status()).state === 'Established')
  }

  /** The session up again, after one end took it down. */
  async recover(): Promise<void> {
    await this.until('down', async () => (await this.status()).state !== 'Established')
    await this.dialect.up()
    await this.speaker.clear(this.link.theirs.ipv4)
    await this.untilUp()
    await this.until('their route is back', async () => (await this.speaker.learned()).includes(THEIR_PREFIX))
  }

  async until<T>(what: string, probe: () => Promise<T | undefined | false>): Promise<T> {
    return eventually(what, probe, {
      describe: async () => {
        const { lastError, state } = await this.status()
        return `${state} ${JSON.stringify(lastError)}\n${this.speaker.log}\n${this.dialect.daemon.log}`
      },
    })
  }

  /** What the daemon shows of a prefix once it fits. */
  async shown(prefix: string, pattern: RegExp): Promise<string> {
    let last = ''
    return eventually(
      `${prefix} as ${pattern}`,
      async () => {
        last = await this.dialect.daemon.route(prefix)
        return pattern.test(last) && last
      },
      { describe: async () => `${last}\n${this.speaker.log}\n${this.dialect.daemon.log}` },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#speaker?.kill()
    await this.third[Symbol.asyncDispose]()
    await this.dialect.daemon[Symbol.asyncDispose]()
    this.#star[Symbol.dispose]()
  }

  #announceThirds(): void {
    const { ours, theirs } = this.link
    const announce = (to: string, prefix: string, more = ''): void =>
      this.third.command(`neighbor ${to} announce route ${prefix} next-hop ${THIRD_ADDRESS} ${more}`)
    announce(ours.ipv4, OUR_PREFIX)
    announce(ours.ipv4, THROUGH_US, MARKS)
    if (this.name === 'ExaBGP') return
    announce(theirs.ipv4, THEIR_PREFIX)
    announce(theirs.ipv4, THROUGH_THEM, MARKS)
    if (['BIRD', 'FRR'].includes(this.name)) {
      announce(theirs.ipv4, LONG_THROUGH_THEM, `community [${MANY_COMMUNITIES.join(' ')}]`)
    }
  }
}
