import { badRequest } from '../errors.ts'
import { canonicalJson, deepEqual, isObject, type JsonObject, thaw } from '../object.ts'
import { itemSchema, memberSchema, resolve, type Schema } from '../schema/schema.ts'

const PATCH = '$patch'
const RETAIN_KEYS = '$retainKeys'
const ELEMENT_ORDER = '$setElementOrder/'
const DELETE_PRIMITIVES = '$deleteFromPrimitiveList/'

/**
 * Applies a strategic merge patch: lists whose schema has a merge key merge item by item, `$patch`, `$retainKeys`,
 * `$setElementOrder` and `$deleteFromPrimitiveList` directives are followed. `target` is left as it is.
 * @throws {ApiError} 400 for directives and list items that make no sense
 */
export function strategicMergePatch(schema: Schema, target: JsonObject, patch: unknown): JsonObject {
  if (!isObject(patch)) throw badRequest('error decoding patch: the body must be an object')
  return mergeObject(schema, thaw(target), patch)
}

function mergeObject(schema: Schema | undefined, target: JsonObject, patch: JsonObject): JsonObject {
  const directive = patch[PATCH]
  if (directive === 'replace') return withoutDirectives(omit(patch, PATCH)) as JsonObject
  if (directive === 'delete') return {}
  if (directive !== undefined && directive !== 'merge') throw badRequest(`unknown patch type: ${shown(directive)}`)
  const result = retained(target, patch[RETAIN_KEYS])
  deletePrimitives(result, patch)
  for (const [key, value] of Object.entries(patch)) {
    if (key === PATCH || key === RETAIN_KEYS || key.startsWith(ELEMENT_ORDER) || key.startsWith(DELETE_PRIMITIVES)) {
      continue
    }
    if (value === null) delete result[key]
    else result[key] = mergeMember(memberSchema(schema, key), result[key], value, patch[ELEMENT_ORDER + key])
  }
  orderUnpatchedLists(schema, result, patch)
  return result
}

function mergeMember(schema: Schema | undefined, target: unknown, value: unknown, order: unknown): unknown {
  const strategies = (schema?.['x-kubernetes-patch-strategy'] ?? '').split(',')
  if (isObject(value)) {
    const base = isObject(target) && !strategies.includes('replace') ? target : {}
    return mergeObject(schema, base, value)
  }
  if (!Array.isArray(value)) return value
  if (schema === undefined || !strategies.includes('merge')) return withoutDirectives(value)
  return mergeList(schema, Array.isArray(target) ? target : [], value, order)
}

function mergeList(schema: Schema, target: unknown[], patch: unknown[], order: unknown): unknown[] {
  const key = schema['x-kubernetes-patch-merge-key']
  if (key === undefined) return ordered(mergePrimitives(target, patch), target, order, undefined)
  const items = itemSchema(schema)
  if (patch.some((item) => isObject(item) && item[PATCH] === 'replace')) {
    return patch.filter((item) => !(isObject(item) && item[PATCH] === 'replace')).map((item) => withoutDirectives(item))
  }
  let result = [...target]
  for (const item of patch) {
    if (!isObject(item) || item[key] === undefined) {
      throw badRequest(`map: ${shown(item)} does not contain declared merge key: ${key}`)
    }
    const matches = (other: unknown): boolean => isObject(other) && deepEqual(other[key], item[key])
    if (item[PATCH] === 'delete') {
      result = result.filter((other) => !matches(other))
      continue
    }
    const position = result.findIndex((other) => matches(other))
    if (position === -1) result.push(mergeObject(items, {}, item))
    else result[position] = mergeObject(items, result[position] as JsonObject, item)
  }
  return ordered(result, target, order, key)
}

function mergePrimitives(target: unknown[], patch: unknown[]): unknown[] {
  const seen = new Set<unknown>()
  return [...target, ...patch].filter((item) => !seen.has(item) && seen.add(item))
}

/** Puts `items` in the wanted order; items that the order does not name keep their place among the others. */
function ordered(items: unknown[], before: unknown[], order: unknown, key: string | undefined): unknown[] {
  if (!Array.isArray(order)) return items
  const idOf = (item: unknown): string => canonicalJson(key !== undefined && isObject(item) ? item[key] : item)
  const wanted = new Map(order.map((item, position) => [idOf(item), position]))
  const previous = new Map(before.map((item, position) => [idOf(item), position]))
  const named = items
    .filter((item) => wanted.has(idOf(item)))
    .toSorted((a, b) => (wanted.get(idOf(a)) ?? 0) - (wanted.get(idOf(b)) ?? 0))
  const unnamed = items.filter((item) => !wanted.has(idOf(item)))
  const result: unknown[] = []
  for (const item of named) {
    const place = previous.get(idOf(item))
    while (place !== undefined && unnamed.length > 0 && (previous.get(idOf(unnamed[0])) ?? Infinity) < place) {
      result.push(unnamed.shift())
    }
    result.push(item)
  }
  return [...result, ...unnamed]
}

function orderUnpatchedLists(schema: Schema | undefined, result: JsonObject, patch: JsonObject): void {
  for (const [directive, order] of Object.entries(patch)) {
    if (!directive.startsWith(ELEMENT_ORDER)) continue
    const key = directive.slice(ELEMENT_ORDER.length)
    const list = result[key]
    if (patch[key] !== undefined || !Array.isArray(list)) continue
    result[key] = ordered(list, list, order, memberSchema(schema, key)?.['x-kubernetes-patch-merge-key'])
  }
}

function deletePrimitives(result: JsonObject, patch: JsonObject): void {
  for (const [directive, values] of Object.entries(patch)) {
    if (!directive.startsWith(DELETE_PRIMITIVES)) continue
    const key = directive.slice(DELETE_PRIMITIVES.length)
    const list = result[key]
    if (Array.isArray(list) && Array.isArray(values)) result[key] = list.filter((item) => !values.includes(item))
  }
}

function retained(target: JsonObject, keys: unknown): JsonObject {
  if (keys === undefined) return { ...target }
  if (!Array.isArray(keys)) throw badRequest('$retainKeys must be a list of strings')
  return Object.fromEntries(Object.entries(target).filter(([key]) => keys.includes(key)))
}

/** A value of a patch that meets nothing to merge with: nulls and directives mean nothing there. */
function withoutDirectives(value: unknown): unknown {
  if (Array.isArray(value)) {
    return value.filter((item) => !(isObject(item) && item[PATCH] === 'delete')).map((item) => withoutDirectives(item))
  }
  if (!isObject(value)) return value
  const result: JsonObject = {}
  for (const [key, member] of Object.entries(value)) {
    if (member !== null && !key.startsWith('$')) result[key] = withoutDirectives(member)
  }
  return result
}

function omit(object: JsonObject, key: string): JsonObject {
  return Object.fromEntries(Object.entries(object).filter(([name]) => name !== key))
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'undefined').slice(0, 256)
}

/** Whether a kind's schema is one that strategic merge patches are defined for: custom resources' are not. */
export function supportsStrategicMerge(schema: Schema): boolean {
  return schema.$ref !== undefined && resolve(schema).properties !== undefined
}
