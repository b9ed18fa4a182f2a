import { KubeConfig } from '@kubernetes/client-node'
import { type ApiServer, type ApiServerOptions, createApiServer, type Listener } from '@margay/apiserver'
import { ApiClient } from '../src/index.ts'

const TOKEN = 'secret'

/** A real API server in this process, on loopback, and clients of it. */
export class TestApi implements AsyncDisposable {
  readonly server: ApiServer
  #listener: Listener
  readonly #clients: ApiClient[] = []

  private constructor(server: ApiServer, listener: Listener) {
    this.server = server
    this.#listener = listener
  }

  static async start(options: ApiServerOptions = {}): Promise<TestApi> {
    const server = createApiServer({
      tokens: { [TOKEN]: { username: 'admin', groups: ['system:masters'] } },
      ...options,
    })
    return new TestApi(server, await server.listen({ tcp: { host: '127.0.0.1', port: 0 } }))
  }

  /** @param url where to connect to; default: the server itself */
  client(options: { url?: string; token?: string } = {}): ApiClient {
    const client = clientOf(options.url ?? this.#listener.url, options.token)
    this.#clients.push(client)
    return client
  }

  /** Cuts every connection and stops listening. */
  async goAway(): Promise<void> {
    await this.#listener.close()
  }

  /** Listens again where it was. */
  async comeBack(): Promise<void> {
    const { port = 0 } = this.#listener
    this.#listener = await this.server.listen({ tcp: { host: '127.0.0.1', port } })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close()
    await this.server.close()
  }
}

export function clientOf(url: string, token = TOKEN): ApiClient {
  const config = new KubeConfig()
  config.loadFromClusterAndUser({ name: 'test', server: url, skipTLSVerify: true }, { name: 'admin', token })
  return new ApiClient(config)
}
