import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { type BuiltSession, MessageBuilder } from './message-builder.ts'
import { read16 } from './octets.ts'
import type { Random } from './random.ts'
import { Twin } from './twin.ts'
import type { TwinOwnEnd } from './twin-session.ts'

/** Messages between two looks at what else there is to do. */
const BURST = 40

/** One session of the fuzzer, from its connection to its end, with what the twin makes of all that it sent. */
export class Attacker implements Disposable {
  readonly address: string
  readonly built: BuiltSession
  readonly builder: MessageBuilder
  readonly twin: Twin
  /** What was sent, message by message. */
  readonly sent: Uint8Array[] = []
  readonly #socket: Socket
  #answers: Uint8Array = new Uint8Array(0)
  /** Code and subcode of the NOTIFICATION that came. */
  notification: string | undefined
  #isClosed = false
  #hasSentinel = false

  private constructor(socket: Socket, address: string, random: Random, built: BuiltSession, own: TwinOwnEnd) {
    this.#socket = socket
    this.address = address
    this.built = built
    this.builder = new MessageBuilder(random, built)
    this.twin = new Twin(own)
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.#isClosed = true
    })
    socket.on('data', (chunk) => this.#answered(chunk))
  }

  static async connect(
    ends: { readonly from: string; readonly to: string; readonly port: number },
    random: Random,
    built: BuiltSession,
    own: TwinOwnEnd,
  ): Promise<Attacker> {
    const socket = connect({ host: ends.to, port: ends.port, localAddress: ends.from })
    const attacker = new Attacker(socket, ends.from, random, built, own)
    await once(socket, 'connect')
    socket.setNoDelay(true)
    attacker.send(attacker.builder.open())
    attacker.send(attacker.builder.keepalive())
    return attacker
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Whether the table that the twin holds must be that of the speaker once the sentinel is there. */
  get isComparable(): boolean {
    return this.twin.ended === undefined && this.twin.isUp && this.twin.pendingOctets === 0 && this.#hasSentinel
  }

  send(message: Uint8Array): void {
    this.sent.push(message)
    this.twin.feed(message)
    this.#socket.write(message)
  }

  /** Sends up to `count` of `messages`, fewer when the session must end before. @returns how many */
  async stream(count: number, messages: () => Uint8Array): Promise<number> {
    let sent = 0
    while (sent < count && this.twin.ended === undefined && !this.#isClosed) {
      for (let burst = 0; burst < BURST && sent < count && this.twin.ended === undefined; burst++) {
        this.send(messages())
        sent++
      }
      await new Promise((resolve) => setImmediate(resolve))
      while (this.#socket.writableLength > 65_536 && !this.#isClosed)
        await new Promise((resolve) => setImmediate(resolve))
    }
    return sent
  }

  /** The last message: once the speaker has it, it has all the others. */
  finish(host: number): void {
    const { session, ended, isUp } = this.twin
    if (ended !== undefined || !isUp || session === undefined || session.families.length === 0) return
    // The session may be another one than the builder was told: its OPEN was made up as well.
    const { fourOctet, internal, families, addPath } = session
    const agreed = { ...this.built, asn: session.peerAsn, fourOctet, internal, families, addPath }
    const before = this.twin.table.size
    this.send(new MessageBuilder({} as Random, agreed).sentinel(host))
    this.#hasSentinel = this.twin.table.size === before + 1
  }

  #answered(chunk: Uint8Array): void {
    this.#answers = Buffer.concat([this.#answers, chunk])
    while (this.#answers.length >= 19 && this.#answers.length >= read16(this.#answers, 16)) {
      const length = read16(this.#answers, 16)
      if (this.#answers[18] === 3) this.notification = `${this.#answers[19]}/${this.#answers[20]}`
      this.#answers = this.#answers.subarray(length)
    }
  }

  end(): void {
    this.#socket.end()
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}
