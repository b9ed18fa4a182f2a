import { isIP } from 'node:net'
import {
  at,
  duplicate,
  type FieldError,
  forbiddenField,
  index,
  invalidValue,
  notSupported,
  required,
} from '../field-error.ts'
import {
  deepEqual,
  isObject,
  type JsonObject,
  type KubeObject,
  objectAt,
  objectsAt,
  stringAt,
  thaw,
} from '../object.ts'
import { parseQuantity } from '../schema/quantity.ts'
import { labelErrors } from './metadata.ts'
import {
  configKeyErrors,
  dnsLabelErrors,
  dnsSubdomainErrors,
  envNameErrors,
  portNameErrors,
  portNumberErrors,
} from './names.ts'

const IMMUTABLE_TEXT =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

/** What is wrong in a pod, or in the change of one. */
export function podErrors(pod: KubeObject, old?: KubeObject): FieldError[] {
  const spec = objectAt(pod, 'spec')
  if (old !== undefined) return podUpdateErrors(spec, objectAt(old, 'spec'))
  return podSpecErrors(spec, 'spec')
}

function podUpdateErrors(spec: JsonObject, old: JsonObject): FieldError[] {
  const errors = containerErrorsIn(spec, 'spec')
  const before = objectsAt(old, 'tolerations')
  const kept = objectsAt(spec, 'tolerations').filter((one) => before.some((other) => deepEqual(one, other)))
  if (kept.length < before.length) {
    errors.push(
      forbiddenField('spec.tolerations', 'existing toleration can not be modified except its tolerationSeconds'),
    )
  }
  if (!deepEqual(fixedPart(spec), fixedPart(old))) errors.push(forbiddenField('spec', IMMUTABLE_TEXT))
  return errors
}

function fixedPart(spec: JsonObject): JsonObject {
  const copy = thaw(spec)
  for (const key of ['activeDeadlineSeconds', 'tolerations', 'terminationGracePeriodSeconds', 'schedulingGates']) {
    delete copy[key]
  }
  for (const container of [...objectsAt(copy, 'containers'), ...objectsAt(copy, 'initContainers')]) {
    delete container['image']
  }
  return copy
}

/** What is wrong in the spec of a pod or of a pod template at `field`. */
export function podSpecErrors(spec: JsonObject, field: string): FieldError[] {
  const errors = [...volumeErrors(spec, field), ...containerErrorsIn(spec, field)]
  errors.push(...labelErrors(objectAt(spec, 'nodeSelector') as Record<string, string>, `${field}.nodeSelector`))
  const names: [key: string, check: (name: string) => string[]][] = [
    ['nodeName', dnsSubdomainErrors],
    ['serviceAccountName', dnsSubdomainErrors],
    ['hostname', dnsLabelErrors],
    ['subdomain', dnsLabelErrors],
    ['priorityClassName', dnsSubdomainErrors],
  ]
  for (const [key, check] of names) {
    const name = stringAt(spec, key)
    if (name === '') continue
    for (const error of check(name)) errors.push(invalidValue(`${field}.${key}`, name, error))
  }
  const deadline = spec['activeDeadlineSeconds']
  if (typeof deadline === 'number' && (deadline < 1 || deadline > 2 ** 31 - 1)) {
    errors.push(invalidValue(`${field}.activeDeadlineSeconds`, deadline, 'must be between 1 and 2147483647, inclusive'))
  }
  const grace = spec['terminationGracePeriodSeconds']
  if (typeof grace === 'number' && grace < 0) {
    errors.push(invalidValue(`${field}.terminationGracePeriodSeconds`, grace, 'must be greater than or equal to 0'))
  }
  errors.push(...tolerationErrors(spec, field), ...dnsErrors(spec, field))
  for (const [position, alias] of objectsAt(spec, 'hostAliases').entries()) {
    const path = `${index(`${field}.hostAliases`, position)}.ip`
    if (isIP(stringAt(alias, 'ip')) === 0) errors.push(invalidValue(path, alias['ip'], 'must be a valid IP address'))
  }
  return errors
}

function volumeErrors(spec: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = []
  const seen = new Set<string>()
  for (const [position, volume] of objectsAt(spec, 'volumes').entries()) {
    const path = index(`${field}.volumes`, position)
    const name = stringAt(volume, 'name')
    if (name !== '') for (const error of dnsLabelErrors(name)) errors.push(invalidValue(`${path}.name`, name, error))
    if (seen.has(name)) errors.push(duplicate(`${path}.name`, name))
    seen.add(name)
    const sources = Object.keys(volume).filter((key) => key !== 'name')
    for (const extra of sources.slice(1)) {
      errors.push(forbiddenField(`${path}.${extra}`, 'may not specify more than 1 volume type'))
    }
    const hostPath = stringAt(volume['hostPath'], 'path')
    if (hostPath.split('/').includes('..')) {
      errors.push(invalidValue(`${path}.hostPath.path`, hostPath, "must not contain '..'"))
    }
  }
  return errors
}

function containerErrorsIn(spec: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  const volumes = new Set(objectsAt(spec, 'volumes').map((volume) => stringAt(volume, 'name')))
  for (const list of ['initContainers', 'containers']) {
    const usedPorts = new Set<string>()
    for (const [position, container] of objectsAt(spec, list).entries()) {
      const path = index(`${field}.${list}`, position)
      const name = stringAt(container, 'name')
      if (name !== '') for (const error of dnsLabelErrors(name)) errors.push(invalidValue(`${path}.name`, name, error))
      if (name !== '' && names.has(name)) errors.push(duplicate(`${path}.name`, name))
      names.add(name)
      errors.push(...containerErrors(container, path, volumes), ...hostPortErrors(container, path, usedPorts))
    }
  }
  return errors
}

function containerErrors(container: JsonObject, field: string, volumes: Set<string>): FieldError[] {
  const errors: FieldError[] = []
  const image = stringAt(container, 'image')
  if (image === '') errors.push(required(`${field}.image`))
  else if (image.trim() !== image) {
    errors.push(invalidValue(`${field}.image`, image, 'must not have leading or trailing whitespace'))
  }
  const portNames = new Set<string>()
  for (const [position, port] of objectsAt(container, 'ports').entries()) {
    const path = index(`${field}.ports`, position)
    const name = stringAt(port, 'name')
    if (name !== '') for (const error of portNameErrors(name)) errors.push(invalidValue(`${path}.name`, name, error))
    if (name !== '' && portNames.has(name)) errors.push(duplicate(`${path}.name`, name))
    portNames.add(name)
    for (const key of ['containerPort', 'hostPort']) {
      const number = port[key]
      if (typeof number !== 'number' || (number === 0 && key === 'hostPort')) continue
      for (const error of portNumberErrors(number)) errors.push(invalidValue(`${path}.${key}`, number, error))
    }
  }
  errors.push(...envErrors(container, field), ...mountErrors(container, field, volumes))
  errors.push(...resourceErrors(container, field))
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    if (isObject(container[name])) errors.push(...probeErrors(container[name], `${field}.${name}`))
  }
  return errors
}

function hostPortErrors(container: JsonObject, field: string, used: Set<string>): FieldError[] {
  const errors: FieldError[] = []
  for (const [position, port] of objectsAt(container, 'ports').entries()) {
    if (typeof port['hostPort'] !== 'number' || port['hostPort'] === 0) continue
    const key = `${String(port['protocol'])}/${stringAt(port, 'hostIP')}/${port['hostPort']}`
    if (used.has(key)) errors.push(duplicate(`${index(`${field}.ports`, position)}.hostPort`, key))
    used.add(key)
  }
  return errors
}

function envErrors(container: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = []
  for (const [position, variable] of objectsAt(container, 'env').entries()) {
    const path = index(`${field}.env`, position)
    const name = stringAt(variable, 'name')
    if (name !== '') for (const error of envNameErrors(name)) errors.push(invalidValue(`${path}.name`, name, error))
    if (!isObject(variable['valueFrom'])) continue
    if (stringAt(variable, 'value') !== '') {
      errors.push(invalidValue(`${path}.valueFrom`, '', 'may not be specified when `value` is not empty'))
    }
    const sources = Object.keys(variable['valueFrom'])
    if (sources.length !== 1) {
      const detail =
        sources.length === 0
          ? 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`'
          : 'may not have more than one field specified at a time'
      errors.push(invalidValue(`${path}.valueFrom`, '', detail))
    }
    for (const source of ['configMapKeyRef', 'secretKeyRef']) {
      const key = stringAt(variable['valueFrom'][source], 'key')
      if (key === '') continue
      for (const error of configKeyErrors(key)) errors.push(invalidValue(`${path}.valueFrom.${source}.key`, key, error))
    }
  }
  return errors
}

function mountErrors(container: JsonObject, field: string, volumes: Set<string>): FieldError[] {
  const errors: FieldError[] = []
  const paths = new Set<string>()
  for (const [position, mount] of objectsAt(container, 'volumeMounts').entries()) {
    const path = index(`${field}.volumeMounts`, position)
    const name = stringAt(mount, 'name')
    if (name !== '' && !volumes.has(name)) {
      errors.push({ type: 'FieldValueNotFound', field: `${path}.name`, message: `Not found: ${JSON.stringify(name)}` })
    }
    const mountPath = stringAt(mount, 'mountPath')
    if (paths.has(mountPath)) errors.push(invalidValue(`${path}.mountPath`, mountPath, 'must be unique'))
    paths.add(mountPath)
  }
  return errors
}

function resourceErrors(container: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = []
  const resources = objectAt(container, 'resources')
  for (const list of ['limits', 'requests']) {
    for (const [name, text] of Object.entries(objectAt(resources, list))) {
      const nanos = parseQuantity(String(text))?.nanos ?? 0n
      const path = `${field}.resources.${list}[${name}]`
      if (nanos < 0n) errors.push(invalidValue(path, text, 'must be greater than or equal to 0'))
      const limit = list === 'requests' ? parseQuantity(stringAt(objectAt(resources, 'limits'), name)) : undefined
      if (limit !== undefined && nanos > limit.nanos) {
        errors.push(
          invalidValue(
            `${field}.resources.requests`,
            text,
            `must be less than or equal to ${name} limit of ${String(objectAt(resources, 'limits')[name])}`,
          ),
        )
      }
    }
  }
  return errors
}

function probeErrors(probe: JsonObject, field: string): FieldError[] {
  const handlers = ['exec', 'httpGet', 'tcpSocket', 'grpc'].filter((name) => probe[name] !== undefined)
  if (handlers.length === 0) return [required(field, 'must specify a handler type')]
  const errors = handlers
    .slice(1)
    .map((name) => forbiddenField(at(field, name), 'may not specify more than 1 handler type'))
  for (const key of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ]) {
    const value = probe[key]
    if (typeof value === 'number' && value < 0) {
      errors.push(invalidValue(at(field, key), value, 'must be greater than or equal to 0'))
    }
  }
  return errors
}

function tolerationErrors(spec: JsonObject, field: string): FieldError[] {
  return objectsAt(spec, 'tolerations').flatMap((toleration, position) => {
    const path = index(`${field}.tolerations`, position)
    const errors: FieldError[] = []
    const operator = stringAt(toleration, 'operator')
    if (stringAt(toleration, 'key') === '' && operator !== 'Exists') {
      errors.push(
        invalidValue(
          `${path}.operator`,
          operator,
          'operator must be Exists when `key` is empty, which means "match all values and all keys"',
        ),
      )
    }
    if (operator === 'Exists' && stringAt(toleration, 'value') !== '') {
      errors.push(
        invalidValue(`${path}.operator`, toleration['value'], "value must be empty when `operator` is 'Exists'"),
      )
    }
    if (toleration['tolerationSeconds'] !== undefined && toleration['effect'] !== 'NoExecute') {
      errors.push(
        invalidValue(
          `${path}.effect`,
          toleration['effect'] ?? '',
          "effect must be 'NoExecute' when `tolerationSeconds` is set",
        ),
      )
    }
    return errors
  })
}

function dnsErrors(spec: JsonObject, field: string): FieldError[] {
  if (spec['dnsPolicy'] === 'None' && objectAt(spec, 'dnsConfig')['nameservers'] === undefined) {
    return [
      required(`${field}.dnsConfig.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None'),
    ]
  }
  const os = stringAt(spec['os'], 'name')
  return os === '' || os === 'linux' || os === 'windows' ? [] : [notSupported(`${field}.os`, os, ['linux', 'windows'])]
}
