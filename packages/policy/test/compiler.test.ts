import type { LabelSelector, Namespace, NetworkPolicy, Pod, Protocol } from '@margay/model'
import { Address } from '@margay/net'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addressEnd, judge, type Packet, PolicyCompiler, podEnd, type World } from '../src/index.ts'
import { PlanRecorder } from './plan-recorder.ts'

const NAMESPACES = ['x', 'y', 'z']
const KEYS = ['app', 'role']
const VALUES = ['a', 'b', 'c']
const PROTOCOLS: Protocol[] = ['TCP', 'UDP', 'SCTP']

const labels = fc.dictionary(fc.constantFrom(...KEYS), fc.constantFrom(...VALUES), { maxKeys: 2 })
const requirement = fc.oneof(
  fc.record({
    key: fc.constantFrom(...KEYS),
    operator: fc.constantFrom('In' as const, 'NotIn' as const),
    values: fc.uniqueArray(fc.constantFrom(...VALUES), { minLength: 1, maxLength: 2 }),
  }),
  fc.record({ key: fc.constantFrom(...KEYS), operator: fc.constantFrom('Exists' as const, 'DoesNotExist' as const) }),
)
const selector: fc.Arbitrary<LabelSelector> = fc.record(
  { matchLabels: labels, matchExpressions: fc.array(requirement, { maxLength: 1 }) },
  { requiredKeys: [] },
)
const ipBlock = fc.constantFrom(
  { cidr: '10.0.0.0/29' },
  { cidr: '10.0.0.0/28', except: ['10.0.0.2/31', '10.0.0.8/32'] },
  { cidr: '0.0.0.0/0', except: ['10.0.0.4/30'] },
  { cidr: 'fd00::/64' },
  { cidr: '::/0', except: ['fd00::/126', 'fd00::8/128'] },
)
const peer = fc.oneof(
  fc.record({ podSelector: selector, namespaceSelector: selector }, { requiredKeys: ['podSelector'] }),
  fc.record({ namespaceSelector: selector }),
  fc.record({ ipBlock }),
)
const port = fc.oneof(
  fc.record({ protocol: fc.constantFrom(...PROTOCOLS) }),
  fc.record(
    { port: fc.constantFrom(80, 81, 'web', 'dns'), protocol: fc.constantFrom(...PROTOCOLS) },
    { requiredKeys: ['port'] },
  ),
  fc.record({
    port: fc.constantFrom(79, 80),
    endPort: fc.constantFrom(80, 81),
    protocol: fc.constantFrom(...PROTOCOLS),
  }),
)
const ports = fc.array(port, { maxLength: 3 })
const ingress = fc.record({ from: fc.array(peer, { maxLength: 2 }), ports }, { requiredKeys: [] })
const egress = fc.record({ to: fc.array(peer, { maxLength: 2 }), ports }, { requiredKeys: [] })
const policy = fc.record({
  name: fc.constantFrom('p1', 'p2'),
  namespace: fc.constantFrom(...NAMESPACES),
  spec: fc.record(
    {
      podSelector: selector,
      policyTypes: fc.uniqueArray(fc.constantFrom('Ingress', 'Egress'), { minLength: 1 }),
      ingress: fc.array(ingress, { maxLength: 2 }),
      egress: fc.array(egress, { maxLength: 2 }),
    },
    { requiredKeys: ['podSelector'] },
  ),
})
const containerPorts = fc.uniqueArray(
  fc.record({
    name: fc.constantFrom('web', 'dns'),
    containerPort: fc.constantFrom(80, 81),
    protocol: fc.constantFrom(...PROTOCOLS),
  }),
  { maxLength: 2, selector: ({ name, protocol }) => `${name}/${protocol}` },
)

type Change =
  | {
      kind: 'pod'
      index: number
      labels: Record<string, string>
      ports: { name: string; containerPort: number; protocol: string }[]
      host: boolean
    }
  | { kind: 'pod-gone'; index: number }
  | { kind: 'namespace'; name: string; labels: Record<string, string> }
  | { kind: 'policy'; name: string; namespace: string; spec: unknown }
  | { kind: 'policy-gone'; name: string; namespace: string }
  | { kind: 'endpoint'; index: number; present: boolean }

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({
    kind: fc.constant('pod' as const),
    index: fc.nat(8),
    labels,
    ports: containerPorts,
    host: fc.integer({ min: 0, max: 9 }).map((roll) => roll === 0),
  }),
  fc.record({ kind: fc.constant('pod-gone' as const), index: fc.nat(8) }),
  fc.record({ kind: fc.constant('namespace' as const), name: fc.constantFrom(...NAMESPACES), labels }),
  policy.map((each) => ({ kind: 'policy' as const, ...each })),
  fc.record({
    kind: fc.constant('policy-gone' as const),
    name: fc.constantFrom('p1', 'p2'),
    namespace: fc.constantFrom(...NAMESPACES),
  }),
  fc.record({ kind: fc.constant('endpoint' as const), index: fc.nat(8), present: fc.boolean() }),
)

const podKey = (index: number): string => `${NAMESPACES[index % 3]}/pod${index}`

function makePod({ index, labels: podLabels, ports: list, host }: Change & { kind: 'pod' }): Pod {
  const [namespace, name] = podKey(index).split('/') as [string, string]
  return {
    metadata: { name, namespace, labels: podLabels },
    spec: { hostNetwork: host, containers: [{ name: 'c', ports: list }] },
    status: { podIPs: [{ ip: `10.0.0.${index}` }, { ip: `fd00::${index}` }] },
  }
}

/** The present objects, and a compiler that was told of every change. */
class Lab {
  readonly recorder = new PlanRecorder()
  readonly compiler = new PolicyCompiler(this.recorder)
  readonly pods = new Map<string, Pod>()
  readonly namespaces = new Map<string, Namespace>()
  readonly policies = new Map<string, NetworkPolicy>()
  readonly endpoints = new Set<string>()

  apply(each: Change): void {
    if (each.kind === 'pod') this.#pod(podKey(each.index), makePod(each))
    if (each.kind === 'pod-gone') this.#pod(podKey(each.index), undefined)
    if (each.kind === 'namespace') {
      this.namespaces.set(each.name, { metadata: { name: each.name, labels: each.labels } })
      this.compiler.setNamespace(each.name, each.labels)
    }
    if (each.kind === 'policy') {
      const { name, namespace, spec } = each
      this.#policy(`${namespace}/${name}`, { metadata: { name, namespace }, spec })
    }
    if (each.kind === 'policy-gone') this.#policy(`${each.namespace}/${each.name}`, undefined)
    if (each.kind === 'endpoint') {
      const key = podKey(each.index)
      if (each.present) this.endpoints.add(key)
      else this.endpoints.delete(key)
      this.compiler.setEndpoint(key, each.present)
    }
  }

  world(): World {
    return {
      pods: [...this.pods.values()],
      namespaces: [...this.namespaces.values()],
      policies: [...this.policies.values()],
    }
  }

  /** The same objects given to a new compiler, in another order. */
  rebuilt(): PlanRecorder {
    const recorder = new PlanRecorder()
    const compiler = new PolicyCompiler(recorder)
    for (const key of this.endpoints) compiler.setEndpoint(key, true)
    for (const [key, each] of this.policies) compiler.setPolicy(key, each)
    for (const [key, each] of this.pods) compiler.setPod(key, each)
    for (const [name, each] of this.namespaces) compiler.setNamespace(name, each.metadata.labels)
    return recorder
  }

  #pod(key: string, pod: Pod | undefined): void {
    if (pod === undefined) this.pods.delete(key)
    else this.pods.set(key, pod)
    this.compiler.setPod(key, pod)
  }

  #policy(key: string, each: NetworkPolicy | undefined): void {
    if (each === undefined) this.policies.delete(key)
    else this.policies.set(key, each)
    expect(this.compiler.setPolicy(key, each)).toEqual([])
  }
}

/** Every packet between pods of both versions, and with two strangers, checked against the oracle. */
function checkAllPackets(lab: Lab): void {
  const world = lab.world()
  const strangers = ['10.0.0.14', '192.0.2.1', 'fd00::e', '2001:db8::1'].map((text) =>
    addressEnd(world, Address.parse(text)),
  )
  for (const family of [4, 6] as const) {
    const ends = [...lab.endpoints]
      .map((key) => lab.pods.get(key))
      .filter((pod) => pod !== undefined)
      .map((pod) => podEnd(pod, family))
      .filter((end) => end !== undefined)
    const all = [...ends, ...strangers.filter(({ address }) => address.family === family)]
    for (const from of all) {
      for (const to of all) {
        for (const protocol of PROTOCOLS) {
          for (const portNumber of [80, 81]) checkPacket(lab, world, { from, to, protocol, port: portNumber })
        }
      }
    }
  }
}

const keyOf = (pod: Pod | undefined): string | undefined =>
  pod === undefined ? undefined : `${pod.metadata.namespace}/${pod.metadata.name}`

function checkPacket(lab: Lab, world: World, packet: Packet): void {
  const { allowed } = judge(world, packet)
  const { from, to } = packet
  const said = lab.recorder.passes(keyOf(from.pod), keyOf(to.pod), packet)
  expect(said, `${from.address} → ${to.address} ${packet.protocol}/${packet.port}`).toBe(allowed)
}

test('the compiled rules judge every packet as the oracle does, whatever the order of changes', () => {
  const start: Change[] = [
    ...NAMESPACES.map((name, index) => ({ kind: 'namespace' as const, name, labels: { app: VALUES[index] ?? '' } })),
    ...Array.from({ length: 9 }, (_, index): Change => ({ kind: 'endpoint', index, present: true })),
  ]
  fc.assert(
    fc.property(fc.array(change, { minLength: 5, maxLength: 40 }), (changes) => {
      const lab = new Lab()
      for (const each of [...start, ...changes]) lab.apply(each)
      checkAllPackets(lab)
      expect(lab.recorder.snapshot()).toEqual(lab.rebuilt().snapshot())
    }),
    { numRuns: 150 },
  )
}, 60_000)

test('an endpoint whose pod is not known lets nothing through', () => {
  const recorder = new PlanRecorder()
  new PolicyCompiler(recorder).setEndpoint('x/p', true)
  expect(recorder.endpoints.get('x/p')).toEqual({
    id: 'x/p',
    ingress: { isolated: true, policies: [] },
    egress: { isolated: true, policies: [] },
  })
})

test("a peer pod's new label touches that set and nothing else", () => {
  const lab = new Lab()
  const base = { ports: [], host: false }
  lab.apply({ kind: 'namespace', name: 'x', labels: {} })
  for (const index of [0, 3, 6]) {
    lab.apply({ kind: 'pod', index, labels: { app: 'a' }, ...base })
    lab.apply({ kind: 'endpoint', index, present: true })
  }
  lab.apply({
    kind: 'policy',
    name: 'p1',
    namespace: 'x',
    spec: { podSelector: {}, ingress: [{ from: [{ podSelector: { matchLabels: { role: 'b' } } }] }] },
  })
  lab.recorder.calls.length = 0
  lab.apply({ kind: 'pod', index: 3, labels: { app: 'a', role: 'b' }, ...base })
  const [set] = [...lab.recorder.sets.keys()]
  expect(lab.recorder.calls).toEqual([`members ${set}`])
})

test('nothing is left when the last endpoint has gone', () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
      const lab = new Lab()
      for (const each of changes) lab.apply(each)
      for (let index = 0; index < 9; index++) lab.apply({ kind: 'endpoint', index, present: false })
      expect(lab.recorder.snapshot()).toEqual({ sets: [], policies: [], endpoints: [] })
    }),
  )
})
