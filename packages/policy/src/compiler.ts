import type { Labels } from '@margay/model'
import {
  type Direction,
  matchesLabelSelector,
  type NetworkPolicy,
  type ParsedNetworkPolicy,
  type Pod,
  parseNetworkPolicy,
} from '@margay/model'
import type { DirectionPlan, EndpointPlan, PlanSink } from './plan.ts'
import { PodSets } from './pod-sets.ts'
import { type CompiledPolicy, compilePolicy, type NeededSet } from './rules.ts'

const DIRECTIONS: readonly Direction[] = ['ingress', 'egress']

interface KnownPolicy {
  readonly parsed: ParsedNetworkPolicy
  /** The local endpoints that it selects. Only a policy that selects one is compiled and given to the sink. */
  readonly selects: Set<string>
  compiled: CompiledPolicy[]
}

/**
 * Turns pods, namespaces and policies into rules for this node's endpoints, one change at a time. Its state, and so
 * what it has told the sink in all, depends on the present objects only and never on the order in which they came.
 */
export class PolicyCompiler {
  readonly #sink: PlanSink
  readonly #podSets: PodSets
  readonly #pods = new Map<string, { readonly namespace: string; readonly labels: Labels }>()
  readonly #policies = new Map<string, KnownPolicy>()
  readonly #policiesOfNamespace = new Map<string, Set<string>>()
  readonly #endpoints = new Map<string, EndpointPlan>()
  readonly #endpointsOfNamespace = new Map<string, Set<string>>()
  readonly #prefixSets = new Map<string, number>()

  constructor(sink: PlanSink) {
    this.#sink = sink
    this.#podSets = new PodSets(sink)
  }

  setNamespace(name: string, labels: Labels | undefined): void {
    this.#podSets.setNamespace(name, labels)
  }

  /** @param key `namespace/name` */
  setPod(key: string, pod: Pod | undefined): void {
    this.#podSets.setPod(key, pod)
    if (pod === undefined) this.#pods.delete(key)
    else this.#pods.set(key, { namespace: pod.metadata.namespace ?? '', labels: pod.metadata.labels ?? {} })
    if (this.#endpoints.has(key)) this.#updateEndpoint(key)
  }

  /** Says that the pod `key` has, or no longer has, an endpoint on this node. Its pod may be unknown as yet. */
  setEndpoint(key: string, present: boolean): void {
    const namespace = key.split('/', 1)[0] ?? ''
    if (present) {
      addTo(this.#endpointsOfNamespace, namespace, key)
      this.#updateEndpoint(key)
      return
    }
    if (!this.#endpoints.delete(key)) return
    this.#endpointsOfNamespace.get(namespace)?.delete(key)
    this.#sink.endpointRemoved(key)
    for (const policy of this.#policiesOf(namespace)) this.#deselect(policy, key)
  }

  /** @param key `namespace/name` @returns what is wrong with the policy, for the log */
  setPolicy(key: string, policy: NetworkPolicy | undefined): ParsedNetworkPolicy['errors'] {
    const old = this.#policies.get(key)
    const parsed = policy === undefined ? undefined : parseNetworkPolicy(policy)
    const namespace = key.split('/', 1)[0] ?? ''
    if (parsed === undefined) {
      this.#policies.delete(key)
      this.#policiesOfNamespace.get(namespace)?.delete(key)
    } else {
      const next: KnownPolicy = { parsed, selects: new Set(), compiled: [] }
      this.#policies.set(key, next)
      addTo(this.#policiesOfNamespace, namespace, key)
      for (const endpoint of this.#endpointsOfNamespace.get(namespace) ?? []) {
        if (this.#selects(parsed, endpoint)) this.#select(next, endpoint)
      }
    }
    // The new rules stand before any endpoint refers to them, and the old go when none does any more.
    for (const endpoint of this.#endpointsOfNamespace.get(namespace) ?? []) this.#updateEndpoint(endpoint)
    if (old !== undefined) this.#retire(old, this.#policies.get(key))
    return parsed?.errors ?? []
  }

  #policiesOf(namespace: string): KnownPolicy[] {
    const keys = [...(this.#policiesOfNamespace.get(namespace) ?? [])].toSorted()
    return keys.map((key) => this.#policies.get(key)).filter((policy) => policy !== undefined)
  }

  #selects({ namespace, podSelector }: ParsedNetworkPolicy, endpoint: string): boolean {
    const pod = this.#pods.get(endpoint)
    return pod !== undefined && pod.namespace === namespace && matchesLabelSelector(podSelector, pod.labels)
  }

  #updateEndpoint(key: string): void {
    const pod = this.#pods.get(key)
    const namespace = key.split('/', 1)[0] ?? ''
    const policies = this.#policiesOf(namespace)
    const selecting = policies.filter(({ parsed }) => this.#selects(parsed, key))
    for (const policy of selecting) this.#select(policy, key)
    // A pod that is not known (yet, or any more) has no labels to judge by: nothing passes.
    const plan: EndpointPlan = {
      id: key,
      ingress: pod === undefined ? { isolated: true, policies: [] } : directionPlan(selecting, 'ingress'),
      egress: pod === undefined ? { isolated: true, policies: [] } : directionPlan(selecting, 'egress'),
    }
    const old = this.#endpoints.get(key)
    if (old === undefined || !samePlan(old, plan)) {
      this.#endpoints.set(key, plan)
      this.#sink.endpointUpdated(plan)
    }
    for (const policy of policies) if (!selecting.includes(policy)) this.#deselect(policy, key)
  }

  #select(policy: KnownPolicy, endpoint: string): void {
    if (policy.selects.has(endpoint)) return
    policy.selects.add(endpoint)
    if (policy.selects.size > 1) return
    policy.compiled = DIRECTIONS.map((direction) => compilePolicy(policy.parsed, direction)).filter(
      (each) => each !== undefined,
    )
    for (const { plan, sets } of policy.compiled) {
      for (const set of sets) this.#acquire(set)
      this.#sink.policyUpdated(plan)
    }
  }

  #deselect(policy: KnownPolicy, endpoint: string): void {
    if (policy.selects.delete(endpoint) && policy.selects.size === 0) this.#retire(policy, undefined)
  }

  /** Takes back what `policy` has given to the sink, but for the plans that `successor` has replaced. */
  #retire(policy: KnownPolicy, successor: KnownPolicy | undefined): void {
    const kept = new Set(successor?.compiled.map(({ plan }) => plan.id))
    for (const { plan, sets } of policy.compiled) {
      if (!kept.has(plan.id)) this.#sink.policyRemoved(plan.id)
      for (const set of sets) this.#release(set)
    }
    policy.compiled = []
  }

  #acquire(set: NeededSet): void {
    if ('pods' in set) return this.#podSets.acquire(set.id, set.pods)
    const references = this.#prefixSets.get(set.id) ?? 0
    this.#prefixSets.set(set.id, references + 1)
    if (references === 0) this.#sink.ipSetAdded(set.id, 'net', new Set(set.prefixes.map(String)))
  }

  #release(set: NeededSet): void {
    if ('pods' in set) return this.#podSets.release(set.id)
    const references = (this.#prefixSets.get(set.id) ?? 0) - 1
    if (references > 0) this.#prefixSets.set(set.id, references)
    else {
      this.#prefixSets.delete(set.id)
      this.#sink.ipSetRemoved(set.id)
    }
  }
}

function directionPlan(selecting: readonly KnownPolicy[], direction: Direction): DirectionPlan {
  const policies = selecting.flatMap(({ compiled }) =>
    compiled.filter(({ plan }) => plan.direction === direction).map(({ plan }) => plan.id),
  )
  return { isolated: policies.length > 0, policies }
}

function samePlan(a: EndpointPlan, b: EndpointPlan): boolean {
  return sameDirection(a.ingress, b.ingress) && sameDirection(a.egress, b.egress)
}

function sameDirection(a: DirectionPlan, b: DirectionPlan): boolean {
  return a.isolated === b.isolated && a.policies.join('\n') === b.policies.join('\n')
}

function addTo(index: Map<string, Set<string>>, group: string, key: string): void {
  const members = index.get(group)
  if (members === undefined) index.set(group, new Set([key]))
  else members.add(key)
}
