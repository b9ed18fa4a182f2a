import { type FieldError, index, invalidValue } from '../field-error.ts'
import { arrayAt, type KubeObject, objectAt, objectsAt, stringAt, valueAt } from '../object.ts'
import { isCidr } from '../schema/formats.ts'
import { builtinType } from './builtin.ts'
import { ageColumn, column, nameColumn, textOr } from './columns.ts'
import { labelKeyErrors, labelValueErrors } from './names.ts'

const ROLE_PREFIX = 'node-role.kubernetes.io/'

/** v1 Node. */
export const nodes = builtinType({
  resource: 'nodes',
  kind: 'Node',
  namespaced: false,
  shortNames: ['no'],
  definition: 'io.k8s.api.core.v1.Node',
  hasStatus: true,
  columns: [
    nameColumn,
    column('Status', statusText),
    column('Roles', rolesText),
    ageColumn,
    column('Version', (node) => textOr(valueAt(node, 'status.nodeInfo.kubeletVersion'), '')),
    column('Internal-IP', (node) => addressOf(node, 'InternalIP'), 1),
    column('External-IP', (node) => addressOf(node, 'ExternalIP'), 1),
    column('OS-Image', (node) => textOr(valueAt(node, 'status.nodeInfo.osImage'), '<unknown>'), 1),
    column('Kernel-Version', (node) => textOr(valueAt(node, 'status.nodeInfo.kernelVersion'), '<unknown>'), 1),
    column(
      'Container-Runtime',
      (node) => textOr(valueAt(node, 'status.nodeInfo.containerRuntimeVersion'), '<unknown>'),
      1,
    ),
  ],
  selectableFields: { 'spec.unschedulable': (node) => String(objectAt(node, 'spec')['unschedulable'] === true) },
  applyDefaults: (node) => {
    node['spec'] ??= {}
  },
  validate: nodeErrors,
})

function statusText(node: KubeObject): string {
  const ready = objectsAt(node['status'], 'conditions').find(({ type }) => type === 'Ready')
  const parts = [ready === undefined ? 'Unknown' : ready['status'] === 'True' ? 'Ready' : 'NotReady']
  if (objectAt(node, 'spec')['unschedulable'] === true) parts.push('SchedulingDisabled')
  return parts.join(',')
}

function rolesText(node: KubeObject): string {
  const roles = Object.entries(node.metadata.labels ?? {}).flatMap(([key, value]) => {
    if (key.startsWith(ROLE_PREFIX) && key.length > ROLE_PREFIX.length) return [key.slice(ROLE_PREFIX.length)]
    return key === 'kubernetes.io/role' && value !== '' ? [value] : []
  })
  return roles.length === 0 ? '<none>' : [...new Set(roles)].toSorted().join(',')
}

function addressOf(node: KubeObject, type: string): string {
  return (
    stringAt(
      objectsAt(node['status'], 'addresses').find((address) => address['type'] === type),
      'address',
    ) || '<none>'
  )
}

function nodeErrors(node: KubeObject, old?: KubeObject): FieldError[] {
  const spec = objectAt(node, 'spec')
  const errors: FieldError[] = []
  for (const [position, cidr] of arrayAt(spec, 'podCIDRs').entries()) {
    if (!isCidr(String(cidr))) {
      errors.push(invalidValue(index('spec.podCIDRs', position), cidr, 'must be a valid CIDR value'))
    }
  }
  for (const [position, taint] of objectsAt(spec, 'taints').entries()) {
    const field = index('spec.taints', position)
    for (const error of labelKeyErrors(stringAt(taint, 'key')))
      errors.push(invalidValue(`${field}.key`, taint['key'], error))
    for (const error of labelValueErrors(stringAt(taint, 'value'))) {
      errors.push(invalidValue(`${field}.value`, taint['value'], error))
    }
  }
  const before = stringAt(old?.['spec'], 'podCIDR')
  if (before !== '' && before !== stringAt(spec, 'podCIDR')) {
    errors.push({
      type: 'FieldValueForbidden',
      field: 'spec.podCIDRs',
      message: 'Forbidden: node updates may not change podCIDR except from "" to valid',
    })
  }
  return errors
}
