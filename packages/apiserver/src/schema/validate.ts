import {
  at,
  duplicate,
  type FieldError,
  index,
  invalidValue,
  notSupported,
  required,
  tooLong,
  tooMany,
  typeInvalid,
} from '../field-error.ts'
import { canonicalJson, deepEqual, isObject, type JsonObject } from '../object.ts'
import { hasFormat } from './formats.ts'
import { compilePattern } from './pattern.ts'
import type { Schema } from './schema.ts'

const FIELD_ERRORS_AT_MOST = 100

/** Errors of `value` against a structural schema, worded as the API server words them. CEL rules are not run here. */
export function validate(schema: Schema, value: unknown, field = ''): FieldError[] {
  const errors: FieldError[] = []
  validateValue(schema, value, field, errors)
  return errors.slice(0, FIELD_ERRORS_AT_MOST)
}

function validateValue(schema: Schema, value: unknown, field: string, errors: FieldError[]): void {
  if (value === null && schema.nullable === true) return
  if (!hasType(schema, value)) {
    const type = schema['x-kubernetes-int-or-string'] === true ? 'integer,string' : (schema.type ?? '')
    const found = typeName(value)
    errors.push(typeInvalid(field, found, `${inBody(field)} must be of type ${type}: "${found}"`))
    return
  }
  if (schema.enum !== undefined && !schema.enum.some((allowed) => deepEqual(allowed, value))) {
    errors.push(notSupported(field, value, schema.enum))
  }
  if (typeof value === 'string') validateString(schema, value, field, errors)
  else if (typeof value === 'number') validateNumber(schema, value, field, errors)
  else if (Array.isArray(value)) validateArray(schema, value, field, errors)
  else if (isObject(value)) validateObject(schema, value, field, errors)
  validateCombined(schema, value, field, errors)
}

function hasType(schema: Schema, value: unknown): boolean {
  if (schema['x-kubernetes-int-or-string'] === true) return typeof value === 'string' || Number.isInteger(value)
  switch (schema.type) {
    case 'integer':
      return Number.isInteger(value)
    case 'number':
      return typeof value === 'number'
    case 'string':
    case 'boolean':
      return typeof value === schema.type
    case 'array':
      return Array.isArray(value)
    case 'object':
      return isObject(value)
    default:
      return true
  }
}

function typeName(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number'
  return typeof value
}

function validateString(schema: Schema, value: string, field: string, errors: FieldError[]): void {
  const length = Array.from(value).length
  if (schema.maxLength !== undefined && length > schema.maxLength) errors.push(tooLong(field, schema.maxLength))
  if (schema.minLength !== undefined && length < schema.minLength) {
    errors.push(invalidValue(field, value, `${inBody(field)} should be at least ${schema.minLength} chars long`))
  }
  if (schema.pattern !== undefined && compilePattern(schema.pattern)?.test(value) === false) {
    errors.push(invalidValue(field, value, `${inBody(field)} should match '${schema.pattern}'`))
  }
  if (schema.format !== undefined && !hasFormat(schema.format, value)) {
    const text = JSON.stringify(value)
    errors.push(invalidValue(field, value, `${inBody(field)} must be of type ${schema.format}: ${text}`))
  }
}

function validateNumber(schema: Schema, value: number, field: string, errors: FieldError[]): void {
  const { minimum, maximum, multipleOf } = schema
  if (minimum !== undefined && (schema.exclusiveMinimum === true ? value <= minimum : value < minimum)) {
    const than = schema.exclusiveMinimum === true ? 'greater than' : 'greater than or equal to'
    errors.push(invalidValue(field, value, `${inBody(field)} should be ${than} ${minimum}`))
  }
  if (maximum !== undefined && (schema.exclusiveMaximum === true ? value >= maximum : value > maximum)) {
    const than = schema.exclusiveMaximum === true ? 'less than' : 'less than or equal to'
    errors.push(invalidValue(field, value, `${inBody(field)} should be ${than} ${maximum}`))
  }
  if (multipleOf !== undefined && !isMultiple(value, multipleOf)) {
    errors.push(invalidValue(field, value, `${inBody(field)} should be a multiple of ${multipleOf}`))
  }
  if (schema.format === 'int32' && (value < -(2 ** 31) || value >= 2 ** 31)) {
    errors.push(invalidValue(field, value, `${inBody(field)} must be of type int32: "${value}"`))
  }
}

function isMultiple(value: number, of: number): boolean {
  const quotient = value / of
  return Math.abs(quotient - Math.round(quotient)) < 1e-9
}

function validateArray(schema: Schema, value: unknown[], field: string, errors: FieldError[]): void {
  if (schema.maxItems !== undefined && value.length > schema.maxItems) {
    errors.push(tooMany(field, value.length, schema.maxItems))
    return
  }
  if (schema.minItems !== undefined && value.length < schema.minItems) {
    errors.push(invalidValue(field, value.length, `${inBody(field)} should have at least ${schema.minItems} items`))
  }
  validateUnique(schema, value, field, errors)
  const { items } = schema
  if (items === undefined) return
  for (const [position, item] of value.entries()) validateValue(items, item, index(field, position), errors)
}

function validateUnique(schema: Schema, value: unknown[], field: string, errors: FieldError[]): void {
  const listType = schema['x-kubernetes-list-type']
  if (listType !== 'set' && listType !== 'map' && schema.uniqueItems !== true) return
  const seen = new Set<string>()
  for (const [position, item] of value.entries()) {
    const key = listType === 'map' ? mapKeyOf(schema, item) : item
    const text = canonicalJson(key)
    if (seen.has(text)) errors.push(duplicate(index(field, position), key))
    seen.add(text)
  }
}

function mapKeyOf(schema: Schema, item: unknown): JsonObject {
  const key: JsonObject = {}
  for (const name of schema['x-kubernetes-list-map-keys'] ?? []) {
    const value = isObject(item) ? (item[name] ?? schema.items?.properties?.[name]?.default) : undefined
    if (value !== undefined) key[name] = value
  }
  return key
}

function validateObject(schema: Schema, value: JsonObject, field: string, errors: FieldError[]): void {
  const size = Object.keys(value).length
  if (schema.maxProperties !== undefined && size > schema.maxProperties) {
    errors.push(tooMany(field, size, schema.maxProperties))
  }
  if (schema.minProperties !== undefined && size < schema.minProperties) {
    errors.push(invalidValue(field, size, `${inBody(field)} should have at least ${schema.minProperties} properties`))
  }
  for (const name of schema.required ?? []) {
    if (!Object.hasOwn(value, name)) errors.push(required(at(field, name)))
  }
  const { properties = {}, additionalProperties } = schema
  for (const [name, member] of Object.entries(value)) {
    const property = Object.hasOwn(properties, name) ? properties[name] : undefined
    if (property !== undefined) validateValue(property, member, at(field, name), errors)
    else if (isObject(additionalProperties)) {
      validateValue(additionalProperties, member, at(field, name), errors)
    }
  }
  if (schema['x-kubernetes-embedded-resource'] === true) validateEmbedded(value, field, errors)
}

function validateEmbedded(value: JsonObject, field: string, errors: FieldError[]): void {
  for (const key of ['apiVersion', 'kind']) {
    if (typeof value[key] !== 'string' || value[key] === '') errors.push(required(at(field, key), 'must not be empty'))
  }
}

function validateCombined(schema: Schema, value: unknown, field: string, errors: FieldError[]): void {
  const passes = (option: Schema): boolean => validate(option, value, field).length === 0
  if (schema.allOf !== undefined) for (const option of schema.allOf) validateValue(option, value, field, errors)
  if (schema.anyOf !== undefined && !schema.anyOf.some(passes)) {
    errors.push(invalidValue(field, value, `${inBody(field)} must validate at least one schema (anyOf)`))
  }
  if (schema.oneOf !== undefined) {
    const valid = schema.oneOf.filter(passes).length
    const found = valid === 0 ? 'Found none valid' : `Found ${valid} valid alternatives`
    const message = `${inBody(field)} must validate one and only one schema (oneOf). ${found}`
    if (valid !== 1) errors.push(invalidValue(field, value, message))
  }
  if (schema.not !== undefined && passes(schema.not)) {
    errors.push(invalidValue(field, value, `${inBody(field)} must not validate the schema (not)`))
  }
}

function inBody(field: string): string {
  return field === '' ? 'body' : `${field} in body`
}
