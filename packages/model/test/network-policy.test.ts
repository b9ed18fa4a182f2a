import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type NetworkPolicy, parseNetworkPolicy } from '../src/index.ts'

const policy = (spec: unknown): NetworkPolicy => ({ metadata: { name: 'p', namespace: 'ns' }, spec })
const errorsOf = (spec: unknown): string[] =>
  parseNetworkPolicy(policy(spec)).errors.map(({ field, message }) => `${field}: ${message}`)

test.for<[string, unknown, { ingress: unknown; egress: unknown }]>([
  ['nothing isolates ingress and allows nothing', { podSelector: {} }, { ingress: [], egress: undefined }],
  ['egress rules alone isolate both', { egress: [{}] }, { ingress: [], egress: [{ ports: 'any', peers: 'any' }] }],
  ['policyTypes Egress alone', { policyTypes: ['Egress'] }, { ingress: undefined, egress: [] }],
  [
    'ingress rules are ignored without the type',
    { policyTypes: ['Egress'], ingress: [{}] },
    { ingress: undefined, egress: [] },
  ],
  [
    'empty lists in a rule mean any',
    { ingress: [{ from: [], ports: [] }] },
    { ingress: [{ ports: 'any', peers: 'any' }], egress: undefined },
  ],
])('defaults: %s', ([, spec, expected]) => {
  const { ingress, egress, errors } = parseNetworkPolicy(policy(spec))
  expect({ ingress, egress }).toEqual(expected)
  expect(errors).toEqual([])
})

test('ports: a missing protocol is TCP, endPort makes a range, names stay names', () => {
  const ports = [{ port: 80 }, { protocol: 'UDP' }, { port: 1, endPort: 9, protocol: 'SCTP' }, { port: 'http' }]
  expect(parseNetworkPolicy(policy({ ingress: [{ ports }] })).ingress?.[0]?.ports).toEqual([
    { protocol: 'TCP', kind: 'range', first: 80, last: 80 },
    { protocol: 'UDP', kind: 'any' },
    { protocol: 'SCTP', kind: 'range', first: 1, last: 9 },
    { protocol: 'TCP', kind: 'named', name: 'http' },
  ])
})

test.for<[unknown, string]>([
  [{ ingress: [{ ports: [{ port: 0 }] }] }, 'spec.ingress[0].ports[0].port: must be a whole number from 1 to 65535'],
  [{ ingress: [{ ports: [{ port: 80, endPort: 79 }] }] }, 'spec.ingress[0].ports[0].endPort: must not be below port'],
  [{ ingress: [{ ports: [{ port: 'http', endPort: 79 }] }] }, 'spec.ingress[0].ports[0].endPort: needs a numeric port'],
  [{ ingress: [{ ports: [{ port: 'HTTP' }] }] }, 'spec.ingress[0].ports[0].port: "HTTP" is not a port name'],
  [
    { ingress: [{ ports: [{ protocol: 'ICMP' }] }] },
    'spec.ingress[0].ports[0].protocol: must be one of TCP, UDP, SCTP',
  ],
  [{ ingress: [{ from: [{}] }] }, 'spec.ingress[0].from[0]: must have podSelector, namespaceSelector or ipBlock'],
  [{ ingress: [{ to: [] }] }, 'spec.ingress[0].to: is not a field that Margay supports'],
  [
    { egress: [{ to: [{ ipBlock: { cidr: 'x' } }] }] },
    'spec.egress[0].to[0].ipBlock.cidr: must be a CIDR block such as 10.0.0.0/8',
  ],
  [
    { egress: [{ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/9'] } }] }] },
    'spec.egress[0].to[0].ipBlock.except[0]: must lie strictly within 10.0.0.0/8',
  ],
  [
    { podSelector: { matchExpressions: [{ key: 'a', operator: 'In' }] } },
    'spec.podSelector.matchExpressions[0].values: is required with In',
  ],
  [{ policyTypes: ['ingress'] }, 'spec.policyTypes: must hold Ingress or Egress only'],
  [{ tier: 'x' }, 'spec.tier: is not a field that Margay supports'],
])('%j is refused by name', ([spec, message]) => {
  expect(errorsOf(spec)).toEqual([message])
})

test('what cannot be read fails closed', () => {
  const badPeer = parseNetworkPolicy(policy({ ingress: [{ from: [{ ipBlock: { cidr: 'x' } }] }] }))
  expect(badPeer.ingress).toEqual([{ ports: 'any', peers: [] }])
  const badSelector = parseNetworkPolicy(policy({ podSelector: { matchLabels: 3 }, ingress: [{}] }))
  expect(badSelector).toMatchObject({ podSelector: {}, ingress: [] })
})

test('any object is read without a throw, and never allows more than it says', () => {
  fc.assert(
    fc.property(fc.anything(), fc.array(fc.anything(), { maxLength: 3 }), (spec, items) => {
      parseNetworkPolicy(policy(spec))
      const { ingress } = parseNetworkPolicy(policy({ ingress: [{ from: items, ports: items }] }))
      if (items.length > 0) expect(ingress?.[0]?.peers).not.toBe('any')
    }),
  )
})
