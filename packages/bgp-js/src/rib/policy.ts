import type { Family } from '@margay/net'
import { compilePolicy as compile } from '../policy/compile-policy.ts'
import type { Policy, PrefixListPolicy } from '../policy/policy.ts'
import type { PolicyRoute, RoutePolicy } from '../policy/policy-route.ts'
import type { PathAttributes } from '../wire/path-attributes.ts'
import { familyOfKey, type PrefixKey, prefixText } from '../wire/prefix-key.ts'
import type { PathSource } from './path.ts'

export type { Policy, PrefixListPolicy, PrefixRule } from '../policy/policy.ts'
export type { PolicyPeer, PolicyRoute, RoutePolicy } from '../policy/policy-route.ts'

/** A {@link PolicyRoute} over a table entry; the text of the prefix is made when it is asked for. */
export class RouteView implements PolicyRoute {
  readonly #key: PrefixKey
  readonly attributes: PathAttributes
  readonly source: PolicyRoute['source']
  readonly sourceAddress: string

  constructor(key: PrefixKey, attributes: PathAttributes, source: PathSource) {
    this.#key = key
    this.attributes = attributes
    this.source = source.kind
    this.sourceAddress = source.id
  }

  get key(): PrefixKey {
    return this.#key
  }

  get family(): Family {
    return familyOfKey(this.#key)
  }

  get prefix(): string {
    return prefixText(this.#key)
  }
}

/** A policy in any of its forms as a function. @throws {AddressError | RangeError} for one that is none */
export function compilePolicy(
  policy: RoutePolicy | Policy | PrefixListPolicy,
  direction: 'import' | 'export' = 'import',
): RoutePolicy {
  if (typeof policy === 'function') return policy
  const compiled = compile(policy, direction)
  return (route, peer) => {
    const attributes = compiled.evaluate(route, peer)
    if (attributes === route.attributes) return route
    return attributes === undefined ? undefined : { attributes }
  }
}
