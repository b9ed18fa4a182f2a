import { type FieldError, forbiddenField, index, invalidValue, notSupported, required } from '../field-error.ts'
import { type KubeObject, objectAt, objectsAt, stringAt, valueAt } from '../object.ts'
import { builtinType, objectIn, setDefault } from './builtin.ts'
import { ageColumn, column, countColumn, nameColumn, pathColumn, textOr } from './columns.ts'
import { immutableErrors, labelSelectorErrors } from './metadata.ts'
import { pathSegmentErrors } from './names.ts'

const HIGHEST_USER_PRIORITY = 1_000_000_000
const RBAC = 'rbac.authorization.k8s.io'

/** coordination.k8s.io/v1 Lease. */
export const leases = builtinType({
  group: 'coordination.k8s.io',
  resource: 'leases',
  kind: 'Lease',
  definition: 'io.k8s.api.coordination.v1.Lease',
  columns: [nameColumn, column('Holder', (lease) => stringAt(lease['spec'], 'holderIdentity')), ageColumn],
  validate: (lease) => {
    const spec = objectAt(lease, 'spec')
    const errors: FieldError[] = []
    const duration = spec['leaseDurationSeconds']
    if (typeof duration === 'number' && duration <= 0) {
      errors.push(invalidValue('spec.leaseDurationSeconds', duration, 'must be greater than 0'))
    }
    const transitions = spec['leaseTransitions']
    if (typeof transitions === 'number' && transitions < 0) {
      errors.push(invalidValue('spec.leaseTransitions', transitions, 'must be greater than or equal to 0'))
    }
    return errors
  },
})

/** policy/v1 PodDisruptionBudget. */
export const podDisruptionBudgets = builtinType({
  group: 'policy',
  resource: 'poddisruptionbudgets',
  kind: 'PodDisruptionBudget',
  shortNames: ['pdb'],
  definition: 'io.k8s.api.policy.v1.PodDisruptionBudget',
  hasStatus: true,
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('Min Available', (budget) => textOr(valueAt(budget, 'spec.minAvailable'), 'N/A')),
    column('Max Unavailable', (budget) => textOr(valueAt(budget, 'spec.maxUnavailable'), 'N/A')),
    countColumn('Allowed Disruptions', (budget) => Number(valueAt(budget, 'status.disruptionsAllowed') ?? 0)),
    ageColumn,
  ],
  validate: (budget) => {
    const spec = objectAt(budget, 'spec')
    const errors = labelSelectorErrors(spec['selector'], 'spec.selector')
    if (spec['minAvailable'] !== undefined && spec['maxUnavailable'] !== undefined) {
      errors.push(invalidValue('spec', spec, 'minAvailable and maxUnavailable cannot be both set'))
    }
    return errors
  },
})

/** scheduling.k8s.io/v1 PriorityClass. */
export const priorityClasses = builtinType({
  group: 'scheduling.k8s.io',
  resource: 'priorityclasses',
  kind: 'PriorityClass',
  namespaced: false,
  shortNames: ['pc'],
  definition: 'io.k8s.api.scheduling.v1.PriorityClass',
  tracksGeneration: true,
  columns: [
    nameColumn,
    countColumn('Value', (one) => Number(one['value'] ?? 0)),
    column('Global-Default', (one) => String(one['globalDefault'] === true)),
    ageColumn,
    pathColumn('PreemptionPolicy', 'preemptionPolicy'),
  ],
  applyDefaults: (one) => setDefault(one, 'preemptionPolicy', 'PreemptLowerPriority'),
  validate: (one, old) => {
    const errors: FieldError[] = []
    const isSystem = one.metadata.name.startsWith('system-')
    if (
      isSystem &&
      old === undefined &&
      !['system-node-critical', 'system-cluster-critical'].includes(one.metadata.name)
    ) {
      errors.push(
        forbiddenField('metadata.name', "priority class names with 'system-' prefix are reserved for system use only"),
      )
    }
    if (!isSystem && Number(one['value']) > HIGHEST_USER_PRIORITY) {
      errors.push(
        forbiddenField('value', `maximum allowed value of a user defined priority is ${HIGHEST_USER_PRIORITY}`),
      )
    }
    if (old !== undefined) errors.push(...immutableErrors(one['value'], old['value'], 'value'))
    return errors
  },
})

function rulesErrors(object: KubeObject, namespaced: boolean): FieldError[] {
  return objectsAt(object, 'rules').flatMap((rule, position) => {
    const field = index('rules', position)
    const has = (key: string): boolean => Array.isArray(rule[key]) && rule[key].length > 0
    if (has('nonResourceURLs')) {
      if (namespaced) {
        return [
          invalidValue(
            `${field}.nonResourceURLs`,
            rule['nonResourceURLs'],
            'namespaced rules cannot apply to non-resource URLs',
          ),
        ]
      }
      if (!has('apiGroups') && !has('resources') && !has('resourceNames')) return []
      const detail = 'rules cannot apply to both regular resources and non-resource URLs'
      return [invalidValue(`${field}.nonResourceURLs`, rule['nonResourceURLs'], detail)]
    }
    const errors: FieldError[] = []
    if (!has('apiGroups'))
      errors.push(required(`${field}.apiGroups`, 'resource rules must supply at least one api group'))
    if (!has('resources'))
      errors.push(required(`${field}.resources`, 'resource rules must supply at least one resource'))
    return errors
  })
}

function bindingErrors(binding: KubeObject, old: KubeObject | undefined): FieldError[] {
  const errors: FieldError[] = []
  const role = objectAt(binding, 'roleRef')
  if (role['apiGroup'] !== RBAC) errors.push(notSupported('roleRef.apiGroup', role['apiGroup'], [RBAC]))
  const kinds = binding.kind === 'RoleBinding' ? ['ClusterRole', 'Role'] : ['ClusterRole']
  if (!kinds.includes(stringAt(role, 'kind'))) errors.push(notSupported('roleRef.kind', role['kind'], kinds))
  if (old !== undefined) {
    for (const error of immutableErrors(role, old['roleRef'], 'roleRef')) {
      errors.push({ ...error, message: error.message.replace('field is immutable', 'cannot change roleRef') })
    }
  }
  for (const [position, subject] of objectsAt(binding, 'subjects').entries()) {
    const field = index('subjects', position)
    const kind = stringAt(subject, 'kind')
    if (!['ServiceAccount', 'User', 'Group'].includes(kind)) {
      errors.push(notSupported(`${field}.kind`, kind, ['ServiceAccount', 'User', 'Group']))
    }
    if (kind === 'ServiceAccount' && stringAt(subject, 'namespace') === '' && binding.kind === 'ClusterRoleBinding') {
      errors.push(required(`${field}.namespace`))
    }
  }
  return errors
}

function applyBindingDefaults(binding: KubeObject): void {
  setDefault(objectIn(binding, 'roleRef'), 'apiGroup', RBAC)
  for (const subject of objectsAt(binding, 'subjects')) {
    if (subject['kind'] === 'User' || subject['kind'] === 'Group') setDefault(subject, 'apiGroup', RBAC)
    if (subject['kind'] === 'ServiceAccount' && binding.metadata.namespace !== undefined) {
      setDefault(subject, 'namespace', binding.metadata.namespace)
    }
  }
}

const createdAt = {
  name: 'Created At',
  type: 'date',
  priority: 0,
  cell: (object: KubeObject) => object.metadata.creationTimestamp ?? '',
} as const

const roleText = column(
  'Role',
  (binding) => `${stringAt(binding['roleRef'], 'kind')}/${stringAt(binding['roleRef'], 'name')}`,
)

function subjectsColumn(name: string, kind: string): ReturnType<typeof column> {
  return column(
    name,
    (binding) =>
      objectsAt(binding, 'subjects')
        .filter((subject) => subject['kind'] === kind)
        .map(
          (subject) =>
            (kind === 'ServiceAccount' ? `${stringAt(subject, 'namespace')}/` : '') + stringAt(subject, 'name'),
        )
        .join(', '),
    1,
  )
}

const bindingColumns = [
  nameColumn,
  roleText,
  ageColumn,
  subjectsColumn('Users', 'User'),
  subjectsColumn('Groups', 'Group'),
  subjectsColumn('ServiceAccounts', 'ServiceAccount'),
]

/** The four kinds of rbac.authorization.k8s.io/v1. */
export const rbacTypes = [
  builtinType({
    group: RBAC,
    resource: 'roles',
    kind: 'Role',
    definition: 'io.k8s.api.rbac.v1.Role',
    nameErrors: pathSegmentErrors,
    columns: [nameColumn, createdAt],
    applyDefaults: (role) => setDefault(role, 'rules', []),
    validate: (role) => rulesErrors(role, true),
  }),
  builtinType({
    group: RBAC,
    resource: 'clusterroles',
    kind: 'ClusterRole',
    namespaced: false,
    definition: 'io.k8s.api.rbac.v1.ClusterRole',
    nameErrors: pathSegmentErrors,
    columns: [nameColumn, createdAt],
    applyDefaults: (role) => setDefault(role, 'rules', []),
    validate: (role) => rulesErrors(role, false),
  }),
  builtinType({
    group: RBAC,
    resource: 'rolebindings',
    kind: 'RoleBinding',
    definition: 'io.k8s.api.rbac.v1.RoleBinding',
    nameErrors: pathSegmentErrors,
    columns: bindingColumns,
    applyDefaults: applyBindingDefaults,
    validate: bindingErrors,
  }),
  builtinType({
    group: RBAC,
    resource: 'clusterrolebindings',
    kind: 'ClusterRoleBinding',
    namespaced: false,
    definition: 'io.k8s.api.rbac.v1.ClusterRoleBinding',
    nameErrors: pathSegmentErrors,
    columns: bindingColumns,
    applyDefaults: applyBindingDefaults,
    validate: bindingErrors,
  }),
]
