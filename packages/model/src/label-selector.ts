import type { FieldError } from './errors.ts'
import type { LabelSelector, LabelSelectorRequirement, Labels } from './kubernetes.ts'
import { isRecord } from './reader.ts'

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist']

/** Whether `labels` satisfy every requirement. An empty selector matches everything. */
export function matchesLabelSelector(selector: LabelSelector, labels: Labels): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) {
    if (!Object.hasOwn(labels, key) || labels[key] !== value) return false
  }
  return (selector.matchExpressions ?? []).every((requirement) => matchesRequirement(requirement, labels))
}

/** NotIn also holds where the label is absent (as in the Kubernetes API reference). */
function matchesRequirement({ key, operator, values = [] }: LabelSelectorRequirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
  }
}

/** The same text for every selector that means the same by reordering. */
export function labelSelectorKey(selector: LabelSelector): string {
  const parts = [
    ...Object.entries(selector.matchLabels ?? {}).map(([key, value]) => JSON.stringify([key, 'In', [value]])),
    ...(selector.matchExpressions ?? []).map(({ key, operator, values = [] }) =>
      JSON.stringify([key, operator, [...new Set(values)].toSorted()]),
    ),
  ]
  return [...new Set(parts)].toSorted().join(' ')
}

/** Reads a label selector of unknown shape; appends what is wrong to `errors` and then returns undefined. */
export function readLabelSelector(value: unknown, field: string, errors: FieldError[]): LabelSelector | undefined {
  const before = errors.length
  if (!isRecord(value)) {
    errors.push({ field, message: 'must be an object' })
    return undefined
  }
  const matchLabels = value['matchLabels'] ?? {}
  if (!isRecord(matchLabels) || Object.values(matchLabels).some((each) => typeof each !== 'string')) {
    errors.push({ field: `${field}.matchLabels`, message: 'must map strings to strings' })
  }
  const matchExpressions = value['matchExpressions'] ?? []
  if (!Array.isArray(matchExpressions)) errors.push({ field: `${field}.matchExpressions`, message: 'must be a list' })
  else matchExpressions.forEach((each, index) => checkRequirement(each, `${field}.matchExpressions[${index}]`, errors))
  for (const key of Object.keys(value)) {
    if (key !== 'matchLabels' && key !== 'matchExpressions') {
      errors.push({ field: `${field}.${key}`, message: 'is not a field that Margay knows' })
    }
  }
  return errors.length === before ? value : undefined
}

function checkRequirement(value: unknown, field: string, errors: FieldError[]): void {
  if (!isRecord(value)) return void errors.push({ field, message: 'must be an object' })
  const { key, operator, values = [] } = value
  if (typeof key !== 'string' || key === '') errors.push({ field: `${field}.key`, message: 'must be a label name' })
  if (typeof operator !== 'string' || !OPERATORS.includes(operator)) {
    return void errors.push({ field: `${field}.operator`, message: `must be one of ${OPERATORS.join(', ')}` })
  }
  if (!Array.isArray(values) || values.some((each) => typeof each !== 'string')) {
    return void errors.push({ field: `${field}.values`, message: 'must be a list of strings' })
  }
  const wanted = operator === 'In' || operator === 'NotIn'
  if (wanted !== values.length > 0) {
    errors.push({
      field: `${field}.values`,
      message: wanted ? `is required with ${operator}` : `must be empty with ${operator}`,
    })
  }
}
