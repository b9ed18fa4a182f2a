import { describe, expect, test } from 'vitest'
import { strategicMergePatch } from '../../src/patch/strategic-merge.ts'

const pod = { $ref: 'io.k8s.api.core.v1.Pod' }
const deployment = { $ref: 'io.k8s.api.apps.v1.Deployment' }
const containers = (...list: object[]): object => ({ spec: { containers: list } })

describe('a strategic merge patch', () => {
  test.for<[name: string, target: object, patch: object, result: object]>([
    [
      'sets, changes and removes fields',
      { data: { a: '1', b: '2' } },
      { data: { a: null, b: '3', c: '4' } },
      { data: { b: '3', c: '4' } },
    ],
    [
      'drops nulls of what it adds',
      {},
      { metadata: { labels: { a: null, b: '1' } } },
      { metadata: { labels: { b: '1' } } },
    ],
    [
      'merges a list by its key',
      containers({ name: 'a', image: '1' }),
      containers({ name: 'a', tty: true }, { name: 'b' }),
      containers({ name: 'a', image: '1', tty: true }, { name: 'b' }),
    ],
    [
      'deletes an item by directive',
      containers({ name: 'a' }, { name: 'b' }),
      containers({ $patch: 'delete', name: 'a' }),
      containers({ name: 'b' }),
    ],
    [
      'replaces a list by directive',
      containers({ name: 'a' }, { name: 'b' }),
      containers({ $patch: 'replace' }, { name: 'c' }),
      containers({ name: 'c' }),
    ],
    [
      'replaces an object by directive',
      { metadata: { labels: { a: '1' } } },
      { metadata: { labels: { $patch: 'replace', b: '2' } } },
      { metadata: { labels: { b: '2' } } },
    ],
    [
      'empties an object by directive',
      { metadata: { labels: { a: '1' } } },
      { metadata: { labels: { $patch: 'delete' } } },
      { metadata: { labels: {} } },
    ],
    [
      'replaces an atomic list',
      { spec: { tolerations: [{ key: 'a' }] } },
      { spec: { tolerations: [{ key: 'b' }] } },
      { spec: { tolerations: [{ key: 'b' }] } },
    ],
    [
      'adds to a set',
      { metadata: { finalizers: ['a', 'b'] } },
      { metadata: { finalizers: ['b', 'c'] } },
      { metadata: { finalizers: ['a', 'b', 'c'] } },
    ],
    [
      'removes from a set',
      { metadata: { finalizers: ['a', 'b', 'c'] } },
      { metadata: { '$deleteFromPrimitiveList/finalizers': ['b'] } },
      { metadata: { finalizers: ['a', 'c'] } },
    ],
    [
      'orders items, others keep their place',
      containers({ name: 'a' }, { name: 'x' }, { name: 'b' }),
      {
        spec: {
          '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }, { name: 'c' }],
          containers: [{ name: 'c' }],
        },
      },
      containers({ name: 'x' }, { name: 'b' }, { name: 'a' }, { name: 'c' }),
    ],
    [
      'orders a list that it does not change',
      { metadata: { finalizers: ['a', 'b'] } },
      { metadata: { '$setElementOrder/finalizers': ['b', 'a'] } },
      { metadata: { finalizers: ['b', 'a'] } },
    ],
  ])('%s', ([, target, patch, result]) => {
    const before = structuredClone(target)
    expect(strategicMergePatch(pod, target as Record<string, unknown>, patch)).toEqual(result)
    expect(target).toEqual(before)
  })

  test('keeps only the retained keys', () => {
    const target = { spec: { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } } }
    const patch = { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } }
    expect(strategicMergePatch(deployment, target, patch)).toEqual({ spec: { strategy: { type: 'Recreate' } } })
  })

  test.for([
    { spec: { containers: [{ image: 'x' }] } },
    { spec: { $patch: 'explode' } },
    { spec: { $retainKeys: 'a' } },
  ])('refuses %j', (patch) => {
    expect(() => strategicMergePatch(pod, { spec: { containers: [{ name: 'a' }] } }, patch)).toThrow(
      expect.objectContaining({ code: 'BadRequest' }),
    )
  })
})
