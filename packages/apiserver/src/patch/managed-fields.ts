import { ApiError } from '../errors.ts'
import { isObject, type JsonObject, type KubeObject, type ManagedFieldsEntry, type ObjectMeta } from '../object.ts'
import type { Schema } from '../schema/schema.ts'
import { FieldSet } from './field-set.ts'
import { compare, fieldsOf, mergeTyped, removeFields } from './typed.ts'

const UPDATE_MANAGERS_AT_MOST = 10
const ANCIENT = 'ancient-changes'
const systemMetadata = [
  'name',
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
  'selfLink',
  'managedFields',
  'generateName',
]

/** Who writes, and through what. */
export interface FieldWriter {
  manager: string
  apiVersion: string
  subresource: string | undefined
  /** RFC 3339 time of the write. */
  time: string
}

interface Owner {
  entry: ManagedFieldsEntry
  fields: FieldSet
}

/** The managedFields of `next` after a create (`live` undefined) or an update by `writer`. */
export function managedAfterUpdate(
  schema: Schema,
  live: KubeObject | undefined,
  next: KubeObject,
  writer: FieldWriter,
): ManagedFieldsEntry[] {
  const { changed, removed } = compare(schema, live === undefined ? {} : userFields(live), userFields(next))
  const owners = ownersOf(next.metadata)
  const isMine = ({ entry }: Owner): boolean => matches(entry, 'Update', writer)
  const result: Owner[] = []
  let mine = owners.find((owner) => isMine(owner))?.fields ?? new FieldSet()
  const before = mine
  mine = mine.difference(removed).union(changed)
  for (const owner of owners) {
    if (isMine(owner)) continue
    result.push({ entry: owner.entry, fields: owner.fields.difference(changed).difference(removed) })
  }
  const old = owners.find((owner) => isMine(owner))?.entry
  const time = old !== undefined && mine.equals(before) && changed.isEmpty ? (old.time ?? writer.time) : writer.time
  result.push({ entry: entryOf('Update', writer, time), fields: mine })
  return toEntries(bounded(result))
}

/** Outcome of a server-side apply: the merged object, and who owns what in it. */
export interface Applied {
  object: JsonObject
  managedFields: ManagedFieldsEntry[]
}

/**
 * Server-side apply of `config` by `writer` onto `live` (undefined: it will be created): merges, drops what the
 * writer applied before and no longer does, and settles ownership.
 * @throws {ApiError} 409 with one cause per field that another manager owns and `force` is not set
 */
export function applyConfiguration(
  schema: Schema,
  live: KubeObject | undefined,
  config: KubeObject,
  writer: FieldWriter,
  force: boolean,
): Applied {
  const owners = live === undefined ? [] : ownersOf(live.metadata)
  const previous = owners.find(({ entry }) => matches(entry, 'Apply', writer))
  const others = owners.filter((owner) => owner !== previous)
  const fields = fieldsOf(schema, userFields(config))
  const merged = live === undefined ? config : (mergeTyped(schema, live, config) as JsonObject)
  const dropped = (previous?.fields ?? new FieldSet()).difference(fields)
  const keep = others.reduce((all, owner) => all.union(owner.fields), fields)
  const object = dropped.isEmpty ? merged : (removeFields(schema, merged, dropped, keep) as JsonObject)
  const { changed, removed } = compare(schema, live === undefined ? {} : userFields(live), userFields(object))
  if (!force) refuseConflicts(others, changed)
  const rest = others.map(({ entry, fields: owned }) => ({
    entry,
    fields: owned.difference(changed).difference(removed),
  }))
  const isSame = previous !== undefined && previous.fields.equals(fields) && changed.isEmpty && removed.isEmpty
  const time = isSame ? (previous.entry.time ?? writer.time) : writer.time
  return {
    object,
    managedFields: toEntries([{ entry: entryOf('Apply', writer, time), fields }, ...rest]),
  }
}

function refuseConflicts(others: Owner[], changed: FieldSet): void {
  const causes = others.flatMap(({ entry, fields }) =>
    fields
      .intersection(changed)
      .paths()
      .map((field) => ({ reason: 'FieldManagerConflict', message: `conflict with ${described(entry)}`, field })),
  )
  if (causes.length === 0) return
  const count = `${causes.length} conflict${causes.length === 1 ? '' : 's'}`
  const list =
    causes.length === 1
      ? `${causes[0]?.message}: ${causes[0]?.field}`
      : `conflicts with ${others.map(({ entry }) => described(entry)).join(', ')}:\n${causes
          .map(({ field }) => `- ${field}`)
          .join('\n')}`
  throw new ApiError('Conflict', `Apply failed with ${count}: ${list}`, { causes })
}

function described(entry: ManagedFieldsEntry): string {
  const subresource = entry.subresource === undefined ? '' : ` with subresource "${entry.subresource}"`
  const time = entry.operation === 'Update' && entry.time !== undefined ? ` at ${entry.time}` : ''
  return `${JSON.stringify(entry.manager)}${subresource} using ${entry.apiVersion}${time}`
}

/** The object without the fields that nobody owns. */
function userFields(object: KubeObject | JsonObject): JsonObject {
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = object as KubeObject
  const kept = Object.entries(isObject(metadata) ? metadata : {}).filter(([key]) => !systemMetadata.includes(key))
  return kept.length === 0 ? rest : { metadata: Object.fromEntries(kept), ...rest }
}

function ownersOf(metadata: ObjectMeta): Owner[] {
  const owners: Owner[] = []
  for (const entry of metadata.managedFields ?? []) {
    if (entry.operation !== 'Apply' && entry.operation !== 'Update') continue
    owners.push({ entry, fields: FieldSet.fromFieldsV1(entry.fieldsV1) })
  }
  return owners
}

function matches(entry: ManagedFieldsEntry, operation: string, writer: FieldWriter): boolean {
  return entry.manager === writer.manager && entry.operation === operation && entry.subresource === writer.subresource
}

function entryOf(operation: 'Apply' | 'Update', writer: FieldWriter, time: string): ManagedFieldsEntry {
  return {
    manager: writer.manager,
    operation,
    apiVersion: writer.apiVersion,
    time,
    fieldsType: 'FieldsV1',
    fieldsV1: {},
    ...(writer.subresource === undefined ? {} : { subresource: writer.subresource }),
  }
}

function toEntries(owners: Owner[]): ManagedFieldsEntry[] {
  return owners
    .filter(({ fields }) => !fields.isEmpty)
    .map(({ entry, fields }) => ({ ...entry, fieldsV1: fields.toFieldsV1() }))
    .toSorted(
      (a, b) =>
        compareText(a.operation, b.operation) ||
        compareText(a.time ?? '', b.time ?? '') ||
        compareText(a.manager, b.manager),
    )
}

/** Merges the oldest updaters into one, so that an object's list of managers can't grow without end. */
function bounded(owners: Owner[]): Owner[] {
  const updaters = owners.filter(({ entry }) => entry.operation === 'Update' && !('subresource' in entry))
  if (updaters.length <= UPDATE_MANAGERS_AT_MOST) return owners
  const oldest = updaters
    .toSorted((a, b) => compareText(a.entry.time ?? '', b.entry.time ?? ''))
    .slice(0, updaters.length - UPDATE_MANAGERS_AT_MOST + 1)
  const first = oldest[0]
  if (first === undefined) return owners
  const merged = oldest.reduce((all, owner) => all.union(owner.fields), new FieldSet())
  return [
    { entry: { ...first.entry, manager: ANCIENT }, fields: merged },
    ...owners.filter((owner) => !oldest.includes(owner)),
  ]
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
