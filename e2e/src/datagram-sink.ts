import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { udpSocketIn } from '@margay/netlink'

/** Takes datagrams in a namespace and remembers whom they said they came from; it never answers. */
export class DatagramSink {
  readonly #socket: Socket
  readonly #sources = new Set<string>()

  constructor(netns: string, options: { host: string; port: number }) {
    this.#socket = udpSocketIn(netns, options)
    this.#socket.on('message', (_message, { address }) => this.#sources.add(address))
  }

  /** Resolves when a datagram from `source` has come. */
  async heardFrom(source: string, timeoutMs = 5_000): Promise<void> {
    const signal = AbortSignal.timeout(timeoutMs)
    while (!this.#sources.has(source)) await once(this.#socket, 'message', { signal })
  }

  /** Every source that was heard so far. */
  get sources(): readonly string[] {
    return [...this.#sources].toSorted()
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}
