import { Address } from '@margay/net'
import type { PolicyCompiler } from '@margay/policy'
import type { PolicyManager } from '../policy/policy-manager.ts'
import type { RouteManager } from '../routes/route-manager.ts'
import { endpointKey, type LocalEndpoint } from './local-endpoint.ts'

/** Tells everyone who keeps something per pod about the pods of this node. */
export class EndpointManager {
  readonly #compiler: PolicyCompiler
  readonly #policy: PolicyManager
  readonly #routes: RouteManager
  readonly #endpoints = new Map<string, LocalEndpoint>()
  #onChange: () => void = () => undefined

  constructor(compiler: PolicyCompiler, policy: PolicyManager, routes: RouteManager) {
    this.#compiler = compiler
    this.#policy = policy
    this.#routes = routes
  }

  /** @param listener called after each change */
  onChange(listener: () => void): void {
    this.#onChange = listener
  }

  get endpoints(): readonly LocalEndpoint[] {
    return [...this.#endpoints.values()]
  }

  interfacesOf(pod: string): string[] {
    return this.endpoints.filter((endpoint) => endpointKey(endpoint) === pod).map(({ interfaceName }) => interfaceName)
  }

  add(endpoint: LocalEndpoint): void {
    const { interfaceName } = endpoint
    const old = this.#endpoints.get(interfaceName)
    if (old !== undefined) this.#removeRoutes(old)
    this.#endpoints.set(interfaceName, endpoint)
    const key = endpointKey(endpoint)
    const families = new Set(endpoint.addresses.map((text) => Address.parse(text).family))
    this.#policy.addInterface(key, interfaceName, families)
    this.#compiler.setEndpoint(key, true)
    for (const address of endpoint.addresses) this.#routes.setWorkload({ address, interfaceName })
    this.#onChange()
  }

  /** Does nothing when another attachment has taken over the interface. */
  remove(endpoint: LocalEndpoint): void {
    const { interfaceName, containerId } = endpoint
    if (this.#endpoints.get(interfaceName)?.containerId !== containerId) return
    this.#endpoints.delete(interfaceName)
    this.#removeRoutes(endpoint)
    const key = endpointKey(endpoint)
    this.#policy.removeInterface(key, interfaceName)
    if (this.interfacesOf(key).length === 0) this.#compiler.setEndpoint(key, false)
    this.#onChange()
  }

  #removeRoutes({ addresses, interfaceName }: LocalEndpoint): void {
    for (const address of addresses) this.#routes.removeWorkload({ address, interfaceName })
  }
}
