import { type FieldError, invalidValue, notSupported, required } from '../field-error.ts'
import {
  isObject,
  type JsonObject,
  type KubeObject,
  numberAt,
  objectAt,
  objectsAt,
  stringAt,
  valueAt,
} from '../object.ts'
import { labelSelectorText, matchesLabels, requirementsOf } from '../store/selectors.ts'
import { builtinType, objectIn, scaleSubresource, setDefault } from './builtin.ts'
import { ageColumn, column, countColumn, nameColumn } from './columns.ts'
import { immutableErrors, labelErrors, labelSelectorErrors } from './metadata.ts'
import { applyPodSpecDefaults } from './pod-defaults.ts'
import { podSpecErrors } from './pod-validation.ts'
import type { Column, ScalePaths } from './resource-type.ts'
import { selectorText } from './service.ts'

const scale: ScalePaths = {
  specReplicas: 'spec.replicas',
  statusReplicas: 'status.replicas',
  labelSelector: 'spec.selector',
}

const containersColumn: Column = column('Containers', (object) => containersOf(object, 'name'), 1)
const imagesColumn: Column = column('Images', (object) => containersOf(object, 'image'), 1)
const selectorColumn: Column = column(
  'Selector',
  (object) => labelSelectorText(objectAt(object['spec'], 'selector')),
  1,
)

function count(path: string): (object: KubeObject) => number {
  return (object) => {
    const value = valueAt(object, path)
    return typeof value === 'number' ? value : 0
  }
}

/** apps/v1 Deployment. */
export const deployments = builtinType({
  group: 'apps',
  resource: 'deployments',
  kind: 'Deployment',
  shortNames: ['deploy'],
  categories: ['all'],
  definition: 'io.k8s.api.apps.v1.Deployment',
  hasStatus: true,
  scale,
  subresources: [scaleSubresource],
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('Ready', (object) => `${count('status.readyReplicas')(object)}/${count('spec.replicas')(object)}`),
    column('Up-to-date', (object) => String(count('status.updatedReplicas')(object))),
    column('Available', (object) => String(count('status.availableReplicas')(object))),
    ageColumn,
    containersColumn,
    imagesColumn,
    selectorColumn,
  ],
  applyDefaults: (object) => {
    const spec = objectIn(object, 'spec')
    setDefault(spec, 'replicas', 1)
    setDefault(spec, 'revisionHistoryLimit', 10)
    setDefault(spec, 'progressDeadlineSeconds', 600)
    const strategy = objectIn(spec, 'strategy')
    setDefault(strategy, 'type', 'RollingUpdate')
    if (strategy['type'] === 'RollingUpdate') {
      const rolling = objectIn(strategy, 'rollingUpdate')
      setDefault(rolling, 'maxUnavailable', '25%')
      setDefault(rolling, 'maxSurge', '25%')
    }
    applyTemplateDefaults(spec)
  },
  validate: (object, old) => {
    const spec = objectAt(object, 'spec')
    const errors = workloadErrors(spec, old)
    if (objectAt(spec, 'strategy')['type'] === 'Recreate' && isObject(objectAt(spec, 'strategy')['rollingUpdate'])) {
      const message = "Forbidden: may not be specified when strategy `type` is 'Recreate'"
      errors.push({ type: 'FieldValueForbidden', field: 'spec.strategy.rollingUpdate', message })
    }
    return errors
  },
})

/** apps/v1 ReplicaSet. */
export const replicaSets = builtinType({
  group: 'apps',
  resource: 'replicasets',
  kind: 'ReplicaSet',
  shortNames: ['rs'],
  categories: ['all'],
  definition: 'io.k8s.api.apps.v1.ReplicaSet',
  hasStatus: true,
  scale,
  subresources: [scaleSubresource],
  tracksGeneration: true,
  columns: [
    nameColumn,
    countColumn('Desired', count('spec.replicas')),
    countColumn('Current', count('status.replicas')),
    countColumn('Ready', count('status.readyReplicas')),
    ageColumn,
    containersColumn,
    imagesColumn,
    selectorColumn,
  ],
  selectableFields: { 'status.replicas': (object) => String(count('status.replicas')(object)) },
  applyDefaults: (object) => {
    const spec = objectIn(object, 'spec')
    setDefault(spec, 'replicas', 1)
    applyTemplateDefaults(spec)
  },
  prepareForCreate: (object) => {
    object['status'] = { replicas: 0 }
  },
  validate: (object, old) => workloadErrors(objectAt(object, 'spec'), old),
})

/** apps/v1 DaemonSet. */
export const daemonSets = builtinType({
  group: 'apps',
  resource: 'daemonsets',
  kind: 'DaemonSet',
  shortNames: ['ds'],
  categories: ['all'],
  definition: 'io.k8s.api.apps.v1.DaemonSet',
  hasStatus: true,
  tracksGeneration: true,
  columns: [
    nameColumn,
    countColumn('Desired', count('status.desiredNumberScheduled')),
    countColumn('Current', count('status.currentNumberScheduled')),
    countColumn('Ready', count('status.numberReady')),
    countColumn('Up-to-date', count('status.updatedNumberScheduled')),
    countColumn('Available', count('status.numberAvailable')),
    column('Node Selector', (object) => selectorText(objectAt(valueAt(object, 'spec.template.spec'), 'nodeSelector'))),
    ageColumn,
    containersColumn,
    imagesColumn,
    selectorColumn,
  ],
  applyDefaults: (object) => {
    const spec = objectIn(object, 'spec')
    setDefault(spec, 'revisionHistoryLimit', 10)
    const strategy = objectIn(spec, 'updateStrategy')
    setDefault(strategy, 'type', 'RollingUpdate')
    if (strategy['type'] === 'RollingUpdate') {
      const rolling = objectIn(strategy, 'rollingUpdate')
      setDefault(rolling, 'maxUnavailable', 1)
      setDefault(rolling, 'maxSurge', 0)
    }
    applyTemplateDefaults(spec)
  },
  prepareForCreate: (object) => {
    object['status'] = { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 }
  },
  validate: (object, old) => workloadErrors(objectAt(object, 'spec'), old),
})

/** apps/v1 StatefulSet. */
export const statefulSets = builtinType({
  group: 'apps',
  resource: 'statefulsets',
  kind: 'StatefulSet',
  shortNames: ['sts'],
  categories: ['all'],
  definition: 'io.k8s.api.apps.v1.StatefulSet',
  hasStatus: true,
  scale,
  subresources: [scaleSubresource],
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('Ready', (object) => `${count('status.readyReplicas')(object)}/${count('spec.replicas')(object)}`),
    ageColumn,
    containersColumn,
    imagesColumn,
  ],
  applyDefaults: (object) => {
    const spec = objectIn(object, 'spec')
    setDefault(spec, 'replicas', 1)
    setDefault(spec, 'revisionHistoryLimit', 10)
    setDefault(spec, 'podManagementPolicy', 'OrderedReady')
    const strategy = objectIn(spec, 'updateStrategy')
    setDefault(strategy, 'type', 'RollingUpdate')
    if (strategy['type'] === 'RollingUpdate') setDefault(objectIn(strategy, 'rollingUpdate'), 'partition', 0)
    setDefault(spec, 'persistentVolumeClaimRetentionPolicy', { whenDeleted: 'Retain', whenScaled: 'Retain' })
    applyTemplateDefaults(spec)
  },
  prepareForCreate: (object) => {
    object['status'] = { replicas: 0, availableReplicas: 0 }
  },
  validate: (object, old) => workloadErrors(objectAt(object, 'spec'), old),
})

function applyTemplateDefaults(spec: JsonObject): void {
  const template = spec['template']
  if (isObject(template) && isObject(template['spec'])) applyPodSpecDefaults(template['spec'])
}

/** What is wrong in the selector, the template and the replicas of a workload. */
function workloadErrors(spec: JsonObject, old: KubeObject | undefined): FieldError[] {
  const errors: FieldError[] = []
  const selector = objectAt(spec, 'selector')
  const template = objectAt(spec, 'template')
  if (spec['selector'] !== undefined) {
    errors.push(...labelSelectorErrors(selector, 'spec.selector'))
    if (requirementsOf(selector).length === 0) {
      errors.push(invalidValue('spec.selector', selector, 'empty selector is invalid for deployment'))
    }
    const labels = objectAt(objectAt(template, 'metadata'), 'labels') as Record<string, string>
    errors.push(...labelErrors(labels, 'spec.template.metadata.labels'))
    if (!matchesLabels(requirementsOf(selector), labels)) {
      errors.push(invalidValue('spec.template.metadata.labels', labels, '`selector` does not match template `labels`'))
    }
    if (old !== undefined) errors.push(...immutableErrors(selector, objectAt(old['spec'], 'selector'), 'spec.selector'))
  }
  const replicas = numberAt(spec, 'replicas')
  if (replicas !== undefined && replicas < 0) {
    errors.push(invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0'))
  }
  if (spec['template'] !== undefined && !isObject(template['spec']))
    errors.push(required('spec.template.spec.containers'))
  if (isObject(template['spec'])) {
    errors.push(...podSpecErrors(template['spec'], 'spec.template.spec'))
    const policy = template['spec']['restartPolicy']
    if (policy !== 'Always') errors.push(notSupported('spec.template.spec.restartPolicy', policy, ['Always']))
  }
  return errors
}

function containersOf(object: KubeObject, field: string): string {
  return objectsAt(valueAt(object, 'spec.template.spec'), 'containers')
    .map((container) => stringAt(container, field))
    .join(',')
}
