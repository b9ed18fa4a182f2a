import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { ListenConfig } from './config.ts'

const BACKLOG = 511

/** A listening socket. What to do with each connection is the owner's to say. */
export class Listener {
  readonly #server: Server
  readonly #config: Required<ListenConfig>

  constructor(config: Required<ListenConfig>, onConnection: (socket: Socket) => void, onError: (error: Error) => void) {
    this.#config = config
    this.#server = createServer({ pauseOnConnect: true }, onConnection)
    this.#server.on('error', onError)
  }

  /** @returns where it listens @throws when the address can't be bound */
  async start(): Promise<{ address: string; port: number }> {
    const { address, port } = this.#config
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host: address, port, backlog: BACKLOG }, () => {
        this.#server.off('error', reject)
        resolve()
      })
    })
    const bound = this.#server.address() as AddressInfo
    return { address: bound.address, port: bound.port }
  }

  /** Descriptor of the listening socket, for options that Node can't set. */
  get fd(): number | undefined {
    return (this.#server as Server & { _handle?: { fd?: number } })._handle?.fd
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return
    // Connections are their sessions' to close, and outlive the listener.
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      resolve()
    })
  }
}
