import { Address, Prefix } from '@margay/net'
import type { EndpointPlan, IpSetKind, Packet, PlanSink, PolicyPlan, RulePlan } from '../src/index.ts'

/** Holds what the compiler says, as a dataplane would, checks that every call is legal, and can judge a packet. */
export class PlanRecorder implements PlanSink {
  readonly sets = new Map<string, { kind: IpSetKind; members: Set<string> }>()
  readonly policies = new Map<string, PolicyPlan>()
  readonly endpoints = new Map<string, EndpointPlan>()
  readonly calls: string[] = []

  ipSetAdded(id: string, kind: IpSetKind, members: ReadonlySet<string>): void {
    this.calls.push(`set+ ${id}`)
    if (this.sets.has(id)) throw new Error(`set ${id} added twice`)
    this.sets.set(id, { kind, members: new Set(members) })
  }

  ipSetMembersChanged(id: string, added: readonly string[], removed: readonly string[]): void {
    this.calls.push(`members ${id}`)
    const { members } = this.#set(id)
    for (const member of added) {
      if (members.has(member)) throw new Error(`${member} is in ${id} already`)
      members.add(member)
    }
    for (const member of removed) if (!members.delete(member)) throw new Error(`${member} is not in ${id}`)
  }

  ipSetRemoved(id: string): void {
    this.calls.push(`set- ${id}`)
    const user = [...this.policies.values()].find(({ rules }) =>
      rules.some((rule) => rule.peerSet === id || rule.destinationPortSet === id),
    )
    if (user !== undefined) throw new Error(`set ${id} is removed while ${user.id} uses it`)
    if (!this.sets.delete(id)) throw new Error(`set ${id} is removed twice`)
  }

  policyUpdated(plan: PolicyPlan): void {
    this.calls.push(`policy ${plan.id}`)
    for (const rule of plan.rules) {
      if (rule.peerSet !== undefined) this.#set(rule.peerSet)
      if (rule.destinationPortSet !== undefined) this.#set(rule.destinationPortSet)
    }
    this.policies.set(plan.id, plan)
  }

  policyRemoved(id: string): void {
    this.calls.push(`policy- ${id}`)
    const user = [...this.endpoints.values()].find(({ ingress, egress }) =>
      [...ingress.policies, ...egress.policies].includes(id),
    )
    if (user !== undefined) throw new Error(`policy ${id} is removed while ${user.id} uses it`)
    if (!this.policies.delete(id)) throw new Error(`policy ${id} is removed twice`)
  }

  endpointUpdated(plan: EndpointPlan): void {
    this.calls.push(`endpoint ${plan.id}`)
    for (const id of [...plan.ingress.policies, ...plan.egress.policies]) {
      if (!this.policies.has(id)) throw new Error(`endpoint ${plan.id} refers to no policy ${id}`)
    }
    this.endpoints.set(plan.id, plan)
  }

  endpointRemoved(id: string): void {
    this.calls.push(`endpoint- ${id}`)
    if (!this.endpoints.delete(id)) throw new Error(`endpoint ${id} is removed twice`)
  }

  /** Whether the rules let the packet out of `from` and into `to` (pods by key; an end without one is not policed). */
  passes(from: string | undefined, to: string | undefined, packet: Packet): boolean {
    return this.#direction(from, 'egress', packet) && this.#direction(to, 'ingress', packet)
  }

  /** Everything, in an order of its own. */
  snapshot(): unknown {
    const sorted = <V>(map: Map<string, V>): [string, V][] => [...map].toSorted(([a], [b]) => (a < b ? -1 : 1))
    return {
      sets: sorted(this.sets).map(([id, { kind, members }]) => [id, kind, [...members].toSorted()]),
      policies: sorted(this.policies),
      endpoints: sorted(this.endpoints),
    }
  }

  #set(id: string): { kind: IpSetKind; members: Set<string> } {
    const set = this.sets.get(id)
    if (set === undefined) throw new Error(`no set ${id}`)
    return set
  }

  #direction(key: string | undefined, direction: 'ingress' | 'egress', packet: Packet): boolean {
    if (key === undefined) return true
    const plan = this.endpoints.get(key)?.[direction]
    if (plan === undefined) throw new Error(`no endpoint ${key}`)
    if (!plan.isolated) return true
    const peer = direction === 'ingress' ? packet.from.address : packet.to.address
    return plan.policies.some((id) => this.policies.get(id)?.rules.some((rule) => this.#rule(rule, packet, peer)))
  }

  #rule(rule: RulePlan, packet: Packet, peer: Address): boolean {
    const { protocol, ports, destinationPortSet, peerSet, peerNet } = rule
    if (protocol !== undefined && protocol !== packet.protocol) return false
    if (ports !== undefined && !ports.some(({ first, last }) => packet.port >= first && packet.port <= last))
      return false
    const socket = `${packet.to.address},${packet.protocol.toLowerCase()}:${packet.port}`
    if (destinationPortSet !== undefined && !this.#set(destinationPortSet).members.has(socket)) return false
    if (peerNet !== undefined && !peerNet.contains(peer)) return false
    if (peerSet === undefined) return true
    const { kind, members } = this.#set(peerSet)
    if (kind === 'ip') return members.has(String(peer))
    return [...members].some((member) => Prefix.parse(member).contains(peer))
  }
}
