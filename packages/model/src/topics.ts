import type { CalicoObject } from './calico.ts'
import type { BlockAffinity } from './ipam-records.ts'
import type { Namespace, NetworkPolicy, Node, Pod } from './kubernetes.ts'

/**
 * The bus topics that carry the cluster's objects, keyed by `namespace/name` or `name`. kube-controllers serves them
 * all (the hub), agents mirror them or fill them from the API. Watermarks are resourceVersions.
 */
export interface ClusterTables {
  pods: Pod
  namespaces: Namespace
  nodes: Node
  networkPolicies: NetworkPolicy
  ipPools: CalicoObject
  bgpConfigurations: CalicoObject
  bgpPeers: CalicoObject
  felixConfigurations: CalicoObject
  blockAffinities: BlockAffinity
}

export const CLUSTER_TABLES = [
  'pods',
  'namespaces',
  'nodes',
  'networkPolicies',
  'ipPools',
  'bgpConfigurations',
  'bgpPeers',
  'felixConfigurations',
  'blockAffinities',
] as const satisfies readonly (keyof ClusterTables)[]

export interface ClusterTopics {
  tables: ClusterTables
  events: Record<string, never>
}
