import type {
  BlockAffinity,
  CalicoObject,
  ClusterTables,
  IPAMBlock,
  IPAMConfiguration,
  IPAMHandle,
  KubernetesObject,
  Namespace,
  NetworkPolicy,
  Node,
  Pod,
} from '@margay/model'

/** Where the API serves a kind. `T` is what its objects are. */
export interface Resource<T extends KubernetesObject = KubernetesObject> {
  readonly apiVersion: string
  readonly kind: string
  readonly plural: string
  readonly namespaced: boolean
  /** Carries `T`; never set. */
  readonly type?: T
}

const resource = <T extends KubernetesObject>(
  apiVersion: string,
  kind: string,
  plural: string,
  namespaced = false,
): Resource<T> => ({
  apiVersion,
  kind,
  plural,
  namespaced,
})

const CALICO = 'projectcalico.org/v3'

export interface LeaseObject extends KubernetesObject {
  readonly spec: {
    readonly holderIdentity?: string | null
    readonly leaseDurationSeconds?: number
    readonly acquireTime?: string | null
    readonly renewTime?: string | null
    readonly leaseTransitions?: number
  }
}

export const RESOURCES = {
  pods: resource<Pod>('v1', 'Pod', 'pods', true),
  namespaces: resource<Namespace>('v1', 'Namespace', 'namespaces'),
  nodes: resource<Node>('v1', 'Node', 'nodes'),
  networkPolicies: resource<NetworkPolicy>('networking.k8s.io/v1', 'NetworkPolicy', 'networkpolicies', true),
  leases: resource<LeaseObject>('coordination.k8s.io/v1', 'Lease', 'leases', true),
  ipPools: resource<CalicoObject>(CALICO, 'IPPool', 'ippools'),
  bgpConfigurations: resource<CalicoObject>(CALICO, 'BGPConfiguration', 'bgpconfigurations'),
  bgpPeers: resource<CalicoObject>(CALICO, 'BGPPeer', 'bgppeers'),
  felixConfigurations: resource<CalicoObject>(CALICO, 'FelixConfiguration', 'felixconfigurations'),
  blockAffinities: resource<BlockAffinity>(CALICO, 'BlockAffinity', 'blockaffinities'),
  ipamBlocks: resource<IPAMBlock>(CALICO, 'IPAMBlock', 'ipamblocks'),
  ipamHandles: resource<IPAMHandle>(CALICO, 'IPAMHandle', 'ipamhandles'),
  ipamConfigurations: resource<IPAMConfiguration>(CALICO, 'IPAMConfiguration', 'ipamconfigurations'),
} as const

/** The resource behind each cluster table. */
export const TABLE_RESOURCES: { readonly [N in keyof ClusterTables]: Resource<ClusterTables[N]> } = {
  pods: RESOURCES.pods,
  namespaces: RESOURCES.namespaces,
  nodes: RESOURCES.nodes,
  networkPolicies: RESOURCES.networkPolicies,
  ipPools: RESOURCES.ipPools,
  bgpConfigurations: RESOURCES.bgpConfigurations,
  bgpPeers: RESOURCES.bgpPeers,
  felixConfigurations: RESOURCES.felixConfigurations,
  blockAffinities: RESOURCES.blockAffinities,
}

/** The URL path of a collection, or of one object in it. */
export function pathOf(
  { apiVersion, plural, namespaced }: Resource,
  name?: { readonly namespace?: string | undefined; readonly name?: string },
): string {
  const root = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
  const scope = namespaced && name?.namespace !== undefined ? `/namespaces/${encodeURIComponent(name.namespace)}` : ''
  const object = name?.name === undefined ? '' : `/${encodeURIComponent(name.name)}`
  return `${root}${scope}/${plural}${object}`
}
