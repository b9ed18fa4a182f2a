import type { Socket } from 'node:net'
import { refuse } from './accept-guard.ts'
import type { ListenConfig } from './config.ts'
import { Listener } from './listener.ts'
import type { Log, SocketOptions, SocketOptionsPort } from './ports.ts'

/** Every socket that a speaker listens on. */
export class Listeners {
  readonly #socketOptions: SocketOptionsPort | undefined
  readonly #log: Log
  readonly #listeners: Listener[] = []

  constructor(socketOptions: SocketOptionsPort | undefined, log: Log) {
    this.#socketOptions = socketOptions
    this.#log = log
  }

  /** @returns where it listens @throws when an address can't be bound; `close` then ends what had begun */
  async start(
    where: readonly Required<ListenConfig>[],
    onSocket: (socket: Socket) => void,
  ): Promise<{ address: string; port: number }[]> {
    const bound: { address: string; port: number }[] = []
    for (const listen of where) {
      const listener = new Listener(listen, onSocket, (error) =>
        this.#log.error({ error: error.message, listen }, 'listening socket failed'),
      )
      // oxlint-disable-next-line no-await-in-loop -- one after the other, so that an error leaves a clear state
      bound.push(await listener.start())
      this.#listeners.push(listener)
    }
    return bound
  }

  /** Keys and hop limits of incoming connections belong to the listening socket. */
  set(options: SocketOptions): void {
    for (const { fd } of this.#listeners) if (fd !== undefined) this.#socketOptions?.apply(fd, options)
  }

  /** Sets what the peer's connection needs: the lowest TTL is each connection's own. @returns false when it was refused */
  admit(socket: Socket, options: SocketOptions | undefined): boolean {
    const { fd } = (socket as Socket & { _handle?: { fd?: number } | null })._handle ?? {}
    if (options === undefined || fd === undefined) return true
    try {
      this.#socketOptions?.apply(fd, options)
      return true
    } catch (error) {
      const fields = { peer: options.peerAddress, error: String(error) }
      this.#log.error(fields, 'socket options of a connection refused')
      refuse(socket)
      return false
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.#listeners.splice(0).map(async (listener) => listener.close()))
  }
}
