import type { Bus, TableBatch } from '@margay/bus'
import {
  type BgpConfiguration,
  type BgpPeer,
  DEFAULT_BGP_CONFIGURATION,
  DEFAULT_FELIX_CONFIGURATION,
  type FelixConfiguration,
  type IPPool,
  type NetworkPolicy,
  parseBgpConfiguration,
  parseBgpPeer,
  parseFelixConfiguration,
  parseIPPool,
} from '@margay/model'
import type { PolicyCompiler } from '@margay/policy'
import type { Logger } from 'pino'
import type { BgpManager } from './bgp/bgp-manager.ts'
import { localBlocks } from './bgp/desired-bgp.ts'
import type { BatchHandlers } from './cluster-watcher.ts'
import { ParsedObjects } from './parsed-objects.ts'
import type { PolicyManager } from './policy/policy-manager.ts'
import type { RouteManager } from './routes/route-manager.ts'
import type { AgentTopics } from './topics.ts'

/** The cluster-wide settings, read and defaulted. */
export class ClusterSettings {
  readonly pools: ParsedObjects<IPPool>
  readonly bgpPeers: ParsedObjects<BgpPeer>
  readonly bgpConfigurations: ParsedObjects<BgpConfiguration>
  readonly felixConfigurations: ParsedObjects<FelixConfiguration>

  constructor(log: Logger) {
    this.pools = new ParsedObjects('IPPool', parseIPPool, log)
    this.bgpPeers = new ParsedObjects('BGPPeer', parseBgpPeer, log)
    this.bgpConfigurations = new ParsedObjects('BGPConfiguration', parseBgpConfiguration, log)
    this.felixConfigurations = new ParsedObjects('FelixConfiguration', parseFelixConfiguration, log)
  }

  get bgp(): BgpConfiguration {
    return this.bgpConfigurations.get('default') ?? DEFAULT_BGP_CONFIGURATION
  }

  get felix(): FelixConfiguration {
    return this.felixConfigurations.get('default') ?? DEFAULT_FELIX_CONFIGURATION
  }
}

export interface ClusterConsumers {
  readonly nodeName: string
  readonly bus: Bus<AgentTopics>
  readonly settings: ClusterSettings
  readonly compiler: PolicyCompiler
  readonly policy: PolicyManager
  readonly routes: RouteManager
  readonly bgp: BgpManager
  /** Called when the FelixConfiguration may have changed. */
  onFelixConfiguration(configuration: FelixConfiguration): void
  readonly log: Logger
}

/** Who is told of what, table by table: the map from the cluster's objects to the agent's managers. */
export function batchHandlers(consumers: ClusterConsumers): BatchHandlers {
  const { nodeName, bus, settings, compiler, policy, routes, bgp, log } = consumers
  const each = objectByObject(log)
  return {
    pods: (batch) => each('Pod', batch, (key, pod) => compiler.setPod(key, pod)),
    namespaces: (batch) =>
      each('Namespace', batch, (name, namespace) =>
        compiler.setNamespace(name, namespace === undefined ? undefined : (namespace.metadata.labels ?? {})),
      ),
    networkPolicies: (batch) => {
      const { upserts } = each('NetworkPolicy', batch, (key, object) => {
        const errors = compiler.setPolicy(key, object)
        if (errors.length > 0)
          log.error({ policy: key, errors }, 'a NetworkPolicy has wrong fields: what they say is denied')
      })
      // What cannot be enforced as written allows nothing.
      const failed = { upserts: upserts.map(([key, object]) => [key, withoutRules(object)] as const), deletes: [] }
      each('NetworkPolicy', failed, (key, object) => void compiler.setPolicy(key, object))
    },
    nodes: () => bgp.markDirty(),
    blockAffinities: () => {
      routes.setBlocks(localBlocks(nodeName, [...bus.table('blockAffinities').values()]))
      bgp.markDirty()
    },
    ipPools: (batch) => {
      settings.pools.apply(batch)
      policy.setPools(settings.pools.values())
      bgp.markDirty()
    },
    bgpPeers: (batch) => {
      settings.bgpPeers.apply(batch)
      bgp.markDirty()
    },
    bgpConfigurations: (batch) => {
      settings.bgpConfigurations.apply(batch)
      bgp.markDirty()
    },
    felixConfigurations: (batch) => {
      settings.felixConfigurations.apply(batch)
      consumers.onFelixConfiguration(settings.felix)
    },
  }
}

type Changes<V> = Pick<TableBatch<V>, 'upserts' | 'deletes'>

/** Applies a batch one object at a time: one that throws is logged, and the others are applied. @returns what threw */
function objectByObject(log: Logger) {
  return <V>(kind: string, { upserts, deletes }: Changes<V>, set: (key: string, value: V | undefined) => void) => {
    const failed: Changes<V> & { upserts: (readonly [string, V])[]; deletes: string[] } = { upserts: [], deletes: [] }
    const attempt = (key: string, value: V | undefined, onFailure: () => void): void => {
      try {
        set(key, value)
      } catch (error) {
        log.error({ kind, name: key, err: error }, 'an object could not be used')
        onFailure()
      }
    }
    for (const key of deletes) attempt(key, undefined, () => failed.deletes.push(key))
    for (const entry of upserts) attempt(entry[0], entry[1], () => failed.upserts.push(entry))
    return failed
  }
}

/** The policy that denies all to whatever this one selects. */
function withoutRules(policy: NetworkPolicy): NetworkPolicy {
  const { podSelector = {} } = (policy.spec ?? {}) as { podSelector?: unknown }
  return { ...policy, spec: { podSelector, policyTypes: ['Ingress', 'Egress'], ingress: [], egress: [] } }
}
