/**
 * Writes `src/schema/definitions.json`: OpenAPI definitions of the Kubernetes types that the server keeps, taken from
 * the typed models of `@kubernetes/client-node` (their doc comments, optional marks and attribute type maps). What the
 * models do not carry (list types, patch keys, quantities) is laid over it at run time by `src/schema/overlay.ts`.
 *
 *   node packages/apiserver/scripts/generate-definitions.ts
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const require = createRequire(import.meta.url)
const modelsDir = join(dirname(require.resolve('@kubernetes/client-node')), 'gen', 'models')
const target = join(dirname(fileURLToPath(import.meta.url)), '..', 'src', 'schema', 'definitions.json')

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1.'
const CORE = 'io.k8s.api.core.v1.'

/** Packages in the order in which a model shared by several of them is given to one. */
const roots: [prefix: string, models: string[]][] = [
  [META, ['V1ObjectMeta', 'V1ListMeta', 'V1LabelSelector', 'V1Condition', 'V1DeleteOptions', 'V1Status']],
  [
    CORE,
    [
      'V1PodTemplate',
      'V1Pod',
      'V1Node',
      'V1Namespace',
      'V1Service',
      'V1Endpoints',
      'V1ConfigMap',
      'V1Secret',
      'V1ServiceAccount',
      'CoreV1Event',
      'V1PersistentVolumeClaim',
      'V1Binding',
    ],
  ],
  ['io.k8s.api.discovery.v1.', ['V1EndpointSlice']],
  ['io.k8s.api.apps.v1.', ['V1Deployment', 'V1DaemonSet', 'V1StatefulSet', 'V1ReplicaSet']],
  ['io.k8s.api.autoscaling.v1.', ['V1Scale']],
  ['io.k8s.api.networking.v1.', ['V1NetworkPolicy']],
  ['io.k8s.api.coordination.v1.', ['V1Lease']],
  ['io.k8s.api.rbac.v1.', ['V1Role', 'V1RoleBinding', 'V1ClusterRole', 'V1ClusterRoleBinding']],
  ['io.k8s.api.policy.v1.', ['V1PodDisruptionBudget', 'V1Eviction']],
  ['io.k8s.api.scheduling.v1.', ['V1PriorityClass']],
  ['io.k8s.api.authentication.v1.', ['V1TokenReview', 'AuthenticationV1TokenRequest', 'V1SelfSubjectReview']],
  [
    'io.k8s.api.authorization.v1.',
    ['V1SubjectAccessReview', 'V1SelfSubjectAccessReview', 'V1LocalSubjectAccessReview', 'V1SelfSubjectRulesReview'],
  ],
  ['io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.', ['V1CustomResourceDefinition']],
]

interface Attribute {
  name: string
  baseName: string
  type: string
  format: string
}

const packageOf = new Map<string, string>()
const definitions: Record<string, unknown> = {}

for (const [prefix, models] of roots) for (const model of models) await visit(model, prefix)
const sorted = Object.fromEntries(Object.entries(definitions).toSorted(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(target, `${JSON.stringify(sorted, null, 1)}\n`)

async function visit(model: string, prefix: string): Promise<void> {
  if (packageOf.has(model)) return
  packageOf.set(model, prefix)
  const module = (await import(pathToFileURL(join(modelsDir, `${model}.js`)).href)) as Record<
    string,
    { attributeTypeMap: Attribute[] }
  >
  const attributes = module[model]?.attributeTypeMap ?? []
  for (const attribute of attributes) {
    const nested = modelIn(attribute.type)
    if (nested !== undefined) await visit(nested, prefix)
  }
  definitions[definitionName(model)] = definitionOf(model, attributes)
}

function definitionOf(model: string, attributes: Attribute[]): unknown {
  const declaration = readFileSync(join(modelsDir, `${model}.d.ts`), 'utf8')
  const head = /\/\*\*\n\* ((?:.|\n)*?)\n\*\/\nexport declare class/.exec(declaration)
  const properties: Record<string, unknown> = {}
  const required: string[] = []
  for (const attribute of attributes) {
    const field = new RegExp(
      `(?:/\\*\\*\\n    \\* ([^\\n]*)\\n    \\*/\\n)?    '${attribute.name.replace('$', '\\$')}'(\\??):`,
    ).exec(declaration)
    if (field === null) throw new Error(`${model}.${attribute.name} is not declared`)
    if (field[2] === '') required.push(attribute.baseName)
    properties[attribute.baseName] = { ...described(field[1]), ...schemaOf(attribute.type, attribute.format) }
  }
  return {
    ...described(head?.[1]),
    type: 'object',
    ...(required.length > 0 ? { required } : {}),
    properties,
  }
}

function described(text: string | undefined): { description?: string } {
  return text === undefined
    ? {}
    : {
        description: text
          .replace(/\\(['"`])/g, '$1')
          .replace(/\n\* ?/g, '\n')
          .trim(),
      }
}

function schemaOf(type: string, format: string): Record<string, unknown> {
  const array = /^Array<(.*)>$/.exec(type)
  if (array?.[1] !== undefined) return { type: 'array', items: schemaOf(array[1], '') }
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type)
  if (map?.[1] !== undefined) {
    return { type: 'object', additionalProperties: schemaOf(map[1], format === 'byte' ? 'byte' : '') }
  }
  switch (type) {
    case 'string':
      return { type: 'string', ...(format === '' ? {} : { format }) }
    case 'boolean':
      return { type: 'boolean' }
    case 'number':
      return format === 'double' ? { type: 'number', format } : { type: 'integer', format: format || 'int32' }
    case 'Date':
      return { $ref: `${META}Time` }
    case 'V1MicroTime':
      return { $ref: `${META}MicroTime` }
    case 'IntOrString':
      return { $ref: 'io.k8s.apimachinery.pkg.util.intstr.IntOrString' }
    case 'any':
      return { 'x-kubernetes-preserve-unknown-fields': true }
    default:
      return { $ref: definitionName(type) }
  }
}

function modelIn(type: string): string | undefined {
  const name = /(?:Array<|: )?([A-Z][A-Za-z]*V?\d[A-Za-z0-9]*)/.exec(type)?.[1]
  return name === undefined || name === 'V1MicroTime' ? undefined : name
}

function definitionName(model: string): string {
  const prefix = packageOf.get(model)
  if (prefix === undefined) throw new Error(`${model} was referenced before it was visited`)
  return prefix + model.replace(/^(?:Core|Discovery|Events|Rbac|Authentication|Apiextensions)?V1/, '')
}
