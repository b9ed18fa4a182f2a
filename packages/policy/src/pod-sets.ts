import {
  type LabelSelector,
  type Labels,
  labelSelectorKey,
  matchesLabelSelector,
  namedPorts,
  type Pod,
  type Protocol,
  podAddresses,
} from '@margay/model'
import type { PlanSink } from './plan.ts'

/** Which pods: those of one namespace, or of every namespace whose labels match; and whose own labels match. */
interface PodSelection {
  readonly namespace: string | LabelSelector
  readonly podSelector: LabelSelector
}

/** An IP set that follows pods: their addresses, or their addresses with the number of a named port. */
export interface PodSetSpec extends PodSelection {
  readonly port?: { readonly protocol: Protocol; readonly name: string }
}

interface KnownPod {
  readonly namespace: string
  readonly labels: Labels
  readonly addresses: readonly string[]
  readonly ports: ReadonlyMap<string, number>
}

interface PodSet {
  readonly id: string
  readonly spec: PodSetSpec
  references: number
  /** How many pods stand behind each member: for a moment, two may have one address. */
  readonly members: Map<string, number>
}

/** The canonical text of a set: equal texts are one set. */
export function podSetKey({ namespace, podSelector, port }: PodSetSpec): string {
  const where = typeof namespace === 'string' ? `in ${namespace}` : `where ${labelSelectorKey(namespace)}`
  return `pods ${where}: ${labelSelectorKey(podSelector)}${port === undefined ? '' : ` port ${port.protocol}/${port.name}`}`
}

/**
 * Keeps the members of every set in use, one pod's change at a time: it looks at the sets that may hold that pod and
 * at nothing else.
 */
export class PodSets {
  readonly #sink: PlanSink
  readonly #pods = new Map<string, KnownPod>()
  readonly #podsOfNamespace = new Map<string, Set<string>>()
  readonly #namespaceLabels = new Map<string, Labels>()
  readonly #sets = new Map<string, PodSet>()
  readonly #setsOfNamespace = new Map<string, Set<PodSet>>()
  readonly #setsOfAll = new Set<PodSet>()

  constructor(sink: PlanSink) {
    this.#sink = sink
  }

  /** Takes one reference to the set `id`; the first fills it from the pods known now. */
  acquire(id: string, spec: PodSetSpec): void {
    const known = this.#sets.get(id)
    if (known !== undefined) {
      known.references++
      return
    }
    const set: PodSet = { id, spec, references: 1, members: new Map() }
    this.#sets.set(id, set)
    this.#bucket(spec).add(set)
    const pods =
      typeof spec.namespace === 'string' ? (this.#podsOfNamespace.get(spec.namespace) ?? []) : this.#pods.keys()
    for (const key of pods) {
      for (const member of this.#membersOf(set, this.#pods.get(key))) {
        set.members.set(member, (set.members.get(member) ?? 0) + 1)
      }
    }
    this.#sink.ipSetAdded(id, spec.port === undefined ? 'ip' : 'ipPort', new Set(set.members.keys()))
  }

  /** Gives one reference back; the set goes with the last. */
  release(id: string): void {
    const set = this.#sets.get(id)
    if (set === undefined || --set.references > 0) return
    this.#sets.delete(id)
    this.#bucket(set.spec).delete(set)
    this.#sink.ipSetRemoved(id)
  }

  setPod(key: string, pod: Pod | undefined): void {
    const before = this.#pods.get(key)
    const after = pod === undefined ? undefined : readPod(pod)
    const sets = this.#candidates((after ?? before)?.namespace)
    const old = new Map(sets.map((set) => [set, this.#membersOf(set, before)]))
    this.#store(key, after)
    for (const set of sets) this.#change(set, old.get(set) ?? [], this.#membersOf(set, after))
  }

  /** @param labels undefined: the namespace is gone, and no namespace selector matches it */
  setNamespace(name: string, labels: Labels | undefined): void {
    const pods = [...(this.#podsOfNamespace.get(name) ?? [])].map((key) => this.#pods.get(key))
    const old = new Map(
      [...this.#setsOfAll].map((set) => [set, pods.flatMap((pod) => this.#membersOf(set, pod))] as const),
    )
    if (labels === undefined) this.#namespaceLabels.delete(name)
    else this.#namespaceLabels.set(name, labels)
    for (const [set, members] of old) {
      this.#change(
        set,
        members,
        pods.flatMap((pod) => this.#membersOf(set, pod)),
      )
    }
  }

  #bucket(spec: PodSetSpec): Set<PodSet> {
    if (typeof spec.namespace !== 'string') return this.#setsOfAll
    let bucket = this.#setsOfNamespace.get(spec.namespace)
    if (bucket === undefined) this.#setsOfNamespace.set(spec.namespace, (bucket = new Set()))
    return bucket
  }

  #candidates(namespace: string | undefined): PodSet[] {
    if (namespace === undefined) return []
    return [...(this.#setsOfNamespace.get(namespace) ?? []), ...this.#setsOfAll]
  }

  #store(key: string, pod: KnownPod | undefined): void {
    const old = this.#pods.get(key)
    if (old !== undefined) this.#podsOfNamespace.get(old.namespace)?.delete(key)
    if (pod === undefined) {
      this.#pods.delete(key)
      return
    }
    this.#pods.set(key, pod)
    const siblings = this.#podsOfNamespace.get(pod.namespace)
    if (siblings === undefined) this.#podsOfNamespace.set(pod.namespace, new Set([key]))
    else siblings.add(key)
  }

  #membersOf({ spec }: PodSet, pod: KnownPod | undefined): string[] {
    if (pod === undefined || !matchesLabelSelector(spec.podSelector, pod.labels)) return []
    if (typeof spec.namespace === 'string') {
      if (spec.namespace !== pod.namespace) return []
    } else {
      const labels = this.#namespaceLabels.get(pod.namespace)
      if (labels === undefined || !matchesLabelSelector(spec.namespace, labels)) return []
    }
    if (spec.port === undefined) return [...pod.addresses]
    const { protocol, name } = spec.port
    const number = pod.ports.get(`${protocol}/${name}`)
    return number === undefined ? [] : pod.addresses.map((address) => `${address},${protocol.toLowerCase()}:${number}`)
  }

  #change(set: PodSet, before: readonly string[], after: readonly string[]): void {
    const delta = new Map<string, number>()
    for (const member of after) delta.set(member, (delta.get(member) ?? 0) + 1)
    for (const member of before) delta.set(member, (delta.get(member) ?? 0) - 1)
    const added: string[] = []
    const removed: string[] = []
    for (const [member, change] of delta) {
      if (change === 0) continue
      const old = set.members.get(member) ?? 0
      if (old + change > 0) set.members.set(member, old + change)
      else set.members.delete(member)
      if (old === 0) added.push(member)
      if (old + change === 0) removed.push(member)
    }
    if (added.length + removed.length > 0) this.#sink.ipSetMembersChanged(set.id, added, removed)
  }
}

function readPod(pod: Pod): KnownPod {
  return {
    namespace: pod.metadata.namespace ?? '',
    labels: pod.metadata.labels ?? {},
    addresses: podAddresses(pod).map(String),
    ports: namedPorts(pod),
  }
}
