import { describe, expect, test } from 'vitest'
import type { KubeObject } from '../../src/object.ts'
import {
  labelSelectorText,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
  requirementsOf,
} from '../../src/store/selectors.ts'

describe('a label selector', () => {
  test.for<[selector: string, labels: Record<string, string>, matches: boolean]>([
    ['', {}, true],
    ['a=1', { a: '1' }, true],
    ['a==1', { a: '2' }, false],
    ['a!=1', {}, true],
    ['a!=1', { a: '1' }, false],
    ['a', { a: '' }, true],
    ['!a', { a: '' }, false],
    ['a=', { a: '' }, true],
    ['a in (1, 2)', { a: '2' }, true],
    ['a in (1,2),b', { a: '2' }, false],
    ['a notin (1)', {}, true],
    ['a notin (1)', { a: '1' }, false],
    ['a in ()', { a: '' }, true],
    ['a>5', { a: '6' }, true],
    ['a>5', { a: 'x' }, false],
    ['a<5', { a: '4' }, true],
    ['example.com/role=web,tier', { 'example.com/role': 'web', tier: 'x' }, true],
    ['toString', {}, false],
  ])('%s on %j: %s', ([selector, labels, matches]) => {
    expect(matchesLabels(parseLabelSelector(selector), labels)).toBe(matches)
  })

  test.for([
    'a b',
    'a in',
    'a in (1',
    'a in 1',
    '=',
    '!',
    'a,,b',
    'a,',
    'a>x',
    'a=b c',
    'a=-',
    `${'x'.repeat(64)}=1`,
    'a!',
    '(a)',
  ])('%s is refused', (selector) => {
    expect(() => parseLabelSelector(selector)).toThrow(expect.objectContaining({ code: 'BadRequest' }))
  })

  test('of an object has a text form', () => {
    const selector = {
      matchLabels: { a: '1' },
      matchExpressions: [
        { key: 'b', operator: 'In', values: ['2', '3'] },
        { key: 'c', operator: 'Exists' },
        { key: 'd', operator: 'DoesNotExist' },
        { key: 'e', operator: 'NotIn', values: ['4'] },
      ],
    }
    expect(labelSelectorText(selector)).toBe('a=1,b in (2,3),c,!d,e notin (4)')
    expect(labelSelectorText({})).toBe('<none>')
    expect(matchesLabels(requirementsOf(selector), { a: '1', b: '3', c: '' })).toBe(true)
  })
})

describe('a field selector', () => {
  const object: KubeObject = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'n' }, spec: { nodeName: 'x' } }
  const fields = { 'metadata.name': (one: KubeObject) => one.metadata.name, 'spec.nodeName': () => 'x' }

  test.for<[selector: string, matches: boolean]>([
    ['', true],
    ['metadata.name=n', true],
    ['metadata.name==n,spec.nodeName=x', true],
    ['metadata.name!=n', false],
    ['spec.nodeName=', false],
  ])('%s: %s', ([selector, matches]) => {
    expect(parseFieldSelector(selector, fields)(object)).toBe(matches)
  })

  test('only knows the fields of its kind', () => {
    expect(() => parseFieldSelector('status.phase=Running', fields)).toThrow('field label not supported: status.phase')
    expect(() => parseFieldSelector('constructor=1', fields)).toThrow('field label not supported')
    expect(() => parseFieldSelector('metadata.name', fields)).toThrow("can't understand")
  })
})
