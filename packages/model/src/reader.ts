import { Prefix } from '@margay/net'
import type { FieldError } from './errors.ts'

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Reads the fields of one object of unknown shape, collecting every error instead of stopping at the first. A field
 * that nobody reads is an error too (`finish`): what is accepted is enforced.
 */
export class FieldReader {
  readonly #value: Record<string, unknown>
  readonly #path: string
  readonly #errors: FieldError[]
  readonly #seen = new Set<string>()

  constructor(value: unknown, path: string, errors: FieldError[]) {
    this.#path = path
    this.#errors = errors
    if (!isRecord(value)) errors.push({ field: path, message: 'must be an object' })
    this.#value = isRecord(value) ? value : {}
  }

  get errors(): FieldError[] {
    return this.#errors
  }

  path(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`
  }

  fail(name: string, message: string): undefined {
    this.#errors.push({ field: this.path(name), message })
    return undefined
  }

  /** The raw value; null counts as absent, as in the Kubernetes API. */
  raw(name: string): unknown {
    this.#seen.add(name)
    return this.#value[name] ?? undefined
  }

  string(name: string): string | undefined {
    const value = this.raw(name)
    return value === undefined || typeof value === 'string' ? value : this.fail(name, 'must be a string')
  }

  boolean(name: string): boolean | undefined {
    const value = this.raw(name)
    return value === undefined || typeof value === 'boolean' ? value : this.fail(name, 'must be true or false')
  }

  integer(name: string, min: number, max: number): number | undefined {
    const value = this.raw(name)
    if (value === undefined) return undefined
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
    return this.fail(name, `must be a whole number from ${min} to ${max}`)
  }

  oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = this.raw(name)
    if (value === undefined) return undefined
    const found = allowed.find((each) => each === value)
    return found ?? this.fail(name, `must be one of ${allowed.join(', ')}`)
  }

  list(name: string): unknown[] | undefined {
    const value = this.raw(name)
    return value === undefined || Array.isArray(value) ? value : this.fail(name, 'must be a list')
  }

  /** A CIDR block; host bits are an error. */
  prefix(name: string): Prefix | undefined {
    const text = this.string(name)
    if (text === undefined) return undefined
    return (
      Prefix.tryParse(text, { strict: true }) ??
      this.fail(name, `${JSON.stringify(text)} is not a CIDR block with its host bits zero`)
    )
  }

  child(name: string): FieldReader | undefined {
    const value = this.raw(name)
    return value === undefined ? undefined : new FieldReader(value, this.path(name), this.#errors)
  }

  /** Reports every field that was never read. */
  finish(): void {
    for (const name of Object.keys(this.#value)) {
      if (!this.#seen.has(name) && this.#value[name] !== null) this.fail(name, 'is not a field that Margay supports')
    }
  }
}
