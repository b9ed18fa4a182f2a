import fc from 'fast-check'
import { expect, test } from 'vitest'
import { labelSelectorKey, ModelError, matchesLabelSelector, parseSelector } from '../src/index.ts'

const labels = { role: 'db', tier: 'back-end', 'kubernetes.io/os': 'linux', empty: '' }

test.for<[string, boolean]>([
  ['', true],
  ['all()', true],
  ['!all()', false],
  ['global()', false],
  ['has(role)', true],
  ['has( role )', true],
  ['has(constructor)', false],
  ["role == 'db'", true],
  ['role == "web"', false],
  ['role != "web"', true],
  ['absent != "x"', true],
  ['absent == ""', false],
  ['empty == ""', true],
  ['role in {"web", "db"}', true],
  ['role in {"web","db",}', true],
  ['role not in {"web"}', true],
  ['role notin {"db"}', false],
  ['absent not in {"db"}', true],
  ['tier contains "ck-e"', true],
  ['tier starts with "back"', true],
  ['tier startswith "end"', false],
  ['tier ends with "end"', true],
  ['kubernetes.io/os == "linux" && has(role)', true],
  ['role == "x" || role == "db" && has(nope)', false],
  ['(role == "x" || role == "db") && !has(nope)', true],
  ['!!has(role)', true],
])('%s is %s', ([text, expected]) => {
  expect(parseSelector(text).matches(labels)).toBe(expected)
})

test.for([
  'role',
  'role =',
  'role == db',
  'has (role)',
  'role in {',
  '(has(role)',
  'has(role))',
  '&& all()',
  'a == "x',
  '\n',
  'x'.repeat(2000),
  '('.repeat(1000),
])('%j is refused', (text) => {
  expect(() => parseSelector(text)).toThrow(ModelError)
})

test('any text parses or is a ModelError', () => {
  const word = fc.constantFrom('has(a)', 'a', '==', '"x"', '&&', '||', '!', '(', ')', 'in', '{', '}', ',', ' ')
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(word).map((words) => words.join(' ')),
      ),
      (text) => {
        try {
          parseSelector(text).matches({ a: 'x' })
        } catch (error) {
          expect(error).toBeInstanceOf(ModelError)
        }
      },
    ),
  )
})

test('label selectors match as Kubernetes documents it', () => {
  const matches = (key: string, operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist', ...values: string[]): boolean =>
    matchesLabelSelector({ matchExpressions: [{ key, operator, values }] }, labels)
  expect(matchesLabelSelector({}, {})).toBe(true)
  expect(matchesLabelSelector({ matchLabels: { role: 'db', tier: 'x' } }, labels)).toBe(false)
  expect([matches('role', 'In', 'db'), matches('role', 'In', 'x'), matches('no', 'In', 'x')]).toEqual([
    true,
    false,
    false,
  ])
  expect([matches('role', 'NotIn', 'db'), matches('no', 'NotIn', 'db')]).toEqual([false, true])
  expect([matches('role', 'Exists'), matches('toString', 'Exists')]).toEqual([true, false])
  expect([matches('role', 'DoesNotExist'), matches('no', 'DoesNotExist')]).toEqual([false, true])
})

test('selectors that mean the same have one key', () => {
  const a = labelSelectorKey({ matchLabels: { x: '1', y: '2' } })
  const b = labelSelectorKey({
    matchExpressions: [{ key: 'y', operator: 'In', values: ['2', '2'] }],
    matchLabels: { x: '1' },
  })
  expect(a).toBe(b)
  expect(labelSelectorKey({ matchLabels: { x: '1' } })).not.toBe(a)
})
