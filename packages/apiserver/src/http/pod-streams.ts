import type { IncomingMessage } from 'node:http'
import { type Duplex, PassThrough, Writable } from 'node:stream'
import { finished } from 'node:stream/promises'
import { type WebSocket, WebSocketServer } from 'ws'
import type { Log } from '../api-server.ts'
import { ApiError, badRequest } from '../errors.ts'
import { isObject, type JsonObject, type KubeObject } from '../object.ts'
import { parseFlag } from './list-query.ts'
import { containerOf, noRuntime } from './pod-logs.ts'
import type { ExecStreams, PodRuntime } from './pod-runtime.ts'

/** Channels of the `*.channel.k8s.io` protocols: the first octet of every message. */
const Channel = { Stdin: 0, Stdout: 1, Stderr: 2, Error: 3, Resize: 4, Close: 255 } as const
const protocols = ['v5.channel.k8s.io', 'v4.channel.k8s.io']
const MESSAGE_AT_MOST_BYTES = 4 * 1024 * 1024
const STDIN_BUFFER_BYTES = 256 * 1024

/** exec and attach over WebSocket, as `kubectl` speaks it (KEP-4006). */
export class PodStreams {
  readonly #runtime: PodRuntime | undefined
  readonly #log: Log
  readonly #server = new WebSocketServer({
    noServer: true,
    maxPayload: MESSAGE_AT_MOST_BYTES,
    handleProtocols: (offered) => protocols.find((protocol) => offered.has(protocol)) ?? false,
  })

  constructor(runtime: PodRuntime | undefined, log: Log) {
    this.#runtime = runtime
    this.#log = log
  }

  /** @throws {ApiError} 400, 501 before the upgrade; later errors go over the error channel */
  upgrade(
    kind: string,
    pod: KubeObject,
    query: URLSearchParams,
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): void {
    const runtime = this.#runtime
    if (runtime === undefined) throw noRuntime()
    if (kind === 'portforward' || (kind === 'attach' && runtime.attach === undefined)) {
      throw new ApiError('NotImplemented', `${kind} is not available on this API server`)
    }
    const container = containerOf(pod, query.get('container') ?? '')
    const command = query.getAll('command')
    if (kind === 'exec' && command.length === 0)
      throw badRequest('you must specify at least 1 command for the container')
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((one) => one.trim())
    if (!offered.some((protocol) => protocols.includes(protocol))) {
      throw badRequest(`unable to upgrade: one of the subprotocols ${protocols.join(', ')} is required`)
    }
    const tty = parseFlag(query, 'tty')
    const wantsStdin = parseFlag(query, 'stdin')
    this.#server.handleUpgrade(request, socket, head, (webSocket) => {
      const session = new ChannelSession(webSocket, wantsStdin)
      webSocket.on('error', (error) => this.#log.info({ err: error }, 'an exec session broke'))
      const running =
        kind === 'attach'
          ? runtime.attach?.(pod, { container, tty }, session.streams)
          : runtime.exec(pod, { container, command, tty }, session.streams)
      Promise.resolve(running ?? 0)
        .then(exitStatus, (error: unknown) => {
          this.#log.warn({ err: error, pod: pod.metadata.name }, `${kind} failed`)
          return errorStatus(error)
        })
        .then((status) => session.finish(status))
        .catch((error: unknown) => this.#log.info({ err: error }, `the end of ${kind} could not be sent`))
    })
  }
}

/** One WebSocket, split into the streams of a process. */
class ChannelSession {
  readonly streams: ExecStreams
  readonly #webSocket: WebSocket
  readonly #stdin: PassThrough | undefined
  readonly #resizeListeners: ((size: { columns: number; rows: number }) => void)[] = []
  #size: { columns: number; rows: number } | undefined

  constructor(webSocket: WebSocket, wantsStdin: boolean) {
    this.#webSocket = webSocket
    this.#stdin = wantsStdin ? new PassThrough({ highWaterMark: STDIN_BUFFER_BYTES }) : undefined
    const abort = new AbortController()
    this.streams = {
      stdin: this.#stdin,
      stdout: channelWriter(webSocket, Channel.Stdout),
      stderr: channelWriter(webSocket, Channel.Stderr),
      onResize: (listener) => {
        this.#resizeListeners.push(listener)
        if (this.#size !== undefined) listener(this.#size)
      },
      signal: abort.signal,
    }
    webSocket.on('message', (message: Buffer) => this.#onMessage(message))
    webSocket.on('close', () => {
      abort.abort()
      this.#stdin?.end()
    })
  }

  /** Sends what is left of the output, then the outcome over the error channel, and closes. */
  async finish(status: JsonObject): Promise<void> {
    const { stdout, stderr } = this.streams
    await Promise.all([stdout, stderr].map((stream) => finished(stream.end())))
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return
    this.#webSocket.send(Buffer.concat([Buffer.of(Channel.Error), Buffer.from(JSON.stringify(status))]))
    this.#webSocket.close(1000)
  }

  #onMessage(message: Buffer): void {
    const [channel] = message
    const content = message.subarray(1)
    switch (channel) {
      case Channel.Stdin:
        this.#onStdin(content)
        break
      case Channel.Resize:
        this.#onResize(content.toString('utf8'))
        break
      case Channel.Close:
        // v5: the client has nothing more to say on the channel that follows.
        if (content[0] === Channel.Stdin) this.#stdin?.end()
        break
      default:
        this.#webSocket.close(1008, 'unknown channel')
    }
  }

  #onStdin(content: Buffer): void {
    const stdin = this.#stdin
    if (stdin === undefined || stdin.writableEnded || content.length === 0) return
    if (stdin.write(content)) return
    // The process does not read: neither do we, until it does.
    this.#webSocket.pause()
    stdin.once('drain', () => this.#webSocket.resume())
  }

  #onResize(text: string): void {
    const size = parseSize(text)
    if (size === undefined) {
      this.#webSocket.close(1007, 'a terminal size must be JSON')
      return
    }
    this.#size = size
    for (const listener of this.#resizeListeners) listener(size)
  }
}

function parseSize(text: string): { columns: number; rows: number } | undefined {
  try {
    const value = JSON.parse(text) as unknown
    if (!isObject(value)) return undefined
    const [columns, rows] = [Number(value['Width']), Number(value['Height'])]
    return Number.isInteger(columns) && Number.isInteger(rows) ? { columns, rows } : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function channelWriter(webSocket: WebSocket, channel: number): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, callback) => {
      if (webSocket.readyState !== webSocket.OPEN) {
        callback()
        return
      }
      webSocket.send(Buffer.concat([Buffer.of(channel), chunk]), (error) => callback(error))
    },
  })
}

/** What the error channel says of an exit status: kubectl exits with the same one. */
function exitStatus(exitCode: number): JsonObject {
  if (exitCode === 0) return { metadata: {}, status: 'Success' }
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  }
}

function errorStatus(error: unknown): JsonObject {
  if (error instanceof ApiError) return error.toStatus()
  const message = error instanceof Error ? error.message : String(error)
  return {
    metadata: {},
    status: 'Failure',
    message: `error executing command in container: ${message}`,
    reason: 'InternalError',
    code: 500,
  }
}
