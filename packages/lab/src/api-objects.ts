import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { KubeObject } from '@margay/apiserver'
import { parse, parseAllDocuments } from 'yaml'
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

/** The rights that the chart gives its processes, and no more: what they lack on a cluster they lack here. */
export function chartRights(): KubeObject[] {
  return [
    ...rights('ClusterRole', 'margay-agent', 'agent-rules.yaml'),
    ...rights('ClusterRole', 'margay-kube-controllers', 'kube-controllers-rules.yaml'),
    ...rights('Role', 'margay-kube-controllers', 'kube-controllers-lease-rules.yaml'),
  ]
}

/** A role with the rules of a file of the chart, and its binding to a user. */
function rights(kind: 'ClusterRole' | 'Role', user: string, file: string): KubeObject[] {
  // The chart's own names stay free, for it can be installed here too.
  const name = `lab:${user}`
  const metadata = kind === 'Role' ? { name, namespace: 'kube-system' } : { name }
  const rules: unknown = parse(readFileSync(join(CHART, 'files', file), 'utf8'))
  const group = 'rbac.authorization.k8s.io'
  const apiVersion = `${group}/v1`
  return [
    { apiVersion, kind, metadata, rules },
    {
      apiVersion,
      kind: `${kind}Binding`,
      metadata,
      roleRef: { apiGroup: group, kind, name },
      subjects: [{ kind: 'User', apiGroup: group, name: user }],
    },
  ]
}
