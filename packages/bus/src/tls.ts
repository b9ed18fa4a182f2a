import { once } from 'node:events'
import { connect, createServer, type Server, type TLSSocket } from 'node:tls'
import type { Bus, Registry } from './bus.ts'
import { Connection, type ConnectionTopics } from './connection.ts'
import { streamLink } from './stream-link.ts'

/** PEM texts. Both ends prove themselves with a certificate that `ca` signed. */
export interface TlsIdentity {
  readonly key: string
  readonly cert: string
  readonly ca: string
}

/** How long a stranger may take over a TLS handshake. */
const HANDSHAKE_TIMEOUT_MS = 5_000
const MAX_CONNECTIONS = 10_000

/** A server of bus topics over mutual TLS 1.3. */
export class TlsBusServer<R extends Registry> {
  readonly #server: Server
  readonly #connections = new Set<Connection<R>>()

  /** @param onRefused told of every handshake that failed, for the log */
  constructor(bus: Bus<R>, options: TlsIdentity & { topics: ConnectionTopics<R>; onRefused?: (error: Error) => void }) {
    const { key, cert, ca, topics, onRefused } = options
    this.#server = createServer({
      key,
      cert,
      ca,
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    })
    this.#server.maxConnections = MAX_CONNECTIONS
    this.#server.on('tlsClientError', (error) => onRefused?.(error))
    this.#server.on('secureConnection', (socket: TLSSocket) => {
      socket.setNoDelay(true)
      const connection = new Connection(bus, streamLink(socket, nameOf(socket)), topics)
      this.#connections.add(connection)
      void connection.closed.then(() => this.#connections.delete(connection))
    })
  }

  get connections(): number {
    return this.#connections.size
  }

  /** @returns the port that is listened on. */
  async listen(port: number, host?: string): Promise<number> {
    this.#server.listen(port, host)
    await once(this.#server, 'listening')
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : port
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const connection of this.#connections) connection.close()
    await closed
  }
}

/**
 * Connects to a {@link TlsBusServer}.
 * @param options.serverName the name that the server's certificate must bear
 * @throws the socket's error when there is no server, or TLS refuses it; AbortError on `signal`
 */
export async function connectTls<R extends Registry>(
  bus: Bus<R>,
  options: TlsIdentity & {
    host: string
    port: number
    serverName: string
    topics: ConnectionTopics<R>
    signal?: AbortSignal
  },
): Promise<Connection<R>> {
  const { key, cert, ca, host, port, serverName, topics, signal } = options
  const socket = connect({ host, port, key, cert, ca, servername: serverName, minVersion: 'TLSv1.3' })
  const timeout = AbortSignal.timeout(HANDSHAKE_TIMEOUT_MS)
  try {
    await once(socket, 'secureConnect', { signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]) })
  } catch (error) {
    socket.on('error', () => socket.destroy())
    socket.destroy()
    throw error
  }
  socket.setNoDelay(true)
  return new Connection(bus, streamLink(socket, `${host}:${port}`), topics)
}

function nameOf(socket: TLSSocket): string {
  // A socket that closed meanwhile has no certificate any more.
  const CN = (socket.getPeerCertificate() as ReturnType<TLSSocket['getPeerCertificate']> | null)?.subject?.CN
  return `${Array.isArray(CN) ? CN.join(',') : CN} (${socket.remoteAddress}:${socket.remotePort})`
}
