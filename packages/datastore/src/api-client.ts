import { type IncomingMessage, Agent as PlainAgent, request as plainRequest } from 'node:http'
import { Agent, type RequestOptions, request } from 'node:https'
import { createInterface } from 'node:readline'
import { KubeConfig } from '@kubernetes/client-node'
import type { KubernetesObject } from '@margay/model'
import { ApiError } from './errors.ts'
import { pathOf, type Resource } from './resources.ts'

export interface ObjectName {
  readonly namespace?: string | undefined
  readonly name: string
}

export interface ListResult<T> {
  readonly items: T[]
  readonly resourceVersion: string
}

export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR'
  readonly object: Record<string, unknown> & KubernetesObject
}

type Query = Record<string, string | number | boolean | undefined>
export type PatchType = 'merge' | 'json' | 'strategic-merge'

/** Longer than any answer of a healthy server takes, watches excepted. */
const REQUEST_TIMEOUT_MS = 30_000
/** A server sends bookmarks about every minute: a watch that is silent for longer may hang on a dead connection. */
const WATCH_SILENCE_MS = 150_000
const PAGE_SIZE = 500

/**
 * Talks to a Kubernetes API server as a kubeconfig, or the pod's service account, says. Every method throws
 * {@link ApiError}.
 */
export class ApiClient {
  readonly #config: KubeConfig
  readonly #server: URL
  #agent: Agent | PlainAgent | undefined

  constructor(config: KubeConfig) {
    const cluster = config.getCurrentCluster()
    if (cluster === null) throw new ApiError(0, undefined, 'the kubeconfig has no current cluster')
    this.#config = config
    this.#server = new URL(cluster.server)
  }

  /** @param file a kubeconfig; undefined: $KUBECONFIG, ~/.kube/config, or the service account of this pod */
  static load(file?: string): ApiClient {
    const config = new KubeConfig()
    if (file === undefined) config.loadFromDefault()
    else config.loadFromFile(file)
    return new ApiClient(config)
  }

  async get<T extends KubernetesObject>(resource: Resource<T>, name: ObjectName): Promise<T> {
    return this.#json<T>('GET', pathOf(resource, name))
  }

  /** Like {@link get}, with undefined for an object that is not there. */
  async find<T extends KubernetesObject>(resource: Resource<T>, name: ObjectName): Promise<T | undefined> {
    try {
      return await this.get(resource, name)
    } catch (error) {
      if (error instanceof ApiError && error.code === 'API_NOT_FOUND') return undefined
      throw error
    }
  }

  /** All objects of a kind (of one namespace), page by page from one snapshot. */
  async list<T extends KubernetesObject>(
    resource: Resource<T>,
    options: { namespace?: string; labelSelector?: string; fieldSelector?: string; signal?: AbortSignal } = {},
  ): Promise<ListResult<T>> {
    const { namespace, signal, ...selectors } = options
    const items: T[] = []
    let token: string | undefined
    for (;;) {
      const query = { ...selectors, limit: PAGE_SIZE, continue: token }
      const path = pathOf(resource, { namespace })
      const page = await this.#json<{ items?: T[]; metadata?: { resourceVersion?: string; continue?: string } }>(
        'GET',
        path,
        {
          query,
          ...(signal === undefined ? {} : { signal }),
        },
      )
      items.push(...(page.items ?? []))
      token = page.metadata?.continue
      if (token === undefined || token === '') return { items, resourceVersion: page.metadata?.resourceVersion ?? '' }
    }
  }

  async create<T extends KubernetesObject>(resource: Resource<T>, object: T): Promise<T> {
    const { apiVersion, kind } = resource
    const path = pathOf(resource, { namespace: object.metadata.namespace })
    return this.#json<T>('POST', path, { body: { apiVersion, kind, ...object } })
  }

  /** Posts to a subresource of an object, such as a pod's `binding`. */
  async createSubresource(resource: Resource, name: ObjectName, subresource: string, body: unknown): Promise<void> {
    await this.#json('POST', `${pathOf(resource, name)}/${subresource}`, { body })
  }

  /** Replaces an object; its resourceVersion makes it a compare-and-swap (API_CONFLICT). */
  async update<T extends KubernetesObject>(resource: Resource<T>, object: T, subresource?: 'status'): Promise<T> {
    const { apiVersion, kind } = resource
    const path = pathOf(resource, object.metadata) + (subresource === undefined ? '' : `/${subresource}`)
    return this.#json<T>('PUT', path, { body: { apiVersion, kind, ...object } })
  }

  async patch<T extends KubernetesObject>(
    resource: Resource<T>,
    name: ObjectName,
    patch: unknown,
    options: { type?: PatchType; subresource?: 'status' } = {},
  ): Promise<T> {
    const path = pathOf(resource, name) + (options.subresource === undefined ? '' : `/${options.subresource}`)
    const contentType = `application/${options.type ?? 'merge'}-patch+json`
    return this.#json<T>('PATCH', path, { body: patch, contentType })
  }

  /** @param options.gracePeriodSeconds 0 ends a pod at once: its kubelet has nothing left to do */
  async delete(
    resource: Resource,
    name: ObjectName,
    preconditions?: { uid?: string | undefined; resourceVersion?: string | undefined },
    options: { gracePeriodSeconds?: number } = {},
  ): Promise<void> {
    const body = {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      ...options,
      ...(preconditions === undefined ? {} : { preconditions }),
    }
    await this.#json('DELETE', pathOf(resource, name), { body })
  }

  /** Events from `resourceVersion` on, until the server ends the watch, `signal` fires, or the connection breaks. */
  async *watch(
    resource: Resource,
    options: { resourceVersion: string; namespace?: string; fieldSelector?: string; signal?: AbortSignal },
  ): AsyncGenerator<WatchEvent> {
    const { namespace, signal, ...rest } = options
    // The server ends a watch by itself after this time; a dead connection is then noticed too.
    const query = {
      watch: true,
      allowWatchBookmarks: true,
      timeoutSeconds: 300 + Math.floor(Math.random() * 300),
      ...rest,
    }
    const response = await this.#send('GET', pathOf(resource, { namespace }), {
      query,
      watch: true,
      ...(signal === undefined ? {} : { signal }),
    })
    try {
      for await (const line of createInterface({ input: response, crlfDelay: Infinity })) {
        if (line !== '') yield parseEvent(line)
      }
    } catch (error) {
      if (error instanceof ApiError) throw error
      throw new ApiError(0, undefined, `the watch of ${resource.plural} broke: ${messageOf(error)}`, { cause: error })
    } finally {
      response.destroy()
    }
  }

  /** Frees the kept connections. */
  close(): void {
    this.#agent?.destroy()
  }

  async #json<T>(method: string, path: string, options: SendOptions = {}): Promise<T> {
    const text = await textOf(await this.#send(method, path, options))
    try {
      return JSON.parse(text) as T
    } catch (error) {
      const message = `${method} ${path}: the answer is not JSON: ${text.slice(0, 200)}`
      throw new ApiError(0, undefined, message, { cause: error })
    }
  }

  async #send(method: string, path: string, options: SendOptions): Promise<IncomingMessage> {
    const { body, contentType = 'application/json', query = {}, signal, watch = false } = options
    const url = new URL(this.#server.pathname.replace(/\/$/, '') + path, this.#server)
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value))
    const settings: RequestOptions = { method, headers: { accept: 'application/json', 'user-agent': 'margay' } }
    try {
      await this.#config.applyToHTTPSOptions(settings)
    } catch (error) {
      // A token file or a credential plugin: what is missing now may be there at the next try.
      throw new ApiError(0, undefined, `${method} ${path}: no credentials: ${messageOf(error)}`, { cause: error })
    }
    const { ca, cert, key, rejectUnauthorized } = settings
    const verification = rejectUnauthorized === undefined ? {} : { rejectUnauthorized }
    this.#agent ??= isPlain(url)
      ? new PlainAgent({ keepAlive: true })
      : new Agent({ keepAlive: true, ca, cert, key, ...verification })
    settings.agent = this.#agent
    if (signal !== undefined) settings.signal = signal
    const payload = body === undefined ? undefined : JSON.stringify(body)
    if (payload !== undefined) {
      // Node frames the body of a DELETE only when it is told its length.
      Object.assign(settings.headers ?? {}, {
        'content-type': contentType,
        'content-length': Buffer.byteLength(payload),
      })
    }
    const response = await exchange(url, settings, payload, watch)
    if ((response.statusCode ?? 0) < 300) return response
    throw await failure(response, `${method} ${path}`)
  }
}

interface SendOptions {
  readonly body?: unknown
  readonly contentType?: string
  readonly query?: Query
  readonly signal?: AbortSignal
  readonly watch?: boolean
}

/** Without TLS: a proxy on this host, such as `kubectl proxy`. */
function isPlain({ protocol }: URL): boolean {
  return protocol === 'http:'
}

function exchange(
  url: URL,
  settings: RequestOptions,
  payload: string | undefined,
  watch: boolean,
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const outgoing = (isPlain(url) ? plainRequest : request)(url, settings, resolve)
    const what = `${settings.method} ${url.pathname}`
    outgoing.on('error', (error) =>
      reject(new ApiError(0, undefined, `${what}: ${messageOf(error)}`, { cause: error })),
    )
    const silenceMs = watch ? WATCH_SILENCE_MS : REQUEST_TIMEOUT_MS
    outgoing.setTimeout(silenceMs, () => outgoing.destroy(new Error('no answer in time')))
    outgoing.end(payload)
  })
}

async function textOf(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of response) chunks.push(chunk as Buffer)
  } catch (error) {
    throw new ApiError(0, undefined, `the answer broke off: ${messageOf(error)}`, { cause: error })
  }
  return Buffer.concat(chunks).toString('utf8')
}

async function failure(response: IncomingMessage, what: string): Promise<ApiError> {
  const status = response.statusCode ?? 0
  const text = await textOf(response)
  try {
    const { reason, message } = JSON.parse(text) as { reason?: string; message?: string }
    return new ApiError(status, reason, `${what}: ${message ?? text.slice(0, 200)}`)
  } catch {
    return new ApiError(status, undefined, `${what}: HTTP ${status} ${text.slice(0, 200)}`)
  }
}

function parseEvent(line: string): WatchEvent {
  const event = JSON.parse(line) as WatchEvent
  if (event.type !== 'ERROR') return event
  const { code, reason, message } = event.object as { code?: number; reason?: string; message?: string }
  throw new ApiError(code ?? 500, reason, message ?? 'the watch failed')
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
