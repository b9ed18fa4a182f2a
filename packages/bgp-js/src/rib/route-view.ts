import type { Family, Prefix } from '@margay/net'
import type { PolicyRoute, ValidationState } from '../policy/policy-route.ts'
import type { PathAttributes } from '../wire/path-attributes.ts'
import { type PrefixKey, prefixOfKey, prefixText } from '../wire/prefix-key.ts'
import type { PathSource } from './path.ts'
import type { PrefixTable } from './prefix-table.ts'

/** Tells what RPKI says of a route. */
export type Validate = (prefix: string, attributes: PathAttributes) => ValidationState

/** What is found out about a route when a policy asks. */
export interface RouteFacts {
  readonly validate?: Validate | undefined
  /** The interface by which a next hop is reached. */
  readonly interfaceOf?: ((nextHop: string) => string | undefined) | undefined
}

/** A {@link PolicyRoute} over table entries; the text of the prefix is made when it is asked for. */
export class RouteView implements PolicyRoute {
  readonly #prefixes: PrefixTable
  readonly #prefix: number
  readonly #source: PathSource
  readonly #facts: RouteFacts
  readonly attributes: PathAttributes

  constructor(
    route: { readonly prefixes: PrefixTable; readonly prefix: number; readonly source: PathSource },
    attributes: PathAttributes,
    facts: RouteFacts,
  ) {
    this.#prefixes = route.prefixes
    this.#prefix = route.prefix
    this.#source = route.source
    this.#facts = facts
    this.attributes = attributes
  }

  get validation(): ValidationState {
    return this.#facts.validate?.(this.prefix, this.attributes) ?? 'notFound'
  }

  get key(): PrefixKey {
    return this.#prefixes.keyOf(this.#prefix)
  }

  /** Our own routes leave by none. */
  get interfaceName(): string | undefined {
    if (this.#source.kind === 'local') return undefined
    return this.#source.zone ?? this.#facts.interfaceOf?.(this.attributes.nextHop)
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
