import type { ServiceAccountTokens } from '../auth/tokens.ts'
import { ApiError, badRequest, invalid } from '../errors.ts'
import { required } from '../field-error.ts'
import { isObject, type KubeObject, objectAt, objectsAt, stringAt, stringsAt, thaw } from '../object.ts'
import type { ResourceType } from '../resources/resource-type.ts'
import { formatTime } from '../schema/formats.ts'
import type { ObjectKey, ResourceApi, WriteOptions } from './resource-api.ts'

const TOKEN_SECONDS_DEFAULT = 3600
const TOKEN_SECONDS_AT_LEAST = 600
const TOKEN_SECONDS_AT_MOST = 2 ** 32

/** Puts a pod on a node (`pods/binding`), as a scheduler does. @throws {ApiError} 400, 404, 409 */
export function bindPod(
  api: ResourceApi,
  type: ResourceType,
  key: ObjectKey,
  body: unknown,
  options: WriteOptions,
  nowMs: number,
): void {
  const node = stringAt(objectAt(body, 'target'), 'name')
  if (node === '') throw invalid('', 'Binding', key.name, [required('target.name')])
  // The node name is immutable for everybody else, so this write goes around the checks of an update.
  const live = api.get(type, key)
  const bound = stringAt(live['spec'], 'nodeName')
  if (live.metadata.deletionTimestamp !== undefined || bound !== '') {
    const why =
      bound === ''
        ? `pod ${key.name} is being deleted, cannot be assigned to a host`
        : `pod ${key.name} is already assigned to node ${JSON.stringify(bound)}`
    throw new ApiError(
      'Conflict',
      `Operation cannot be fulfilled on pods/binding ${JSON.stringify(key.name)}: ${why}`,
      {
        name: key.name,
        kind: 'pods/binding',
      },
    )
  }
  if (options.dryRun) return
  const pod = thaw(live)
  const status = objectAt(pod, 'status')
  const scheduled = { type: 'PodScheduled', status: 'True', lastProbeTime: null, lastTransitionTime: formatTime(nowMs) }
  pod['spec'] = { ...objectAt(pod, 'spec'), nodeName: node }
  pod['status'] = {
    ...status,
    conditions: [...objectsAt(status, 'conditions').filter((one) => one['type'] !== 'PodScheduled'), scheduled],
  }
  api.store.put(type.table, pod)
}

/** Issues a token for a service account (`serviceaccounts/token`). @throws {ApiError} 400, 404, 422 */
export function requestToken(
  api: ResourceApi,
  tokens: ServiceAccountTokens,
  type: ResourceType,
  key: ObjectKey,
  body: unknown,
): KubeObject {
  if (!isObject(body)) throw badRequest('a TokenRequest must be an object')
  const account = api.get(type, key)
  const spec = objectAt(body, 'spec')
  const seconds = spec['expirationSeconds'] ?? TOKEN_SECONDS_DEFAULT
  if (typeof seconds !== 'number' || !(seconds >= TOKEN_SECONDS_AT_LEAST && seconds <= TOKEN_SECONDS_AT_MOST)) {
    const message = `Invalid value: ${JSON.stringify(seconds)}: may not specify a duration less than 10 minutes`
    throw invalid('authentication.k8s.io', 'TokenRequest', key.name, [
      { type: 'FieldValueInvalid', field: 'spec.expirationSeconds', message },
    ])
  }
  const audiences = stringsAt(spec, 'audiences')
  const { token, expires } = tokens.issue(account, Math.floor(seconds), audiences)
  return {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { name: key.name, ...(key.namespace === undefined ? {} : { namespace: key.namespace }) },
    spec: { ...spec, audiences, expirationSeconds: seconds },
    status: { token, expirationTimestamp: formatTime(expires) },
  }
}
