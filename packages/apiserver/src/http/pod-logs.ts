import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { ApiError, badRequest } from '../errors.ts'
import { type KubeObject, objectsAt, stringAt } from '../object.ts'
import { parseCount, parseFlag } from './list-query.ts'
import type { LogOptions, PodRuntime } from './pod-runtime.ts'

/** Serves `pods/log`. @throws {ApiError} 400 for a container that the pod does not have, 501 without a runtime */
export async function serveLogs(
  runtime: PodRuntime | undefined,
  pod: KubeObject,
  query: URLSearchParams,
  response: ServerResponse,
): Promise<void> {
  if (runtime === undefined) throw noRuntime()
  const options = parseLogOptions(pod, query)
  const abort = new AbortController()
  response.on('close', () => abort.abort())
  const chunks = runtime.logs(pod, options, abort.signal)[Symbol.asyncIterator]()
  // The first chunk decides whether this is an answer or an error.
  let next = await chunks.next()
  response.writeHead(200, { 'content-type': 'text/plain' })
  response.flushHeaders()
  for (let left = options.limitBytes ?? Infinity; next.done !== true && left > 0; next = await chunks.next()) {
    const chunk = Buffer.from(next.value)
    const part = chunk.subarray(0, Math.min(left, chunk.length))
    left -= part.length
    if (!response.write(part)) await Promise.race([once(response, 'drain'), once(response, 'close')])
    if (response.destroyed) break
  }
  await chunks.return?.()
  response.end()
}

function parseLogOptions(pod: KubeObject, query: URLSearchParams): LogOptions {
  const options: LogOptions = {
    container: containerOf(pod, query.get('container') ?? ''),
    follow: parseFlag(query, 'follow'),
    previous: parseFlag(query, 'previous'),
    timestamps: parseFlag(query, 'timestamps'),
    tailLines: parseCount(query, 'tailLines'),
    sinceSeconds: parseCount(query, 'sinceSeconds'),
    sinceTime: query.get('sinceTime') ?? undefined,
    limitBytes: parseCount(query, 'limitBytes'),
  }
  if (options.sinceSeconds !== undefined && options.sinceTime !== undefined) {
    throw badRequest('at most one of `sinceTime` or `sinceSeconds` may be specified')
  }
  return options
}

/** The container that a request means: the named one, or the only one. @throws {ApiError} 400 */
export function containerOf(pod: KubeObject, name: string): string {
  const lists = ['containers', 'initContainers', 'ephemeralContainers']
  const names = lists.flatMap((list) => objectsAt(pod['spec'], list).map((container) => stringAt(container, 'name')))
  const [first] = names
  if (name !== '') {
    if (names.includes(name)) return name
    throw badRequest(`container ${name} is not valid for pod ${pod.metadata.name}`)
  }
  const main = objectsAt(pod['spec'], 'containers')
  if (first === undefined || main.length !== 1) {
    const choices = main.map((container) => stringAt(container, 'name')).join(' ')
    throw badRequest(`a container name must be specified for pod ${pod.metadata.name}, choose one of: [${choices}]`)
  }
  return first
}

/** 501: nobody runs containers here. */
export function noRuntime(): ApiError {
  return new ApiError('NotImplemented', 'this API server has no pod runtime: exec, attach and logs are not available')
}
