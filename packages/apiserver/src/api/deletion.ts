import { conflict } from '../errors.ts'
import { type KubeObject, numberAt, objectAt, stringAt, thaw } from '../object.ts'
import { isFinished } from '../resources/pod.ts'
import type { ResourceType } from '../resources/resource-type.ts'
import { formatTime } from '../schema/formats.ts'
import { refuseProtectedNamespace } from './admission.ts'
import type { ObjectKey, ResourceApi, WriteOptions } from './resource-api.ts'

export interface DeleteOptions {
  gracePeriodSeconds?: number
  preconditions?: { uid?: string; resourceVersion?: string }
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
}

export interface Deleted {
  object: KubeObject
  /** False while finalizers or a grace period hold the object. */
  gone: boolean
}

export const FOREGROUND_FINALIZER = 'foregroundDeletion'
export const ORPHAN_FINALIZER = 'orphan'

/** Deletes an object, or marks it for deletion when something holds it. @throws {ApiError} 403, 404, 409 */
export function deleteObject(
  api: ResourceApi,
  type: ResourceType,
  key: ObjectKey,
  deletion: DeleteOptions,
  options: WriteOptions,
  nowMs: number,
): Deleted {
  const live = api.get(type, key)
  checkPreconditions(type, live, deletion)
  refuseProtectedNamespace(type, key.name)
  api.admitDelete(type, live, options)
  const marked = thaw(live)
  addPropagationFinalizer(marked, deletion)
  const grace = gracePeriod(type, live, deletion)
  const isHeld = (marked.metadata.finalizers ?? []).length > 0 || grace > 0 || isHeldByContent(type, marked)
  if (!isHeld) {
    if (options.dryRun) return { object: live, gone: true }
    return { object: api.store.remove(type.table, key.namespace, key.name) ?? live, gone: true }
  }
  const earlier = live.metadata.deletionGracePeriodSeconds
  if (live.metadata.deletionTimestamp === undefined || (earlier !== undefined && grace < earlier)) {
    marked.metadata.deletionTimestamp = formatTime(nowMs + grace * 1000)
    marked.metadata.deletionGracePeriodSeconds = grace
    if (type.table === 'namespaces') marked['status'] = { ...objectAt(marked, 'status'), phase: 'Terminating' }
  } else if ((marked.metadata.finalizers ?? []).length === (live.metadata.finalizers ?? []).length) {
    return { object: live, gone: false }
  }
  if (options.dryRun) return { object: marked, gone: false }
  return { object: api.store.put(type.table, marked), gone: false }
}

function checkPreconditions(type: ResourceType, live: KubeObject, { preconditions = {} }: DeleteOptions): void {
  const { uid, resourceVersion } = preconditions
  if (uid !== undefined && uid !== live.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${live.metadata.uid}`
    throw conflict(type, live.metadata.name, why)
  }
  if (resourceVersion !== undefined && resourceVersion !== live.metadata.resourceVersion) {
    const found = live.metadata.resourceVersion
    const why = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${found}`
    throw conflict(type, live.metadata.name, why)
  }
}

function addPropagationFinalizer({ metadata }: KubeObject, { propagationPolicy }: DeleteOptions): void {
  const wanted =
    propagationPolicy === 'Foreground'
      ? FOREGROUND_FINALIZER
      : propagationPolicy === 'Orphan'
        ? ORPHAN_FINALIZER
        : undefined
  if (wanted === undefined || metadata.finalizers?.includes(wanted)) return
  metadata.finalizers = [...(metadata.finalizers ?? []), wanted]
}

/** A pod on a node is deleted by its kubelet: it goes with a second DELETE, whose grace period is 0. */
function gracePeriod(type: ResourceType, live: KubeObject, { gracePeriodSeconds }: DeleteOptions): number {
  if (type.table !== 'pods' || isFinished(live) || stringAt(live['spec'], 'nodeName') === '') return 0
  return gracePeriodSeconds ?? numberAt(live['spec'], 'terminationGracePeriodSeconds') ?? 30
}

/** Namespaces go when their content has gone. */
function isHeldByContent(type: ResourceType, object: KubeObject): boolean {
  return type.table === 'namespaces' && Array.isArray(objectAt(object, 'spec')['finalizers'])
}
