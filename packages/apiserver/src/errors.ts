import { type FieldError, fieldErrorText } from './field-error.ts'
import type { JsonObject } from './object.ts'

/** `metav1.StatusReason` values that this server answers with; they are the stable codes of {@link ApiError}. */
export type StatusReason =
  | 'BadRequest'
  | 'Unauthorized'
  | 'Forbidden'
  | 'NotFound'
  | 'MethodNotAllowed'
  | 'NotAcceptable'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Gone'
  | 'Expired'
  | 'RequestEntityTooLarge'
  | 'UnsupportedMediaType'
  | 'Invalid'
  | 'TooManyRequests'
  | 'InternalError'
  | 'NotImplemented'
  | 'ServiceUnavailable'
  | 'Timeout'

const httpCodes: Record<StatusReason, number> = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  NotImplemented: 501,
  ServiceUnavailable: 503,
  Timeout: 504,
}

export interface StatusCause {
  reason: string
  message: string
  field?: string
}

export interface StatusDetails {
  name?: string
  group?: string
  kind?: string
  uid?: string
  causes?: StatusCause[]
  retryAfterSeconds?: number
}

/** What identifies a resource in messages: `networkpolicies.networking.k8s.io "deny-all" not found`. */
export interface ResourceName {
  group: string
  resource: string
}

/** An answer other than success: becomes a `v1` Status with the HTTP code that belongs to `code`. */
export class ApiError extends Error {
  readonly code: StatusReason
  readonly httpCode: number
  readonly details: StatusDetails | undefined

  constructor(code: StatusReason, message: string, details?: StatusDetails, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ApiError'
    this.code = code
    this.httpCode = httpCodes[code]
    this.details = details
  }

  /** The `v1` Status object to send. */
  toStatus(): JsonObject {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.code,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.httpCode,
    }
  }
}

export function badRequest(message: string, options?: ErrorOptions): ApiError {
  return new ApiError('BadRequest', message, undefined, options)
}

export function notFound(resource: ResourceName, name: string): ApiError {
  return new ApiError('NotFound', `${qualified(resource)} ${JSON.stringify(name)} not found`, {
    name,
    ...groupDetail(resource),
    kind: resource.resource,
  })
}

export function alreadyExists(resource: ResourceName, name: string): ApiError {
  return new ApiError('AlreadyExists', `${qualified(resource)} ${JSON.stringify(name)} already exists`, {
    name,
    ...groupDetail(resource),
    kind: resource.resource,
  })
}

export function conflict(resource: ResourceName, name: string, why: string): ApiError {
  return new ApiError(
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(resource)} ${JSON.stringify(name)}: ${why}`,
    { name, ...groupDetail(resource), kind: resource.resource },
  )
}

export function forbidden(resource: ResourceName, name: string, why: string, causes?: StatusCause[]): ApiError {
  const what = name === '' ? qualified(resource) : `${qualified(resource)} ${JSON.stringify(name)}`
  return new ApiError('Forbidden', `${what} is forbidden: ${why}`, {
    ...(name === '' ? {} : { name }),
    ...groupDetail(resource),
    kind: resource.resource,
    ...(causes === undefined ? {} : { causes }),
  })
}

export function methodNotAllowed(message: string): ApiError {
  return new ApiError('MethodNotAllowed', message)
}

/** 422 for an object whose fields are wrong. `kind` is the kind, not the resource. */
export function invalid(group: string, kind: string, name: string, errors: FieldError[]): ApiError {
  const texts = errors.map((error) => fieldErrorText(error))
  const what = `${group === '' ? kind : `${kind}.${group}`} ${JSON.stringify(name)}`
  return new ApiError('Invalid', `${what} is invalid: ${texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`}`, {
    name,
    ...(group === '' ? {} : { group }),
    kind,
    causes: errors.map((error) => ({ reason: error.type, message: error.message, field: error.field })),
  })
}

function qualified(resource: ResourceName): string {
  return resource.group === '' ? resource.resource : `${resource.resource}.${resource.group}`
}

function groupDetail(resource: ResourceName): { group?: string } {
  return resource.group === '' ? {} : { group: resource.group }
}
