import { closeSync } from 'node:fs'
import { Socket } from 'node:net'
import type { SocketOptions, SocketOptionsPort } from './ports.ts'

/** Attempts to connect that may be under way at once; the others wait in line. */
const MAX_CONNECTING = 64

/** One connection to be made. */
export interface DialRequest {
  readonly host: string
  readonly port: number
  readonly localAddress: string | undefined
  readonly options: SocketOptions | undefined
  onConnected(socket: Socket): void
  onFailed(reason: string): void
}

/** Makes outgoing connections, a bounded number at a time. */
export class Dialer {
  readonly #socketOptions: SocketOptionsPort | undefined
  #connecting = 0
  readonly #waiting = new Set<() => void>()

  constructor(socketOptions: SocketOptionsPort | undefined) {
    this.#socketOptions = socketOptions
  }

  /** @returns a function that gives the attempt up, after which nothing is called back */
  dial(request: DialRequest): () => void {
    let cancel = (): void => undefined
    const start = (): void => {
      cancel = this.#connect(request)
    }
    if (this.#connecting < MAX_CONNECTING) {
      start()
    } else {
      this.#waiting.add(start)
      cancel = () => this.#waiting.delete(start)
    }
    return () => cancel()
  }

  /** Sets options on the socket of a connection that is up, where the embedder can. */
  applyTo(connection: { readonly fd: number | undefined }, options: SocketOptions): void {
    if (connection.fd !== undefined) this.#socketOptions?.apply(connection.fd, options)
  }

  #connect(request: DialRequest): () => void {
    this.#connecting++
    let settled = false
    const finish = (): boolean => {
      if (settled) return false
      settled = true
      this.#connecting--
      for (const next of this.#waiting) {
        this.#waiting.delete(next)
        next()
        break
      }
      return true
    }
    let socket: Socket
    try {
      socket = this.#newSocket(request)
    } catch (error) {
      // The embedder's port refused: told later, as any other failure is.
      const reason = error instanceof Error ? error.message : String(error)
      setImmediate(() => {
        if (finish()) request.onFailed(reason)
      })
      return () => {
        finish()
      }
    }
    const fail = (error: Error): void => {
      socket.destroy()
      if (finish()) request.onFailed(error.message)
    }
    socket.once('error', fail)
    socket.once('connect', () => {
      if (!finish()) return
      socket.off('error', fail)
      request.onConnected(socket)
    })
    const { host, port, localAddress } = request
    socket.connect({ host, port, ...(localAddress === undefined ? {} : { localAddress }) })
    return () => {
      if (finish()) socket.destroy()
    }
  }

  #newSocket(request: DialRequest): Socket {
    if (request.options === undefined || this.#socketOptions === undefined) return new Socket()
    const fd = this.#socketOptions.open(request.host.includes(':') ? 6 : 4)
    try {
      this.#socketOptions.apply(fd, request.options)
    } catch (error) {
      closeSync(fd)
      throw error
    }
    // Paused until it is connected: reading from a socket that is not would fail.
    return new Socket({ fd, readable: true, writable: true, manualStart: true } as ConstructorParameters<
      typeof Socket
    >[0])
  }
}
