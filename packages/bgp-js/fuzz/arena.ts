import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createSpeaker, type Log, type MemoryCounts, type Speaker } from '../src/index.ts'
import { addressHex } from './octets.ts'
import { Receiver } from './receiver.ts'
import type { TwinOwnEnd } from './twin-session.ts'

const OWN_ASN = 65_100
const RECEIVER_ASN = 65_200
const FRIEND_ASN = 65_201
const FRIEND_PREFIX = '192.0.2.0/24'
const OWN_IPV6 = '2001:db8:1::1'
const MAX_PEERS = 60_000
/** Prefixes of our own that say how far the receiver is, and the twin's keys of them. */
const MARKS = [
  ['198.51.#.0/24', '1 c6330#00/24 00000000'],
  ['2001:db8:ffff:#::/64', `2 20010db8ffff000#${'0'.repeat(16)}/64 00000000`],
] as const

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

/** Kinds of sessions that attackers come by; each has a /16 of addresses. */
export const KINDS = ['external', 'internal', 'addPath', 'extendedNextHop'] as const

/** A live speaker with two peers that behave, and room for attackers by the thousand. */
export class Arena implements AsyncDisposable {
  readonly target: Speaker
  readonly port: number
  readonly address: string
  readonly receiver: Receiver
  /** Whatever must not happen, as it happens. */
  readonly faults: string[] = []
  readonly #friend: Speaker
  readonly #friendAddress: string
  readonly #onTrouble: (error: unknown) => void

  private constructor(parts: {
    target: Speaker
    friend: Speaker
    receiver: Receiver
    port: number
    addresses: readonly [string, string]
    faults: string[]
  }) {
    this.target = parts.target
    this.#friend = parts.friend
    this.receiver = parts.receiver
    this.port = parts.port
    this.address = parts.addresses[0]
    this.#friendAddress = parts.addresses[1]
    this.faults = parts.faults
    this.#onTrouble = (error) => this.faults.push(`unhandled: ${error instanceof Error ? error.stack : String(error)}`)
    process.on('uncaughtException', this.#onTrouble)
    process.on('unhandledRejection', this.#onTrouble)
  }

  static async start(): Promise<Arena> {
    const net = 1 + (process.pid % 120)
    const [address, receiverAddress, friendAddress] = [1, 2, 3].map((host) => `127.${net}.255.${host}`) as [
      string,
      string,
      string,
    ]
    const faults: string[] = []
    const target = createTarget(address, receiverAddress, friendAddress, errorsInto(faults))
    const [bound] = await target.start()
    const port = bound?.port ?? 0
    const friend = createSpeaker({
      asn: FRIEND_ASN,
      routerId: '192.0.2.3',
      listen: [],
      networks: [FRIEND_PREFIX],
      neighbors: [
        { address, port, asn: OWN_ASN, sourceAddress: friendAddress, gracefulRestart: false, connectRetry: 1 },
      ],
    })
    await friend.start()
    const receiver = await Receiver.connect({ from: receiverAddress, to: address, port }, RECEIVER_ASN, {
      ...ownEnd(address, 'external'),
      asn: RECEIVER_ASN,
      peerAsn: OWN_ASN,
      routerId: '00000000',
      address: '',
    })
    const arena = new Arena({ target, friend, receiver, port, addresses: [address, friendAddress], faults })
    await receiver.until(() => receiver.twin.table.has('1 c0000200/24 00000000'))
    return arena
  }

  static get ownAsn(): number {
    return OWN_ASN
  }

  /** Addresses that our own next hops may be, in hexadecimal. */
  get ownHops(): readonly string[] {
    return [addressHex(this.address), addressHex(OWN_IPV6)]
  }

  ownEndFor(kind: (typeof KINDS)[number]): TwinOwnEnd {
    return ownEnd(this.address, kind)
  }

  attackerAddress(kind: (typeof KINDS)[number], number: number): string {
    return `127.${128 + KINDS.indexOf(kind)}.${1 + (Math.floor(number / 250) % 250)}.${1 + (number % 250)}`
  }

  /** Has the receiver told of everything that was true before: two marks in turn, for each family. */
  async settle(): Promise<void> {
    const { table } = this.receiver.twin
    for (const mark of [0, 1]) {
      for (const [prefix] of MARKS) this.target.originate(prefix.replace('#', String(mark)))
      await this.receiver.until(() => MARKS.every(([, key]) => table.has(key.replace('#', String(mark)))))
    }
    for (const [prefix] of MARKS) for (const mark of [0, 1]) this.target.withdraw(prefix.replace('#', String(mark)))
    await this.receiver.until(() =>
      MARKS.every(([, key]) => ![0, 1].some((mark) => table.has(key.replace('#', String(mark))))),
    )
  }

  counts(): Omit<MemoryCounts, 'peers'> {
    const { peers: _, ...counts } = this.target.memoryCounts()
    return counts
  }

  heapOctets(): number {
    collectGarbage()
    return process.memoryUsage().heapUsed
  }

  /** What is wrong with the two that behave. */
  bystanders(): string[] {
    const problems: string[] = []
    for (const { address, state, flaps } of this.target.peers()) {
      const isBystander = address === this.#friendAddress || address.endsWith('.255.2')
      if (isBystander && (state !== 'Established' || flaps > 0)) problems.push(`${address}: ${state}, ${flaps} flaps`)
    }
    const held = this.target.routes({ prefix: FRIEND_PREFIX, peer: this.#friendAddress }).adjRibIn
    if (held.length !== 1) problems.push(`${FRIEND_PREFIX} of the friend is gone`)
    if (this.receiver.failure !== undefined) problems.push(`receiver: ${this.receiver.failure}`)
    return problems
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.receiver[Symbol.dispose]()
    await Promise.all([this.#friend.stop(), this.target.stop()])
    process.off('uncaughtException', this.#onTrouble)
    process.off('unhandledRejection', this.#onTrouble)
  }
}

function createTarget(address: string, receiver: string, friend: string, log: Log): Speaker {
  const common = { gracefulRestart: false, limit: MAX_PEERS, holdTime: 240 }
  return createSpeaker(
    {
      asn: OWN_ASN,
      routerId: '192.0.2.1',
      listen: { address, port: 0 },
      nextHop: { ipv6: OWN_IPV6 },
      neighbors: [
        { address: receiver, asn: RECEIVER_ASN, passive: true, gracefulRestart: false },
        { address: friend, asn: FRIEND_ASN, passive: true, gracefulRestart: false },
      ],
      dynamicNeighbors: [
        { ...common, prefix: '127.128.0.0/16', asn: 'external' },
        { ...common, prefix: '127.129.0.0/16', asn: OWN_ASN },
        { ...common, prefix: '127.130.0.0/16', asn: 'external', addPath: { send: 2, receive: true } },
        { ...common, prefix: '127.131.0.0/16', asn: 'external', extendedNextHop: true },
      ],
    },
    { log },
  )
}

const ownEnd = (address: string, kind: (typeof KINDS)[number]): TwinOwnEnd => ({
  asn: OWN_ASN,
  address: addressHex(address),
  routerId: 'c0000201',
  peerAsn: kind === 'internal' ? OWN_ASN : 'any',
  receivesPaths: kind === 'addPath',
  extendedNextHop: kind === 'extendedNextHop',
})

/** A log that takes lines of errors for faults: whatever a peer does, it is no error of ours. */
function errorsInto(faults: string[]): Log {
  const ignore = (): void => undefined
  return {
    debug: ignore,
    info: ignore,
    warn: ignore,
    error: (fields, message) => {
      const { error } = fields as { error?: unknown }
      faults.push(`logged: ${message} ${error instanceof Error ? error.stack : JSON.stringify(fields)}`)
    },
  }
}
