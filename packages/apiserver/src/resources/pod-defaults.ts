import { isObject, type JsonObject, type KubeObject, objectAt, objectsAt, stringAt } from '../object.ts'
import { objectIn, setDefault } from './builtin.ts'

const DEFAULT_FILE_MODE = 0o644

/** Defaults of a Pod (`SetDefaults_Pod`). */
export function applyPodDefaults(pod: KubeObject): void {
  const spec = objectIn(pod, 'spec')
  setDefault(spec, 'enableServiceLinks', true)
  applyPodSpecDefaults(spec)
}

/** Defaults of a pod template's spec (`SetDefaults_PodSpec` and the container defaults). */
export function applyPodSpecDefaults(spec: JsonObject): void {
  setDefault(spec, 'restartPolicy', 'Always')
  setDefault(spec, 'dnsPolicy', 'ClusterFirst')
  setDefault(spec, 'terminationGracePeriodSeconds', 30)
  setDefault(spec, 'securityContext', {})
  setDefault(spec, 'schedulerName', 'default-scheduler')
  // `serviceAccount` is the old name of `serviceAccountName`; both are always served.
  const account = stringAt(spec, 'serviceAccountName') || stringAt(spec, 'serviceAccount')
  if (account !== '') {
    spec['serviceAccountName'] = account
    spec['serviceAccount'] = account
  }
  for (const container of [...objectsAt(spec, 'containers'), ...objectsAt(spec, 'initContainers')]) {
    applyContainerDefaults(container, spec['hostNetwork'] === true)
  }
  for (const volume of objectsAt(spec, 'volumes')) applyVolumeDefaults(volume)
}

function applyContainerDefaults(container: JsonObject, hostNetwork: boolean): void {
  setDefault(container, 'terminationMessagePath', '/dev/termination-log')
  setDefault(container, 'terminationMessagePolicy', 'File')
  setDefault(container, 'resources', {})
  setDefault(container, 'imagePullPolicy', pullsAlways(stringAt(container, 'image')) ? 'Always' : 'IfNotPresent')
  for (const port of objectsAt(container, 'ports')) {
    setDefault(port, 'protocol', 'TCP')
    if (hostNetwork) setDefault(port, 'hostPort', port['containerPort'])
  }
  for (const variable of objectsAt(container, 'env')) {
    const fieldRef = objectAt(variable, 'valueFrom')['fieldRef']
    if (isObject(fieldRef)) setDefault(fieldRef, 'apiVersion', 'v1')
  }
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    if (isObject(container[name])) applyProbeDefaults(container[name])
  }
  const { limits, requests } = objectAt(container, 'resources')
  if (isObject(limits))
    objectAt(container, 'resources')['requests'] = { ...limits, ...(isObject(requests) ? requests : {}) }
}

/** The image has no tag, or the tag `latest`. */
function pullsAlways(image: string): boolean {
  if (image.includes('@')) return false
  const lastPart = image.slice(image.lastIndexOf('/') + 1)
  return !lastPart.includes(':') || lastPart.endsWith(':latest')
}

function applyProbeDefaults(probe: JsonObject): void {
  setDefault(probe, 'timeoutSeconds', 1)
  setDefault(probe, 'periodSeconds', 10)
  setDefault(probe, 'successThreshold', 1)
  setDefault(probe, 'failureThreshold', 3)
  if (!isObject(probe['httpGet'])) return
  setDefault(probe['httpGet'], 'path', '/')
  setDefault(probe['httpGet'], 'scheme', 'HTTP')
}

function applyVolumeDefaults(volume: JsonObject): void {
  if (Object.keys(volume).length === 1) volume['emptyDir'] = {}
  for (const source of ['secret', 'configMap', 'downwardAPI', 'projected']) {
    if (isObject(volume[source])) setDefault(volume[source], 'defaultMode', DEFAULT_FILE_MODE)
  }
  if (isObject(volume['hostPath'])) setDefault(volume['hostPath'], 'type', '')
  const fields = [
    volume['downwardAPI'],
    ...objectsAt(volume['projected'], 'sources').map((source) => source['downwardAPI']),
  ]
  for (const item of fields.flatMap((source) => objectsAt(source, 'items'))) {
    if (isObject(item['fieldRef'])) setDefault(item['fieldRef'], 'apiVersion', 'v1')
  }
  for (const source of objectsAt(volume['projected'], 'sources')) {
    if (isObject(source['serviceAccountToken'])) setDefault(source['serviceAccountToken'], 'expirationSeconds', 3600)
  }
}

/** Quality-of-service class of a pod, from its containers' requests and limits. */
export function qosClassOf(spec: JsonObject): 'BestEffort' | 'Burstable' | 'Guaranteed' {
  const containers = [...objectsAt(spec, 'containers'), ...objectsAt(spec, 'initContainers')]
  const pairs = containers.map((container) => {
    const resources = objectAt(container, 'resources')
    return { limits: objectAt(resources, 'limits'), requests: objectAt(resources, 'requests') }
  })
  const asksNothing = ({ limits, requests }: { limits: JsonObject; requests: JsonObject }): boolean =>
    ['cpu', 'memory'].every((name) => limits[name] === undefined && requests[name] === undefined)
  if (pairs.every((pair) => asksNothing(pair))) return 'BestEffort'
  const isFixed = pairs.every(({ limits, requests }) =>
    ['cpu', 'memory'].every((name) => limits[name] !== undefined && limits[name] === requests[name]),
  )
  return isFixed ? 'Guaranteed' : 'Burstable'
}
