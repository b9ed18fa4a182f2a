import { createHash } from 'node:crypto'
import type { Registry } from '../api/registry.ts'
import { isObject, type JsonObject } from '../object.ts'
import type { ResourceType } from '../resources/resource-type.ts'
import { resolve, type Schema } from '../schema/schema.ts'
import { serverVersion } from './discovery.ts'

const info = { title: 'Kubernetes', version: serverVersion.gitVersion }

/** OpenAPI documents made from the registry; kept until a resource is added or removed. */
export class OpenApi {
  readonly #registry: Registry
  #generation = -1
  #v2: string | undefined
  #v3 = new Map<string, string>()

  constructor(registry: Registry) {
    this.#registry = registry
  }

  /** `/openapi/v2`. */
  v2(): string {
    this.#refresh()
    this.#v2 ??= JSON.stringify(documentV2(this.#registry.all()))
    return this.#v2
  }

  /** `/openapi/v3`: the documents there are, each with the hash of its content. */
  index(): JsonObject {
    this.#refresh()
    const paths = Object.fromEntries(
      [...new Set(this.#registry.all().map((type) => pathOf(type)))].map((path) => {
        const hash = createHash('sha512')
          .update(this.v3(path) ?? '')
          .digest('hex')
          .toUpperCase()
        return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }]
      }),
    )
    return { paths }
  }

  /** `/openapi/v3/PATH`, such as `apis/apps/v1`; undefined when there is no such group version. */
  v3(path: string): string | undefined {
    this.#refresh()
    const types = this.#registry.all().filter((type) => pathOf(type) === path)
    if (types.length === 0) return undefined
    const known = this.#v3.get(path) ?? JSON.stringify(documentV3(types))
    this.#v3.set(path, known)
    return known
  }

  #refresh(): void {
    if (this.#generation === this.#registry.generation) return
    this.#generation = this.#registry.generation
    this.#v2 = undefined
    this.#v3 = new Map()
  }
}

function pathOf({ group, version }: ResourceType): string {
  return group === '' ? `api/${version}` : `apis/${group}/${version}`
}

/** Name of a type's definition: that of the built-in one, or the reversed group and the kind. */
function definitionName(type: ResourceType): string {
  if (type.schema.$ref !== undefined) return type.schema.$ref
  return `${type.group.split('.').toReversed().join('.')}.${type.version}.${type.kind}`
}

function kindOf({ group, version, kind }: ResourceType): JsonObject {
  return { group, version, kind }
}

function documentV3(types: readonly ResourceType[]): JsonObject {
  const schemas = collectDefinitions(types)
  const toRef = (name: string): string => `#/components/schemas/${name}`
  const rendered = Object.fromEntries(
    [...schemas].map(([name, schema]) => [
      name,
      renderSchema(
        schema,
        (ref) => ({ allOf: [{ $ref: toRef(ref) }] }),
        (ref) => ({ $ref: toRef(ref) }),
      ),
    ]),
  )
  markKinds(types, rendered)
  return {
    openapi: '3.0.0',
    info,
    paths: pathsOf(types, (name) => ({ schema: { type: 'string' }, name, in: 'query' }), toRef, true),
    components: { schemas: rendered },
  }
}

function documentV2(types: readonly ResourceType[]): JsonObject {
  const toRef = (name: string): string => `#/definitions/${name}`
  const reference = (ref: string): JsonObject => ({ $ref: toRef(ref) })
  const definitions = Object.fromEntries(
    [...collectDefinitions(types)].map(([name, schema]) => [name, renderSchema(schema, reference, reference)]),
  )
  markKinds(types, definitions)
  return {
    swagger: '2.0',
    info,
    paths: pathsOf(types, (name) => ({ type: 'string', name, in: 'query', uniqueItems: true }), toRef, false),
    definitions,
  }
}

/** The schemas of `types` and all that they refer to. */
function collectDefinitions(types: readonly ResourceType[]): Map<string, Schema> {
  const found = new Map<string, Schema>()
  const visit = (schema: Schema): void => {
    if (schema.$ref !== undefined) {
      if (found.has(schema.$ref)) return
      const definition = resolve(schema)
      found.set(schema.$ref, definition)
      visit(definition)
      return
    }
    for (const property of Object.values(schema.properties ?? {})) visit(property)
    if (schema.items !== undefined) visit(schema.items)
    if (isObject(schema.additionalProperties)) visit(schema.additionalProperties)
  }
  for (const type of types) {
    if (type.schema.$ref === undefined) found.set(definitionName(type), type.schema)
    visit(type.schema)
  }
  for (const name of ['DeleteOptions', 'Status']) visit({ $ref: `io.k8s.apimachinery.pkg.apis.meta.v1.${name}` })
  if (types.some((type) => type.scale !== undefined)) visit({ $ref: 'io.k8s.api.autoscaling.v1.Scale' })
  return found
}

/** A schema as the documents have it: references with siblings wrapped, Kubernetes' own words for odd types. */
function renderSchema(
  schema: Schema,
  withSiblings: (ref: string) => JsonObject,
  alone: (ref: string) => JsonObject,
): JsonObject {
  const render = (part: Schema): JsonObject => renderSchema(part, withSiblings, alone)
  const { $ref, properties, items, additionalProperties, ...rest } = schema
  const result: JsonObject = { ...rest }
  if ($ref !== undefined) {
    const { type: _type, ...others } = rest
    return Object.keys(others).length === 0 ? alone($ref) : { ...others, ...withSiblings($ref) }
  }
  if (schema['x-kubernetes-int-or-string'] === true) {
    delete result['x-kubernetes-int-or-string']
    return { ...result, type: 'string', format: 'int-or-string' }
  }
  if (
    schema.type === undefined &&
    schema['x-kubernetes-preserve-unknown-fields'] === true &&
    properties === undefined
  ) {
    // Anything at all: `type: object` is what Kubernetes says of RawExtension and JSON.
    result['type'] = 'object'
  }
  if (properties !== undefined) {
    result['properties'] = Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, render(one)]))
  }
  if (items !== undefined) result['items'] = render(items)
  if (isObject(additionalProperties)) result['additionalProperties'] = render(additionalProperties)
  return result
}

function markKinds(types: readonly ResourceType[], schemas: Record<string, JsonObject>): void {
  for (const type of types) {
    const schema = schemas[definitionName(type)]
    if (schema !== undefined) schema['x-kubernetes-group-version-kind'] = [kindOf(type)]
  }
  const remove = schemas['io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions']
  if (remove !== undefined)
    remove['x-kubernetes-group-version-kind'] = [{ group: '', version: 'v1', kind: 'DeleteOptions' }]
}

type Parameter = (name: string) => JsonObject

/** What kubectl looks for: which kinds can be written with `dryRun` and `fieldValidation`, and where they are. */
function pathsOf(
  types: readonly ResourceType[],
  parameter: Parameter,
  toRef: (name: string) => string,
  isV3: boolean,
): JsonObject {
  const paths: JsonObject = {}
  for (const type of types) {
    const base = `/${pathOf(type)}${type.namespaced ? '/namespaces/{namespace}' : ''}/${type.resource}`
    const operation = (action: string): JsonObject => ({
      description: `${action} ${type.kind}`,
      parameters: ['dryRun', 'fieldManager', 'fieldValidation', 'pretty'].map((name) => parameter(name)),
      responses: { '200': okResponse(type, toRef, isV3) },
      'x-kubernetes-action': action,
      'x-kubernetes-group-version-kind': kindOf(type),
    })
    paths[base] = {
      ...(type.verbs.includes('list') ? { get: operation('list') } : {}),
      ...(type.verbs.includes('create') ? { post: operation('post') } : {}),
      ...(type.verbs.includes('deletecollection') ? { delete: operation('deletecollection') } : {}),
    }
    if (!type.verbs.includes('get')) continue
    paths[`${base}/{name}`] = {
      get: operation('get'),
      put: operation('put'),
      patch: operation('patch'),
      delete: operation('delete'),
    }
  }
  return paths
}

function okResponse(type: ResourceType, toRef: (name: string) => string, isV3: boolean): JsonObject {
  const schema = { $ref: toRef(definitionName(type)) }
  return isV3 ? { description: 'OK', content: { 'application/json': { schema } } } : { description: 'OK', schema }
}
