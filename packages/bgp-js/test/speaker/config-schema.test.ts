import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, test } from 'vitest'
import { BgpConfigError } from '../../src/errors.ts'
import { parseSpeakerConfig } from '../../src/speaker/validate-config.ts'
import { FULL_CONFIGS } from './full-config.ts'

type Json = Readonly<Record<string, unknown>>

const load = (name: string): Json =>
  JSON.parse(readFileSync(new URL(`../../schema/${name}.json`, import.meta.url), 'utf8')) as Json
const SCHEMAS: Readonly<Record<string, Json>> = { 'config.json': load('config'), 'policy.json': load('policy') }
const ajv = new Ajv2020({ strict: true, strictRequired: false, allowUnionTypes: true })
ajv.addSchema(SCHEMAS['policy.json'] as Json)
const bySchema = ajv.compile(SCHEMAS['config.json'] as Json)

function problems(config: unknown): string[] {
  try {
    parseSpeakerConfig(config, { hasSocketOptions: true, hasBfdSockets: true })
    return []
  } catch (error) {
    if (!(error instanceof BgpConfigError)) throw error
    return error.problems.map(({ field, problem }) => `${field} ${problem}`)
  }
}

type Path = readonly (string | number)[]

/** Every value of a document with where it stands. */
function* walk(value: unknown, path: Path = []): Generator<readonly [Path, unknown]> {
  yield [path, value]
  if (typeof value !== 'object' || value === null) return
  for (const [key, child] of Object.entries(value))
    yield* walk(child, [...path, Array.isArray(value) ? Number(key) : key])
}

function replaced(document: unknown, path: Path, change: (old: unknown) => unknown): unknown {
  const [head, ...rest] = path
  if (head === undefined) return change(document)
  if (Array.isArray(document))
    return document.map((item, index) => (index === head ? replaced(item, rest, change) : item))
  return { ...(document as object), [head]: replaced((document as Json)[head], rest, change) }
}

const definition = (file: string, name: string): unknown => ((SCHEMAS[file] ?? {})['$defs'] as Json)[name]

/** Matches inside matches inside matches have the fields of matches. */
const NESTED_TWICE = /(\.not|\.anyOf\[\]).*(\.not|\.anyOf\[\])/

/** Names of all fields, of all objects at a place, whichever alternative they belong to. */
function fieldsOf(schema: Json, base = 'config.json'): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  const visit = (node: unknown, place: string, file: string, depth: number): void => {
    if (typeof node !== 'object' || node === null || depth > 40 || NESTED_TWICE.test(place)) return
    const { $ref, properties, items, additionalProperties, anyOf } = node as Json
    if (typeof $ref === 'string') {
      const [target = '', pointer = ''] = $ref.split('#')
      const there = target === '' ? file : target
      const name = pointer.replace('/$defs/', '')
      visit(name === '' ? SCHEMAS[there] : definition(there, name), place, there, depth + 1)
    }
    for (const [name, child] of Object.entries((properties ?? {}) as Json)) {
      found.set(place, (found.get(place) ?? new Set()).add(name))
      visit(child, `${place}.${name}`, file, depth + 1)
    }
    visit(items, `${place}[]`, file, depth + 1)
    visit(additionalProperties, `${place}.*`, file, depth + 1)
    for (const alternative of (anyOf ?? []) as Json[]) visit(alternative, place, file, depth + 1)
  }
  visit(schema, '', base, 0)
  return found
}

/** The document, noting each field that is asked for. */
function watched(value: unknown, place: string, asked: Map<string, Set<string>>): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => watched(item, `${place}[]`, asked))
  const target = Object.fromEntries(
    Object.entries(value).map(([name, child]) => {
      const isNamedByUser = /\.(prefixSets|communitySets|asSets)$/.test(place)
      return [name, watched(child, `${place}.${isNamedByUser ? '*' : name}`, asked)]
    }),
  )
  return new Proxy(target, {
    get: (object, name) => {
      if (typeof name === 'string') asked.set(place, (asked.get(place) ?? new Set()).add(name))
      return object[name as string]
    },
  })
}

test('the full configurations are right for both', () => {
  for (const config of FULL_CONFIGS) {
    expect(problems(config)).toEqual([])
    expect([bySchema(config), bySchema.errors]).toEqual([true, null])
  }
})

test('the schema knows every field that the validator asks for', () => {
  const known = fieldsOf(SCHEMAS['config.json'] as Json)
  const asked = new Map<string, Set<string>>()
  for (const config of FULL_CONFIGS) problems(watched(config, '', asked))
  expect(asked.size).toBeGreaterThan(30)
  for (const [place, names] of asked) {
    if (/\.(prefixSets|communitySets|asSets)$/.test(place)) continue
    const unknown = [...names].filter((name) => known.get(place)?.has(name) !== true)
    expect(unknown, place).toEqual([])
  }
})

test('the full configurations have every field of the schema', () => {
  const there = new Set<string>()
  // Both kinds of peers have sessions, both policies the same language.
  const merged = (place: string): string =>
    place.replace('.dynamicNeighbors', '.neighbors').replace('.export', '.import')
  for (const config of FULL_CONFIGS) {
    for (const [path] of walk(config)) {
      there.add(merged(path.map((step) => (typeof step === 'number' ? '[]' : `.${step}`)).join('')))
    }
  }
  for (const [place, names] of fieldsOf(SCHEMAS['config.json'] as Json)) {
    if (/\.not|\.anyOf|\.\*|Sets$/.test(place)) continue
    const missing = [...names].filter(
      (name) => !there.has(merged(`${place}.${name}`)) && `${place}.${name}` !== '.http',
    )
    expect(missing, place).toEqual([])
  }
})

test('no unknown field passes either', () => {
  for (const config of FULL_CONFIGS) {
    for (const [path, value] of walk(config)) {
      if (typeof value !== 'object' || Array.isArray(value)) continue
      if (/^(prefixSets|communitySets|asSets)$/.test(String(path.at(-1)))) continue
      const changed = replaced(config, path, (old) => ({ ...(old as object), unheard: 1 }))
      expect([bySchema(changed), problems(changed).length > 0], path.join('.')).toEqual([false, true])
    }
  }
})

const OTHERS: readonly unknown[] = [
  null,
  true,
  false,
  {},
  [],
  -1,
  0,
  1.5,
  5_000_000_000,
  '',
  'no such',
  [null],
  [{}],
  { x: 1 },
]

test('other values: what the validator takes the schema takes; types and ranges both refuse', () => {
  const disagreements: string[] = []
  let refused = 0
  for (const config of FULL_CONFIGS) {
    for (const [path] of walk(config)) {
      for (const other of OTHERS) {
        const changed = replaced(config, path, () => other)
        const found = problems(changed)
        const agrees = bySchema(changed) === (found.length === 0)
        refused += agrees && found.length > 0 ? 1 : 0
        // Formats, names of sets and what fields say of each other are beyond a schema.
        const isOfMeaning = typeof other === 'string' || other === 0 || found.every((line) => MEANING.test(line))
        if (!agrees && !(isOfMeaning && bySchema(changed))) {
          disagreements.push(`${path.join('.')} = ${JSON.stringify(other)}: ${found.join('; ') || 'taken'}`)
        }
      }
    }
  }
  expect(disagreements).toEqual([])
  expect(refused).toBeGreaterThan(2000)
})

const MEANING = /needs |contradicts |is for |must not |there is no set|is there twice|is our AS/

test('ranges end at the same numbers', () => {
  const ends = new Set<number>()
  for (const [path, value] of walk(Object.values(SCHEMAS))) if (path.at(-1) === 'maximum') ends.add(value as number)
  const numbers = [...ends].flatMap((end) => [end, end + 1])
  expect(numbers.length).toBeGreaterThan(20)
  const disagreements: string[] = []
  for (const [config, path, old] of FULL_CONFIGS.flatMap((each) =>
    [...walk(each)].map((place) => [each, ...place] as const),
  )) {
    // A block's family bounds its lengths: that is beyond a schema.
    if (typeof old !== 'number' || /^(min|max)(Length)?$/.test(String(path.at(-1)))) continue
    for (const number of numbers) {
      const changed = replaced(config, path, () => number)
      const found = problems(changed)
      const isOfMeaning = bySchema(changed) && found.every((line) => MEANING.test(line))
      if (bySchema(changed) !== (found.length === 0) && !isOfMeaning)
        disagreements.push(`${path.join('.')} = ${number}`)
    }
  }
  expect(disagreements).toEqual([])
})
