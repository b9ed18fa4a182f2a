import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { framed, u16, u32 } from './octets.ts'
import { Twin } from './twin.ts'
import type { TwinOwnEnd } from './twin-session.ts'

const KEEPALIVE_MS = 3000

/** A well-behaved external peer that reads with the twin's decoder and keeps what it was told. */
export class Receiver implements Disposable {
  readonly twin: Twin
  readonly #socket: Socket
  readonly #keepalive: NodeJS.Timeout
  #wake: () => void = () => undefined
  #error: string | undefined

  private constructor(socket: Socket, twin: Twin) {
    this.#socket = socket
    this.twin = twin
    socket.on('error', (error) => {
      this.#error = error.message
    })
    socket.on('close', () => {
      this.#error ??= 'closed'
      this.#wake()
    })
    socket.on('data', (chunk) => {
      twin.feed(chunk)
      this.#wake()
    })
    this.#keepalive = setInterval(() => socket.write(framed(4, [])), KEEPALIVE_MS)
  }

  static async connect(
    ends: { readonly from: string; readonly to: string; readonly port: number },
    asn: number,
    sees: TwinOwnEnd,
  ): Promise<Receiver> {
    const socket = connect({ host: ends.to, port: ends.port, localAddress: ends.from })
    await once(socket, 'connect')
    const receiver = new Receiver(socket, new Twin(sees))
    const capabilities = [1, 4, 0, 1, 0, 1, 1, 4, 0, 2, 0, 1, 65, 4, ...u32(asn)]
    const parameters = [2, capabilities.length, ...capabilities]
    socket.write(framed(1, [4, ...u16(asn), ...u16(90), ...u32(0xc000_02fe), parameters.length, ...parameters]))
    socket.write(framed(4, []))
    await receiver.until(() => receiver.twin.isUp)
    return receiver
  }

  get failure(): string | undefined {
    return this.#error ?? this.twin.ended?.join(' ')
  }

  /** Resolves once what was received makes `isSo` true. @throws when the session ends before, or in ten seconds */
  async until(isSo: () => boolean): Promise<void> {
    const deadline = performance.now() + 10_000
    while (!isSo()) {
      if (this.failure !== undefined) throw new Error(`the receiver's session ended: ${this.failure}`)
      if (performance.now() > deadline) throw new Error('the receiver was not told in time')
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 500)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#keepalive)
    this.#socket.destroy()
  }
}
