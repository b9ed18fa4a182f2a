import { Prefix } from '@margay/net'
import type { ConfigReader } from '../config-reader.ts'
import { parseCommunityPattern, parseExactCommunity } from './community-pattern.ts'
import { parseAsRange } from './compiled-sets.ts'
import type { AsMatch, NumberMatch } from './policy.ts'

const MAX_ASN = 0xffffffff
const MAX_TEXT = 255
const SET = 'set:'

/** `{field: value}`, or nothing for a value that is not there. */
export function optional<K extends string, V>(field: K, value: V | undefined): { [P in K]?: V } {
  return (value === undefined ? {} : { [field]: value }) as { [P in K]?: V }
}

/** One of several words; undefined, and a problem, for another. */
export function oneOf<const T extends string>(reader: ConfigReader, field: string, words: readonly T[]): T | undefined {
  const value = reader.raw(field)
  if (value === undefined) return undefined
  const word = words.find((item) => item === value)
  if (word === undefined) {
    const quoted = words.map((item) => `"${item}"`)
    const listed = quoted.length === 2 ? quoted.join(' or ') : `one of ${quoted.join(', ')}`
    reader.problem(field, `must be ${listed}`)
  }
  return word
}

/** A list that is not empty, each item read by `read`, which gives undefined for what is wrong and says so itself. */
export function filled<T>(
  reader: ConfigReader,
  field: string,
  read: (item: unknown, name: string) => T | undefined,
): T[] | undefined {
  if (reader.raw(field) === undefined) return undefined
  const items = reader.list(field)
  if (items.length === 0 && Array.isArray(reader.raw(field))) reader.problem(field, 'must not be empty')
  return items.flatMap((item, index) => {
    const value = read(item, `${field}[${index}]`)
    return value === undefined ? [] : [value]
  })
}

/** Texts of 1 to 255 characters. */
export function texts(reader: ConfigReader, field: string): string[] {
  return reader.list(field).flatMap((item, index) => {
    if (typeof item === 'string' && item.length > 0 && item.length <= MAX_TEXT) return [item]
    reader.problem(`${field}[${index}]`, `must be a text of 1 to ${MAX_TEXT} characters`)
    return []
  })
}

export function prefixText(reader: ConfigReader, field: string, value: unknown): string | undefined {
  const prefix = typeof value === 'string' ? Prefix.tryParse(value) : undefined
  if (prefix === undefined) reader.problem(field, 'must be a CIDR block')
  return prefix?.toString()
}

/** Communities; with `patterns`, ones with `*` too, and `set:NAME` where there are `sets`. */
export function communities(
  reader: ConfigReader,
  field: string,
  { patterns = false, sets, only }: { patterns?: boolean; sets?: ReadonlySet<string>; only?: string } = {},
): string[] {
  return reader.list(field).flatMap((item, index) => {
    const name = `${field}[${index}]`
    if (typeof item !== 'string') {
      reader.problem(name, 'must be a community, as text')
      return []
    }
    if (sets !== undefined && item.startsWith(SET)) return knownSet(reader, name, item, sets)
    try {
      const kind = patterns ? parseCommunityPattern(item).kind : parseExactCommunity(item).kind
      if (only === undefined || kind === only) return [item]
      reader.problem(name, `must be a community of the ${only} kind`)
    } catch (error) {
      if (!(error instanceof RangeError)) throw error
      reader.problem(name, `is no community: ${error.message}`)
    }
    return []
  })
}

/** AS numbers and ranges, and `set:NAME` where there are `sets`. */
export function asMatches(reader: ConfigReader, field: string, sets: ReadonlySet<string> | undefined): AsMatch[] {
  return reader.list(field).flatMap((item, index): AsMatch[] => {
    const name = `${field}[${index}]`
    if (typeof item === 'string' && sets !== undefined && item.startsWith(SET))
      return knownSet(reader, name, item, sets)
    const isAsn = typeof item === 'number' && Number.isInteger(item) && item >= 0 && item <= MAX_ASN
    if (isAsn || (typeof item === 'string' && isRange(item))) return [item]
    reader.problem(name, 'must be an AS number, or a range of them as text: "64512-65534"')
    return []
  })
}

function isRange(text: string): boolean {
  try {
    parseAsRange(text)
    return true
  } catch (error) {
    if (error instanceof RangeError) return false
    throw error
  }
}

function knownSet(reader: ConfigReader, field: string, text: string, sets: ReadonlySet<string>): string[] {
  if (sets.has(text.slice(SET.length))) return [text]
  reader.problem(field, `there is no set ${text.slice(SET.length)}`)
  return []
}

/** AS numbers, as in a path. */
export function asNumbers(reader: ConfigReader, field: string, mayBeEmpty = false): number[] | undefined {
  const read = (item: unknown, name: string): number | undefined => {
    if (typeof item === 'number' && Number.isInteger(item) && item >= 1 && item <= MAX_ASN) return item
    reader.problem(name, 'must be an AS number')
    return undefined
  }
  if (mayBeEmpty && Array.isArray(reader.raw(field)) && reader.list(field).length === 0) return []
  return filled(reader, field, read)
}

/** A number or `{min, max}`. */
export function numberMatch(reader: ConfigReader, field: string, most = 0xffffffff): NumberMatch | undefined {
  const value = reader.raw(field)
  if (typeof value === 'number') return reader.integer(field, { min: 0, max: most })
  return range(reader, field, most)
}

export function range(reader: ConfigReader, field: string, most: number): { min?: number; max?: number } | undefined {
  const child = reader.child(field)
  if (child === undefined) return undefined
  const bound = (name: 'min' | 'max'): number | undefined =>
    child.raw(name) === undefined ? undefined : child.integer(name, { min: 0, max: most })
  const [min, max] = [bound('min'), bound('max')]
  if (min === undefined && max === undefined) child.problem('min', 'or max must be given')
  if (min !== undefined && max !== undefined && min > max) child.problem('min', 'is greater than max')
  child.refuseUnknown()
  return { ...optional('min', min), ...optional('max', max) }
}
