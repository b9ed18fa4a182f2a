import { expect, test } from 'vitest'
import { type Attributes, RbacAuthorizer } from '../../src/auth/authorizer.ts'
import type { KubeObject } from '../../src/object.ts'
import { Store } from '../../src/store/store.ts'

const GROUP = 'rbac.authorization.k8s.io'
const store = new Store({ historyLength: 10 })

function put(kind: string, name: string, rest: object, namespace?: string): void {
  const metadata = { name, ...(namespace === undefined ? {} : { namespace }) }
  const object = { apiVersion: `${GROUP}/v1`, kind, metadata, ...rest } as KubeObject
  store.put(`${kind.toLowerCase()}s.${GROUP}`, object)
}

function bind(kind: string, role: string, subject: object, namespace?: string): void {
  const roleRef = {
    apiGroup: GROUP,
    kind: namespace === undefined || kind === 'ClusterRole' ? 'ClusterRole' : 'Role',
    name: role,
  }
  put(
    namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding',
    `${role}-${JSON.stringify(subject)}`,
    { roleRef, subjects: [subject] },
    namespace,
  )
}

put('ClusterRole', 'pods', { rules: [{ apiGroups: [''], resources: ['pods', 'pods/log'], verbs: ['get', 'list'] }] })
put('ClusterRole', 'named', {
  rules: [{ apiGroups: ['apps'], resources: ['*/scale'], resourceNames: ['web'], verbs: ['*'] }],
})
put('ClusterRole', 'urls', { rules: [{ nonResourceURLs: ['/metrics', '/debug/*'], verbs: ['get'] }] })
put('ClusterRole', 'aggregate', {
  aggregationRule: { clusterRoleSelectors: [{ matchLabels: { to: 'all' } }] },
  rules: [],
})
store.put(`clusterroles.${GROUP}`, {
  apiVersion: `${GROUP}/v1`,
  kind: 'ClusterRole',
  metadata: { name: 'part', labels: { to: 'all' } },
  rules: [{ apiGroups: ['*'], resources: ['nodes'], verbs: ['watch'] }],
})
put('Role', 'local', { rules: [{ apiGroups: [''], resources: ['secrets'], verbs: ['get'] }] }, 'team')
bind('ClusterRole', 'pods', { kind: 'User', name: 'jane' })
bind('ClusterRole', 'named', { kind: 'Group', name: 'dev' })
bind('ClusterRole', 'urls', { kind: 'Group', name: 'dev' })
bind('ClusterRole', 'aggregate', { kind: 'Group', name: 'dev' })
bind('Role', 'local', { kind: 'ServiceAccount', name: 'bot', namespace: 'team' }, 'team')
bind('ClusterRole', 'pods', { kind: 'Group', name: 'dev' }, 'team')

const users: Record<string, { username: string; groups: string[] }> = {
  jane: { username: 'jane', groups: [] },
  dev: { username: 'someone', groups: ['dev'] },
  bot: { username: 'system:serviceaccount:team:bot', groups: [] },
  root: { username: 'x', groups: ['system:masters'] },
}

function asked(text: string): Attributes {
  const [verb = '', what = '', namespace = '', name = ''] = text.split(' ')
  if (what.startsWith('/')) return { isResource: false, verb, path: what }
  const [group = '', full = ''] = what.includes(':') ? what.split(':') : ['', what]
  const [resource = '', subresource = ''] = full.split('/')
  return { isResource: true, verb, group, resource, subresource, namespace: namespace === '-' ? '' : namespace, name }
}

test.for<[user: string, question: string, allowed: boolean]>([
  ['jane', 'get pods default', true],
  ['jane', 'get pods', true],
  ['jane', 'get pods/log default', true],
  ['jane', 'get pods/exec default', false],
  ['jane', 'delete pods default', false],
  ['jane', 'get apps:pods default', false],
  ['jane', 'get nodes', false],
  ['jane', 'get /metrics', false],
  ['dev', 'patch apps:deployments/scale default web', true],
  ['dev', 'patch apps:deployments/scale default other', false],
  ['dev', 'patch apps:deployments default web', false],
  ['dev', 'get /metrics', true],
  ['dev', 'get /metrics/more', false],
  ['dev', 'get /debug/pprof', true],
  ['dev', 'post /debug/pprof', false],
  ['dev', 'watch nodes', true],
  ['dev', 'list nodes', false],
  ['dev', 'list pods team', true],
  ['dev', 'list pods other', false],
  ['dev', 'list pods', false],
  ['bot', 'get secrets team', true],
  ['bot', 'get secrets other', false],
  ['bot', 'list secrets team', false],
  ['root', 'explode everything:at/once anywhere', true],
])('%s may %s: %s', ([user, question, allowed]) => {
  expect(new RbacAuthorizer(store).allows(users[user] ?? { username: '', groups: [] }, asked(question))).toBe(allowed)
})
