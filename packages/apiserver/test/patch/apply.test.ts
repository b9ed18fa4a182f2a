import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { KubeObject, ManagedFieldsEntry } from '../../src/object.ts'
import { FieldSet } from '../../src/patch/field-set.ts'
import { applyConfiguration, type FieldWriter, managedAfterUpdate } from '../../src/patch/managed-fields.ts'

const schema = { $ref: 'io.k8s.api.core.v1.Pod' }

function by(manager: string, subresource?: string): FieldWriter {
  return { manager, apiVersion: 'v1', subresource, time: '2026-01-01T00:00:00Z' }
}

function pod(spec: object, metadata: object = {}): KubeObject {
  return { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'p', ...metadata }, spec }
}

/** Applies one configuration after the other, each by its manager, and returns the last object. */
function applied(...steps: [manager: string, config: KubeObject, force?: boolean][]): KubeObject {
  let live: KubeObject | undefined
  for (const [manager, config, force = false] of steps) {
    const { object, managedFields } = applyConfiguration(schema, live, config, by(manager), force)
    live = { ...(object as KubeObject), metadata: { ...(object as KubeObject).metadata, managedFields } }
  }
  if (live === undefined) throw new Error('nothing was applied')
  return live
}

function fieldsOf(object: KubeObject, manager: string): string[] {
  const entry = object.metadata.managedFields?.find((one) => one.manager === manager)
  return FieldSet.fromFieldsV1(entry?.fieldsV1).paths()
}

describe('server-side apply', () => {
  test('records what each manager set, list items by key', () => {
    const object = applied([
      'a',
      pod({ containers: [{ name: 'x', image: '1', ports: [{ containerPort: 80 }] }] }, { labels: { l: '1' } }),
    ])
    expect(fieldsOf(object, 'a')).toEqual([
      '.metadata.labels.l',
      '.spec.containers[name="x"]',
      '.spec.containers[name="x"].image',
      '.spec.containers[name="x"].name',
      '.spec.containers[name="x"].ports[containerPort=80,protocol="TCP"]',
      '.spec.containers[name="x"].ports[containerPort=80,protocol="TCP"].containerPort',
    ])
  })

  test('two managers share an object; what one drops goes, what the other has stays', () => {
    const first = pod({
      containers: [
        { name: 'x', image: '1' },
        { name: 'y', image: '1' },
      ],
      hostNetwork: true,
    })
    const second = pod({ containers: [{ name: 'x', image: '1', tty: true }] })
    const object = applied(['a', first], ['b', second], ['a', pod({ containers: [{ name: 'z', image: '2' }] })])
    expect(object['spec']).toEqual({
      containers: [
        { name: 'x', image: '1', tty: true },
        { name: 'z', image: '2' },
      ],
    })
  })

  test('a field of another manager is a conflict, unless it has the same value or force is on', () => {
    const one = pod({ hostNetwork: true, dnsPolicy: 'None' })
    expect(() => applied(['a', one], ['b', pod({ dnsPolicy: 'Default', hostNetwork: false })])).toThrow(
      expect.objectContaining({
        code: 'Conflict',
        message: expect.stringContaining(
          'Apply failed with 2 conflicts: conflicts with "a" using v1:\n- .spec.dnsPolicy\n- .spec.hostNetwork',
        ) as string,
        details: {
          causes: [
            { reason: 'FieldManagerConflict', message: 'conflict with "a" using v1', field: '.spec.dnsPolicy' },
            { reason: 'FieldManagerConflict', message: 'conflict with "a" using v1', field: '.spec.hostNetwork' },
          ],
        },
      }),
    )
    const shared = applied(['a', one], ['b', pod({ dnsPolicy: 'None' })])
    expect([fieldsOf(shared, 'a'), fieldsOf(shared, 'b')]).toEqual([
      ['.spec.dnsPolicy', '.spec.hostNetwork'],
      ['.spec.dnsPolicy'],
    ])
    const forced = applied(['a', one], ['b', pod({ dnsPolicy: 'Default' }), true])
    expect([fieldsOf(forced, 'a'), fieldsOf(forced, 'b')]).toEqual([['.spec.hostNetwork'], ['.spec.dnsPolicy']])
  })

  test('an atomic list belongs to one manager as a whole', () => {
    const tolerations = [{ key: 'a', operator: 'Exists' }]
    const object = applied(['a', pod({ tolerations })])
    expect(fieldsOf(object, 'a')).toEqual(['.spec.tolerations'])
    expect(() => applied(['a', pod({ tolerations })], ['b', pod({ tolerations: [] })])).toThrow(/\.spec\.tolerations/)
  })

  test('an update takes over what it changes and forgets what it removes', () => {
    const live = applied(['a', pod({ dnsPolicy: 'None', hostNetwork: true, hostname: 'h' })])
    const next = { ...live, spec: { dnsPolicy: 'Default', hostNetwork: true } }
    const managedFields = managedAfterUpdate(schema, live, next, by('editor'))
    const object = { ...next, metadata: { ...next.metadata, managedFields } }
    expect([fieldsOf(object, 'a'), fieldsOf(object, 'editor')]).toEqual([['.spec.hostNetwork'], ['.spec.dnsPolicy']])
  })

  test('the number of updating managers is bounded', () => {
    let live = pod({})
    for (let writer = 0; writer < 40; writer++) {
      const next = pod(
        {},
        { labels: { ...live.metadata.labels, [`l${writer}`]: '1' }, managedFields: live.metadata.managedFields ?? [] },
      )
      const managedFields: ManagedFieldsEntry[] = managedAfterUpdate(schema, live, next, by(`w${writer}`))
      live = { ...next, metadata: { ...next.metadata, managedFields } }
    }
    expect(live.metadata.managedFields).toHaveLength(10)
    expect(fieldsOf(live, 'ancient-changes')).toHaveLength(31)
  })
})

describe('a field set', () => {
  const names = fc.constantFrom('a', 'b', 'c', 'd')
  const tree: fc.Memo<Record<string, unknown>> = fc.memo((depth) =>
    depth <= 1
      ? fc.dictionary(names, fc.constant(1), { maxKeys: 3 })
      : fc.dictionary(names, fc.oneof(fc.constant(1), tree(depth - 1)), { maxKeys: 3 }),
  )

  function setOf(value: Record<string, unknown>): FieldSet {
    const set = new FieldSet()
    for (const [key, member] of Object.entries(value)) {
      if (typeof member !== 'object' || member === null || Object.keys(member).length === 0) set.members.add(`f:${key}`)
      else set.children.set(`f:${key}`, setOf(member as Record<string, unknown>))
    }
    return set
  }

  test('has the algebra of sets of paths', () => {
    fc.assert(
      fc.property(tree(3), tree(3), (one, other) => {
        const [a, b] = [setOf(one), setOf(other)]
        const [left, right] = [new Set(a.paths()), new Set(b.paths())]
        expect(new Set(a.union(b).paths())).toEqual(new Set([...left, ...right]))
        expect(new Set(a.difference(b).paths())).toEqual(new Set([...left].filter((path) => !right.has(path))))
        expect(new Set(a.intersection(b).paths())).toEqual(new Set([...left].filter((path) => right.has(path))))
        expect(FieldSet.fromFieldsV1(a.toFieldsV1()).paths()).toEqual(a.paths())
      }),
    )
  })
})
