import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AsPathRegex } from '../../src/policy/as-path-regex.ts'

test.for<[string, string, boolean]>([
  ['^$', '', true],
  ['^$', '1', false],
  ['_65001_', '65001', true],
  ['_65001_', '1 65001 2', true],
  ['_65001_', '165001 2', false],
  ['_65001_', '1 {65001,2}', true],
  ['_65001_', '(65001 1) 2', true],
  ['^65001', '65001 2', true],
  ['^65001', '2 65001', false],
  ['65001$', '2 65001', true],
  ['^_65001_$', '65001', true],
  ['^65001(_65001)*$', '65001 65001 65001', true],
  ['^65001(_65001)*$', '65001 65002', false],
  ['^[0-9]+$', '65001', true],
  ['^[0-9]+$', '65001 1', false],
  ['^[0-9]+_[0-9]+$', '65001 1', true],
  ['_(1|22|3)_', '9 22 8', true],
  ['_(1|22|3)_', '9 2 8', false],
  ['^6[4-5]..1$', '65001', true],
  ['[^0-9 ]', '1 2', false],
  ['[^0-9 ]', '1 {2}', true],
  ['1?2', '2', true],
  ['\\{3', '1 {3,4}', true],
  ['[]]', '[1,2]', true],
  ['[1-]', '-', true],
  ['', '1 2', true],
  ['a|', '', true],
])('/%s/ on "%s": %s', ([expression, text, expected]) => {
  expect(new AsPathRegex(expression).test(text)).toBe(expected)
})

test.for(['(', ')', '(1', '1)', '[1', '*', '+1', '|*', '[2-1]', '\\', '[', 'x'.repeat(257)])(
  '/%s/ is none',
  (expression) => {
    expect(() => new AsPathRegex(expression)).toThrow(RangeError)
  },
)

const token = fc.constantFrom(
  '1',
  '2',
  ' ',
  '.',
  '_',
  '^',
  '$',
  '[12]',
  '[^1]',
  '(1|2)',
  '(1 |2)',
  '2*',
  '1+',
  '(12)*',
  '(1|2_)+',
  '2?',
)
const pathText = fc.array(fc.constantFrom('1', '2', '12', '{1,2}'), { maxLength: 6 }).map((asns) => asns.join(' '))

test('agrees with the RegExp of JavaScript', () => {
  fc.assert(
    fc.property(fc.array(token, { maxLength: 8 }), pathText, (tokens, text) => {
      const expression = tokens.join('')
      const twin = new RegExp(expression.replaceAll('_', '(?:^|$|[ ,{}()[\\]])'))
      expect(new AsPathRegex(expression).test(text)).toBe(twin.test(text))
    }),
    { numRuns: 2000 },
  )
})

test.for(['(1*)*(1*)*(1*)*$', `${'1?'.repeat(60)}${'1'.repeat(60)}$`, `${'(.*1)'.repeat(40)}$`, '((((1+)+)+)+)+2'])(
  'a hostile expression costs no more than the path is long: /%s/',
  (expression) => {
    const regex = new AsPathRegex(expression)
    const begin = performance.now()
    for (let run = 0; run < 3; run++) regex.test(`${'1'.repeat(20_000)} x`)
    expect(performance.now() - begin).toBeLessThan(2000)
  },
)

test('an expression with more states than are remembered is still right', () => {
  const expression = `1${'[12]'.repeat(13)}$`
  const [regex, twin] = [new AsPathRegex(expression), new RegExp(expression)]
  fc.assert(
    fc.property(fc.array(fc.constantFrom('1', '2'), { minLength: 300, maxLength: 400 }), (digits) => {
      const text = digits.join('')
      expect(regex.test(text)).toBe(twin.test(text))
    }),
    { numRuns: 100 },
  )
})
