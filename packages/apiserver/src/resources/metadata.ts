import { type FieldError, forbiddenField, index, invalidValue, required, tooLong } from '../field-error.ts'
import { deepEqual, type KubeObject, type ObjectMeta } from '../object.ts'
import { dnsLabelErrors, labelKeyErrors, labelValueErrors } from './names.ts'
import type { ResourceType } from './resource-type.ts'

const ANNOTATIONS_AT_MOST_BYTES = 256 * 1024
const standardFinalizers = new Set(['kubernetes', 'orphan', 'foregroundDeletion'])

/** What is wrong in the metadata of a new object. */
export function metadataErrors(type: ResourceType, object: KubeObject): FieldError[] {
  const { metadata } = object
  const errors: FieldError[] = []
  if (metadata.name === undefined || metadata.name === '') {
    errors.push(required('metadata.name', 'name or generateName is required'))
  } else {
    for (const error of type.nameErrors(metadata.name)) errors.push(invalidValue('metadata.name', metadata.name, error))
  }
  if (type.namespaced && metadata.namespace !== undefined) {
    for (const error of dnsLabelErrors(metadata.namespace)) {
      errors.push(invalidValue('metadata.namespace', metadata.namespace, error))
    }
  }
  errors.push(
    ...labelErrors(metadata.labels, 'metadata.labels'),
    ...annotationErrors(metadata.annotations),
    ...ownerErrors(metadata),
    ...finalizerErrors(metadata, type.group === ''),
  )
  return errors
}

/** What is wrong in the metadata of an object's new state. */
export function metadataUpdateErrors(type: ResourceType, object: KubeObject, old: KubeObject): FieldError[] {
  const errors = metadataErrors(type, object)
  for (const field of ['name', 'namespace', 'uid', 'creationTimestamp'] as const) {
    if (object.metadata[field] !== old.metadata[field]) {
      errors.push(invalidValue(`metadata.${field}`, object.metadata[field], 'field is immutable'))
    }
  }
  if (old.metadata.deletionTimestamp !== undefined) {
    const before = old.metadata.finalizers ?? []
    const added = (object.metadata.finalizers ?? []).filter((finalizer) => !before.includes(finalizer))
    if (added.length > 0) {
      errors.push(
        forbiddenField(
          'metadata.finalizers',
          `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(added)}`,
        ),
      )
    }
  }
  return errors
}

/** What is wrong in a map of labels. */
export function labelErrors(labels: Record<string, string> | undefined, field: string): FieldError[] {
  const errors: FieldError[] = []
  for (const [key, value] of Object.entries(labels ?? {})) {
    for (const error of labelKeyErrors(key)) errors.push(invalidValue(field, key, error))
    for (const error of labelValueErrors(value)) errors.push(invalidValue(field, value, error))
  }
  return errors
}

function annotationErrors(annotations: Record<string, string> | undefined): FieldError[] {
  const field = 'metadata.annotations'
  const errors: FieldError[] = []
  let bytes = 0
  for (const [key, value] of Object.entries(annotations ?? {})) {
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value)
    for (const error of labelKeyErrors(key.toLowerCase())) errors.push(invalidValue(field, key, error))
  }
  if (bytes > ANNOTATIONS_AT_MOST_BYTES) errors.push(tooLong(field, ANNOTATIONS_AT_MOST_BYTES))
  return errors
}

function ownerErrors(metadata: ObjectMeta): FieldError[] {
  const errors: FieldError[] = []
  const owners = metadata.ownerReferences ?? []
  for (const [position, owner] of owners.entries()) {
    const field = index('metadata.ownerReferences', position)
    for (const member of ['apiVersion', 'kind', 'name', 'uid'] as const) {
      if ((owner[member] ?? '') === '')
        errors.push(invalidValue(`${field}.${member}`, '', `${member} must not be empty`))
    }
  }
  const controllers = owners.filter((owner) => owner.controller === true)
  if (controllers.length > 1) {
    const names = controllers.map((owner) => owner.name).join(' and ')
    const message = `Only one reference can have Controller set to true. Found "true" in references for ${names}`
    errors.push(invalidValue('metadata.ownerReferences', owners, message))
  }
  return errors
}

/** Only the kinds of the core group insist on a domain in the finalizer's name. */
function finalizerErrors(metadata: ObjectMeta, isCore: boolean): FieldError[] {
  return (metadata.finalizers ?? []).flatMap((finalizer, position) => {
    const field = index('metadata.finalizers', position)
    const wrong = labelKeyErrors(finalizer).map((error) => invalidValue(field, finalizer, error))
    if (wrong.length === 0 && isCore && !finalizer.includes('/') && !standardFinalizers.has(finalizer)) {
      const message = 'name is neither a standard finalizer name nor is it fully qualified'
      wrong.push(invalidValue(field, finalizer, message))
    }
    return wrong
  })
}

/** What is wrong in a `metav1.LabelSelector`. */
export function labelSelectorErrors(selector: unknown, field: string): FieldError[] {
  const { matchLabels, matchExpressions = [] } = (selector ?? {}) as {
    matchLabels?: Record<string, string>
    matchExpressions?: { key?: string; operator?: string; values?: string[] }[]
  }
  const errors = labelErrors(matchLabels, `${field}.matchLabels`)
  for (const [position, { key = '', operator = '', values = [] }] of matchExpressions.entries()) {
    const path = index(`${field}.matchExpressions`, position)
    if (operator === 'In' || operator === 'NotIn') {
      if (values.length === 0) {
        errors.push(required(`${path}.values`, "must be specified when `operator` is 'In' or 'NotIn'"))
      }
    } else if (operator === 'Exists' || operator === 'DoesNotExist') {
      if (values.length > 0) {
        const detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
        errors.push(forbiddenField(`${path}.values`, detail))
      }
    } else {
      errors.push(invalidValue(`${path}.operator`, operator, 'not a valid selector operator'))
    }
    for (const error of labelKeyErrors(key)) errors.push(invalidValue(`${path}.key`, key, error))
    for (const [valueIndex, value] of values.entries()) {
      for (const error of labelValueErrors(value)) {
        errors.push(invalidValue(index(`${path}.values`, valueIndex), value, error))
      }
    }
  }
  return errors
}

/** An error when a field that may not change has changed. */
export function immutableErrors(value: unknown, old: unknown, field: string): FieldError[] {
  return deepEqual(value, old) ? [] : [invalidValue(field, value, 'field is immutable')]
}
