import { type Environment, Optional } from '@marcbachmann/cel-js'
import { at, type FieldError, index, invalidValue } from '../field-error.ts'
import { canonicalJson, isObject } from '../object.ts'
import { kubernetesEnvironment } from './cel-library.ts'
import { allowFreeHas } from './cel-rewrite.ts'
import { celTypeOf, toCelValue } from './cel-values.ts'
import type { Schema, ValidationRule } from './schema.ts'

type Program = (variables: { self: unknown; oldSelf?: unknown }) => unknown

interface CompiledRule {
  rule: ValidationRule
  run: Program
  message: Program | undefined
  usesOldSelf: boolean
}

/** The rules of a schema and of what is below it; absent where there are none. */
export interface RuleNode {
  schema: Schema
  rules: CompiledRule[]
  properties: Map<string, RuleNode>
  additional: RuleNode | undefined
  items: RuleNode | undefined
}

export interface CompiledRules {
  root: RuleNode | undefined
  /** Rules that do not compile, by their path in the schema. */
  errors: FieldError[]
}

const reasons = new Set(['FieldValueInvalid', 'FieldValueForbidden', 'FieldValueRequired', 'FieldValueDuplicate'])

/** Compiles all `x-kubernetes-validations` of `schema`; `field` is where the schema stands in its CRD. */
export function compileRules(schema: Schema, field: string): CompiledRules {
  const errors: FieldError[] = []
  const root = compileNode(schema, field, true, errors)
  return { root, errors }
}

function compileNode(
  schema: Schema,
  field: string,
  isCorrelatable: boolean,
  errors: FieldError[],
): RuleNode | undefined {
  const node: RuleNode = {
    schema,
    rules: compileOwn(schema, field, isCorrelatable, errors),
    properties: new Map(),
    additional: undefined,
    items: undefined,
  }
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    const child = compileNode(property, index(at(field, 'properties'), name), isCorrelatable, errors)
    if (child !== undefined) node.properties.set(name, child)
  }
  if (isObject(schema.additionalProperties)) {
    const below = schema.additionalProperties as Schema
    node.additional = compileNode(below, at(field, 'additionalProperties'), isCorrelatable, errors)
  }
  if (schema.items !== undefined) {
    const keyed = isCorrelatable && schema['x-kubernetes-list-type'] === 'map'
    node.items = compileNode(schema.items, at(field, 'items'), keyed, errors)
  }
  const isEmpty = node.rules.length === 0 && node.properties.size === 0
  return isEmpty && node.additional === undefined && node.items === undefined ? undefined : node
}

function compileOwn(schema: Schema, field: string, isCorrelatable: boolean, errors: FieldError[]): CompiledRule[] {
  const rules = schema['x-kubernetes-validations'] ?? []
  if (rules.length === 0) return []
  const environments = environmentsFor(
    schema,
    rules.some((rule) => rule.optionalOldSelf === true),
  )
  return rules.flatMap((rule, position) => {
    const path = index(at(field, 'x-kubernetes-validations'), position)
    const compiled = compileRule(rule, environments, path, isCorrelatable, errors)
    return compiled === undefined ? [] : [compiled]
  })
}

interface Environments {
  /** Knows the types of `self`: refuses fields that the schema does not have. */
  typed: Environment
  /** Runs rules on untyped values. */
  dynamic: Environment
}

function environmentsFor(schema: Schema, optionalOldSelf: boolean): Environments {
  const typed = kubernetesEnvironment()
  const type = celTypeOf(typed, schema)
  typed.registerVariable('self', type).registerVariable('oldSelf', optionalOldSelf ? `optional<${type}>` : type)
  const dynamic = kubernetesEnvironment()
  dynamic.registerVariable('self', 'dyn').registerVariable('oldSelf', 'dyn')
  return { typed, dynamic }
}

function compileRule(
  rule: ValidationRule,
  environments: Environments,
  path: string,
  isCorrelatable: boolean,
  errors: FieldError[],
): CompiledRule | undefined {
  const usesOldSelf = /\boldSelf\b/.test(rule.rule)
  if (usesOldSelf && !isCorrelatable) {
    const why = 'oldSelf cannot be used on the uncorrelatable portion of the schema'
    errors.push(invalidValue(`${path}.rule`, rule.rule, why))
    return undefined
  }
  const run = compileExpression(rule.rule, environments, 'bool', `${path}.rule`, errors)
  const message =
    rule.messageExpression === undefined
      ? undefined
      : compileExpression(rule.messageExpression, environments, 'string', `${path}.messageExpression`, errors)
  return run === undefined ? undefined : { rule, run, message, usesOldSelf }
}

function compileExpression(
  source: string,
  { typed, dynamic }: Environments,
  wanted: 'bool' | 'string',
  field: string,
  errors: FieldError[],
): Program | undefined {
  try {
    const expression = allowFreeHas(source, dynamic)
    const check = typed.check(expression)
    if (!check.valid) {
      errors.push(invalidValue(field, source, `compilation failed: ERROR: ${summaryOf(check.error)}`))
      return undefined
    }
    if (check.type !== wanted && check.type !== 'dyn') {
      errors.push(invalidValue(field, source, `must evaluate to a ${wanted}`))
      return undefined
    }
    return dynamic.parse(expression)
  } catch (error) {
    errors.push(invalidValue(field, source, `compilation failed: ERROR: ${summaryOf(error)}`))
    return undefined
  }
}

function summaryOf(error: unknown): string {
  return error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
}

/** Runs the rules of `node` on `value`; `old` is the value before an update, where it can be found. */
export function runRules(node: RuleNode | undefined, value: unknown, old: unknown, field = ''): FieldError[] {
  const errors: FieldError[] = []
  runNode(node, value, old, field, errors)
  return errors
}

function runNode(node: RuleNode | undefined, value: unknown, old: unknown, field: string, errors: FieldError[]): void {
  if (node === undefined || value === undefined || value === null) return
  if (node.rules.length > 0) runOwn(node, value, old, field, errors)
  if (Array.isArray(value) && node.items !== undefined) {
    const before = keyedItems(node.schema, old)
    for (const [position, item] of value.entries()) {
      runNode(node.items, item, before?.get(keyText(node.schema, item)), index(field, position), errors)
    }
  } else if (isObject(value)) {
    for (const [key, member] of Object.entries(value)) {
      const child = node.properties.get(key) ?? (isNamed(node.schema, key) ? undefined : node.additional)
      runNode(child, member, isObject(old) ? old[key] : undefined, at(field, key), errors)
    }
  }
}

function isNamed(schema: Schema, key: string): boolean {
  return schema.properties !== undefined && Object.hasOwn(schema.properties, key)
}

function keyedItems(schema: Schema, old: unknown): Map<string, unknown> | undefined {
  if (!Array.isArray(old) || schema['x-kubernetes-list-type'] !== 'map') return undefined
  return new Map(old.map((item: unknown) => [keyText(schema, item), item]))
}

function keyText(schema: Schema, item: unknown): string {
  return canonicalJson(
    (schema['x-kubernetes-list-map-keys'] ?? []).map((key) => (isObject(item) ? item[key] : undefined)),
  )
}

function runOwn(node: RuleNode, value: unknown, old: unknown, field: string, errors: FieldError[]): void {
  const self = toCelValue(node.schema, value)
  const oldSelf = old === undefined || old === null ? undefined : toCelValue(node.schema, old)
  for (const compiled of node.rules) {
    const { rule, usesOldSelf } = compiled
    if (usesOldSelf && oldSelf === undefined && rule.optionalOldSelf !== true) continue
    const variables = { self, oldSelf: rule.optionalOldSelf === true ? optional(oldSelf) : (oldSelf ?? null) }
    const error = runRule(compiled, variables, value, field)
    if (error !== undefined) errors.push(error)
  }
}

function optional(value: unknown): unknown {
  return value === undefined ? Optional.none() : Optional.of(value)
}

function runRule(
  { rule, run, message }: CompiledRule,
  variables: { self: unknown; oldSelf: unknown },
  value: unknown,
  field: string,
): FieldError | undefined {
  const path = field + fieldPathOf(rule)
  try {
    if (run(variables) === true) return undefined
  } catch (error) {
    return invalidValue(path, shownType(value), `${summaryOf(error)} evaluating rule: ${rule.message ?? rule.rule}`)
  }
  const text = messageOf(message, variables) ?? rule.message ?? `failed rule: ${rule.rule}`
  const error = invalidValue(path, shownType(value), text)
  if (rule.reason === undefined || rule.reason === 'FieldValueInvalid' || !reasons.has(rule.reason)) return error
  const type = rule.reason as FieldError['type']
  const prefixes = { FieldValueForbidden: 'Forbidden', FieldValueRequired: 'Required value' } as Record<string, string>
  const prefix = prefixes[type] ?? `Duplicate value: ${JSON.stringify(shownType(value))}`
  return { type, field: path, message: `${prefix}: ${text}` }
}

/** A rule's message expression that fails or says nothing is passed over, as in Kubernetes. */
function messageOf(message: Program | undefined, variables: { self: unknown; oldSelf: unknown }): string | undefined {
  if (message === undefined) return undefined
  try {
    const text = message(variables)
    return typeof text === 'string' && text.trim() !== '' && !text.includes('\n') ? text : undefined
  } catch (error) {
    if (error instanceof Error) return undefined
    throw error
  }
}

function fieldPathOf({ fieldPath = '' }: ValidationRule): string {
  return fieldPath.replaceAll(/\['([^']*)'\]/g, '.$1')
}

function shownType(value: unknown): unknown {
  if (Array.isArray(value)) return 'array'
  return isObject(value) ? 'object' : value
}
