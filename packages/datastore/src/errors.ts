/**
 * An answer of the API server that is no success, or no answer at all.
 * Codes: `API_NOT_FOUND` 404, `API_CONFLICT` 409 of a changed object, `API_ALREADY_EXISTS` 409 of a name in use,
 * `API_GONE` 410, `API_INVALID` 400 and 422, `API_FORBIDDEN` 401 and 403, `API_UNAVAILABLE` no connection, 429 or 5xx,
 * `API_ERROR` any other.
 */
export class ApiError extends Error {
  readonly code:
    | 'API_NOT_FOUND'
    | 'API_CONFLICT'
    | 'API_ALREADY_EXISTS'
    | 'API_GONE'
    | 'API_INVALID'
    | 'API_FORBIDDEN'
    | 'API_UNAVAILABLE'
    | 'API_ERROR'
  /** The HTTP status; 0 when there was no answer. */
  readonly status: number

  constructor(status: number, reason: string | undefined, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ApiError'
    this.status = status
    this.code = codeOf(status, reason)
  }
}

function codeOf(status: number, reason: string | undefined): ApiError['code'] {
  if (status === 0 || status === 429 || status >= 500) return 'API_UNAVAILABLE'
  if (status === 404) return 'API_NOT_FOUND'
  if (status === 409) return reason === 'AlreadyExists' ? 'API_ALREADY_EXISTS' : 'API_CONFLICT'
  if (status === 410) return 'API_GONE'
  if (status === 400 || status === 422) return 'API_INVALID'
  if (status === 401 || status === 403) return 'API_FORBIDDEN'
  return 'API_ERROR'
}
