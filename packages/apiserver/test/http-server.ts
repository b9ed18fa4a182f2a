import { connect } from 'node:net'
import { type ApiServer, type ApiServerOptions, createApiServer } from '../src/index.ts'

// oxlint-disable-next-line typescript/no-explicit-any -- tests reach into answers of every shape
export type Json = Record<string, any>

export interface Answer {
  code: number
  headers: Headers
  body: Json
}

export interface RequestOptions {
  method?: string
  /** Sent as JSON unless it is text or bytes. */
  body?: unknown
  type?: string
  accept?: string
  token?: string
  headers?: Record<string, string>
}

/** A server over plain HTTP on the loopback interface, and a client for it. */
export class HttpServer implements AsyncDisposable {
  readonly api: ApiServer
  readonly url: string

  private constructor(api: ApiServer, url: string) {
    this.api = api
    this.url = url
  }

  static async start(options: ApiServerOptions = {}): Promise<HttpServer> {
    const api = createApiServer({ tokens: { secret: { username: 'admin', groups: ['system:masters'] } }, ...options })
    const { url } = await api.listen({ tcp: { host: '127.0.0.1', port: 0 } })
    return new HttpServer(api, url)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.api.close()
  }

  async request(path: string, options: RequestOptions = {}): Promise<Answer> {
    const response = await this.#fetch(path, options)
    const text = await response.text()
    return {
      code: response.status,
      headers: response.headers,
      body: text.startsWith('{') ? (JSON.parse(text) as Json) : { text },
    }
  }

  /** Opens a watch; its events can be read one by one. */
  async watch(path: string): Promise<WatchReader> {
    const abort = new AbortController()
    const response = await this.#fetch(path, {}, abort.signal)
    if (response.status !== 200 || response.body === null)
      throw new Error(`watch: ${response.status} ${await response.text()}`)
    return new WatchReader(response.body, abort)
  }

  /** Sends octets as they are; returns what comes back until the server closes. */
  raw(octets: string | Uint8Array): Promise<string> {
    const { port } = new URL(this.url)
    return new Promise((resolve, reject) => {
      let answer = ''
      const socket = connect(Number(port), '127.0.0.1', () => socket.write(octets))
      socket.on('data', (chunk) => (answer += chunk.toString()))
      socket.on('close', () => resolve(answer))
      socket.on('error', reject)
    })
  }

  #fetch(path: string, options: RequestOptions, signal?: AbortSignal): Promise<Response> {
    const { method = 'GET', body, type = 'application/json', accept, token = 'secret', headers = {} } = options
    const isRaw = typeof body === 'string' || body instanceof Uint8Array
    return fetch(this.url + path, {
      method,
      ...(signal === undefined ? {} : { signal }),
      headers: {
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': type }),
        ...(accept === undefined ? {} : { accept }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: isRaw ? (body as string) : JSON.stringify(body) }),
    })
  }
}

/** Events of a watch in their order. */
export class WatchReader {
  readonly #abort: AbortController
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>
  #rest = ''

  constructor(body: ReadableStream<Uint8Array>, abort: AbortController) {
    this.#reader = body.getReader()
    this.#abort = abort
  }

  /** The next event; undefined when the watch has ended. */
  async next(): Promise<Json | undefined> {
    for (;;) {
      const end = this.#rest.indexOf('\n')
      if (end !== -1) {
        const line = this.#rest.slice(0, end)
        this.#rest = this.#rest.slice(end + 1)
        return JSON.parse(line) as Json
      }
      const { done, value } = await this.#reader.read()
      if (done) return undefined
      this.#rest += Buffer.from(value).toString('utf8')
    }
  }

  /** The next `count` events as `TYPE name@resourceVersion`. */
  async summaries(count: number): Promise<string[]> {
    const result: string[] = []
    while (result.length < count) {
      const event = await this.next()
      if (event === undefined) break
      result.push(`${event['type']} ${event['object'].metadata.name ?? ''}`.trim())
    }
    return result
  }

  close(): void {
    this.#abort.abort()
  }
}
