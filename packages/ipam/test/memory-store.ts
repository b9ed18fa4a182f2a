import type { KubernetesObject } from '@margay/model'
import type { RecordKind, RecordStore } from '../src/index.ts'

/** Thrown where the store was told to crash the caller. */
export class Crash extends Error {}

function fail(code: string): Error {
  return Object.assign(new Error(code), { code })
}

/**
 * The API server's promises in memory: compare-and-swap on resourceVersion, unique names, preconditions. Every call
 * takes a turn of the event loop, so that callers interleave; `disturb` may inject a lost race or a crash before any write.
 */
export class MemoryStore implements RecordStore {
  readonly #objects = new Map<string, KubernetesObject>()
  #revision = 0
  disturb: () => 'conflict' | 'crash' | undefined = () => undefined

  records<T extends KubernetesObject>(kind: RecordKind<T>): T[] {
    return [...this.#objects]
      .filter(([key]) => key.startsWith(`${kind.plural}/`))
      .map(([, object]) => structuredClone(object) as T)
  }

  async find<T extends KubernetesObject>(kind: RecordKind<T>, { name }: { name: string }): Promise<T | undefined> {
    await turn()
    return structuredClone(this.#objects.get(`${kind.plural}/${name}`)) as T | undefined
  }

  async list<T extends KubernetesObject>(kind: RecordKind<T>): Promise<{ items: T[] }> {
    await turn()
    return { items: this.records(kind) }
  }

  async create<T extends KubernetesObject>(kind: RecordKind<T>, object: T): Promise<T> {
    await this.#beforeWrite()
    const key = `${kind.plural}/${object.metadata.name}`
    if (this.#objects.has(key)) throw fail('API_ALREADY_EXISTS')
    return this.#put(key, { ...object, metadata: { ...object.metadata, uid: `u${this.#revision + 1}` } })
  }

  async update<T extends KubernetesObject>(kind: RecordKind<T>, object: T): Promise<T> {
    await this.#beforeWrite()
    const key = `${kind.plural}/${object.metadata.name}`
    const old = this.#objects.get(key)
    if (old === undefined) throw fail('API_NOT_FOUND')
    if (old.metadata.resourceVersion !== object.metadata.resourceVersion) throw fail('API_CONFLICT')
    return this.#put(key, object)
  }

  async delete(
    kind: RecordKind<KubernetesObject>,
    { name }: { name: string },
    preconditions: { uid?: string | undefined; resourceVersion?: string | undefined } = {},
  ): Promise<void> {
    await this.#beforeWrite()
    const key = `${kind.plural}/${name}`
    const old = this.#objects.get(key)
    if (old === undefined) throw fail('API_NOT_FOUND')
    const { uid = old.metadata.uid, resourceVersion = old.metadata.resourceVersion } = preconditions
    if (old.metadata.uid !== uid || old.metadata.resourceVersion !== resourceVersion) throw fail('API_CONFLICT')
    this.#objects.delete(key)
  }

  #put<T extends KubernetesObject>(key: string, object: T): T {
    const stored = structuredClone({
      ...object,
      metadata: { ...object.metadata, resourceVersion: String(++this.#revision) },
    })
    this.#objects.set(key, stored)
    return structuredClone(stored)
  }

  async #beforeWrite(): Promise<void> {
    await turn()
    const what = this.disturb()
    if (what === 'conflict') throw fail('API_CONFLICT')
    if (what === 'crash') throw new Crash('crash')
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
