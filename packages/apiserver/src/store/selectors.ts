import { badRequest } from '../errors.ts'
import { type KubeObject, objectsAt, stringAt, stringsAt } from '../object.ts'
import { labelKeyErrors, labelValueErrors } from '../resources/names.ts'

export interface LabelRequirement {
  key: string
  operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist' | 'Gt' | 'Lt'
  values: string[]
}

interface FieldRequirement {
  field: string
  equal: boolean
  value: string
}

/** Fields of a kind that may be selected by, and how to read them. */
export type SelectableFields = Record<string, (object: KubeObject) => string>

const TOKEN = /\s*(?:([(),])|(!=|==|=|>|<|!)|([^\s(),!=<>]+))/y

/** Parses a `labelSelector` query parameter. @throws {ApiError} 400 */
export function parseLabelSelector(text: string): LabelRequirement[] {
  const tokens = tokenize(text)
  const requirements: LabelRequirement[] = []
  let position = 0
  while (position < tokens.length) {
    const [requirement, next] = parseRequirement(tokens, position, text)
    requirements.push(requirement)
    if (next < tokens.length && tokens[next] !== ',')
      throw selectorError(text, `found '${tokens[next]}', expected: ','`)
    if (next === tokens.length - 1) throw selectorError(text, "found '', expected: identifier after ','")
    position = next + 1
  }
  for (const requirement of requirements) checkRequirement(requirement, text)
  return requirements
}

function tokenize(text: string): string[] {
  const tokens: string[] = []
  const trimmed = text.trimEnd()
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < trimmed.length) {
    const match = TOKEN.exec(trimmed)
    if (match === null) throw selectorError(text, 'unexpected character')
    tokens.push(match[1] ?? match[2] ?? match[3] ?? '')
  }
  return tokens
}

function parseRequirement(tokens: string[], start: number, text: string): [LabelRequirement, next: number] {
  const first = tokens[start] ?? ''
  if (first === '!') {
    return [{ key: identifier(tokens[start + 1], text), operator: 'DoesNotExist', values: [] }, start + 2]
  }
  const key = identifier(first, text)
  const operator = tokens[start + 1]
  switch (operator) {
    case undefined:
    case ',':
      return [{ key, operator: 'Exists', values: [] }, start + 1]
    case '=':
    case '==':
    case '!=': {
      const value = tokens[start + 2]
      const hasValue = value !== undefined && value !== ','
      const values = [hasValue ? identifier(value, text) : '']
      return [{ key, operator: operator === '!=' ? 'NotIn' : 'In', values }, start + (hasValue ? 3 : 2)]
    }
    case '>':
    case '<':
      return [
        { key, operator: operator === '>' ? 'Gt' : 'Lt', values: [identifier(tokens[start + 2], text)] },
        start + 3,
      ]
    case 'in':
    case 'notin': {
      const [values, next] = parseSet(tokens, start + 2, text)
      return [{ key, operator: operator === 'in' ? 'In' : 'NotIn', values }, next]
    }
    default:
      throw selectorError(text, `found '${operator}', expected: in, notin, =, ==, !=, gt, lt`)
  }
}

function parseSet(tokens: string[], start: number, text: string): [values: string[], next: number] {
  if (tokens[start] !== '(') throw selectorError(text, `found '${tokens[start] ?? ''}', expected: '('`)
  const close = tokens.indexOf(')', start)
  if (close === -1) throw selectorError(text, "expected: ')'")
  const values = tokens
    .slice(start + 1, close)
    .filter((token) => token !== ',')
    .map((token) => identifier(token, text))
  return [values.length === 0 ? [''] : values, close + 1]
}

function identifier(token: string | undefined, text: string): string {
  if (token === undefined || /^[(),!=<>]/.test(token))
    throw selectorError(text, `found '${token ?? ''}', expected: identifier`)
  return token
}

function checkRequirement(requirement: LabelRequirement, text: string): void {
  const wrong = [
    ...labelKeyErrors(requirement.key),
    ...requirement.values.flatMap((value) => labelValueErrors(value)),
    ...(requirement.operator === 'Gt' || requirement.operator === 'Lt'
      ? requirement.values.filter((value) => !/^-?\d+$/.test(value)).map(() => 'value must be an integer')
      : []),
  ]
  if (wrong[0] !== undefined) throw selectorError(text, wrong[0])
}

function selectorError(text: string, why: string): Error {
  return badRequest(`unable to parse requirement: ${why} (selector ${JSON.stringify(text.slice(0, 256))})`)
}

/** Whether `labels` meet all of `requirements`. */
export function matchesLabels(requirements: LabelRequirement[], labels: Record<string, string> | undefined): boolean {
  return requirements.every((requirement) => matchesRequirement(requirement, labels ?? {}))
}

function matchesRequirement({ key, operator, values }: LabelRequirement, labels: Record<string, string>): boolean {
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
    case 'Gt':
    case 'Lt': {
      if (value === undefined || !/^-?\d+$/.test(value)) return false
      const difference = BigInt(value) - BigInt(values[0] ?? '0')
      return operator === 'Gt' ? difference > 0n : difference < 0n
    }
  }
}

/** Requirements that a `metav1.LabelSelector` object stands for. */
export function requirementsOf(selector: unknown): LabelRequirement[] {
  const labels = Object.entries((selector as { matchLabels?: Record<string, string> } | undefined)?.matchLabels ?? {})
  return [
    ...labels.map(([key, value]): LabelRequirement => ({ key, operator: 'In', values: [value] })),
    ...objectsAt(selector, 'matchExpressions').map(
      (expression): LabelRequirement => ({
        key: stringAt(expression, 'key'),
        operator: stringAt(expression, 'operator') as LabelRequirement['operator'],
        values: stringsAt(expression, 'values'),
      }),
    ),
  ]
}

/** The text form of a `metav1.LabelSelector`, for tables; `<none>` when it is empty. */
export function labelSelectorText(selector: unknown): string {
  const parts = requirementsOf(selector).map(({ key, operator, values }) => {
    switch (operator) {
      case 'In':
        return values.length === 1 ? `${key}=${values[0]}` : `${key} in (${values.join(',')})`
      case 'NotIn':
        return `${key} notin (${values.join(',')})`
      case 'Exists':
        return key
      default:
        return `!${key}`
    }
  })
  return parts.length === 0 ? '<none>' : parts.join(',')
}

/**
 * Parses a `fieldSelector` query parameter against the fields that the kind allows.
 * @throws {ApiError} 400 for a field that can't be selected by
 */
export function parseFieldSelector(text: string, fields: SelectableFields): (object: KubeObject) => boolean {
  const requirements = text
    .split(',')
    .filter((part) => part !== '')
    .map((part) => parseFieldRequirement(part, text))
  const unsupported = requirements.find(({ field }) => !Object.hasOwn(fields, field))
  if (unsupported !== undefined) throw badRequest(`field label not supported: ${unsupported.field}`)
  return (object) => requirements.every(({ field, equal, value }) => (fields[field]?.(object) === value) === equal)
}

function parseFieldRequirement(part: string, text: string): FieldRequirement {
  const match = /^([^=!]+)(!=|==|=)(.*)$/.exec(part)
  if (match === null) {
    throw badRequest(
      `invalid selector: ${JSON.stringify(text.slice(0, 256))}; can't understand ${JSON.stringify(part)}`,
    )
  }
  return { field: (match[1] ?? '').trim(), equal: match[2] !== '!=', value: (match[3] ?? '').trim() }
}
