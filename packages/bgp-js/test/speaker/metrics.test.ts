import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Metric, metricsText } from '../../src/speaker/metrics-text.ts'
import { parseExposition } from './exposition.ts'

test('a metric with labels, one without, and one with nothing to say', () => {
  const metrics: Metric[] = [
    { name: 'a_total', type: 'counter', help: 'one\\two\nthree', samples: [[{ peer: '10.0.0.1', n: 5 }, 7]] },
    { name: 'b', type: 'gauge', help: 'nothing', samples: [] },
    { name: 'c', type: 'gauge', help: 'plain', samples: [[{}, 0.25]] },
  ]
  expect([...metricsText(metrics)].join('')).toBe(
    '# HELP a_total one\\\\two\\nthree\n# TYPE a_total counter\na_total{peer="10.0.0.1",n="5"} 7\n' +
      '# HELP c plain\n# TYPE c gauge\nc 0.25\n',
  )
})

test('any label comes back as it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.double({ noNaN: true, noDefaultInfinity: true }), (label, value) => {
      const text = [...metricsText([{ name: 'm', type: 'gauge', help: 'x', samples: [[{ label }, value]] }])].join('')
      expect(parseExposition(text)).toEqual([{ name: 'm', labels: { label }, value: value + 0 }])
    }),
  )
})
