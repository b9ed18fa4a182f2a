import definitions from './definitions.json' with { type: 'json' }
import type { Schema } from './schema.ts'

/**
 * What Kubernetes' OpenAPI document says beyond types: how lists merge, which maps are atomic, which strings are
 * quantities, which values are allowed. Source: the API reference and the `+listType`, `+patchMergeKey` marks that it
 * is generated from. A list without an entry is atomic for server-side apply.
 */
const META = 'io.k8s.apimachinery.pkg.apis.meta.v1.'
const CORE = 'io.k8s.api.core.v1.'
const APPS = 'io.k8s.api.apps.v1.'
const CRD = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.'

/** Lists merged by key: field, merge key of strategic patches ('' = none), keys of server-side apply ('' = atomic). */
const keyedLists: [field: string, patchKey: string, listMapKeys: string][] = [
  [`${META}ObjectMeta.ownerReferences`, 'uid', 'uid'],
  [`${CORE}PodSpec.containers`, 'name', 'name'],
  [`${CORE}PodSpec.initContainers`, 'name', 'name'],
  [`${CORE}PodSpec.ephemeralContainers`, 'name', 'name'],
  [`${CORE}PodSpec.imagePullSecrets`, 'name', 'name'],
  [`${CORE}PodSpec.hostAliases`, 'ip', 'ip'],
  [`${CORE}PodSpec.topologySpreadConstraints`, 'topologyKey', 'topologyKey,whenUnsatisfiable'],
  [`${CORE}PodSpec.schedulingGates`, 'name', 'name'],
  [`${CORE}PodStatus.conditions`, 'type', 'type'],
  [`${CORE}PodStatus.podIPs`, 'ip', 'ip'],
  [`${CORE}PodStatus.hostIPs`, 'ip', ''],
  [`${CORE}NodeStatus.addresses`, 'type', 'type'],
  [`${CORE}NodeStatus.conditions`, 'type', 'type'],
  [`${CORE}NamespaceStatus.conditions`, 'type', 'type'],
  [`${CORE}PersistentVolumeClaimStatus.conditions`, 'type', 'type'],
  [`${CORE}ServiceSpec.ports`, 'port', 'port,protocol'],
  [`${CORE}ServiceStatus.conditions`, 'type', 'type'],
  [`${CORE}ServiceAccount.secrets`, 'name', 'name'],
  [`${CORE}ResourceRequirements.claims`, '', 'name'],
  [`${APPS}DeploymentStatus.conditions`, 'type', 'type'],
  [`${APPS}DaemonSetStatus.conditions`, 'type', 'type'],
  [`${APPS}StatefulSetStatus.conditions`, 'type', 'type'],
  [`${APPS}ReplicaSetStatus.conditions`, 'type', 'type'],
  ['io.k8s.api.policy.v1.PodDisruptionBudgetStatus.conditions', 'type', 'type'],
  [`${CRD}CustomResourceDefinitionStatus.conditions`, '', 'type'],
  [`${CRD}JSONSchemaProps.x-kubernetes-validations`, 'rule', 'rule'],
  ...['Container', 'EphemeralContainer'].flatMap((kind): [string, string, string][] => [
    [`${CORE}${kind}.ports`, 'containerPort', 'containerPort,protocol'],
    [`${CORE}${kind}.env`, 'name', 'name'],
    [`${CORE}${kind}.volumeMounts`, 'mountPath', 'mountPath'],
    [`${CORE}${kind}.volumeDevices`, 'devicePath', 'devicePath'],
  ]),
]

/** Lists of scalars that are sets; those marked 'merge' merge in strategic patches, too. */
const setLists: [field: string, patchStrategy: string][] = [
  [`${META}ObjectMeta.finalizers`, 'merge'],
  [`${CORE}NodeSpec.podCIDRs`, 'merge'],
  ['io.k8s.api.discovery.v1.Endpoint.addresses', ''],
]

/** Fields with another strategy of strategic patches: field, strategy, merge key. */
const otherStrategies: [field: string, patchStrategy: string, patchKey: string][] = [
  [`${CORE}PodSpec.volumes`, 'merge,retainKeys', 'name'],
  [`${CORE}PodSpec.resourceClaims`, 'merge,retainKeys', 'name'],
  [`${APPS}DeploymentSpec.strategy`, 'retainKeys', ''],
  ['io.k8s.api.policy.v1.PodDisruptionBudgetSpec.selector', 'replace', ''],
]

const atomicTypes = [
  `${META}LabelSelector`,
  `${META}OwnerReference`,
  ...[
    'ObjectReference LocalObjectReference SecretKeySelector ConfigMapKeySelector ObjectFieldSelector',
    'ResourceFieldSelector TypedLocalObjectReference NodeSelector NodeSelectorTerm EndpointAddress EndpointPort',
    'FileKeySelector',
  ].flatMap((names) => names.split(' ').map((name) => CORE + name)),
  'io.k8s.api.discovery.v1.EndpointPort',
  'io.k8s.api.rbac.v1.RoleRef',
  'io.k8s.api.rbac.v1.Subject',
]

const atomicMaps = [`${CORE}PodSpec.nodeSelector`, `${CORE}ServiceSpec.selector`]

const quantities = [
  'ResourceRequirements.limits',
  'ResourceRequirements.requests',
  'VolumeResourceRequirements.limits',
  'VolumeResourceRequirements.requests',
  'NodeStatus.capacity',
  'NodeStatus.allocatable',
  'PodSpec.overhead',
  'PodStatus.allocatedResources',
  'ContainerStatus.allocatedResources',
  'PersistentVolumeClaimStatus.allocatedResources',
  'PersistentVolumeClaimStatus.capacity',
  'EmptyDirVolumeSource.sizeLimit',
  'ResourceFieldSelector.divisor',
]

const enums: Record<string, string> = {
  [`${CORE}PodSpec.restartPolicy`]: 'Always OnFailure Never',
  [`${CORE}PodSpec.dnsPolicy`]: 'ClusterFirst ClusterFirstWithHostNet Default None',
  [`${CORE}PodSpec.preemptionPolicy`]: 'Never PreemptLowerPriority',
  [`${CORE}PodStatus.phase`]: 'Failed Pending Running Succeeded Unknown',
  [`${CORE}Container.imagePullPolicy`]: 'Always IfNotPresent Never',
  [`${CORE}Container.terminationMessagePolicy`]: 'FallbackToLogsOnError File',
  [`${CORE}ContainerPort.protocol`]: 'SCTP TCP UDP',
  [`${CORE}ServicePort.protocol`]: 'SCTP TCP UDP',
  [`${CORE}EndpointPort.protocol`]: 'SCTP TCP UDP',
  [`${CORE}HTTPGetAction.scheme`]: 'HTTP HTTPS',
  [`${CORE}Taint.effect`]: 'NoExecute NoSchedule PreferNoSchedule',
  [`${CORE}Toleration.effect`]: 'NoExecute NoSchedule PreferNoSchedule',
  [`${CORE}Toleration.operator`]: 'Equal Exists Gt Lt',
  [`${CORE}NodeSelectorRequirement.operator`]: 'DoesNotExist Exists Gt In Lt NotIn',
  [`${CORE}TopologySpreadConstraint.whenUnsatisfiable`]: 'DoNotSchedule ScheduleAnyway',
  [`${CORE}VolumeMount.mountPropagation`]: 'Bidirectional HostToContainer None',
  [`${CORE}HostPathVolumeSource.type`]: ' BlockDevice CharDevice Directory DirectoryOrCreate File FileOrCreate Socket',
  [`${CORE}SeccompProfile.type`]: 'Localhost RuntimeDefault Unconfined',
  [`${CORE}ServiceSpec.type`]: 'ClusterIP ExternalName LoadBalancer NodePort',
  [`${CORE}ServiceSpec.sessionAffinity`]: 'ClientIP None',
  [`${CORE}ServiceSpec.externalTrafficPolicy`]: 'Cluster Local',
  [`${CORE}ServiceSpec.internalTrafficPolicy`]: 'Cluster Local',
  [`${CORE}ServiceSpec.ipFamilyPolicy`]: 'PreferDualStack RequireDualStack SingleStack',
  [`${APPS}DeploymentStrategy.type`]: 'Recreate RollingUpdate',
  [`${APPS}DaemonSetUpdateStrategy.type`]: 'OnDelete RollingUpdate',
  [`${APPS}StatefulSetUpdateStrategy.type`]: 'OnDelete RollingUpdate',
  [`${APPS}StatefulSetSpec.podManagementPolicy`]: 'OrderedReady Parallel',
  'io.k8s.api.discovery.v1.EndpointPort.protocol': 'SCTP TCP UDP',
  'io.k8s.api.discovery.v1.EndpointSlice.addressType': 'FQDN IPv4 IPv6',
  'io.k8s.api.networking.v1.NetworkPolicyPort.protocol': 'SCTP TCP UDP',
  'io.k8s.api.scheduling.v1.PriorityClass.preemptionPolicy': 'Never PreemptLowerPriority',
  [`${CRD}CustomResourceDefinitionSpec.scope`]: 'Cluster Namespaced',
}

/** Defaults that server-side apply needs to know a list item by its keys. */
const defaults: Record<string, unknown> = {
  [`${CORE}ContainerPort.protocol`]: 'TCP',
  [`${CORE}ServicePort.protocol`]: 'TCP',
}

/** Fields that the models call required but that Kubernetes fills with the empty value when absent. */
const zeroObjects = ['io.k8s.api.networking.v1.NetworkPolicySpec.podSelector']

let loaded: Record<string, Schema> | undefined

/** Definitions of all built-in types by their OpenAPI name; loaded once, never changed afterwards. */
export function builtinDefinitions(): Record<string, Schema> {
  loaded ??= overlaid(structuredClone(definitions))
  return loaded
}

function overlaid(target: Record<string, Schema>): Record<string, Schema> {
  addScalarTypes(target)
  for (const [field, patchKey, keys] of keyedLists) {
    const schema = fieldOf(target, field)
    schema['x-kubernetes-list-type'] = keys === '' ? 'atomic' : 'map'
    if (keys !== '') schema['x-kubernetes-list-map-keys'] = keys.split(',')
    if (patchKey !== '') setPatch(schema, 'merge', patchKey)
  }
  for (const [field, strategy] of setLists) {
    const schema = fieldOf(target, field)
    schema['x-kubernetes-list-type'] = 'set'
    if (strategy !== '') setPatch(schema, strategy, '')
  }
  for (const [field, strategy, patchKey] of otherStrategies) {
    const schema = fieldOf(target, field)
    setPatch(schema, strategy, patchKey)
    if (patchKey === '') continue
    schema['x-kubernetes-list-type'] = 'map'
    schema['x-kubernetes-list-map-keys'] = [patchKey]
  }
  for (const name of atomicTypes) definitionOf(target, name)['x-kubernetes-map-type'] = 'atomic'
  for (const field of atomicMaps) fieldOf(target, field)['x-kubernetes-map-type'] = 'atomic'
  for (const field of quantities) setQuantity(fieldOf(target, CORE + field))
  for (const [field, values] of Object.entries(enums)) fieldOf(target, field).enum = values.split(' ')
  for (const [field, value] of Object.entries(defaults)) fieldOf(target, field).default = value
  const jsonSchema = fieldsOf(target, `${CRD}JSONSchemaProps`)
  jsonSchema['items'] = { ...jsonSchema['items'], $ref: `${CRD}JSONSchemaProps` }
  jsonSchema['additionalProperties'] = { ...jsonSchema['additionalProperties'], $ref: `${CRD}JSONSchemaPropsOrBool` }
  for (const field of zeroObjects) fieldOf(target, field).default = {}
  markAtomicLists(target)
  return target
}

function addScalarTypes(target: Record<string, Schema>): void {
  target[`${META}Time`] = {
    type: 'string',
    format: 'date-time',
    description: 'Time is a wrapper around time.Time which supports correct marshaling to YAML and JSON.',
  }
  target[`${META}MicroTime`] = {
    type: 'string',
    format: 'date-time',
    description: 'MicroTime is version of Time with microsecond level precision.',
  }
  target['io.k8s.apimachinery.pkg.util.intstr.IntOrString'] = {
    format: 'int-or-string',
    'x-kubernetes-int-or-string': true,
    description: 'IntOrString is a type that can hold an int32 or a string.',
  }
  target[`${CRD}JSONSchemaPropsOrBool`] = {
    description: 'JSONSchemaPropsOrBool represents JSONSchemaProps or a boolean value.',
    'x-kubernetes-preserve-unknown-fields': true,
  }
  target['io.k8s.apimachinery.pkg.api.resource.Quantity'] = {
    type: 'string',
    description: 'Quantity is a fixed-point representation of a number, such as 100m, 1.5 or 64Mi.',
  }
}

function setPatch(schema: Schema, strategy: string, key: string): void {
  schema['x-kubernetes-patch-strategy'] = strategy
  if (key !== '') schema['x-kubernetes-patch-merge-key'] = key
}

function setQuantity(schema: Schema): void {
  const ref = { $ref: 'io.k8s.apimachinery.pkg.api.resource.Quantity' }
  if (schema.additionalProperties !== undefined) {
    schema.additionalProperties = ref
    return
  }
  delete schema.type
  schema.$ref = ref.$ref
}

/** Kubernetes marks every list; one that merges in no way says so. */
function markAtomicLists(target: Record<string, Schema>): void {
  for (const definition of Object.values(target)) {
    for (const schema of Object.values(definition.properties ?? {})) {
      if (schema.type === 'array') schema['x-kubernetes-list-type'] ??= 'atomic'
    }
  }
}

function definitionOf(target: Record<string, Schema>, name: string): Schema {
  const definition = target[name]
  if (definition === undefined) throw new Error(`the definitions have no ${name}`)
  return definition
}

function fieldsOf(target: Record<string, Schema>, name: string): Record<string, Schema> {
  return definitionOf(target, name).properties ?? {}
}

function fieldOf(target: Record<string, Schema>, path: string): Schema {
  // The type's name has no dot after its package; field names have none either.
  const dot = path.lastIndexOf('.')
  const schema = definitionOf(target, path.slice(0, dot)).properties?.[path.slice(dot + 1)]
  if (schema === undefined) throw new Error(`the definitions have no ${path}`)
  return schema
}
