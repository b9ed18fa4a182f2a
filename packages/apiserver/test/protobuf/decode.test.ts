import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeProtobuf } from '../../src/protobuf/decode.ts'
import { ProtobufError } from '../../src/protobuf/reader.ts'

/** A naive writer, to read against: field number and content, in the order given. */
function message(...fields: [number: number, content: number | string | Uint8Array][]): Buffer {
  return Buffer.concat(
    fields.map(([number, content]) => {
      if (typeof content === 'number') return Buffer.concat([varint(number * 8), varint(content)])
      const bytes = Buffer.from(content)
      return Buffer.concat([varint(number * 8 + 2), varint(bytes.length), bytes])
    }),
  )
}

function varint(value: number): Buffer {
  const octets: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  while (rest > 127n) {
    octets.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  return Buffer.from([...octets, Number(rest)])
}

function envelope(apiVersion: string, kind: string, raw: Uint8Array): Buffer {
  return Buffer.concat([
    Buffer.from('k8s\0'),
    message([1, message([1, apiVersion], [2, kind])], [2, raw], [3, ''], [4, '']),
  ])
}

describe('protobuf', () => {
  test('is read as the JSON that it stands for', () => {
    const metadata = message(
      [1, 'web'],
      [3, ''],
      [7, 0],
      [8, message([1, 1_767_225_600], [2, 0])],
      [11, message([1, 'a'], [2, 'b'])],
      [14, 'x/y'],
    )
    const template = message(
      [1, message()],
      [2, message([2, message([1, 'c'], [2, 'nginx'], [6, message([1, ''], [3, 80])])])],
    )
    const strategy = message([
      2,
      message([1, message([1, 1], [2, 0], [3, '25%'])], [2, message([1, 0], [2, 1], [3, ''])]),
    ])
    const spec = message(
      [1, 0],
      [2, message([1, message([1, 'app'], [2, 'web'])])],
      [3, template],
      [4, strategy],
      [99, 'later'],
    )
    expect(
      decodeProtobuf(envelope('apps/v1', 'Deployment', message([1, metadata], [2, spec], [3, message()]))),
    ).toEqual({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web', creationTimestamp: '2026-01-01T00:00:00Z', labels: { a: 'b' }, finalizers: ['x/y'] },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: 'web' } },
        template: { spec: { containers: [{ name: 'c', image: 'nginx', ports: [{ containerPort: 80 }] }] } },
        strategy: { rollingUpdate: { maxUnavailable: '25%', maxSurge: 1 } },
      },
    })
  })

  test('reads bytes, nested inline types and negative numbers', () => {
    const secret = message([2, message([1, 'k'], [2, Buffer.from([0, 255])])])
    expect(decodeProtobuf(envelope('v1', 'Secret', secret))).toMatchObject({ data: { k: 'AP8=' } })
    const probe = message([1, message([2, message([1, '/ready'], [2, message([1, 0], [2, 8080])])])], [3, 5])
    const pod = message([2, message([2, message([1, 'c'], [11, probe])], [25, -5])])
    expect(decodeProtobuf(envelope('v1', 'Pod', pod))).toMatchObject({
      spec: {
        priority: -5,
        containers: [{ readinessProbe: { httpGet: { path: '/ready', port: 8080 }, timeoutSeconds: 5 } }],
      },
    })
    expect(decodeProtobuf(envelope('v1', 'DeleteOptions', message([1, -1])))).toMatchObject({ gracePeriodSeconds: -1 })
  })

  test('of kinds that are not known is refused', () => {
    expect(() => decodeProtobuf(envelope('v1', 'Nothing', Buffer.alloc(0)))).toThrow(
      'no kind "Nothing" is registered for v1',
    )
    expect(() => decodeProtobuf(envelope('v1', '__proto__', Buffer.alloc(0)))).toThrow(ProtobufError)
  })

  test('of any octets is read or refused, nothing else', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom('Pod', 'Secret', 'ConfigMap', 'Event'),
        (bytes, kind) => {
          try {
            expect(decodeProtobuf(envelope('v1', kind, bytes))).toMatchObject({ kind })
          } catch (error) {
            if (!(error instanceof ProtobufError)) throw error
          }
        },
      ),
      { numRuns: 2000 },
    )
  })
})
