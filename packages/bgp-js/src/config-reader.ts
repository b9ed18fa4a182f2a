import { Address, Prefix } from '@margay/net'
import type { ConfigProblem } from './errors.ts'
import { canonicalAddress } from './peer-address.ts'

/** Reads the fields of one object of a configuration and gathers everything that is wrong with it. */
export class ConfigReader {
  readonly #path: string
  readonly #fields: Readonly<Record<string, unknown>>
  readonly #problems: ConfigProblem[]
  readonly #known = new Set<string>()

  constructor(value: unknown, path: string, problems: ConfigProblem[]) {
    this.#path = path
    this.#problems = problems
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    if (!isObject) problems.push({ field: path === '' ? 'configuration' : path, problem: 'must be an object' })
    this.#fields = isObject ? (value as Record<string, unknown>) : {}
  }

  problem(field: string, problem: string): void {
    this.#problems.push({ field: this.#name(field), problem })
  }

  has(field: string): boolean {
    return this.#fields[field] !== undefined
  }

  raw(field: string): unknown {
    this.#known.add(field)
    return this.#fields[field]
  }

  /** The fields that are there. */
  names(): string[] {
    return Object.keys(this.#fields)
  }

  integer(field: string, range: { min: number; max: number; default?: number }): number {
    const value = this.raw(field)
    if (value === undefined && range.default !== undefined) return range.default
    if (typeof value === 'number' && Number.isInteger(value) && value >= range.min && value <= range.max) return value
    this.problem(field, value === undefined ? 'is missing' : `must be a whole number from ${range.min} to ${range.max}`)
    return range.default ?? range.min
  }

  boolean(field: string, fallback: boolean): boolean {
    const value = this.raw(field)
    if (value === undefined) return fallback
    if (typeof value !== 'boolean') this.problem(field, 'must be true or false')
    return value === true
  }

  text(field: string, maxLength: number): string | undefined {
    const value = this.raw(field)
    if (value === undefined) return undefined
    if (typeof value === 'string' && value.length > 0 && value.length <= maxLength) return value
    this.problem(field, `must be a text of 1 to ${maxLength} characters`)
    return undefined
  }

  /** An address in canonical text. */
  address(field: string, options: { family?: 4 | 6; required?: boolean } = {}): string | undefined {
    const value = this.raw(field)
    if (value === undefined && options.required !== true) return undefined
    const address = typeof value === 'string' ? Address.tryParse(value) : undefined
    if (address !== undefined && (options.family === undefined || address.family === options.family)) {
      return address.toString()
    }
    const kind = options.family === undefined ? 'IP' : `IPv${options.family}`
    this.problem(field, value === undefined ? 'is missing' : `must be an ${kind} address`)
    return undefined
  }

  /** An address in canonical text; a link-local one may have its zone. */
  zonedAddress(field: string, options: { required?: boolean } = {}): string | undefined {
    const value = this.raw(field)
    if (value === undefined && options.required !== true) return undefined
    const address = typeof value === 'string' ? canonicalAddress(value) : undefined
    if (address === undefined) this.problem(field, value === undefined ? 'is missing' : 'must be an IP address')
    return address
  }

  choice<T extends string>(field: string, choices: readonly T[]): T | undefined {
    const value = this.raw(field)
    const found = choices.find((choice) => choice === value)
    if (found === undefined) this.problem(field, `must be one of ${choices.map((item) => `"${item}"`).join(', ')}`)
    return found
  }

  integers(field: string, range: { min: number; max: number }): number[] {
    return this.list(field).flatMap((item, index) => {
      const isGood = typeof item === 'number' && Number.isInteger(item) && item >= range.min && item <= range.max
      if (!isGood) this.problem(`${field}[${index}]`, `must be a whole number from ${range.min} to ${range.max}`)
      return isGood ? [item] : []
    })
  }

  prefix(field: string): string {
    const value = this.raw(field)
    const prefix = typeof value === 'string' ? Prefix.tryParse(value, { strict: true }) : undefined
    if (prefix !== undefined) return prefix.toString()
    this.problem(field, value === undefined ? 'is missing' : 'must be a CIDR block without host bits')
    return ''
  }

  list(field: string): readonly unknown[] {
    const value = this.raw(field)
    if (value === undefined) return []
    if (Array.isArray(value)) return value
    this.problem(field, 'must be a list')
    return []
  }

  prefixes(field: string): string[] {
    return this.list(field).flatMap((item, index) => {
      const prefix = typeof item === 'string' ? Prefix.tryParse(item, { strict: true }) : undefined
      if (prefix === undefined) this.problem(`${field}[${index}]`, 'must be a CIDR block without host bits')
      return prefix === undefined ? [] : [prefix.toString()]
    })
  }

  child(field: string): ConfigReader | undefined {
    const value = this.raw(field)
    return value === undefined ? undefined : new ConfigReader(value, this.#name(field), this.#problems)
  }

  children(field: string): ConfigReader[] {
    return this.list(field).map(
      (item, index) => new ConfigReader(item, this.#name(`${field}[${index}]`), this.#problems),
    )
  }

  /** An item of a list that is an object. */
  item(field: string, index: number): ConfigReader {
    return new ConfigReader(this.list(field)[index], this.#name(`${field}[${index}]`), this.#problems)
  }

  /** Call last: what nobody asked for is refused by name. */
  refuseUnknown(): void {
    for (const field of Object.keys(this.#fields)) {
      if (!this.#known.has(field)) this.problem(field, 'is unknown')
    }
  }

  #name(field: string): string {
    if (field === '') return this.#path
    return this.#path === '' ? field : `${this.#path}.${field}`
  }
}
