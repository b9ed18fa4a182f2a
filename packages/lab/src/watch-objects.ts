import { setTimeout as delay } from 'node:timers/promises'
import { type ApiClient, ApiError, type Resource } from '@margay/datastore'
import type { KubernetesObject } from '@margay/model'
import type { Logger } from 'pino'

const RETRY_MS = 200

/** Calls back for every object of a kind as it is and as it changes, untrimmed. Runs until `signal` fires. */
export async function watchObjects<T extends KubernetesObject>(
  client: ApiClient,
  resource: Resource,
  options: { signal: AbortSignal; log: Logger; onObject: (object: T) => void; onGone: (object: T) => void },
): Promise<void> {
  const { signal, log, onObject, onGone } = options
  const known = new Map<string, T>()
  while (!signal.aborted) {
    try {
      const { items, resourceVersion } = await client.list(resource, { signal })
      const present = new Set(items.map(({ metadata }) => metadata.uid))
      for (const [uid, object] of known) if (!present.has(uid)) forget(uid, object)
      for (const item of items) remember(item as T)
      for await (const event of client.watch(resource, { resourceVersion, signal })) {
        const object = event.object as KubernetesObject as T
        if (event.type === 'DELETED') forget(object.metadata.uid ?? '', object)
        else if (event.type !== 'BOOKMARK') remember(object)
      }
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof ApiError)) throw error
      log.warn({ kind: resource.kind, error: error.message }, 'a watch broke')
      await delay(RETRY_MS)
    }
  }

  function remember(object: T): void {
    known.set(object.metadata.uid ?? '', object)
    onObject(object)
  }

  function forget(uid: string, object: T): void {
    known.delete(uid)
    onGone(object)
  }
}
