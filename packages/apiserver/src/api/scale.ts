import { badRequest, invalid, notFound } from '../errors.ts'
import { invalidValue } from '../field-error.ts'
import { isObject, type JsonObject, type KubeObject, objectAt, thaw, valueAt } from '../object.ts'
import { jsonPatch } from '../patch/json-patch.ts'
import { mergePatch } from '../patch/merge-patch.ts'
import type { ResourceType, ScalePaths } from '../resources/resource-type.ts'
import { decode } from '../schema/decode.ts'
import { labelSelectorText } from '../store/selectors.ts'
import type { Patch } from './patching.ts'
import type { ObjectKey, ResourceApi, WriteOptions } from './resource-api.ts'

/** The `autoscaling/v1` Scale of an object. @throws {ApiError} 404 for kinds that do not scale */
export function scaleOf(type: ResourceType, object: KubeObject): KubeObject {
  const paths = pathsOf(type)
  const selector = paths.labelSelector === undefined ? undefined : valueAt(object, paths.labelSelector)
  const text = typeof selector === 'string' ? selector : isObject(selector) ? labelSelectorText(selector) : ''
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    spec: { replicas: Number(valueAt(object, paths.specReplicas) ?? 0) },
    status: {
      replicas: Number(valueAt(object, paths.statusReplicas) ?? 0),
      ...(text === '' ? {} : { selector: text }),
    },
  }
}

/** Replaces the scale of an object. @throws {ApiError} */
export function updateScale(
  api: ResourceApi,
  type: ResourceType,
  key: ObjectKey,
  body: unknown,
  options: WriteOptions,
): KubeObject {
  return changeScale(api, type, key, options, () => body)
}

/** Patches the scale of an object. @throws {ApiError} */
export function patchScale(
  api: ResourceApi,
  type: ResourceType,
  key: ObjectKey,
  patch: Patch,
  options: WriteOptions,
): KubeObject {
  return changeScale(api, type, key, options, (scale) =>
    patch.type === 'json' ? jsonPatch(scale, patch.body) : mergePatch(scale, patch.body),
  )
}

function changeScale(
  api: ResourceApi,
  type: ResourceType,
  key: ObjectKey,
  options: WriteOptions,
  change: (scale: KubeObject) => unknown,
): KubeObject {
  const paths = pathsOf(type)
  const result = api.modify(
    type,
    key,
    options,
    (live) => {
      const next = change(scaleOf(type, live))
      if (!isObject(next)) throw badRequest('the scale must be an object')
      const scale = decode({ $ref: 'io.k8s.api.autoscaling.v1.Scale' }, next).value
      const replicas = Number(objectAt(scale, 'spec')['replicas'] ?? 0)
      if (replicas < 0) {
        throw invalid('autoscaling', 'Scale', key.name, [
          invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'),
        ])
      }
      const object = withReplicas(live, paths, replicas)
      const version = objectAt(scale, 'metadata')['resourceVersion']
      object.metadata.resourceVersion = typeof version === 'string' ? version : ''
      return object
    },
    'scale',
  )
  return scaleOf(type, result)
}

function pathsOf(type: ResourceType): ScalePaths {
  if (type.scale === undefined) throw notFound(type, 'scale')
  return type.scale
}

function withReplicas(live: KubeObject, paths: ScalePaths, replicas: number): KubeObject {
  const object = thaw(live)
  const keys = paths.specReplicas.split('.')
  const last = keys.pop() ?? ''
  let parent: JsonObject = object
  for (const key of keys) {
    const next = (parent[key] ??= {})
    parent = isObject(next) ? next : {}
  }
  parent[last] = replicas
  return object
}
