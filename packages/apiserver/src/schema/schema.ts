import { isObject, type JsonObject } from '../object.ts'
import { builtinDefinitions } from './overlay.ts'

/** The part of OpenAPI's schema object that Kubernetes uses, for built-in kinds and for custom ones. */
export interface Schema {
  $ref?: string
  type?: string
  format?: string
  description?: string
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: Schema | boolean
  items?: Schema
  enum?: unknown[]
  default?: unknown
  nullable?: boolean
  pattern?: string
  minimum?: number
  maximum?: number
  exclusiveMinimum?: boolean
  exclusiveMaximum?: boolean
  multipleOf?: number
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  uniqueItems?: boolean
  minProperties?: number
  maxProperties?: number
  allOf?: Schema[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  not?: Schema
  'x-kubernetes-int-or-string'?: boolean
  'x-kubernetes-preserve-unknown-fields'?: boolean
  'x-kubernetes-embedded-resource'?: boolean
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  'x-kubernetes-list-map-keys'?: string[]
  'x-kubernetes-map-type'?: 'atomic' | 'granular'
  'x-kubernetes-patch-strategy'?: string
  'x-kubernetes-patch-merge-key'?: string
  'x-kubernetes-validations'?: ValidationRule[]
}

/** A CEL rule of a custom resource's schema (`x-kubernetes-validations`). */
export interface ValidationRule {
  rule: string
  message?: string
  messageExpression?: string
  reason?: string
  fieldPath?: string
  optionalOldSelf?: boolean
}

export const quantityRef = 'io.k8s.apimachinery.pkg.api.resource.Quantity'
export const intOrStringRef = 'io.k8s.apimachinery.pkg.util.intstr.IntOrString'
export const timeRef = 'io.k8s.apimachinery.pkg.apis.meta.v1.Time'
export const microTimeRef = 'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime'
export const objectMetaRef = 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta'

/** Definition behind `$ref`, or the schema itself. */
export function resolve(schema: Schema): Schema {
  if (schema.$ref === undefined) return schema
  const definition = builtinDefinitions()[schema.$ref]
  if (definition === undefined) throw new Error(`no definition of ${schema.$ref}`)
  return definition
}

/** Schema of member `key` of a value with this schema; undefined where anything may stand. */
export function memberSchema(schema: Schema | undefined, key: string): Schema | undefined {
  if (schema === undefined) return undefined
  const { properties, additionalProperties } = resolve(schema)
  if (properties !== undefined && Object.hasOwn(properties, key)) return properties[key]
  return isObject(additionalProperties) ? additionalProperties : undefined
}

/** Schema of the items of an array, where known. */
export function itemSchema(schema: Schema | undefined): Schema | undefined {
  return schema === undefined ? undefined : resolve(schema).items
}

/** Whether objects of this schema have named fields (a struct) rather than free keys (a map). */
export function isStruct(schema: Schema): boolean {
  return schema.properties !== undefined && schema.additionalProperties === undefined
}

/** `{apiVersion, kind, metadata}` and the given fields: the schema of a whole custom object. */
export function wholeObjectSchema(schema: Schema): Schema {
  return {
    ...schema,
    type: 'object',
    properties: {
      ...schema.properties,
      apiVersion: { type: 'string', ...described(apiVersionText) },
      kind: { type: 'string', ...described(kindText) },
      metadata: { $ref: objectMetaRef, ...described('Standard object metadata.') },
    },
  }
}

const apiVersionText = 'APIVersion defines the versioned schema of this representation of an object.'
const kindText = 'Kind is a string value representing the REST resource this object represents.'

function described(description: string): JsonObject {
  return { description }
}
