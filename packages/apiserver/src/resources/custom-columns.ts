import { isObject, type KubeObject, objectsAt, stringAt } from '../object.ts'
import { ageColumn, ageOf, nameColumn } from './columns.ts'
import type { Column } from './resource-type.ts'

/** The table of a custom resource: name, then the CRD's `additionalPrinterColumns`, or the age without any. */
export function customColumns(version: Record<string, unknown>): Column[] {
  const given = objectsAt(version, 'additionalPrinterColumns')
  if (given.length === 0) return [nameColumn, ageColumn]
  return [nameColumn, ...given.map((column) => customColumn(column))]
}

function customColumn(given: Record<string, unknown>): Column {
  const path = stringAt(given, 'jsonPath')
  const type = stringAt(given, 'type') as Column['type']
  const format = stringAt(given, 'format')
  const description = stringAt(given, 'description')
  return {
    name: stringAt(given, 'name'),
    type: type === 'date' ? 'date' : type,
    ...(format === '' ? {} : { format }),
    ...(description === '' ? {} : { description }),
    priority: typeof given['priority'] === 'number' ? given['priority'] : 0,
    cell: (object, nowMs) => cellOf(type, jsonPathValues(object, path), nowMs),
  }
}

function cellOf(type: Column['type'], values: unknown[], nowMs: number): unknown {
  const [value] = values
  if (value === undefined || value === null) return null
  switch (type) {
    case 'integer':
    case 'number':
      return typeof value === 'number' ? value : null
    case 'boolean':
      return typeof value === 'boolean' ? value : null
    case 'date':
      return typeof value === 'string' && !Number.isNaN(Date.parse(value)) ? ageOf(value, nowMs) : '<invalid>'
    case 'string':
      return values.map((one) => (typeof one === 'string' ? one : JSON.stringify(one))).join(',')
  }
}

const STEP =
  /\.([A-Za-z0-9_/-]+(?:\\\.[A-Za-z0-9_/-]+)*)|\['([^']*)'\]|\[(\d+|\*)\]|\[\?\(@\.([\w.]+)\s*==\s*["']([^"']*)["']\)\]/y

/** Values at a JSON path of the kind that CRDs use: fields, `[0]`, `[*]`, `['key']`, `[?(@.a=="b")]`. */
export function jsonPathValues(object: KubeObject, path: string): unknown[] {
  const text = path.replace(/^\{(.*)\}$/, '$1').replace(/^\$/, '')
  let values: unknown[] = [object]
  STEP.lastIndex = 0
  while (STEP.lastIndex < text.length) {
    const step = STEP.exec(text)
    if (step === null) return []
    values = values.flatMap((value) => stepInto(value, step)).filter((value) => value !== undefined)
  }
  return values
}

/** Whether `path` is a JSON path that {@link jsonPathValues} understands. */
export function isJsonPath(path: string): boolean {
  const text = path.replace(/^\{(.*)\}$/, '$1').replace(/^\$/, '')
  STEP.lastIndex = 0
  while (STEP.lastIndex < text.length) if (STEP.exec(text) === null) return false
  return text.startsWith('.') || text.startsWith('[')
}

function stepInto(value: unknown, [, name, quoted, position, filterField, filterValue]: RegExpExecArray): unknown[] {
  const key = name?.replaceAll('\\.', '.') ?? quoted
  if (key !== undefined) return isObject(value) && Object.hasOwn(value, key) ? [value[key]] : []
  if (!Array.isArray(value)) return []
  if (position === '*') return value
  if (position !== undefined) return [value[Number(position)]]
  return value.filter((item) => isObject(item) && String(item[filterField ?? '']) === filterValue)
}
