import type { TableBatch } from '@margay/bus'
import type { CalicoObject, Parsed } from '@margay/model'
import type { Logger } from 'pino'

/**
 * The objects of one kind that could be read. One that can't is reported with its wrong fields and counts as absent; the
 * others serve on.
 */
export class ParsedObjects<T> {
  readonly #kind: string
  readonly #parse: (object: CalicoObject) => Parsed<T>
  readonly #log: Logger
  readonly #values = new Map<string, T>()

  constructor(kind: string, parse: (object: CalicoObject) => Parsed<T>, log: Logger) {
    this.#kind = kind
    this.#parse = parse
    this.#log = log
  }

  get(name: string): T | undefined {
    return this.#values.get(name)
  }

  /** In order of their names. */
  values(): T[] {
    return [...this.#values].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value)
  }

  apply({ upserts, deletes }: TableBatch<CalicoObject>): void {
    for (const name of deletes) this.#values.delete(name)
    for (const [name, object] of upserts) {
      const parsed = this.#parse(object)
      if ('value' in parsed) {
        this.#values.set(name, parsed.value)
        continue
      }
      this.#values.delete(name)
      this.#log.error({ kind: this.#kind, name, errors: parsed.errors }, 'an object has wrong fields and is not used')
    }
  }
}
