import { isObject, type JsonObject } from '../object.ts'

/**
 * A set of paths into an object, as `metadata.managedFields` holds it (`FieldsV1`). Path elements are written as
 * there: `f:name` a field, `k:{"name":"x"}` a list item by keys, `v:"x"` an item of a set, `i:0` an index.
 */
export class FieldSet {
  readonly members = new Set<string>()
  readonly children = new Map<string, FieldSet>()

  static fromFieldsV1(fields: unknown): FieldSet {
    const set = new FieldSet()
    if (!isObject(fields)) return set
    for (const [element, below] of Object.entries(fields)) {
      if (element === '.' || !/^[fkvi]:/.test(element)) continue
      const child = FieldSet.fromFieldsV1(below)
      if (!child.isEmpty) set.children.set(element, child)
      if (child.isEmpty || (isObject(below) && Object.hasOwn(below, '.'))) set.members.add(element)
    }
    return set
  }

  get isEmpty(): boolean {
    return this.members.size === 0 && this.children.size === 0
  }

  /** The child set at `element`; made when it is missing. */
  child(element: string): FieldSet {
    let child = this.children.get(element)
    if (child === undefined) {
      child = new FieldSet()
      this.children.set(element, child)
    }
    return child
  }

  toFieldsV1(): JsonObject {
    const fields: JsonObject = {}
    for (const element of [...new Set([...this.members, ...this.children.keys()])].toSorted()) {
      const below = this.children.get(element)?.toFieldsV1() ?? {}
      const isBoth = this.members.has(element) && Object.keys(below).length > 0
      fields[element] = isBoth ? { '.': {}, ...below } : below
    }
    return fields
  }

  union(other: FieldSet): FieldSet {
    const result = new FieldSet()
    for (const set of [this, other]) {
      for (const element of set.members) result.members.add(element)
      for (const [element, child] of set.children) {
        const existing = result.children.get(element)
        result.children.set(element, existing === undefined ? child : existing.union(child))
      }
    }
    return result
  }

  /** Paths of this set that `other` does not have. */
  difference(other: FieldSet): FieldSet {
    return this.#filtered(other, false)
  }

  /** Paths that both sets have. */
  intersection(other: FieldSet): FieldSet {
    return this.#filtered(other, true)
  }

  /** Every path as text such as `.spec.containers[name="web"].image`. */
  paths(prefix = ''): string[] {
    const result: string[] = []
    for (const element of [...new Set([...this.members, ...this.children.keys()])].toSorted()) {
      const path = prefix + elementText(element)
      if (this.members.has(element)) result.push(path)
      result.push(...(this.children.get(element)?.paths(path) ?? []))
    }
    return result
  }

  equals(other: FieldSet): boolean {
    return this.difference(other).isEmpty && other.difference(this).isEmpty
  }

  #filtered(other: FieldSet, wanted: boolean): FieldSet {
    const result = new FieldSet()
    for (const element of this.members) if (other.members.has(element) === wanted) result.members.add(element)
    for (const [element, child] of this.children) {
      const below = other.children.get(element)
      const left = below === undefined ? (wanted ? undefined : child) : child.#filtered(below, wanted)
      if (left !== undefined && !left.isEmpty) result.children.set(element, left)
    }
    return result
  }
}

function elementText(element: string): string {
  const value = element.slice(2)
  switch (element[0]) {
    case 'f':
      return `.${value}`
    case 'k': {
      const keys = JSON.parse(value) as JsonObject
      return `[${Object.entries(keys)
        .map(([key, one]) => `${key}=${JSON.stringify(one)}`)
        .join(',')}]`
    }
    default:
      return `[${element[0] === 'v' ? `=${value}` : value}]`
  }
}
