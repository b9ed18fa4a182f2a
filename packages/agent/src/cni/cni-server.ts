import { chmod, mkdir, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { openRoute } from '@margay/netlink'
import type { Logger } from 'pino'
import type { AgentConfig } from '../config.ts'
import type { AgentMetrics } from '../metrics.ts'
import { CniError, CniErrorCode } from './cni-error.ts'
import { CniHandlers, type CniParts, cniErrorOf } from './cni-handlers.ts'
import { type CniRequest, parseRequest, type RawCniRequest, SUPPORTED_VERSIONS, splitRequest } from './cni-request.ts'
import { KeyedQueue } from './keyed-queue.ts'
import { PodNetwork } from './pod-network.ts'
import { isUnavailable, WaitingDeletes } from './waiting-deletes.ts'

const MAX_REQUEST_OCTETS = 2 * 1024 * 1024
/** A client sends its request in one go; one that does not holds no place for long. */
const REQUEST_TIMEOUT_MS = 10_000
const MAX_CONNECTIONS = 512

interface Answer {
  readonly exitCode: number
  readonly stdout: string
}

type Dependencies = Omit<CniParts, 'nodeName' | 'mtu' | 'network' | 'host'> & {
  readonly config: AgentConfig
  readonly metrics: AgentMetrics
}

/**
 * Answers the CNI plugin on a unix socket. Calls for one container are done one after the other, others side by side.
 */
export class CniServer {
  readonly #config: AgentConfig
  readonly #metrics: AgentMetrics
  readonly #log: Logger
  readonly #handlers: CniHandlers
  readonly #server: Server
  readonly #calls = new KeyedQueue()
  readonly #waiting: WaitingDeletes

  constructor({ config, metrics, ...parts }: Dependencies) {
    this.#config = config
    this.#metrics = metrics
    this.#log = parts.log
    const host = openRoute()
    const { nodeName, mtu } = config
    this.#handlers = new CniHandlers({ ...parts, nodeName, mtu, host, network: new PodNetwork(host, parts.log) })
    this.#waiting = new WaitingDeletes({
      directory: config.cniQueue,
      calls: this.#calls,
      delete: async (request) => this.#handlers.delete(request),
      log: parts.log,
    })
    this.#server = createServer({ allowHalfOpen: true }, (socket) => {
      // A client may be gone before its answer is.
      socket.on('error', (error) => this.#log.warn({ err: error }, 'a CNI client broke off'))
      this.#serve(socket).catch((error: unknown) => {
        this.#log.warn({ err: error }, 'a CNI call broke off')
        socket.destroy()
      })
    })
    this.#server.maxConnections = MAX_CONNECTIONS
  }

  async start(): Promise<void> {
    const { cniSocket } = this.#config
    await mkdir(dirname(cniSocket), { recursive: true })
    await rm(cniSocket, { force: true })
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(cniSocket, resolve)
    })
    await chmod(cniSocket, 0o600)
    this.#log.info({ cniSocket }, 'serving CNI')
    await this.#waiting.start()
  }

  get serving(): boolean {
    return this.#server.listening
  }

  async stop(): Promise<void> {
    this.#waiting.stop()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #serve(socket: Socket): Promise<void> {
    socket.setTimeout(REQUEST_TIMEOUT_MS, () => socket.destroy(new Error('the client is silent')))
    const chunks: Buffer[] = []
    let octets = 0
    for await (const chunk of socket) {
      octets += (chunk as Buffer).length
      if (octets > MAX_REQUEST_OCTETS) throw new Error('the request is too large')
      chunks.push(chunk as Buffer)
    }
    socket.setTimeout(0)
    const { exitCode, stdout } = await this.#answer(Buffer.concat(chunks))
    socket.end(`${exitCode}${stdout}`)
  }

  async #answer(bytes: Buffer): Promise<Answer> {
    const begin = performance.now()
    let raw: RawCniRequest | undefined
    try {
      raw = splitRequest(bytes)
      const request = parseRequest(raw)
      const work = async (): Promise<unknown> => this.#dispatch(request, bytes)
      const result = await (request.containerId === '' ? work() : this.#calls.run(request.containerId, work))
      this.#finished(raw, 'ok', begin)
      return { exitCode: 0, stdout: result === undefined ? '' : `${JSON.stringify(result)}\n` }
    } catch (error) {
      this.#finished(raw, 'error', begin)
      return this.#errorAnswer(error, raw)
    }
  }

  #finished(raw: RawCniRequest | undefined, result: 'ok' | 'error', begin: number): void {
    const command = raw?.variables.get('CNI_COMMAND') ?? ''
    const known = ['ADD', 'DEL', 'CHECK', 'STATUS', 'GC'].includes(command) ? command : 'other'
    this.#metrics.cniAnswered(known, result, (performance.now() - begin) / 1000)
  }

  #errorAnswer(error: unknown, raw: RawCniRequest | undefined): Answer {
    const translated = cniErrorOf(error)
    const known =
      translated ?? new CniError(CniErrorCode.internal, error instanceof Error ? error.message : String(error))
    if (translated === undefined) this.#log.error({ err: error }, 'a CNI call failed')
    else this.#log.warn({ code: known.code, msg: known.message, details: known.details }, 'refused a CNI call')
    const version = /"cniVersion"\s*:\s*"([0-9.]{1,12})"/.exec(raw?.stdin ?? '')?.[1] ?? '1.1.0'
    const cniVersion = SUPPORTED_VERSIONS.includes(version) ? version : '1.1.0'
    const body = { cniVersion, code: known.code, msg: known.message, details: known.details }
    return { exitCode: 1, stdout: `${JSON.stringify(body)}\n` }
  }

  async #dispatch(request: CniRequest, bytes: Buffer): Promise<unknown> {
    switch (request.command) {
      case 'ADD':
        await this.#waiting.finish(request)
        return this.#handlers.add(request)
      case 'DEL':
        return this.#deleteOrQueue(request, bytes)
      case 'CHECK':
        return this.#handlers.check(request)
      case 'STATUS':
        return this.#handlers.status()
      case 'GC':
        return this.#handlers.collectGarbage(request)
    }
  }

  /** A DEL succeeds though the API server is away: what is left to do is kept on disk. */
  async #deleteOrQueue(request: CniRequest, bytes: Buffer): Promise<void> {
    try {
      await this.#handlers.delete(request)
    } catch (error) {
      if (!isUnavailable(error)) throw error
      this.#log.warn({ containerId: request.containerId, error: String(error) }, 'no API server: this DEL waits')
      await this.#waiting.keep(request, bytes)
    }
  }
}
