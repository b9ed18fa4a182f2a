export {
  type AllowedUse,
  type BgpConfiguration,
  type BgpPeer,
  type CalicoObject,
  type Condition,
  DEFAULT_BGP_CONFIGURATION,
  DEFAULT_FELIX_CONFIGURATION,
  type FelixConfiguration,
  type IPPool,
  type Parsed,
  parseBgpConfiguration,
  parseBgpPeer,
  parseFelixConfiguration,
  parseIPPool,
} from './calico.ts'
export { type FieldError, ModelError } from './errors.ts'
export type {
  AllocationAttribute,
  BlockAffinity,
  IPAMBlock,
  IPAMConfiguration,
  IPAMHandle,
} from './ipam-records.ts'
export {
  type KubernetesObject,
  type LabelSelector,
  type LabelSelectorRequirement,
  type Labels,
  type Namespace,
  type NetworkPolicy,
  type Node,
  type ObjectMeta,
  objectKey,
  type Pod,
} from './kubernetes.ts'
export { labelSelectorKey, matchesLabelSelector } from './label-selector.ts'
export {
  type Direction,
  type ParsedNetworkPolicy,
  type PolicyPeer,
  type PolicyPort,
  type PolicyRule,
  PROTOCOLS,
  type Protocol,
  parseNetworkPolicy,
} from './network-policy.ts'
export {
  CONTAINER_ID_ANNOTATION,
  isNetworkedPod,
  namedPorts,
  POD_IP_ANNOTATION,
  POD_IPS_ANNOTATION,
  podAddresses,
  REQUESTED_IPS_ANNOTATION,
} from './pod.ts'
export { parseSelector, type Selector } from './selector.ts'
export { CLUSTER_TABLES, type ClusterTables, type ClusterTopics } from './topics.ts'
