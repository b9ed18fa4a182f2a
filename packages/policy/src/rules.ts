import { createHash } from 'node:crypto'
import type { Direction, ParsedNetworkPolicy, PolicyPeer, PolicyPort, PolicyRule } from '@margay/model'
import { Prefix } from '@margay/net'
import type { PolicyPlan, RulePlan } from './plan.ts'
import { type PodSetSpec, podSetKey } from './pod-sets.ts'

/** An IP set that a compiled policy needs. */
export type NeededSet =
  | { readonly id: string; readonly pods: PodSetSpec }
  | { readonly id: string; readonly prefixes: readonly Prefix[] }

export interface CompiledPolicy {
  readonly plan: PolicyPlan
  readonly sets: readonly NeededSet[]
}

/** Iptables sets have names of 31 octets at the most; prefix and version take seven of them. */
const SET_ID_LENGTH = 20

function setId(key: string): string {
  return createHash('sha256').update(key).digest('base64url').replaceAll(/[-_]/g, 'x').slice(0, SET_ID_LENGTH)
}

/** Compiles one direction of a policy; undefined where the policy does not isolate it. Pure. */
export function compilePolicy(policy: ParsedNetworkPolicy, direction: Direction): CompiledPolicy | undefined {
  const rules = policy[direction]
  if (rules === undefined) return undefined
  const sets = new Map<string, NeededSet>()
  const need = (set: NeededSet): string => {
    sets.set(set.id, set)
    return set.id
  }
  const plans = rules.flatMap((rule) => compileRule(rule, policy, direction, need))
  const { namespace, name } = policy
  return {
    plan: { id: `${direction}/${namespace}/${name}`, direction, namespace, name, rules: plans },
    sets: [...sets.values()],
  }
}

type Need = (set: NeededSet) => string

/** Every combination of a peer and a port condition. */
function compileRule(rule: PolicyRule, policy: ParsedNetworkPolicy, direction: Direction, need: Need): RulePlan[] {
  const peers = rule.peers === 'any' ? [undefined] : rule.peers
  const ports = rule.ports === 'any' ? [undefined] : groupPorts(rule.ports)
  return peers.flatMap((peer) =>
    ports.map((port) => ({
      ...(peer === undefined ? {} : compilePeer(peer, policy, need)),
      ...(port === undefined ? {} : compilePort(port, peer, policy, direction, need)),
    })),
  )
}

interface PortGroup {
  readonly protocol: PolicyPort['protocol']
  /** Undefined: every port. */
  readonly ranges?: readonly { first: number; last: number }[]
  readonly name?: string
}

/** One condition per protocol for the numbers, and one per name. */
function groupPorts(ports: readonly PolicyPort[]): PortGroup[] {
  const groups = new Map<string, PortGroup>()
  for (const port of ports) {
    if (port.kind === 'any') groups.set(`${port.protocol} any`, { protocol: port.protocol })
    if (port.kind === 'named') {
      groups.set(`${port.protocol} name ${port.name}`, { protocol: port.protocol, name: port.name })
    }
    if (port.kind === 'range') {
      const key = `${port.protocol} ranges`
      const ranges = [...(groups.get(key)?.ranges ?? []), { first: port.first, last: port.last }]
      groups.set(key, { protocol: port.protocol, ranges })
    }
  }
  return [...groups.values()]
}

function compilePort(
  { protocol, ranges, name }: PortGroup,
  peer: PolicyPeer | undefined,
  policy: ParsedNetworkPolicy,
  direction: Direction,
  need: Need,
): RulePlan {
  if (name === undefined) return ranges === undefined ? { protocol } : { protocol, ports: ranges }
  // A name is resolved by the pod that is connected to: the policy's own for ingress, the peer for egress.
  const pods: PodSetSpec = {
    ...(direction === 'ingress'
      ? { namespace: policy.namespace, podSelector: policy.podSelector }
      : peerPods(peer, policy)),
    port: { protocol, name },
  }
  return { protocol, destinationPortSet: need({ id: setId(podSetKey(pods)), pods }) }
}

/** The pods that may resolve an egress rule's named port: an address block may hold any pod. */
function peerPods(peer: PolicyPeer | undefined, policy: ParsedNetworkPolicy): PodSetSpec {
  if (peer?.kind === 'pods')
    return { namespace: peer.namespaceSelector ?? policy.namespace, podSelector: peer.podSelector }
  return { namespace: {}, podSelector: {} }
}

function compilePeer(peer: PolicyPeer, policy: ParsedNetworkPolicy, need: Need): RulePlan {
  if (peer.kind === 'pods') {
    const pods = peerPods(peer, policy)
    return { peerSet: need({ id: setId(podSetKey(pods)), pods }) }
  }
  if (peer.except.length === 0) return { peerNet: peer.cidr }
  const prefixes = subtract(peer.cidr, peer.except)
  return { peerSet: need({ id: setId(`net ${prefixes.join(' ')}`), prefixes }) }
}

/** The fewest prefixes that hold `whole` without `holes`. */
function subtract(whole: Prefix, holes: readonly Prefix[]): Prefix[] {
  const overlapping = holes.filter((hole) => hole.overlaps(whole))
  if (overlapping.length === 0) return [whole]
  if (overlapping.some((hole) => hole.contains(whole))) return []
  return whole.halves().flatMap((half) => subtract(half, overlapping))
}
