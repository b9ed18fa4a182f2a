import type { Pod } from '@margay/model'
import { expect, test } from 'vitest'
import { readAddressRequest } from '../../src/cni/address-request.ts'
import { CniError } from '../../src/cni/cni-error.ts'

const EXACT = 'cni.projectcalico.org/ipAddrs'
const POOLS = 'cni.projectcalico.org/ipv4pools'
const pod = (annotations: Record<string, string>): Pod => ({
  metadata: { name: 'x', namespace: 'default', annotations },
  spec: { containers: [] },
})

test('a pod that asks for nothing may have anything', () => {
  expect(readAddressRequest(pod({}), {})).toEqual({ exact: [], pools: { 4: undefined, 6: undefined } })
})

test('exact addresses, one of each family', () => {
  const { exact } = readAddressRequest(pod({ [EXACT]: '["10.0.0.7", "fd00::7"]' }), {})
  expect(exact.map(String)).toEqual(['10.0.0.7', 'fd00::7'])
})

test("the pod's pools come before its namespace's", () => {
  const read = (own: Record<string, string>): unknown => readAddressRequest(pod(own), { [POOLS]: '["theirs"]' }).pools
  expect(read({})).toEqual({ 4: ['theirs'], 6: undefined })
  expect(read({ [POOLS]: '["own"]' })).toEqual({ 4: ['own'], 6: undefined })
})

test.for([
  [EXACT, 'nonsense'],
  [EXACT, '[]'],
  [EXACT, '[1]'],
  [EXACT, '{}'],
  [EXACT, 'null'],
  [EXACT, '["10.0.0.1/24"]'],
  [EXACT, '["10.0.0.1","10.0.0.2"]'],
  [POOLS, '"pool"'],
  ['cni.projectcalico.org/ipAddrsNoIpam', '["10.0.0.1"]'],
  ['cni.projectcalico.org/hwAddr', '02:00:00:00:00:01'],
] as const)('%s: %s is refused by name', ([annotation, text]) => {
  expect(() => readAddressRequest(pod({ [annotation]: text }), {})).toThrow(CniError)
  expect(() => readAddressRequest(pod({ [annotation]: text }), {})).toThrow(annotation)
})
