import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CniError } from '../../src/cni/cni-error.ts'
import { parseRequest, podOf, splitRequest } from '../../src/cni/cni-request.ts'

const VARIABLES = {
  CNI_COMMAND: 'ADD',
  CNI_CONTAINERID: 'abc',
  CNI_IFNAME: 'eth0',
  CNI_NETNS: '/run/netns/x',
  CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web.0;K8S_POD_UID=',
}

function bytes(variables: Record<string, string>, stdin: unknown): Buffer {
  const text = Object.entries(variables).map(([name, value]) => `${name}=${value}\0`)
  return Buffer.from(`${text.join('')}\0${typeof stdin === 'string' ? stdin : JSON.stringify(stdin)}`)
}

test('reads what a runtime sends', () => {
  const config = { cniVersion: '1.1.0', name: 'margay', mtu: 1400, runtimeConfig: {}, unknown: [] }
  const request = parseRequest(splitRequest(bytes(VARIABLES, config)))
  expect(request).toMatchObject({
    command: 'ADD',
    containerId: 'abc',
    ifName: 'eth0',
    mtu: 1400,
    networkName: 'margay',
  })
  expect(podOf(request)).toEqual({ namespace: 'ns', name: 'web.0' })
})

test('a DEL needs no namespace, STATUS and GC no container', () => {
  const config = { cniVersion: '1.1.0', name: 'margay' }
  const { CNI_NETNS: _, ...withoutNetns } = VARIABLES
  expect(parseRequest(splitRequest(bytes({ ...withoutNetns, CNI_COMMAND: 'DEL' }, config))).netns).toBe('')
  for (const command of ['STATUS', 'GC'])
    expect(parseRequest(splitRequest(bytes({ CNI_COMMAND: command }, config))).containerId).toBe('')
})

test('a configuration without a version is of 0.3.1', () => {
  expect(parseRequest(splitRequest(bytes(VARIABLES, { name: 'margay' }))).cniVersion).toBe('0.3.1')
})

test('whatever comes is a request or a CniError of the spec', () => {
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((octets) => Buffer.from(octets)),
    fc
      .tuple(
        fc.dictionary(
          fc.constantFrom(...Object.keys(VARIABLES)),
          fc.oneof(fc.string(), fc.constantFrom('ADD', 'DEL', 'GC')),
        ),
        fc.oneof(
          fc.json(),
          fc.string(),
          fc
            .record({ cniVersion: fc.constantFrom('1.1.0', '2', null), name: fc.string(), prevResult: fc.anything() })
            .map((each) => JSON.stringify(each)),
        ),
      )
      .map(([variables, stdin]) => bytes({ ...VARIABLES, ...variables }, stdin)),
  )
  fc.assert(
    fc.property(hostile, (input) => {
      try {
        const request = parseRequest(splitRequest(input))
        expect(request.containerId).toMatch(/^([a-zA-Z0-9][a-zA-Z0-9_.-]*)?$/)
        expect(request.ifName).not.toContain('/')
      } catch (error) {
        expect(error).toBeInstanceOf(CniError)
        expect([1, 4, 6, 7]).toContain((error as CniError).code)
      }
    }),
    { numRuns: 500 },
  )
})
