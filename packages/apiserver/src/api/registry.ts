import { builtinType } from '../resources/builtin.ts'
import { configMaps, events, namespaces, secrets, serviceAccounts } from '../resources/core.ts'
import { customResourceDefinitions } from '../resources/crd.ts'
import { networkPolicies } from '../resources/network-policy.ts'
import { nodes } from '../resources/node.ts'
import { pods } from '../resources/pod.ts'
import { leases, podDisruptionBudgets, priorityClasses, rbacTypes } from '../resources/policy-and-scheduling.ts'
import type { ResourceType } from '../resources/resource-type.ts'
import { endpointSlices, endpoints, services } from '../resources/service.ts'
import { daemonSets, deployments, replicaSets, statefulSets } from '../resources/workloads.ts'

function reviewType(group: string, resource: string, kind: string, namespaced = false): ResourceType {
  const definition = `io.k8s.api.${group.split('.')[0]}.v1.${kind}`
  return builtinType({ group, resource, kind, namespaced, verbs: ['create'], definition })
}

/** Requests in the shape of objects: they are answered, never stored. */
const reviewTypes = [
  reviewType('authentication.k8s.io', 'tokenreviews', 'TokenReview'),
  reviewType('authentication.k8s.io', 'selfsubjectreviews', 'SelfSubjectReview'),
  reviewType('authorization.k8s.io', 'subjectaccessreviews', 'SubjectAccessReview'),
  reviewType('authorization.k8s.io', 'selfsubjectaccessreviews', 'SelfSubjectAccessReview'),
  reviewType('authorization.k8s.io', 'selfsubjectrulesreviews', 'SelfSubjectRulesReview'),
  reviewType('authorization.k8s.io', 'localsubjectaccessreviews', 'LocalSubjectAccessReview', true),
]

const builtinTypes: readonly ResourceType[] = [
  configMaps,
  endpoints,
  events,
  namespaces,
  nodes,
  pods,
  secrets,
  serviceAccounts,
  services,
  customResourceDefinitions,
  daemonSets,
  deployments,
  replicaSets,
  statefulSets,
  ...reviewTypes,
  leases,
  endpointSlices,
  networkPolicies,
  podDisruptionBudgets,
  ...rbacTypes,
  priorityClasses,
]

/** All resources that are served: the built-in ones, and those of established CRDs. */
export class Registry {
  readonly #builtin = new Map(builtinTypes.map((type) => [keyOf(type.group, type.version, type.resource), type]))
  readonly #custom = new Map<string, ResourceType[]>()
  #byKey = new Map<string, ResourceType>()
  #sorted: readonly ResourceType[] = []
  #generation = 0

  constructor() {
    this.#rebuild()
  }

  /** Grows when a resource is added or removed: what is derived from the registry may be cached under it. */
  get generation(): number {
    return this.#generation
  }

  find(group: string, version: string, resource: string): ResourceType | undefined {
    return this.#byKey.get(keyOf(group, version, resource))
  }

  /** Every resource in every version; core first, then by group. */
  all(): readonly ResourceType[] {
    return this.#sorted
  }

  /** Any served version of the resource in `table`. */
  ofTable(table: string): ResourceType | undefined {
    return this.all().find((type) => type.table === table)
  }

  /** The type that objects of this apiVersion and kind have. */
  ofKind(apiVersion: string, kind: string): ResourceType | undefined {
    const [group = '', version = ''] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion]
    return this.all().find((type) => type.group === group && type.version === version && type.kind === kind)
  }

  setCustom(crdName: string, types: ResourceType[]): void {
    this.#custom.set(crdName, types)
    this.#rebuild()
  }

  removeCustom(crdName: string): void {
    if (this.#custom.delete(crdName)) this.#rebuild()
  }

  #rebuild(): void {
    const custom = [...this.#custom.values()].flat()
    this.#byKey = new Map(this.#builtin)
    for (const type of custom) {
      const key = keyOf(type.group, type.version, type.resource)
      if (!this.#builtin.has(key)) this.#byKey.set(key, type)
    }
    this.#sorted = [...this.#byKey.values()].toSorted(
      (a, b) => compare(a.group, b.group) || compareVersions(a.version, b.version) || compare(a.resource, b.resource),
    )
    this.#generation += 1
  }
}

function keyOf(group: string, version: string, resource: string): string {
  return `${group}/${version}/${resource}`
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Kubernetes' order of versions: v2, v1, v1beta1, v1alpha1, others (`k8s.io/apimachinery/pkg/version`). */
function compareVersions(a: string, b: string): number {
  const rank = (version: string): [number, number, number] => {
    const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version)
    if (match === null) return [0, 0, 0]
    return [match[2] === undefined ? 3 : match[2] === 'beta' ? 2 : 1, Number(match[1]), Number(match[3] ?? 0)]
  }
  const [left, right] = [rank(a), rank(b)]
  for (const [position, value] of left.entries()) {
    const difference = (right[position] ?? 0) - value
    if (difference !== 0) return difference
  }
  return compare(a, b)
}
