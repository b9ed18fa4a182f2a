import { deepFreeze, type KubeObject } from '../object.ts'

/** One change of one object. `revision` is the resourceVersion that it made. */
export interface StoreEvent {
  revision: number
  table: string
  type: 'ADDED' | 'MODIFIED' | 'DELETED'
  object: KubeObject
  /** State before the change, for MODIFIED and DELETED. */
  previous: KubeObject | undefined
}

export interface StoreOptions {
  /** How many changes stay readable for watches that resume; older ones get 410 Gone. */
  historyLength: number
}

type Listener = (event: StoreEvent) => void

/**
 * Objects in memory under one growing revision over all tables, as etcd keeps them, with a bounded history.
 * A table is a resource in a group (`networkpolicies.networking.k8s.io`); objects in it are frozen.
 */
export class Store {
  readonly #historyLength: number
  readonly #tables = new Map<string, Map<string, KubeObject>>()
  readonly #listeners = new Set<Listener>()
  #history: StoreEvent[] = []
  readonly #undelivered: StoreEvent[] = []
  #isDelivering = false
  #revision = 1
  /** Changes up to this revision are forgotten. */
  #compacted = 1

  constructor(options: StoreOptions) {
    this.#historyLength = options.historyLength
  }

  /** The latest revision. */
  get revision(): number {
    return this.#revision
  }

  /** Everything up to this revision can no longer be replayed. */
  get compactedRevision(): number {
    return this.#compacted
  }

  get(table: string, namespace: string | undefined, name: string): KubeObject | undefined {
    return this.#tables.get(table)?.get(keyOf(namespace, name))
  }

  /** Objects of a table ordered by namespace and name; of one namespace when given. */
  list(table: string, namespace?: string): KubeObject[] {
    return this.#sorted(this.#tables.get(table) ?? new Map(), namespace)
  }

  /** The same list as it was at `revision`, which must be later than {@link compactedRevision}. */
  listAt(revision: number, table: string, namespace?: string): KubeObject[] {
    const objects = new Map(this.#tables.get(table))
    for (let position = this.#history.length - 1; position >= 0; position--) {
      const event = this.#history[position]
      if (event === undefined || event.revision <= revision) break
      if (event.table !== table) continue
      const key = keyOfObject(event.object)
      if (event.previous === undefined) objects.delete(key)
      else objects.set(key, event.previous)
    }
    return this.#sorted(objects, namespace)
  }

  /** Names of tables that have or had objects. */
  tables(): string[] {
    return [...this.#tables.keys()]
  }

  /** Stores `object` under a new revision, which becomes its resourceVersion; freezes and returns it. */
  put(table: string, object: KubeObject): KubeObject {
    const objects = this.#tables.get(table) ?? new Map<string, KubeObject>()
    this.#tables.set(table, objects)
    const stored = this.#stamped(object)
    const key = keyOfObject(stored)
    const previous = objects.get(key)
    objects.set(key, stored)
    this.#record({
      revision: this.#revision,
      table,
      type: previous === undefined ? 'ADDED' : 'MODIFIED',
      object: stored,
      previous,
    })
    return stored
  }

  /** Removes an object; its last state, with the revision of the removal, is returned. */
  remove(table: string, namespace: string | undefined, name: string): KubeObject | undefined {
    const objects = this.#tables.get(table)
    const previous = objects?.get(keyOf(namespace, name))
    if (objects === undefined || previous === undefined) return undefined
    objects.delete(keyOf(namespace, name))
    const object = this.#stamped(previous)
    this.#record({ revision: this.#revision, table, type: 'DELETED', object, previous })
    return object
  }

  /** Changes of `table` after `revision`, oldest first. */
  eventsAfter(revision: number, table: string): StoreEvent[] {
    return this.#history.slice(this.#firstAfter(revision)).filter((event) => event.table === table)
  }

  /** Calls `listener` synchronously on every change until the returned function is called. */
  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Forgets the history, as an etcd compaction does: every watch that resumes from before gets 410 Gone. */
  compact(): void {
    this.#history = []
    this.#compacted = this.#revision
  }

  #stamped(object: KubeObject): KubeObject {
    this.#revision += 1
    return deepFreeze({ ...object, metadata: { ...object.metadata, resourceVersion: String(this.#revision) } })
  }

  #record(event: StoreEvent): void {
    this.#history.push(event)
    // Cut in large steps, so that a cut's cost is spread over many changes.
    if (this.#history.length > this.#historyLength * 1.25) {
      const removed = this.#history.splice(0, this.#history.length - this.#historyLength)
      this.#compacted = removed.at(-1)?.revision ?? this.#compacted
    }
    this.#undelivered.push(event)
    this.#deliver()
  }

  /** A listener may write, too: what it writes is told to all after what it was told of. */
  #deliver(): void {
    if (this.#isDelivering) return
    this.#isDelivering = true
    try {
      for (let event = this.#undelivered.shift(); event !== undefined; event = this.#undelivered.shift()) {
        for (const listener of this.#listeners) listener(event)
      }
    } finally {
      this.#isDelivering = false
    }
  }

  #firstAfter(revision: number): number {
    let low = 0
    let high = this.#history.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#history[middle]?.revision ?? 0) > revision) high = middle
      else low = middle + 1
    }
    return low
  }

  #sorted(objects: Map<string, KubeObject>, namespace: string | undefined): KubeObject[] {
    const entries = [...objects]
    const prefix = `${namespace}/`
    const wanted = namespace === undefined ? entries : entries.filter(([key]) => key.startsWith(prefix))
    return wanted.toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, object]) => object)
  }
}

function keyOf(namespace: string | undefined, name: string): string {
  return `${namespace ?? ''}/${name}`
}

function keyOfObject(object: KubeObject): string {
  return keyOf(object.metadata.namespace, object.metadata.name)
}
