import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KubeObject } from '@margay/apiserver'
import { parseAllDocuments } from 'yaml'
import type { HostPlan, LabPlan } from './lab-plan.ts'

const CHART = join(import.meta.dirname, '../../../charts/margay')

/** The CRDs that the chart installs. */
export function chartCrds(): KubeObject[] {
  const directory = join(CHART, 'crds')
  return readdirSync(directory).flatMap((file) => readObjects(join(directory, file)))
}

function readObjects(path: string): KubeObject[] {
  return parseAllDocuments(readFileSync(path, 'utf8')).map((document) => document.toJS() as KubeObject)
}

/** What the chart sets up by default: pools, and pods that may talk to their node. */
export function defaultObjects(plan: LabPlan): KubeObject[] {
  return [
    ...plan.podPools.map((cidr) => ({
      apiVersion: 'projectcalico.org/v3',
      kind: 'IPPool',
      metadata: { name: `default-ipv${cidr.family}-ippool` },
      spec: { cidr: String(cidr), natOutgoing: true, nodeSelector: 'all()' },
    })),
    {
      apiVersion: 'projectcalico.org/v3',
      kind: 'FelixConfiguration',
      metadata: { name: 'default' },
      spec: { defaultEndpointToHostAction: 'Accept' },
    },
  ]
}

export function nodeObject(host: HostPlan): KubeObject {
  const now = new Date().toISOString().replace(/\.\d+/, '')
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: host.name, labels: { 'kubernetes.io/hostname': host.name, 'kubernetes.io/os': 'linux' } },
    status: {
      addresses: [
        ...host.addresses.map((address) => ({ type: 'InternalIP', address: String(address) })),
        { type: 'Hostname', address: host.name },
      ],
      capacity: { pods: '500', cpu: '2', memory: '8Gi' },
      allocatable: { pods: '500', cpu: '2', memory: '8Gi' },
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'KubeletReady',
          message: 'the lab kubelet runs',
          lastTransitionTime: now,
          lastHeartbeatTime: now,
        },
      ],
      nodeInfo: {
        kubeletVersion: 'v1.35.0-lab',
        kubeProxyVersion: '',
        osImage: 'a network namespace',
        containerRuntimeVersion: 'lab://1',
        kernelVersion: '',
        architecture: 'amd64',
        operatingSystem: 'linux',
        machineID: host.name,
        systemUUID: host.name,
        bootID: host.name,
      },
    },
  }
}

/** Rights of the processes that the chart runs, with the chart's own roles once it has them. */
export function userBinding(user: string, role: string): KubeObject {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRoleBinding',
    metadata: { name: `lab:${user}` },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: role },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: user }],
  }
}
