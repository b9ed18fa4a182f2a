import { canonicalJson, deepEqual, isObject, type JsonObject } from '../object.ts'
import { itemSchema, memberSchema, resolve, type Schema } from '../schema/schema.ts'
import { FieldSet } from './field-set.ts'

/** One part of a value that merges part by part. */
interface Part {
  element: string
  schema: Schema | undefined
  value: unknown
  /** The path to this part is owned itself, not only what is below it: list items, free map keys, empty objects. */
  ownsSelf: boolean
}

/**
 * The parts of `value`, or undefined for a leaf: scalars, atomic lists and maps. As in structured-merge-diff, lists
 * are atomic unless their schema says `set` or `map`, objects are granular unless it says `atomic`.
 */
function partsOf(schema: Schema | undefined, value: unknown): Part[] | undefined {
  const target = schema === undefined ? undefined : resolve(schema)
  if (isObject(value)) {
    if ((schema?.['x-kubernetes-map-type'] ?? target?.['x-kubernetes-map-type']) === 'atomic') return undefined
    return Object.keys(value).map((key) => fieldPart(schema, target, key, value[key]))
  }
  if (!Array.isArray(value)) return undefined
  const listType = schema?.['x-kubernetes-list-type']
  if (listType !== 'set' && listType !== 'map') return undefined
  const items = itemSchema(schema)
  return value.map((item: unknown) => ({
    element: listType === 'set' ? `v:${canonicalJson(item)}` : `k:${canonicalJson(keysOf(schema, items, item))}`,
    schema: items,
    value: item,
    ownsSelf: true,
  }))
}

function fieldPart(schema: Schema | undefined, target: Schema | undefined, key: string, value: unknown): Part {
  const isNamed = target?.properties !== undefined && Object.hasOwn(target.properties, key)
  const isEmpty = value === null || (isObject(value) && Object.keys(value).length === 0)
  return { element: `f:${key}`, schema: memberSchema(schema, key), value, ownsSelf: isEmpty || !isNamed }
}

function keysOf(schema: Schema | undefined, items: Schema | undefined, item: unknown): JsonObject {
  const keys: JsonObject = {}
  for (const key of schema?.['x-kubernetes-list-map-keys'] ?? []) {
    const given = isObject(item) ? item[key] : undefined
    const value = given ?? memberSchema(items, key)?.default
    if (value !== undefined) keys[key] = value
  }
  return keys
}

/** All paths that `value` sets. */
export function fieldsOf(schema: Schema | undefined, value: unknown): FieldSet {
  const set = new FieldSet()
  for (const part of partsOf(schema, value) ?? []) addPart(set, part)
  return set
}

function addPart(set: FieldSet, part: Part): void {
  if (partsOf(part.schema, part.value) === undefined) {
    set.members.add(part.element)
    return
  }
  if (part.ownsSelf) set.members.add(part.element)
  const below = fieldsOf(part.schema, part.value)
  if (!below.isEmpty) set.children.set(part.element, set.children.get(part.element)?.union(below) ?? below)
}

export interface Comparison {
  /** Paths that only the new value has, and paths whose leaf differs. */
  changed: FieldSet
  removed: FieldSet
}

/** What differs between two values. */
export function compare(schema: Schema | undefined, before: unknown, after: unknown): Comparison {
  const changed = new FieldSet()
  const removed = new FieldSet()
  const old = new Map((partsOf(schema, before) ?? []).map((part) => [part.element, part]))
  for (const part of partsOf(schema, after) ?? []) {
    const previous = old.get(part.element)
    old.delete(part.element)
    if (previous === undefined) addPart(changed, part)
    else if (isLeaf(part) || isLeaf(previous)) {
      if (deepEqual(part.value, previous.value)) continue
      addPart(changed, part)
      if (!isLeaf(previous)) addPart(removed, previous)
    } else {
      const below = compare(part.schema, previous.value, part.value)
      if (!below.changed.isEmpty) changed.children.set(part.element, below.changed)
      if (!below.removed.isEmpty) removed.children.set(part.element, below.removed)
    }
  }
  for (const part of old.values()) addPart(removed, part)
  return { changed, removed }
}

function isLeaf(part: Part): boolean {
  return partsOf(part.schema, part.value) === undefined
}

/** `live` with everything that `config` sets, part by part. */
export function mergeTyped(schema: Schema | undefined, live: unknown, config: unknown): unknown {
  const applied = partsOf(schema, config)
  const existing = partsOf(schema, live)
  if (applied === undefined || existing === undefined || Array.isArray(live) !== Array.isArray(config)) return config
  const byElement = new Map(applied.map((part) => [part.element, part]))
  if (!Array.isArray(config)) {
    const merged: JsonObject = { ...(live as JsonObject) }
    for (const { element, schema: below, value } of applied) {
      const key = element.slice(2)
      merged[key] = Object.hasOwn(merged, key) ? mergeTyped(below, merged[key], value) : value
    }
    return merged
  }
  const liveByElement = new Map(existing.map((part) => [part.element, part]))
  const mergedItem = (part: Part): unknown => {
    const other = liveByElement.get(part.element)
    return other === undefined ? part.value : mergeTyped(part.schema, other.value, part.value)
  }
  // The applier's order wins when it names every item; otherwise the live order, new items last.
  if (existing.every((part) => byElement.has(part.element))) return applied.map((part) => mergedItem(part))
  return [
    ...existing.map((part) => mergedItem(byElement.get(part.element) ?? part)),
    ...applied.filter((part) => !liveByElement.has(part.element)).map((part) => part.value),
  ]
}

/** `value` without the paths in `remove`, unless they or something below them is in `keep`. */
export function removeFields(schema: Schema | undefined, value: unknown, remove: FieldSet, keep: FieldSet): unknown {
  const parts = partsOf(schema, value)
  if (parts === undefined) return value
  const left: [element: string, value: unknown][] = []
  for (const part of parts) {
    const kept = keep.members.has(part.element) || keep.children.has(part.element)
    if (remove.members.has(part.element) && !kept) continue
    const below = remove.children.get(part.element)
    if (below === undefined) {
      left.push([part.element, part.value])
      continue
    }
    const rest = removeFields(part.schema, part.value, below, keep.children.get(part.element) ?? new FieldSet())
    if (isEmptyContainer(rest) && !isEmptyContainer(part.value) && !keep.members.has(part.element)) continue
    left.push([part.element, rest])
  }
  if (Array.isArray(value)) return left.map(([, item]) => item)
  return Object.fromEntries(left.map(([element, member]) => [element.slice(2), member]))
}

function isEmptyContainer(value: unknown): boolean {
  return Array.isArray(value) ? value.length === 0 : isObject(value) && Object.keys(value).length === 0
}
