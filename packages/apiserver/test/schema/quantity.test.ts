import { expect, test } from 'vitest'
import { canonicalQuantity, parseQuantity } from '../../src/schema/quantity.ts'

// Pairs from the tests of k8s.io/apimachinery/pkg/api/resource, by value.
test.for<[text: string, canonical: string]>([
  ['0', '0'],
  ['1', '1'],
  ['1000m', '1'],
  ['0.1', '100m'],
  ['.5', '500m'],
  ['5.', '5'],
  ['1500m', '1500m'],
  ['1.5', '1500m'],
  ['1000', '1k'],
  ['1024Ki', '1Mi'],
  ['1000Ki', '1000Ki'],
  ['0.5Gi', '512Mi'],
  ['0.5Ki', '512'],
  ['100e3', '100e3'],
  ['1e3', '1e3'],
  ['1E', '1E'],
  ['-1Mi', '-1Mi'],
  ['+5', '5'],
  ['1.23456789012n', '2n'],
])('%s is written %s', ([text, canonical]) => {
  expect(canonicalQuantity(text)).toBe(canonical)
})

test.for(['', '.', 'm', '1mm', '1 ', '1e', '0x1', 'Ki', '1KI', '1e9999', '9'.repeat(100)])(
  '%s is no quantity',
  (text) => {
    expect(parseQuantity(text)).toBeUndefined()
  },
)
