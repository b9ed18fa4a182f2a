import { expect, test } from 'vitest'
import { type Pod, podAddresses } from '../src/index.ts'

const pod = (annotation: string | undefined, status: Pod['status'], hostNetwork = false): Pod => ({
  metadata: {
    name: 'p',
    namespace: 'ns',
    annotations: annotation === undefined ? {} : { 'cni.projectcalico.org/podIPs': annotation },
  },
  spec: { hostNetwork, containers: [] },
  ...(status === undefined ? {} : { status }),
})

test.for<[string, Pod, string[]]>([
  ['the status', pod(undefined, { podIPs: [{ ip: '10.0.0.1' }, { ip: 'fd00::1' }] }), ['10.0.0.1', 'fd00::1']],
  ['the single address of an old kubelet', pod(undefined, { podIP: '10.0.0.1' }), ['10.0.0.1']],
  [
    'the annotation until there is a status',
    pod('10.0.0.1/32,fd00::1/128', { phase: 'Pending' }),
    ['10.0.0.1', 'fd00::1'],
  ],
  [
    "not the annotation, which the pod's owner may write, once there is",
    pod('10.9.9.9/32', { podIPs: [{ ip: '10.0.0.1' }] }),
    ['10.0.0.1'],
  ],
  ['nothing of the host', pod(undefined, { podIPs: [{ ip: '172.30.0.1' }] }, true), []],
  ['nothing of the dead', pod(undefined, { phase: 'Failed', podIPs: [{ ip: '10.0.0.1' }] }), []],
  ['nothing that is no address', pod('nonsense,,10.0.0.1/32', undefined), ['10.0.0.1']],
])('addresses: %s', ([, each, expected]) => {
  expect(podAddresses(each).map(String)).toEqual(expected)
})
