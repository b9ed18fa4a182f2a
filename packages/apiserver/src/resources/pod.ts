import { isObject, type JsonObject, type KubeObject, objectAt, objectsAt, stringAt, valueAt } from '../object.ts'
import { builtinType, objectIn } from './builtin.ts'
import { ageColumn, ageOf, column, nameColumn, textOr } from './columns.ts'
import { applyPodDefaults, qosClassOf } from './pod-defaults.ts'
import { podErrors } from './pod-validation.ts'

/** v1 Pod. */
export const pods = builtinType({
  resource: 'pods',
  kind: 'Pod',
  shortNames: ['po'],
  categories: ['all'],
  definition: 'io.k8s.api.core.v1.Pod',
  hasStatus: true,
  subresources: [
    { name: 'attach', kind: 'PodAttachOptions', verbs: ['create', 'get'] },
    { name: 'binding', kind: 'Binding', verbs: ['create'] },
    { name: 'eviction', kind: 'Eviction', group: 'policy', version: 'v1', verbs: ['create'] },
    { name: 'exec', kind: 'PodExecOptions', verbs: ['create', 'get'] },
    { name: 'log', kind: 'Pod', verbs: ['get'] },
    { name: 'portforward', kind: 'PodPortForwardOptions', verbs: ['create', 'get'] },
  ],
  columns: [
    nameColumn,
    column('Ready', (pod) => summaryOf(pod).ready),
    column('Status', (pod) => summaryOf(pod).reason),
    column('Restarts', (pod, nowMs) => restartsOf(pod, nowMs)),
    ageColumn,
    column('IP', (pod) => textOr(valueAt(pod, 'status.podIP'), '<none>'), 1),
    column('Node', (pod) => textOr(valueAt(pod, 'spec.nodeName'), '<none>'), 1),
    column('Nominated Node', (pod) => textOr(valueAt(pod, 'status.nominatedNodeName'), '<none>'), 1),
    column('Readiness Gates', (pod) => readinessGatesOf(pod), 1),
  ],
  selectableFields: {
    'spec.nodeName': (pod) => stringAt(pod['spec'], 'nodeName'),
    'spec.restartPolicy': (pod) => stringAt(pod['spec'], 'restartPolicy'),
    'spec.schedulerName': (pod) => stringAt(pod['spec'], 'schedulerName'),
    'spec.serviceAccountName': (pod) => stringAt(pod['spec'], 'serviceAccountName'),
    'spec.hostNetwork': (pod) => String(objectAt(pod, 'spec')['hostNetwork'] === true),
    'status.phase': (pod) => stringAt(pod['status'], 'phase'),
    'status.podIP': (pod) => stringAt(pod['status'], 'podIP'),
    'status.nominatedNodeName': (pod) => stringAt(pod['status'], 'nominatedNodeName'),
  },
  tracksGeneration: true,
  applyDefaults: applyPodDefaults,
  prepareForCreate: (pod) => {
    pod['status'] = { phase: 'Pending', qosClass: qosClassOf(objectIn(pod, 'spec')) }
  },
  validate: podErrors,
})

/** Whether the pod has run to its end. */
export function isFinished(pod: KubeObject): boolean {
  const phase = stringAt(pod['status'], 'phase')
  return phase === 'Succeeded' || phase === 'Failed'
}

interface Summary {
  ready: string
  reason: string
}

/** Ready and Status as `kubectl get pods` shows them (`pkg/printers/internalversion.printPod`). */
function summaryOf(pod: KubeObject): Summary {
  const status = objectAt(pod, 'status')
  const containers = objectsAt(pod['spec'], 'containers')
  const statuses = objectsAt(status, 'containerStatuses')
  const readyCount = statuses.filter(
    (one) => one['ready'] === true && isObject(objectAt(one, 'state')['running']),
  ).length
  const ready = `${readyCount}/${containers.length}`
  let reason = stringAt(status, 'reason') || stringAt(status, 'phase') || 'Unknown'
  const initReason = initReasonOf(pod)
  if (initReason !== undefined) reason = initReason
  else {
    let isRunning = false
    for (const one of statuses.toReversed()) {
      const state = objectAt(one, 'state')
      const stopped = stoppedReason(state)
      if (stopped !== undefined) reason = stopped
      else if (one['ready'] === true && isObject(state['running'])) isRunning = true
    }
    if (reason === 'Completed' && isRunning) reason = isReady(pod) ? 'Running' : 'NotReady'
  }
  if (pod.metadata.deletionTimestamp !== undefined) {
    reason = stringAt(status, 'reason') === 'NodeLost' ? 'Unknown' : isFinished(pod) ? reason : 'Terminating'
  }
  return { ready, reason }
}

function stoppedReason(state: JsonObject): string | undefined {
  const waiting = stringAt(state['waiting'], 'reason')
  if (waiting !== '') return waiting
  if (!isObject(state['terminated'])) return undefined
  const { reason, signal, exitCode } = state['terminated']
  if (typeof reason === 'string' && reason !== '') return reason
  return typeof signal === 'number' && signal !== 0 ? `Signal:${signal}` : `ExitCode:${textOr(exitCode, '0')}`
}

function initReasonOf(pod: KubeObject): string | undefined {
  const statuses = objectsAt(pod['status'], 'initContainerStatuses')
  const total = objectsAt(pod['spec'], 'initContainers').length
  for (const [position, one] of statuses.entries()) {
    const state = objectAt(one, 'state')
    if (isObject(state['terminated']) && state['terminated']['exitCode'] === 0) continue
    if (one['started'] === true && isObject(state['running'])) continue
    const stopped = stoppedReason(state)
    if (stopped !== undefined && stopped !== 'PodInitializing') return `Init:${stopped}`
    return `Init:${position}/${total}`
  }
  return undefined
}

function isReady(pod: KubeObject): boolean {
  return objectsAt(pod['status'], 'conditions').some(({ type, status }) => type === 'Ready' && status === 'True')
}

function restartsOf(pod: KubeObject, nowMs: number): string {
  let restarts = 0
  let last = ''
  for (const one of objectsAt(pod['status'], 'containerStatuses')) {
    restarts += typeof one['restartCount'] === 'number' ? one['restartCount'] : 0
    const finished = stringAt(objectAt(one, 'lastState')['terminated'], 'finishedAt')
    if (finished > last) last = finished
  }
  return restarts > 0 && last !== '' ? `${restarts} (${ageOf(last, nowMs)} ago)` : String(restarts)
}

function readinessGatesOf(pod: KubeObject): string {
  const gates = objectsAt(pod['spec'], 'readinessGates')
  if (gates.length === 0) return '<none>'
  const conditions = objectsAt(pod['status'], 'conditions')
  const passed = gates.filter((gate) =>
    conditions.some(({ type, status }) => type === gate['conditionType'] && status === 'True'),
  )
  return `${passed.length}/${gates.length}`
}
