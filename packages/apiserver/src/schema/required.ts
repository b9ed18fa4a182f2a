import { at, type FieldError, index, notSupported, required } from '../field-error.ts'
import { isObject } from '../object.ts'
import { isStruct, resolve, type Schema } from './schema.ts'

/** Required strings that may be empty, and required lists that may be. */
const mayBeEmpty = new Set(['HTTPHeader.value', 'endpoints', 'drivers', 'nonResourceRules', 'resourceRules'])

/**
 * Errors of a decoded built-in object for fields that its schema calls required, and for values outside an `enum`.
 * `metadata` and `status` are left out: the one has rules of its own, the other comes from controllers.
 */
export function checkRequiredAndEnums(schema: Schema, value: unknown): FieldError[] {
  const errors: FieldError[] = []
  const { properties = {} } = resolve(schema)
  for (const [key, property] of Object.entries(properties)) {
    if (key === 'metadata' || key === 'status') continue
    checkMember(resolve(schema), key, property, value, '', errors)
  }
  return errors
}

function checkMember(
  parent: Schema,
  key: string,
  property: Schema,
  container: unknown,
  field: string,
  errors: FieldError[],
): void {
  const value = isObject(container) ? container[key] : undefined
  const path = at(field, key)
  const target = resolve(property)
  const empty = value === '' || (Array.isArray(value) && value.length === 0)
  if (parent.required?.includes(key) && (value === undefined || (empty && !allowsEmpty(parent, key)))) {
    errors.push(required(path))
    return
  }
  if (value === undefined) return
  if (property.enum !== undefined && value !== '' && !property.enum.includes(value)) {
    errors.push(notSupported(path, value, property.enum))
  }
  checkInside(target, value, path, errors)
}

function allowsEmpty(parent: Schema, key: string): boolean {
  return mayBeEmpty.has(key) || (key === 'value' && parent.properties?.['name'] !== undefined)
}

function checkInside(schema: Schema, value: unknown, field: string, errors: FieldError[]): void {
  if (Array.isArray(value)) {
    const items = resolve(schema.items ?? {})
    for (const [position, item] of value.entries()) checkInside(items, item, index(field, position), errors)
  } else if (isObject(value) && isStruct(schema)) {
    for (const [key, property] of Object.entries(schema.properties ?? {})) {
      checkMember(schema, key, property, value, field, errors)
    }
  }
}
