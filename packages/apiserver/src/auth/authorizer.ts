import type { UserInfo } from '../api/admission.ts'
import { type JsonObject, type KubeObject, objectAt, objectsAt, stringAt, stringsAt } from '../object.ts'
import { matchesLabels, requirementsOf } from '../store/selectors.ts'
import type { Store } from '../store/store.ts'

const GROUP = 'rbac.authorization.k8s.io'

/** What somebody wants to do. */
export type Attributes =
  | {
      isResource: true
      verb: string
      group: string
      resource: string
      subresource: string
      namespace: string
      name: string
    }
  | { isResource: false; verb: string; path: string }

export interface Authorizer {
  allows(user: UserInfo, attributes: Attributes): boolean
}

/** Lets everybody who is known do everything. */
export const alwaysAllow: Authorizer = { allows: () => true }

/** Role-based access control: whatever a rule of a bound role does not allow is forbidden. */
export class RbacAuthorizer implements Authorizer {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  allows(user: UserInfo, attributes: Attributes): boolean {
    if (user.groups.includes('system:masters')) return true
    const namespace = attributes.isResource ? attributes.namespace : ''
    return this.rulesFor(user, namespace).some((rule) => ruleAllows(rule, attributes))
  }

  /** The rules that hold for `user` in `namespace` ('' = cluster-wide ones only). */
  rulesFor(user: UserInfo, namespace: string): JsonObject[] {
    const clusterRules = this.#store
      .list(`clusterrolebindings.${GROUP}`)
      .filter((binding) => isSubject(user, binding))
      .flatMap((binding) => this.#rulesOf(binding, undefined))
    if (namespace === '') return clusterRules
    const namespaceRules = this.#store
      .list(`rolebindings.${GROUP}`, namespace)
      .filter((binding) => isSubject(user, binding))
      .flatMap((binding) => this.#rulesOf(binding, namespace))
    return [...clusterRules, ...namespaceRules]
  }

  #rulesOf(binding: KubeObject, namespace: string | undefined): JsonObject[] {
    const { kind, name } = objectAt(binding, 'roleRef')
    if (kind === 'Role') {
      return objectsAt(this.#store.get(`roles.${GROUP}`, namespace, String(name)), 'rules')
    }
    const role = this.#store.get(`clusterroles.${GROUP}`, undefined, String(name))
    return role === undefined ? [] : this.#rulesOfClusterRole(role)
  }

  #rulesOfClusterRole(role: KubeObject): JsonObject[] {
    const selectors = objectsAt(role['aggregationRule'], 'clusterRoleSelectors').map((one) => requirementsOf(one))
    if (selectors.length === 0) return objectsAt(role, 'rules')
    return this.#store
      .list(`clusterroles.${GROUP}`)
      .filter((other) => other !== role && selectors.some((selector) => matchesLabels(selector, other.metadata.labels)))
      .flatMap((other) => objectsAt(other, 'rules'))
  }
}

function isSubject(user: UserInfo, binding: KubeObject): boolean {
  return objectsAt(binding, 'subjects').some((subject) => {
    const name = stringAt(subject, 'name')
    switch (subject['kind']) {
      case 'User':
        return user.username === name
      case 'Group':
        return user.groups.includes(name)
      default:
        return user.username === `system:serviceaccount:${stringAt(subject, 'namespace')}:${name}`
    }
  })
}

function ruleAllows(rule: JsonObject, attributes: Attributes): boolean {
  const verbs = stringsAt(rule, 'verbs')
  if (!verbs.includes('*') && !verbs.includes(attributes.verb)) return false
  if (!attributes.isResource) {
    return stringsAt(rule, 'nonResourceURLs').some((url) =>
      url.endsWith('*') ? attributes.path.startsWith(url.slice(0, -1)) : attributes.path === url,
    )
  }
  const { group, resource, subresource, name } = attributes
  const groups = stringsAt(rule, 'apiGroups')
  if (!groups.includes('*') && !groups.includes(group)) return false
  const full = subresource === '' ? resource : `${resource}/${subresource}`
  const resources = stringsAt(rule, 'resources')
  const isCovered =
    resources.includes('*') ||
    resources.includes(full) ||
    (subresource !== '' && resources.includes(`*/${subresource}`))
  if (!isCovered) return false
  const names = stringsAt(rule, 'resourceNames')
  return names.length === 0 || names.includes(name)
}
