import type { Family } from '@margay/net'
import type { PolicyRoute } from '../policy/policy-route.ts'
import type { PathAttributes } from '../wire/path-attributes.ts'
import { type PrefixKey, prefixText } from '../wire/prefix-key.ts'
import type { PathSource } from './path.ts'
import type { PrefixTable } from './prefix-table.ts'

/** A {@link PolicyRoute} over table entries; the text of the prefix is made when it is asked for. */
export class RouteView implements PolicyRoute {
  readonly #prefixes: PrefixTable
  readonly #prefix: number
  readonly #source: PathSource
  readonly attributes: PathAttributes

  constructor(prefixes: PrefixTable, prefix: number, source: PathSource, attributes: PathAttributes) {
    this.#prefixes = prefixes
    this.#prefix = prefix
    this.#source = source
    this.attributes = attributes
  }

  get key(): PrefixKey {
    return this.#prefixes.keyOf(this.#prefix)
  }

  get family(): Family {
    return this.#prefixes.family
  }

  get prefix(): string {
    return prefixText(this.key)
  }

  get source(): PolicyRoute['source'] {
    return this.#source.kind
  }

  get sourceAddress(): string {
    return this.#source.id
  }
}
