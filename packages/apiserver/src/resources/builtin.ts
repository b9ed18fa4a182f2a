import type { KubeObject } from '../object.ts'
import type { SelectableFields } from '../store/selectors.ts'
import { ageColumn, nameColumn } from './columns.ts'
import { dnsSubdomainErrors } from './names.ts'
import { allVerbs, type ResourceType, type Subresource } from './resource-type.ts'

/** `metadata.name` and `metadata.namespace`, which every kind can be selected by. */
export const metadataFields: SelectableFields = {
  'metadata.name': (object) => object.metadata.name,
  'metadata.namespace': (object) => object.metadata.namespace ?? '',
}

type Given = Pick<ResourceType, 'resource' | 'kind'> & Partial<ResourceType> & { definition: string }

/** A built-in resource: `given`, and for the rest what most of them have. `definition` is its OpenAPI name. */
export function builtinType(given: Given): ResourceType {
  const { definition, ...overrides } = given
  const group = given.group ?? ''
  const subresources = [...(given.hasStatus === true ? [statusOf(given.kind)] : []), ...(given.subresources ?? [])]
  return {
    group,
    version: 'v1',
    singular: given.kind.toLowerCase(),
    listKind: `${given.kind}List`,
    namespaced: true,
    shortNames: [],
    categories: [],
    verbs: allVerbs,
    table: group === '' ? given.resource : `${given.resource}.${group}`,
    schema: { $ref: definition },
    hasStatus: false,
    columns: [nameColumn, ageColumn],
    tracksGeneration: false,
    nameErrors: dnsSubdomainErrors,
    ...overrides,
    subresources,
    selectableFields: { ...metadataFields, ...given.selectableFields },
  }
}

/** The status subresource of `kind` as discovery shows it. */
export function statusOf(kind: string): Subresource {
  return { name: 'status', kind, verbs: ['get', 'patch', 'update'] }
}

/** The scale subresource as discovery shows it. */
export const scaleSubresource: Subresource = {
  name: 'scale',
  kind: 'Scale',
  group: 'autoscaling',
  version: 'v1',
  verbs: ['get', 'patch', 'update'],
}

/** Sets `key` of `target` to `value` when it has none. */
export function setDefault(target: Record<string, unknown>, key: string, value: unknown): void {
  target[key] ??= value
}

/** The object at `key` of `object`; made when it is missing. */
export function objectIn(object: KubeObject | Record<string, unknown>, key: string): Record<string, unknown> {
  const fields = object as Record<string, unknown>
  const value = (fields[key] ??= {})
  return value as Record<string, unknown>
}
