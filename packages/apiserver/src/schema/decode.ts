import { at, index } from '../field-error.ts'
import { isObject, type JsonObject } from '../object.ts'
import { formatMicroTime, formatTime, isBase64, parseTime } from './formats.ts'
import { canonicalQuantity } from './quantity.ts'
import { intOrStringRef, isStruct, microTimeRef, quantityRef, resolve, type Schema, timeRef } from './schema.ts'

/** A value that can't be read as the type that the schema gives its field: 400, as a Go decoder's error would be. */
export class DecodeError extends Error {
  readonly field: string

  constructor(field: string, message: string) {
    super(message)
    this.name = 'DecodeError'
    this.field = field
  }
}

export interface Decoded {
  value: JsonObject
  /** Paths of fields that the schema does not have; they are not in `value`. */
  unknownFields: string[]
}

const schemaRef = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps'

/** Types that are read in a way that their schema does not say. */
const scalars = new Map<string, (value: unknown, field: string, unknown: string[]) => unknown>([
  [timeRef, decodeTime],
  [microTimeRef, decodeMicroTime],
  [quantityRef, decodeQuantity],
  [intOrStringRef, decodeIntOrString],
  [
    `${schemaRef}OrBool`,
    (value, field, unknown) =>
      typeof value === 'boolean' ? value : decodeValue({ $ref: schemaRef }, value, field, unknown),
  ],
])

/**
 * Reads `value` as a built-in type, the way the API server's Go decoder does: `null` is absence, unknown fields are
 * left out and reported, wrong types are refused, times and quantities become canonical.
 * @throws {DecodeError}
 */
export function decode(schema: Schema, value: JsonObject): Decoded {
  const unknownFields: string[] = []
  const decoded = decodeStruct(resolve(schema), value, '', unknownFields)
  return { value: decoded, unknownFields }
}

function decodeValue(schema: Schema, value: unknown, field: string, unknown: string[]): unknown {
  const scalar = schema.$ref === undefined ? undefined : scalars.get(schema.$ref)
  if (scalar !== undefined) return scalar(value, field, unknown)
  const target = resolve(schema)
  switch (target.type) {
    case 'string':
      return decodeString(target, value, field)
    case 'boolean':
      if (typeof value !== 'boolean') throw mismatch(field, value, 'bool')
      return value
    case 'integer':
      return decodeInteger(target, value, field)
    case 'number':
      if (typeof value !== 'number') throw mismatch(field, value, 'float64')
      return value
    case 'array':
      if (!Array.isArray(value)) throw mismatch(field, value, 'array')
      return value.map((item: unknown, position) => decodeItem(target, item, index(field, position), unknown))
    case 'object':
      if (!isObject(value)) throw mismatch(field, value, 'object')
      return isStruct(target) ? decodeStruct(target, value, field, unknown) : decodeMap(target, value, field, unknown)
    default:
      return value
  }
}

function decodeItem(schema: Schema, item: unknown, field: string, unknown: string[]): unknown {
  if (item === null) throw mismatch(field, item, 'list item')
  return decodeValue(schema.items ?? {}, item, field, unknown)
}

function decodeStruct(schema: Schema, value: JsonObject, field: string, unknown: string[]): JsonObject {
  const decoded: JsonObject = {}
  for (const [key, member] of Object.entries(value)) {
    const path = at(field, key)
    const properties = schema.properties ?? {}
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined
    if (property === undefined) unknown.push(path)
    else if (member !== null && member !== undefined) decoded[key] = decodeValue(property, member, path, unknown)
  }
  fillZeroValues(schema, decoded, field)
  return decoded
}

/** Status fields without `omitempty` in Go appear with their zero value; so does what the overlay gives a default {}. */
function fillZeroValues(schema: Schema, decoded: JsonObject, field: string): void {
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    if (decoded[key] !== undefined) continue
    if (isObject(property.default)) decoded[key] = {}
    if (!(field === 'status' || field.startsWith('status.')) || !schema.required?.includes(key)) continue
    const zero = { string: '', integer: 0, boolean: false }[resolve(property).type ?? '']
    if (zero !== undefined && property.$ref === undefined) decoded[key] = zero
  }
}

function decodeMap(schema: Schema, value: JsonObject, field: string, unknown: string[]): JsonObject {
  const items = isObject(schema.additionalProperties) ? (schema.additionalProperties as Schema) : {}
  const decoded: JsonObject = {}
  for (const [key, member] of Object.entries(value)) {
    // A Go map keeps a null as the zero value; only maps of strings occur with nulls in practice.
    if (member === null) decoded[key] = resolve(items).type === 'string' ? '' : member
    else decoded[key] = decodeValue(items, member, at(field, key), unknown)
  }
  return decoded
}

function decodeString(schema: Schema, value: unknown, field: string): string {
  if (typeof value !== 'string') throw mismatch(field, value, 'string')
  if (schema.format === 'byte' && !isBase64(value)) {
    throw new DecodeError(field, `illegal base64 data in ${field}`)
  }
  if (schema.format === 'byte') return value.replace(/[\r\n]/g, '')
  if (schema.format === 'date-time') return decodeTime(value, field)
  return value
}

function decodeInteger(schema: Schema, value: unknown, field: string): number {
  const goType = schema.format === 'int64' ? 'int64' : 'int32'
  if (typeof value !== 'number' || !Number.isInteger(value)) throw mismatch(field, value, goType)
  const limit = goType === 'int32' ? 2 ** 31 : 2 ** 63
  if (value < -limit || value >= limit) {
    throw new DecodeError(
      field,
      `json: cannot unmarshal number ${value} into Go struct field ${field} of type ${goType}`,
    )
  }
  return value
}

function decodeTime(value: unknown, field: string): string {
  const time = typeof value === 'string' ? parseTime(value) : undefined
  if (time === undefined) throw badTime(value, field)
  return formatTime(time)
}

function decodeMicroTime(value: unknown, field: string): string {
  const time = typeof value === 'string' ? formatMicroTime(value) : undefined
  if (time === undefined) throw badTime(value, field)
  return time
}

function badTime(value: unknown, field: string): DecodeError {
  const text = JSON.stringify(value)
  return new DecodeError(field, `parsing time ${text} as "2006-01-02T15:04:05Z07:00": cannot parse ${text} in ${field}`)
}

function decodeQuantity(value: unknown, field: string): string {
  const canonical =
    typeof value === 'string' || typeof value === 'number' ? canonicalQuantity(String(value)) : undefined
  if (canonical === undefined) {
    const pattern = "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    throw new DecodeError(field, `quantities must match the regular expression ${pattern}: ${field}`)
  }
  return canonical
}

function decodeIntOrString(value: unknown, field: string): number | string {
  if (typeof value === 'string') return value
  return decodeInteger({ format: 'int32' }, value, field)
}

function mismatch(field: string, value: unknown, goType: string): DecodeError {
  const found = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value
  return new DecodeError(field, `json: cannot unmarshal ${found} into Go struct field ${field} of type ${goType}`)
}
