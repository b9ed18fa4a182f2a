import type { Environment } from '@marcbachmann/cel-js'
import { isObject } from '../object.ts'
import { parseTime } from './formats.ts'
import type { Schema } from './schema.ts'

const keywords = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
)
const IDENTIFIER = /^[a-zA-Z_][a-zA-Z0-9_]*$/

/** The name by which a CEL rule reaches property `name`; undefined when it can't. Rules of Kubernetes' documentation. */
function escapeIdentifier(name: string): string | undefined {
  if (keywords.has(name)) return `__${name}__`
  const escaped = name
    .replaceAll('__', '__underscores__')
    .replaceAll('.', '__dot__')
    .replaceAll('-', '__dash__')
    .replaceAll('/', '__slash__')
  return IDENTIFIER.test(escaped) ? escaped : undefined
}

/** Declares in `environment` the types that values of `schema` have, and returns the name of the type of `schema`. */
export function celTypeOf(environment: Environment, schema: Schema): string {
  let count = 0
  const declare = (part: Schema, isRoot: boolean): string => {
    if (part['x-kubernetes-int-or-string'] === true || part.nullable === true) return 'dyn'
    switch (part.type) {
      case 'integer':
        return 'int'
      case 'number':
        return 'double'
      case 'boolean':
        return 'bool'
      case 'string':
        return stringTypes[part.format ?? ''] ?? 'string'
      case 'array':
        return `list<${part.items === undefined ? 'dyn' : declare(part.items, false)}>`
      case 'object':
        return declareObject(part, isRoot)
      default:
        return 'dyn'
    }
  }
  const declareObject = (part: Schema, isRoot: boolean): string => {
    if (isObject(part.additionalProperties)) return `map<string, ${declare(part.additionalProperties, false)}>`
    const isEmbedded = isRoot || part['x-kubernetes-embedded-resource'] === true
    if (part.properties === undefined && !isEmbedded) return 'dyn'
    const fields: Record<string, string> = {}
    for (const [name, property] of Object.entries(part.properties ?? {})) {
      const escaped = escapeIdentifier(name)
      if (escaped !== undefined) fields[escaped] = declare(property, false)
    }
    if (isEmbedded && part.properties?.['metadata'] !== undefined) fields['metadata'] = 'map<string, dyn>'
    const name = `Object${count++}`
    environment.registerType(name, { fields })
    environment.registerOperator(`${name} == ${name}`, () => false)
    return name
  }
  return declare(schema, schema.properties?.['apiVersion'] !== undefined)
}

const stringTypes: Record<string, string> = {
  'date-time': 'google.protobuf.Timestamp',
  date: 'google.protobuf.Timestamp',
  byte: 'bytes',
}

/** `value` as CEL sees it: integers are bigints, objects are maps by escaped name, times are dates. */
export function toCelValue(schema: Schema | undefined, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => toCelValue(schema?.items, item))
  if (isObject(value)) {
    const entries: [string, unknown][] = []
    for (const [key, member] of Object.entries(value)) {
      const property =
        schema?.properties !== undefined && Object.hasOwn(schema.properties, key) ? schema.properties[key] : undefined
      const isMap = property === undefined && schema?.properties === undefined
      const name = isMap ? key : escapeIdentifier(key)
      const below = property ?? (isObject(schema?.additionalProperties) ? schema.additionalProperties : undefined)
      if (name !== undefined && member !== undefined) entries.push([name, toCelValue(below, member)])
    }
    return new Map(entries)
  }
  if (typeof value === 'number') {
    return schema?.type === 'number' || !Number.isInteger(value) ? value : BigInt(value)
  }
  if (typeof value === 'string') return toCelString(schema?.format, value)
  return value
}

function toCelString(format: string | undefined, value: string): unknown {
  if (format === 'date-time' || format === 'date') {
    const time = parseTime(format === 'date' ? `${value}T00:00:00Z` : value)
    return time === undefined ? value : new Date(time)
  }
  return format === 'byte' ? new Uint8Array(Buffer.from(value, 'base64')) : value
}
