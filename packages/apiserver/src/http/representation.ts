import { served } from '../api/resource-api.ts'
import type { KubeObject } from '../object.ts'
import { ageColumn, nameColumn } from '../resources/columns.ts'
import { apiVersionOf, type Column, type ResourceType } from '../resources/resource-type.ts'
import type { ListResult } from './list-query.ts'
import type { Representation } from './negotiation.ts'

export type IncludeObject = 'None' | 'Metadata' | 'Object'

const json = new WeakMap<KubeObject, string>()

/** JSON of a frozen object; kept, because one change is often sent to many watchers. */
export function objectJson(object: KubeObject): string {
  const known = json.get(object)
  if (known !== undefined) return known
  const text = JSON.stringify(object)
  if (Object.isFrozen(object)) json.set(object, text)
  return text
}

/** One object as JSON in the form that was asked for. */
export function renderObject(
  type: ResourceType,
  object: KubeObject,
  as: Representation['as'],
  include: IncludeObject,
  nowMs: number,
): string {
  switch (as) {
    case 'object':
      return objectJson(served(type, object))
    case 'partial':
      return JSON.stringify(partial(object))
    case 'table':
      return JSON.stringify(table(type, [object], object.metadata.resourceVersion ?? '', include, nowMs))
  }
}

/** A list as JSON in the form that was asked for. */
export function renderList(
  type: ResourceType,
  list: ListResult,
  as: Representation['as'],
  include: IncludeObject,
  nowMs: number,
): string {
  const metadata = {
    resourceVersion: String(list.resourceVersion),
    ...(list.continue === undefined ? {} : { continue: list.continue }),
    ...(list.remaining === undefined ? {} : { remainingItemCount: list.remaining }),
  }
  if (as === 'table') {
    const { metadata: _own, ...rest } = table(type, list.items, '', include, nowMs)
    return JSON.stringify({ ...rest, metadata })
  }
  if (as === 'partial') {
    const items = list.items.map((object) => partial(object))
    return JSON.stringify({ kind: 'PartialObjectMetadataList', apiVersion: 'meta.k8s.io/v1', metadata, items })
  }
  const items = list.items.map((object) => objectJson(served(type, object))).join(',')
  const head = JSON.stringify({ kind: type.listKind, apiVersion: apiVersionOf(type), metadata })
  return `${head.slice(0, -1)},"items":[${items}]}`
}

/** A `meta.k8s.io/v1` Table. */
export function table(
  type: ResourceType,
  objects: KubeObject[],
  resourceVersion: string,
  include: IncludeObject,
  nowMs: number,
): {
  kind: 'Table'
  apiVersion: string
  metadata: { resourceVersion: string }
  columnDefinitions: unknown[]
  rows: unknown[]
} {
  const columns = type.columns.length === 0 ? [nameColumn, ageColumn] : type.columns
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: { resourceVersion },
    columnDefinitions: columns.map((column) => definitionOf(column)),
    rows: objects.map((object) => ({
      cells: columns.map((column) => column.cell(object, nowMs)),
      ...(include === 'None' ? {} : { object: include === 'Object' ? served(type, object) : partial(object) }),
    })),
  }
}

function definitionOf(column: Column): unknown {
  return {
    name: column.name,
    type: column.type,
    format: column.format ?? '',
    description: column.description ?? '',
    priority: column.priority ?? 0,
  }
}

function partial(object: KubeObject): unknown {
  return { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: object.metadata }
}
