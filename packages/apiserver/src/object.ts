/** A JSON object whose members are not known yet. */
export type JsonObject = Record<string, unknown>

export interface OwnerReference {
  apiVersion: string
  kind: string
  name: string
  uid: string
  controller?: boolean
  blockOwnerDeletion?: boolean
}

/** One owner of fields, as `metadata.managedFields` holds it. */
export interface ManagedFieldsEntry {
  manager: string
  operation: 'Apply' | 'Update'
  apiVersion: string
  time?: string
  fieldsType: 'FieldsV1'
  fieldsV1: JsonObject
  subresource?: string
}

export interface ObjectMeta {
  name: string
  namespace?: string
  generateName?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: OwnerReference[]
  managedFields?: ManagedFieldsEntry[]
  [field: string]: unknown
}

/** A Kubernetes object. Those that leave the store are frozen: copy with `thaw` to change one. */
export interface KubeObject {
  apiVersion: string
  kind: string
  metadata: ObjectMeta
  [field: string]: unknown
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The object at `key`, or an empty one; never creates it in `parent`. */
export function objectAt(parent: unknown, key: string): JsonObject {
  const value = isObject(parent) ? parent[key] : undefined
  return isObject(value) ? value : {}
}

/** The array at `key`, or an empty one. */
export function arrayAt(parent: unknown, key: string): unknown[] {
  const value = isObject(parent) ? parent[key] : undefined
  return Array.isArray(value) ? value : []
}

/** The objects in the array at `key`. */
export function objectsAt(parent: unknown, key: string): JsonObject[] {
  return arrayAt(parent, key).filter(isObject)
}

/** The string at `key`, or ''. */
export function stringAt(parent: unknown, key: string): string {
  const value = isObject(parent) ? parent[key] : undefined
  return typeof value === 'string' ? value : ''
}

/** The strings in the array at `key`. */
export function stringsAt(parent: unknown, key: string): string[] {
  return arrayAt(parent, key).filter((item) => typeof item === 'string')
}

/** The number at `key`, or undefined. */
export function numberAt(parent: unknown, key: string): number | undefined {
  const value = isObject(parent) ? parent[key] : undefined
  return typeof value === 'number' ? value : undefined
}

/** Value at a dotted path without array indices, such as `spec.nodeName`. */
export function valueAt(parent: unknown, path: string): unknown {
  let value: unknown = parent
  for (const key of path.split('.')) {
    if (!isObject(value)) return undefined
    value = value[key]
  }
  return value
}

/** A deep copy that may be changed; JSON values only. */
export function thaw<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item: unknown) => thaw(item)) as T
  if (!isObject(value)) return value
  const copy: JsonObject = {}
  for (const key of Object.keys(value)) copy[key] = thaw((value as JsonObject)[key])
  return copy as T
}

/** Freezes `value` and all below it, and returns it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const member of Object.values(value)) deepFreeze(member)
  }
  return value
}

/** Equality of JSON values; the order of object keys does not matter, `undefined` members do not exist. */
export function deepEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (Array.isArray(a)) {
    return Array.isArray(b) && a.length === b.length && a.every((item, index) => deepEqual(item, b[index]))
  }
  if (!isObject(a) || !isObject(b)) return false
  const keys = Object.keys(a).filter((key) => a[key] !== undefined)
  if (keys.length !== Object.keys(b).filter((key) => b[key] !== undefined).length) return false
  return keys.every((key) => Object.hasOwn(b, key) && deepEqual(a[key], b[key]))
}

/** JSON with sorted object keys: equal values give equal text. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`
  if (!isObject(value)) return JSON.stringify(value) ?? 'null'
  const members = Object.keys(value)
    .filter((key) => value[key] !== undefined)
    .toSorted()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`)
  return `{${members.join(',')}}`
}
