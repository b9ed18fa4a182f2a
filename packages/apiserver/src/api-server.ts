import { createServer as createHttpServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import type { Duplex } from 'node:stream'
import { type AdmissionRequest, BuiltinAdmission, type UserInfo } from './api/admission.ts'
import { deleteObject } from './api/deletion.ts'
import { Lifecycle } from './api/lifecycle.ts'
import { Registry } from './api/registry.ts'
import { ResourceApi, type WriteOptions } from './api/resource-api.ts'
import { ServiceAllocator } from './api/service-allocator.ts'
import { Authenticator } from './auth/authenticator.ts'
import { type Authorizer, alwaysAllow, RbacAuthorizer } from './auth/authorizer.ts'
import { bootstrapObjects } from './auth/bootstrap.ts'
import { ServiceAccountTokens } from './auth/tokens.ts'
import { badRequest } from './errors.ts'
import { ResourceHandler } from './http/handler.ts'
import { HttpShell } from './http/http-shell.ts'
import { OpenApi } from './http/openapi.ts'
import { serveLogs } from './http/pod-logs.ts'
import type { PodRuntime } from './http/pod-runtime.ts'
import { PodStreams } from './http/pod-streams.ts'
import type { WatchStream } from './http/watch-stream.ts'
import type { KubeObject } from './object.ts'
import type { ResourceType } from './resources/resource-type.ts'
import { Store } from './store/store.ts'

const BOOKMARK_DELAY_MS = 50
const REQUEST_TIMEOUT_FACTOR = 6
const HEADERS_AT_MOST_BYTES = 64 * 1024

/** Where log lines go; pino's shape. */
export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface ApiServerOptions {
  /** Users by bearer token. */
  tokens?: Record<string, UserInfo>
  /** RBAC refuses what no role allows; AlwaysAllow lets every known user do everything. Default RBAC. */
  authorization?: 'RBAC' | 'AlwaysAllow'
  /** Asked before every write, after the server's own defaults; throws an ApiError to refuse. */
  admit?: (request: AdmissionRequest) => void
  /** Runs exec, attach and logs; without one they answer 501. */
  podRuntime?: PodRuntime
  log?: Log
  /** Cluster IPs come from here. Default 10.96.0.0/12. */
  serviceCidr?: string
  /** How many changes a watch can resume over. Default 10000. */
  historyLength?: number
  /** How many changes may wait for a slow watcher. Default 10000. */
  watchQueueAtMost?: number
  /** How long a client may take to send a request's head; six times as long for the whole. Default 10000. */
  headersTimeoutMs?: number
  /** Milliseconds since 1970. */
  now?: () => number
}

export interface TlsOptions {
  cert: string
  key: string
  /** Certificates of clients signed by this CA are accepted: CN is the user, O are the groups. */
  clientCa?: string
}

export interface ListenOptions {
  tcp?: { host: string; port: number }
  unixPath?: string
  tls?: TlsOptions
}

/** A place where the server can be reached. */
export interface Listener {
  /** The port that was bound; undefined for unix sockets. */
  port: number | undefined
  /** `http(s)://host:port`, or the path of the unix socket. */
  url: string
  close(): Promise<void>
}

const silent: Log = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** A running API server: everything in memory, any number of listeners. Made by {@link createApiServer}. */
export class ApiServer {
  readonly #store: Store
  readonly #registry = new Registry()
  readonly #api: ResourceApi
  readonly #shell: HttpShell
  readonly #log: Log
  readonly #now: () => number
  readonly #headersTimeoutMs: number
  readonly #servers = new Set<Server>()
  readonly #watches = new Set<WatchStream>()
  #bookmarkTimer: NodeJS.Timeout | undefined

  constructor(options: ApiServerOptions) {
    const now = options.now ?? Date.now
    this.#now = now
    this.#headersTimeoutMs = options.headersTimeoutMs ?? 10_000
    this.#log = options.log ?? silent
    this.#store = new Store({ historyLength: options.historyLength ?? 10_000 })
    const allocator = new ServiceAllocator(this.#store, options.serviceCidr ?? '10.96.0.0/12')
    const admission = new BuiltinAdmission(this.#store, allocator)
    this.#api = new ResourceApi({ store: this.#store, admission, admit: options.admit ?? (() => undefined), now })
    new Lifecycle({
      api: this.#api,
      registry: this.#registry,
      now,
      defer: (work) => setImmediate(work),
      onError: (error) => this.#log.warn({ err: error }, 'clean-up failed'),
    })
    const tokens = new ServiceAccountTokens(this.#store, now)
    const authenticator = new Authenticator(options.tokens ?? {}, tokens)
    const authorizer: Authorizer =
      options.authorization === 'AlwaysAllow' ? alwaysAllow : new RbacAuthorizer(this.#store)
    const handler = new ResourceHandler({
      api: this.#api,
      registry: this.#registry,
      reviews: { authenticator, authorizer },
      tokens,
      now,
      watchQueueAtMost: options.watchQueueAtMost ?? 10_000,
      onWatch: (watch) => this.#addWatch(watch),
      logs: (pod, query, response) => serveLogs(options.podRuntime, pod, query, response),
    })
    const streams = new PodStreams(options.podRuntime, this.#log)
    this.#shell = new HttpShell({
      handler,
      authenticator,
      authorizer,
      registry: this.#registry,
      openApi: new OpenApi(this.#registry),
      api: this.#api,
      streams,
      log: this.#log,
    })
    for (const object of bootstrapObjects) this.apply(object)
    this.#store.subscribe(() => this.#scheduleBookmarks())
  }

  /** The latest resourceVersion. */
  get resourceVersion(): string {
    return String(this.#store.revision)
  }

  /** Opens a listener on TCP or on a unix socket, with TLS when `tls` is given. */
  async listen(options: ListenOptions): Promise<Listener> {
    const server = this.#createServer(options.tls)
    this.#servers.add(server)
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      const listening = (): void => {
        server.removeListener('error', reject)
        resolve()
      }
      if (options.unixPath !== undefined) server.listen(options.unixPath, listening)
      else server.listen(options.tcp?.port ?? 0, options.tcp?.host ?? '127.0.0.1', listening)
    })
    const address = server.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const host = options.tcp?.host ?? '127.0.0.1'
    const scheme = options.tls === undefined ? 'http' : 'https'
    const authority = host.includes(':') ? `[${host}]` : host
    return {
      port,
      url: port === undefined ? (options.unixPath ?? '') : `${scheme}://${authority}:${port}`,
      close: () => this.#closeServer(server),
    }
  }

  /** Ends all watches, streams and connections, and closes all listeners. */
  async close(): Promise<void> {
    clearTimeout(this.#bookmarkTimer)
    for (const watch of this.#watches) watch.end()
    await Promise.all([...this.#servers].map((server) => this.#closeServer(server)))
  }

  /**
   * Server-side apply of `object` as the manager `apiserver`, past authorization: creates it, or sets what it says and
   * removes what an earlier apply said. Takes fields over from others by force. A `status` is applied, too.
   * @throws {ApiError}
   */
  apply(object: KubeObject): KubeObject {
    const type = this.#typeOf(object)
    const { name, labels, annotations, finalizers, ownerReferences } = object.metadata
    const namespace = type.namespaced ? (object.metadata.namespace ?? 'default') : undefined
    const key = { namespace, name }
    const { status, ...config } = object
    const given = Object.entries({ namespace, labels, annotations, finalizers, ownerReferences })
    const metadata = { name, ...Object.fromEntries(given.filter(([, value]) => value !== undefined)) }
    const body = type.hasStatus || status === undefined ? { ...config, metadata } : { ...config, metadata, status }
    const applied = this.#api.patch(type, key, { type: 'apply', body, force: true }, embedder)
    if (!type.hasStatus || status === undefined) return applied
    const { apiVersion, kind } = object
    const statusBody = {
      apiVersion,
      kind,
      metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
      status,
    }
    return this.#api.patch(type, key, { type: 'apply', body: statusBody, force: true }, embedder, 'status')
  }

  /** Deletes an object as a client would, finalizers and grace periods included. @throws {ApiError} 404 */
  delete(apiVersion: string, kind: string, name: string, namespace = 'default'): void {
    const type = this.#typeOf({ apiVersion, kind })
    const key = { namespace: type.namespaced ? namespace : undefined, name }
    deleteObject(this.#api, type, key, {}, embedder, this.#now())
  }

  /** An object, or undefined. `namespace` is ignored for kinds without one. */
  get(apiVersion: string, kind: string, name: string, namespace = 'default'): KubeObject | undefined {
    const type = this.#typeOf({ apiVersion, kind })
    return this.#store.get(type.table, type.namespaced ? namespace : undefined, name)
  }

  /** All objects of a kind; of one namespace when given. */
  list(apiVersion: string, kind: string, namespace?: string): KubeObject[] {
    return this.#store.list(this.#typeOf({ apiVersion, kind }).table, namespace)
  }

  /** Forgets the history of changes: every watch that resumes from before gets 410 Gone, as after etcd's compaction. */
  compact(): void {
    this.#store.compact()
  }

  /** Ends all watches that are open, as a restarting server would. */
  dropWatches(): void {
    for (const watch of this.#watches) watch.end()
  }

  #typeOf({ apiVersion, kind }: { apiVersion: string; kind: string }): ResourceType {
    const type = this.#registry.ofKind(apiVersion, kind)
    if (type === undefined)
      throw badRequest(`no matches for kind ${JSON.stringify(kind)} in version ${JSON.stringify(apiVersion)}`)
    return type
  }

  #createServer(tls: TlsOptions | undefined): Server {
    const limits = {
      maxHeaderSize: HEADERS_AT_MOST_BYTES,
      headersTimeout: this.#headersTimeoutMs,
      requestTimeout: this.#headersTimeoutMs * REQUEST_TIMEOUT_FACTOR,
      connectionsCheckingInterval: this.#headersTimeoutMs / 2,
    }
    const serve = (request: IncomingMessage, response: ServerResponse): void => this.#shell.serve(request, response)
    const server =
      tls === undefined
        ? createHttpServer(limits, serve)
        : createHttpsServer(
            {
              ...limits,
              cert: tls.cert,
              key: tls.key,
              ...(tls.clientCa === undefined ? {} : { ca: tls.clientCa, requestCert: true, rejectUnauthorized: false }),
            },
            serve,
          )
    server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.#shell.upgrade(request, socket, head)
    })
    return server
  }

  async #closeServer(server: Server): Promise<void> {
    if (!this.#servers.delete(server)) return
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }

  #addWatch(watch: WatchStream): void {
    this.#watches.add(watch)
    watch.onClose(() => this.#watches.delete(watch))
    // What changed elsewhere between the client's list and this watch is told of, too.
    this.#scheduleBookmarks()
  }

  /** Bookmarks tell quiet watches of changes elsewhere: at most 20 times a second, one timer for all. */
  #scheduleBookmarks(): void {
    if (this.#bookmarkTimer !== undefined) return
    this.#bookmarkTimer = setTimeout(() => {
      this.#bookmarkTimer = undefined
      for (const watch of this.#watches) watch.bookmark()
    }, BOOKMARK_DELAY_MS)
    this.#bookmarkTimer.unref()
  }
}

const embedder: WriteOptions = {
  user: { username: 'system:apiserver', groups: ['system:masters'] },
  dryRun: false,
  fieldManager: 'apiserver',
  fieldValidation: 'Strict',
  warn: () => undefined,
}

/** Makes an API server with the objects that every cluster starts with. It serves once `listen` is called. */
export function createApiServer(options: ApiServerOptions = {}): ApiServer {
  return new ApiServer(options)
}
