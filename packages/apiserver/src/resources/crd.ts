import { type KubeObject, objectAt, objectsAt, stringAt, stringsAt } from '../object.ts'
import { compileRules, runRules } from '../schema/cel.ts'
import { formatTime } from '../schema/formats.ts'
import { type Schema, wholeObjectSchema } from '../schema/schema.ts'
import type { SelectableFields } from '../store/selectors.ts'
import { builtinType, metadataFields, objectIn, scaleSubresource, setDefault, statusOf } from './builtin.ts'
import { column, nameColumn, textOr } from './columns.ts'
import { crdErrors } from './crd-validation.ts'
import { customColumns, jsonPathValues } from './custom-columns.ts'
import { dnsSubdomainErrors } from './names.ts'
import { allVerbs, type ResourceType } from './resource-type.ts'

export const CRD_TABLE = 'customresourcedefinitions.apiextensions.k8s.io'
export const CRD_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io'

/** apiextensions.k8s.io/v1 CustomResourceDefinition. */
export const customResourceDefinitions = builtinType({
  group: 'apiextensions.k8s.io',
  resource: 'customresourcedefinitions',
  kind: 'CustomResourceDefinition',
  namespaced: false,
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  definition: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition',
  hasStatus: true,
  tracksGeneration: true,
  columns: [nameColumn, column('Created At', (crd) => crd.metadata.creationTimestamp ?? '')],
  applyDefaults: (crd) => {
    const spec = objectIn(crd, 'spec')
    const names = objectIn(spec, 'names')
    const kind = stringAt(names, 'kind')
    if (kind !== '') {
      setDefault(names, 'singular', kind.toLowerCase())
      setDefault(names, 'listKind', `${kind}List`)
    }
    setDefault(spec, 'conversion', { strategy: 'None' })
    for (const name of objectsAt(spec, 'versions').flatMap((version) =>
      objectsAt(version, 'additionalPrinterColumns'),
    )) {
      if (name['priority'] === 0) delete name['priority']
    }
  },
  prepareForCreate: (crd) => {
    crd.metadata.finalizers = [...new Set([...(crd.metadata.finalizers ?? []), CRD_FINALIZER])]
    crd['status'] = establishedStatus(crd, crd.metadata.creationTimestamp ?? '')
  },
  prepareForUpdate: (crd, old) => {
    const status = objectAt(old, 'status')
    const stored = new Set([...stringsAt(status, 'storedVersions'), ...storageVersions(crd)])
    crd['status'] = {
      ...objectAt(crd, 'status'),
      acceptedNames: objectAt(crd['spec'], 'names'),
      storedVersions: [...stored],
    }
  },
  validate: crdErrors,
})

function storageVersions(crd: KubeObject): string[] {
  return objectsAt(crd['spec'], 'versions')
    .filter((version) => version['storage'] === true)
    .map((version) => stringAt(version, 'name'))
}

function establishedStatus(crd: KubeObject, time: string): unknown {
  const lastTransitionTime = time === '' ? formatTime(0) : time
  return {
    conditions: [
      {
        type: 'NamesAccepted',
        status: 'True',
        reason: 'NoConflicts',
        message: 'no conflicts found',
        lastTransitionTime,
      },
      {
        type: 'Established',
        status: 'True',
        reason: 'InitialNamesAccepted',
        message: 'the initial names have been accepted',
        lastTransitionTime,
      },
    ],
    acceptedNames: objectAt(crd['spec'], 'names'),
    storedVersions: storageVersions(crd),
  }
}

/** The resources that a valid CRD defines: one per served version. */
export function customTypesOf(crd: KubeObject): ResourceType[] {
  const spec = objectAt(crd, 'spec')
  return objectsAt(spec, 'versions')
    .filter((version) => version['served'] === true)
    .map((version) => customType(crd, version))
}

function customType(crd: KubeObject, version: Record<string, unknown>): ResourceType {
  const spec = objectAt(crd, 'spec')
  const names = objectAt(spec, 'names')
  const kind = stringAt(names, 'kind')
  const subresources = objectAt(version, 'subresources')
  const hasStatus = subresources['status'] !== undefined
  const openApi = objectAt(version['schema'], 'openAPIV3Schema') as Schema
  const schema = wholeObjectSchema(openApi)
  const { root } = compileRules(openApi, '')
  const scale = scalePaths(objectAt(subresources, 'scale'))
  const group = stringAt(spec, 'group')
  return {
    group,
    version: stringAt(version, 'name'),
    resource: stringAt(names, 'plural'),
    singular: stringAt(names, 'singular') || kind.toLowerCase(),
    kind,
    listKind: stringAt(names, 'listKind') || `${kind}List`,
    namespaced: spec['scope'] === 'Namespaced',
    shortNames: stringsAt(names, 'shortNames'),
    categories: stringsAt(names, 'categories'),
    verbs: allVerbs,
    table: crd.metadata.name,
    schema,
    custom: {
      schema: openApi,
      validateRules: (object, old) => runRules(root, object, old),
    },
    hasStatus,
    ...(scale === undefined ? {} : { scale }),
    subresources: [...(hasStatus ? [statusOf(kind)] : []), ...(scale === undefined ? [] : [scaleSubresource])],
    columns: customColumns(version),
    selectableFields: { ...metadataFields, ...customFields(version) },
    tracksGeneration: true,
    nameErrors: dnsSubdomainErrors,
  }
}

function customFields(version: Record<string, unknown>): SelectableFields {
  const paths = objectsAt(version, 'selectableFields').map((field) => stringAt(field, 'jsonPath'))
  return Object.fromEntries(
    paths.map((path) => [path.replace(/^\./, ''), (object: KubeObject) => textOr(jsonPathValues(object, path)[0], '')]),
  )
}

function scalePaths(scale: Record<string, unknown>): ResourceType['scale'] {
  const specReplicas = stringAt(scale, 'specReplicasPath').replace(/^\./, '')
  if (specReplicas === '') return undefined
  const labelSelector = stringAt(scale, 'labelSelectorPath').replace(/^\./, '')
  return {
    specReplicas,
    statusReplicas: stringAt(scale, 'statusReplicasPath').replace(/^\./, ''),
    ...(labelSelector === '' ? {} : { labelSelector }),
  }
}
