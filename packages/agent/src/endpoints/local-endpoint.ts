import { createHash } from 'node:crypto'

/** Prefix of the host side's interface names; every rule that says "a workload" says `mgy+`. */
export const INTERFACE_PREFIX = 'mgy'

/** A pod's network interface on this node, as CNI ADD made it. */
export interface LocalEndpoint {
  /** The CNI container id and the interface's name in the pod: the identity of a CNI attachment. */
  readonly containerId: string
  readonly ifName: string
  readonly netns: string
  readonly namespace: string
  readonly pod: string
  /** Name of the host's end of the veth pair. */
  readonly interfaceName: string
  /** The pod's addresses, IPv4 before IPv6. */
  readonly addresses: readonly string[]
  readonly mac: string
  readonly handleId: string
  readonly createdAt: string
}

export function endpointKey({ namespace, pod }: Pick<LocalEndpoint, 'namespace' | 'pod'>): string {
  return `${namespace}/${pod}`
}

/** `mgy` and eleven hexadecimal digits that follow from the pod's name: fifteen octets allow no more. */
export function interfaceNameOf(namespace: string, pod: string): string {
  return INTERFACE_PREFIX + createHash('sha1').update(`${namespace}.${pod}`).digest('hex').slice(0, 11)
}
