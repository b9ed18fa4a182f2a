/** One thing that is wrong with an object: where, and what. `field` is a path such as `spec.ingress[0].ports[1].port`. */
export interface FieldError {
  readonly field: string
  readonly message: string
}

/**
 * An object that Margay can't use, with every field that is wrong.
 * Codes: `MODEL_INVALID_OBJECT`, `MODEL_BAD_SELECTOR` (a text that is no selector).
 */
export class ModelError extends Error {
  readonly code: 'MODEL_INVALID_OBJECT' | 'MODEL_BAD_SELECTOR'
  readonly errors: readonly FieldError[]

  constructor(code: ModelError['code'], subject: string, errors: readonly FieldError[]) {
    super(`${subject}: ${errors.map(({ field, message }) => `${field}: ${message}`).join('; ')}`)
    this.name = 'ModelError'
    this.code = code
    this.errors = errors
  }
}
