import { ApiError, badRequest, invalid } from '../errors.ts'
import { type FieldError, forbiddenField, invalidValue } from '../field-error.ts'
import type { KubeObject } from '../object.ts'
import type { ResourceType } from '../resources/resource-type.ts'
import { type LabelRequirement, matchesLabels, parseFieldSelector, parseLabelSelector } from '../store/selectors.ts'
import type { Store } from '../store/store.ts'

export interface ListQuery {
  matches: (object: KubeObject) => boolean
  hasSelector: boolean
  limit: number
  continue: ContinueToken | undefined
  resourceVersion: number | undefined
  resourceVersionMatch: 'Exact' | 'NotOlderThan' | undefined
}

export interface ListResult {
  items: KubeObject[]
  resourceVersion: number
  continue: string | undefined
  remaining: number | undefined
}

interface ContinueToken {
  /** Revision of the first page. */
  revision: number
  /** `namespace/name` of the last object that was sent. */
  after: string
}

/** Reads the query parameters of a list. @throws {ApiError} 400, 422 */
export function parseListQuery(type: ResourceType, query: URLSearchParams): ListQuery {
  const { matches, hasSelector } = parseSelectors(type, query)
  const resourceVersion = parseResourceVersion(query)
  const match = parseVersionMatch(query, resourceVersion)
  const token = query.get('continue') ?? ''
  if (token !== '' && (resourceVersion ?? 0) > 0) {
    throw badRequest('specifying resource version is not allowed when using continue')
  }
  return {
    matches,
    hasSelector,
    limit: parseCount(query, 'limit') ?? 0,
    continue: token === '' ? undefined : parseToken(token),
    resourceVersion,
    resourceVersionMatch: match,
  }
}

/** Reads the selectors of a list, a watch or a deletecollection. @throws {ApiError} 400 */
export function parseSelectors(
  type: ResourceType,
  query: URLSearchParams,
): { matches: (object: KubeObject) => boolean; hasSelector: boolean } {
  const labels: LabelRequirement[] = parseLabelSelector(query.get('labelSelector') ?? '')
  const fieldText = query.get('fieldSelector') ?? ''
  const matchesFields = parseFieldSelector(fieldText, type.selectableFields)
  return {
    matches: (object) => matchesLabels(labels, object.metadata.labels) && matchesFields(object),
    hasSelector: labels.length > 0 || fieldText !== '',
  }
}

/** The `resourceVersion` parameter; undefined when it is absent or empty. @throws {ApiError} 400 */
export function parseResourceVersion(query: URLSearchParams): number | undefined {
  const text = query.get('resourceVersion') ?? ''
  if (text === '') return undefined
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 2n ** 64n) {
    const why = `Invalid value: ${JSON.stringify(text.slice(0, 64))}: resource version must be an unsigned integer`
    throw new ApiError('BadRequest', `resourceVersion: ${why}`, {
      causes: [{ reason: 'FieldValueInvalid', message: why, field: 'resourceVersion' }],
    })
  }
  return Number(text)
}

/** A parameter that is a whole number of 0 or more. @throws {ApiError} 400 */
export function parseCount(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name) ?? ''
  if (text === '') return undefined
  if (!/^\d{1,15}$/.test(text)) throw badRequest(`invalid ${name}: ${JSON.stringify(text.slice(0, 64))} is not a count`)
  return Number(text)
}

/** A parameter that is a boolean, as Go's strconv reads one; anything else counts as true, as in Kubernetes. */
export function parseFlag(query: URLSearchParams, name: string): boolean {
  const text = query.get(name)
  return text !== null && !['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)
}

function parseVersionMatch(
  query: URLSearchParams,
  resourceVersion: number | undefined,
): ListQuery['resourceVersionMatch'] {
  const match = query.get('resourceVersionMatch') ?? ''
  if (match === '') return undefined
  if (resourceVersion === undefined) {
    throw listInvalid(
      forbiddenField('resourceVersionMatch', 'resourceVersionMatch is forbidden unless resourceVersion is provided'),
    )
  }
  if (match !== 'Exact' && match !== 'NotOlderThan') {
    throw listInvalid(invalidValue('resourceVersionMatch', match, 'supported values: "Exact", "NotOlderThan"'))
  }
  if (match === 'Exact' && resourceVersion === 0) {
    throw listInvalid(
      forbiddenField('resourceVersionMatch', 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'),
    )
  }
  return match
}

/** 422 for the options of a list or a watch. */
export function listInvalid(error: FieldError): ApiError {
  return invalid('meta.k8s.io', 'ListOptions', '', [error])
}

/** Runs a list. @throws {ApiError} 410 for a revision that is forgotten, 504 for one that is not reached yet */
export function listObjects(
  store: Store,
  type: ResourceType,
  namespace: string | undefined,
  query: ListQuery,
): ListResult {
  const revision = revisionOf(store, query)
  const isCurrent = revision === store.revision
  const all = isCurrent ? store.list(type.table, namespace) : store.listAt(revision, type.table, namespace)
  const after = query.continue?.after
  const rest = all.filter((object) => (after === undefined || placeOf(object) > after) && query.matches(object))
  if (query.limit === 0 || rest.length <= query.limit) {
    return { items: rest, resourceVersion: revision, continue: undefined, remaining: undefined }
  }
  const items = rest.slice(0, query.limit)
  const last = items.at(-1)
  return {
    items,
    resourceVersion: revision,
    continue: last === undefined ? undefined : encodeToken({ revision, after: placeOf(last) }),
    remaining: query.hasSelector ? undefined : rest.length - items.length,
  }
}

function revisionOf(store: Store, query: ListQuery): number {
  const exact = query.continue?.revision ?? (query.resourceVersionMatch === 'Exact' ? query.resourceVersion : undefined)
  const wanted = exact ?? query.resourceVersion ?? 0
  if (wanted > store.revision) throw tooLarge(wanted, store.revision)
  if (exact === undefined) return store.revision
  if (exact < store.compactedRevision) {
    throw query.continue === undefined
      ? expired(exact, store.compactedRevision)
      : new ApiError(
          'Expired',
          'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.',
        )
  }
  return exact
}

/** 410: the history before `oldest` is forgotten. */
export function expired(revision: number, oldest: number): ApiError {
  return new ApiError('Expired', `too old resource version: ${revision} (${oldest})`)
}

function tooLarge(revision: number, current: number): ApiError {
  return new ApiError('Timeout', `Timeout: Too large resource version: ${revision}, current: ${current}`, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  })
}

function placeOf({ metadata }: KubeObject): string {
  return `${metadata.namespace ?? ''}/${metadata.name}`
}

function encodeToken(token: ContinueToken): string {
  return Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: token.revision, start: token.after })).toString(
    'base64url',
  )
}

function parseToken(text: string): ContinueToken {
  try {
    const { rv, start } = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as { rv: unknown; start: unknown }
    if (Number.isSafeInteger(rv) && typeof start === 'string') return { revision: rv as number, after: start }
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error
  }
  throw badRequest('continue key is not valid')
}
