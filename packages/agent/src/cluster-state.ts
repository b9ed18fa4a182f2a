import type { Bus } from '@margay/bus'
import {
  type BgpConfiguration,
  type BgpPeer,
  DEFAULT_BGP_CONFIGURATION,
  DEFAULT_FELIX_CONFIGURATION,
  type FelixConfiguration,
  type IPPool,
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
  return {
    pods: ({ upserts, deletes }) => {
      for (const [key, pod] of upserts) compiler.setPod(key, pod)
      for (const key of deletes) compiler.setPod(key, undefined)
    },
    namespaces: ({ upserts, deletes }) => {
      for (const [name, { metadata }] of upserts) compiler.setNamespace(name, metadata.labels ?? {})
      for (const name of deletes) compiler.setNamespace(name, undefined)
    },
    networkPolicies: ({ upserts, deletes }) => {
      for (const key of deletes) compiler.setPolicy(key, undefined)
      for (const [key, object] of upserts) {
        const errors = compiler.setPolicy(key, object)
        if (errors.length > 0)
          log.error({ policy: key, errors }, 'a NetworkPolicy has wrong fields: what they say is denied')
      }
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
