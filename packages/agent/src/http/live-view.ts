import type { Bus } from '@margay/bus'
import type { ApiClient } from '@margay/datastore'
import { RESOURCES } from '@margay/datastore'
import { allocations } from '@margay/ipam'
import type { IPAMBlock } from '@margay/model'
import type { Family } from '@margay/net'
import type { ClusterWatcher } from '../cluster-watcher.ts'
import type { Dataplane } from '../dataplane/dataplane.ts'
import type { EndpointManager } from '../endpoints/endpoint-manager.ts'
import { endpointKey } from '../endpoints/local-endpoint.ts'
import { policyChain } from '../policy/chain-names.ts'
import type { FamilyDataplane, PolicyManager } from '../policy/policy-manager.ts'
import { type AgentTopics, DESIRED_BGP_KEY } from '../topics.ts'
import { type CountedRule, readChains } from './counters.ts'
import { type ExplainQuery, type Explanation, explain } from './explain.ts'
import type { AgentView } from './server.ts'

export interface LiveParts {
  readonly nodeName: string
  readonly bus: Bus<AgentTopics>
  readonly client: ApiClient
  readonly watcher: ClusterWatcher
  readonly dataplane: Dataplane
  readonly endpoints: EndpointManager
  readonly policy: PolicyManager
  readonly families: readonly FamilyDataplane[]
  servesCni(): boolean
}

const UNKNOWN = { isolated: true, policies: [] }

/** The running agent as the HTTP API shows it. */
export class LiveView implements AgentView {
  readonly #parts: LiveParts

  constructor(parts: LiveParts) {
    this.#parts = parts
  }

  get nodeName(): string {
    return this.#parts.nodeName
  }

  bgpPeers(): unknown {
    const desired = this.#parts.bus.table('speakerDesired').get(DESIRED_BGP_KEY)
    const peers = [...this.#parts.bus.table('speakerPeers').values()].map((peer) => {
      const { ipv4, ipv6 } = peer.prefixes
      const total = {
        received: ipv4.received + ipv6.received,
        accepted: ipv4.accepted + ipv6.accepted,
        advertised: ipv4.advertised + ipv6.advertised,
      }
      return { ...peer, prefixes: { ...total, ipv4, ipv6 } }
    })
    return { node: this.nodeName, asn: desired?.asn ?? null, routerId: desired?.routerId ?? null, peers }
  }

  bgpRoutes(prefix: string | undefined): unknown {
    const table = this.#parts.bus.table('speakerRoutes')
    const routes = [...table.values()].filter((route) => prefix === undefined || route.prefix === prefix)
    return { node: this.nodeName, inSync: table.inSync, routes }
  }

  endpoints(): unknown {
    const endpoints = this.#parts.endpoints.endpoints.map((endpoint) => {
      const plan = this.#parts.policy.endpointPlan(endpointKey(endpoint))
      return {
        ...endpoint,
        interface: endpoint.interfaceName,
        ingress: plan?.ingress ?? UNKNOWN,
        egress: plan?.egress ?? UNKNOWN,
      }
    })
    return { node: this.nodeName, endpoints }
  }

  async policies(): Promise<unknown> {
    const chains = await this.#chains(4)
    const pods = new Set(this.#parts.endpoints.endpoints.map(endpointKey))
    const policies = [...this.#parts.policy.policies.values()].map(({ id, namespace, name, direction }) => {
      const chain = policyChain(direction, namespace, name)
      const selects = [...pods].filter((pod) => this.#parts.policy.endpointPlan(pod)?.[direction].policies.includes(id))
      return { namespace, name, direction, selects, chain, rules: chains.get(chain) ?? [] }
    })
    return { node: this.nodeName, policies }
  }

  async ipamBlocks(all: boolean): Promise<unknown> {
    const { items } = await this.#parts.client.list(RESOURCES.ipamBlocks)
    const own = items.filter(({ spec }) => all || spec.affinity === `host:${this.nodeName}`)
    return { node: this.nodeName, blocks: own.map(describeBlock) }
  }

  async explain(query: ExplainQuery): Promise<Explanation | { readonly unknown: string }> {
    const { bus, endpoints } = this.#parts
    return explain(
      { bus, interfacesOf: (pod) => endpoints.interfacesOf(pod), chains: async (family) => this.#chains(family) },
      query,
    )
  }

  notReady(): string[] {
    const { watcher, dataplane, bus } = this.#parts
    const reasons = watcher.waitingFor.map((table) => `${table} are not in sync`)
    if (!dataplane.started) reasons.push('the kernel has not been programmed yet')
    if (dataplane.lastError !== undefined) reasons.push(`programming the kernel failed: ${dataplane.lastError.message}`)
    if (dataplane.started && bus.table('speakerDesired').get(DESIRED_BGP_KEY) === undefined) {
      reasons.push('BGP is not configured: the node has no InternalIP')
    } else if (!this.#parts.servesCni()) reasons.push('pods are not served yet')
    return reasons
  }

  notAlive(): string[] {
    return []
  }

  async #chains(family: Family): Promise<ReadonlyMap<string, readonly CountedRule[]>> {
    const found = this.#parts.families.find((each) => each.family === family)
    return found === undefined ? new Map() : readChains(found.tables.filter)
  }
}

function describeBlock({ spec }: IPAMBlock): unknown {
  const taken = allocations(spec)
  return {
    cidr: spec.cidr,
    affinity: spec.affinity ?? null,
    size: spec.allocations.length,
    allocated: taken.length,
    allocations: taken.map(({ address, attribute }) => ({
      address: String(address),
      handle: attribute.handle_id ?? null,
      owner: attribute.secondary ?? {},
    })),
  }
}
