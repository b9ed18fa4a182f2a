import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { UserInfo } from '../api/admission.ts'
import type { Registry } from '../api/registry.ts'
import type { ResourceApi } from '../api/resource-api.ts'
import type { Log } from '../api-server.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Attributes, Authorizer } from '../auth/authorizer.ts'
import { ApiError, badRequest, forbidden, methodNotAllowed } from '../errors.ts'
import type { JsonObject } from '../object.ts'
import {
  aggregatedDiscovery,
  aggregatedVersion,
  coreVersions,
  groupDiscovery,
  groupList,
  resourceList,
  serverVersion,
} from './discovery.ts'
import { pathNotFound, type ResourceHandler, send, verbOf } from './handler.ts'
import type { OpenApi } from './openapi.ts'
import type { PodStreams } from './pod-streams.ts'
import { parseRequestPath, type RequestInfo } from './request-info.ts'

const openPaths = new Set(['/livez', '/readyz', '/healthz', '/version'])
const streamed = new Set(['exec', 'attach', 'portforward'])

export interface HttpShellPorts {
  handler: ResourceHandler
  authenticator: Authenticator
  authorizer: Authorizer
  registry: Registry
  openApi: OpenApi
  api: ResourceApi
  streams: PodStreams
  log: Log
}

interface Asked {
  info: RequestInfo
  query: URLSearchParams
  user: UserInfo
}

/** From an HTTP request to an answer: who asks, may they, which handler; every failure becomes a Status. */
export class HttpShell {
  readonly #ports: HttpShellPorts

  constructor(ports: HttpShellPorts) {
    this.#ports = ports
  }

  serve(request: IncomingMessage, response: ServerResponse): void {
    this.#serve(request, response).catch((error: unknown) => this.#fail(request, response, error))
  }

  /** Serves exec, attach and port-forward; anything else gets an answer and a closed connection. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', (error) => this.#ports.log.info({ err: error }, 'a streaming connection broke'))
    try {
      const { info } = this.#authorize(request)
      if (!info.isResource || info.subresource === undefined || !streamed.has(info.subresource)) {
        throw badRequest('this path does not accept upgrade requests')
      }
      const type = this.#ports.handler.typeOf(info)
      if (type.table !== 'pods') throw pathNotFound()
      const pod = this.#ports.api.get(type, { namespace: info.namespace, name: info.name ?? '' })
      this.#ports.streams.upgrade(info.subresource, pod, urlOf(request).searchParams, request, socket, head)
    } catch (error) {
      const status = this.#statusOf(request, error)
      const body = JSON.stringify(status.toStatus())
      socket.end(
        `HTTP/1.1 ${status.httpCode} ${STATUS_CODES[status.httpCode] ?? ''}\r\ncontent-type: application/json\r\n` +
          `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      )
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = urlOf(request)
    if (openPaths.has(pathname.replace(/\/$/, ''))) {
      this.#open(pathname.replace(/\/$/, ''), response)
      return
    }
    const { info, query, user } = this.#authorize(request)
    if (info.isResource) await this.#ports.handler.handle(request, response, info, query, user)
    else this.#plain(request, response, info.path)
  }

  #open(path: string, response: ServerResponse): void {
    if (path === '/version') {
      send(response, 200, 'json', JSON.stringify(serverVersion))
      return
    }
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' }).end('ok')
  }

  /** @throws {ApiError} 400, 401, 403 */
  #authorize(request: IncomingMessage): Asked {
    const url = urlOf(request)
    const query = url.searchParams
    const info = parseRequestPath(url.pathname)
    if (info === undefined) throw badRequest('the path has a broken percent escape')
    const user = this.#userOf(request)
    const verb = verbOf(request.method ?? '', info, query)
    const attributes: Attributes = info.isResource
      ? {
          isResource: true,
          verb,
          group: info.group,
          resource: info.resource,
          subresource: info.subresource ?? '',
          namespace: info.namespace ?? (info.group === '' && info.resource === 'namespaces' ? (info.name ?? '') : ''),
          name: info.name ?? '',
        }
      : { isResource: false, verb, path: info.path }
    if (!this.#ports.authorizer.allows(user, attributes)) throw refusal(user, attributes)
    return { info, query, user }
  }

  /** The one who asks, or whom they may and want to pass for. @throws {ApiError} 401, 403 */
  #userOf(request: IncomingMessage): UserInfo {
    const { authenticator, authorizer } = this.#ports
    const user = authenticator.authenticate(request)
    if (user === undefined) throw new ApiError('Unauthorized', 'Unauthorized')
    const username = request.headers['impersonate-user']
    const groups = request.headersDistinct['impersonate-group'] ?? []
    if (typeof username !== 'string' || username === '') {
      if (groups.length > 0) throw badRequest('requested groups without impersonating a user')
      return user
    }
    for (const [resource, name] of [['users', username], ...groups.map((group) => ['groups', group])] as const) {
      const attributes: Attributes = {
        isResource: true,
        verb: 'impersonate',
        group: '',
        resource: resource ?? '',
        subresource: '',
        namespace: '',
        name: name ?? '',
      }
      if (!authorizer.allows(user, attributes)) throw refusal(user, attributes)
    }
    return { username, groups: [...new Set([...groups, ...accountGroups(username), 'system:authenticated'])] }
  }

  #plain(request: IncomingMessage, response: ServerResponse, path: string): void {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw methodNotAllowed('the server does not allow this method on the requested resource')
    }
    const version = isDiscoveryRoot(path) ? aggregatedVersion(request.headers.accept) : undefined
    if (version !== undefined) {
      const body = JSON.stringify(aggregatedDiscovery(this.#ports.registry, path === '/api', version))
      const type = `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`
      response.writeHead(200, { 'content-type': type, vary: 'Accept' }).end(body)
      return
    }
    const body = this.#document(path, request.headers.accept)
    if (body === undefined) throw pathNotFound()
    send(response, 200, 'json', typeof body === 'string' ? body : JSON.stringify(body))
  }

  #document(path: string, accept: string | undefined): JsonObject | string | undefined {
    const { registry, openApi } = this.#ports
    const [root, ...rest] = path.split('/').slice(1)
    switch (root) {
      case 'api':
        return rest.length === 0 ? coreVersions() : resourceList(registry, '', rest[0] ?? '')
      case 'apis':
        if (rest.length === 0) return groupList(registry)
        return rest.length === 1
          ? groupDiscovery(registry, rest[0] ?? '')
          : resourceList(registry, rest[0] ?? '', rest[1] ?? '')
      case 'openapi':
        if (rest[0] === 'v2' && rest.length === 1) return openApiV2(openApi, accept)
        if (rest[0] !== 'v3') return undefined
        return rest.length === 1 ? openApi.index() : openApi.v3(rest.slice(1).join('/'))
      case '':
        return {
          paths: [
            '/api',
            '/api/v1',
            '/apis',
            '/healthz',
            '/livez',
            '/openapi/v2',
            '/openapi/v3',
            '/readyz',
            '/version',
          ],
        }
      default:
        return undefined
    }
  }

  #fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    if (response.destroyed || response.writableEnded) return
    const status = this.#statusOf(request, error)
    if (response.headersSent) {
      response.destroy()
      return
    }
    // What is left of a refused body is not read: the connection can't be used again.
    if (!request.complete) response.setHeader('connection', 'close')
    const retryAfter = status.details?.retryAfterSeconds
    if (retryAfter !== undefined) response.setHeader('retry-after', String(retryAfter))
    if (status.code === 'Unauthorized') response.setHeader('www-authenticate', 'Bearer realm="kubernetes"')
    send(response, status.httpCode, 'json', JSON.stringify(status.toStatus()))
  }

  #statusOf(request: IncomingMessage, error: unknown): ApiError {
    if (error instanceof ApiError) return error
    if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') {
      return badRequest('the request was not completed', { cause: error })
    }
    this.#ports.log.error({ err: error, method: request.method, url: request.url }, 'a request failed')
    const message = error instanceof Error ? error.message : String(error)
    return new ApiError('InternalError', `Internal error occurred: ${message}`, undefined, { cause: error })
  }
}

/** Groups that every service account is in. */
function accountGroups(username: string): string[] {
  const namespace = /^system:serviceaccount:([^:]+):[^:]+$/.exec(username)?.[1]
  return namespace === undefined ? [] : ['system:serviceaccounts', `system:serviceaccounts:${namespace}`]
}

function isDiscoveryRoot(path: string): boolean {
  return path === '/api' || path === '/apis'
}

/** The protobuf form that Go clients ask for is not made here; they fall back to OpenAPI v3. */
function openApiV2(openApi: OpenApi, accept: string | undefined): string {
  if (accept !== undefined && accept.includes('proto-openapi') && !accept.includes('application/json')) {
    throw new ApiError('NotAcceptable', 'only the following media types are accepted: application/json')
  }
  return openApi.v2()
}

function urlOf(request: IncomingMessage): URL {
  const target = request.url ?? '/'
  const url = URL.parse(target.startsWith('/') ? `http://localhost${target}` : target)
  if (url === null) throw badRequest('the request target is not a URL')
  return url
}

function refusal(user: UserInfo, attributes: Attributes): ApiError {
  if (!attributes.isResource) {
    return new ApiError(
      'Forbidden',
      `forbidden: User ${JSON.stringify(user.username)} cannot ${attributes.verb} path ${JSON.stringify(attributes.path)}`,
    )
  }
  const { verb, group, resource, subresource, namespace, name } = attributes
  const full = subresource === '' ? resource : `${resource}/${subresource}`
  const scope = namespace === '' ? 'at the cluster scope' : `in the namespace ${JSON.stringify(namespace)}`
  const why = `User ${JSON.stringify(user.username)} cannot ${verb} resource ${JSON.stringify(full)} in API group ${JSON.stringify(group)} ${scope}`
  return forbidden({ group, resource: full }, name, why)
}
