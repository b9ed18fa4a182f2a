import type { LabelSelector, Namespace, NetworkPolicy, Pod, Protocol } from '@margay/model'
import { podAddresses } from '@margay/model'
import { Address, Prefix } from '@margay/net'

/**
 * What the Kubernetes API reference says of NetworkPolicy, written down a second time, plainly and slowly, and apart
 * from the compiler: the compiler is tested against it, and `explain` speaks its words. It reads the objects as the API
 * gives them and takes them to be valid.
 */
export interface World {
  readonly pods: readonly Pod[]
  readonly namespaces: readonly Namespace[]
  readonly policies: readonly NetworkPolicy[]
}

/** One end of a connection. A pod is known by its object, anything else by its address. */
export interface PacketEnd {
  readonly pod?: Pod
  readonly address: Address
}

export interface Packet {
  readonly from: PacketEnd
  readonly to: PacketEnd
  readonly protocol: Protocol
  /** Destination port. */
  readonly port: number
  /** The packet comes from the node that the destination pod runs on: always let in. */
  readonly fromOwnNode?: boolean
}

/** How one end's policies judge a packet. */
export interface DirectionVerdict {
  readonly allowed: boolean
  /** The policies that isolate the pod in this direction (`namespace/name`); none: it is not isolated. */
  readonly isolatedBy: readonly string[]
  /** Those of them that allow the packet, with the index of the first rule that does. */
  readonly allowedBy: readonly { readonly policy: string; readonly rule: number }[]
}

export interface Verdict {
  readonly allowed: boolean
  readonly egress: DirectionVerdict
  readonly ingress: DirectionVerdict
}

interface RawRule {
  readonly from?: readonly RawPeer[]
  readonly to?: readonly RawPeer[]
  readonly ports?: readonly { readonly protocol?: string; readonly port?: number | string; readonly endPort?: number }[]
}

interface RawPeer {
  readonly podSelector?: LabelSelector
  readonly namespaceSelector?: LabelSelector
  readonly ipBlock?: { readonly cidr: string; readonly except?: readonly string[] }
}

interface RawSpec {
  readonly podSelector?: LabelSelector
  readonly policyTypes?: readonly string[]
  readonly ingress?: readonly RawRule[]
  readonly egress?: readonly RawRule[]
}

/** Whether a new connection with this first packet comes through. */
export function judge(world: World, packet: Packet): Verdict {
  const egress = judgeDirection(world, packet, 'Egress')
  const ingress =
    packet.fromOwnNode === true
      ? { allowed: true, isolatedBy: [], allowedBy: [] }
      : judgeDirection(world, packet, 'Ingress')
  return { allowed: egress.allowed && ingress.allowed, egress, ingress }
}

function judgeDirection(world: World, packet: Packet, type: 'Ingress' | 'Egress'): DirectionVerdict {
  const subject = type === 'Ingress' ? packet.to.pod : packet.from.pod
  if (subject === undefined || subject.spec.hostNetwork === true)
    return { allowed: true, isolatedBy: [], allowedBy: [] }
  const isolating = world.policies.filter((policy) => selectsPod(policy, subject) && typesOf(policy).includes(type))
  const allowedBy: { policy: string; rule: number }[] = []
  for (const policy of isolating) {
    const rules = (type === 'Ingress' ? specOf(policy).ingress : specOf(policy).egress) ?? []
    const rule = rules.findIndex((each) => ruleAllows(world, policy, each, packet, type))
    if (rule !== -1) allowedBy.push({ policy: nameOf(policy), rule })
  }
  return { allowed: isolating.length === 0 || allowedBy.length > 0, isolatedBy: isolating.map(nameOf), allowedBy }
}

function specOf(policy: NetworkPolicy): RawSpec {
  return policy.spec ?? {}
}

function nameOf(policy: NetworkPolicy): string {
  return `${policy.metadata.namespace}/${policy.metadata.name}`
}

function selectsPod(policy: NetworkPolicy, pod: Pod): boolean {
  return (
    policy.metadata.namespace === pod.metadata.namespace && selects(specOf(policy).podSelector, pod.metadata.labels)
  )
}

function typesOf(policy: NetworkPolicy): readonly string[] {
  const { policyTypes, egress } = specOf(policy)
  if (policyTypes !== undefined && policyTypes.length > 0) return policyTypes
  return egress !== undefined && egress.length > 0 ? ['Ingress', 'Egress'] : ['Ingress']
}

function ruleAllows(
  world: World,
  policy: NetworkPolicy,
  rule: RawRule,
  packet: Packet,
  type: 'Ingress' | 'Egress',
): boolean {
  const peers = (type === 'Ingress' ? rule.from : rule.to) ?? []
  const peerEnd = type === 'Ingress' ? packet.from : packet.to
  const peerOk = peers.length === 0 || peers.some((peer) => isPeer(world, policy, peer, peerEnd))
  const ports = rule.ports ?? []
  return peerOk && (ports.length === 0 || ports.some((port) => portAllows(port, packet)))
}

function isPeer(world: World, policy: NetworkPolicy, peer: RawPeer, end: PacketEnd): boolean {
  if (peer.ipBlock !== undefined) {
    const { cidr, except = [] } = peer.ipBlock
    return inBlock(end.address, cidr) && !except.some((hole) => inBlock(end.address, hole))
  }
  const { pod } = end
  if (pod === undefined || pod.spec.hostNetwork === true) return false
  if (peer.namespaceSelector === undefined) {
    if (pod.metadata.namespace !== policy.metadata.namespace) return false
  } else {
    const namespace = world.namespaces.find(({ metadata }) => metadata.name === pod.metadata.namespace)
    if (namespace === undefined || !selects(peer.namespaceSelector, namespace.metadata.labels)) return false
  }
  return selects(peer.podSelector, pod.metadata.labels)
}

function portAllows(port: NonNullable<RawRule['ports']>[number], packet: Packet): boolean {
  if ((port.protocol ?? 'TCP') !== packet.protocol) return false
  if (port.port === undefined) return true
  if (typeof port.port === 'number') return packet.port >= port.port && packet.port <= (port.endPort ?? port.port)
  return (packet.to.pod?.spec.containers ?? []).some((container) =>
    (container.ports ?? []).some(
      ({ name, containerPort, protocol = 'TCP' }) =>
        name === port.port && protocol === packet.protocol && containerPort === packet.port,
    ),
  )
}

function inBlock(address: Address, cidr: string): boolean {
  return Prefix.parse(cidr).contains(address)
}

function selects(selector: LabelSelector | undefined, labels: Readonly<Record<string, string>> = {}): boolean {
  const byLabel = Object.entries(selector?.matchLabels ?? {}).every(([key, value]) => labels[key] === value)
  const byExpression = (selector?.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key]
    if (operator === 'Exists') return value !== undefined
    if (operator === 'DoesNotExist') return value === undefined
    const listed = value !== undefined && values.includes(value)
    return operator === 'In' ? listed : !listed
  })
  return byLabel && byExpression
}

/** A pod as one end of a packet, or undefined when it has no address of this version. */
export function podEnd(pod: Pod, family: 4 | 6): PacketEnd | undefined {
  const address = podAddresses(pod).find((each) => each.family === family)
  return address === undefined ? undefined : { pod, address }
}

/** The end that owns `address` in this world: a pod, or a stranger. */
export function addressEnd(world: World, address: Address): PacketEnd {
  const pod = world.pods.find((each) => podAddresses(each).some((own) => own.equals(address)))
  return pod === undefined ? { address } : { pod, address }
}
