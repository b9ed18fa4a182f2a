import { type FieldError, forbiddenField, invalidValue, required, tooLong } from '../field-error.ts'
import {
  deepEqual,
  isObject,
  type JsonObject,
  type KubeObject,
  objectAt,
  objectsAt,
  stringAt,
  valueAt,
} from '../object.ts'
import { builtinType, objectIn, setDefault } from './builtin.ts'
import { ageColumn, ageOf, column, countColumn, nameColumn, pathColumn, textOr } from './columns.ts'
import { immutableErrors } from './metadata.ts'
import { configKeyErrors, dnsLabelErrors } from './names.ts'

const CONTENT_AT_MOST_BYTES = 1024 * 1024
const NAME_LABEL = 'kubernetes.io/metadata.name'

/** v1 Namespace. */
export const namespaces = builtinType({
  resource: 'namespaces',
  kind: 'Namespace',
  namespaced: false,
  shortNames: ['ns'],
  definition: 'io.k8s.api.core.v1.Namespace',
  hasStatus: true,
  subresources: [{ name: 'finalize', kind: 'Namespace', verbs: ['update'] }],
  nameErrors: dnsLabelErrors,
  columns: [nameColumn, pathColumn('Status', 'status.phase'), ageColumn],
  selectableFields: { 'status.phase': (namespace) => stringAt(namespace['status'], 'phase') },
  applyDefaults: (namespace) => {
    // The label always says the name, whatever a client writes (KEP-2161).
    namespace.metadata.labels = { ...namespace.metadata.labels, [NAME_LABEL]: namespace.metadata.name }
    namespace['spec'] ??= {}
  },
  prepareForCreate: (namespace) => {
    const spec = objectIn(namespace, 'spec')
    spec['finalizers'] = ['kubernetes']
    namespace['status'] = { phase: 'Active' }
  },
  prepareForUpdate: (namespace, old) => {
    objectIn(namespace, 'spec')['finalizers'] = objectAt(old, 'spec')['finalizers']
  },
})

/** v1 ConfigMap. */
export const configMaps = builtinType({
  resource: 'configmaps',
  kind: 'ConfigMap',
  shortNames: ['cm'],
  definition: 'io.k8s.api.core.v1.ConfigMap',
  columns: [nameColumn, countColumn('Data', (map) => sizeOf(map, 'data') + sizeOf(map, 'binaryData')), ageColumn],
  validate: (map, old) => {
    const errors = contentErrors(map, ['data', 'binaryData'], old)
    for (const key of Object.keys(objectAt(map, 'binaryData'))) {
      if (!Object.hasOwn(objectAt(map, 'data'), key)) continue
      errors.push(invalidValue(`data[${key}]`, key, 'duplicate of key present in binaryData'))
    }
    return errors
  },
})

/** v1 Secret. */
export const secrets = builtinType({
  resource: 'secrets',
  kind: 'Secret',
  definition: 'io.k8s.api.core.v1.Secret',
  columns: [
    nameColumn,
    column('Type', (secret) => stringAt(secret, 'type')),
    countColumn('Data', (secret) => sizeOf(secret, 'data')),
    ageColumn,
  ],
  selectableFields: { type: (secret) => stringAt(secret, 'type') },
  applyDefaults: (secret) => {
    setDefault(secret, 'type', 'Opaque')
    if (!isObject(secret['stringData'])) return
    const data = objectIn(secret, 'data')
    for (const [key, value] of Object.entries(secret['stringData'])) {
      data[key] = Buffer.from(String(value), 'utf8').toString('base64')
    }
    delete secret['stringData']
  },
  validate: (secret, old) => {
    const errors = contentErrors(secret, ['data'], old)
    if (old !== undefined) errors.push(...immutableErrors(secret['type'], old['type'], 'type'))
    for (const key of requiredKeys[stringAt(secret, 'type')] ?? []) {
      if (objectAt(secret, 'data')[key] === undefined) errors.push(required(`data[${key}]`))
    }
    return errors
  },
})

const requiredKeys: Record<string, string[]> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
}

/** v1 ServiceAccount. */
export const serviceAccounts = builtinType({
  resource: 'serviceaccounts',
  kind: 'ServiceAccount',
  shortNames: ['sa'],
  definition: 'io.k8s.api.core.v1.ServiceAccount',
  subresources: [
    { name: 'token', kind: 'TokenRequest', group: 'authentication.k8s.io', version: 'v1', verbs: ['create'] },
  ],
  columns: [nameColumn, countColumn('Secrets', (account) => objectsAt(account, 'secrets').length), ageColumn],
})

/** v1 Event. */
export const events = builtinType({
  resource: 'events',
  kind: 'Event',
  shortNames: ['ev'],
  definition: 'io.k8s.api.core.v1.Event',
  columns: [
    column('Last Seen', (event, nowMs) => ageOf(lastSeen(event), nowMs)),
    column('Type', (event) => stringAt(event, 'type')),
    column('Reason', (event) => stringAt(event, 'reason')),
    column('Object', involvedText),
    column('Subobject', (event) => textOr(valueAt(event, 'involvedObject.fieldPath'), ''), 1),
    column('Source', (event) => stringAt(event['source'], 'component') || stringAt(event, 'reportingComponent'), 1),
    column('Message', (event) => stringAt(event, 'message').trim()),
    column('First Seen', (event, nowMs) => ageOf(stringAt(event, 'firstTimestamp') || lastSeen(event), nowMs), 1),
    column('Count', (event) => textOr(valueAt(event, 'series.count') ?? event['count'], '1'), 1),
    { ...nameColumn, priority: 1 },
  ],
  selectableFields: {
    ...Object.fromEntries(
      ['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map((field) => [
        `involvedObject.${field}`,
        (event: KubeObject) => stringAt(event['involvedObject'], field),
      ]),
    ),
    reason: (event) => stringAt(event, 'reason'),
    reportingComponent: (event) => stringAt(event, 'reportingComponent'),
    source: (event) => stringAt(event['source'], 'component') || stringAt(event, 'reportingComponent'),
    type: (event) => stringAt(event, 'type'),
  },
  applyDefaults: (event) => {
    event['involvedObject'] ??= {}
    for (const [key, value] of Object.entries({ source: {}, reportingComponent: '', reportingInstance: '' })) {
      setDefault(event, key, value)
    }
  },
  validate: (event) => {
    const namespace = stringAt(event['involvedObject'], 'namespace') || 'default'
    if (namespace === event.metadata.namespace) return []
    return [
      invalidValue(
        'involvedObject.namespace',
        namespace === 'default' ? '' : namespace,
        'does not match event.namespace',
      ),
    ]
  },
})

function lastSeen(event: KubeObject): string | undefined {
  for (const path of ['series.lastObservedTime', 'lastTimestamp', 'eventTime', 'metadata.creationTimestamp']) {
    const time = valueAt(event, path)
    if (typeof time === 'string') return time
  }
  return undefined
}

function involvedText(event: KubeObject): string {
  const involved: JsonObject = objectAt(event, 'involvedObject')
  return `${stringAt(involved, 'kind').toLowerCase()}/${stringAt(involved, 'name')}`
}

function sizeOf(object: KubeObject, key: string): number {
  return Object.keys(objectAt(object, key)).length
}

/** Keys, size and immutability of ConfigMaps and Secrets. */
function contentErrors(object: KubeObject, fields: string[], old: KubeObject | undefined): FieldError[] {
  const errors: FieldError[] = []
  let bytes = 0
  for (const field of fields) {
    for (const [key, value] of Object.entries(objectAt(object, field))) {
      bytes +=
        field === 'data' && object.kind === 'ConfigMap'
          ? Buffer.byteLength(String(value))
          : (String(value).length * 3) / 4
      for (const error of configKeyErrors(key)) errors.push(invalidValue(`${field}[${key}]`, key, error))
    }
  }
  if (bytes > CONTENT_AT_MOST_BYTES) errors.push(tooLong(object.kind === 'Secret' ? 'data' : '', CONTENT_AT_MOST_BYTES))
  if (old?.['immutable'] === true) {
    if (object['immutable'] !== true)
      errors.push(forbiddenField('immutable', 'field is immutable when `immutable` is set'))
    for (const field of fields) {
      if (deepEqual(object[field], old[field])) continue
      errors.push(forbiddenField(field, 'field is immutable when `immutable` is set'))
    }
  }
  return errors
}
