import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { Address } from '@margay/net'
import {
  createSpeaker,
  type PeerConfig,
  type PeerStatus,
  type Speaker,
  type SpeakerConfig,
  type SpeakerPorts,
} from '../../src/index.ts'
import type { Capability } from '../../src/wire/capabilities/capability.ts'
import { MessageFramer } from '../../src/wire/framing.ts'
import { MAX_EXTENDED_OCTETS } from '../../src/wire/header.ts'
import { type BgpMessage, decodeMessage } from '../../src/wire/message.ts'
import { encodeKeepalive } from '../../src/wire/messages/keepalive.ts'
import { encodeOpen } from '../../src/wire/messages/open.ts'
import { eventually } from '../interop/eventually.ts'

/** Test files run beside each other: address and port together are of one process alone. */
export const PORT = 1790 + (Math.floor(process.pid / 250) % 20_000)
let next = 0

/** An address of 127.0.0.0/8 that no other test of this run uses. */
export function freshAddress(): string {
  const n = next++
  return `127.${1 + (process.pid % 250)}.${Math.floor(n / 250)}.${1 + (n % 250)}`
}

/** The IPv6 next hop of the speaker at an address of {@link freshAddress}. */
export const ipv6Of = (address: string): string =>
  Address.parse(`fd00::${address.split('.').slice(2).join(':')}`).toString()

/** Speakers of one test; all are stopped at its end. */
export class Speakers implements AsyncDisposable {
  readonly #speakers: Speaker[] = []

  async start(
    address: string,
    asn: number,
    more: Partial<SpeakerConfig> = {},
    ports: SpeakerPorts = {},
  ): Promise<Speaker> {
    const listen = { address, port: PORT }
    const nextHop = { ipv6: ipv6Of(address) }
    const speaker = createSpeaker({ asn, routerId: address, listen, nextHop, ...more }, ports)
    await speaker.start()
    this.#speakers.push(speaker)
    return speaker
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#speakers.map(async (speaker) => speaker.stop()))
  }
}

export const peer = (address: string, asn: number, more: Partial<PeerConfig> = {}): PeerConfig => ({
  address,
  asn,
  port: PORT,
  ...more,
})

export const statusOf = (speaker: Speaker, address: string): PeerStatus => {
  const found = speaker.peers().find((status) => status.address === address)
  if (found === undefined) throw new Error(`no peer ${address}`)
  return found
}

export const established = async (speaker: Speaker, address: string): Promise<true> =>
  eventually(`${address} is up`, async () => statusOf(speaker, address).state === 'Established', {
    describe: async () => statusOf(speaker, address),
  })

/** Best path of a prefix as text, undefined when there is none. */
export function best(speaker: Speaker, prefix: string): string | undefined {
  const path = speaker.routes({ prefix }).locRib[0]?.paths.find((candidate) => candidate.best)
  return path === undefined ? undefined : `${path.learnedFrom} [${path.attributes.asPath}] ${path.attributes.nextHop}`
}

export const reaches = async (speaker: Speaker, prefix: string, expected: string | undefined): Promise<true> =>
  eventually(`${prefix} is ${expected}`, async () => best(speaker, prefix) === expected, {
    describe: async () => best(speaker, prefix) ?? 'nothing',
  })

/** A peer that does as the test says, down to the octet. */
export class RawPeer implements Disposable {
  readonly socket: Socket
  readonly received: BgpMessage[] = []
  closed = false
  readonly #framer = new MessageFramer()

  private constructor(socket: Socket) {
    this.socket = socket
    this.#framer.maxOctets = MAX_EXTENDED_OCTETS
    socket.on('data', (chunk) => {
      this.#framer.push(chunk)
      for (let message = this.#framer.next(); message !== undefined; message = this.#framer.next()) {
        this.received.push(decodeMessage(message, { fourOctetAs: true, internal: false }))
      }
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.closed = true
    })
  }

  static of(socket: Socket): RawPeer {
    return new RawPeer(socket)
  }

  static async connect(from: string, to: string): Promise<RawPeer> {
    const socket = connect({ host: to, port: PORT, localAddress: from })
    const raw = new RawPeer(socket)
    await eventually('connected', async () => raw.closed || socket.readyState === 'open')
    return raw
  }

  /** Connects and goes through OPEN and KEEPALIVE. */
  static async establish(from: string, to: string, asn: number, more: readonly Capability[] = []): Promise<RawPeer> {
    const raw = await RawPeer.connect(from, to)
    await raw.establish(from, asn, more)
    return raw
  }

  /** Goes through OPEN and KEEPALIVE. */
  async establish(routerId: string, asn: number, more: readonly Capability[] = []): Promise<void> {
    this.sendOpen(routerId, asn, more)
    this.send(encodeKeepalive())
    await this.gets('keepalive')
  }

  sendOpen(routerId: string, asn: number, more: readonly Capability[] = []): void {
    this.send(
      encodeOpen({
        asn,
        holdTimeSeconds: 90,
        routerId,
        capabilities: [
          { name: 'multiprotocol', family: 4 },
          { name: 'multiprotocol', family: 6 },
          { name: 'fourOctetAs', asn },
          ...more,
        ],
      }),
    )
  }

  send(octets: Uint8Array): void {
    this.socket.write(octets)
  }

  async gets<T extends BgpMessage['type']>(type: T): Promise<Extract<BgpMessage, { type: T }>> {
    return eventually(
      `a ${type} message`,
      async () => this.received.find((item): item is Extract<BgpMessage, { type: T }> => item.type === type),
      { describe: async () => ({ closed: this.closed, received: this.received }) },
    )
  }

  async isClosed(): Promise<true> {
    return eventually('the connection is closed', async () => this.closed)
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}

/** Listens as a peer that does as the test says. */
export class RawListener implements AsyncDisposable {
  readonly accepted: RawPeer[] = []
  readonly #server = createServer((socket) => this.accepted.push(RawPeer.of(socket)))

  static async on(address: string): Promise<RawListener> {
    const listener = new RawListener()
    listener.#server.listen(PORT, address)
    await once(listener.#server, 'listening')
    return listener
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const raw of this.accepted) raw[Symbol.dispose]()
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }
}
