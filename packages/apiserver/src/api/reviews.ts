import type { Authenticator } from '../auth/authenticator.ts'
import type { Attributes, Authorizer } from '../auth/authorizer.ts'
import { RbacAuthorizer } from '../auth/authorizer.ts'
import { badRequest, invalid } from '../errors.ts'
import { required } from '../field-error.ts'
import { isObject, type JsonObject, type KubeObject, objectAt, stringAt, stringsAt } from '../object.ts'
import type { ResourceType } from '../resources/resource-type.ts'
import type { UserInfo } from './admission.ts'

export interface ReviewPorts {
  authenticator: Authenticator
  authorizer: Authorizer
}

/** Answers a review: the object with its `status` filled in. @throws {ApiError} 400, 422 */
export function answerReview(
  { authenticator, authorizer }: ReviewPorts,
  type: ResourceType,
  review: KubeObject,
  user: UserInfo,
  namespace: string | undefined,
): KubeObject {
  const spec = objectAt(review, 'spec')
  const { managedFields: _fields, ...metadata } = review.metadata
  const answer = (status: JsonObject): KubeObject => ({ ...review, metadata, status })
  switch (type.resource) {
    case 'tokenreviews':
      return answer(reviewToken(authenticator, stringAt(spec, 'token'), stringsAt(spec, 'audiences')))
    case 'selfsubjectreviews':
      return answer({ userInfo: user })
    case 'selfsubjectrulesreviews':
      return answer(rulesStatus(authorizer, user, stringAt(spec, 'namespace')))
    case 'selfsubjectaccessreviews':
      return answer(accessStatus(authorizer, user, attributesOf(type, spec, namespace)))
    default:
      return answer(accessStatus(authorizer, subjectOf(type, spec), attributesOf(type, spec, namespace)))
  }
}

function reviewToken(authenticator: Authenticator, token: string, audiences: string[]): JsonObject {
  const user = token === '' ? undefined : authenticator.userOfToken(token)
  if (user === undefined) return { authenticated: false, user: {}, error: 'invalid bearer token' }
  return { authenticated: true, user, ...(audiences.length === 0 ? {} : { audiences }) }
}

function accessStatus(authorizer: Authorizer, user: UserInfo, attributes: Attributes): JsonObject {
  const allowed = authorizer.allows(user, attributes)
  return allowed ? { allowed } : { allowed, reason: '' }
}

function subjectOf(type: ResourceType, spec: JsonObject): UserInfo {
  const [username, groups] = [stringAt(spec, 'user'), stringsAt(spec, 'groups')]
  if (username === '' && groups.length === 0) {
    throw invalid(type.group, type.kind, '', [required('spec.user', 'at least one of user or group must be specified')])
  }
  return { username, groups }
}

function attributesOf(type: ResourceType, spec: JsonObject, namespace: string | undefined): Attributes {
  const resource = spec['resourceAttributes']
  const other = spec['nonResourceAttributes']
  if (isObject(resource) === isObject(other)) {
    const message = 'exactly one of nonResourceAttributes or resourceAttributes must be specified'
    throw invalid(type.group, type.kind, '', [required('spec.resourceAttributes', message)])
  }
  if (isObject(other)) return { isResource: false, verb: stringAt(other, 'verb'), path: stringAt(other, 'path') }
  if (namespace !== undefined && stringAt(resource, 'namespace') !== namespace) {
    throw badRequest('spec.resourceAttributes.namespace must match the namespace of the review')
  }
  return {
    isResource: true,
    verb: stringAt(resource, 'verb'),
    group: stringAt(resource, 'group'),
    resource: stringAt(resource, 'resource'),
    subresource: stringAt(resource, 'subresource'),
    namespace: stringAt(resource, 'namespace'),
    name: stringAt(resource, 'name'),
  }
}

function rulesStatus(authorizer: Authorizer, user: UserInfo, namespace: string): JsonObject {
  const isUnlimited = !(authorizer instanceof RbacAuthorizer) || user.groups.includes('system:masters')
  const rules = isUnlimited
    ? [
        { apiGroups: ['*'], resources: ['*'], verbs: ['*'] },
        { nonResourceURLs: ['*'], verbs: ['*'] },
      ]
    : authorizer.rulesFor(user, namespace)
  return {
    resourceRules: rules.filter((rule) => 'resources' in rule),
    nonResourceRules: rules.filter((rule) => 'nonResourceURLs' in rule),
    incomplete: false,
  }
}
