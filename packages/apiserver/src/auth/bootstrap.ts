import type { KubeObject } from '../object.ts'

const RBAC = 'rbac.authorization.k8s.io/v1'
const reading = ['get', 'list', 'watch']
const writing = ['create', 'delete', 'deletecollection', 'patch', 'update']

function clusterRole(name: string, rules: unknown[]): KubeObject {
  const labels = { 'kubernetes.io/bootstrapping': 'rbac-defaults' }
  return { apiVersion: RBAC, kind: 'ClusterRole', metadata: { name, labels }, rules }
}

function binding(role: string, ...groups: string[]): KubeObject {
  return {
    apiVersion: RBAC,
    kind: 'ClusterRoleBinding',
    metadata: { name: role, labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' } },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: groups.map((name) => ({ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name })),
  }
}

const namespacedWork = [
  { apiGroups: [''], resources: ['configmaps', 'endpoints', 'pods', 'secrets', 'serviceaccounts', 'services'] },
  { apiGroups: [''], resources: ['pods/attach', 'pods/exec', 'pods/eviction', 'pods/portforward'] },
  { apiGroups: ['apps'], resources: ['*'] },
  { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'] },
  { apiGroups: ['policy'], resources: ['poddisruptionbudgets'] },
  { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'] },
  { apiGroups: ['coordination.k8s.io'], resources: ['leases'] },
]

const namespacedViews = [
  {
    apiGroups: [''],
    resources: [
      'configmaps',
      'endpoints',
      'events',
      'namespaces',
      'pods',
      'pods/log',
      'pods/status',
      'serviceaccounts',
      'services',
    ],
    verbs: reading,
  },
  ...namespacedWork.slice(2).map((rule) => ({ ...rule, verbs: reading })),
]

const edits = [...namespacedViews, ...namespacedWork.map((rule) => ({ ...rule, verbs: [...reading, ...writing] }))]

/** Roles, bindings and priority classes that every cluster has from the start. */
export const bootstrapObjects: readonly KubeObject[] = [
  clusterRole('cluster-admin', [
    { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
    { nonResourceURLs: ['*'], verbs: ['*'] },
  ]),
  clusterRole('admin', [
    ...edits,
    { apiGroups: ['rbac.authorization.k8s.io'], resources: ['roles', 'rolebindings'], verbs: [...reading, ...writing] },
  ]),
  clusterRole('edit', edits),
  clusterRole('view', namespacedViews),
  clusterRole('system:discovery', [
    {
      nonResourceURLs: [
        '/api',
        '/api/*',
        '/apis',
        '/apis/*',
        '/healthz',
        '/livez',
        '/openapi',
        '/openapi/*',
        '/readyz',
        '/version',
        '/version/',
      ],
      verbs: ['get'],
    },
  ]),
  clusterRole('system:basic-user', [
    {
      apiGroups: ['authorization.k8s.io'],
      resources: ['selfsubjectaccessreviews', 'selfsubjectrulesreviews'],
      verbs: ['create'],
    },
    { apiGroups: ['authentication.k8s.io'], resources: ['selfsubjectreviews'], verbs: ['create'] },
  ]),
  clusterRole('system:auth-delegator', [
    { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
    { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
  ]),
  binding('cluster-admin', 'system:masters'),
  binding('system:discovery', 'system:authenticated'),
  binding('system:basic-user', 'system:authenticated'),
  ...[
    ['system-cluster-critical', 2_000_000_000],
    ['system-node-critical', 2_000_001_000],
  ].map(
    ([name, value]): KubeObject => ({
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name: String(name) },
      value,
      description: 'Used for system critical pods.',
    }),
  ),
  ...['default', 'kube-system', 'kube-public', 'kube-node-lease'].map(
    (name): KubeObject => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }),
  ),
]
