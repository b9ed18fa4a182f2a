/** The OpenAPI v3 schemas that a CustomResourceDefinition may hold, in a short notation. */
export type Schema = Record<string, unknown>

export interface Validation {
  readonly rule: string
  readonly message: string
}

export const string = (more: Schema = {}): Schema => ({ type: 'string', ...more })
export const boolean = (more: Schema = {}): Schema => ({ type: 'boolean', ...more })
export const integer = (minimum?: number, maximum?: number, more: Schema = {}): Schema => ({
  type: 'integer',
  ...(minimum === undefined ? {} : { minimum }),
  ...(maximum === undefined ? {} : { maximum }),
  ...more,
})
export const oneOf = (...values: string[]): Schema => ({ type: 'string', enum: values })
export const list = (items: Schema, more: Schema = {}): Schema => ({ type: 'array', items, ...more })
export const map = (values: Schema): Schema => ({ type: 'object', additionalProperties: values })
export const object = (properties: Record<string, Schema>, more: Schema = {}): Schema => ({
  type: 'object',
  properties,
  ...more,
})
export const described = (description: string, schema: Schema): Schema => ({ description, ...schema })
export const validated = (schema: Schema, ...validations: Validation[]): Schema => ({
  ...schema,
  'x-kubernetes-validations': [
    ...((schema['x-kubernetes-validations'] as Validation[] | undefined) ?? []),
    ...validations,
  ],
})

/** A text of Calico's selector language; Margay parses it, the length bounds the cost. */
export const selector = (): Schema => string({ maxLength: 1024 })

/** A field of Calico's that Margay does not enforce yet: any value is refused, by name. */
export const unsupported = (schema: Schema): Schema =>
  validated(schema, { rule: 'false', message: 'this field is not supported by Margay yet' })

/** The same, for a field whose value `off` asks for nothing. */
export const unsupportedUnless = (schema: Schema, off: string): Schema =>
  validated(schema, { rule: `self == ${off}`, message: `only ${off} is supported by Margay yet` })

const text = string()
const anyObject: Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
const anyList: Schema = { type: 'array', items: anyObject }

/** Fields of Calico's by type, each refused. */
export function unsupportedFields(names: {
  strings?: string
  booleans?: string
  integers?: string
  stringLists?: string
  objects?: string
  objectLists?: string
}): Record<string, Schema> {
  const fields: Record<string, Schema> = {}
  const add = (list_: string | undefined, schema: Schema): void => {
    for (const name of list_?.split(/\s+/).filter((each) => each !== '') ?? []) fields[name] = unsupported(schema)
  }
  add(names.strings, text)
  add(names.booleans, boolean())
  add(names.integers, integer())
  add(names.stringLists, list(text))
  add(names.objects, anyObject)
  add(names.objectLists, anyList)
  return fields
}

export interface Kind {
  readonly kind: string
  readonly plural: string
  readonly shortNames?: readonly string[]
  readonly namespaced?: boolean
  readonly spec: Schema
  readonly status?: Schema
  readonly validations?: readonly Validation[]
  readonly columns?: readonly {
    name: string
    type: string
    jsonPath: string
    priority?: number
    description?: string
  }[]
}

/** The CustomResourceDefinition of one projectcalico.org/v3 kind. */
export function customResourceDefinition(kind: Kind): Schema {
  const group = 'projectcalico.org'
  const { kind: name, plural, shortNames, namespaced = false, spec, status, validations = [], columns } = kind
  const schema = object({
    apiVersion: string(),
    kind: string(),
    metadata: { type: 'object' },
    spec,
    ...(status === undefined ? {} : { status }),
  })
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: namespaced ? 'Namespaced' : 'Cluster',
      names: {
        kind: name,
        listKind: `${name}List`,
        plural,
        singular: name.toLowerCase(),
        ...(shortNames === undefined ? {} : { shortNames }),
      },
      versions: [
        {
          name: 'v3',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: validations.length === 0 ? schema : validated(schema, ...validations) },
          ...(status === undefined ? {} : { subresources: { status: {} } }),
          ...(columns === undefined ? {} : { additionalPrinterColumns: columns }),
        },
      ],
    },
  }
}
