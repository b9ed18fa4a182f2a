import type { IncomingMessage, ServerResponse } from 'node:http'
import { stringify as toYaml } from 'yaml'
import type { UserInfo } from '../api/admission.ts'
import { decodeObject, type FieldValidation } from '../api/decoding.ts'
import { type DeleteOptions, deleteObject } from '../api/deletion.ts'
import { type Patch, patchTypes } from '../api/patching.ts'
import { bindPod, requestToken } from '../api/pod-subresources.ts'
import type { Registry } from '../api/registry.ts'
import type { ObjectKey, ResourceApi, WriteOptions } from '../api/resource-api.ts'
import { answerReview, type ReviewPorts } from '../api/reviews.ts'
import { patchScale, scaleOf, updateScale } from '../api/scale.ts'
import type { ServiceAccountTokens } from '../auth/tokens.ts'
import { ApiError, badRequest, methodNotAllowed } from '../errors.ts'
import { isObject, type JsonObject, type KubeObject, objectAt } from '../object.ts'
import type { ResourceType } from '../resources/resource-type.ts'
import { DecodeError, decode } from '../schema/decode.ts'
import { parseBody, readBody } from './body.ts'
import { listObjects, parseFlag, parseListQuery, parseSelectors } from './list-query.ts'
import { negotiate, parseRange, type Representation } from './negotiation.ts'
import { type IncludeObject, renderList, renderObject } from './representation.ts'
import type { RequestInfo } from './request-info.ts'
import { parseWatchQuery, WatchStream } from './watch-stream.ts'

const FIELD_MANAGER_AT_MOST = 128

export interface HandlerPorts {
  api: ResourceApi
  registry: Registry
  reviews: ReviewPorts
  tokens: ServiceAccountTokens
  now: () => number
  watchQueueAtMost: number
  /** Told of every watch that is opened. */
  onWatch: (watch: WatchStream) => void
  /** Serves `pods/log`. */
  logs: (pod: KubeObject, query: URLSearchParams, response: ServerResponse) => Promise<void>
}

export type ResourceRequest = Extract<RequestInfo, { isResource: true }>

interface Exchange {
  request: IncomingMessage
  response: ServerResponse
  info: ResourceRequest
  type: ResourceType
  query: URLSearchParams
  user: UserInfo
  representation: Representation
  warnings: string[]
}

/** The verb of a request, as RBAC and discovery call it. */
export function verbOf(method: string, info: RequestInfo, query: URLSearchParams): string {
  if (!info.isResource) return method.toLowerCase()
  const isCollection = info.name === undefined
  switch (method) {
    case 'GET':
    case 'HEAD':
      return isCollection ? (parseFlag(query, 'watch') ? 'watch' : 'list') : 'get'
    case 'POST':
      return 'create'
    case 'PUT':
      return 'update'
    case 'PATCH':
      return 'patch'
    case 'DELETE':
      return isCollection ? 'deletecollection' : 'delete'
    default:
      return method.toLowerCase()
  }
}

/** Answers requests for resources. */
export class ResourceHandler {
  readonly #ports: HandlerPorts

  constructor(ports: HandlerPorts) {
    this.#ports = ports
  }

  /** The resource that a request is about. @throws {ApiError} 404 */
  typeOf(info: ResourceRequest): ResourceType {
    const type = this.#ports.registry.find(info.group, info.version, info.resource)
    if (type === undefined || (!type.namespaced && info.namespace !== undefined)) throw pathNotFound()
    return type
  }

  async handle(
    request: IncomingMessage,
    response: ServerResponse,
    info: ResourceRequest,
    query: URLSearchParams,
    user: UserInfo,
  ): Promise<void> {
    const type = this.typeOf(info)
    const representation =
      info.subresource === 'log' ? ({ format: 'json', as: 'object' } as const) : negotiate(request.headers.accept)
    const exchange: Exchange = { request, response, info, type, query, user, representation, warnings: [] }
    if (info.name !== undefined && type.namespaced && info.namespace === undefined) throw pathNotFound()
    if (info.subresource !== undefined) await this.#handleSubresource(exchange, info.subresource)
    else if (info.name === undefined) await this.#handleCollection(exchange)
    else await this.#handleObject(exchange, { namespace: info.namespace, name: info.name })
  }

  async #handleCollection(exchange: Exchange): Promise<void> {
    const { request, type, query } = exchange
    const verb = verbOf(request.method ?? '', exchange.info, query)
    if (!(type.verbs as readonly string[]).includes(verb)) throw notAllowed()
    switch (verb) {
      case 'list':
        return this.#list(exchange)
      case 'watch':
        return this.#watch(exchange)
      case 'create':
        return this.#create(exchange)
      case 'deletecollection':
        return this.#deleteCollection(exchange)
      default:
        throw notAllowed()
    }
  }

  async #handleObject(exchange: Exchange, key: ObjectKey): Promise<void> {
    const { request, type } = exchange
    const { api } = this.#ports
    if (!type.verbs.includes('get')) throw notAllowed()
    switch (request.method) {
      case 'GET':
      case 'HEAD':
        if (parseFlag(exchange.query, 'watch'))
          throw badRequest('watch of a single object: use fieldSelector=metadata.name=…')
        return this.#sendObject(exchange, 200, api.get(type, key))
      case 'PUT': {
        const body = await this.#body(exchange)
        return this.#sendObject(exchange, 200, api.update(type, key, body, this.#writeOptions(exchange)))
      }
      case 'PATCH': {
        const patch = await this.#patch(exchange)
        const isNew = api.store.get(type.table, key.namespace, key.name) === undefined
        return this.#sendObject(exchange, isNew ? 201 : 200, api.patch(type, key, patch, this.#writeOptions(exchange)))
      }
      case 'DELETE':
        return this.#delete(exchange, key)
      default:
        throw notAllowed()
    }
  }

  async #handleSubresource(exchange: Exchange, subresource: string): Promise<void> {
    const { info, type, request } = exchange
    const key = { namespace: info.namespace, name: info.name ?? '' }
    if (!type.subresources.some(({ name }) => name === subresource)) throw pathNotFound()
    switch (subresource) {
      case 'status':
        return this.#handleStatus(exchange, key)
      case 'scale':
        return this.#handleScale(exchange, key)
      case 'log':
        if (request.method !== 'GET') throw notAllowed()
        return this.#ports.logs(this.#ports.api.get(type, key), exchange.query, exchange.response)
      case 'exec':
      case 'attach':
      case 'portforward':
        throw badRequest('Upgrade request required: this subresource is served over WebSocket')
      case 'finalize':
        if (request.method !== 'PUT') throw notAllowed()
        return this.#finalize(exchange, key)
      default:
        if (request.method !== 'POST') throw notAllowed()
        return this.#post(exchange, key, subresource)
    }
  }

  async #handleStatus(exchange: Exchange, key: ObjectKey): Promise<void> {
    const { api } = this.#ports
    const { type, request } = exchange
    switch (request.method) {
      case 'GET':
        return this.#sendObject(exchange, 200, api.get(type, key))
      case 'PUT': {
        const body = await this.#body(exchange)
        return this.#sendObject(exchange, 200, api.update(type, key, body, this.#writeOptions(exchange), 'status'))
      }
      case 'PATCH': {
        const patch = await this.#patch(exchange)
        return this.#sendObject(exchange, 200, api.patch(type, key, patch, this.#writeOptions(exchange), 'status'))
      }
      default:
        throw notAllowed()
    }
  }

  async #handleScale(exchange: Exchange, key: ObjectKey): Promise<void> {
    const { api } = this.#ports
    const { type, request } = exchange
    switch (request.method) {
      case 'GET':
        return this.#sendJson(exchange, 200, scaleOf(type, api.get(type, key)))
      case 'PUT': {
        const body = await this.#body(exchange)
        return this.#sendJson(
          exchange,
          200,
          decoding(() => updateScale(api, type, key, body, this.#writeOptions(exchange))),
        )
      }
      case 'PATCH': {
        const patch = await this.#patch(exchange)
        return this.#sendJson(
          exchange,
          200,
          decoding(() => patchScale(api, type, key, patch, this.#writeOptions(exchange))),
        )
      }
      default:
        throw notAllowed()
    }
  }

  async #post(exchange: Exchange, key: ObjectKey, subresource: string): Promise<void> {
    const { api, tokens, now } = this.#ports
    const { type } = exchange
    const body = await this.#body(exchange)
    if (!isObject(body)) throw badRequest('the body must be an object')
    const options = this.#writeOptions(exchange)
    switch (subresource) {
      case 'token':
        return this.#sendJson(exchange, 201, requestToken(api, tokens, type, key, body))
      case 'binding':
        bindPod(api, type, key, body, options, now())
        return this.#sendJson(exchange, 201, success())
      case 'eviction': {
        deleteObject(api, type, key, readDeleteOptions(objectAt(body, 'deleteOptions')), options, now())
        return this.#sendJson(exchange, 201, success())
      }
      default:
        throw pathNotFound()
    }
  }

  async #finalize(exchange: Exchange, key: ObjectKey): Promise<void> {
    await this.#body(exchange)
    return this.#sendObject(exchange, 200, this.#ports.api.get(exchange.type, key))
  }

  #list(exchange: Exchange): void {
    const { type, query, info, representation, response } = exchange
    const list = listObjects(this.#ports.api.store, type, info.namespace, parseListQuery(type, query))
    const text = renderList(type, list, representation.as, includeOf(query), this.#ports.now())
    send(response, 200, representation.format, text, exchange.warnings)
  }

  #watch(exchange: Exchange): void {
    const { type, query, info, representation, response } = exchange
    const { api, now, watchQueueAtMost, onWatch } = this.#ports
    const watchQuery = parseWatchQuery(type, query, api.store)
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' })
    onWatch(
      new WatchStream({
        type,
        namespace: info.namespace,
        query: watchQuery,
        representation,
        include: includeOf(query),
        response,
        store: api.store,
        now,
        queueAtMost: watchQueueAtMost,
      }),
    )
  }

  async #create(exchange: Exchange): Promise<void> {
    const { type, info, user } = exchange
    if (type.namespaced && info.namespace === undefined) throw notAllowed()
    const body = await this.#body(exchange)
    const options = this.#writeOptions(exchange)
    if (type.verbs.includes('get')) {
      return this.#sendObject(exchange, 201, this.#ports.api.create(type, info.namespace, body, options))
    }
    const review = decodeObject(type, body, options.fieldValidation, options.warn)
    this.#sendJson(exchange, 201, answerReview(this.#ports.reviews, type, review, user, info.namespace))
  }

  async #delete(exchange: Exchange, key: ObjectKey): Promise<void> {
    const { type, query } = exchange
    const deletion = await this.#deleteOptions(exchange)
    const options = this.#writeOptions(exchange)
    const { object, gone } = deleteObject(
      this.#ports.api,
      type,
      key,
      deletion,
      { ...options, dryRun: options.dryRun || isDryRun(query) },
      this.#ports.now(),
    )
    if (!gone || type.table === 'pods') return this.#sendObject(exchange, 200, object)
    this.#sendJson(exchange, 200, {
      ...success(),
      details: {
        name: key.name,
        ...(type.group === '' ? {} : { group: type.group }),
        kind: type.resource,
        uid: object.metadata.uid,
      },
    })
  }

  async #deleteCollection(exchange: Exchange): Promise<void> {
    const { type, query, info } = exchange
    const { api, now } = this.#ports
    const { matches } = parseSelectors(type, query)
    const deletion = await this.#deleteOptions(exchange)
    const options = this.#writeOptions(exchange)
    const found = api.store.list(type.table, info.namespace).filter((object) => matches(object))
    const deleted = found.map(
      ({ metadata: { namespace, name } }) =>
        deleteObject(api, type, { namespace, name }, deletion, options, now()).object,
    )
    const list = { items: deleted, resourceVersion: api.store.revision, continue: undefined, remaining: undefined }
    const text = renderList(type, list, 'object', 'Metadata', now())
    send(exchange.response, 200, exchange.representation.format, text, exchange.warnings)
  }

  async #deleteOptions({ request, query }: Exchange): Promise<DeleteOptions> {
    const body = await readBody(request)
    const parsed = body.length === 0 ? {} : parseBody(body, request.headers['content-type'])
    if (!isObject(parsed)) throw badRequest('DeleteOptions must be an object')
    const fromQuery: JsonObject = {}
    for (const name of ['propagationPolicy', 'gracePeriodSeconds', 'orphanDependents']) {
      const text = query.get(name)
      if (text !== null)
        fromQuery[name] =
          name === 'gracePeriodSeconds' ? Number(text) : name === 'orphanDependents' ? text === 'true' : text
    }
    if (Array.isArray(parsed['dryRun']) && parsed['dryRun'].length > 0) query.set('dryRun', String(parsed['dryRun'][0]))
    return readDeleteOptions({ ...fromQuery, ...parsed })
  }

  async #body({ request }: Exchange): Promise<unknown> {
    return parseBody(await readBody(request), request.headers['content-type'])
  }

  async #patch({ request, query }: Exchange): Promise<Patch> {
    const contentType = parseRange(request.headers['content-type'] ?? '').type
    const type = patchTypes[contentType]
    if (type === undefined) {
      const list = Object.keys(patchTypes).join(', ')
      throw new ApiError(
        'UnsupportedMediaType',
        `the body of the request was in an unknown format - accepted media types include: ${list}`,
      )
    }
    const body = parseBody(await readBody(request), contentType)
    if (type !== 'apply') {
      if (query.has('force')) throw badRequest('force: Forbidden: may not be specified for non-apply patch')
      return { type, body }
    }
    if ((query.get('fieldManager') ?? '') === '') {
      throw badRequest(
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
      )
    }
    return { type, body, force: parseFlag(query, 'force') }
  }

  #writeOptions({ request, query, user, warnings }: Exchange): WriteOptions {
    const manager = query.get('fieldManager') || (request.headers['user-agent'] ?? 'unknown').split('/')[0] || 'unknown'
    if (manager.length > FIELD_MANAGER_AT_MOST)
      throw badRequest('fieldManager: Too long: may not be more than 128 bytes')
    return {
      user,
      dryRun: isDryRun(query),
      fieldManager: manager,
      fieldValidation: fieldValidationOf(query),
      warn: (text) => warnings.push(text),
    }
  }

  #sendObject({ response, representation, type, query, warnings }: Exchange, code: number, object: KubeObject): void {
    const text = renderObject(type, object, representation.as, includeOf(query), this.#ports.now())
    send(response, code, representation.format, text, warnings)
  }

  #sendJson({ response, representation, warnings }: Exchange, code: number, object: unknown): void {
    send(response, code, representation.format, JSON.stringify(object), warnings)
  }
}

/** Sends `json` in the wanted format. */
export function send(
  response: ServerResponse,
  code: number,
  format: Representation['format'],
  json: string,
  warnings: string[] = [],
): void {
  const text = format === 'yaml' ? toYaml(JSON.parse(json)) : json
  response.statusCode = code
  response.setHeader('content-type', format === 'yaml' ? 'application/yaml' : 'application/json')
  response.setHeader('cache-control', 'no-cache, private')
  if (warnings.length > 0) {
    response.setHeader(
      'warning',
      warnings
        .slice(0, 64)
        .map((text) => `299 - ${JSON.stringify(text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 1024))}`),
    )
  }
  response.end(text)
}

function success(): JsonObject {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' }
}

function includeOf(query: URLSearchParams): IncludeObject {
  const include = query.get('includeObject')
  return include === 'None' || include === 'Object' ? include : 'Metadata'
}

function isDryRun(query: URLSearchParams): boolean {
  const values = query.getAll('dryRun').filter((value) => value !== '')
  const wrong = values.find((value) => value !== 'All')
  if (wrong !== undefined) {
    throw new ApiError(
      'Invalid',
      `dryRun: Unsupported value: ${JSON.stringify(wrong.slice(0, 64))}: supported values: "All"`,
      {
        causes: [{ reason: 'FieldValueNotSupported', message: 'supported values: "All"', field: 'dryRun' }],
      },
    )
  }
  return values.length > 0
}

function fieldValidationOf(query: URLSearchParams): FieldValidation {
  const value = query.get('fieldValidation') ?? ''
  if (value === '') return 'Warn'
  if (value === 'Ignore' || value === 'Warn' || value === 'Strict') return value
  throw new ApiError(
    'Invalid',
    `fieldValidation: Unsupported value: ${JSON.stringify(value.slice(0, 64))}: supported values: "Ignore", "Strict", "Warn"`,
    {
      causes: [
        {
          reason: 'FieldValueNotSupported',
          message: 'supported values: "Ignore", "Strict", "Warn"',
          field: 'fieldValidation',
        },
      ],
    },
  )
}

function readDeleteOptions(value: JsonObject): DeleteOptions {
  const { value: options } = decoding(() =>
    decode({ $ref: 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions' }, value),
  )
  const { propagationPolicy, gracePeriodSeconds, orphanDependents } = options
  if (propagationPolicy !== undefined && !isPolicy(propagationPolicy)) {
    throw new ApiError(
      'Invalid',
      `DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: ${JSON.stringify(propagationPolicy)}: supported values: "Foreground", "Background", "Orphan", "nil"`,
      {
        causes: [{ reason: 'FieldValueNotSupported', message: 'Unsupported value', field: 'propagationPolicy' }],
      },
    )
  }
  const policy = propagationPolicy ?? (orphanDependents === true ? 'Orphan' : undefined)
  const preconditions = objectAt(options, 'preconditions') as { uid?: string; resourceVersion?: string }
  return {
    preconditions,
    ...(isPolicy(policy) ? { propagationPolicy: policy } : {}),
    ...(typeof gracePeriodSeconds === 'number' ? { gracePeriodSeconds: Math.max(0, gracePeriodSeconds) } : {}),
  }
}

function isPolicy(value: unknown): value is NonNullable<DeleteOptions['propagationPolicy']> {
  return value === 'Background' || value === 'Foreground' || value === 'Orphan'
}

function decoding<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    const causes = [{ reason: 'FieldValueTypeInvalid', message: error.message, field: error.field }]
    throw new ApiError('BadRequest', error.message, { causes }, { cause: error })
  }
}

/** 404 for paths that nothing serves. */
export function pathNotFound(): ApiError {
  // kubectl reads the details of a 404 without asking whether there are any.
  return new ApiError('NotFound', 'the server could not find the requested resource', {})
}

function notAllowed(): ApiError {
  return methodNotAllowed('the server does not allow this method on the requested resource')
}
