import { setTimeout as delay } from 'node:timers/promises'
import type { Table } from '@margay/bus'
import { type KubernetesObject, objectKey } from '@margay/model'
import type { ApiClient, WatchEvent } from './api-client.ts'
import { ApiError } from './errors.ts'
import type { Log } from './log.ts'
import type { Resource } from './resources.ts'
import { trim } from './trim.ts'

/** A watch that ended sooner, having said nothing, counts as a failure. */
const SHORT_WATCH_MS = 1_000
const FIRST_RETRY_MS = 200
const MAX_RETRY_MS = 10_000

/**
 * Keeps a table equal to what the API server holds of one kind: list, then watch; list again when the watch's
 * history is gone. The list is applied as a difference. Runs until `signal` fires.
 */
export async function reflect<T extends KubernetesObject>(
  client: ApiClient,
  resource: Resource<T>,
  table: Table<T>,
  options: { signal: AbortSignal; log: Log },
): Promise<void> {
  const { signal, log } = options
  let resourceVersion: string | undefined
  let failures = 0
  while (!signal.aborted) {
    try {
      if (resourceVersion === undefined) {
        const list = await client.list(resource, { signal })
        replace(table, list.items, list.resourceVersion)
        resourceVersion = list.resourceVersion
      }
      const begin = performance.now()
      let heard = false
      for await (const event of client.watch(resource, { resourceVersion, signal })) {
        failures = 0
        heard = true
        resourceVersion = apply(table, event, log) ?? resourceVersion
      }
      if (!heard && performance.now() - begin < SHORT_WATCH_MS)
        throw new ApiError(0, undefined, `the server ended the watch of ${resource.plural} at once`)
    } catch (error) {
      if (isAborted(signal)) return
      if (!(error instanceof ApiError)) throw error
      if (error.code === 'API_GONE') {
        resourceVersion = undefined
        // Once is what happens after a long break; again and again is a server in trouble.
        if (failures++ === 0) continue
      }
      const waitMs = Math.min(FIRST_RETRY_MS * 2 ** failures++, MAX_RETRY_MS) * (0.5 + Math.random() / 2)
      log.warn(
        { kind: resource.kind, code: error.code, error: error.message, waitMs },
        'the API server does not answer',
      )
      await delay(waitMs, undefined, { signal }).catch(ignoreAbort)
    }
  }
}

function isAborted(signal: AbortSignal): boolean {
  return signal.aborted
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'AbortError') throw error
}

function replace<T extends KubernetesObject>(table: Table<T>, items: readonly T[], watermark: string): void {
  const snapshot = new Map(items.map((item) => [objectKey(item.metadata), trim(item)] as const))
  table.replace(snapshot, {
    watermark,
    same: (a, b) => a.metadata.uid === b.metadata.uid && a.metadata.resourceVersion === b.metadata.resourceVersion,
  })
}

/** @returns the resourceVersion that the event reached. */
function apply<T extends KubernetesObject>(table: Table<T>, event: WatchEvent, log: Log): string | undefined {
  const { metadata } = event.object
  if (metadata?.resourceVersion === undefined) {
    log.error({ event }, 'the API server sent an event without a resourceVersion')
    return undefined
  }
  if (event.type === 'DELETED') table.delete(objectKey(metadata))
  else if (event.type !== 'BOOKMARK') table.set(objectKey(metadata), trim(event.object as KubernetesObject as T))
  table.advance(metadata.resourceVersion)
  return metadata.resourceVersion
}
