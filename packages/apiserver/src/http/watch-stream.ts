import type { ServerResponse } from 'node:http'
import { served } from '../api/resource-api.ts'
import { type ApiError, badRequest } from '../errors.ts'
import { forbiddenField } from '../field-error.ts'
import type { KubeObject } from '../object.ts'
import { apiVersionOf, type ResourceType } from '../resources/resource-type.ts'
import type { Store, StoreEvent } from '../store/store.ts'
import { expired, listInvalid, parseCount, parseFlag, parseResourceVersion, parseSelectors } from './list-query.ts'
import type { Representation } from './negotiation.ts'
import { type IncludeObject, objectJson, renderObject, table } from './representation.ts'

const DEFAULT_TIMEOUT_SECONDS = 1800
const INITIAL_EVENTS_END = 'k8s.io/initial-events-end'

/** What a watch asks for. */
export interface WatchQuery {
  matches: (object: KubeObject) => boolean
  /** Start after this revision; undefined: start with all objects there are. */
  after: number | undefined
  bookmarks: boolean
  /** Ask for a bookmark that tells where the initial objects end (WatchList). */
  markInitialEnd: boolean
  timeoutSeconds: number
}

/** Reads the query parameters of a watch. @throws {ApiError} 400, 410, 422 */
export function parseWatchQuery(type: ResourceType, query: URLSearchParams, store: Store): WatchQuery {
  const { matches } = parseSelectors(type, query)
  const revision = parseResourceVersion(query)
  const sendInitialEvents = query.has('sendInitialEvents') ? parseFlag(query, 'sendInitialEvents') : undefined
  const match = query.get('resourceVersionMatch') ?? ''
  const bookmarks = parseFlag(query, 'allowWatchBookmarks')
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan') {
    throw listInvalid(
      forbiddenField(
        'resourceVersionMatch',
        'resourceVersionMatch "NotOlderThan" is required when sendInitialEvents is set',
      ),
    )
  }
  if (sendInitialEvents === undefined && match !== '') {
    throw listInvalid(
      forbiddenField(
        'resourceVersionMatch',
        'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided',
      ),
    )
  }
  if (query.get('continue')) throw badRequest('continue is not allowed for watch')
  const wantsAll = sendInitialEvents ?? (revision === undefined || revision === 0)
  const after = wantsAll ? undefined : revision === undefined || revision === 0 ? store.revision : revision
  // A revision from the future was given by another life of this server, whose store is gone.
  if (after !== undefined && (after < store.compactedRevision || after > store.revision)) {
    throw expired(after, store.compactedRevision)
  }
  return {
    matches,
    after,
    bookmarks: bookmarks || sendInitialEvents === true,
    markInitialEnd: sendInitialEvents === true,
    timeoutSeconds: parseCount(query, 'timeoutSeconds') || DEFAULT_TIMEOUT_SECONDS,
  }
}

interface Pending {
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  object: KubeObject
}

export interface WatchStreamOptions {
  type: ResourceType
  namespace: string | undefined
  query: WatchQuery
  representation: Representation
  include: IncludeObject
  response: ServerResponse
  store: Store
  now: () => number
  /** Changes that may wait for a client that does not read; more of them end the watch. */
  queueAtMost: number
}

/** One watch: writes changes as they come, waits when the client is slow, gives up when it is too slow. */
export class WatchStream {
  readonly #options: WatchStreamOptions
  readonly #unsubscribe: () => void
  readonly #timer: NodeJS.Timeout
  /** Objects that were there at the start; the next one is last. */
  readonly #initial: Pending[]
  readonly #queue: Pending[] = []
  #initialEndPending: boolean
  #sentRevision: number
  #seenRevision: number
  #isBlocked = false
  /** A bookmark that had to wait for changes to be sent first. */
  #bookmarkDue = false
  #isOpen = true
  #tableHeadSent = false

  constructor(options: WatchStreamOptions) {
    this.#options = options
    const { store, type, namespace, query, response } = options
    this.#seenRevision = store.revision
    this.#sentRevision = query.after ?? store.revision
    this.#initialEndPending = query.markInitialEnd
    const initial: Pending[] =
      query.after === undefined
        ? store
            .list(type.table, namespace)
            .filter((object) => query.matches(object))
            .map((object) => ({ type: 'ADDED', object }))
        : store.eventsAfter(query.after, type.table).flatMap((event) => this.#filtered(event))
    this.#initial = initial.toReversed()
    this.#unsubscribe = store.subscribe((event) => this.#onEvent(event))
    this.#timer = setTimeout(() => this.end(), query.timeoutSeconds * 1000)
    this.#timer.unref()
    response.on('drain', () => {
      this.#isBlocked = false
      this.#pump()
    })
    response.on('close', () => this.#stop())
    response.flushHeaders()
    this.#pump()
  }

  /** Sends a bookmark when the client asked for them and has not heard of the current revision. */
  bookmark(): void {
    const { store, query } = this.#options
    if (!this.#isOpen || !query.bookmarks) return
    this.#bookmarkDue = this.#isBlocked || this.#queue.length > 0 || this.#initial.length > 0
    if (!this.#bookmarkDue && this.#sentRevision < store.revision) this.#writeBookmark(store.revision, undefined)
  }

  /** Calls `listener` once, when the watch has ended for whatever reason. */
  onClose(listener: () => void): void {
    this.#options.response.once('close', listener)
  }

  /** Ends the watch in good order: the client may start again from where it is. */
  end(): void {
    if (!this.#isOpen) return
    this.#stop()
    this.#options.response.end()
  }

  /** Ends the watch with an ERROR event. */
  fail(error: ApiError): void {
    if (!this.#isOpen) return
    this.#stop()
    this.#options.response.end(`{"type":"ERROR","object":${JSON.stringify(error.toStatus())}}\n`)
  }

  #stop(): void {
    this.#isOpen = false
    clearTimeout(this.#timer)
    this.#unsubscribe()
    this.#queue.length = 0
    this.#initial.length = 0
  }

  #onEvent(event: StoreEvent): void {
    if (!this.#isOpen) return
    this.#seenRevision = event.revision
    if (event.table !== this.#options.type.table) return
    const pending = this.#filtered(event)
    if (pending.length === 0) return
    this.#queue.push(...pending)
    if (this.#queue.length > this.#options.queueAtMost) {
      this.fail(expired(this.#sentRevision, event.revision))
      // The client does not read: what is buffered for it must not stay.
      this.#options.response.destroy()
      return
    }
    this.#pump()
  }

  /** What a change means to this watch: an object that stops matching is gone for it, one that starts is new. */
  #filtered({ type, object, previous, table: changed }: StoreEvent): Pending[] {
    const { namespace, query, type: watched } = this.#options
    if (changed !== watched.table) return []
    if (namespace !== undefined && object.metadata.namespace !== namespace) return []
    const matches = type !== 'DELETED' && query.matches(object)
    const matched = previous !== undefined && query.matches(previous)
    if (matches) return [{ type: matched ? 'MODIFIED' : 'ADDED', object }]
    if (!matched) return []
    // The last state that the client saw, at the revision of the change.
    const { resourceVersion } = object.metadata
    const last = {
      ...previous,
      metadata: { ...previous.metadata, ...(resourceVersion === undefined ? {} : { resourceVersion }) },
    }
    return [{ type: 'DELETED', object: last }]
  }

  #pump(): void {
    while (this.#isOpen && !this.#isBlocked) {
      const next = this.#initial.pop()
      if (next !== undefined) this.#write(next)
      else if (this.#initialEndPending) {
        this.#initialEndPending = false
        this.#writeBookmark(this.#seenRevision, { [INITIAL_EVENTS_END]: 'true' })
      } else {
        const change = this.#queue.shift()
        if (change === undefined) {
          if (this.#bookmarkDue) this.bookmark()
          return
        }
        this.#write(change)
        this.#sentRevision = Math.max(this.#sentRevision, Number(change.object.metadata.resourceVersion))
      }
    }
  }

  #write({ type, object }: Pending): void {
    this.#send(type, this.#render(object))
  }

  #render(object: KubeObject): string {
    const { type, representation, include, now } = this.#options
    if (representation.as === 'object') return objectJson(served(type, object))
    if (representation.as === 'partial') return renderObject(type, object, 'partial', include, now())
    const rendered = table(type, [object], object.metadata.resourceVersion ?? '', include, now())
    if (this.#tableHeadSent) return JSON.stringify({ ...rendered, columnDefinitions: [] })
    this.#tableHeadSent = true
    return JSON.stringify(rendered)
  }

  #writeBookmark(revision: number, annotations: Record<string, string> | undefined): void {
    const { type, representation } = this.#options
    this.#sentRevision = revision
    const metadata = { resourceVersion: String(revision), ...(annotations === undefined ? {} : { annotations }) }
    const head = { kind: type.kind, apiVersion: apiVersionOf(type), metadata }
    if (representation.as === 'object') this.#send('BOOKMARK', JSON.stringify(head))
    else if (representation.as === 'partial') {
      this.#send('BOOKMARK', JSON.stringify({ kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata }))
    } else {
      const columns = { columnDefinitions: [], rows: [{ cells: [], object: { ...head } }] }
      const text = {
        kind: 'Table',
        apiVersion: 'meta.k8s.io/v1',
        metadata: { resourceVersion: String(revision) },
        ...columns,
      }
      this.#send('BOOKMARK', JSON.stringify(text))
    }
  }

  #send(type: string, object: string): void {
    const { response } = this.#options
    this.#isBlocked = !response.write(`{"type":"${type}","object":${object}}\n`)
  }
}
