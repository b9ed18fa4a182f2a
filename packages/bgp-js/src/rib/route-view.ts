import type { Family, Prefix } from '@margay/net'
import type { PolicyRoute, ValidationState } from '../policy/policy-route.ts'
import type { PathAttributes } from '../wire/path-attributes.ts'
import { type PrefixKey, prefixOfKey, prefixText } from '../wire/prefix-key.ts'
import type { PathSource } from './path.ts'
import type { PrefixTable } from './prefix-table.ts'

/** Tells what RPKI says of a route. */
export type Validate = (prefix: string, attributes: PathAttributes) => ValidationState

/** A {@link PolicyRoute} over table entries; the text of the prefix is made when it is asked for. */
export class RouteView implements PolicyRoute {
  readonly #prefixes: PrefixTable
  readonly #prefix: number
  readonly #source: PathSource
  readonly #validate: Validate | undefined
  readonly attributes: PathAttributes

  constructor(
    route: { readonly prefixes: PrefixTable; readonly prefix: number; readonly source: PathSource },
    attributes: PathAttributes,
    validate: Validate | undefined,
  ) {
    this.#prefixes = route.prefixes
    this.#prefix = route.prefix
    this.#source = route.source
    this.#validate = validate
    this.attributes = attributes
  }

  get validation(): ValidationState {
    return this.#validate?.(this.prefix, this.attributes) ?? 'notFound'
  }

  get key(): PrefixKey {
    return this.#prefixes.keyOf(this.#prefix)
  }

  get family(): Family {
    return this.#prefixes.family
  }

  get prefixValue(): Prefix {
    return prefixOfKey(this.key)
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
