/** `metav1.CauseType` values of wrong fields. */
type FieldErrorType =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueTypeInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueDuplicate'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueNotFound'

/** One wrong field of an object; `field` is a path such as `spec.ports[0].name`. */
export interface FieldError {
  type: FieldErrorType
  field: string
  message: string
}

export function fieldErrorText(error: FieldError): string {
  return error.field === '' ? error.message : `${error.field}: ${error.message}`
}

export function required(field: string, detail = ''): FieldError {
  return { type: 'FieldValueRequired', field, message: `Required value${detail === '' ? '' : `: ${detail}`}` }
}

export function invalidValue(field: string, value: unknown, detail: string): FieldError {
  return { type: 'FieldValueInvalid', field, message: `Invalid value: ${shown(value)}: ${detail}` }
}

export function typeInvalid(field: string, value: unknown, detail: string): FieldError {
  return { type: 'FieldValueTypeInvalid', field, message: `Invalid value: ${shown(value)}: ${detail}` }
}

export function notSupported(field: string, value: unknown, supported: readonly unknown[]): FieldError {
  const list = supported.map((item) => shown(item)).toSorted()
  return {
    type: 'FieldValueNotSupported',
    field,
    message: `Unsupported value: ${shown(value)}: supported values: ${list.join(', ')}`,
  }
}

export function duplicate(field: string, value: unknown): FieldError {
  return { type: 'FieldValueDuplicate', field, message: `Duplicate value: ${shown(value)}` }
}

export function forbiddenField(field: string, detail: string): FieldError {
  return { type: 'FieldValueForbidden', field, message: `Forbidden: ${detail}` }
}

export function tooLong(field: string, max: number): FieldError {
  return { type: 'FieldValueTooLong', field, message: `Too long: may not be more than ${max} bytes` }
}

export function tooMany(field: string, actual: number, max: number): FieldError {
  return { type: 'FieldValueTooMany', field, message: `Too many: ${actual}: must have at most ${max} items` }
}

/** `parent.child`, or `child` at the top. */
export function at(parent: string, child: string): string {
  return parent === '' ? child : `${parent}.${child}`
}

/** `parent[key]`, for list indices and map keys. */
export function index(parent: string, key: number | string): string {
  return `${parent}[${key}]`
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'null'
  return text.length > 512 ? `${text.slice(0, 512)}…` : text
}
