import { ApiError, forbidden } from '../errors.ts'
import { type KubeObject, objectsAt, stringAt } from '../object.ts'
import { objectIn, setDefault } from '../resources/builtin.ts'
import type { ResourceType } from '../resources/resource-type.ts'
import type { Store } from '../store/store.ts'
import type { ServiceAllocator } from './service-allocator.ts'

/** The one who asks. */
export interface UserInfo {
  username: string
  uid?: string
  groups: string[]
}

/** What the embedder's admission hook is asked about. Objects are frozen. */
export interface AdmissionRequest {
  operation: 'CREATE' | 'UPDATE' | 'DELETE'
  resource: { group: string; version: string; resource: string }
  subresource: string | undefined
  object: KubeObject | undefined
  oldObject: KubeObject | undefined
  dryRun: boolean
  userInfo: UserInfo
}

/** The admission plugins of Kubernetes that change or refuse objects of the built-in kinds. */
export class BuiltinAdmission {
  readonly #store: Store
  readonly #allocator: ServiceAllocator

  constructor(store: Store, allocator: ServiceAllocator) {
    this.#store = store
    this.#allocator = allocator
  }

  /** NamespaceLifecycle. @throws {ApiError} 404 without the namespace, 403 while it is being deleted */
  requireNamespace(type: ResourceType, namespace: string, name: string): void {
    const found = this.#store.get('namespaces', undefined, namespace)
    if (found === undefined) {
      throw new ApiError('NotFound', `namespaces ${JSON.stringify(namespace)} not found`, {
        name: namespace,
        kind: 'namespaces',
      })
    }
    if (found.metadata.deletionTimestamp === undefined) return
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`
    throw forbidden(type, name, why, [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ])
  }

  /** Changes a new object in place. */
  onCreate(type: ResourceType, object: KubeObject): void {
    if (type.table === 'pods') {
      this.#assignServiceAccount(type, object)
      this.#assignPriority(type, object)
      addDefaultTolerations(object)
    } else if (type.table === 'services') this.#allocator.assign(object, undefined)
  }

  onUpdate(type: ResourceType, object: KubeObject, old: KubeObject): void {
    if (type.table === 'services') this.#allocator.assign(object, old)
    else if (type.table === 'pods') addDefaultTolerations(object)
  }

  #assignServiceAccount(type: ResourceType, pod: KubeObject): void {
    const spec = objectIn(pod, 'spec')
    if (stringAt(spec, 'serviceAccountName') === '') {
      spec['serviceAccountName'] = 'default'
      spec['serviceAccount'] = 'default'
    }
    const name = stringAt(spec, 'serviceAccountName')
    const namespace = pod.metadata.namespace ?? ''
    if (this.#store.get('serviceaccounts', namespace, name) !== undefined) return
    const why = `error looking up service account ${namespace}/${name}: serviceaccount ${JSON.stringify(name)} not found`
    throw forbidden(type, pod.metadata.name, why)
  }

  #assignPriority(type: ResourceType, pod: KubeObject): void {
    const spec = objectIn(pod, 'spec')
    const name = stringAt(spec, 'priorityClassName')
    const table = 'priorityclasses.scheduling.k8s.io'
    const found =
      name === ''
        ? this.#store.list(table).find((one) => one['globalDefault'] === true)
        : this.#store.get(table, undefined, name)
    if (name !== '' && found === undefined) {
      throw forbidden(type, pod.metadata.name, `no PriorityClass with name ${name} was found`)
    }
    spec['priority'] = found === undefined ? 0 : found['value']
    if (found !== undefined) spec['priorityClassName'] = found.metadata.name
    setDefault(spec, 'preemptionPolicy', found?.['preemptionPolicy'] ?? 'PreemptLowerPriority')
  }
}

/** DefaultTolerationSeconds. */
function addDefaultTolerations(pod: KubeObject): void {
  const spec = objectIn(pod, 'spec')
  const tolerations = objectsAt(spec, 'tolerations')
  for (const key of ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']) {
    const isTolerated = tolerations.some(
      (one) => (one['key'] === key || stringAt(one, 'key') === '') && (one['effect'] === 'NoExecute' || !one['effect']),
    )
    if (!isTolerated) tolerations.push({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 })
  }
  spec['tolerations'] = tolerations
}

/** Namespaces that can't be deleted. @throws {ApiError} 403 */
export function refuseProtectedNamespace(type: ResourceType, name: string): void {
  if (type.table === 'namespaces' && ['default', 'kube-system', 'kube-public'].includes(name)) {
    throw forbidden(type, name, 'this namespace may not be deleted')
  }
}
