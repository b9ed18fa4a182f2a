import { ApiError, badRequest } from '../errors.ts'
import { isObject, type JsonObject, type KubeObject, type ObjectMeta, thaw } from '../object.ts'
import { apiVersionOf, type ResourceType } from '../resources/resource-type.ts'
import { type Decoded, DecodeError, decode } from '../schema/decode.ts'
import { applyDefaults, prune } from '../schema/prune.ts'
import { objectMetaRef } from '../schema/schema.ts'

/** What to do with fields that the schema does not have (`fieldValidation`). */
export type FieldValidation = 'Ignore' | 'Warn' | 'Strict'

/**
 * Reads a client's body as an object of `type`: checks apiVersion and kind, drops (or refuses, or warns of) unknown
 * fields, and for custom resources fills the schema's defaults.
 * @throws {ApiError} 400
 */
export function decodeObject(
  type: ResourceType,
  body: unknown,
  fieldValidation: FieldValidation,
  warn: (text: string) => void,
): KubeObject {
  if (!isObject(body)) throw badRequest(`the object provided is not an object: ${typeof body}`)
  checkKind(type, body)
  const { value, unknownFields } = decoding(type, () =>
    type.custom === undefined ? decodeBuiltin(type, body) : decodeCustom(type, body),
  )
  const problems = unknownFields.map((field) => `unknown field "${field}"`)
  if (problems.length > 0 && fieldValidation === 'Strict') {
    throw new ApiError('BadRequest', `${handledAs(type)}strict decoding error: ${problems.join(', ')}`, {
      causes: unknownFields.map((field) => ({
        reason: 'FieldValueInvalid',
        message: `unknown field "${field}"`,
        field,
      })),
    })
  }
  if (fieldValidation === 'Warn') for (const problem of problems) warn(problem)
  return {
    ...value,
    apiVersion: apiVersionOf(type),
    kind: type.kind,
    metadata: (value['metadata'] ?? {}) as ObjectMeta,
  }
}

function checkKind(type: ResourceType, body: JsonObject): void {
  const expected = apiVersionOf(type)
  const { apiVersion, kind } = body
  if (kind === undefined && type.custom !== undefined) throw badRequest(`Object 'Kind' is missing in the body`)
  if (apiVersion !== undefined && apiVersion !== '' && apiVersion !== expected) {
    throw badRequest(
      `the API version in the data (${shown(apiVersion)}) does not match the expected API version (${expected})`,
    )
  }
  if (kind !== undefined && kind !== '' && kind !== type.kind) {
    throw badRequest(`the kind in the data (${shown(kind)}) does not match the expected kind (${type.kind})`)
  }
}

function decodeBuiltin(type: ResourceType, body: JsonObject): Decoded {
  return decode(type.schema, body)
}

function decodeCustom(type: ResourceType, body: JsonObject): Decoded {
  const schema = type.custom?.schema ?? {}
  const { metadata = {}, ...rest } = thaw(body)
  if (!isObject(metadata)) throw new DecodeError('metadata', 'metadata must be an object')
  const meta = decode({ $ref: objectMetaRef }, metadata)
  const value: JsonObject = { ...rest, metadata: meta.value }
  const unknownFields = [...meta.unknownFields.map((field) => `metadata.${field}`), ...prune(schema, value)]
  applyDefaults(schema, value)
  return { value, unknownFields }
}

function decoding<T>(type: ResourceType, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    const causes = [{ reason: 'FieldValueTypeInvalid', message: error.message, field: error.field }]
    throw new ApiError('BadRequest', `${handledAs(type)}${error.message}`, { causes }, { cause: error })
  }
}

function handledAs(type: ResourceType): string {
  return `${type.kind} in version ${JSON.stringify(type.version)} cannot be handled as a ${type.kind}: `
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value.slice(0, 128) : typeof value
}
