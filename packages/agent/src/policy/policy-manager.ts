import { DEFAULT_FELIX_CONFIGURATION, type Direction, type FelixConfiguration, type IPPool } from '@margay/model'
import type { Family } from '@margay/net'
import type { EndpointPlan, IpSetKind, PlanSink, PolicyPlan } from '@margay/policy'
import type { IpSets, IptablesTable } from 'node-iptables'
import { endpointChain, ipSetName, policyChain } from './chain-names.ts'
import { renderDispatch } from './dispatch.ts'
import { renderEndpoint } from './render-endpoint.ts'
import { renderPolicy } from './render-policy.ts'
import { ALL_POOLS_SET, HOOKS, MASQUERADE_SET, staticChains, type TableName } from './static-chains.ts'

export type Tables = Readonly<Record<TableName, IptablesTable>>

/** The filter, raw and nat tables and the IP sets of one IP version. */
export interface FamilyDataplane {
  readonly family: Family
  readonly tables: Tables
  readonly ipSets: IpSets
}

const DIRECTIONS: readonly Direction[] = ['ingress', 'egress']
const SET_TYPES: Record<IpSetKind, 'hash:ip' | 'hash:net' | 'hash:ip,port'> = {
  ip: 'hash:ip',
  net: 'hash:net',
  ipPort: 'hash:ip,port',
}

/**
 * Turns the policy compiler's plans into desired chains and sets of both IP versions. Converts only: the tables and sets
 * compare with the kernel and write.
 */
export class PolicyManager implements PlanSink {
  readonly #families: readonly FamilyDataplane[]
  readonly #policies = new Map<string, PolicyPlan>()
  readonly #endpoints = new Map<string, EndpointPlan>()
  /** Interfaces of the pods that have an endpoint here, and the IP versions of their addresses. */
  readonly #interfaces = new Map<string, Map<string, ReadonlySet<Family>>>()
  readonly #dispatchChains = new Map<string, Set<string>>()
  #configuration: FelixConfiguration = DEFAULT_FELIX_CONFIGURATION

  constructor(families: readonly FamilyDataplane[]) {
    this.#families = families
    for (const { tables } of families) {
      for (const [table, hooks] of Object.entries(HOOKS) as [TableName, (typeof HOOKS)[TableName]][]) {
        for (const { chain, position, rules } of hooks) tables[table].setHooks(chain, position, rules)
      }
    }
    this.setPools([])
    this.#renderStatic()
    this.#renderDispatch()
  }

  setConfiguration(configuration: FelixConfiguration): void {
    this.#configuration = configuration
    this.#renderStatic()
    for (const plan of this.#endpoints.values()) this.#renderEndpoint(plan)
  }

  /** The address blocks whose pods are masqueraded when they leave all pools. */
  setPools(pools: readonly IPPool[]): void {
    for (const { family, ipSets } of this.#families) {
      const own = pools.filter(({ cidr }) => cidr.family === family)
      for (const [id, members] of [
        [MASQUERADE_SET, own.filter(({ natOutgoing }) => natOutgoing)],
        [ALL_POOLS_SET, own],
      ] as const) {
        ipSets.setIpSet({
          name: ipSetName(family, id),
          type: 'hash:net',
          family,
          members: new Set(members.map(({ cidr }) => String(cidr))),
        })
      }
    }
  }

  /** @param families the IP versions that the pod has: in the other one, an unknown interface is dropped */
  addInterface(endpoint: string, interfaceName: string, families: ReadonlySet<Family>): void {
    const interfaces = this.#interfaces.get(endpoint) ?? new Map<string, ReadonlySet<Family>>()
    this.#interfaces.set(endpoint, interfaces.set(interfaceName, families))
    const plan = this.#endpoints.get(endpoint)
    if (plan !== undefined) this.#renderEndpoint(plan)
    this.#renderDispatch()
  }

  removeInterface(endpoint: string, interfaceName: string): void {
    this.#interfaces.get(endpoint)?.delete(interfaceName)
    if (this.#interfaces.get(endpoint)?.size === 0) this.#interfaces.delete(endpoint)
    this.#renderDispatch()
    for (const direction of DIRECTIONS) {
      for (const { tables } of this.#families) tables.filter.removeChain(endpointChain(direction, interfaceName))
    }
  }

  /** The plan of an endpoint and of its policies, for the HTTP API. */
  endpointPlan(endpoint: string): EndpointPlan | undefined {
    return this.#endpoints.get(endpoint)
  }

  get policies(): ReadonlyMap<string, PolicyPlan> {
    return this.#policies
  }

  ipSetAdded(id: string, kind: IpSetKind, members: ReadonlySet<string>): void {
    for (const { family, ipSets } of this.#families) {
      const own = new Set([...members].filter((member) => isMember(member, family)))
      ipSets.setIpSet({ name: ipSetName(family, id), type: SET_TYPES[kind], family, members: own })
    }
  }

  ipSetMembersChanged(id: string, added: readonly string[], removed: readonly string[]): void {
    for (const { family, ipSets } of this.#families) {
      const own = (members: readonly string[]): string[] => members.filter((member) => isMember(member, family))
      const name = ipSetName(family, id)
      if (own(added).length > 0) ipSets.addMembers(name, own(added))
      if (own(removed).length > 0) ipSets.removeMembers(name, own(removed))
    }
  }

  ipSetRemoved(id: string): void {
    for (const { family, ipSets } of this.#families) ipSets.removeIpSet(ipSetName(family, id))
  }

  policyUpdated(plan: PolicyPlan): void {
    this.#policies.set(plan.id, plan)
    const chain = policyChain(plan.direction, plan.namespace, plan.name)
    for (const { family, tables } of this.#families) tables.filter.setChain(chain, renderPolicy(plan, family))
  }

  policyRemoved(id: string): void {
    const plan = this.#policies.get(id)
    if (plan === undefined) return
    this.#policies.delete(id)
    const chain = policyChain(plan.direction, plan.namespace, plan.name)
    for (const { tables } of this.#families) tables.filter.removeChain(chain)
  }

  endpointUpdated(plan: EndpointPlan): void {
    this.#endpoints.set(plan.id, plan)
    this.#renderEndpoint(plan)
  }

  endpointRemoved(id: string): void {
    this.#endpoints.delete(id)
  }

  #renderEndpoint(plan: EndpointPlan): void {
    for (const [interfaceName, versions] of this.#interfaces.get(plan.id) ?? []) {
      for (const direction of DIRECTIONS) {
        const chain = endpointChain(direction, interfaceName)
        const rules = renderEndpoint(direction, plan[direction], this.#configuration.iptablesFilterDenyAction)
        for (const { family, tables } of this.#families) {
          if (versions.has(family)) tables.filter.setChain(chain, rules)
          else tables.filter.removeChain(chain)
        }
      }
    }
  }

  #renderDispatch(): void {
    const interfaces = [...this.#interfaces.values()].flatMap((each) => [...each])
    for (const { family, tables } of this.#families) {
      const names = interfaces.filter(([, versions]) => versions.has(family)).map(([name]) => name)
      for (const direction of DIRECTIONS) {
        const key = `${family} ${direction}`
        const chains = renderDispatch(direction, names)
        for (const [name, rules] of chains) tables.filter.setChain(name, rules)
        for (const old of this.#dispatchChains.get(key) ?? []) if (!chains.has(old)) tables.filter.removeChain(old)
        this.#dispatchChains.set(key, new Set(chains.keys()))
      }
    }
  }

  #renderStatic(): void {
    for (const { family, tables } of this.#families) {
      const byTable = staticChains(family, this.#configuration)
      for (const table of ['raw', 'filter', 'nat'] as const) {
        for (const [name, rules] of Object.entries(byTable[table])) tables[table].setChain(name, rules)
      }
    }
  }
}

/** The unspecified address, which a pod's annotation may claim, is none that a set can hold. */
function isMember(member: string, family: Family): boolean {
  return familyOf(member) === family && !/^(0\.0\.0\.0|::)(,|$)/.test(member)
}

function familyOf(member: string): Family {
  return member.includes(':') && !/^\d+\.\d+\.\d+\.\d+/.test(member) ? 6 : 4
}
