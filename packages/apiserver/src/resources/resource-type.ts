import type { FieldError } from '../field-error.ts'
import type { KubeObject } from '../object.ts'
import type { Schema } from '../schema/schema.ts'
import type { SelectableFields } from '../store/selectors.ts'

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch'

export const allVerbs: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
]

/** A column of `kubectl get`. Priority 1 is shown with `-o wide` only. */
export interface Column {
  name: string
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date'
  format?: string
  description?: string
  priority?: number
  cell: (object: KubeObject, nowMs: number) => unknown
}

/** Dotted paths that the scale subresource reads and writes. */
export interface ScalePaths {
  specReplicas: string
  statusReplicas: string
  labelSelector?: string
}

/** A subresource as discovery shows it. */
export interface Subresource {
  name: string
  kind: string
  group?: string
  version?: string
  verbs: string[]
}

/** Everything that the server knows about one resource in one version. */
export interface ResourceType {
  group: string
  version: string
  /** The plural, lower-case name in URLs. */
  resource: string
  singular: string
  kind: string
  listKind: string
  namespaced: boolean
  shortNames: readonly string[]
  categories: readonly string[]
  verbs: readonly Verb[]
  /** Table of the store: the same for all versions of a resource. */
  table: string
  /** Schema of whole objects. */
  schema: Schema
  /** Set for custom resources: objects are pruned, defaulted and validated by it; others are decoded like Go structs. */
  custom?: CustomSchema
  hasStatus: boolean
  scale?: ScalePaths
  subresources: readonly Subresource[]
  columns: readonly Column[]
  selectableFields: SelectableFields
  /** Whether a change of what is desired (everything but metadata and status) increases `metadata.generation`. */
  tracksGeneration: boolean
  nameErrors: (name: string) => string[]
  /** Fills defaults into `object`, in place; runs on every write. */
  applyDefaults?: (object: KubeObject) => void
  /** Adjusts a new object, in place, before it is checked. */
  prepareForCreate?: (object: KubeObject) => void
  /** Adjusts the new state of an object, in place, before it is checked. */
  prepareForUpdate?: (object: KubeObject, old: KubeObject) => void
  /** What is wrong in `object`, apart from its metadata; `old` is there on updates. */
  validate?: (object: KubeObject, old?: KubeObject) => FieldError[]
}

/** How a custom resource's objects are checked. */
interface CustomSchema {
  schema: Schema
  /** Runs the schema's CEL rules. */
  validateRules: (object: KubeObject, old?: KubeObject) => FieldError[]
}

/** `v1` or `apps/v1`. */
export function apiVersionOf(type: { group: string; version: string }): string {
  return type.group === '' ? type.version : `${type.group}/${type.version}`
}
