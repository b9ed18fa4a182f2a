import type { KubernetesObject, Pod } from '@margay/model'

/** The object without what no reader of a table needs: bookkeeping of the API, and of a pod nearly everything. */
export function trim<T extends KubernetesObject>(object: T): T {
  const { managedFields: _, ...metadata } = object.metadata as T['metadata'] & { managedFields?: unknown }
  const annotations: Record<string, string> = { ...metadata.annotations }
  delete annotations['kubectl.kubernetes.io/last-applied-configuration']
  const trimmed = { ...object, metadata: { ...metadata, annotations } }
  return isPod(object) ? { ...trimmed, ...podParts(object) } : trimmed
}

function isPod(object: KubernetesObject): object is Pod {
  return 'spec' in object && typeof object.spec === 'object' && object.spec !== null && 'containers' in object.spec
}

function podParts({ spec, status }: Pod): Pick<Pod, 'spec' | 'status'> {
  const { nodeName, hostNetwork, containers, initContainers } = spec
  const ports = <C extends { name: string; ports?: unknown; restartPolicy?: string }>(container: C): C =>
    ({ name: container.name, ports: container.ports, restartPolicy: container.restartPolicy }) as C
  return {
    spec: {
      ...(nodeName === undefined ? {} : { nodeName }),
      ...(hostNetwork === undefined ? {} : { hostNetwork }),
      containers: containers.map(ports),
      ...(initContainers === undefined ? {} : { initContainers: initContainers.map(ports) }),
    },
    ...(status === undefined
      ? {}
      : {
          status: {
            ...(status.phase === undefined ? {} : { phase: status.phase }),
            ...(status.podIP === undefined ? {} : { podIP: status.podIP }),
            ...(status.podIPs === undefined ? {} : { podIPs: status.podIPs }),
          },
        }),
  }
}
