import { at, type FieldError, index, invalidValue, notSupported, required } from '../field-error.ts'
import { isObject, type JsonObject, type KubeObject, objectAt, objectsAt, stringAt, thaw } from '../object.ts'
import { compileRules } from '../schema/cel.ts'
import { prune } from '../schema/prune.ts'
import type { Schema } from '../schema/schema.ts'
import { structuralErrors } from '../schema/structural.ts'
import { validate } from '../schema/validate.ts'
import { isJsonPath } from './custom-columns.ts'
import { immutableErrors } from './metadata.ts'
import { dns1035LabelErrors, dnsSubdomainErrors } from './names.ts'

const columnTypes = ['integer', 'number', 'string', 'boolean', 'date']

/** What is wrong in a CustomResourceDefinition. */
export function crdErrors(crd: KubeObject, old?: KubeObject): FieldError[] {
  const spec = objectAt(crd, 'spec')
  const group = stringAt(spec, 'group')
  const names = objectAt(spec, 'names')
  const expected = `${stringAt(names, 'plural')}.${group}`
  const errors: FieldError[] = []
  if (crd.metadata.name !== expected) {
    errors.push(invalidValue('metadata.name', crd.metadata.name, `must be spec.names.plural+"."+spec.group`))
  }
  if (group !== '') {
    for (const error of dnsSubdomainErrors(group)) errors.push(invalidValue('spec.group', group, error))
    if (!group.includes('.')) errors.push(invalidValue('spec.group', group, 'should be a domain with at least one dot'))
  }
  errors.push(...nameErrors(names), ...versionListErrors(spec))
  if (spec['preserveUnknownFields'] === true) {
    errors.push(
      invalidValue('spec.preserveUnknownFields', true, 'must be false in order to use defaults in the schema'),
    )
  }
  const strategy = stringAt(spec['conversion'], 'strategy')
  if (strategy !== 'None') {
    errors.push(notSupported('spec.conversion.strategy', strategy, ['None']))
  }
  if (old !== undefined) {
    const before = objectAt(old, 'spec')
    errors.push(...immutableErrors(group, before['group'], 'spec.group'))
    errors.push(...immutableErrors(spec['scope'], before['scope'], 'spec.scope'))
    errors.push(...immutableErrors(names['plural'], objectAt(before, 'names')['plural'], 'spec.names.plural'))
    errors.push(...immutableErrors(names['kind'], objectAt(before, 'names')['kind'], 'spec.names.kind'))
  }
  return errors
}

function nameErrors(names: JsonObject): FieldError[] {
  const errors: FieldError[] = []
  for (const key of ['plural', 'singular']) {
    const name = stringAt(names, key)
    if (name === '') continue
    for (const error of dns1035LabelErrors(name)) errors.push(invalidValue(`spec.names.${key}`, name, error))
  }
  for (const key of ['kind', 'listKind']) {
    const name = stringAt(names, key)
    if (name === '') continue
    for (const error of dns1035LabelErrors(name.toLowerCase())) {
      errors.push(invalidValue(`spec.names.${key}`, name, `may have mixed case, but should otherwise match: ${error}`))
    }
  }
  for (const key of ['shortNames', 'categories']) {
    for (const [position, name] of ((names[key] ?? []) as string[]).entries()) {
      for (const error of dns1035LabelErrors(name))
        errors.push(invalidValue(index(`spec.names.${key}`, position), name, error))
    }
  }
  return errors
}

function versionListErrors(spec: JsonObject): FieldError[] {
  const versions = objectsAt(spec, 'versions')
  const errors: FieldError[] = []
  if (versions.length > 0 && versions.filter((version) => version['storage'] === true).length !== 1) {
    errors.push(
      invalidValue(
        'spec.versions',
        versions.map(({ name }) => name),
        'must have exactly one version marked as storage version',
      ),
    )
  }
  const seen = new Set<string>()
  for (const [position, version] of versions.entries()) {
    const field = index('spec.versions', position)
    const name = stringAt(version, 'name')
    if (seen.has(name)) errors.push(invalidValue('spec.versions', name, 'must contain unique version names'))
    seen.add(name)
    if (name !== '')
      for (const error of dns1035LabelErrors(name)) errors.push(invalidValue(`${field}.name`, name, error))
    errors.push(...versionErrors(version, field))
  }
  return errors
}

function versionErrors(version: JsonObject, field: string): FieldError[] {
  const schemaField = `${field}.schema.openAPIV3Schema`
  const schema = objectAt(version, 'schema')['openAPIV3Schema']
  if (!isObject(schema)) return [required(schemaField, 'schemas are required')]
  const errors = structuralErrors(schema, schemaField)
  if (errors.length === 0) {
    errors.push(...defaultErrors(schema, schemaField))
    errors.push(...compileRules(schema, schemaField).errors)
  }
  for (const [position, column] of objectsAt(version, 'additionalPrinterColumns').entries()) {
    const path = index(`${field}.additionalPrinterColumns`, position)
    const type = stringAt(column, 'type')
    if (type !== '' && !columnTypes.includes(type)) errors.push(notSupported(`${path}.type`, type, columnTypes))
    const jsonPath = stringAt(column, 'jsonPath')
    if (jsonPath !== '' && !isJsonPath(jsonPath)) {
      errors.push(invalidValue(`${path}.jsonPath`, jsonPath, 'is not a JSON path that is understood here'))
    }
  }
  return [...errors, ...scaleErrors(objectAt(version, 'subresources')['scale'], `${field}.subresources.scale`)]
}

function scaleErrors(scale: unknown, field: string): FieldError[] {
  if (!isObject(scale)) return []
  const errors: FieldError[] = []
  for (const [key, prefix] of [
    ['specReplicasPath', '.spec.'],
    ['statusReplicasPath', '.status.'],
  ] as const) {
    const path = stringAt(scale, key)
    if (path === '') errors.push(required(at(field, key)))
    else if (!path.startsWith(prefix)) {
      errors.push(invalidValue(at(field, key), path, `should be a json path under ${prefix.slice(0, -1)}`))
    }
  }
  return errors
}

/** Defaults must be valid values of the place they stand in. */
function defaultErrors(schema: Schema, field: string): FieldError[] {
  const errors: FieldError[] = []
  if (schema.default !== undefined) {
    const copy = thaw(schema.default)
    const unknown = prune(schema, copy, '', false)
    for (const path of unknown) errors.push(invalidValue(at(field, 'default'), path, 'must be pruned'))
    errors.push(...validate(schema, schema.default, at(field, 'default')))
  }
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    errors.push(...defaultErrors(property, index(at(field, 'properties'), name)))
  }
  if (schema.items !== undefined) errors.push(...defaultErrors(schema.items, at(field, 'items')))
  if (isObject(schema.additionalProperties)) {
    errors.push(...defaultErrors(schema.additionalProperties, at(field, 'additionalProperties')))
  }
  return errors
}
