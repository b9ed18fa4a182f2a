import { type KubeObject, type OwnerReference, thaw } from '../object.ts'
import { CRD_FINALIZER, CRD_TABLE, customTypesOf } from '../resources/crd.ts'
import type { ResourceType } from '../resources/resource-type.ts'
import type { StoreEvent } from '../store/store.ts'
import { deleteObject, FOREGROUND_FINALIZER, ORPHAN_FINALIZER } from './deletion.ts'
import type { Registry } from './registry.ts'
import type { ResourceApi, WriteOptions } from './resource-api.ts'

export interface LifecyclePorts {
  api: ResourceApi
  registry: Registry
  now: () => number
  /** Runs `work` soon, but not within the write that caused it. */
  defer: (work: () => void) => void
  /** Told of clean-ups that failed. */
  onError: (error: unknown) => void
}

interface Place {
  table: string
  namespace: string | undefined
  name: string
}

const ACCOUNT = 'default'
const system: WriteOptions = {
  user: { username: 'system:kube-controller-manager', groups: ['system:masters'] },
  dryRun: false,
  fieldManager: 'kube-controller-manager',
  fieldValidation: 'Ignore',
  warn: () => undefined,
}

/**
 * What Kubernetes' controllers do to keep the API whole: garbage of deleted owners, content of deleted namespaces and
 * CRDs, the default service account of namespaces, the resources that CRDs define.
 */
export class Lifecycle {
  readonly #ports: LifecyclePorts
  /** Objects by the uid of an owner that they name. */
  readonly #dependents = new Map<string, Map<string, Place>>()
  readonly #live = new Set<string>()

  constructor(ports: LifecyclePorts) {
    this.#ports = ports
    ports.api.store.subscribe((event) => this.#onEvent(event))
  }

  #onEvent(event: StoreEvent): void {
    const { object, previous, type, table } = event
    const uid = object.metadata.uid ?? ''
    this.#index(event)
    if (type === 'DELETED') {
      this.#live.delete(uid)
      if (this.#dependents.has(uid)) this.#later(() => this.#collect(uid))
      for (const owner of object.metadata.ownerReferences ?? []) {
        if (this.#live.has(owner.uid)) this.#later(() => this.#finishForeground(owner))
      }
      this.#later(() => this.#finishContainers(table, object))
    } else {
      this.#live.add(uid)
      if (object.metadata.deletionTimestamp !== undefined && previous?.metadata.deletionTimestamp === undefined) {
        this.#later(() => this.#onMarked(table, object))
      }
    }
    if (table === 'namespaces' && type === 'ADDED') this.#addAccount(object.metadata.name)
    if (table === CRD_TABLE) this.#register(event)
  }

  #later(work: () => void): void {
    this.#ports.defer(() => {
      try {
        work()
      } catch (error) {
        this.#ports.onError(error)
      }
    })
  }

  #index({ object, previous, table, type }: StoreEvent): void {
    const { namespace, name } = object.metadata
    const key = `${table}/${namespace ?? ''}/${name}`
    for (const owner of previous?.metadata.ownerReferences ?? []) {
      const places = this.#dependents.get(owner.uid)
      places?.delete(key)
      if (places?.size === 0) this.#dependents.delete(owner.uid)
    }
    if (type === 'DELETED') return
    for (const owner of object.metadata.ownerReferences ?? []) {
      const places = this.#dependents.get(owner.uid) ?? new Map<string, Place>()
      this.#dependents.set(owner.uid, places.set(key, { table, namespace, name }))
    }
  }

  /** Deletes what the vanished owner `uid` leaves behind, or drops the reference when other owners live. */
  #collect(uid: string): void {
    for (const [type, object] of this.#objectsOwnedBy(uid)) {
      const others = (object.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid)
      if (others.some((owner) => this.#live.has(owner.uid))) this.#setOwners(type, object, others)
      else this.#delete(type, object)
    }
  }

  #onMarked(table: string, { metadata }: KubeObject): void {
    const { api, registry } = this.#ports
    const object = api.store.get(table, metadata.namespace, metadata.name)
    const type = registry.ofTable(table)
    if (object?.metadata.uid !== metadata.uid || object === undefined || type === undefined) return
    const uid = metadata.uid ?? ''
    if (object.metadata.finalizers?.includes(ORPHAN_FINALIZER)) {
      for (const [dependentType, dependent] of this.#objectsOwnedBy(uid)) {
        const others = (dependent.metadata.ownerReferences ?? []).filter((owner) => owner.uid !== uid)
        this.#setOwners(dependentType, dependent, others)
      }
      this.#dropFinalizer(type, object, ORPHAN_FINALIZER)
    } else if (object.metadata.finalizers?.includes(FOREGROUND_FINALIZER)) {
      for (const [dependentType, dependent] of this.#objectsOwnedBy(uid)) this.#delete(dependentType, dependent)
      this.#finishForeground({ apiVersion: object.apiVersion, kind: object.kind, name: metadata.name, uid })
    }
    this.#emptyContainer(table, object)
  }

  #finishForeground(owner: OwnerReference): void {
    const { registry, api } = this.#ports
    if (this.#objectsOwnedBy(owner.uid).length > 0) return
    const type = registry.ofKind(owner.apiVersion, owner.kind)
    if (type === undefined) return
    const object = api.store.list(type.table).find((one) => one.metadata.uid === owner.uid)
    if (object?.metadata.deletionTimestamp === undefined) return
    this.#dropFinalizer(type, object, FOREGROUND_FINALIZER)
  }

  /** A namespace or a CRD that is going takes its content along. */
  #emptyContainer(table: string, object: KubeObject): void {
    const { registry, api } = this.#ports
    const { name } = object.metadata
    if (table === 'namespaces') {
      for (const type of this.#storedTypes().filter(({ namespaced }) => namespaced)) {
        for (const one of api.store.list(type.table, name)) this.#delete(type, one)
      }
    } else if (table === CRD_TABLE) {
      for (const one of api.store.list(name)) {
        const type = registry.ofTable(name)
        if (type !== undefined) this.#delete(type, one)
      }
    } else return
    this.#finishContainer(table, name)
  }

  #finishContainers(table: string, object: KubeObject): void {
    if (object.metadata.namespace !== undefined) this.#finishContainer('namespaces', object.metadata.namespace)
    if (table !== CRD_TABLE) this.#finishContainer(CRD_TABLE, table)
  }

  #finishContainer(table: string, name: string): void {
    const { api, registry } = this.#ports
    const object = api.store.get(table, undefined, name)
    if (object?.metadata.deletionTimestamp === undefined) return
    if (table === CRD_TABLE) {
      const type = registry.ofTable(CRD_TABLE)
      if (type !== undefined && api.store.list(name).length === 0) this.#dropFinalizer(type, object, CRD_FINALIZER)
      return
    }
    const isEmpty = this.#storedTypes().every(
      (type) => !type.namespaced || api.store.list(type.table, name).length === 0,
    )
    if (!isEmpty || (object.metadata.finalizers ?? []).length > 0) return
    api.store.remove('namespaces', undefined, name)
  }

  #addAccount(namespace: string): void {
    const { api, registry } = this.#ports
    const type = registry.find('', 'v1', 'serviceaccounts')
    const found = api.store.get('namespaces', undefined, namespace)
    if (type === undefined || found === undefined || found.metadata.deletionTimestamp !== undefined) return
    if (api.store.get('serviceaccounts', namespace, ACCOUNT) !== undefined) return
    api.create(type, namespace, { metadata: { name: ACCOUNT } }, system)
  }

  #register({ type, object }: StoreEvent): void {
    const { registry } = this.#ports
    if (type === 'DELETED') registry.removeCustom(object.metadata.name)
    else registry.setCustom(object.metadata.name, customTypesOf(object))
  }

  #objectsOwnedBy(uid: string): [ResourceType, KubeObject][] {
    const { api, registry } = this.#ports
    return [...(this.#dependents.get(uid)?.values() ?? [])].flatMap((place): [ResourceType, KubeObject][] => {
      const object = api.store.get(place.table, place.namespace, place.name)
      const type = registry.ofTable(place.table)
      return object === undefined || type === undefined ? [] : [[type, object]]
    })
  }

  #delete(type: ResourceType, { metadata }: KubeObject): void {
    if (metadata.deletionTimestamp !== undefined) return
    const { api, now } = this.#ports
    try {
      deleteObject(api, type, keyOf(metadata), { propagationPolicy: 'Background' }, system, now())
    } catch (error) {
      this.#ports.onError(error)
    }
  }

  #setOwners(type: ResourceType, { metadata }: KubeObject, owners: OwnerReference[]): void {
    const { api } = this.#ports
    api.modify(type, keyOf(metadata), system, (live) => {
      const next = thaw(live)
      next.metadata.ownerReferences = owners
      return next
    })
  }

  #dropFinalizer(type: ResourceType, { metadata }: KubeObject, finalizer: string): void {
    const { api } = this.#ports
    if (!metadata.finalizers?.includes(finalizer)) return
    api.modify(type, keyOf(metadata), system, (live) => {
      const next = thaw(live)
      next.metadata.finalizers = (live.metadata.finalizers ?? []).filter((one) => one !== finalizer)
      return next
    })
  }

  #storedTypes(): ResourceType[] {
    const byTable = new Map(this.#ports.registry.all().map((type) => [type.table, type]))
    return [...byTable.values()].filter((type) => type.verbs.includes('list'))
  }
}

function keyOf({ namespace, name }: KubeObject['metadata']): { namespace: string | undefined; name: string } {
  return { namespace, name }
}
