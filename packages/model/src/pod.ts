import { Address } from '@margay/net'
import type { Pod } from './kubernetes.ts'

/** Annotations that the CNI server writes on a pod as soon as it has its addresses: before the kubelet's status does. */
export const POD_IPS_ANNOTATION = 'cni.projectcalico.org/podIPs'
export const POD_IP_ANNOTATION = 'cni.projectcalico.org/podIP'
export const CONTAINER_ID_ANNOTATION = 'cni.projectcalico.org/containerID'
/** A JSON list of the addresses that the pod shall have. */
export const REQUESTED_IPS_ANNOTATION = 'cni.projectcalico.org/ipAddrs'

/** Whether the pod has an address of its own that may send and receive: not the host's, and not of the dead. */
export function isNetworkedPod(pod: Pod): boolean {
  const phase = pod.status?.phase
  return pod.spec.hostNetwork !== true && phase !== 'Succeeded' && phase !== 'Failed'
}

/**
 * The pod's own addresses: the status, which only the kubelet writes; until it does, the CNI server's annotation. What
 * does not parse is left out.
 */
export function podAddresses(pod: Pod): Address[] {
  if (!isNetworkedPod(pod)) return []
  const { podIPs = [], podIP } = pod.status ?? {}
  const reported = podIPs.length > 0 ? podIPs.map(({ ip }) => ip) : podIP === undefined ? [] : [podIP]
  const annotated = (pod.metadata.annotations?.[POD_IPS_ANNOTATION] ?? '').split(',')
  const texts = reported.length > 0 ? reported : annotated.map((text) => text.replace(/\/(32|128)$/, ''))
  return texts.map((text) => Address.tryParse(text)).filter((address) => address !== undefined)
}

/** The number that each named port of the pod's containers stands for, by `PROTOCOL/name`. */
export function namedPorts(pod: Pod): Map<string, number> {
  const sidecars = (pod.spec.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always')
  const ports = new Map<string, number>()
  for (const container of [...pod.spec.containers, ...sidecars]) {
    for (const { name, containerPort, protocol } of container.ports ?? []) {
      const key = `${protocol ?? 'TCP'}/${name}`
      if (name !== undefined && !ports.has(key)) ports.set(key, containerPort)
    }
  }
  return ports
}
