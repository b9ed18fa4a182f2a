import { at, index } from '../field-error.ts'
import { isObject, type JsonObject, thaw } from '../object.ts'
import type { Schema } from './schema.ts'

const embeddedFields = new Set(['apiVersion', 'kind', 'metadata'])

/**
 * Removes from `value` (in place) what a structural schema does not specify, unless it preserves unknown fields.
 * @returns the paths of what was removed
 */
export function prune(schema: Schema, value: unknown, field = '', isRoot = true): string[] {
  const removed: string[] = []
  pruneValue(schema, value, field, isRoot, removed)
  return removed
}

function pruneValue(
  schema: Schema | undefined,
  value: unknown,
  field: string,
  embedded: boolean,
  removed: string[],
): void {
  if (schema === undefined) return
  if (Array.isArray(value)) {
    for (const [position, item] of value.entries()) {
      const path = index(field, position)
      pruneValue(schema.items, item, path, schema.items?.['x-kubernetes-embedded-resource'] === true, removed)
    }
  } else if (isObject(value)) {
    for (const key of Object.keys(value)) pruneMember(schema, value, key, at(field, key), embedded, removed)
  }
}

function pruneMember(
  schema: Schema,
  parent: JsonObject,
  key: string,
  field: string,
  embedded: boolean,
  removed: string[],
): void {
  if (embedded && embeddedFields.has(key)) return
  const { properties = {}, additionalProperties } = schema
  const property = Object.hasOwn(properties, key) ? properties[key] : undefined
  const member = property ?? (isObject(additionalProperties) ? additionalProperties : undefined)
  if (member !== undefined) {
    pruneValue(member, parent[key], field, member['x-kubernetes-embedded-resource'] === true, removed)
  } else if (additionalProperties !== true && schema['x-kubernetes-preserve-unknown-fields'] !== true) {
    delete parent[key]
    removed.push(field)
  }
}

/** Fills absent fields (and nulls that may not be null) of `value` with the schema's defaults, in place. */
export function applyDefaults(schema: Schema, value: unknown): void {
  if (Array.isArray(value)) {
    for (const item of value) applyDefaults(schema.items ?? {}, item)
  } else if (isObject(value)) {
    for (const [key, property] of Object.entries(schema.properties ?? {})) {
      if (property.default !== undefined && (value[key] === undefined || (value[key] === null && !property.nullable))) {
        value[key] = thaw(property.default)
      }
      if (Object.hasOwn(value, key)) applyDefaults(property, value[key])
    }
    if (!isObject(schema.additionalProperties)) return
    for (const key of Object.keys(value)) {
      if (!Object.hasOwn(schema.properties ?? {}, key)) applyDefaults(schema.additionalProperties, value[key])
    }
  }
}
