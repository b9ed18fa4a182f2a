import { at, type FieldError, forbiddenField, index, invalidValue, notSupported, required } from '../field-error.ts'
import { isObject } from '../object.ts'
import { compilePattern } from './pattern.ts'
import type { Schema } from './schema.ts'

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string']
const forbiddenKeywords = [
  'definitions',
  'dependencies',
  '$ref',
  'id',
  '$schema',
  'patternProperties',
  'additionalItems',
]
/** What may only be said outside of allOf, anyOf, oneOf and not. */
const outsideOnly = [
  'type',
  'default',
  'title',
  'description',
  'additionalProperties',
  'nullable',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-int-or-string',
] as const

/** What keeps `schema` from being structural (KEP-20180731, "Kubernetes structural schemas"). */
export function structuralErrors(schema: Schema, field: string): FieldError[] {
  const errors: FieldError[] = []
  if (schema.type !== 'object')
    errors.push(invalidValue(at(field, 'type'), schema.type ?? '', 'must be object at the root'))
  if (schema.nullable === true)
    errors.push(forbiddenField(at(field, 'nullable'), 'nullable cannot be true at the root'))
  checkNode(schema, field, true, errors)
  return errors
}

function checkNode(schema: Schema, field: string, isRoot: boolean, errors: FieldError[]): void {
  const anything = schema['x-kubernetes-preserve-unknown-fields'] === true
  const intOrString = schema['x-kubernetes-int-or-string'] === true
  if ((schema.type ?? '') === '' && !anything && !intOrString) {
    errors.push(required(at(field, 'type'), 'must not be empty for specified object fields'))
  } else if (schema.type !== undefined && schema.type !== '' && !types.includes(schema.type)) {
    errors.push(notSupported(at(field, 'type'), schema.type, types))
  }
  if (intOrString && schema.type !== undefined) {
    errors.push(invalidValue(at(field, 'type'), schema.type, 'must be empty if x-kubernetes-int-or-string is true'))
  }
  if (schema['x-kubernetes-embedded-resource'] === true && schema.type !== 'object') {
    errors.push(
      invalidValue(at(field, 'type'), schema.type ?? '', 'must be object if x-kubernetes-embedded-resource is true'),
    )
  }
  checkKeywords(schema, field, errors)
  checkListType(schema, field, errors)
  if (isRoot) checkRootMetadata(schema, field, errors)
  checkBelow(schema, field, errors)
}

function checkKeywords(schema: Schema, field: string, errors: FieldError[]): void {
  for (const keyword of forbiddenKeywords) {
    if (Object.hasOwn(schema, keyword)) errors.push(forbiddenField(at(field, keyword), `${keyword} is not supported`))
  }
  if (schema.uniqueItems === true) {
    errors.push(
      forbiddenField(
        at(field, 'uniqueItems'),
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ),
    )
  }
  if (schema.pattern !== undefined && compilePattern(schema.pattern) === undefined) {
    errors.push(invalidValue(at(field, 'pattern'), schema.pattern, 'must be a valid regular expression'))
  }
  if (schema.properties !== undefined && schema.additionalProperties !== undefined) {
    errors.push(
      forbiddenField(at(field, 'additionalProperties'), 'additionalProperties and properties are mutual exclusive'),
    )
  }
  if (schema.additionalProperties === false) {
    errors.push(forbiddenField(at(field, 'additionalProperties'), 'additionalProperties cannot be set to false'))
  }
  if (schema.type === 'array' && schema.items === undefined) {
    errors.push(required(at(field, 'items'), 'must be specified'))
  }
}

function checkListType(schema: Schema, field: string, errors: FieldError[]): void {
  const listType = schema['x-kubernetes-list-type']
  const keys = schema['x-kubernetes-list-map-keys']
  if (listType === undefined) {
    if (keys !== undefined)
      errors.push(
        required(at(field, 'x-kubernetes-list-type'), 'must be map if x-kubernetes-list-map-keys is non-empty'),
      )
    return
  }
  if (schema.type !== 'array')
    errors.push(
      invalidValue(at(field, 'type'), schema.type ?? '', 'must be array if x-kubernetes-list-type is specified'),
    )
  if (listType !== 'atomic' && listType !== 'set' && listType !== 'map') {
    errors.push(notSupported(at(field, 'x-kubernetes-list-type'), listType, ['atomic', 'set', 'map']))
  }
  if (listType === 'map') checkMapKeys(schema, keys ?? [], field, errors)
  if (listType === 'set' && schema.items?.type === 'object' && schema.items['x-kubernetes-map-type'] !== 'atomic') {
    errors.push(
      forbiddenField(
        at(field, 'items.x-kubernetes-map-type'),
        'must be atomic as item of a list with x-kubernetes-list-type=set',
      ),
    )
  }
}

function checkMapKeys(schema: Schema, keys: string[], field: string, errors: FieldError[]): void {
  const path = at(field, 'x-kubernetes-list-map-keys')
  if (keys.length === 0) errors.push(required(path, 'must not be empty if x-kubernetes-list-type is map'))
  if (schema.items?.type !== 'object') {
    errors.push(
      invalidValue(
        at(field, 'items.type'),
        schema.items?.type ?? '',
        "must be object if parent array's x-kubernetes-list-type is map",
      ),
    )
    return
  }
  for (const [position, key] of keys.entries()) {
    const property = schema.items.properties?.[key]
    if (property === undefined) {
      errors.push(invalidValue(index(path, position), key, 'entries must all be names of item properties'))
    } else if (schema.items.required?.includes(key) !== true && property.default === undefined) {
      errors.push(
        required(
          `${at(field, 'items')}.properties[${key}].default`,
          'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
        ),
      )
    }
  }
}

/** Nothing about metadata may be said but the syntax of name and generateName. */
function checkRootMetadata(schema: Schema, field: string, errors: FieldError[]): void {
  const metadata = schema.properties?.['metadata']
  if (metadata === undefined) return
  const allowed = new Set(['name', 'generateName'])
  for (const name of Object.keys(metadata.properties ?? {})) {
    if (allowed.has(name)) continue
    errors.push(
      forbiddenField(
        index(`${field}.properties[metadata].properties`, name),
        'must not specify anything other than name and generateName, but metadata is implicitly specified',
      ),
    )
  }
}

function checkBelow(schema: Schema, field: string, errors: FieldError[]): void {
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    checkNode(property, index(at(field, 'properties'), name), false, errors)
  }
  if (schema.items !== undefined) checkNode(schema.items, at(field, 'items'), false, errors)
  if (isObject(schema.additionalProperties)) {
    checkNode(schema.additionalProperties, at(field, 'additionalProperties'), false, errors)
  }
  for (const keyword of ['allOf', 'anyOf', 'oneOf'] as const) {
    for (const [position, option] of (schema[keyword] ?? []).entries()) {
      checkJunction(option, index(at(field, keyword), position), schema, errors)
    }
  }
  if (schema.not !== undefined) checkJunction(schema.not, at(field, 'not'), schema, errors)
}

function checkJunction(option: Schema, field: string, outer: Schema, errors: FieldError[]): void {
  const isIntOrString = outer['x-kubernetes-int-or-string'] === true
  for (const keyword of outsideOnly) {
    if (option[keyword as keyof Schema] === undefined || option[keyword as keyof Schema] === '') continue
    if (keyword === 'type' && isIntOrString) continue
    errors.push(forbiddenField(at(field, keyword), 'must be empty to be structural'))
  }
  for (const [name, property] of Object.entries(option.properties ?? {})) {
    const path = index(at(field, 'properties'), name)
    const outside = outer.properties?.[name]
    if (outside === undefined && !isObject(outer.additionalProperties)) {
      errors.push(
        required(path.replace(/\.(?:allOf|anyOf|oneOf)\[\d+\]|\.not/, ''), `because it is defined in ${path}`),
      )
    } else checkJunction(property, path, outside ?? {}, errors)
  }
  if (option.items !== undefined) checkJunction(option.items, at(field, 'items'), outer.items ?? {}, errors)
  for (const keyword of ['allOf', 'anyOf', 'oneOf'] as const) {
    for (const [position, inner] of (option[keyword] ?? []).entries()) {
      checkJunction(inner, index(at(field, keyword), position), outer, errors)
    }
  }
  if (option.not !== undefined) checkJunction(option.not, at(field, 'not'), outer, errors)
}
