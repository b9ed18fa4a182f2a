import { describe, expect, test } from 'vitest'
import { compileRules, runRules } from '../../src/schema/cel.ts'
import type { Schema, ValidationRule } from '../../src/schema/schema.ts'

const properties: Record<string, Schema> = {
  n: { type: 'integer' },
  x: { type: 'number' },
  s: { type: 'string' },
  when: { type: 'string', format: 'date-time' },
  any: { 'x-kubernetes-int-or-string': true },
  list: { type: 'array', items: { type: 'object', properties: { a: { type: 'integer' }, b: { type: 'string' } } } },
  map: { type: 'object', additionalProperties: { type: 'object', properties: { a: { type: 'integer' } } } },
  labels: { type: 'object', additionalProperties: { type: 'string' } },
  namespace: { type: 'string' },
  'a-b.c/d': { type: 'string' },
  x__y: { type: 'string' },
}

function check(rule: string | ValidationRule, value: unknown, old?: unknown): string[] {
  const schema: Schema = {
    type: 'object',
    properties,
    'x-kubernetes-validations': [typeof rule === 'string' ? { rule } : rule],
  }
  const { root, errors } = compileRules(schema, '')
  return [...errors, ...runRules(root, value, old, 'spec')].map(({ field, message }) => `${field}: ${message}`)
}

describe('rules', () => {
  test.for<[rule: string, value: object]>([
    ['self.n + 1 == 4', { n: 3 }],
    ['self.x > 0.5 && self.x < double(1)', { x: 0.75 }],
    ['self.x == 2.0', { x: 2 }],
    ['!has(self.s) && has(self.n)', { n: 0 }],
    ['self.when < timestamp("2026-01-02T00:00:00Z")', { when: '2026-01-01T00:00:00Z' }],
    ['type(self.any) == int ? self.any < 10 : self.any.startsWith("p")', { any: 5 }],
    ['type(self.any) == int ? self.any < 10 : self.any.startsWith("p")', { any: 'port' }],
    [
      'self.list.all(i, i.a > 0) && self.list.exists_one(i, i.b == "x")',
      {
        list: [
          { a: 1, b: 'x' },
          { a: 2, b: 'y' },
        ],
      },
    ],
    ['has(self.list[0].a) && !has(self.list[0].b)', { list: [{ a: 1 }] }],
    ['self.list.exists(i, has(i.b) && i.b in ["x", "y"])', { list: [{ a: 1 }, { b: 'y' }] }],
    [
      'self.list.map(i, i.a).sum() == 3 && self.list.map(i, i.a).isSorted() && self.list.map(i, i.a).max() == 2',
      { list: [{ a: 1 }, { a: 2 }] },
    ],
    ['self.map.all(k, self.map[k].a == 1 && k.matches("^[a-z]+$"))', { map: { k: { a: 1 }, constructor: { a: 1 } } }],
    ['"a" in self.labels && !("toString" in self.labels)', { labels: { a: '1' } }],
    [
      'self.__namespace__ == "n" && self.a__dash__b__dot__c__slash__d == "q" && self.x__underscores__y == "z"',
      { namespace: 'n', 'a-b.c/d': 'q', x__y: 'z' },
    ],
    ['isIP(self.s) && ip(self.s).family() == 4', { s: '10.0.0.1' }],
    [
      'cidr(self.s).containsIP("10.1.2.3") && !cidr(self.s).containsCIDR("10.0.0.0/7") && cidr(self.s).prefixLength() == 8',
      { s: '10.0.0.0/8' },
    ],
    ['quantity(self.s).isGreaterThan(quantity("1Gi"))', { s: '1500Mi' }],
    ['self.s.split(",").size() == 2 && self.s.replace(",", ";").find("[a-z];[a-z]") == "a;b"', { s: 'a,b' }],
    ['self.?n.orValue(7) == 7', {}],
    ['self.list == self.list && self.list[0] == self.list[0]', { list: [{ a: 1 }] }],
  ])('%s holds for %j', ([rule, value]) => {
    expect(check(rule, value)).toEqual([])
  })

  test('that fail say what they were told to say, where they were told to', () => {
    expect(check('self.n > 1', { n: 1 })).toEqual(['spec: Invalid value: "object": failed rule: self.n > 1'])
    expect(check({ rule: 'self.n > 1', message: 'too small' }, { n: 1 })).toEqual([
      'spec: Invalid value: "object": too small',
    ])
    expect(
      check({ rule: 'self.n > 1', message: 'x', messageExpression: '"n is " + string(self.n)' }, { n: 1 }),
    ).toEqual(['spec: Invalid value: "object": n is 1'])
    expect(check({ rule: 'self.n > 1', message: 'x', messageExpression: 'self.s' }, { n: 1 })).toEqual([
      'spec: Invalid value: "object": x',
    ])
    expect(
      check({ rule: 'self.n > 1', message: 'no', reason: 'FieldValueForbidden', fieldPath: '.n' }, { n: 1 }),
    ).toEqual(['spec.n: Forbidden: no'])
    expect(check('self.n / 0 == 1', { n: 1 })).toEqual([
      expect.stringContaining('division by zero evaluating rule: self.n / 0 == 1'),
    ])
    expect(check('self.s == "x"', {})).toEqual([expect.stringContaining('No such key: s')])
  })

  test('about transitions run on updates only', () => {
    expect(check('self.n >= oldSelf.n', { n: 1 })).toEqual([])
    expect(check('self.n >= oldSelf.n', { n: 1 }, { n: 2 })).toHaveLength(1)
    const rule = { rule: 'oldSelf.hasValue() || self.n == 0', optionalOldSelf: true }
    expect(check(rule, { n: 1 })).toHaveLength(1)
    expect(check(rule, { n: 1 }, { n: 5 })).toEqual([])
  })

  test('about transitions of items that can not be matched do not compile', () => {
    const schema: Schema = {
      type: 'object',
      properties: {
        l: { type: 'array', items: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self == oldSelf' }] } },
      },
    }
    expect(compileRules(schema, 's').errors).toMatchObject([
      {
        field: 's.properties[l].items.x-kubernetes-validations[0].rule',
        message: expect.stringContaining('uncorrelatable') as string,
      },
    ])
  })
})
